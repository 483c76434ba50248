"""Whether a session listens, read off command lines."""

import pytest

from channeld.core.listening import Listening, is_claude, judge, opted_in

LOCAL = ["/usr/bin/claude", "--dangerously-load-development-channels", "server:channeld"]


@pytest.mark.parametrize(
    ("plugin", "argv"),
    [
        (False, LOCAL),
        (False, ["claude", "--resume", "--dangerously-load-development-channels", "server:other", "server:channeld"]),
        (True, ["claude", "--channels", "plugin:channeld@channeld"]),
        (True, ["claude", "--channels=plugin:channeld@market"]),
        (True, ["claude", "--channels", "plugin:telegram@official", "plugin:channeld@channeld", "--model", "x"]),
        (True, ["claude", "--dangerously-load-development-channels", "plugin:channeld@channeld", "do something"]),
    ],
)
def test_a_session_that_opted_channeld_in_listens(plugin, argv):
    """Every spelling of the two flags that names this channel counts."""
    assert judge("auto", argv, plugin=plugin).listening is Listening.YES


@pytest.mark.parametrize("plugin", [False, True], ids=["by itself", "plugin"])
@pytest.mark.parametrize(
    "argv",
    [
        ["claude"],
        ["claude", "--model", "x", "server:channeld"],
        ["claude", "--", "--channels", "plugin:channeld@channeld"],
        ["claude", "--channels", "plugin:telegram@official"],
        ["claude", "--channels", "--verbose", "server:channeld"],
        ["claude", "--dangerously-load-development-channels", "server:channeld2"],
        ["claude", "--channels", "plugin:other@channeld"],
    ],
)
def test_a_session_that_did_not_opt_in_is_told_how(plugin, argv):
    """Without the opt-in a session gets nothing, with the reason and the mend."""
    verdict = judge("auto", argv, plugin=plugin)
    assert verdict.listening is Listening.NO
    assert verdict.reason
    assert verdict.mend.endswith("plugin:channeld@channeld" if plugin else "server:channeld")


def test_the_plugin_and_a_server_by_itself_are_two_channels():
    """The flag of one does not let the other in, and what is told names the right one."""
    by_plugin = ["claude", "--channels", "plugin:channeld@channeld"]
    assert judge("auto", LOCAL, plugin=True).mend.endswith("plugin:channeld@channeld")
    assert judge("auto", LOCAL, plugin=True).listening is judge("auto", by_plugin).listening is Listening.NO
    assert "but not with server:channeld (plugin:channeld@channeld)" in judge("auto", by_plugin).reason


def test_another_client_does_not_listen_unless_told_so():
    """An MCP client that is not Claude Code gets events only on its own word."""
    assert judge("auto", None).listening is Listening.NO
    assert judge("yes", None).listening is Listening.YES
    assert judge("no", LOCAL).listening is Listening.NO


def test_what_cannot_be_read_is_unknown():
    """Unknown is neither yes nor no, and says what would settle it."""
    verdict = judge("auto", None, readable=False)
    assert verdict.listening is Listening.UNKNOWN
    assert "--listening yes" in verdict.mend


@pytest.mark.parametrize(
    ("argv", "yes"),
    [
        (["claude"], True),
        (["/opt/x/claude.exe", "-p"], True),
        (["node", "/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js"], True),
        (["node", "--flag", "/usr/bin/claude"], True),
        (["bash", "claude"], False),
        (["/bin/sh", "-c", "claude --x"], False),
        (["node", "server.js"], False),
        ([], False),
    ],
)
def test_claude_code_is_known_by_its_command_line(argv, yes):
    """The native binary and the script under node count, a shell around them does not."""
    assert is_claude(argv) is yes


def test_the_channels_of_a_command_line_are_listed():
    """Several flags and several values add up."""
    argv = ["claude", "--channels", "plugin:a@b", "--dangerously-load-development-channels=server:c,server:d"]
    assert opted_in(argv) == ["plugin:a@b", "server:c", "server:d"]

"""How a kept session is opted in: what settings allow, what the project has, and the command line that follows."""

import pytest

from channeld.core.listening import opted_in
from channeld.core.opt_in import PLUGIN, SERVER, OptIn, Way, allows, choose, command_line, find_channel

OURS = {"marketplace": "channeld", "plugin": "channeld"}
LISTED = {"channelsEnabled": True, "allowedChannelPlugins": [OURS]}
ENABLED = {"enabledPlugins": {"channeld@channeld": True}}
DISABLED = {"enabledPlugins": {"channeld@channeld": False}}
DEVELOPMENT = OptIn(Way.DEVELOPMENT, ("--dangerously-load-development-channels", PLUGIN))


@pytest.mark.parametrize(
    ("managed", "allowed"),
    [
        ([], False),
        ([{}], False),
        ([LISTED], True),
        ([LISTED, {"channelsEnabled": False}], False),
        ([{"channelsEnabled": True}], False),
        ([{**LISTED, "channelsEnabled": "yes"}], False),
        ([{**LISTED, "allowedChannelPlugins": [{"marketplace": "other", "plugin": "channeld"}]}], False),
        ([{**LISTED, "allowedChannelPlugins": "channeld"}], False),
        ([{**LISTED, "allowedChannelPlugins": ["channeld", OURS]}], True),
    ],
)
def test_managed_settings_allow_our_plugin_or_not(managed, allowed):
    """Both keys must say so, in the file that rules; whatever else stands there is no reason to fail."""
    assert allows(managed) is allowed


@pytest.mark.parametrize(
    ("settings", "servers", "channel"),
    [
        ([], {}, None),
        ([ENABLED], {}, PLUGIN),
        ([ENABLED], {"channeld": {}}, PLUGIN),
        ([ENABLED, {}, DISABLED], {}, None),
        ([DISABLED, ENABLED], {}, PLUGIN),
        ([DISABLED], {"channeld": {}}, SERVER),
        ([{"enabledPlugins": []}], {"other": {}}, None),
    ],
)
def test_the_channel_is_the_plugins_or_that_of_a_server(settings, servers, channel):
    """The plugin, unless a later file turns it off; else a server of the project."""
    assert find_channel(settings, servers) == channel


def test_the_way_is_the_one_that_asks_no_question_where_that_is_allowed():
    """The server of a project is never allowed, and the user's own flags are left alone."""
    assert choose([LISTED], [], PLUGIN) == OptIn(Way.MANAGED, ("--channels", PLUGIN))
    assert choose([], [], PLUGIN) == DEVELOPMENT
    assert choose([LISTED], [], SERVER).way is Way.DEVELOPMENT
    assert choose([], ["--channels", "plugin:other@place"], PLUGIN) == OptIn(Way.OWN, ())
    assert (DEVELOPMENT.channel, choose([LISTED], [], PLUGIN).channel, OptIn(Way.OWN, ()).channel) == (PLUGIN, "", "")


@pytest.mark.parametrize(
    ("arguments", "again", "words"),
    [
        ([], False, []),
        ([], True, ["--continue"]),
        (["--model", "opus"], True, ["--continue", "--model", "opus"]),
        (["--resume", "abc"], True, ["--resume", "abc"]),
        (["-c"], True, ["-c"]),
        (["--resume=abc"], True, ["--resume=abc"]),
    ],
)
def test_what_has_begun_is_continued_unless_the_user_says_how(arguments, again, words):
    """Once, and the channel's flag takes no word of the user's."""
    line = command_line(DEVELOPMENT, arguments, again=again)
    assert line == ["claude", *words, *DEVELOPMENT.flags]
    assert opted_in(line) == [PLUGIN]


def test_a_prompt_behind_a_double_hyphen_stays_a_prompt():
    """What looks like an option there is none."""
    line = command_line(DEVELOPMENT, ["--model", "opus", "--", "--continue"], again=True)
    assert line == ["claude", "--continue", "--model", "opus", *DEVELOPMENT.flags, "--", "--continue"]

"""The configuration: what is read, and how a mistake is told."""

import pytest

from channeld.config import load
from channeld.core.errors import ConfigError


def read(tmp_path, text):
    """Load a configuration from text."""
    file = tmp_path / "config.toml"
    file.write_text(text)
    return load(file)


def mistake(tmp_path, text):
    """Return the error that a configuration gives."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    return caught.value


def test_without_a_file_there_is_a_web_chat(tmp_path):
    """The defaults need no configuration at all."""
    workers = load(tmp_path / "none.toml").worker_list()
    assert [(w.name, w.platform, w.settings["port"]) for w in workers] == [("web", "web", 8787)]


def test_the_default_file_says_what_is_true(pytestconfig):
    """The commented default is a valid configuration and equals the defaults."""
    config = load(pytestconfig.rootpath / "config" / "channeld.toml")
    assert config == load(pytestconfig.rootpath / "no such file")


def test_a_worker_may_be_declared_several_times_and_by_command(tmp_path):
    """Names are free, the platform is told; a command brings settings of its own."""
    config = read(
        tmp_path,
        '[workers.team]\nplatform = "web"\nport = 1\n[workers.pager]\ncommand = ["/bin/x"]\nanything = 3\n',
    )
    team, pager = config.worker_list()
    assert (team.platform, team.settings["port"]) == ("web", 1)
    assert (pager.command, pager.settings) == (["/bin/x"], {"anything": 3})


@pytest.mark.parametrize(
    ("text", "line", "key", "hint"),
    [
        ("[daemon]\nlog_levle = 'info'\n", 2, "daemon.log_levle", "log_level"),
        ("\n[workers.web]\nport = 1\nprot = 2\n", 4, "workers.web.prot", "port"),
        ("[workers.web]\nport = 99999\n", 2, "workers.web.port", ""),
        ("[workres.web]\n", 1, "workres", "workers"),
        ("\n[worker.web]\nport = 1\n", 2, "worker", "workers"),
        ("[workers.wbe]\n", 1, "wbe", "Did you mean web?"),
        ("[workers.web]\nport = '8787'\n", 2, "whole number, without quotes", "8787"),
        ("[workers.web]\nenabled = 'yes'\n", 2, "true or false", "true"),
        ("[workers.web]\ncommand = 'x'\n", 2, "a list, such as", "default"),
        ("[daemon]\nlog_level = 'loud'\n", 2, "'warning' or 'error'", '"info"'),
        ("[sessions]\ndefault = 3\n", 2, "sessions.default", ""),
        ("[workers.webhook]\n", 1, "webhook", "[workers.webhook]"),
        ("[workers.irc]\n", 1, "irc", "web"),
        ("[workers.Web]\n", 1, "Web", "small letters"),
        ("[workers.web]\nplatform = ['web']\n", 1, "platform", "web"),
        ("workers = 3\n", 1, "workers", ""),
        ("[workers]\nweb = 3\n", 2, "workers.web", ""),
    ],
)
def test_a_mistake_names_file_line_key_and_what_was_meant(tmp_path, text, line, key, hint):
    """One sentence leads straight to the place, one more to the cure."""
    error = mistake(tmp_path, text)
    assert f"config.toml, line {line}" in str(error)
    assert key in str(error)
    assert hint in error.hint


def test_broken_toml_is_told_with_its_line(tmp_path):
    """The parser's own position is kept."""
    assert "line 2" in str(mistake(tmp_path, "[daemon]\nlog_level = info\n"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = " + "[" * 5000 + "]" * 5000, "too many brackets in one another"),
        ("x = " + "9" * 5000, "is not TOML: "),
        ("\ufeff[workers]\n", "begins with a byte order mark"),
    ],
    ids=["brackets", "number", "mark"],
)
def test_what_the_toml_parser_chokes_on_is_a_mistake_like_others(tmp_path, text, told):
    """It names the file and says what to do; no traceback."""
    error = mistake(tmp_path, text)
    assert told in str(error)
    assert str(tmp_path / "config.toml") in str(error)
    assert error.hint

"""The administrator's settings: shown first, written on a clear yes alone, and never somebody else's."""

from __future__ import annotations

import json

import pytest

from channeld.cli import managed_settings
from channeld.cli.managed_settings import TEXT, allow, forbid, is_allowed, others_in, own_file


@pytest.fixture
def person(monkeypatch):
    """Be a person at a terminal; return how to type something."""
    monkeypatch.setattr(managed_settings, "has_terminal", lambda: True)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)

    def types(what):
        monkeypatch.setattr("click.prompt", lambda *words, **options: what)

    return types


def test_it_is_written_on_yes_and_removed_again(tmp_path, person, capsys):
    """With the warning before; a second time says that it is there."""
    person(" yes ")
    allow(tmp_path / "claude-code")
    file = own_file(tmp_path / "claude-code")
    assert json.loads(file.read_text()) == {
        "channelsEnabled": True, "allowedChannelPlugins": [{"marketplace": "channeld", "plugin": "channeld"}],
    }  # fmt: skip
    assert [each.stat().st_mode & 0o777 for each in (file, file.parent)] == [0o644, 0o755]
    assert "official channel plugins" in capsys.readouterr().out
    person("no")
    allow(tmp_path / "claude-code")
    assert "there already" in capsys.readouterr().out
    assert is_allowed(tmp_path / "claude-code")
    forbid(tmp_path / "claude-code", dry_run=True)
    assert file.exists()
    forbid(tmp_path / "claude-code")
    assert not file.exists()
    forbid(tmp_path / "claude-code")
    assert "There are no managed settings of channeld's" in capsys.readouterr().out


@pytest.mark.parametrize("typed", ["", "y", "YES", "no", "yes please"])
def test_anything_but_yes_writes_nothing(tmp_path, person, typed):
    """It holds for every user of the machine."""
    person(typed)
    with pytest.raises(SystemExit):
        allow(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lacking", ["has_terminal", "stdin"])
def test_without_a_person_at_a_terminal_nothing_is_written(tmp_path, person, monkeypatch, capsys, lacking):
    """Neither by a script nor by Claude."""
    person("yes")
    if lacking == "stdin":
        monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    else:
        monkeypatch.setattr(managed_settings, "has_terminal", lambda: False)
    with pytest.raises(SystemExit):
        allow(tmp_path)
    assert "Nothing was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["managed-settings.json", "managed-settings.d/acme.json", "managed-settings.d/channeld.json"]
)
def test_settings_of_somebody_else_are_left_alone(tmp_path, person, capsys, name):
    """What to add by hand is shown, and neither command changes anything."""
    other = tmp_path / name
    other.parent.mkdir(exist_ok=True)
    other.write_text('{"channelsEnabled": false}\n')
    person("yes")
    with pytest.raises(SystemExit):
        allow(tmp_path)
    told = capsys.readouterr()
    assert TEXT.strip() in told.out
    assert f"{other} is there already" in told.err
    assert others_in(tmp_path) == [other]
    if other == own_file(tmp_path):
        with pytest.raises(SystemExit):
            forbid(tmp_path)
    else:
        forbid(tmp_path)
    assert other.read_text() == '{"channelsEnabled": false}\n'


def test_a_dry_run_shows_it(tmp_path, person, capsys):
    """And asks nothing."""
    allow(tmp_path, dry_run=True)
    assert TEXT.strip() in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_who_may_not_write_is_told_the_command(tmp_path, person, monkeypatch, capsys):
    """As it is typed, with what is to be written."""
    monkeypatch.setattr("os.access", lambda *words: False)
    person("yes")
    with pytest.raises(SystemExit):
        allow(tmp_path)
    hint = capsys.readouterr().err.splitlines()[1]
    assert hint == (f"Try: printf '%s\\n' '{TEXT.strip()}' | sudo install -D -m 644 /dev/stdin {own_file(tmp_path)}")

"""The text of the unit, whatever the terminal holds in which it is installed."""

from __future__ import annotations

import pytest

from channeld.cli.service_unit import SERVICE, UNITS, is_ours, unit_text

ENVIRONMENT = {"HOME": "/home/ann", "PATH": "/opt/100%/bin:/usr/bin", "XDG_RUNTIME_DIR": "/run/user/1000"}


def lines(more=None, **options):
    """Return the service's lines."""
    return unit_text(SERVICE, ENVIRONMENT | (more or {}), **options).splitlines()


def test_words_reach_the_daemon_as_they_are():
    """Blanks, quotes, dollars and percent signs mean something to systemd."""
    unit = lines({"HTTPS_PROXY": 'http://a"b\\c$d'}, executable="/opt/my $1 50%/python")
    assert 'ExecStart="/opt/my $$1 50%%/python" "-P" "-m" "channeld.daemon"' in unit
    assert 'Environment="PATH=/opt/100%%/bin:/usr/bin"' in unit
    assert 'Environment="HTTPS_PROXY=http://a\\"b\\\\c$d"' in unit


def test_it_takes_what_the_daemon_needs_and_no_secret():
    """And nothing that could end its line."""
    unit = "\n".join(
        lines(
            {"ANTHROPIC_API_KEY": "sk-1", "TELEGRAM_BOT_TOKEN": "1:a", "LC_ALL": "C", "TZ": "UTC\nExecStart=/bin/false"}
        )
    )
    assert "sk-1" not in unit
    assert "1:a" not in unit
    assert "/bin/false" not in unit
    assert "XDG_RUNTIME_DIR" not in unit, "systemd knows it better"
    assert 'Environment="LC_ALL=C"' in unit
    assert "@" not in unit.replace("@system-service", "").replace("@privileged", ""), "a placeholder is left"


@pytest.mark.parametrize(("systemd", "backs_off"), [(0, False), (252, False), (253, False), (254, True), (257, True)])
def test_it_waits_longer_each_time_where_systemd_can(systemd, backs_off):
    """An older one would warn of what it does not know."""
    unit = lines(systemd=systemd)
    assert "RestartSec=2s" in unit
    assert ("RestartSteps=5" in unit, "RestartMaxDelaySec=60s" in unit) == (backs_off, backs_off)


@pytest.mark.parametrize("name", UNITS)
def test_only_a_unit_of_ours_is_taken_for_one(name):
    """Others are not touched."""
    text = unit_text(name, ENVIRONMENT)
    assert is_ours(text)
    assert not is_ours(text.partition("\n")[2])

"""``channeld doctor`` as a person types it: on a fresh home, without and with a daemon, and with what is broken."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.doubles.bot_api import BotApi
from tests.doubles.daemon import Daemon
from tests.doubles.discord_api import DiscordApi

SCHEMA: dict[str, Any] = json.loads(Path(__file__).parents[2].joinpath("docs/cli-json.schema.json").read_text("utf-8"))
FRESH = """\
2 things are wrong, and 1 warning. What stands first is mended first.

✗ daemon: channeld is not running.
  Messages neither arrive nor leave.
  Try: channeld start

✗ Claude Code: Claude Code was not found.
  Messages are kept, and nobody reads them.
  Try: Install it, see code.claude.com/docs. Is it there? Then its folder is
       missing in PATH.

! plugin: channeld's plugin is not installed in Claude Code.
  A session has channeld only where its project has a .mcp.json for it.
  Try: channeld install

· units: systemd does not run channeld.
  After a reboot it starts with the next session.
  Try: channeld install

✓ All right: configuration, folders, disk space, sockets, linger, versions, file
  modes, credentials, official plugins, Claude settings, policy, variables,
  protocol, permissions.
"""


@pytest.fixture
def fresh() -> Iterator[Path]:
    """Return a home in which nothing was ever done, short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="cd") as folder:
        yield Path(folder)


def doctor(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Have the machine examined by somebody with this home, and nothing else in the environment."""
    own = {"HOME": str(home), "PATH": str(home / "bin"), "COLUMNS": "80", "LANG": "C.UTF-8"}
    own["CHANNELD_TEST_MANAGED_SETTINGS"] = str(home / "etc")
    return subprocess.run(
        [sys.executable, "-m", "channeld.cli.entry", "doctor", *words], env={**own, **python(), **environment},
        capture_output=True, text=True, timeout=50, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def python() -> dict[str, str]:
    """Return what this interpreter needs to find the package."""
    return {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


async def examined(daemon: Daemon, *words: str, exit_status: int = 1, **environment: str) -> dict[str, list[Any]]:
    """Return what is found in the place of a daemon, by check; the output is held against the schema."""
    place = {"CHANNELD_HOME": str(daemon.home), **environment}
    done = await asyncio.to_thread(lambda: doctor(daemon.home, "--json", *words, **place))
    assert (done.returncode, done.stderr) == (exit_status, "")
    data = json.loads(done.stdout)
    schema = copy.deepcopy(SCHEMA)
    for definition in schema["$defs"].values():
        definition["additionalProperties"] = False
    jsonschema.Draft202012Validator({**schema, "$ref": "#/$defs/doctor"}).validate(data)
    assert data["sound"] == (exit_status == 0)
    for definition, printed in (("doctor", [data]), ("finding", data["findings"]), ("mended", data["mended"])):
        assert all(set(one) == set(SCHEMA["$defs"][definition]["properties"]) for one in printed)
    found: dict[str, list[Any]] = {"mended": data["mended"]}
    for finding in data["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    return found


def levels(found: dict[str, list[Any]]) -> dict[str, list[str]]:
    """Return the checks that have found something, and how bad it is."""
    levels = {
        check: [one["level"] for one in all_of if one["level"] != "ok"]
        for check, all_of in found.items()
        if check != "mended"
    }
    return {check: bad for check, bad in levels.items() if bad}


def test_a_fresh_home_is_told_what_comes_next(fresh: Path):
    """Word for word, as a newcomer reads it; and nothing is left behind by looking."""
    done = doctor(fresh)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == FRESH
    assert list(fresh.iterdir()) == []


def test_fix_on_a_fresh_home_has_nothing_to_do(fresh: Path):
    """And says so."""
    assert doctor(fresh, "--fix").stdout.startswith("There was nothing for --fix to mend.\n\n2 things are wrong")
    assert list(fresh.iterdir()) == []


async def test_a_running_daemon_and_a_session_are_found_sound():
    """Without a bot: the daemon answers, and its session listens."""
    async with Daemon("[workers.web]\nport = 0\n", listed={}) as daemon:
        await daemon.address()
        async with daemon.client():
            found = await examined(daemon, exit_status=0)
            assert levels(found) == {"plugin": ["note"]}
        assert f"pid {daemon.pid}" in found["daemon"][0]["finding"]
        assert [one["finding"] for one in found["sessions"]] == ["main listens."]


async def test_bots_are_asked_and_their_tokens_are_shown_nowhere():
    """Reachable, known, without a rival, with its intent; and on a clock that is right."""
    async with BotApi() as telegram, DiscordApi() as discord:
        config = (
            f'[workers.telegram]\napi_base_url = "{telegram.url}"\n'
            f'[workers.discord]\napi_base_url = "{discord.url}"\ngateway_url = "{discord.gateway_url}"\n'
        )
        daemon = Daemon(config, listed={})
        daemon.paths.credentials.mkdir(mode=0o700)
        for worker, token in (("telegram", telegram.token), ("discord", discord.token)):
            (daemon.paths.credentials / f"{worker}.token").write_text(token)
            (daemon.paths.credentials / f"{worker}.token").chmod(0o600)
        async with daemon:
            await daemon.status_where(lambda status: all(worker["state"] == "ready" for worker in status["workers"]))
            found = await examined(daemon)
            for check in ("platforms", "polling", "intents", "credentials", "clock", "health"):
                assert {one["level"] for one in found[check]} == {"ok"}, check
        assert not any(token in json.dumps(found) for token in (telegram.token, discord.token))
        assert not discord.violations


async def test_fix_mends_what_is_safe_and_looks_again():
    """Open files are closed, a dead socket goes; and a daemon that is down stays down: that is for a person."""
    daemon = Daemon("[workers]\n")
    async with daemon.place_alone():
        daemon.paths.credentials.mkdir(mode=0o755)
        (daemon.paths.credentials / "telegram.token").write_text("123456789:secret-part-of-a-token\n")
        (daemon.paths.credentials / "telegram.token").chmod(0o644)
        daemon.paths.run.mkdir(mode=0o700)
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(daemon.paths.control_socket))
        before = await examined(daemon)
        assert [one["fixable"] for one in before["file modes"] + before["sockets"]] == [True, True]
        mended = await examined(daemon, "--fix")
        assert [(one["check"], one["done"]) for one in mended["mended"]] == [("sockets", True), ("file modes", True)]
        assert {"sockets", "file modes"} & levels(mended).keys() == set()
        assert levels(mended)["daemon"] == ["failure"]
        assert (daemon.paths.credentials / "telegram.token").stat().st_mode & 0o777 == 0o600
        assert not daemon.paths.control_socket.exists()
        assert "secret-part" not in json.dumps([before, mended])


async def test_a_broken_configuration_is_told_with_and_without_a_daemon():
    """A running daemon goes on with what it read; one that is down cannot start."""
    async with Daemon("[workers]\n") as daemon:
        daemon.paths.config_file.write_text("[deamon]\n")
        found = await examined(daemon)
        assert levels(found)["configuration"] == ["failure"]
        assert "runs on with what it read" in found["configuration"][0]["reason"]
        assert "daemon" not in levels(found)
        await daemon.stop()
        found = await examined(daemon)
        assert found["configuration"][0]["reason"] == "It cannot start."
        assert found["daemon"][0]["fix"].startswith("Mend the configuration")


async def test_a_daemon_that_hangs_is_told_in_good_time():
    """It is there, and does not answer: nothing else waits for it."""
    async with Daemon("[workers]\n") as daemon:
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            found = await examined(daemon)
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        assert "has not answered for 3 s" in found["daemon"][0]["finding"]
        assert "channeld restart" in found["daemon"][0]["fix"]


async def test_a_daemon_that_was_stopped_is_not_taken_for_one_that_failed():
    """``channeld stop`` is meant."""
    async with Daemon("[workers]\n") as daemon:
        await asyncio.to_thread(daemon.cli, "stop")
        found = await examined(daemon)
        assert found["daemon"][0]["finding"] == "channeld was stopped with `channeld stop`."

"""A worker's life under the supervisor, with real processes."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from channeld.cli.client import CommandFailed
from channeld.core.lifecycle import EXIT_BAD_CONFIG, EXIT_BAD_CREDENTIALS
from channeld.daemon.limits import Limits
from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.worker_end import CAPABILITIES, Pager


def worker_of(status):
    """Return the only worker of a status."""
    (worker,) = status["workers"]
    return worker


def one_liner(code):
    """Return the configuration of a worker that runs a line of Python."""
    return f"[workers.pager]\ncommand = [{json.dumps(sys.executable)}, '-c', {json.dumps(code)}]\n"


def issues_of(status: dict[str, Any], subject: str) -> list[str]:
    """Return the codes of what is wrong with a worker."""
    return [issue["code"] for issue in status["health"] if issue["subject"] == subject]


async def test_a_worker_is_ready_only_when_it_says_so(pager):
    """Started, welcomed with its settings, ready: each is a state of its own."""
    async with Daemon(pager.config + "colour = 'red'\n") as daemon:
        life = await pager.life()
        assert worker_of(await daemon.ask("status"))["state"] == "starting"
        welcome = await life.begin(account="@pager_bot")
        assert welcome.settings == {"colour": "red"}
        assert welcome.inbox == str(daemon.paths.inbox)
        ready = worker_of(await daemon.status_where(lambda s: worker_of(s)["state"] == "ready"))
        assert (ready["account"], ready["pid"], ready["starts"]) == ("@pager_bot", life.pid, 1)


async def test_a_killed_worker_is_started_again(pager):
    """Another process, the same worker; the daemon and its sessions do not notice."""
    async with Daemon(pager.config) as daemon, daemon.client() as client:
        first = await pager.life()
        await first.begin()
        first.kill()
        second = await pager.life()
        await second.begin()
        await second.accepted("1")
        assert (await client.next_event())["meta"]["message_id"] == "1"
        assert worker_of(await daemon.ask("status"))["starts"] == 2


@pytest.mark.parametrize("code", [EXIT_BAD_CREDENTIALS, EXIT_BAD_CONFIG])
async def test_a_worker_that_calls_it_pointless_waits_for_a_person(code):
    """Blocked, with an issue that names the command; ``restart`` tries again."""
    async with Daemon(one_liner(f"raise SystemExit({code})")) as daemon:
        status = await daemon.status_where(lambda s: worker_of(s)["state"] == "blocked")
        (issue,) = status["health"]
        assert issue["code"] == "worker_blocked"
        assert "channeld restart pager" in issue["hint"]
        await daemon.ask("restart", worker="pager")
        await daemon.status_where(lambda s: worker_of(s)["starts"] == 2 and worker_of(s)["state"] == "blocked")


async def test_a_worker_that_keeps_dying_is_given_up_for_a_while():
    """More than five ends in five minutes: failed, and everything else goes on."""
    async with Daemon(one_liner("raise SystemExit(1)")) as daemon:
        status = await daemon.status_where(lambda s: worker_of(s)["state"] == "failed")
        assert worker_of(status)["starts"] == 6
        assert issues_of(status, "pager") == ["worker_failed"]


async def test_a_command_that_does_not_exist_is_told(pager):
    """The reason is the operating system's own."""
    async with Daemon("[workers.pager]\ncommand = ['/no/such/program']\n") as daemon:
        status = await daemon.status_where(lambda s: worker_of(s)["last_end"])
        assert worker_of(status)["last_end"] == "/no/such/program cannot be started: No such file or directory"


async def test_a_worker_that_is_never_ready_is_ended_with_its_stacks_in_the_log():
    """Aborted, not merely killed: the log shows where it hung."""
    code = "import faulthandler, time; faulthandler.enable(); time.sleep(600)"
    async with Daemon(one_liner(code), limits=Limits(ready_s=1.0)) as daemon:
        await daemon.status_where(lambda s: worker_of(s)["starts"] == 2)
        log = (daemon.paths.log / "pager.log").read_text()
        assert "Fatal Python error: Aborted" in log
        assert "time.sleep" in log or 'File "<string>"' in log


async def test_a_silent_worker_is_replaced_and_a_beating_one_is_not(pager):
    """Beats keep it alive; their absence ends it."""
    async with Daemon(pager.config, limits=Limits(silent_s=1.5)) as daemon:
        first = await pager.life()
        await first.begin()
        async with daemon.client("--listening", "no"):
            pass
        second = await pager.life()  # the first has said nothing for too long
        await second.begin()
        assert second.pid != first.pid
        assert worker_of(await daemon.ask("status"))["starts"] == 2
        assert "it was silent for too long" in daemon.log()


async def test_what_a_worker_says_is_wrong_is_shown_until_it_takes_it_back(pager):
    """Trouble of a platform is health of the daemon."""
    async with Daemon(pager.config) as daemon:
        life = await pager.life()
        await life.begin()
        life.send(m.Trouble(code="conflict", text="Another poller holds the token.", hint="Stop the other one."))
        status = await daemon.status_where(lambda s: bool(issues_of(s, "pager")))
        (issue,) = [issue for issue in status["health"] if issue["subject"] == "pager"]
        assert issue.pop("since") > 0
        assert issue == {
            "code": "platform_conflict", "severity": "warning", "subject": "pager", "hides": [],
            "text": "Another poller holds the token.", "hint": "Stop the other one.",
            "why": "Messages may be late or missing on this platform.",
        }  # fmt: skip
        life.send(m.Trouble(code="conflict"))
        await daemon.status_where(lambda s: not issues_of(s, "pager"))


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        ({"protocol": 99}, "speaks protocol 99"),
        ({"worker": "other"}, "calls itself 'other'"),
    ],
)
async def test_a_worker_of_another_version_or_name_is_refused(pager, hello, reason):
    """It is told why, and so is whoever reads ``status``."""
    async with Daemon(pager.config) as daemon:
        life = await pager.life()
        fields = {"protocol": m.PROTOCOL, "worker": "pager", "platform": "pager", "version": "1", **hello}
        life.send(m.Hello(**fields, capabilities=CAPABILITIES))
        assert reason in (await life.expect(m.Fault)).text
        status = await daemon.status_where(lambda s: worker_of(s)["last_end"])
        assert reason in worker_of(status)["last_end"]


async def test_a_worker_sees_its_own_secret_and_no_other(pager, monkeypatch):
    """The environment is an allow-list; the token comes over a descriptor and stands nowhere else."""
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "123:telegram-secret")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    async with Daemon(pager.config + "[workers.web]\nport = 0\n") as daemon:
        life = await pager.life()
        assert life.token == "-"
        await daemon.status_where(lambda s: any(w["name"] == "web" and w["state"] == "ready" for w in s["workers"]))
        web_token = (daemon.paths.credentials / "web.token").read_text().strip()
        (daemon.paths.credentials / "pager.token").write_text("pager-secret\n")
        life.kill()
        again = await pager.life()
        assert again.token == "pager-secret"
        pids = [w["pid"] for w in (await daemon.ask("status"))["workers"]]
        for pid in pids:
            seen = "".join((Path("/proc") / str(pid) / name).read_text() for name in ("environ", "cmdline"))
            for secret in ("telegram-secret", "sk-secret", "pager-secret", web_token):
                assert secret not in seen
        await daemon.stop()
        for file in daemon.home.rglob("*"):
            if file.is_file() and file.parent != daemon.paths.credentials:
                data = file.read_bytes()
                assert b"pager-secret" not in data, file
                assert web_token.encode() not in data, file


async def test_stopping_drains_the_workers_and_leaves_no_process(pager):
    """A drained worker may finish; exit status 0, sockets gone."""
    async with Daemon(pager.config) as daemon:
        life = await pager.life()
        await life.begin()
        await daemon.status_where(lambda s: worker_of(s)["state"] == "ready")
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGTERM)
        await life.expect(m.Drain)
        life.send(m.Drained())
        life.close()
        assert await daemon.process.wait() == 0
        assert not daemon.paths.control_socket.exists()
        with pytest.raises(ProcessLookupError):
            os.kill(life.pid, 0)


async def test_a_worker_that_ignores_the_drain_is_ended(pager):
    """The stop takes the drain limit and the grace, not for ever."""
    async with Daemon(pager.config, limits=Limits(drain_s=0.2)) as daemon:
        life = await pager.life()
        await life.begin()
        await daemon.status_where(lambda s: worker_of(s)["state"] == "ready")
        assert await daemon.stop() == 0


async def test_places_are_private(pager):
    """Folders 0700, sockets and files 0600."""
    async with Daemon(pager.config) as daemon:
        for folder in (daemon.paths.state, daemon.paths.run, daemon.paths.credentials, daemon.paths.inbox):
            assert folder.stat().st_mode & 0o777 == 0o700, folder
        for file in (daemon.paths.control_socket, daemon.paths.session_socket, daemon.paths.database,
                     daemon.paths.log / "channeld.log"):  # fmt: skip
            assert file.stat().st_mode & 0o777 == 0o600, file


async def test_files_that_no_message_refers_to_are_swept_and_others_stay(pager):
    """A copy that a crash orphaned goes after a day; one in use, or a young one, does not."""
    async with Daemon(pager.config) as daemon:
        life = await pager.life()
        await life.begin()
        used, stray, young = (daemon.paths.inbox / name for name in ("used", "stray", "young"))
        for file in (used, stray, young):
            file.write_text("x")
        (daemon.paths.inbox / "folder").mkdir()  # somebody unpacked something there
        (daemon.paths.inbox / "dangling").symlink_to("nowhere")
        for file in (used, stray, daemon.paths.inbox / "folder"):
            os.utime(file, (0, 0))
        await life.accepted("1", attachments=[m.Attachment(name="a", path=str(used))])
        await daemon.restart_after_kill()
        await daemon.status_where(lambda s: not stray.exists())
        assert used.exists()
        assert young.exists()
        assert (daemon.paths.inbox / "folder").exists()


async def test_a_restart_by_name_reads_the_configuration_anew():
    """The hint of a blocked worker is "mend it, then restart it": that must be enough."""
    async with Daemon(one_liner(f"raise SystemExit({EXIT_BAD_CONFIG})")) as daemon, Pager() as pager:
        await daemon.status_where(lambda s: worker_of(s)["state"] == "blocked")
        daemon.paths.config_file.write_text("[workers.pager]\nport = [")
        with pytest.raises(CommandFailed, match=r"config.toml is not TOML"):
            await daemon.ask("restart", worker="pager")
        daemon.paths.config_file.write_text(pager.config)
        await daemon.ask("restart", worker="pager")
        await (await pager.life()).begin()
        await daemon.status_where(lambda s: worker_of(s)["state"] == "ready" and not s["health"])

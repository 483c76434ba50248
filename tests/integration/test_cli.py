"""The command line as a person uses it, against a real daemon."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.watched import Watched
from tests.doubles.worker_end import Pager


def channeld(home, *arguments, **environment):
    """Run the channeld command in a home of its own."""
    return subprocess.run(
        [sys.executable, "-m", "channeld.cli.entry", *arguments],
        env={**os.environ, "CHANNELD_HOME": str(home), **environment}, capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture
def home():
    """Return a short folder for a daemon."""
    with tempfile.TemporaryDirectory(prefix="cd") as folder:
        yield Path(folder)


@pytest.mark.parametrize(
    "command",
    [
        "status", "sessions", "messages", "messages show 1", "messages search x", "messages retry 1", "messages drop 1",
        "send web:main hello", "url", "stop", "restart web",
    ],
)  # fmt: skip
def test_without_a_daemon_every_command_says_how_to_start_it(home, command):
    """Exit status 3, one sentence, one command."""
    done = channeld(home, *command.split())
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr == "Error: channeld is not running: messages neither arrive nor leave.\nTry: channeld start\n"


@pytest.mark.parametrize(
    "command",
    [
        "", "run", "start", "stop", "restart", "status", "logs", "demo", "sessions", "messages", "messages list",
        "messages show", "messages search", "messages retry", "messages drop", "send", "url", "mcp", "completion",
    ],
)  # fmt: skip
def test_every_command_has_help_with_an_example(home, command):
    """A person can begin with the help alone."""
    done = channeld(home, *command.split(), "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout or "usage" in done.stdout
    assert "Example" in done.stdout or "Start with" in done.stdout


def test_a_wrong_option_is_a_usage_error(home):
    """Exit status 2, and told in the same two lines as everything else."""
    wrong = {
        "status --jsn": ("No such option", "channeld status --help"),
        "status --json --watch": ("--json and --watch do not go together.", "channeld status --help"),
        "nonsense": ("No such command 'nonsense'", "channeld --help"),
        "messages show": ("Missing argument 'REF'", "channeld messages show --help"),
        "messages --limit 0": ("0 is not in the range", "channeld messages list --help"),
        "send web:main": ("Missing argument 'TEXT'", "channeld send --help"),
    }
    for words, (mistake, cure) in wrong.items():
        done = channeld(home, *words.split())
        assert (done.returncode, done.stdout) == (2, "")
        error, hint = done.stderr.splitlines()
        assert error.startswith("Error: ")
        assert mistake in error
        assert hint == f"Try: {cure}"
    assert "Usage: channeld" in channeld(home).stderr


def test_start_status_restart_and_stop(home):
    """The daily commands, with what each says."""
    (home / "config.toml").write_text("[workers.web]\nport = 0\n")
    assert channeld(home, "start").stdout == "channeld is running. See: channeld status\n"
    try:
        assert channeld(home, "start").stdout == "channeld is running already.\n"
        url = channeld(home, "url", "web").stdout
        assert url.startswith("http://127.0.0.1:")
        assert "/?token=" in url
        status = channeld(home, "status").stdout
        assert "  web  ready, http://127.0.0.1:" in status
        assert "none attached" in status
        first = int((home / "run" / "daemon.lock").read_text())
        assert channeld(home, "restart").stdout == "channeld has restarted. See: channeld status\n"
        second = int((home / "run" / "daemon.lock").read_text())
        assert first != second
        (home / "config.toml").write_text("[workers.web]\nprot = 0\n")
        broken = channeld(home, "restart")
        assert broken.returncode == 1
        assert broken.stderr.endswith("Try: Did you mean port? Nothing was stopped.\n")
        assert channeld(home, "status").returncode == 0
        refused = channeld(home, "run")
        assert refused.returncode == 78
        assert refused.stderr.count("prot") == 1
        (home / "config.toml").write_text("[workers.web]\nport = 0\n")
        refused = channeld(home, "run")
        assert refused.returncode == 1
        assert f"already running here (pid {second})" in refused.stderr
    finally:
        assert channeld(home, "stop").stdout == "channeld has stopped.\n"
    assert channeld(home, "status").returncode == 3
    log = channeld(home, "logs")
    assert "daemon started" in log.stdout
    assert "daemon stopped" in log.stdout
    assert "worker ready" in channeld(home, "logs", "web").stdout
    merged = channeld(home, "logs", "--all", "--json").stdout
    assert [json.loads(line)["event"] for line in merged.splitlines()][-1] == "daemon_stopped"
    assert "worker_ready" in merged
    assert channeld(home, "logs", "--all", "web").returncode == 2


@pytest.mark.parametrize(
    ("text", "mistake", "cure"),
    [
        ("[daemon]\nlog_levle = 1\n", "line 2: daemon.log_levle: unknown key.", "Did you mean log_level?"),
        ("[workers.web\n", "is not TOML: Expected ']'", "Mend that line; strings need quotes."),
    ],
)
def test_a_mistake_in_the_configuration_is_told_by_whatever_a_person_types_next(home, text, mistake, cure):
    """File, line and nearest key reach whoever typed ``run``, ``start``, ``restart``, ``status`` or ``demo``."""
    (home / "config.toml").write_text(text)
    for command, exit_status in {"run": 78, "start": 1, "restart": 1, "status": 3, "demo": 1}.items():
        done = channeld(home, command)
        assert (done.returncode, done.stdout.strip()) == (exit_status, ""), command
        told = done.stderr.replace("\n  ", " ")
        assert "Error: " in told
        assert f"{home}/config.toml" in told
        assert mistake in told
        assert f"Try: {cure}" in told


async def test_a_mistake_made_while_the_daemon_runs_is_a_warning(home):
    """It goes on with what it read; the next restart is the wrong moment to find out."""
    async with Daemon("[workers]\n") as daemon:
        started_at = (await daemon.ask("status"))["daemon"]["started_at"]
        daemon.paths.config_file.write_text("[deamon]\n")
        os.utime(daemon.paths.config_file, (started_at + 1, started_at + 1))
        shown = daemon.cli("status").stdout
        assert "! " in shown
        assert "config.toml, line 1: deamon: unknown key." in shown.replace("\n  ", " ")
        assert "Try: Did you mean daemon?" in shown
        (issue,) = [
            i for i in json.loads(daemon.cli("status", "--json").stdout)["health"] if i["code"] == "config_broken"
        ]
        assert issue["severity"] == "warning"


def test_the_logs_of_an_unknown_worker_are_an_error_that_names_the_known_ones(home):
    """Also a name that is a path leads nowhere."""
    done = channeld(home, "logs", "../../etc/passwd")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: There is no log of")


async def test_messages_and_sessions_are_readable_and_hostile_text_is_tame():
    """What a sender wrote can neither move the cursor nor fake a line."""
    async with Pager() as pager, Daemon(pager.config) as daemon:
        worker = await pager.life()
        await worker.begin()
        await worker.accepted("1", text="evil\x1b[2J\nsecond line")
        await worker.accepted("2", chat="pager:b", text="other")
        shown = daemon.cli("messages", "pager:a").stdout
        assert "evil·[2J second line" in shown
        assert "other" not in shown
        async with daemon.client("--listening", "no"):
            sessions = daemon.cli("sessions").stdout
            assert "not listening" in sessions
            assert "Why: it was attached with --listening no." in sessions
        status = daemon.cli("status").stdout
        assert re.search(r"pager:a  1 waits for Claude, the oldest for \d+ s", status)


async def test_restarting_a_worker_by_name_gives_it_a_new_process():
    """A name that is not there is an error that lists those that are."""
    async with Pager() as pager, Daemon(pager.config) as daemon:
        first = await pager.life()
        await first.begin()
        assert daemon.cli("restart", "pager").returncode == 0
        await first.expect(m.Drain)
        first.send(m.Drained())
        first.close()
        second = await pager.life()
        assert second.pid != first.pid
        wrong = daemon.cli("restart", "pgaer")
        assert wrong.returncode == 1
        assert "Try: There are: pager." in wrong.stderr


def test_the_demo_answers_and_leaves_nothing_running(home):
    """From one command to an answer in the web chat, and all of it ends with Ctrl-C."""
    import httpx  # noqa: PLC0415

    with subprocess.Popen(
        [sys.executable, "-u", "-m", "channeld.cli.entry", "demo", "--port", "0"],
        env={**os.environ, "CHANNELD_HOME": str(home)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as demo:  # fmt: skip
        assert demo.stdout is not None
        url = next(line.strip() for line in demo.stdout if "/?token=" in line)
        address, token = url.split("/?token=")
        headers = {"Authorization": f"Bearer {token}"}
        with (
            httpx.Client(base_url=address, headers=headers, timeout=20) as browser,
            browser.stream("GET", "/api/events") as events,
        ):
            assert browser.post("/api/messages", json={"text": "ping"}).status_code == 202
            assert any("echo: ping" in line for line in events.iter_lines())
        pid = int((home / "run" / "daemon.lock").read_text())
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=30) == 0
        assert "nothing is left running" in demo.stdout.read()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_port_in_use_is_told_with_the_setting_to_change(home):
    """Of all first starts that fail the most likely one: ``start`` says so at once, and ``status`` again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (home / "config.toml").write_text(f"[workers.web]\nport = {port}\n")
        started = channeld(home, "start")
        status = channeld(home, "status").stdout
        stopped = channeld(home, "stop")
    assert (started.returncode, stopped.returncode) == (0, 0)
    assert started.stdout.startswith("channeld is running, but:\n\n✗ The worker web has stopped: ")
    for told in (" ".join(shown.split()) for shown in (started.stdout, status)):
        assert f"Port {port} of 127.0.0.1 is in use by another program." in told
        assert "Try: Set another [workers.web] port in config.toml, or 0 for any free one." in told


@contextlib.contextmanager
def running_demo(home, *arguments, **environment):
    """Start the demo, yield it and what it prints until it is up, and end it with Ctrl-C."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "channeld.cli.entry", "demo", *arguments],
        env={**os.environ, "CHANNELD_HOME": str(home), **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as demo:  # fmt: skip
        assert demo.stdout is not None
        told = []
        for line in demo.stdout:
            told.append(line)
            if line.startswith("Ctrl-C"):
                break
        yield "".join(told)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=30) == 0
        demo.stdout.read()


def test_the_demo_takes_a_free_port_and_says_how_to_go_on_without_claude(home):
    """Neither a taken port nor a missing Claude Code is a dead end."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for _ in range(2):  # the second time it finds the configuration of the first
            with running_demo(home, "--port", str(port), PATH="/nonexistent") as told:
                assert re.search(r"http://127\.0\.0\.1:\d+/\?token=", told)
                assert f":{port}/" not in told
                assert "No claude is on your PATH: install Claude Code, and this in a project" in told
                assert "--dangerously-load-development-channels server:channeld" in told


def test_the_demo_leaves_a_configuration_alone_that_a_person_wrote(home):
    """``CHANNELD_HOME`` may be somebody's real place."""
    written = "# mine\n[workers.web]\nport = 0\n"
    (home / "config.toml").write_text(written)
    refused = channeld(home, "demo", "--port", "0")
    assert refused.returncode == 1
    assert "is yours" in refused.stderr
    with running_demo(home) as told:
        assert "/?token=" in told
    assert (home / "config.toml").read_text() == written


async def test_status_watched_in_a_terminal_survives_a_restart_and_ends_with_ctrl_c():
    """It shows that the daemon is not running, then that it is again, and leaves the screen as it was."""
    async with Daemon("[workers]\n") as daemon, Watched(daemon, "status", "--watch") as watched:
        await watched.shows("All is well")
        await daemon.stop()
        await watched.shows("channeld is not running")
        await watched.shows("Still watching")
        watched.forget()
        await daemon.start()
        await watched.shows("All is well")
        assert await watched.interrupt() == 0
        assert "\x1b[?1049h" in watched.all
        assert watched.all.rstrip().endswith(("\x1b[?1049l", "\x1b[?25h"))


async def test_status_watched_through_a_pipe_prints_page_after_page():
    """No control character reaches a file, and the signal of ``kill`` ends it as Ctrl-C does."""
    async with Daemon("[workers]\n") as daemon:
        watching = await asyncio.create_subprocess_exec(
            sys.executable, "-u", "-m", "channeld.cli.entry", "status", "--watch", env=daemon.environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert watching.stdout is not None
        pages = 0
        while pages < 2:
            line = (await asyncio.wait_for(watching.stdout.readline(), 30)).decode()
            pages += "All is well" in line
            assert line.rstrip("\n").isprintable()
        watching.terminate()
        await watching.communicate()
    assert watching.returncode == 0


async def test_colour_is_for_terminals_and_no_color_is_honoured():
    """The same words on a terminal without colour and through a pipe."""
    async with Daemon("[workers]\n") as daemon:
        coloured, bare = "", ""
        async with Watched(daemon, "status") as watched:
            coloured = await watched.end()
        async with Watched(daemon, "status", NO_COLOR="1") as watched:
            bare = await watched.end()
        assert "\x1b[" in coloured
        assert "\x1b" not in bare
        assert "\x1b" not in daemon.cli("status").stdout


async def test_logs_follow_through_a_rotation():
    """Also when the file is replaced while somebody reads it."""
    async with Daemon("[workers]\n") as daemon, Watched(daemon, "logs", "-f") as watched:
        await watched.shows("daemon started")
        log = daemon.paths.log / "channeld.log"
        log.rename(log.with_name("channeld.log.1"))
        log.write_text('{"event": "after_rotation", "level": "info", "timestamp": "2026-01-01T00:00:00Z"}\n')
        await watched.shows("after rotation")
        assert await watched.interrupt() == 0


async def test_a_message_is_shown_searched_dropped_and_tried_again(daemon, worker):
    """By its number, from the list to the page; a refusal says what can be done."""

    async def cli(*words):
        return await asyncio.to_thread(daemon.cli, *words)

    await worker.accepted("1", text="the release\nis green")
    (delivery_id,) = [message["delivery_id"] for message in (await daemon.ask("messages"))["messages"]]
    listed = (await cli("messages")).stdout
    number = listed.split()[0]
    assert "pager:a → queued  the release is green" in listed
    assert (await cli("messages", "list", "pager:a", "--state", "queued")).stdout == listed
    assert (await cli("messages", "--state", "sent")).stdout == "There are no such messages.\n"
    wrong = await cli("messages", "--state", "qeued")
    assert (wrong.returncode, "Try: There are: answered," in wrong.stderr) == (1, True)
    page = (await cli("messages", "show", number)).stdout
    assert "State    queued, for" in page
    assert "  │ the release\n  │ is green\n" in page
    assert delivery_id in page
    assert (await cli("messages", "show", delivery_id)).stdout.splitlines()[0] == page.splitlines()[0]
    assert (await cli("messages", "search", "green", "release")).stdout == listed
    assert (await cli("messages", "search", "red")).stdout == "No message holds all these words.\n"
    refused = await cli("messages", "retry", number)
    assert refused.returncode == 1
    assert refused.stderr == (
        f"Error: Message {number} cannot be sent again: it waits for a session already.\n"
        f"Try: `channeld messages show {number}` tells what can be done.\n"
    )
    dropped = await cli("messages", "drop", number)
    assert dropped.stdout == f"Message {number} is dropped. See: channeld messages show {number}\n"
    assert f"`channeld messages retry {number}`" in (await cli("messages", "show", number)).stdout
    assert (await cli("messages", "retry", number)).returncode == 0
    assert (await daemon.states()) == [("the release\nis green", "queued")]
    assert (await cli("messages", "shwo", number)).returncode == 2
    unknown = await cli("messages", "show", "999")
    assert (unknown.returncode, unknown.stderr.startswith("Error: There is no message '999'.\nTry: ")) == (1, True)


async def test_send_takes_text_stdin_and_files(daemon, worker, tmp_path, monkeypatch):
    """Relative paths are those of the shell, and the exit status says whether it went."""
    (tmp_path / "a.txt").write_text("data")
    monkeypatch.chdir(tmp_path)

    async def send(*arguments, text=""):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "channeld.cli.entry", "send", "pager:a", *arguments, env=daemon.environment,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        talk = asyncio.create_task(process.communicate(text.encode()))
        return process, talk

    process, talk = await send("-", "--file", "a.txt", "--plain", text="from a pipe\n")
    asked = await worker.expect(m.Send)
    assert (asked.text, asked.format, [file.name for file in asked.files]) == (
        "from a pipe", "plain", ["a.txt"],
    )  # fmt: skip
    worker.send(m.Sent(ref=asked.ref, message_id="p1"))
    assert await talk == (b"sent (id: p1)\n", b"")
    assert process.returncode == 0

    process, talk = await send("**no**")
    asked = await worker.expect(m.Send)
    assert asked.format == "markdown"
    worker.send(m.Failed(ref=asked.ref, reason="the chat is gone"))
    out, error = await talk
    assert (process.returncode, out) == (1, b"")
    assert re.fullmatch(
        r"Error: It was not sent: the chat is gone\.\nTry: channeld messages show \d+\n", error.decode()
    )

    process, talk = await send("-", text="x" * 300_000)
    out, error = await talk
    assert (process.returncode, out) == (1, b"")
    assert error == b"Error: That is more than the 256 KiB that can be said at once.\nTry: Send it as a file.\n"

    process, talk = await send("hello", "--file", os.fsdecode(b"\xff"))
    assert (await talk)[1].startswith(b"Error: An argument is no UTF-8 text.\nTry: ")

    process, talk = await send("hello", "--file", "missing.txt")
    out, error = await talk
    assert process.returncode == 1
    assert f"{tmp_path}/missing.txt" in error.decode()


def completed(environment, *words):
    """Return what bash is offered for the last of these words."""
    done = subprocess.run(
        [sys.executable, "-c", "from channeld.cli.entry import main; main()"],
        env={
            **environment, "_CHANNELD_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(["channeld", *words]),
            "COMP_CWORD": str(len(words)),
        },
        capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


async def test_the_shell_completes_what_the_daemon_knows(daemon, worker):
    """Workers, chats, numbers of messages and states; and nothing, quickly and silently, without a daemon."""

    async def complete(*words):
        return await asyncio.to_thread(completed, daemon.environment, *words)

    await worker.accepted("1", text="hello")
    (number,) = [str(message["seq"]) for message in (await daemon.ask("messages"))["messages"]]
    questions = {
        ("restart", "p"): ["pager"],
        ("messages", "show", ""): [number],
        ("messages", "retry", ""): [number],
        ("messages", "pager:"): ["pager:a"],
        ("messages", "list", "--state", "fa"): ["failed"],
        ("send", "pa"): ["pager:a"],
        ("logs", "ch"): ["channeld"],
    }
    for words, found in questions.items():
        assert await complete(*words) == found, words
    assert "show" in await complete("messages", "")
    await daemon.stop()
    for words in questions:
        if words[0] != "logs" and "--state" not in words:
            assert await complete(*words) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_says_where_it_goes(home, shell):
    """One comment among its first lines; the rest is what the shell reads."""
    done = channeld(home, "completion", shell)
    assert done.returncode == 0
    assert any(line.startswith("# Save as ") for line in done.stdout.splitlines()[:2])
    assert "_CHANNELD_COMPLETE" in done.stdout
    assert done.stdout.startswith("#compdef channeld\n") == (shell == "zsh")


def test_a_terminal_without_utf8_gets_question_marks_and_no_traceback(home):
    """A locale of old does not take the status away."""
    assert channeld(home, "start").returncode == 0
    try:
        done = channeld(home, "status", PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    finally:
        channeld(home, "stop")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Workers" in done.stdout

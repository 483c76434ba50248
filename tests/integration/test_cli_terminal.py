"""The command line on a terminal: live, in colour, and helped along by the shell."""

import asyncio
import subprocess
import sys

import pytest

from tests.doubles.daemon import Daemon
from tests.doubles.shell import channeld
from tests.doubles.watched import Watched


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


@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
async def test_output_that_the_shell_has_closed_is_no_crash(home, streams):
    """The exit status is that of the command, and no traceback stands where somebody may still look."""
    async with Daemon("[workers]\n") as daemon:
        for words, exit_status in {"messages": 0, "status --json": 0, "messages show 7": 1, "nonsense": 2}.items():
            done = await asyncio.create_subprocess_shell(
                f"exec {sys.executable} -m channeld.cli.entry {words} {streams}", env=daemon.environment,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            _, errors = await done.communicate()
            assert (done.returncode, b"Traceback" in errors) == (exit_status, False), words


def buffered(environment):
    """Return an environment in which Python writes when it must, as for most people."""
    return {name: value for name, value in environment.items() if name != "PYTHONUNBUFFERED"}


async def test_output_that_nobody_reads_to_its_end_is_no_mistake():
    """A pipe to ``head``."""
    async with Daemon("[workers]\n") as daemon:
        done = await asyncio.create_subprocess_shell(
            f"{sys.executable} -m channeld.cli.entry status | true; exit ${{PIPESTATUS[0]}}",
            executable="/bin/bash", env=buffered(daemon.environment), stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, errors = await done.communicate()
        assert (done.returncode, errors) in {(0, b""), (1, b"")}  # it may be faster than whoever hangs up


async def test_output_that_cannot_be_written_is_told():
    """A full disk behind a redirection."""
    async with Daemon("[workers]\n") as daemon:
        done = await asyncio.create_subprocess_shell(
            f"exec {sys.executable} -m channeld.cli.entry messages > /dev/full", env=buffered(daemon.environment),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, errors = await done.communicate()
        assert done.returncode == 1
        assert errors.startswith(b"Error: [Errno 28] No space left on device.\n")
        assert b"Traceback" not in errors


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

"""Starts a daemon that is missing, as nobody's child and without the secrets of the session."""

from __future__ import annotations

import os
import signal
import sys

from channeld.cli.shim_host import PACKAGE_ROOT

TYPE_CHECKING = False  # what `typing` would say, without the 6 ms that importing it takes
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

_PASSED: Final = (
    "HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "TZ", "TMPDIR", "DBUS_SESSION_BUS_ADDRESS",
    # Behind a proxy no worker reaches its platform without these.
    "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "all_proxy", "no_proxy",
)  # fmt: skip
_PASSED_PREFIXES: Final = ("LC_", "XDG_", "CHANNELD_", "SSL_CERT_")


def start_command(*, unit_installed: bool, executable: str = sys.executable) -> list[str]:
    """Return the command line that starts the daemon: through systemd where the unit is installed."""
    if unit_installed:
        return ["systemctl", "--user", "start", "channeld.service"]
    return [executable, "-m", "channeld.cli.entry", "run"]


def clean_environment(environ: Mapping[str, str], cwd: str, root: str = PACKAGE_ROOT) -> dict[str, str]:
    """Return the environment of a daemon: an allow-list, because a session's holds API keys and tokens.

    Args:
        environ: the session's.
        cwd: what a relative ``CHANNELD_HOME`` starts from; the daemon starts in ``/``.
        root: folder that holds the package. In a checkout the daemon is told where that is; an installed one knows.
    """
    clean = {key: value for key, value in environ.items() if key in _PASSED or key.startswith(_PASSED_PREFIXES)}
    clean.pop("CHANNELD_SESSION", None)  # the daemon is that of every session
    if own := clean.get("CHANNELD_HOME"):
        clean["CHANNELD_HOME"] = os.path.join(cwd, own)
    if os.path.basename(root) not in {"site-packages", "dist-packages"}:
        clean["PYTHONPATH"] = os.pathsep.join((root, os.path.join(root, "workers")))
    return clean


def spawn_detached(argv: list[str], environ: Mapping[str, str], error_log: str) -> None:
    """Start a process that no signal or end of this one reaches: forked twice, in a session of its own, in ``/``.

    Args:
        argv: command line; its first word is looked up in PATH.
        environ: the whole environment.
        error_log: file to which its output is appended, created for the owner alone.

    Raises:
        OSError: the log cannot be opened or no process can be made. That the command itself fails shows in the log.
    """
    log = open_log(error_log)
    try:
        child = os.fork()
        if child == 0:
            _leave_and_run(argv, environ, log)
        os.waitpid(child, 0)
    finally:
        os.close(log)


def open_log(path: str) -> int:
    """Open a file to append to, created for the owner alone with the two folders above it; return the descriptor.

    Raises:
        OSError: it cannot be opened.
    """
    folder = os.path.dirname(path)
    for place in (os.path.dirname(folder), folder):
        os.makedirs(place, mode=0o700, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _leave_and_run(argv: list[str], environ: Mapping[str, str], log: int) -> None:
    """Become the command, in the child: nothing here returns to the shim's own code."""
    try:
        os.setsid()
        if os.fork() != 0:
            os._exit(0)  # the command's parent is now init, not a descendant of Claude
        os.chdir("/")
        os.umask(0o077)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        for ignored in (signal.SIGINT, signal.SIGPIPE):  # an ignored signal would stay so across exec
            signal.signal(ignored, signal.SIG_DFL)
        os.execvpe(argv[0], argv, environ)  # noqa: S606 - a shell is what we do without
    except OSError as error:
        os.write(2, f"channeld mcp: cannot run {argv[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)

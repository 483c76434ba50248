"""What the checks look at, gathered once: all of them speak of the same moment, and tests can put up another."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from channeld.cli.claude_files import Claude, read_claude
from channeld.cli.claude_plugin import find_program
from channeld.cli.client import CommandFailed, NotRunning, ask, holds_lock
from channeld.cli.token_check import Answer, CheckFailed, ask_platform
from channeld.config import Config, Worker, load
from channeld.core.errors import ConfigError
from channeld.credentials import saved_token
from channeld.paths import Paths, find_paths
from channeld.platforms import PLATFORMS

_DAEMON_S: Final = 3.0
_PLATFORM_S: Final = 15.0
LINGER: Final = Path("/var/lib/systemd/linger")


class Silence(NamedTuple):
    """Why a daemon that is there does not answer."""

    text: str
    hint: str


class Token(NamedTuple):
    """A worker's token and where it comes from."""

    value: str
    variable: str = ""
    """The environment variable that holds it; empty: a file does."""


class Free(NamedTuple):
    """What is left on a disk."""

    bytes: int
    files: int | None
    """None where the file system does not count them."""


def free_space(place: Path) -> Free:
    """Return what is left for an ordinary user where a folder is or would be."""
    there = next(folder for folder in (place, *place.parents) if os.path.exists(folder))
    told = os.statvfs(there)
    return Free(told.f_bavail * told.f_frsize, told.f_favail if told.f_files else None)


class Platforms:
    """Asks each worker's platform about its token, once, however many checks want to know."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = {}
        self._answers: dict[str, Answer | CheckFailed] = {}
        self._lock = threading.Lock()

    def ask(self, worker: Worker, token: str) -> Answer | CheckFailed:
        """Return what the platform says, or why it cannot be known."""
        with self._lock:
            lock = self._locks.setdefault(worker.name, threading.Lock())
        with lock:
            if worker.name not in self._answers:
                try:
                    answer: Answer | CheckFailed = ask_platform(
                        worker.platform, token, worker.settings, limit_s=_PLATFORM_S
                    )
                except CheckFailed as error:
                    answer = error
                self._answers[worker.name] = answer
            return self._answers[worker.name]


@dataclass(frozen=True)
class Surroundings:
    """What a check may look at. Everything that is not here it looks up itself, and changes nothing."""

    paths: Paths
    environ: Mapping[str, str]
    config: Config | None
    """None: it cannot be used."""
    mistake: ConfigError | None
    """What is wrong with the configuration."""
    status: dict[str, Any] | None
    """What the daemon says of itself, as ``channeld status --json`` prints it; None: it does not answer."""
    silence: Silence | None
    """Why it does not answer, where one is there."""
    claude: Claude
    processes: Path = Path("/proc")
    linger: Path = LINGER
    uid: int = field(default_factory=os.geteuid)
    clock: Callable[[], float] = time.time
    free: Callable[[Path], Free] = free_space
    platforms: Platforms = field(default_factory=Platforms)

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """Sessions that are attached."""
        return list((self.status or {}).get("sessions", []))

    @property
    def health(self) -> list[dict[str, Any]]:
        """What the daemon says is wrong."""
        return list((self.status or {}).get("health", []))

    @property
    def workers(self) -> list[Worker]:
        """Workers that are to run, as far as the configuration can be read."""
        return [worker for worker in self.config.worker_list() if worker.enabled] if self.config else []

    @property
    def bots(self) -> list[Worker]:
        """Those of them that need a token of a platform's."""
        return [
            worker for worker in self.workers if worker.command is None and PLATFORMS[worker.platform].token_variable
        ]

    @property
    def claude_program(self) -> str | None:
        """Where Claude Code is, in PATH or not."""
        return find_program(self.environ)

    def is_ready(self, worker: str) -> bool:
        """Tell whether the daemon says that a worker is connected."""
        return any(
            each["name"] == worker and each["state"] == "ready" for each in (self.status or {}).get("workers", [])
        )

    def token_of(self, worker: Worker) -> Token | None:
        """Return a worker's token, as far as it can be seen from here.

        Raises:
            ConfigError: its file is there and cannot be read.
        """
        if (saved := saved_token(worker.name, self.paths.credentials)) is not None:
            return Token(saved)
        variable = PLATFORMS[worker.platform].token_variable if worker.name == worker.platform else ""
        given = self.environ.get(variable, "").strip() if variable else ""
        return Token(given, variable) if given else None

    def ask(self, worker: Worker) -> Answer | CheckFailed | None:
        """Return what a worker's platform says of its token; None: there is none that could be read."""
        try:
            token = self.token_of(worker)
        except ConfigError:  # which the check of credentials tells
            return None
        return self.platforms.ask(worker, token.value) if token is not None else None

    def variables_of(self, session: Mapping[str, Any], names: frozenset[str]) -> dict[str, str]:
        """Return which of these variables a session's Claude Code was started with; its others may be secret."""
        try:
            block = (self.processes / str(session.get("claude_pid")) / "environ").read_bytes()
        except OSError:
            return {}
        pairs = (entry.partition(b"=") for entry in block.split(b"\0"))
        return {name: os.fsdecode(value) for key, _, value in pairs if (name := os.fsdecode(key)) in names}


def gather(environ: Mapping[str, str]) -> Surroundings:
    """Look around once; nothing of it raises.

    Args:
        environ: of whoever asks.
    """
    paths = find_paths(dict(environ))
    config, mistake = None, None
    try:
        config = _load(paths.config_file)
    except ConfigError as error:
        mistake = error
    status, silence = None, None
    try:
        if holds_lock(paths):  # else nobody is there, and where systemd listens a question would start somebody
            status = ask(paths, "status", timeout_s=_DAEMON_S)
    except NotRunning:
        pass
    except CommandFailed as error:
        silence = Silence(str(error), error.hint)
    projects = [str(session["project"]) for session in (status or {}).get("sessions", []) if session.get("project")]
    return Surroundings(paths, environ, config, mistake, status, silence, read_claude(environ, projects))


def _load(file: Path) -> Config:
    if os.path.exists(file) and not os.path.isfile(file):  # to open a pipe is to wait
        raise ConfigError(f"{file} is no file.", hint="Move it away, or put the file itself there.")
    return load(file)

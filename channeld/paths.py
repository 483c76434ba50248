"""Where things lie. The shim has the same in ``cli.shim_host.Places``, without pathlib: change both."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import NamedTuple

from channeld.core.errors import ConfigError


class Paths(NamedTuple):
    """Every place that channeld reads or writes."""

    config: Path  # folder
    state: Path
    run: Path

    @property
    def config_file(self) -> Path:
        """The configuration."""
        return self.config / "config.toml"

    @property
    def credentials(self) -> Path:
        """Folder of ``<worker>.token`` files."""
        return self.config / "credentials"

    @property
    def database(self) -> Path:
        """The mailbox."""
        return self.state / "channeld.db"

    @property
    def inbox(self) -> Path:
        """Files that were received."""
        return self.state / "inbox"

    @property
    def spool(self) -> Path:
        """Copies of files that are to be sent."""
        return self.state / "spool"

    @property
    def log(self) -> Path:
        """Folder of the log files."""
        return self.state / "log"

    @property
    def stopped(self) -> Path:
        """Exists while the daemon is stopped on purpose: sessions do not start it then."""
        return self.state / "stopped"

    @property
    def launcher(self) -> Path:
        """Runs channeld, for Claude Code's plugin; the plugin knows this place too."""
        return self.state / "bin" / "channeld"

    @property
    def plugin_record(self) -> Path:
        """What was put into Claude Code, and is to be taken out again."""
        return self.state / "claude-plugin.json"

    @property
    def control_socket(self) -> Path:
        """Where the command line reaches the daemon."""
        return self.run / "control.sock"

    @property
    def session_socket(self) -> Path:
        """Where shims reach the daemon."""
        return self.run / "session.sock"

    @property
    def lock(self) -> Path:
        """Held by the one daemon of this place."""
        return self.run / "daemon.lock"


def find_paths(environ: dict[str, str] | None = None) -> Paths:
    """Return the places for this user: under ``CHANNELD_HOME`` if set, else as the XDG specification has them."""
    env = os.environ if environ is None else environ
    if own := env.get("CHANNELD_HOME"):
        base = Path(own).absolute()
        return Paths(config=base, state=base / "state", run=base / "run")
    home = Path(env.get("HOME") or os.path.expanduser("~"))
    config = Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "channeld"
    state = Path(env.get("XDG_STATE_HOME") or home / ".local" / "state") / "channeld"
    runtime = env.get("XDG_RUNTIME_DIR")
    return Paths(config=config, state=state, run=Path(runtime) / "channeld" if runtime else state / "run")


def make_all(paths: Paths) -> None:
    """Create every folder for its owner alone, and close those that are open to others.

    Raises:
        ConfigError: one of them cannot be used.
    """
    for folder in (paths.config, paths.credentials, paths.state, paths.run, paths.log, paths.inbox, paths.spool):
        make_private(folder)


def make_private(folder: Path) -> None:
    """Create a folder for its owner alone, and close one that is open to others.

    Raises:
        ConfigError: it cannot be used; with whose it is and what to do.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(0, "it cannot be written to")
    except OSError as error:
        raise unusable(folder, error) from None


def fault_of(folder: Path) -> ConfigError | None:
    """Return what would keep the folder from being made or used, as far as that shows without trying."""
    there = _deepest(folder)
    if not there.is_dir():
        return unusable(folder, FileExistsError())
    if not os.access(there, os.W_OK | os.X_OK):
        return unusable(folder, PermissionError(0, "it cannot be written to"))
    return None


def unusable(path: Path, error: OSError) -> ConfigError:
    """Return the error that says why a folder or a file cannot be used, and what to do about it."""
    there = _deepest(path)
    reason = (
        "a file is in its place" if isinstance(error, FileExistsError) else error.strerror or "it cannot be reached"
    )
    text = f"channeld cannot use {path}: {reason[:1].lower()}{reason[1:]}"
    if isinstance(error, FileExistsError | NotADirectoryError):
        away = f", or move {there} out of the way" if there.is_file() else ""
        hint = f"Set CHANNELD_HOME to a folder of your own{away}."
    elif (owner := there.stat().st_uid) == os.geteuid():
        hint = f"Set CHANNELD_HOME to a folder of your own, or make {there} writable."
    elif (ours := _named_so(there)) is not None:  # what one command with sudo leaves behind
        text += f". {ours} belongs to {_name_of(owner)}"
        hint = f'sudo chown -R "$(id -un)" {shlex.quote(str(ours))}'
    else:
        text += f". {there} belongs to {_name_of(owner)}"
        hint = f"Set CHANNELD_HOME to a folder of your own, or have {there} made writable for you."
    return ConfigError(f"{text}.", hint=hint, code="unusable_folder")


def _deepest(folder: Path) -> Path:
    """Return the folder, or the deepest one above it that can be seen to exist."""
    for place in (folder, *folder.parents):
        try:
            place.lstat()
        except OSError:
            continue
        return place
    return Path("/")


def _named_so(folder: Path) -> Path | None:
    """Return the folder of channeld's own name that this one is or lies in: only such a one is given away whole."""
    return next((place for place in (folder, *folder.parents) if place.name == "channeld"), None)


def _name_of(uid: int) -> str:
    """Return the name of a user, or the number of one without a name."""
    import pwd  # noqa: PLC0415 - of no use where all is well

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"

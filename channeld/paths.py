"""Where things lie. The shim has the same in ``cli.shim_host.Places``, without pathlib: change both."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


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


def make_private(folder: Path) -> None:
    """Create a folder for its owner alone, and close one that is open to others."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)

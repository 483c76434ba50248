"""Which files ``reply`` may send. Decided on the resolved path, after links."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

MAX_FILES: Final = 10
_SYSTEM: Final = ("/proc", "/sys", "/dev", "/run")
_SECRET_HOME: Final = (
    ".ssh", ".aws", ".gnupg", ".gpg", ".azure", ".kube", ".docker", ".password-store", ".claude*", ".netrc", ".pgpass",
    ".git-credentials", ".npmrc", ".pypirc", ".config/gcloud", ".config/gh", ".config/op", ".config/rclone",
    ".config/channeld", ".local/state/channeld", ".local/share/keyrings", ".mozilla", ".config/google-chrome",
    ".config/chromium",
)  # fmt: skip
_SECRET_NAMES: Final = (
    ".env*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.kdbx", "id_rsa*", "id_ed25519*", "id_ecdsa*",
    "*.token", ".netrc", ".pgpass", "credentials", "credentials.json", ".git-credentials",
)  # fmt: skip


def refusal(path: str, *, home: str, own: Iterable[str], inbox: Iterable[str]) -> str | None:
    """Return why a file may not be sent, as a sentence, or None if it may.

    Args:
        path: absolute path with every link resolved.
        home: the user's home folder.
        own: channeld's own folders, all refused except those in ``inbox``.
        inbox: folders of received files, which may be sent on.
    """
    file = PurePosixPath(path)
    if any(file.is_relative_to(folder) for folder in inbox):
        return None
    if any(file.is_relative_to(folder) for folder in own):
        return f"{path} belongs to channeld itself (tokens, mailbox) and is never sent."
    if any(file.is_relative_to(folder) for folder in _SYSTEM):
        return f"{path} is in one of the system's own folders ({', '.join(_SYSTEM)}), whose files are never sent."
    if file.is_relative_to(home) and _matches(file.relative_to(home), _SECRET_HOME):
        return f"{path} is in a folder of keys or credentials, whose files are never sent."
    if ".git" in file.parts:
        return f"{path} is inside a .git folder, which can hold credentials. Send a copy of what is needed."
    if any(fnmatch.fnmatchcase(file.name.lower(), pattern) for pattern in _SECRET_NAMES):
        return f"{path} looks like a file of secrets by its name. Send a copy without them under another name."
    return None


def _matches(relative: PurePosixPath, patterns: Iterable[str]) -> bool:
    """Tell whether the leading parts of a path match one of the patterns, part by part."""
    for pattern in patterns:
        wanted = pattern.split("/")
        if len(relative.parts) >= len(wanted) and all(
            fnmatch.fnmatchcase(part, want) for part, want in zip(relative.parts, wanted, strict=False)
        ):
            return True
    return False

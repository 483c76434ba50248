"""Who may answer while there is no access list: the holder of a web chat's token, who is its owner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from channeld.core.access import Role

_OWNER: Final = "owner"


class Owners:
    """The owners of the web chats."""

    def __init__(self, platforms: Mapping[str, str]) -> None:
        self._web = [worker for worker, platform in platforms.items() if platform == "web"]

    async def role_of(self, worker: str, sender_id: str) -> Role | None:
        """Return what a sender may do; None: nothing."""
        return Role.APPROVER if worker in self._web and sender_id == _OWNER else None

    async def approver_chats(self) -> list[tuple[str, str, str]]:
        """Return ``(worker, sender_id, chat)`` of the approvers' private chats."""
        return [(worker, _OWNER, f"{worker}:main") for worker in self._web]

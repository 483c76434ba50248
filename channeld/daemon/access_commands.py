"""What the command line can ask about who may speak, and change."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from channeld.core.access import Policy, Role
from channeld.core.errors import Refused
from channeld.daemon.access import Access
from channeld.daemon.control import Command, checked
from channeld.daemon.pairing_dialog import PairingDialog
from channeld.platforms import LATER, PLATFORMS

_BY: Final = "terminal"


class ApproveArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of ``approve``."""

    code: str
    approver: bool = False


class DenyArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of ``deny``."""

    id: str


class WorkerArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of ``setup``."""

    worker: str


class AllowArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of ``allow``."""

    worker: str
    sender: str
    approver: bool = False
    name: str = ""


class SenderArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of ``remove``."""

    worker: str
    sender: str


class ApproverArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of ``approver``."""

    worker: str
    sender: str
    off: bool = False


class PolicyArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of ``policy``."""

    worker: str
    policy: Policy


class OpenGroupArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of ``open_group``."""

    chat: str
    require_mention: bool = True
    senders: list[str] | None = None


class ChatArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of ``close_group``."""

    chat: str


class AccessCommands:
    """Carries them out. Who may call which is decided before: see ``channeld.ipc.control.GUARDED``."""

    def __init__(self, access: Access, dialog: PairingDialog) -> None:
        self._access, self._dialog = access, dialog

    def table(self) -> dict[str, Command]:
        """Return the commands by name."""
        return {
            "requests": self.requests, "approve": self.approve, "deny": self.deny, "setup": self.setup,
            "access": self.access, "allow": self.allow, "remove": self.remove, "approver": self.approver,
            "policy": self.policy, "open_group": self.open_group, "close_group": self.close_group,
            "dialog": self.dialog,
        }  # fmt: skip

    async def requests(self, args: dict[str, Any]) -> dict[str, Any]:
        """Return who asks to be listed."""
        return {"requests": [request._asdict() for request in await self._access.requests()]}

    async def dialog(self, args: dict[str, Any]) -> dict[str, Any]:
        """Show the pairing form again; safe for anybody to ask for, because it takes the code that only people know."""
        return {"session": self._dialog.reopen(), "requests": len(await self._access.requests())}

    async def approve(self, args: dict[str, Any]) -> dict[str, Any]:
        """List whoever was told a code."""
        wanted = checked(args, ApproveArguments)
        role = Role.APPROVER if wanted.approver else Role.CHATTER
        return (await self._access.approve(wanted.code, role=role, by=_BY))._asdict()

    async def deny(self, args: dict[str, Any]) -> dict[str, Any]:
        """Deny a request."""
        return (await self._access.deny(checked(args, DenyArguments).id, _BY))._asdict()

    async def setup(self, args: dict[str, Any]) -> dict[str, Any]:
        """Return a one-time code for the operator; of a web chat that nothing is needed."""
        worker = checked(args, WorkerArguments).worker
        known = self._access.platforms
        if worker not in known and worker in LATER:
            raise Refused(
                f"The platform {worker} is not part of this version yet.",
                hint=f"What there is so far: {', '.join(PLATFORMS)}.",
            )
        if known.get(worker) == "web":
            return {"worker": worker, "platform": "web", "code": None}
        code = await self._access.owner_code(worker, _BY)
        return {"worker": worker, "platform": known[worker], "code": code}

    async def access(self, args: dict[str, Any]) -> dict[str, Any]:
        """Return the access list."""
        return await self._access.overview()

    async def allow(self, args: dict[str, Any]) -> dict[str, Any]:
        """List a sender."""
        wanted = checked(args, AllowArguments)
        role = Role.APPROVER if wanted.approver else Role.CHATTER
        change = await self._access.put(wanted.worker, wanted.sender, role, by=_BY, name=wanted.name)
        return {"role": str(self._access.effective(wanted.worker, role)), "told": change.told is not None}

    async def remove(self, args: dict[str, Any]) -> dict[str, Any]:
        """Make a sender a stranger again."""
        wanted = checked(args, SenderArguments)
        return {"dropped": (await self._access.remove(wanted.worker, wanted.sender, by=_BY)).dropped}

    async def approver(self, args: dict[str, Any]) -> dict[str, Any]:
        """Make somebody an approver, or a chatter again."""
        wanted = checked(args, ApproverArguments)
        await self._access.set_approver(wanted.worker, wanted.sender, approver=not wanted.off, by=_BY)
        return {}

    async def policy(self, args: dict[str, Any]) -> dict[str, Any]:
        """Set what becomes of strangers."""
        wanted = checked(args, PolicyArguments)
        return {"dropped": (await self._access.set_policy(wanted.worker, wanted.policy, by=_BY)).dropped}

    async def open_group(self, args: dict[str, Any]) -> dict[str, Any]:
        """Opt a group in."""
        wanted = checked(args, OpenGroupArguments)
        room, change = await self._access.put_group(
            wanted.chat, require_mention=wanted.require_mention, senders=wanted.senders, by=_BY
        )
        return {"chat": room, "dropped": change.dropped}

    async def close_group(self, args: dict[str, Any]) -> dict[str, Any]:
        """Close a group."""
        return {"dropped": (await self._access.remove_group(checked(args, ChatArguments).chat, by=_BY)).dropped}

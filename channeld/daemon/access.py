"""Who may speak: what the daemon's other parts, the command line and the dialog in a session ask and change."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog

from channeld.config import Worker
from channeld.core import pairing
from channeld.core.access import DENIED, LONGEST_ID, Policy, Role, Ruling, is_sender_id, room_of, rule, standing_role
from channeld.core.errors import Refused, StoreUnavailable
from channeld.core.ids import is_chat_of, worker_of
from channeld.core.model import Inbound
from channeld.core.pairing import Paired, PairingRequest, WrongTries
from channeld.daemon.gate import Gate
from channeld.daemon.notices import Notices
from channeld.faultpoint import reach
from channeld.platforms import PLATFORMS
from channeld.store import access as store
from channeld.store.access import AccessList, Change

log = structlog.get_logger()
_NEWS = frozenset({"asked", "paired"})
"""Codes of rulings that change what ``requests`` returns."""


class Access:
    """The access list and those who ask to be on it."""

    def __init__(self, people: AccessList, workers: Iterable[Worker], notices: Notices) -> None:
        self._list, self._notices = people, notices
        self.platforms: dict[str, str] = {}
        """By worker."""
        self._listeners: list[Callable[[], None]] = []
        self._wrong = WrongTries()
        self.gate = Gate()
        """Asked for every event, in the store's thread."""
        for worker in workers:
            self.configure(worker)

    def configure(self, worker: Worker) -> None:
        """Take over what the configuration says of a worker now."""
        self.platforms[worker.name] = worker.platform
        self.gate.configure(worker)

    async def reconfigure(self, worker: Worker) -> None:
        """Take over what the configuration says of a worker now, also for what waits of its senders.

        Raises:
            StoreUnavailable: that could not be looked at; the rest holds.
        """
        self.configure(worker)
        await self._list.review(worker.name, self.gate.terms_of(worker.name), time.time())

    async def start(self) -> None:
        """Rule anew on what waits, because the configuration may have changed while no daemon ran."""
        try:
            for worker in self.platforms:
                await self._list.review(worker, self.gate.terms_of(worker), time.time())
        except StoreUnavailable as trouble:  # it goes as it was let in; the trouble is told
            log.warning("waiting_not_reviewed", reason=str(trouble))

    def review(self, connection: sqlite3.Connection, worker: str, now: float) -> None:
        """Rule anew on what waits of a worker, inside a transaction of the store's thread."""
        store.review(connection, worker, self.gate.terms_of(worker), now)

    # -- who may do what

    async def role_of(self, worker: str, sender_id: str) -> Role | None:
        """Return what a sender may do, or None: he is not listed, or the list cannot be read."""
        terms = self.gate.terms_of(worker)
        try:
            if (await self._list.policies()).get(worker, terms.policy) == Policy.DISABLED:
                return None
            return standing_role(sender_id, terms, await self._list.standing(worker, sender_id))
        except StoreUnavailable:
            return None

    async def role_in(self, worker: str, event: Inbound) -> Role | None:
        """Return the role in which an event is admitted where it was sent, or None; its sender's pace is not looked at.

        Raises:
            StoreUnavailable: the list cannot be read now.
        """
        facts = await self._list.facts(worker, event)
        ruling = rule(event, self.gate.terms_of(worker), facts)
        return ruling.role if ruling.admitted else None

    async def approver_chats(self) -> list[tuple[str, str, str]]:
        """Return ``(worker, sender id, private chat)`` of every approver whose chat is known."""
        policies = await self._list.policies()
        open_workers = {
            name: terms
            for name, terms in self.gate.terms.items()
            if terms.may_approve and policies.get(name, terms.policy) != Policy.DISABLED
        }
        holders = [(name, terms.holder, terms.holder_chat) for name, terms in open_workers.items() if terms.holder]
        return holders + [
            (person["worker"], person["sender_id"], chat)
            for person in await self._list.people()
            if person["worker"] in open_workers and person["role"] == Role.APPROVER
            and (chat := person["chat"] or self._chat_by_sender(person["worker"], person["sender_id"]))
        ]  # fmt: skip

    def _chat_by_sender(self, worker: str, sender_id: str) -> str | None:
        """Return the private chat of somebody who has not written yet, where the platform's ids tell it."""
        platform = PLATFORMS.get(self.platforms[worker])
        return f"{worker}:{sender_id}" if platform is not None and platform.chat_is_sender else None

    # -- pairing

    def on_request(self, listener: Callable[[], None]) -> None:
        """Call back whenever ``requests`` has changed: somebody asks, or what he asked has been settled."""
        self._listeners.append(listener)

    def not_admitted(self, worker: str, event: Inbound, ruling: Ruling) -> None:
        """Log what the gate did not let in, after its commit, and tell whoever waits for requests."""
        if ruling.code in _NEWS:
            log.info("stranger_" + ruling.code, worker=worker, chat=event.chat, sender_id=event.sender_id[:LONGEST_ID])
            self._tell_listeners()
        else:
            log.debug("not_admitted", worker=worker, chat=event.chat, code=ruling.code)

    async def requests(self) -> list[PairingRequest]:
        """Return those who ask to be listed and were told a code that is still valid, the oldest first."""
        return [self._request(row) for row in await self._list.requests(time.time())]

    async def approve(
        self, code: str, worker: str | None = None, *, role: Role, by: str, only: str | None = None
    ) -> Paired:
        """List whoever was told this code, and tell him.

        Args:
            code: as somebody typed it.
            worker: only one of this worker; None: of any.
            role: what he may do.
            by: who approves, in words, for the record.
            only: id of the one request that the approver was shown; None: he was shown none.

        Raises:
            Refused: no open request has the code, or too many wrong ones were tried. A wrong code and one that has
                expired are told in the same words.
        """
        self._check_tries()
        now = time.time()
        reach("access.approving")
        spelled = pairing.read(code)
        found = None
        if spelled is not None:
            found = await self._list.approve(spelled, worker, role, by, now, only, terms_of=self.gate.terms_of)
        reach("access.approved")
        if found is None:
            self._wrong.count(now)
            raise Refused(
                "No open request has this code: it is mistyped, was used, or is older than an hour.",
                hint="Have it read to you once more, or let the person write to the bot again for a new one.",
                code="wrong_code",
            )
        role = self.effective(found["worker"], role)
        paired = Paired(found["worker"], found["sender_id"], found["name"], found["chat"], role)
        self._changed(by, str(role), paired.worker, paired.sender_id)
        self._notices.say(paired.chat, pairing.paired_text(role))
        return paired

    async def deny(self, request: str, by: str) -> PairingRequest:
        """Deny a request, by its id or its code: the sender is not answered any more, until that is taken back by hand.

        Raises:
            Refused: no open request has this id or code, or too many wrong codes were tried.
        """
        wanted: str | None = request.strip().lower()
        if (code := pairing.read(request)) is not None:
            self._check_tries()
            if (wanted := await self._list.id_of_code(code, time.time())) is None:
                self._wrong.count(time.time())
        found = next((each for each in await self.requests() if each.id == wanted), None)
        if found is None:
            raise Refused(
                f"There is no open request {request[:40]!r}.", hint="`channeld pair` shows them with their ids."
            )
        await self._list.put_person(found.worker, found.sender_id, DENIED, by, time.time())
        self._changed(by, DENIED, found.worker, found.sender_id)
        return found

    async def owner_code(self, worker: str, by: str) -> str:
        """Make a one-time code that lists whoever sends it to a worker's bot in a private chat."""
        self._check_worker(worker)
        self._check_not_held(worker)
        if (await self._list.policies()).get(worker, self.gate.terms_of(worker).policy) == Policy.DISABLED:
            raise Refused(
                f"{worker} is closed to everybody, so nobody could send it a code.",
                hint=f"Open it first: channeld access policy {worker} allowlist",
            )
        code = await self._list.put_owner_code(worker, by, time.time())
        self._changed(by, "one-time code", worker, "")
        return pairing.shown(code)

    # -- changes by hand

    async def put(self, worker: str, sender_id: str, role: str, *, by: str, name: str = "") -> Change:
        """List a sender, give him another role, or deny him. Whoever has asked to be listed is told.

        Raises:
            Refused: there is no such worker, or its senders cannot be changed.
        """
        self._check_sender(worker, sender_id)
        change = await self._list.put_person(
            worker, sender_id, role, by, time.time(), name=name, terms=self.gate.terms_of(worker)
        )
        self._changed(by, role, worker, sender_id)
        if change.told is not None and role != DENIED:
            self._notices.say(change.told, pairing.paired_text(self.effective(worker, Role(role))))
        return change

    async def set_approver(self, worker: str, sender_id: str, *, approver: bool, by: str) -> Change:
        """Make somebody who is listed an approver, or a chatter again.

        Raises:
            Refused: he is not listed, or nobody on this worker can be an approver.
        """
        self._check_sender(worker, sender_id)
        if await self._list.standing(worker, sender_id) not in {Role.APPROVER, Role.CHATTER}:
            raise Refused(
                f"{sender_id} is not on the list of {worker}.",
                hint=f"`channeld access show` shows who is; to add somebody: channeld access allow {worker} SENDER",
            )
        if approver and not self.gate.terms_of(worker).may_approve:
            raise Refused(
                f"Nobody on {worker} can be an approver: the configuration says may_approve = false.",
                hint=f"Take that out of [workers.{worker}] in config.toml, then: channeld restart {worker}",
            )
        return await self.put(worker, sender_id, Role.APPROVER if approver else Role.CHATTER, by=by)

    async def remove(self, worker: str, sender_id: str, *, by: str) -> Change:
        """Make a sender a stranger again.

        Raises:
            Refused: he is one.
        """
        self._check_held(worker, sender_id)
        change = await self._list.remove_person(worker, sender_id, by, time.time(), terms=self.gate.terms_of(worker))
        if change is None:
            raise Refused(
                f"{sender_id[:LONGEST_ID]} is not on the list of {worker}.", hint="`channeld access show` shows who is."
            )
        self._changed(by, "removed", worker, sender_id)
        return change

    async def set_policy(self, worker: str, policy: Policy, *, by: str) -> Change:
        """Set what becomes of strangers on a worker; from then on the configuration's value does not matter."""
        self._check_worker(worker)
        change = await self._list.set_policy(worker, policy, by, time.time(), terms=self.gate.terms_of(worker))
        self._changed(by, f"policy {policy}", worker, "")
        return change

    async def put_group(
        self, chat: str, *, require_mention: bool, senders: list[str] | None, by: str
    ) -> tuple[str, Change]:
        """Opt a group in, or change how it is open; return its id without a thread, and what that has brought."""
        worker, room = worker_of(chat), room_of(chat)
        self._check_worker(worker)
        for sender_id in senders or []:
            _check_id(sender_id)
        change = await self._list.put_group(
            worker, room, require_mention=require_mention, senders=senders, by=by, now=time.time(),
            terms=self.gate.terms_of(worker),
        )  # fmt: skip
        self._changed(by, "group opened", worker, room)
        await self.tell_groups(worker)
        return room, change

    async def move_chat(self, worker: str, old: str, new: str) -> None:
        """A group has got a new id: it stays as open as it was."""
        await self._list.move_chat(worker, room_of(old), room_of(new), time.time())
        self._changed("the platform", f"group moved from {old}", worker, new)
        await self.tell_groups(worker)

    async def remove_group(self, chat: str, *, by: str) -> Change:
        """Close a group.

        Raises:
            Refused: it is not open.
        """
        worker, room = worker_of(chat), room_of(chat)
        change = await self._list.remove_group(worker, room, by, time.time(), terms=self.gate.terms_of(worker))
        if change is None:
            raise Refused(f"The group {room} is not open.", hint="`channeld access show` shows those that are.")
        self._changed(by, "group closed", worker, room)
        await self.tell_groups(worker)
        return change

    async def tell_groups(self, worker: str) -> None:
        """Tell a worker which of its groups are open."""
        try:
            chats = [row["chat"] for row in await self._list.groups() if is_chat_of(worker, row["chat"])]
        except StoreUnavailable as trouble:  # it makes up for less, if it dies; the trouble is told
            log.warning("groups_not_told", worker=worker, reason=str(trouble))
        else:
            self._notices.groups_changed(worker, chats)

    # -- how things stand

    async def summary(self) -> list[dict[str, Any]]:
        """Return how things stand on each worker, as ``channeld status --json`` prints it."""
        return [
            {
                "worker": entry["worker"], "platform": entry["platform"], "policy": entry["policy"],
                "requests": entry["requests"],
                "people": sum(each["role"] != DENIED for each in entry["people"]),
                "approvers": sum(each["role"] == Role.APPROVER for each in entry["people"]),
                "dropped": entry["dropped"],
            }
            for entry in (await self.overview())["workers"]
        ]  # fmt: skip

    async def overview(self) -> dict[str, Any]:
        """Return the whole list, as ``channeld access show --json`` prints it."""
        policies, people, dropped = await self._list.policies(), await self._list.people(), await self._list.dropped()
        groups, requests = await self._list.groups(), await self.requests()
        return {
            "workers": [
                {
                    "worker": name, "platform": platform,
                    "policy": policies.get(name, str(self.gate.terms_of(name).policy)),
                    "policy_from": "command" if name in policies else "config",
                    "may_approve": self.gate.terms_of(name).may_approve,
                    "people": self._people(name, people),
                    "groups": [group for group in groups if is_chat_of(name, group["chat"])],
                    "requests": sum(request.worker == name for request in requests),
                    "dropped": [
                        {"code": each["code"], "count": each["count"], "last_at": each["last_at"]}
                        for each in dropped if each["worker"] == name
                    ],
                }
                for name, platform in self.platforms.items()
            ],
            "changes": [
                {key: change[key] for key in ("at", "by", "what", "worker", "who")}
                for change in await self._list.changes()
            ],
        }  # fmt: skip

    def _people(self, worker: str, people: list[dict[str, Any]]) -> list[dict[str, Any]]:
        holder = self.gate.terms_of(worker).holder
        held = [
            {
                "sender_id": holder, "name": "", "role": str(self.effective(worker, Role.APPROVER)),
                "chat": self.gate.terms_of(worker).holder_chat, "since": None, "by": "the token",
            }
        ]  # fmt: skip
        return (held if holder else []) + [
            {
                "sender_id": each["sender_id"], "name": each["name"],
                "role": each["role"] if each["role"] == DENIED else str(self.effective(worker, Role(each["role"]))),
                "chat": each["chat"], "since": each["since"], "by": each["by"],
            }
            for each in people if each["worker"] == worker
        ]  # fmt: skip

    # -- inside

    def _request(self, row: Mapping[str, Any]) -> PairingRequest:
        platform = self.platforms.get(row["worker"], row["worker"])
        return PairingRequest(
            row["id"], row["worker"], platform, row["sender_id"], row["name"], row["chat"], row["asked_at"]
        )

    def effective(self, worker: str, role: Role) -> Role:
        """Return what a role amounts to on a worker: less where the configuration says may_approve = false."""
        return role if self.gate.terms_of(worker).may_approve else Role.CHATTER

    def _changed(self, by: str, what: str, worker: str, who: str) -> None:
        log.info("access_changed", by=by, what=what, worker=worker, who=who)
        self._tell_listeners()

    def _tell_listeners(self) -> None:
        for listener in self._listeners:
            listener()

    def _check_tries(self) -> None:
        if (wait_s := self._wrong.wait_s(time.time())) > 0:
            raise Refused(
                f"Too many wrong codes were tried: for {wait_s / 60:.0f} min none is looked at.",
                hint="Wait, then type it once more. `channeld pair` shows who asks.",
                code="too_many_tries",
            )

    def _check_worker(self, worker: str) -> None:
        if worker not in self.platforms:
            known = ", ".join(self.platforms) or "none"
            raise Refused(f"There is no worker {worker[:40]!r}.", hint=f"There are: {known}.")

    def _check_sender(self, worker: str, sender_id: str) -> None:
        self._check_worker(worker)
        _check_id(sender_id)
        self._check_held(worker, sender_id)
        self._check_not_held(worker)

    def _check_held(self, worker: str, sender_id: str) -> None:
        if sender_id == self.gate.terms_of(worker).holder:
            raise Refused(
                f"Whoever holds the token of {worker} is always listed.",
                hint=f"To close the chat: channeld access policy {worker} disabled. That he may only chat is said by "
                f"may_approve = false in [workers.{worker}].",
            )

    def _check_not_held(self, worker: str) -> None:
        if self.gate.terms_of(worker).holder:
            raise Refused(
                f"{worker} is a web chat: whoever holds its token is listed, and nobody else can write there.",
                hint=f"For its address: channeld url {worker}",
            )


def _check_id(sender_id: str) -> None:
    if not is_sender_id(sender_id):
        raise Refused(
            f"{sender_id[:40]!r} cannot be a sender's id.",
            hint="Use the user_id of a message's tag, or the id that `channeld pair` shows.",
        )

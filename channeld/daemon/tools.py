"""What each tool does. A mistake comes back as one sentence that says how to mend it."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import structlog

from channeld.core.access import Role
from channeld.core.delivery import PartState
from channeld.core.errors import ChanneldError, Refused, StoreUnavailable
from channeld.core.event import iso
from channeld.core.ids import worker_of
from channeld.core.model import HistoryItem, NewPart, StoredPart
from channeld.core.text import clean_name, defuse
from channeld.daemon.access import Access
from channeld.daemon.hooks import NOTHING, Hooks
from channeld.daemon.outgoing import Letter, Outgoing
from channeld.daemon.router import Router
from channeld.daemon.session import Session
from channeld.daemon.tool_list import (
    ARGUMENTS,
    SESSION_EVENT,
    DownloadAttachment,
    EditMessage,
    FetchMessages,
    React,
    Reply,
    SearchMessages,
    ToolResult,
)
from channeld.store.mailbox import Mailbox
from channeld.store.outbox import Outbox
from channeld.store.timeline import Timeline

log = structlog.get_logger()
_MOST_OF_A_MESSAGE: Final = 20_000
"""Characters of one message in a list."""
_MOST_OF_A_LIST: Final = 200_000
"""Characters of a list: it has to fit into one line to the session, and into Claude's patience."""


class Toolbox:
    """Carries out tool calls. No exception leaves ``call``: a mistake is a result that says how to mend it."""

    def __init__(
        self,
        router: Router,
        outgoing: Outgoing,
        hooks: Hooks,
        mailbox: Mailbox,
        outbox: Outbox,
        timeline: Timeline,
        access: Access,
    ) -> None:
        """Wire the tools.

        Args:
            router: knows who may act where.
            outgoing: takes what is to be sent.
            hooks: takes what the plugin's hooks report.
            mailbox: received messages.
            outbox: accepted calls.
            timeline: history and search.
            access: who may do what.
        """
        self._router, self._outgoing, self._hooks = router, outgoing, hooks
        self._mailbox, self._outbox, self._timeline, self._access = mailbox, outbox, timeline, access

    async def call(self, session: Session, name: str, arguments: dict[str, Any], tool_use_id: str | None) -> ToolResult:
        """Carry out one call.

        Args:
            session: who calls.
            name: of the tool.
            arguments: unchecked.
            tool_use_id: the client's id of the call; the same call sent again has the same effect once.
        """
        if name == SESSION_EVENT:
            # What the model itself calls carries an id: the tool is the hooks' alone.
            return ToolResult(await self._hooks.report(session, arguments) if tool_use_id is None else NOTHING)
        self._router.heard_of(session)
        try:
            if name not in ARGUMENTS:
                raise Refused(f"There is no tool {name[:60]!r}.", hint=f"There are: {', '.join(ARGUMENTS)}.")
            try:
                checked = msgspec.convert(arguments, ARGUMENTS[name], strict=True)
            except msgspec.ValidationError as error:
                raise Refused(f"{error}.", hint=f"Mend the arguments of {name} and call it again.") from None
            match checked:
                case Reply():
                    return await self._reply(session, checked, tool_use_id)
                case EditMessage():
                    part = NewPart(kind="edit", text=checked.text, message_id=checked.message_id)
                    return await self._change(session, "edit_message", checked.chat_id, part, tool_use_id)
                case React():
                    part = NewPart(kind="react", text=checked.emoji, message_id=checked.message_id)
                    return await self._change(session, "react", checked.chat_id, part, tool_use_id)
                case DownloadAttachment():
                    return await self._download(session, checked)
                case FetchMessages():
                    return await self._fetch(session, checked)
                case SearchMessages():
                    return await self._search(session, checked)
            raise AssertionError(name)
        except ChanneldError as error:
            return ToolResult(f"{error} {error.hint}".strip(), is_error=True)
        except Exception:
            log.exception("tool_failed", tool=name, session=session.name)
            return ToolResult(
                "channeld failed inside. Check fetch_messages before you repeat a reply; the owner finds the reason "
                "with `channeld logs`.",
                is_error=True,
            )

    # -- sending

    async def _reply(self, session: Session, reply: Reply, tool_use_id: str | None) -> ToolResult:
        # A repeated call is answered from the outbox before its files are looked at: they may be gone by now.
        known = await self._outbox.find(session.instance, tool_use_id) if tool_use_id is not None else None
        if known is None:
            await self._check_reach(session, "reply", reply.chat_id)
            letter = Letter(reply.chat_id, reply.text, reply.format, reply.reply_to, reply.files, reply.buttons)
            known = await self._outgoing.reply(letter, session.instance, tool_use_id)
        try:
            await self._router.answered(session, reply.chat_id)
        except StoreUnavailable as trouble:
            log.warning("answer_not_noted", session=session.name, reason=str(trouble))
        return describe_outcome("reply", await self._outgoing.outcome(known))

    async def _change(
        self, session: Session, tool: str, chat: str, part: NewPart, tool_use_id: str | None
    ) -> ToolResult:
        await self._check_reach(session, tool, chat)
        await self._check_target(tool, chat, part.message_id or "")
        accepted = await self._outgoing.change(tool, chat, part, session.instance, tool_use_id)
        return describe_outcome(tool, await self._outgoing.outcome(accepted))

    async def _check_target(self, tool: str, chat: str, message_id: str) -> None:
        """Refuse a change of nothing: a success would be taken for an answer that the sender has read."""
        item = await self._timeline.item(chat, message_id)
        if item is None:
            raise Refused(
                f"There is no message {message_id[:80]!r} in {chat}.",
                hint="fetch_messages shows the ids of the latest.",
            )
        if tool == "edit_message" and item.direction != "out":
            raise Refused(
                f"The message {message_id} is not yours: only what you sent can be edited.",
                hint="Use the id that reply returned, or answer with reply.",
            )

    async def _check_reach(self, session: Session, tool: str, chat: str) -> None:
        self._outgoing.worker_for(chat, tool)
        if not await self._router.may_use(session, chat):
            raise Refused(
                f"The chat {chat} is not routed to this session, or nobody has written there yet.",
                hint="Use the chat_id of a message's tag.",
            )

    # -- reading

    async def _only_chat(self, session: Session) -> str | None:
        """Return the one chat that may be read now: who has asked may be an approver no longer. None: any."""
        only, turn = session.turns.only_chat, session.turns.turn
        if only is not None or turn is None or turn.origin is None:
            return only
        chat = turn.origin.chat
        return None if await self._access.role_of(worker_of(chat), turn.origin.sender_id) == Role.APPROVER else chat

    async def _check_reading(self, session: Session, chat: str) -> None:
        """Refuse what others wrote: whoever has asked must not read other chats through Claude."""
        only = await self._only_chat(session)
        if only is not None and chat != only:
            raise Refused(
                f"This turn came from {only}, and only that chat can be read in it.",
                hint=f"Use chat_id {only}, or let the owner ask for the other one.",
            )
        if not await self._router.may_use(session, chat):
            raise Refused(f"The chat {chat} is not routed to this session.", hint="Use the chat_id of a tag.")

    async def _download(self, session: Session, wanted: DownloadAttachment) -> ToolResult:
        await self._check_reach(session, "download_attachment", wanted.chat_id)
        event = await self._mailbox.find(wanted.chat_id, wanted.message_id)
        if event is None:
            raise Refused(
                f"There is no message {wanted.message_id[:80]!r} in {wanted.chat_id}.",
                hint="Use the message_id of a tag that has attachments.",
            )
        if not event.inbound.attachments:
            raise Refused("That message has no files.", hint="Only tags with attachment_count have some.")
        problems = []
        for file in event.inbound.attachments:
            if file.token and not file.path:
                try:
                    await self._router.fetching.fetch(event, file.token)
                except Refused as refusal:
                    problems.append(f"{refusal} {refusal.hint}")
            elif not file.path:
                problems.append(f"{file.name}: {file.note or 'it cannot be fetched'}.")
        fetched = await self._mailbox.find(wanted.chat_id, wanted.message_id)
        paths = [file.path for file in (fetched or event).inbound.attachments if file.path]
        return ToolResult("\n".join([*paths, *problems]), is_error=not paths)

    async def _fetch(self, session: Session, wanted: FetchMessages) -> ToolResult:
        worker_of(wanted.chat_id)
        await self._check_reading(session, wanted.chat_id)
        items = (await self._timeline.history(wanted.chat_id, limit=wanted.limit))[0]
        return ToolResult(_listed(list(map(_line, items)), newest_last=True) or "There are no messages in this chat.")

    async def _search(self, session: Session, wanted: SearchMessages) -> ToolResult:
        if wanted.chat_id is not None:
            await self._check_reading(session, wanted.chat_id)
        # Only there, and not sifted afterwards: else others' messages would take the places of those that may be shown.
        chat = wanted.chat_id or await self._only_chat(session)
        items = await self._timeline.search(wanted.query, chat, wanted.limit)
        allowed = {chat: await self._router.may_use(session, chat) for chat in {item.chat for item in items}}
        lines = [f"{item.chat} {_line(item)}" for item in items if allowed[item.chat]]
        return ToolResult(_listed(lines, newest_last=False) or "Nothing was found.")


def describe_outcome(tool: str, parts: list[StoredPart]) -> ToolResult:
    """Say what became of a call's parts, as the contract words it."""
    ids = [part.platform_id or "" for part in parts if part.state == PartState.SENT]
    bad = [part for part in parts if part.state in {PartState.FAILED, PartState.UNCERTAIN, PartState.DROPPED}]
    if bad:
        why = (bad[0].error or "unknown reason").rstrip(".")
        sent = f" {len(ids)} of {len(parts)} parts were sent." if ids else ""
        if any(part.state == PartState.UNCERTAIN for part in bad):
            return ToolResult(
                f"It may or may not have been sent: {why}.{sent} Check fetch_messages before you repeat it.",
                is_error=True,
            )
        return ToolResult(f"It was not sent: {why}.{sent}", is_error=True)
    if len(ids) < len(parts):
        return ToolResult(
            "queued: the platform cannot be reached now or asks to wait. It is on disk and will be sent; do not repeat "
            "it. You get an event if it fails."
        )
    if tool == "edit_message":
        return ToolResult(f"edited (id: {parts[0].message_id})")
    if tool == "react":
        return ToolResult("reacted")
    if len(ids) == 1:
        return ToolResult(f"sent (id: {ids[0]})")
    return ToolResult(f"sent {len(ids)} parts (ids: {', '.join(ids)})")


def _line(item: HistoryItem) -> str:
    """Return a message as one entry; text of a sender is indented, so that it cannot pass for another entry."""
    who = f"{clean_name(item.user, 60)} (id: {item.id})"
    notes = [item.state] if item.direction == "out" else []
    notes += ["edited"] if item.edited else []
    notes += [f"reaction {clean_name(reaction, 20)}" for reaction in item.reactions]
    notes += [f"file {clean_name(a.name, 80)}" for a in item.attachments]
    shown = defuse(item.text[:_MOST_OF_A_MESSAGE])
    if len(item.text) > _MOST_OF_A_MESSAGE:
        shown += f"… ({len(item.text) - _MOST_OF_A_MESSAGE} more characters)"
    text = "\n    ".join(shown.splitlines())  # every line break that there is, not only \\n
    noted = f" [{', '.join(notes)}]" if notes else ""
    return f"[{iso(item.ts)}] {who}{noted}: {text}"


def _listed(lines: list[str], *, newest_last: bool) -> str:
    """Join entries, as many of the newest as fit, and say so if some do not."""
    kept, size = [], 0
    for line in reversed(lines) if newest_last else lines:
        size += len(line)
        if size > _MOST_OF_A_LIST:
            break
        kept.append(line)
    left_out = len(lines) - len(kept)
    note = [f"({left_out} older messages are too long for this list; ask for fewer)"] if left_out else []
    return "\n".join([*note, *reversed(kept)] if newest_last else [*kept, *note])

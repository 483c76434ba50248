"""Tells workers what their chats' people want to know: where a message is, who listens, whether Claude works."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from channeld.core.delivery import PartState
from channeld.core.errors import StoreUnavailable
from channeld.core.ids import is_chat_of, worker_of
from channeld.core.model import HistoryItem, StoredEvent, StoredPart
from channeld.daemon.link import WorkerLink
from channeld.ipc import messages as m
from channeld.store.timeline import Timeline

log = structlog.get_logger()


class Notices:
    """Courtesies: each may be lost, and a worker that missed one asks for the history or is told anew when ready."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._links: dict[str, WorkerLink] = {}
        self._greeted: set[str] = set()
        """Workers that were told how things stand."""
        self.presence = m.Presence(listening=False, text="")
        self._working: frozenset[str] = frozenset()
        self.askable: frozenset[str] = frozenset()
        """Workers that show prompts, also while they are not connected."""

    def worker_ready(self, link: WorkerLink) -> None:
        """Begin to tell a worker things; how they stand is for ``greet``."""
        self._links[link.name] = link
        self._greeted.discard(link.name)
        self.askable = self.askable - {link.name} | ({link.name} if link.capabilities.prompts else set())

    def greet(self, link: WorkerLink) -> None:
        """Tell a worker how things stand, after it was shown its prompts: by this it knows that no more are open."""
        if self._links.get(link.name) is not link:
            return
        self._greeted.add(link.name)
        if link.capabilities.presence:
            link.send(_of_worker(self.presence, link.name))
            link.send(*(m.Typing(chat=c, working=True) for c in sorted(self._working) if is_chat_of(link.name, c)))

    def groups_changed(self, worker: str, chats: list[str]) -> None:
        """Tell a worker which of its groups are open."""
        link = self._links.get(worker)
        if link is not None and link.capabilities.groups:
            link.send(m.Groups(chats=chats))

    def worker_gone(self, link: WorkerLink) -> None:
        """Forget a worker."""
        if self._links.get(link.name) is link:
            del self._links[link.name]

    def sessions_changed(self, presence: m.Presence, working: frozenset[str]) -> None:
        """Tell workers who listens and which chats are worked on, as far as that is news."""
        begun, ended = working - self._working, self._working - working
        before = self.presence
        self.presence, self._working = presence, working
        for link in self._links.values():
            if not link.capabilities.presence or link.name not in self._greeted:
                continue
            if (theirs := _of_worker(presence, link.name)) != _of_worker(before, link.name):
                link.send(theirs)
            link.send(*(m.Typing(chat=c, working=True) for c in sorted(begun) if is_chat_of(link.name, c)))
            link.send(*(m.Typing(chat=c, working=False) for c in sorted(ended) if is_chat_of(link.name, c)))

    def say(self, chat: str, text: str, reply_to: str | None = None) -> None:
        """Tell a chat something in channeld's own name, where its worker can show it."""
        link = self._links.get(worker_of(chat))
        if link is not None and link.capabilities.notices:
            link.send(m.Notice(chat=chat, text=text, reply_to=reply_to))

    def can_ask(self, worker: str) -> bool:
        """Tell whether a worker is there that shows prompts."""
        link = self._links.get(worker)
        return link is not None and link.capabilities.prompts

    def ask(self, prompt: m.Prompt) -> None:
        """Show a prompt in its chat, or what has become of it, where its worker can."""
        if self.can_ask(worker := worker_of(prompt.chat)):
            self._links[worker].send(prompt)

    async def events_changed(self, events: Iterable[StoredEvent]) -> None:
        """Tell of received events that are new or have another state."""
        by_chat: dict[tuple[str, str], list[int]] = {}
        for event in events:
            chat = event.inbound.chat
            log.debug("event_state", chat=chat, delivery_id=event.delivery_id, state=event.state)
            if event.inbound.kind in {"edited", "reaction"}:
                await self._tell_of_message(event.worker, chat, event.inbound.message_id)
            else:
                by_chat.setdefault((event.worker, chat), []).append(event.seq)
        await self._tell(by_chat)

    async def parts_changed(self, parts: list[StoredPart]) -> None:
        """Tell of what Claude sends."""
        by_chat: dict[tuple[str, str], list[int]] = {}
        for part in parts:
            by_chat.setdefault((part.worker, part.chat), []).append(part.seq)
        await self._tell(by_chat)
        for part in parts:
            if part.kind == "react" and part.state == PartState.SENT and part.message_id is not None:
                await self._tell_of_message(part.worker, part.chat, part.message_id)

    async def _tell(self, by_chat: dict[tuple[str, str], list[int]]) -> None:
        for (worker, chat), seqs in by_chat.items():
            if (link := self._receiver(worker)) is not None:
                try:
                    self._send(link, await self._timeline.items(chat, seqs))
                except StoreUnavailable:
                    continue  # whoever wants to know asks again

    async def _tell_of_message(self, worker: str, chat: str, message_id: str) -> None:
        """Tell of a message to which something was done."""
        if (link := self._receiver(worker)) is not None:
            try:
                item = await self._timeline.item(chat, message_id)
            except StoreUnavailable:
                return
            self._send(link, [item] if item is not None else [])

    def _receiver(self, worker: str) -> WorkerLink | None:
        link = self._links.get(worker)
        return link if link is not None and link.capabilities.receipts else None

    @staticmethod
    def _send(link: WorkerLink, items: list[HistoryItem]) -> None:
        link.send(*(m.Receipt(item=item) for item in items))


def _of_worker(presence: m.Presence, worker: str) -> m.Presence:
    """Return what a worker is told: nothing of the chats of others."""
    chats = {chat: standing for chat, standing in presence.chats.items() if worker_of(chat) == worker}
    return m.Presence(listening=presence.listening, text=presence.text, chats=chats)

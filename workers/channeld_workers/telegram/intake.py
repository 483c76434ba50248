"""Takes updates in: what an update is to channeld, and to whom it goes – the mailbox, or a card that waits."""

from __future__ import annotations

import time
from typing import Any

from channeld.ipc.messages import Accepted, Inbound, Notice, Refused
from channeld_workers.raw import Raw, table
from channeld_workers.runtime import Runtime
from channeld_workers.telegram.courtesies import Courtesies
from channeld_workers.telegram.keyboards import REPLY, read_data
from channeld_workers.telegram.prompts import Prompts
from channeld_workers.telegram.settings import Settings
from channeld_workers.telegram.updates import Account, Moved, Standing, Tap, Unreadable, read


class Intake:
    """What becomes of updates.

    Attributes:
        account: the bot; known before the first update.
    """

    def __init__(self, runtime: Runtime, prompts: Prompts, courtesies: Courtesies, settings: Settings) -> None:
        self._runtime, self._prompts, self._courtesies, self._settings = runtime, prompts, courtesies, settings
        self.account: Account | None = None
        self._addressed: set[str] = set()
        """Albums of the updates at hand in which some message mentions the bot."""

    def look_over(self, updates: list[Any]) -> list[str]:
        """Look at updates before any is taken, and return the albums among them.

        One message of an album mentions the bot for all of them, whichever it is.
        """
        albums: dict[str, None] = {}
        self._addressed = set()
        for update in updates:
            message = update.get("message") if isinstance(update, dict) else None
            if not isinstance(message, dict) or "media_group_id" not in message:
                continue
            event = self._read(update)
            if isinstance(event, Inbound) and event.album is not None:
                albums[event.album] = None
                if event.mentioned:
                    self._addressed.add(event.album)
        return list(albums)

    async def take(self, update: Any) -> Accepted | Refused | None:
        """Offer what an update is to channeld, and return the answer; whatever it is, the next one gets through."""
        try:
            return await self._take(update)
        except ConnectionError:
            raise  # the daemon is gone
        except Exception:
            self._runtime.log.exception("update_not_taken", update_id=_number(update))
            return None

    def _read(self, update: Any) -> Any:
        assert self.account is not None
        return read(update, self.account, max_bytes=self._settings.max_download_bytes)

    async def _take(self, update: Any) -> Accepted | Refused | None:
        match self._read(update):
            case Inbound() as event:
                return await self._take_event(event)
            case Tap() as tap:
                return await self._take_tap(tap, update)
            case Moved(old=old, new=new):
                return await self._runtime.moved(old, new)
            case Unreadable(reason=reason, event=event):
                self._runtime.log.warning("update_not_read", reason=reason, update_id=_number(update))
                return await self._runtime.offer(event) if event is not None else None
            case Standing(chat=chat, status=status, group=group):
                self._runtime.log.info("standing_changed", chat=chat, status=status, group=group)
                return None
            case _:
                return None

    async def _take_event(self, event: Inbound) -> Accepted | Refused:
        told = await self._prompts.reply(event)
        if told is not None:
            if told:
                self._courtesies.say(Notice(chat=event.chat, text=told, reply_to=event.message_id))
            return Accepted(ref=0, command=True)
        event.mentioned = event.mentioned or event.album in self._addressed
        answer = await self._runtime.offer(event)
        if event.kind == "message" and isinstance(answer, Accepted) and not (answer.duplicate or answer.command):
            self._courtesies.taken_in(event.chat, event.message_id)
        return answer

    async def _take_tap(self, tap: Tap, update: dict[str, Any]) -> Accepted | Refused | None:
        """Take a tap, and answer it: else the sender's client waits for a minute."""
        kind = (read_data(tap.data) or ("",))[0]
        if kind == REPLY:
            event = Inbound(
                event_key=tap.event_key, chat=tap.chat, message_id=tap.message_id, sender_id=tap.sender_id,
                sender=tap.sender, text=tap.label, sent_at=time.time(), kind="button", chat_title=tap.chat_title,
                thread=tap.thread, group=tap.group, bot=tap.bot,
            )  # fmt: skip
            answer = await self._runtime.offer(event)
            if isinstance(answer, Accepted):
                self._courtesies.answer_tap(tap.id, f"✔ {tap.label}")
            elif not answer.retry:
                self._courtesies.answer_tap(tap.id, "")
            return answer
        self._courtesies.answer_tap(tap.id, await self._prompts.tap(tap, _markup_of(update)))
        return None


def must_go_alone(update: Any) -> bool:
    """Tell whether what comes before an update has to be on disk first, and what comes after it has to wait.

    Taps and replies may be answers to a card, which the daemon is asked about before they are anything else; and what
    was written in a group before it moved belongs to the old one.
    """
    if not isinstance(update, dict):
        return False
    message = update.get("message")
    return "callback_query" in update or (
        isinstance(message, dict)
        and any(key in message for key in ("reply_to_message", "migrate_to_chat_id", "migrate_from_chat_id"))
    )


def _markup_of(update: Raw) -> object:
    """Return the buttons of the message that a tap is on, as Telegram says it."""
    return table(table(update.get("callback_query")).get("message")).get("reply_markup")


def _number(update: object) -> object:
    """Return the number of an update for the log, whatever shape it has."""
    return table(update).get("update_id")

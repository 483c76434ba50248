"""Shows what Claude Code and channeld ask, as messages with buttons, and takes the answers.

What is open is told anew to every process of this worker, with the message as which it stands in the chat: nothing here
has to survive.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

import msgspec
from telegram import InputFile
from telegram.error import BadRequest, Forbidden, TelegramError

from channeld.core.prompts import NOT_ALLOWED
from channeld.ipc.messages import Accepted, Inbound, Prompt
from channeld_workers.backoff import pause_s
from channeld_workers.runtime import Runtime
from channeld_workers.telegram.api import Client, NotReached, TooFast
from channeld_workers.telegram.cards import card
from channeld_workers.telegram.chats import read_chat
from channeld_workers.telegram.keyboards import CHOICE, DONE, chosen_in, read_data
from channeld_workers.telegram.updates import Tap

_KEPT: Final = 200
_WAITS_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
_MOST_DOUBTFUL: Final = 6
"""Tries of which nobody can tell whether the card stands in the chat by now."""
_UNCHANGED: Final = "message is not modified"
_ANSWER_LIMIT: Final = 190
"""Characters of what is shown over the chat after a tap. Source: core.telegram.org/bots/api#answercallbackquery."""
_OVER: Final = "Nobody waits for this answer any more."


class Prompts:
    """The prompts of this bot's chats."""

    def __init__(self, runtime: Runtime, client: Client) -> None:
        self._runtime, self._client = runtime, client
        self._known: OrderedDict[tuple[str, str], Prompt] = OrderedDict()
        """By id and chat."""
        self._standing: dict[tuple[str, str], int] = {}
        """The messages as which they stand in their chats."""
        self._shown: dict[tuple[str, str], Any] = {}
        """What stands there, so that nothing is said twice."""
        self._chosen: dict[tuple[str, str], frozenset[int]] = {}
        """Of prompts with several choices, what is marked; until the first tap the message itself tells."""
        self._busy: set[tuple[str, str]] = set()

    # -- showing

    def put(self, prompt: Prompt) -> None:
        """Take a prompt that is new, has changed or is settled."""
        key = prompt.id, prompt.chat
        if prompt.shown is not None and prompt.shown.isdecimal():
            self._standing.setdefault(key, int(prompt.shown))
        if prompt.state != "open" and key not in self._known and key not in self._standing:
            return  # it was settled before this chat was shown it
        self._known[key] = prompt
        self._known.move_to_end(key)
        while len(self._known) > _KEPT:
            oldest, _ = self._known.popitem(last=False)
            self._standing.pop(oldest, None)
            self._chosen.pop(oldest, None)
            self._shown.pop(oldest, None)
        if key not in self._busy:
            self._busy.add(key)
            self._runtime.spawn(self._keep_shown(key), "prompt")

    async def _keep_shown(self, key: tuple[str, str]) -> None:
        try:
            await self._bring_up_to_date(key)
        finally:  # at once: what comes from here on needs another look
            self._busy.discard(key)

    async def _bring_up_to_date(self, key: tuple[str, str]) -> None:
        """Bring the chat to what the prompt is now, until nothing has changed meanwhile."""
        tries = doubtful = 0
        while (prompt := self._known.get(key)) is not None and self._shown.get(key) != prompt:
            try:
                await self._show(key, prompt)
            except TooFast as wait:
                await asyncio.sleep(wait.delay_s)
                continue
            except (BadRequest, Forbidden) as error:
                if _UNCHANGED not in error.message.lower():
                    self._runtime.log.warning("prompt_not_shown", prompt=prompt.id, reason=error.message)
                    if "not found" in error.message.lower() and self._standing.pop(key, None) is not None:
                        continue  # somebody deleted it: it is sent once more
                self._shown[key] = prompt
            except TelegramError as error:
                tries += 1
                self._runtime.log.warning("prompt_put_off", prompt=prompt.id, reason=error.message, tries=tries)
                if not isinstance(error, NotReached):  # it may stand there already: not for ever another one
                    doubtful += 1
                    if doubtful >= _MOST_DOUBTFUL:
                        self._shown[key] = prompt
                        continue
                await asyncio.sleep(pause_s(_WAITS_S, tries))
            except Exception:  # it is told anew to every process: it must not end each of them
                self._runtime.log.exception("prompt_not_shown", prompt=prompt.id)
                self._shown[key] = prompt
            else:
                self._shown[key] = prompt

    async def _show(self, key: tuple[str, str], prompt: Prompt) -> None:
        chat = read_chat(prompt.chat)
        if chat is None:
            return
        looks = card(prompt)
        if (standing := self._standing.get(key)) is not None:
            await self._client.call(
                "editMessageText", chat_id=chat.id, message_id=standing, text=looks.text, entities=looks.entities,
                reply_markup=looks.markup if looks.markup and "inline_keyboard" in looks.markup else None,
            )  # fmt: skip
            return
        if prompt.state != "open":
            return
        sent = await self._client.call(
            "sendMessage", chat_id=chat.id, message_thread_id=chat.thread, text=looks.text, entities=looks.entities,
            reply_markup=looks.markup,
        )  # fmt: skip
        self._standing[key] = number = sent["message_id"]
        self._runtime.shown(prompt.id, prompt.chat, str(number))
        if prompt.file is not None:
            await self._send_file(prompt.file, chat.id, number)

    async def _send_file(self, path: str, chat: int, card_id: int) -> None:
        """Send the whole of what a card shows a part of."""
        try:
            content = await asyncio.to_thread(Path(path).read_bytes)
            await self._client.call(
                "sendDocument", chat_id=chat, document=InputFile(content, filename="all-of-it.txt"),
                reply_parameters={"message_id": card_id, "allow_sending_without_reply": True},
            )  # fmt: skip
        except (OSError, TelegramError) as error:
            self._runtime.log.warning("prompt_file_not_sent", error=type(error).__name__)

    # -- answers

    async def tap(self, tap: Tap, markup: object) -> str:
        """Take a tap on a button of a card, and return what whoever tapped is told.

        Args:
            tap: it.
            markup: of the message, as Telegram says it: it remembers what is chosen.
        """
        kind, prompt_id, number = read_data(tap.data) or ("", "", 0)
        prompt = self._of_room(prompt_id, tap.chat)
        if prompt is None or prompt.state != "open":
            return _told(prompt)
        if number >= len(prompt.options):
            return _OVER
        key = prompt_id, tap.chat
        chosen = self._chosen.get(key)
        if chosen is None:
            chosen = chosen_in(markup, prompt_id)
        if kind == CHOICE:
            may = await self._runtime.answer(prompt_id, "", tap.sender_id, tap.sender, only_ask=True)
            if not isinstance(may, Accepted):
                return may.text
            self._chosen[key] = chosen ^ {number}
            await self._mark(tap, prompt, self._chosen[key])
            return ""
        if kind == DONE:
            if not chosen:
                return "Choose something first."
            options = [prompt.options[n] for n in sorted(chosen) if n < len(prompt.options)]
            answer, shown = msgspec.json.encode(options).decode(), ", ".join(options)
        else:
            answer = shown = prompt.options[number]
        settled = await self._runtime.answer(prompt.id, answer, tap.sender_id, tap.sender)
        return f"✔ {shown}" if isinstance(settled, Accepted) else settled.text

    async def reply(self, event: Inbound) -> str | None:
        """Take a message that answers a card in words.

        Returns:
            What its sender is told, empty where the card itself shows it; None where it is a message like any other.
        """
        if (
            event.kind != "message"
            or event.reply_to_id is None
            or event.forwarded_from is not None
            or event.attachments
        ):
            return None
        for (prompt_id, chat), number in self._standing.items():
            if chat == event.chat and str(number) == event.reply_to_id:
                prompt = self._known.get((prompt_id, chat))
                if prompt is None or not prompt.free:
                    return None
                if prompt.state != "open":
                    return _told(prompt) if prompt.kind == "pairing" else None  # a code is for nobody else to read
                settled = await self._runtime.answer(prompt.id, event.text.strip(), event.sender_id, event.sender)
                if isinstance(settled, Accepted):
                    return ""
                # Whoever may not answer is met as with any message; but a code is not passed on as one.
                return None if settled.code == NOT_ALLOWED and prompt.kind != "pairing" else settled.text
        return None

    async def _mark(self, tap: Tap, prompt: Prompt, chosen: frozenset[int]) -> None:
        chat = read_chat(tap.chat)
        if chat is None:
            return
        try:
            await self._client.call(
                "editMessageReplyMarkup", chat_id=chat.id, message_id=int(tap.message_id),
                reply_markup=card(prompt, chosen).markup,
            )  # fmt: skip
        except TelegramError as error:
            self._runtime.log.warning("choice_not_marked", prompt=prompt.id, reason=error.message)

    def _of_room(self, prompt_id: str, chat: str) -> Prompt | None:
        """Return a prompt that was shown in the chat where the tap came from: elsewhere its buttons are a forgery."""
        return self._known.get((prompt_id, chat))


def _told(prompt: Prompt | None) -> str:
    return (prompt.answer if prompt is not None else "")[:_ANSWER_LIMIT] or _OVER

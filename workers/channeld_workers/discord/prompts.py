"""Shows what Claude Code and channeld ask, as messages with buttons, and takes the answers.

What is open is told anew to every process of this worker, with the message as which it stands in the chat: nothing here
has to survive.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import discord
import msgspec

from channeld.core.prompts import NOT_ALLOWED
from channeld.ipc.messages import Accepted, Inbound, Prompt
from channeld_workers.backoff import pause_s
from channeld_workers.discord import refusals, uploads
from channeld_workers.discord.api import Api, DiscordError, NotReached, Refusal, TooFast, Unknown
from channeld_workers.discord.cards import card
from channeld_workers.discord.channels import channel_of, is_id, quoting
from channeld_workers.discord.people import Person
from channeld_workers.discord.sending import NO_PREVIEWS, NOBODY
from channeld_workers.raw import table
from channeld_workers.runtime import Runtime

_KEPT: Final = 200
_WAITS_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
_MOST_DOUBTFUL: Final = 6
"""Tries of which nobody can tell whether the card stands in the chat by now."""
OVER: Final = "Nobody waits for this answer any more."
_ANSWER_LIMIT: Final = 1000
"""Characters of what is told to whoever comes too late."""

Key = tuple[str, int]
"""A prompt's id and the channel where it is shown."""


class Prompts:
    """The prompts of this bot's chats."""

    def __init__(self, runtime: Runtime, api: Api) -> None:
        self._runtime, self._api = runtime, api
        self._known: OrderedDict[Key, Prompt] = OrderedDict()
        self._card_ids: dict[Key, str] = {}
        """The messages as which they stand in their channels: ``Prompt.shown`` of the daemon's."""
        self._displayed: dict[Key, Prompt] = {}
        """What those messages say, so that none is changed for nothing."""
        self._gone: dict[Key, int] = {}
        """How often somebody has deleted the message."""
        self._doubted: dict[Key, dict[str, Any]] = {}
        """What may have been sent, as a message that is not known: that, under its nonce, and then what is changed."""
        self._busy: set[Key] = set()

    # -- showing

    def put(self, prompt: Prompt) -> None:
        """Take a prompt that is new, has changed or is settled."""
        channel = channel_of(prompt.chat)
        if channel is None:
            return
        key = prompt.id, channel
        if prompt.shown is not None and is_id(prompt.shown):
            self._card_ids.setdefault(key, prompt.shown)
        if prompt.state != "open" and key not in self._known and key not in self._card_ids:
            return  # it was settled before this chat was shown it
        self._known[key] = prompt
        self._known.move_to_end(key)
        while len(self._known) > _KEPT:
            oldest, _ = self._known.popitem(last=False)
            for facts in (self._card_ids, self._displayed, self._gone, self._doubted):
                facts.pop(oldest, None)
        if key not in self._busy:
            self._busy.add(key)
            self._runtime.spawn(self._keep_shown(key), "prompt")

    async def _keep_shown(self, key: Key) -> None:
        try:
            await self._bring_up_to_date(key)
        finally:  # at once: what comes from here on needs another look
            self._busy.discard(key)

    async def _bring_up_to_date(self, key: Key) -> None:
        """Bring the chat to what the prompt is now, until nothing has changed meanwhile."""
        tries = doubtful = 0
        while (prompt := self._known.get(key)) is not None and self._displayed.get(key) != prompt:
            try:
                await self._show(key, prompt)
            except TooFast as wait:
                await asyncio.sleep(wait.delay_s)
                continue
            except DiscordError as error:
                if isinstance(error, Refusal) and error.status != refusals.BAD_TOKEN:
                    self._runtime.log.warning("prompt_not_shown", prompt=prompt.id, reason=error.message)
                    gone = error.code == refusals.UNKNOWN_MESSAGE and self._card_ids.pop(key, None) is not None
                    if gone and prompt.state == "open":  # somebody deleted it: it is sent once more
                        self._gone[key] = self._gone.get(key, 0) + 1
                        continue
                    self._displayed[key] = prompt
                    continue
                tries += 1
                self._runtime.log.warning("prompt_put_off", prompt=prompt.id, reason=error.message, tries=tries)
                if not isinstance(error, NotReached | Refusal):  # it may stand there already: not for ever another one
                    doubtful += 1
                    if doubtful >= _MOST_DOUBTFUL:
                        self._displayed[key] = prompt
                        self._doubted.pop(key, None)  # its nonce holds no longer
                        continue
                await asyncio.sleep(pause_s(_WAITS_S, tries))
            except Exception:  # it is told anew to every process: it must not end each of them
                self._runtime.log.exception("prompt_not_shown", prompt=prompt.id)
                self._displayed[key] = prompt
            else:
                self._displayed[key] = prompt

    async def _show(self, key: Key, prompt: Prompt) -> None:
        _, channel = key
        looks = card(prompt)
        body: dict[str, Any] = {
            "content": looks.content, "components": looks.components, "allowed_mentions": {"parse": []},
        }  # fmt: skip
        if key not in self._card_ids:
            first = self._doubted.get(key, body)
            if prompt.state != "open" and first is body:
                return
            await self._send_card(key, prompt, first)
            if first == body:
                return
        if (card_id := self._card_ids.get(key)) is not None:
            await self._api.call(
                "PATCH", "/channels/{channel_id}/messages/{message_id}", json=body,
                channel_id=channel, message_id=card_id,
            )  # fmt: skip

    async def _send_card(self, key: Key, prompt: Prompt, body: dict[str, Any]) -> None:
        _, channel = key
        try:
            sent = await self._api.call(
                "POST", "/channels/{channel_id}/messages", channel_id=channel,
                json=body | {"flags": NO_PREVIEWS, "nonce": self._nonce(key), "enforce_nonce": True},
            )  # fmt: skip
        except Unknown:
            self._doubted[key] = body
            raise
        self._doubted.pop(key, None)
        number = table(sent).get("id")
        if type(number) is not str or not is_id(number):
            return
        self._card_ids[key] = number
        self._runtime.shown(prompt.id, prompt.chat, number)
        if prompt.file is not None:
            await self._send_file(prompt.file, channel, number)

    def _nonce(self, key: Key) -> str:
        """Return what makes a card one message, however often it is sent within some minutes."""
        return hashlib.blake2b(f"{key} {self._gone.get(key, 0)}".encode(), digest_size=12).hexdigest()

    async def _send_file(self, path: str, channel: int, card_id: str) -> None:
        """Send the whole of what a card shows a part of."""
        try:
            content = await asyncio.to_thread(Path(path).read_bytes)
            files = [discord.File(BytesIO(content), filename="all-of-it.txt")]
            body = {"attachments": uploads.listed(files), "message_reference": quoting(card_id)}
            await self._api.call(
                "POST", "/channels/{channel_id}/messages", json=body | {"allowed_mentions": NOBODY}, uploads=files,
                channel_id=channel,
            )  # fmt: skip
        except (OSError, DiscordError) as error:
            self._runtime.log.warning("prompt_file_not_sent", error=type(error).__name__)

    # -- answers

    def of(self, prompt_id: str, channel: int) -> Prompt | None:
        """Return a prompt that was shown in the channel where a press came from: elsewhere its id is a forgery."""
        return self._known.get((prompt_id, channel))

    async def press(self, prompt: Prompt, number: int, who: Person) -> str:
        """Take one of the options, and return what whoever chose is told; empty where the card itself shows it."""
        if number >= len(prompt.options):
            return OVER
        return await self._answer(prompt, prompt.options[number], who)

    async def choose(self, prompt: Prompt, numbers: list[int], who: Person) -> str:
        """Take several options; see ``press``."""
        options = [prompt.options[number] for number in numbers if number < len(prompt.options)]
        if not options:
            return "Choose something first."
        return await self._answer(prompt, msgspec.json.encode(options).decode(), who)

    async def write(self, prompt: Prompt, words: str, who: Person) -> str:
        """Take an answer in words; see ``press``."""
        if not words.strip():
            return "Write something first."
        return await self._answer(prompt, words.strip(), who)

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
        channel = channel_of(event.chat)
        key = next(
            (key for key, card_id in self._card_ids.items() if (key[1], card_id) == (channel, event.reply_to_id)), None
        )
        prompt = self._known.get(key) if key is not None else None
        if prompt is None or not prompt.free:
            return None
        if prompt.state != "open":
            return told(prompt) if prompt.kind == "pairing" else None  # a code is for nobody else to read
        settled = await self._runtime.answer(prompt.id, event.text.strip(), event.sender_id, event.sender)
        if isinstance(settled, Accepted):
            return ""
        # Whoever may not answer is met as with any message; but a code is not passed on as one.
        return None if settled.code == NOT_ALLOWED and prompt.kind != "pairing" else settled.text

    async def _answer(self, prompt: Prompt, answer: str, who: Person) -> str:
        settled = await self._runtime.answer(prompt.id, answer, who.id, who.name)
        return "" if isinstance(settled, Accepted) else settled.text


def told(prompt: Prompt | None) -> str:
    """Return what is told to somebody who comes too late."""
    return (prompt.answer if prompt is not None else "")[:_ANSWER_LIMIT] or OVER

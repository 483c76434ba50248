"""Presses on buttons, choices from lists and forms: answered at once, and only then looked into.

Discord waits for three seconds (https://discord.com/developers/docs/interactions/receiving-and-responding), so the
first answer does not ask the daemon. The token of an interaction is a secret: whoever has it can speak as the bot.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, NamedTuple

from channeld.ipc.messages import Accepted, Inbound
from channeld_workers.discord import components
from channeld_workers.discord.api import Api, DiscordError
from channeld_workers.discord.cards import question_of
from channeld_workers.discord.components import Used
from channeld_workers.discord.ids import made_at, snowflake
from channeld_workers.discord.markdown import with_commands
from channeld_workers.discord.people import Person, user
from channeld_workers.discord.places import Place, Places
from channeld_workers.discord.prompts import Prompts, told
from channeld_workers.discord.sending import NOBODY
from channeld_workers.discord.splitting import split
from channeld_workers.raw import Raw, table
from channeld_workers.runtime import Runtime

ANSWER_S: Final = 3.0
"""How long Discord waits for the first answer."""
_MOST_UNDER_WAY: Final = 200
_EPHEMERAL: Final = 1 << 6
_COMMAND, _COMPONENT, _FORM = 2, 3, 5
"""Types of interactions."""
_MESSAGE, _LATER, _MODAL = 4, 6, 9
"""Types of answers: a message, none yet, a form."""


class Press(NamedTuple):
    """Somebody used a button, a list or a form."""

    id: int
    token: str
    application_id: str
    kind: int
    channel: int
    who: Person
    message: Raw  # whose button it was
    content: Raw
    raw: Raw

    @property
    def custom_id(self) -> object:
        """What the button carries."""
        return self.content.get("custom_id")


class Interactions:
    """What becomes of interactions.

    Args:
        runtime: the daemon.
        api: the bot's.
        prompts: what is asked.
        places: what channels are called; without it, only what the interaction itself says.
    """

    def __init__(self, runtime: Runtime, api: Api, prompts: Prompts, places: Places | None = None) -> None:
        self._runtime, self._api, self._prompts = runtime, api, prompts
        self._places = places or Places()
        self._under_way = 0

    def take(self, data: object) -> None:
        """Take an ``INTERACTION_CREATE``, whatever shape it has."""
        press = read(data)
        if press is None:
            self._runtime.log.warning("interaction_not_read")
            return
        if self._under_way >= _MOST_UNDER_WAY:
            self._runtime.log.warning("interaction_left_out")
            return
        self._under_way += 1
        self._runtime.spawn(self._take(press), "interaction").add_done_callback(self._one_less)

    def _one_less(self, task: object) -> None:
        self._under_way -= 1

    async def _take(self, press: Press) -> None:
        try:
            await self._handle(press)
        except ConnectionError:
            pass  # the daemon is gone, and this process ends
        except Exception as error:  # of its kind alone: what it says may hold the token
            self._runtime.log.error("interaction_not_taken", error=type(error).__name__)

    async def _handle(self, press: Press) -> None:
        used = components.read_id(press.custom_id)
        if press.kind == _COMMAND or used is None:
            await self._say(press, "This does nothing any more.")
        elif used.kind == components.REPLY:
            await self._respond(press, {"type": _LATER})
            await self._offer(press)
        else:
            await self._answer_prompt(press, used)

    async def _answer_prompt(self, press: Press, used: Used) -> None:
        prompt = self._prompts.of(used.owner, press.channel)
        if prompt is None or prompt.state != "open":
            await self._say(press, told(prompt))
            return
        if used.kind == components.OTHER:
            form = components.form(prompt.id, question_of(prompt), long=prompt.kind != "pairing")
            await self._respond(press, {"type": _MODAL, "data": form})
            return
        await self._respond(press, {"type": _LATER})
        match used.kind:
            case components.PROMPT:
                text = await self._prompts.press(prompt, used.number, press.who)
            case components.CHOICE:
                text = await self._prompts.choose(prompt, components.values_of(press.content), press.who)
            case _:
                text = await self._prompts.write(prompt, components.written_in(press.content), press.who)
        if text:
            await self._add(press, text)

    async def _offer(self, press: Press) -> None:
        """Offer a press on a button that Claude gave a message."""
        place = self._place_of(press)
        number = snowflake(press.message.get("id"))
        label = components.label_of(press.message, str(press.custom_id))
        if place is None or number is None or not label:
            await self._add(press, "This does nothing any more.")
            return
        answer = await self._runtime.offer(
            Inbound(
                event_key=f"button:{press.id}", chat=self._places.chat_of(place, self._runtime.worker),
                message_id=str(number), sender_id=press.who.id, sender=press.who.name, text=label,
                sent_at=made_at(press.id), kind="button", chat_title=self._places.title_of(place),
                thread=(place.name or str(place.id)) if place.is_thread else None, group=not place.is_dm,
                bot=press.who.bot,
            )
        )  # fmt: skip
        if isinstance(answer, Accepted):
            await self._add(press, f"✔ {label}")
        elif answer.retry:
            await self._add(press, f"{answer.text} Press it again later.".strip())

    def _place_of(self, press: Press) -> Place | None:
        if (known := self._places.find(press.channel)) is not None:
            return known
        channel = {**table(press.raw.get("channel")), "id": str(press.channel)}
        if (guild := press.raw.get("guild_id")) is not None:
            channel["guild_id"] = guild
        return self._places.add(channel)

    # -- answers to Discord

    async def _say(self, press: Press, text: str) -> None:
        """Answer with a message that only whoever pressed sees."""
        await self._respond(press, {"type": _MESSAGE, "data": _private(text)})

    async def _respond(self, press: Press, answer: dict[str, Any]) -> None:
        """Give the first answer. Without it Discord shows that something failed, but what was pressed counts."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._api.call(
                    "POST", "/interactions/{webhook_id}/{webhook_token}/callback", json=answer,
                    webhook_id=press.id, webhook_token=press.token,  # names by which the library keeps buckets apart
                )  # fmt: skip
        except (DiscordError, TimeoutError) as error:
            self._runtime.log.warning("interaction_not_answered", error=type(error).__name__)

    async def _add(self, press: Press, text: str) -> None:
        """Say more, to whoever pressed alone."""
        try:
            await self._api.call(
                "POST", "/webhooks/{webhook_id}/{webhook_token}", json=_private(text),
                webhook_id=press.application_id, webhook_token=press.token,
            )  # fmt: skip
        except DiscordError as error:
            self._runtime.log.warning("interaction_not_answered", error=type(error).__name__)


def read(data: object) -> Press | None:
    """Return what an interaction is; None if it cannot be read or is nothing that somebody waits for."""
    raw = table(data)
    number, application = snowflake(raw.get("id")), snowflake(raw.get("application_id"))
    token, kind = raw.get("token"), raw.get("type")
    member = table(raw.get("member"))
    who = user(member.get("user"), member) or user(raw.get("user"))
    channel = snowflake(raw.get("channel_id")) or snowflake(table(raw.get("channel")).get("id"))
    if number is None or application is None or who is None or channel is None:
        return None
    if type(token) is not str or not 0 < len(token) <= 1000 or not token.isascii() or not token.isprintable():
        return None
    if type(kind) is not int or kind not in {_COMMAND, _COMPONENT, _FORM}:
        return None
    return Press(
        number, token, str(application), kind, channel, who, table(raw.get("message")), table(raw.get("data")), raw
    )


def _private(text: str) -> dict[str, Any]:
    shown = next(iter(split(with_commands(text))), "…")
    return {"content": shown, "flags": _EPHEMERAL, "allowed_mentions": NOBODY}

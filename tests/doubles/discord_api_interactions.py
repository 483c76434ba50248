"""Presses, choices, modals and commands, and the three seconds a bot has to answer them.

The rules are those of https://docs.discord.com/developers/interactions/receiving-and-responding.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from tests.doubles.discord_api_calls import Call, Fields, check_types
from tests.doubles.discord_api_checks import FILE_BYTES, ApiError, Mistake, check_message, check_modal, invalid
from tests.doubles.discord_api_messages import change
from tests.doubles.discord_api_objects import Channel, Message, MessageFlag
from tests.doubles.discord_api_places import guild_of
from tests.doubles.discord_api_sending import EDIT, MESSAGE, message_parts, pinged, stored_files
from tests.doubles.discord_api_sessions import Connection
from tests.doubles.discord_api_world import World

ANSWER_S = 3.0
TOKEN_S = 15 * 60.0
CALLBACK: Fields = {"type": int, "data": dict}
MODAL: Fields = {"custom_id": str, "title": str, "components": list}


class Asked(IntEnum):
    """What a person did."""

    COMMAND = 2
    COMPONENT = 3
    MODAL = 5


class Answer(IntEnum):
    """How a bot answers."""

    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    CHOICES = 8
    MODAL = 9


FIELDS: dict[Answer, Fields] = {
    Answer.MESSAGE: MESSAGE,
    Answer.DEFERRED_MESSAGE: {"flags": int},
    Answer.DEFERRED_UPDATE: {},
    Answer.UPDATE: EDIT,
    Answer.CHOICES: {"choices": list},
    Answer.MODAL: MODAL,
}
ON_A_MESSAGE = {Answer.DEFERRED_UPDATE, Answer.UPDATE}


@dataclass(eq=False)
class Interaction:
    """Something that a person did and that waits for an answer."""

    id: int
    token: str
    kind: Asked
    user_id: int
    channel: Channel
    at: float
    message: Message | None = None  # whose component it was
    must_answer: bool = True
    answered: Answer | None = None
    answered_at: float | None = None
    original: Message | None = None  # what the answer is, or changed
    modal: dict[str, Any] | None = None
    followups: list[Message] = field(default_factory=list)

    @property
    def text(self) -> str | None:
        """What the person reads as the answer, if it is a message."""
        return None if self.original is None else self.original.content


def interact(
    world: World,
    kind: Asked,
    user_id: int,
    channel: Channel,
    data: dict[str, Any],
    *,
    message: Message | None = None,
    must_answer: bool = True,
) -> Interaction:
    """Let a person do something, and tell the bot's sessions; to be called in the server's loop.

    What the bot ``must_answer`` and does not within three seconds is a violation, if it was told and is still there.
    """
    token = secrets.token_urlsafe(120)
    one = Interaction(world.new_id(), token, kind, user_id, channel, world.clock(), message, must_answer)
    world.interactions[token] = one
    guild = channel.guild
    raw: dict[str, Any] = {
        "id": str(one.id),
        "application_id": str(world.application_id),
        "type": int(kind),
        "token": token,
        "version": 1,
        "data": data,
        "channel": channel.raw | {"permissions": str(int(world.permissions(channel, user_id)))},
        "channel_id": str(channel.id),
        "app_permissions": str(int(world.permissions(channel))),
        "locale": "en-US",
        "entitlements": [],
        "authorizing_integration_owners": {"0": str(guild.id if guild else 0)},
        "context": 0 if guild else 1,
        "attachment_size_limit": FILE_BYTES[guild.boosts if guild else 0],
    }
    if guild is None:
        raw["user"] = world.users[user_id]
    else:
        raw |= {"guild_id": str(guild.id), "guild": {"id": str(guild.id), "locale": "en-US", "features": []}}
        raw["guild_locale"] = "en-US"
        raw["member"] = guild.members[user_id] | {"permissions": str(int(world.permissions(channel, user_id)))}
    if message is not None:
        raw["message"] = world.shown(message)
    told_to = list(world.gateway.connections)
    world.gateway.tell("INTERACTION_CREATE", raw, None)
    asyncio.get_running_loop().call_later(ANSWER_S, _check_deadline, world, one, told_to)
    return one


def _check_deadline(world: World, one: Interaction, told_to: list[Connection]) -> None:
    """Notice what was not answered; by the world's clock, which a test may have stopped."""
    there = any(connection in world.gateway.connections for connection in told_to)
    if there and one.must_answer and one.answered is None and world.clock() - one.at >= ANSWER_S:
        one.must_answer = False  # noticed
        world.violations.append(f"an interaction was not answered within {ANSWER_S:.0f} s")
        world.changed()


def answer_interaction(world: World, call: Call) -> dict[str, Any] | None:
    """Take the first answer to an interaction.

    Raises:
        ApiError: it comes too late, or is not the first.
    """
    one = world.interactions.get(call.path["token"])
    if one is None or one.id != call.number("interaction_id"):
        raise Mistake(404, 10062, "Unknown interaction")
    if world.clock() - one.at > ANSWER_S:
        if one.must_answer:
            call.complaints.append(f"an answer that came after {ANSWER_S:.0f} s")
            one.must_answer = False
        raise ApiError(404, 10062, "Unknown interaction")
    if one.answered is not None:
        raise Mistake(400, 40060, "Interaction has already been acknowledged.")
    if call.get("type") not in set(Answer):
        raise invalid("type", f"Value must be one of {tuple(map(int, Answer))}")
    answer = Answer(call.body["type"])
    data = call.get("data") or {}
    check_types("data.", data, FIELDS[answer], call.complaints)
    if answer in ON_A_MESSAGE and one.message is None:
        raise invalid("type", "there is no message to update")
    inner = replace(call, body=data)
    match answer:
        case Answer.MESSAGE:
            check_message(data, files=len(call.uploads), complaints=call.complaints)
            one.original = say(world, inner, one)
        case Answer.DEFERRED_MESSAGE:
            inner.body = {"flags": (data.get("flags") or 0) | MessageFlag.LOADING}
            one.original = say(world, inner, one)
        case Answer.UPDATE | Answer.DEFERRED_UPDATE:
            one.original = one.message
            if answer is Answer.UPDATE and one.message is not None:
                change(world, inner, one.message)
        case Answer.MODAL:
            if one.kind is Asked.MODAL:
                raise invalid("type", "a modal cannot answer a modal")
            check_modal(data)
            one.modal = data
        case Answer.CHOICES:
            raise invalid("type", "only for autocomplete")
    one.answered, one.answered_at = answer, call.at
    return told(world, one) if call.query.get("with_response") in ("1", "true") else None


def told(world: World, one: Interaction) -> dict[str, Any]:
    """Return what ``with_response`` asks for."""
    assert one.answered is not None, "it was answered"
    raw: dict[str, Any] = {"id": str(one.id), "type": int(one.kind), "channel_id": str(one.channel.id)}
    raw |= guild_of(one.channel)
    resource: dict[str, Any] = {"type": int(one.answered)}
    if one.original is not None and one.answered in (Answer.MESSAGE, Answer.DEFERRED_MESSAGE, Answer.UPDATE):
        raw["response_message_id"] = str(one.original.id)
        raw["response_message_loading"] = one.answered is Answer.DEFERRED_MESSAGE
        raw["response_message_ephemeral"] = one.original.ephemeral
        resource["message"] = world.shown(one.original)
    return {"interaction": raw, "resource": resource}


def say(world: World, call: Call, one: Interaction) -> Message:
    """Put a message that answers an interaction into its channel; what is ephemeral only its person sees."""
    flags = call.get("flags") or 0
    parts = message_parts(call.body) | {
        "application_id": str(world.application_id),
        "webhook_id": str(world.application_id),
        "interaction_metadata": {
            "id": str(one.id),
            "type": int(one.kind),
            "user": world.users[one.user_id],
            "authorizing_integration_owners": {"0": guild_of(one.channel).get("guild_id", "0")},
        },
    }
    return world.new_message(
        one.channel,
        world.bot_id,
        parts,
        files=stored_files(world, call, one.channel),
        pings=pinged(world, call.body, one.channel),
        ephemeral=bool(flags & MessageFlag.EPHEMERAL),
    )


def answered(world: World, call: Call) -> Interaction:
    """Return the interaction whose token a request carries.

    Raises:
        ApiError: the token is no more valid, or the interaction has no answer yet.
    """
    one = world.interactions.get(call.path["token"])
    if one is None or call.path["webhook_id"] != str(world.application_id):
        raise Mistake(404, 10015, "Unknown Webhook")
    if world.clock() - one.at > TOKEN_S:
        raise ApiError(401, 50027, "Invalid Webhook Token")
    if one.answered is None:
        raise Mistake(404, 10015, "Unknown Webhook")
    return one


def follow_up(world: World, call: Call) -> dict[str, Any] | None:
    """Send one more message; the first after a deferred one takes its place."""
    one = answered(world, call)
    check_message(call.body, files=len(call.uploads), complaints=call.complaints)
    waits = one.original is not None and one.original.raw["flags"] & MessageFlag.LOADING
    if waits and one.original is not None:
        call.body.pop("flags", None)
        change(world, call, one.original)
        message = one.original
    else:
        message = say(world, call, one)
        one.followups.append(message)
    return world.shown(message) if call.query.get("wait") in ("1", "true") else None


def response(world: World, call: Call) -> Message:
    """Return the message of an interaction that a request names.

    Raises:
        ApiError: it is not there.
    """
    one = answered(world, call)
    if call.path["message_id"] == "@original":
        message = one.original
    else:
        message = next((found for found in one.followups if str(found.id) == call.path["message_id"]), None)
    if message is None or (not message.ephemeral and message.id not in message.channel.messages):
        raise ApiError(404, 10008, "Unknown Message")
    return message


def get_response(world: World, call: Call) -> dict[str, Any]:
    """Return the answer, or a further message."""
    return world.shown(response(world, call))


def edit_response(world: World, call: Call) -> dict[str, Any]:
    """Change it."""
    return change(world, call, response(world, call))


def delete_response(world: World, call: Call) -> None:
    """Delete it."""
    message = response(world, call)
    world.deleted.append((message.channel_id, message.id))
    if message.ephemeral:
        answered(world, call).original = None
    else:
        world.delete(message)


def set_commands(world: World, call: Call) -> list[dict[str, Any]]:
    """Replace the application's commands, everywhere or in one guild."""
    given = call.get("")
    if not isinstance(given, list):
        raise invalid("_errors", "Must be a list")
    guild = call.number("guild_id") if "guild_id" in call.path else 0
    for number, command in enumerate(given):
        if not 1 <= len(command.get("name", "")) <= 32:
            raise invalid(f"{number}.name", "Must be between 1 and 32 in length")
        if command.get("type", 1) == 1 and not 1 <= len(command.get("description", "")) <= 100:
            raise invalid(f"{number}.description", "Must be between 1 and 100 in length")
    fixed = {"application_id": str(world.application_id), "default_member_permissions": None, "nsfw": False}
    kept = [fixed | {"type": 1} | one | {"id": str(world.new_id()), "version": str(world.new_id())} for one in given]
    world.commands[guild] = kept
    return kept


def get_commands(world: World, call: Call) -> list[dict[str, Any]]:
    """Return the application's commands."""
    return world.commands.get(call.number("guild_id") if "guild_id" in call.path else 0, [])

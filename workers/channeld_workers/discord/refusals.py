"""What Discord's refusals mean, and what to change. Each is the end of a sentence.

Source of the codes: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json.
"""

from __future__ import annotations

from typing import Final

from channeld_workers.discord.api import DiscordError, Refusal

UNKNOWN_CHANNEL: Final = 10003
UNKNOWN_MESSAGE: Final = 10008
UNKNOWN_EMOJI: Final = 10014
NO_ACCESS: Final = 50001
NO_PERMISSION: Final = 50013
ARCHIVED: Final = 50083
TOO_LARGE: Final = 40005
BAD_TOKEN: Final = 401
"""A status, not a code."""

_FINAL: Final = frozenset({400, 403, 404})

_REASONS: Final[dict[int, str]] = {
    UNKNOWN_CHANNEL: "the channel does not exist any more, or the bot is not in its server",
    10004: "the server does not exist any more, or the bot is not in it",
    UNKNOWN_MESSAGE: "the message does not exist any more",
    UNKNOWN_EMOJI: "Discord knows no such emoji; a custom one has to be written as name:id",
    20016: "the channel is in slow mode: send it later",
    20022: "an announcement cannot be edited so often: edit it later",
    20028: "the channel was written to too often: send it later",
    30010: "the message has 20 different reactions, and no more fit",
    30046: "a message older than an hour cannot be edited so often: send what is new as a reply",
    TOO_LARGE: "it is larger than Discord takes here: send a smaller file",
    NO_ACCESS: "the bot cannot see the channel: give it the permission View Channel there",
    50005: "only what the bot itself wrote can be edited",
    50006: "there is nothing in it that Discord could show",
    50007: "this person takes no direct messages from the bot: they have to allow direct messages from members of a "
    "server that it is in, and not block it",
    50008: "the channel takes no messages: in a forum, write to one of its posts",
    50019: "a message older than 14 days cannot be treated so",
    50021: "a notice of Discord's own cannot be changed",
    ARCHIVED: "the thread is archived, and the bot may not open it again: where it is locked, somebody who moderates "
    "it has to unlock it; else give the bot the permission Send Messages in Threads",
    40062: "Discord is busy with it: send it later",
    90001: "whoever wrote the message has blocked the bot, which therefore cannot react to it",
    160002: "the bot cannot quote here: give it the permission Read Message History, or set reply_to_mode to off",
    160005: "the thread is locked: somebody who moderates it has to unlock it",
    200000: "the server's AutoMod does not let the text through",
}


def meaning(error: Refusal, needed: str) -> str:
    """Return why Discord refuses something.

    Args:
        error: it.
        needed: the names of the permissions that it takes, as people read them in the server's settings.
    """
    if error.code == NO_PERMISSION:
        return f"the bot may not do that here: give it the permission {needed} in this channel"
    if error.status == 413:
        return _REASONS[TOO_LARGE]
    if (reason := _REASONS.get(error.code)) is not None:
        return reason
    words = " ".join(error.message.split())[:200].rstrip(".")
    return f"Discord says: {words} (code {error.code})" if error.code else f"Discord says: {words}"


def is_final(error: DiscordError) -> bool:
    """Tell whether asking again is of no use: what is asked for is not there, or not for this bot.

    A token that is refused is another matter: there will be a better one, and what waits must not be passed over.
    """
    return isinstance(error, Refusal) and error.status in _FINAL

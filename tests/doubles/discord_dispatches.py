"""A corpus of dispatches: one of every kind as Discord sends it, and what a hostile or a newer Discord could send.

The good ones are told by the server itself, so they are in its world: ``dispatch_samples`` before a worker connects,
``spoil`` one, and ``api.dispatch`` what comes of it.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.doubles.discord_api import DiscordApi
from tests.doubles.discord_api_gateway import EVERY_INTENT
from tests.doubles.discord_api_objects import Channel, Intent, Kind, Permission
from tests.doubles.discord_api_person import Person
from tests.doubles.discord_api_sessions import Session

DEPTH = 3
UNKNOWN = {"unknown_to_us": {"deep": [1, None, "x"]}}
WHOLES: list[Any] = [None, {}, [], "text", 7, True]
BUTTON = {"type": 2, "style": 1, "label": "Go", "custom_id": "go", "id": 2}
BUTTONS = [{"type": 1, "id": 1, "components": [BUTTON]}]


@dataclass(frozen=True)
class Sample:
    """A dispatch, and in a few words what it is."""

    label: str
    name: str
    data: Any


def dispatch_samples(api: DiscordApi, channel: Channel, person: Person) -> list[Sample]:
    """Return a dispatch of every kind, by letting it happen in a guild's channel and in a person's DM.

    To be called in the server's loop; what happens is in the histories afterwards, and interactions wait unanswered.
    """
    session = Session(secrets.token_hex(16), Intent(EVERY_INTENT))
    api.gateway.sessions.append(session)
    told: list[Sample] = []

    def take(label: str) -> None:
        """Name what was told since the last time."""
        told.extend(Sample(label, payload["t"], copy.deepcopy(payload["d"])) for _, payload in session.dispatches)
        session.dispatches.clear()

    try:
        let_everything_happen(api, channel, person, take)
    finally:
        api.gateway.sessions.remove(session)
    return told


def let_everything_happen(api: DiscordApi, channel: Channel, person: Person, take: Any) -> None:
    """Let one of everything happen; ``take`` names what was told of it."""
    assert channel.guild is not None, "the channel is a guild's"
    first = person.write(channel, f"{api.mention} hello")
    take("mention")
    for place, where in ((channel, "channel"), (person.dm, "DM")):
        plain = person.write(place, "hello")
        take(f"text in a {where}")
        person.write(place, "again", reply_to=plain)
        take(f"reply in a {where}")
        person.write(place, "see", files=[person.attach(place, b"x", "x.txt")])
        take(f"file in a {where}")
        person.send_sticker(place)
        take(f"sticker in a {where}")
        person.ask(place, "Which?", "this", "that")
        take(f"poll in a {where}")
        person.speak(place)
        take(f"voice message in a {where}")
        person.forward(place, plain)
        take(f"forward in a {where}")
        person.write(place, embeds=[{"type": "rich", "title": "News", "fields": [{"name": "a", "value": "b"}]}])
        take(f"embed in a {where}")
        person.edit(plain, "hello again")
        take(f"edit in a {where}")
        api.unfurl(plain)
        take(f"preview in a {where}")
        person.react(plain, "👍")
        person.unreact(plain, "👍")
        person.react(plain, f"party:{api.new_id()}")
        take(f"reactions in a {where}")
        person.type(place)
        take(f"typing in a {where}")
        asked = api.new_message(place, api.bot_id, {"content": "May I?", "components": BUTTONS})
        take(f"message of the bot's in a {where}")
        person.press(asked, "Go", must_answer=False)
        take(f"press in a {where}")
        person.command(place, "status", must_answer=False, of="build")
        take(f"command in a {where}")
        person.delete(plain)
        person.delete(person.write(place, "one"), person.write(place, "two"))
        take(f"deletions in a {where}")
    guild = channel.guild
    thread = person.start_thread(first, "about it")
    person.write(thread, "in it")
    api.archive(thread)
    api.archive(thread, False)
    take("thread")
    later = api.add_channel(guild, "later")
    api.overwrite(later, deny=Permission.SEND_MESSAGES)
    forum = api.add_channel(guild, "help", Kind.FORUM)
    person.post(forum, "How?", "please")
    take("channel and forum")
    api.remove(later)
    api.remove(forum)
    take("channel and forum removed")
    api.add_role(guild, "helper")
    api.fail_guild(guild)
    api.restore_guild(guild)
    take("guild")


def spoil(data: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a dispatch becomes with each of its fields left out, null or of another type, and with unknown ones.

    Each comes with a few words that say what was done; the last are none of an object's at all.
    """
    for path in paths(data):
        name = ".".join(map(str, path))
        yield f"without {name}", changed(data, path, leave_out=True)
        yield f"{name} null", changed(data, path, None)
        yield f"{name} of another type", changed(data, path, another(value_at(data, path)))
    if isinstance(data, dict):
        yield "an unknown field", copy.deepcopy(data) | UNKNOWN
    for whole in WHOLES:
        yield f"{whole!r} instead", copy.deepcopy(whole)


def paths(data: Any, depth: int = DEPTH) -> Iterator[tuple[str | int, ...]]:
    """Yield where the fields of an object are; of an array only the first counts."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(data, dict):
        inner = list(data.items())
    elif isinstance(data, list):
        inner = list(enumerate(data[:1]))
    for key, value in inner:
        yield (key,)
        if depth > 1:
            yield from ((key, *rest) for rest in paths(value, depth - 1))


def value_at(data: Any, path: tuple[str | int, ...]) -> Any:
    """Return what is at a place."""
    for step in path:
        data = data[step]
    return data


def changed(data: Any, path: tuple[str | int, ...], value: Any = None, *, leave_out: bool = False) -> Any:
    """Return a copy with something else at a place, or nothing."""
    made = copy.deepcopy(data)
    place = value_at(made, path[:-1])
    if leave_out:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return made


def another(value: Any) -> Any:
    """Return a value of another type."""
    return {"x": 1} if isinstance(value, str | int | float | bool | None) else "x"

"""The lab proves itself: what the other e2e tests rely on, without any of channeld."""

from __future__ import annotations

import asyncio
import json

from tests.e2e.channel import Channel
from tests.e2e.lab import ClaudeLab


async def test_an_event_reaches_the_model_and_its_reply_comes_back(lab: ClaudeLab, channel: Channel):
    """An opted-in session shows the model a ``<channel>`` block, and the tool call that it makes is carried out."""
    await lab.start(channel.entry)
    await channel.is_up()
    channel.push("good morning")
    event = await lab.model.wait_event("good morning")
    assert event.meta["source"] == "channeld"
    assert event.meta["chat_id"] == "lab:main"
    assert await channel.call("reply") == {"chat_id": "lab:main", "text": "echo: good morning"}


async def test_a_held_answer_comes_after_the_release_alone(lab: ClaudeLab, channel: Channel):
    """While the model is held nothing is called; once it is released the call comes."""
    await lab.start(channel.entry)
    await channel.is_up()
    lab.model.hold()
    channel.push('tool __reply {"chat_id": "lab:other", "text": "by name"}')
    await lab.model.wait_request(lambda request: "by name" in json.dumps(request["messages"]))
    call = asyncio.ensure_future(channel.call("reply"))
    done, _ = await asyncio.wait({call}, timeout=1)
    assert not done
    lab.model.release()
    assert await call == {"chat_id": "lab:other", "text": "by name"}


async def test_without_the_opt_in_an_event_never_reaches_the_model(lab: ClaudeLab, channel: Channel):
    """A session without the flag drops the event, while what is typed into it arrives."""
    await lab.start(channel.entry, opt_in=False)
    await channel.is_up()
    channel.push("nobody hears this")
    await lab.terminal.type("typed by hand")
    await lab.model.wait_request(lambda request: "typed by hand" in json.dumps(request["messages"]))
    assert lab.model.events() == []


async def test_a_wrapper_script_may_start_the_session(lab: ClaudeLab, channel: Channel):
    """Behind a script that stays as the parent, the session works as it does without."""
    await lab.start(channel.entry, wrapper='"$@"; exit $?')
    await channel.is_up()
    channel.push("say heard")
    await lab.model.wait_event("say heard")
    await lab.terminal.wait_for("● heard")


async def test_what_is_typed_is_obeyed(lab: ClaudeLab, channel: Channel):
    """A command of the scripted model may come from the terminal as well as from an event, and again."""
    await lab.start(channel.entry)
    for word in ("first", "second"):
        await lab.terminal.type(f"say {word} answer")
        await lab.terminal.wait_for(f"● {word} answer")

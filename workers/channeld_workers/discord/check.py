"""Looks at a token for ``channeld setup``: whose it is, and whether the bot may read. Not part of the worker.

``python -m channeld_workers.discord check`` reads ``{"token", "settings", "tried"}`` from its input, so that no token
stands in a command line, and prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, Final, TextIO

import discord
from discord.http import Route

from channeld_workers.discord.api import MOST_WAIT_S, Api, BadToken, DiscordError, NotReached, TooFast, log_in
from channeld_workers.discord.ids import snowflake
from channeld_workers.discord.settings import read_settings
from channeld_workers.process import BadSettings
from channeld_workers.proxies import proxy_for
from channeld_workers.raw import line, table

_TOKEN: Final = re.compile(r"[\w-]{10,100}(\.[\w-]{3,100}){2}", re.ASCII)
_MAY_READ: Final = 1 << 18 | 1 << 19
"""The Message Content Intent, of verified bots and of others.

Source: discord.com/developers/docs/resources/application#application-object-application-flags.
"""
_PERMISSIONS: Final = discord.Permissions(
    view_channel=True, send_messages=True, send_messages_in_threads=True, read_message_history=True, attach_files=True,
    embed_links=True, add_reactions=True,
)  # fmt: skip
_COPY: Final = "Copy it whole from the Developer Portal: your application, Bot, Reset Token."


def check(source: TextIO, target: TextIO) -> None:
    """Answer what stands in ``source``: ``token`` may be null, then Discord is not asked.

    The answer is ``{"ok": true, "username", "invite", "refused"}``, where ``refused`` says for each entry of ``tried``
    why the worker cannot use it, or nothing; or it is ``{"ok": false, "code", "text", "hint"}`` with the code
    ``bad_credentials``, ``missing_intent`` or ``unreachable``.
    """
    asked = json.load(source)
    refused = [_judge(asked["settings"] | one) for one in asked["tried"]]
    found: dict[str, Any] = {"ok": True, "username": "", "invite": ""}
    if asked["token"] is not None:
        found = asyncio.run(_look(asked["token"], asked["settings"]["api_base_url"]))
    json.dump({**found, "refused": refused}, target)


def _judge(settings: dict[str, Any]) -> str:
    """Return why the worker could not use such settings, or nothing."""
    try:
        read_settings("discord", settings)
    except BadSettings as error:
        return str(error).partition("] ")[2] or str(error)
    return ""


async def _look(token: str, api_base_url: str) -> dict[str, Any]:
    if not _TOKEN.fullmatch(token):
        return _failure("bad_credentials", "This is no token of Discord's.", _COPY)
    Route.BASE = api_base_url
    client = discord.Client(
        intents=discord.Intents.none(), proxy=proxy_for(api_base_url), max_ratelimit_timeout=MOST_WAIT_S
    )
    try:
        me = await log_in(client, token)
        application = table(await Api(client.http).call("GET", "/applications/@me"))
        number, flags = snowflake(application.get("id")), application.get("flags")
        if number is None or not isinstance(flags, int):
            raise NotReached("what answered is not Discord")
    except BadToken:
        return _failure("bad_credentials", "Discord does not know this token: it was mistyped or reset.", _COPY)
    except TooFast as error:
        return _failure("unreachable", f"Discord could not be asked: {error.message}.", "Wait so long, then try again.")
    except DiscordError as error:
        return _failure(
            "unreachable", f"Discord could not be asked: {error.message}.", "Check the network and api_base_url."
        )
    finally:
        await client.http.close()
    if not flags & _MAY_READ:
        return _failure(
            "missing_intent", f"@{line(me.get('username'))} may not read messages: its Message Content Intent is off.",
            "Switch it on in the Developer Portal (your application, Bot, Privileged Gateway Intents); then try again.",
        )  # fmt: skip
    invite = discord.utils.oauth_url(number, permissions=_PERMISSIONS, scopes=("bot",))
    return {"ok": True, "username": line(me.get("username")), "invite": invite}


def _failure(code: str, text: str, hint: str) -> dict[str, Any]:
    return {"ok": False, "code": code, "text": text, "hint": hint}

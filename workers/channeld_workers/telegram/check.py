"""Looks at a token for ``channeld setup``: whose it is, and whether anything else holds it. Not part of the worker.

``python -m channeld_workers.telegram check`` reads ``{"token", "settings", "tried", "delete_webhook"}`` from its input,
so that no token stands in a command line, and prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, Final, TextIO

from telegram.error import InvalidToken, TelegramError

from channeld_workers.process import BadSettings, Blocked
from channeld_workers.telegram.api import Client
from channeld_workers.telegram.polling import check_token
from channeld_workers.telegram.settings import read_settings

_TOKEN: Final = re.compile(r"\d{3,20}:[\w-]{20,100}", re.ASCII)
"""Wide: Telegram has 35 characters after the colon. Nothing in it can change the address that it becomes part of."""


def check(source: TextIO, target: TextIO) -> None:
    """Answer what stands in ``source``: ``token`` may be null, then Telegram is not asked.

    The answer is ``{"ok": true, "username", "webhook", "refused"}``, where ``webhook`` tells whether one is set and
    ``refused`` says for each entry of ``tried`` why the worker cannot use it, or nothing; or it is
    ``{"ok": false, "code", "text", "hint"}`` with the code ``bad_credentials`` or ``unreachable``.
    """
    asked = json.load(source)
    refused = [_judge(asked["settings"] | one) for one in asked["tried"]]
    found = {"ok": True, "username": "", "webhook": False}
    if asked["token"] is not None:
        found = asyncio.run(_look(asked["token"], asked["settings"]["api_base_url"], asked["delete_webhook"]))
    json.dump({**found, "refused": refused}, target)


def _judge(settings: dict[str, Any]) -> str:
    """Return why the worker could not use such settings, or nothing."""
    try:
        read_settings("telegram", settings)
    except BadSettings as error:
        return str(error).partition("] ")[2] or str(error)
    return ""


async def _look(token: str, api_base_url: str, delete_webhook: bool) -> dict[str, Any]:
    try:
        if not _TOKEN.fullmatch(token):
            raise InvalidToken
        client = Client(token, api_base_url)
    except InvalidToken:
        return _failure("bad_credentials", "This is no token of Telegram's.", "Copy it from @BotFather whole.")
    await client.open()
    try:
        me = await check_token(client)
        if delete_webhook:
            await client.call("deleteWebhook", drop_pending_updates=False)
        webhook = await client.call("getWebhookInfo")
    except Blocked as error:
        return _failure(error.code, str(error), "Copy it from @BotFather whole: /mybots, your bot, API Token.")
    except TelegramError as error:
        return _failure(
            "unreachable", f"Telegram could not be asked: {error.message}.", "Check the network and api_base_url."
        )
    finally:
        await client.close_connections()
    return {"ok": True, "username": me["username"], "webhook": isinstance(webhook, dict) and bool(webhook.get("url"))}


def _failure(code: str, text: str, hint: str) -> dict[str, Any]:
    return {"ok": False, "code": code, "text": text, "hint": hint}

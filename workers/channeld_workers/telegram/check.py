"""Looks at a token for ``channeld setup``: whose it is, and whether anything else holds it. Not part of the worker.

``python -m channeld_workers.telegram check`` reads ``{"token", "api_base_url", "delete_webhook"}`` from its input,
so that no token stands in a command line, and prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, TextIO

from telegram.error import InvalidToken, TelegramError

from channeld_workers.process import Blocked
from channeld_workers.telegram.api import Client
from channeld_workers.telegram.polling import check_token


def check(source: TextIO, target: TextIO) -> None:
    """Answer what stands in ``source``.

    The answer is ``{"ok": true, "username", "name", "webhook"}``, where ``webhook`` tells whether one is set, or
    ``{"ok": false, "code", "text", "hint"}`` with the code ``bad_credentials`` or ``unreachable``.
    """
    asked = json.load(source)
    json.dump(asyncio.run(_look(asked)), target)


async def _look(asked: dict[str, Any]) -> dict[str, Any]:
    try:
        client = Client(asked["token"], asked["api_base_url"])
    except InvalidToken:
        return _failure("bad_credentials", "This is no token of Telegram's.", "Copy it from @BotFather whole.")
    await client.open()
    try:
        me = await check_token(client)
        if asked.get("delete_webhook"):
            await client.call("deleteWebhook", drop_pending_updates=False)
        webhook = await client.call("getWebhookInfo")
    except Blocked as error:
        return _failure(error.code, str(error), error.hint)
    except TelegramError as error:
        return _failure(
            "unreachable", f"Telegram could not be asked: {error.message}.", "Check the network and api_base_url."
        )
    finally:
        await client.close_connections()
    name = me.get("first_name")
    return {
        "ok": True, "username": me["username"], "name": name if isinstance(name, str) else "",
        "webhook": isinstance(webhook, dict) and bool(webhook.get("url")),
    }  # fmt: skip


def _failure(code: str, text: str, hint: str) -> dict[str, Any]:
    return {"ok": False, "code": code, "text": text, "hint": hint}

"""Two bots of one platform: each with its token, its list, its chats and its session."""

from __future__ import annotations

from functools import partial

from channeld.credentials import save_token
from tests.doubles.bot_api import BotApi
from tests.doubles.daemon import Daemon
from tests.doubles.telegram import ANN_ID
from tests.integration.test_flows import call


def heard(api, text):
    """Tell whether a bot has said something."""
    return any(text in message.raw["text"] for message in api.sent)


async def test_two_bots_of_one_platform_serve_two_sessions():
    """Ann writes to both from one account: what she writes to one bot is in no other chat, and so is the answer."""
    async with BotApi() as work, BotApi() as home:
        tables = [
            f'[workers.{name}]\nplatform = "telegram"\napi_base_url = "{api.url}"\n'
            for name, api in (("work", work), ("home", home))
        ]
        async with Daemon("\n".join(tables), listed={"work": str(ANN_ID), "home": str(ANN_ID)}) as daemon:
            daemon.paths.credentials.mkdir(mode=0o700, exist_ok=True)
            chats = {}
            for name, api in (("work", work), ("home", home)):
                save_token(name, daemon.paths.credentials, api.token)
                await daemon.ask("restart", worker=name)
                chats[name] = api.add_private_chat(api.person(ANN_ID, "Ann"))
            await daemon.status_where(lambda s: all(w["state"] == "ready" for w in s["workers"]))
            listens = ("--listening", "yes")
            async with daemon.client("--name", "api", *listens) as one, daemon.client("--name", "web", *listens) as two:
                for name, api, session in (("work", work, "api"), ("home", home, "web")):
                    api.person(ANN_ID, "Ann").write(chats[name], f"/use {session}")
                    await api.until(partial(heard, api, "This chat goes"))
                    api.person(ANN_ID, "Ann").write(chats[name], f"for {session}")
                for client, session, name in ((one, "api", "work"), (two, "web", "home")):
                    event = await client.next_event()
                    assert event["content"] == f"for {session}"
                    assert event["meta"]["chat_id"] == f"{name}:{ANN_ID}"
                    assert event["meta"]["platform"] == "telegram"
                told, is_error = await call(one, "reply", "toolu_1", chat_id=f"work:{ANN_ID}", text="from api")
                assert not is_error, told
                assert (await call(one, "reply", "toolu_2", chat_id=f"home:{ANN_ID}", text="astray"))[1]
                assert "from api" in [m.raw["text"] for m in work.sent]
                assert not {"from api", "astray"} & {m.raw["text"] for m in home.sent}
        assert not work.violations
        assert not home.violations

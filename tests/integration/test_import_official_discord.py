"""``channeld import official discord``: what the official plugin has saved of a Discord bot becomes channeld's."""

import asyncio
import json
import stat

import pytest

from tests.doubles.bot_api import BotApi
from tests.doubles.daemon import Daemon
from tests.doubles.discord_api import DiscordApi
from tests.doubles.discord_api_objects import Intent

ADA, BEN = "184695080709324800", "221773638772129792"
OPEN, FOR_ADA, FOR_NOBODY = "846209781206941736", "846209781206941737", "846209781206941738"
ACCESS = {
    "dmPolicy": "allowlist",
    "allowFrom": [ADA, int(BEN)],
    "groups": {
        OPEN: {"requireMention": True, "allowFrom": []},
        FOR_ADA: {"requireMention": False, "allowFrom": [ADA]},
        FOR_NOBODY: {"allowFrom": ["ada#1234"]},
        "-1001654782309": {},
    },
    "pending": {"a4f91c": {"senderId": "777", "chatId": "778", "replies": 1}},
    "mentionPatterns": ["^hey claude\\b", "(("],
    "ackReaction": "<:seen:846209781206941730>",
    "replyToMode": "all",
    "textChunkLimit": 1500,
    "chunkMode": "newline",
}


@pytest.fixture
async def api():
    """Return a server, of which the worker must not do what a good client never does."""
    async with DiscordApi() as server:
        yield server
        assert not server.violations


@pytest.fixture
def plugin(tmp_path, api):
    """Return the folder of the official plugin, with a token and an access list, in a home of its own."""
    folder = tmp_path / ".claude" / "channels" / "discord"
    folder.mkdir(parents=True)
    (folder / ".env").write_text(f"DISCORD_BOT_TOKEN={api.token}\n")
    (folder / "access.json").write_text(json.dumps(ACCESS))
    return folder


def table(api):
    """Return a configuration with the bot alone."""
    return f'[workers.discord]\napi_base_url = "{api.url}"\ngateway_url = "{api.gateway_url}" # mine\n'


async def run(daemon, plugin, *words, exit_status=0, terminal=True):
    """Import, and return everything that was shown."""
    environment = {
        "HOME": str(plugin.parents[2]), "TELEGRAM_STATE_DIR": "", "DISCORD_STATE_DIR": "", "CLAUDE_CONFIG_DIR": "",
    }  # fmt: skip
    call = ("import", "official", *words)
    done = await asyncio.to_thread(
        lambda: daemon.terminal(*call, **environment) if terminal else daemon.piped("", *call, **environment)
    )
    assert done.returncode == exit_status, done.stdout + done.stderr
    return done.stdout + done.stderr


def files(folder):
    """Return all files below a folder and what is in them."""
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


async def test_everything_that_channeld_has_is_taken_over_and_the_rest_is_named(api, plugin):
    """People may chat and no more, channels open with their threads, and the plugin's own files stay as they are."""
    async with Daemon(table(api)) as daemon:
        theirs = files(plugin)
        shown = await run(daemon, plugin)
        for part in (
            "the token of @courier", "policy allowlist", f"{ADA} may chat", f"{BEN} may chat",
            f"channel {OPEN} is open: whoever is listed, when they address the bot",
            f"channel {FOR_ADA} is open: {ADA}, every message", "Not taken over:", "is no regular expression",
            f"Channel {OPEN}: any member could speak there. Here only those who are listed can.",
            f"Channel {FOR_NOBODY} stays closed", "Channel '-1001654782309' is none",
            "chunk_mode is nothing that can be set for Discord", "channeld access approver discord ID",
            "once he has written to the bot", "Discord: @courier is connected.",
        ):  # fmt: skip
            assert part in shown
        assert api.token not in shown
        assert files(plugin) == theirs
        assert daemon.paths.config_file.read_text() == (
            '[workers.discord]\nack_reaction = "<:seen:846209781206941730>"\nreply_to_mode = "all"\n'
            'text_chunk_limit = 1500\nmention_patterns = ["^hey claude\\\\b"]\n'
            f'api_base_url = "{api.url}"\ngateway_url = "{api.gateway_url}" # mine\n'
        )
        token = daemon.paths.credentials / "discord.token"
        assert token.read_text() == api.token + "\n"
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        worker = (await daemon.ask("access"))["workers"][0]
        assert (worker["policy"], {p["sender_id"]: p["role"] for p in worker["people"]}) == (
            "allowlist", {ADA: "chatter", BEN: "chatter"},
        )  # fmt: skip
        assert sorted(worker["groups"], key=lambda group: group["chat"]) == [
            {"chat": f"discord:{OPEN}", "require_mention": True, "senders": None},
            {"chat": f"discord:{FOR_ADA}", "require_mention": False, "senders": [ADA]},
        ]
        again = await run(daemon, plugin)
        assert "There is nothing new in" in again


async def test_whoever_is_taken_over_is_heard_in_his_private_chat_and_in_an_open_channel(api, plugin):
    """Though the id of a private chat is another than his own, and a thread is a chat below its channel."""
    ada = api.person("ada", user_id=int(ADA))
    general = api.add_channel(api.add_guild("Workshop", ada))
    thread = api.add_thread(general, "Tidying up")
    access = {"allowFrom": [ADA], "groups": {str(general.id): {"requireMention": False}}}
    (plugin / "access.json").write_text(json.dumps(access))
    async with Daemon(table(api)) as daemon:
        await run(daemon, plugin)
        await api.until(lambda: api.gateway.live)
        for place, text in ((ada.dm, "one"), (general, "two"), (thread, "three")):
            ada.write(place, text)
        await daemon.events_where(queued=3)
        chats = {message["text"]: message["chat"] for message in (await daemon.ask("messages", limit=10))["messages"]}
        assert chats == {
            "one": f"discord:{ada.dm.id}", "two": f"discord:{general.id}", "three": f"discord:{general.id}/{thread.id}",
        }  # fmt: skip
        assert ada.dm.id != ada.id


async def test_a_dry_run_says_the_same_and_changes_nothing(api, plugin):
    """It needs no terminal, starts nothing and asks nobody."""
    async with Daemon(table(api)).place_alone() as place:
        before = files(place.home)
        shown = await run(place, plugin, "discord", "--dry-run", terminal=False)
        for part in ("Would be taken over", "  the token\n", f"{ADA} may chat", "ack_reaction", f"channel {OPEN}"):
            assert part in shown
        assert files(place.home) == before
        assert not api.calls


async def test_a_bot_that_may_not_read_is_not_taken_over(api, plugin):
    """It would be deaf, and the hint says which switch is off."""
    api.gateway.allowed_intents = Intent(0)
    async with Daemon(table(api)).place_alone() as place:
        before = files(place.home)
        shown = await run(place, plugin, exit_status=1)
        assert "Error: @courier may not read messages: its Message Content Intent is off." in shown
        assert "Privileged Gateway Intents" in shown
        assert files(place.home) == before
        assert api.token not in shown


async def test_a_plugin_that_is_still_enabled_is_warned_of(api, plugin):
    """With one token both would get every message."""
    async with Daemon(table(api)).place_alone() as place:
        settings = plugin.parents[1] / "settings.json"
        settings.write_text(json.dumps({"enabledPlugins": {"discord@claude-plugins-official": True}}))
        shown = await run(place, plugin, "--dry-run")
        assert "still enabled. Both programs would get every message" in shown
        assert "claude plugin disable discord@claude-plugins-official" in shown
        settings.write_text(json.dumps({"enabledPlugins": {"telegram@claude-plugins-official": True}}))
        assert "claude plugin disable" not in await run(place, plugin, "--dry-run")


async def test_both_plugins_are_taken_over_with_one_command(api, plugin):
    """When the first one cannot be, it is said that the second was not looked at."""
    async with BotApi() as bot:
        telegram = plugin.parent / "telegram"
        telegram.mkdir()
        (telegram / ".env").write_text(f"TELEGRAM_BOT_TOKEN={bot.token}\n")
        config = f'{table(api)}[workers.telegram]\napi_base_url = "{bot.url}"\n'
        async with Daemon(config) as daemon:
            bot.revoke_token()
            shown = await run(daemon, plugin, exit_status=1)
            assert "Not looked at yet: channeld import official discord" in shown
            assert not list(daemon.paths.credentials.glob("*.token"))
            bot.restore_token()
            shown = await run(daemon, plugin)
            assert "Telegram: @courier_test_bot is connected." in shown
            assert "Discord: @courier is connected." in shown
            assert {each.name for each in daemon.paths.credentials.iterdir()} == {"discord.token", "telegram.token"}
        assert not bot.violations

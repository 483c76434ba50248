"""``channeld import official``: the official plugin's token and access list become channeld's."""

import asyncio
import json
import os

import pytest

from tests.doubles.bot_api import BotApi
from tests.doubles.daemon import Daemon

GROUP = "-1001654782309"
ACCESS = {
    "dmPolicy": "allowlist",
    "allowFrom": ["412587349", "628194073"],
    "groups": {GROUP: {"requireMention": False, "allowFrom": ["412587349"]}},
    "pending": {"a4f91c": {"senderId": "777"}},
    "mentionPatterns": ["^hey claude\\b", "(("],
    "ackReaction": "\U0001f440",
    "replyToMode": "all",
    "textChunkLimit": 99999,
    "chunkMode": "newline",
    "later": 1,
}


@pytest.fixture
async def api():
    """Return a server."""
    async with BotApi() as server:
        yield server
        assert not server.violations


@pytest.fixture
def plugin(tmp_path, api):
    """Return the folder of the official plugin, with a token and an access list, in a home of its own."""
    folder = tmp_path / ".claude" / "channels" / "telegram"
    folder.mkdir(parents=True)
    (folder / ".env").write_text(f"# by /telegram:configure\nTELEGRAM_BOT_TOKEN={api.token}\n")
    (folder / "access.json").write_text(json.dumps(ACCESS))
    return folder


def table(api):
    """Return a configuration with the bot alone."""
    return f'[workers.telegram]\napi_base_url = "{api.url}" # mine\n'


async def run(daemon, plugin, *words, exit_status=0, terminal=True):
    """Import, and return everything that was shown."""
    environment = {"HOME": str(plugin.parents[2]), "TELEGRAM_STATE_DIR": "", "CLAUDE_CONFIG_DIR": ""}
    if terminal:
        done = await asyncio.to_thread(lambda: daemon.terminal("import", "official", *words, **environment))
    else:
        done = await asyncio.to_thread(lambda: daemon.piped("", "import", "official", *words, **environment))
    assert done.returncode == exit_status, done.stdout + done.stderr
    return done.stdout + done.stderr


def files(folder):
    """Return all files below a folder and what is in them."""
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


async def test_everything_that_channeld_has_is_taken_over_and_the_rest_is_named(api, plugin):
    """People may chat and no more; a second time nothing is left to do, and what was changed since stays."""
    async with Daemon(table(api)) as daemon:
        shown = await run(daemon, plugin)
        for part in (
            "the token of @courier_test_bot", "policy allowlist", "412587349 may chat", "628194073 may chat",
            f"group {GROUP} is open: 412587349, every message", "Not taken over:", "is no regular expression",
            "text_chunk_limit", "'later' is nothing", "channeld access approver telegram ID",
            "Telegram: @courier_test_bot is connected.",
        ):  # fmt: skip
            assert part in shown
        assert api.token not in shown
        assert daemon.paths.config_file.read_text() == (
            '[workers.telegram]\nack_reaction = "\U0001f440"\nreply_to_mode = "all"\n'
            f'mention_patterns = ["^hey claude\\\\b"]\napi_base_url = "{api.url}" # mine\n'
        )
        assert (daemon.paths.credentials / "telegram.token").read_text() == api.token + "\n"
        worker = (await daemon.ask("access"))["workers"][0]
        assert (worker["policy"], {p["sender_id"]: p["role"] for p in worker["people"]}) == (
            "allowlist", {"412587349": "chatter", "628194073": "chatter"},
        )  # fmt: skip
        assert worker["groups"] == [{"chat": f"telegram:{GROUP}", "require_mention": False, "senders": ["412587349"]}]

        await asyncio.to_thread(daemon.terminal, "access", "approver", "telegram", "412587349")
        await asyncio.to_thread(daemon.terminal, "access", "policy", "telegram", "pairing")
        before = (await daemon.ask("status"))["workers"][0]["starts"]
        again = await run(daemon, plugin)
        assert "There is nothing new in" in again
        assert "it was set to pairing in channeld, which stays" in again
        worker = (await daemon.ask("access"))["workers"][0]
        assert {p["sender_id"]: p["role"] for p in worker["people"]}["412587349"] == "approver"
        assert (await daemon.ask("status"))["workers"][0]["starts"] == before


async def test_a_dry_run_says_the_same_and_changes_nothing(api, plugin):
    """It needs no terminal, starts nothing and asks nobody."""
    async with Daemon(table(api)).place_alone() as place:
        before = files(place.home)
        shown = await run(place, plugin, "--dry-run", terminal=False)
        for part in ("Would be taken over", "  the token\n", "412587349 may chat", "ack_reaction", "no regular expr"):
            assert part in shown
        assert files(place.home) == before
        assert api.requests == 0


async def test_without_a_terminal_nothing_is_changed(api, plugin):
    """Because who may speak is for a person to say."""
    async with Daemon(table(api)).place_alone() as place:
        before = files(place.home)
        assert "Nothing was changed" in await run(place, plugin, exit_status=1, terminal=False)
        assert files(place.home) == before


async def test_a_plugin_that_is_still_enabled_is_warned_of(api, plugin):
    """Two programs cannot poll one bot; the local settings win."""
    async with Daemon(table(api)).place_alone() as place:
        settings = plugin.parents[1] / "settings.json"
        settings.write_text(json.dumps({"enabledPlugins": {"telegram@claude-plugins-official": True}}))
        cure = "claude plugin disable telegram@claude-plugins-official"
        assert cure in await run(place, plugin, "--dry-run")
        local = plugin.parents[1] / "settings.local.json"
        local.write_text(json.dumps({"enabledPlugins": {"telegram@claude-plugins-official": False}}))
        assert cure not in await run(place, plugin, "--dry-run")
        local.write_text("[")
        assert cure in await run(place, plugin, "--dry-run")


async def test_a_token_of_another_bot_is_exchanged_only_if_that_is_wanted(api, plugin):
    """And a bad one not at all."""
    async with Daemon(table(api)) as daemon:
        daemon.paths.credentials.mkdir(exist_ok=True)
        saved = daemon.paths.credentials / "telegram.token"
        saved.write_text("another\n")
        assert "--replace-token" in await run(daemon, plugin, exit_status=1)
        api.revoke_token()
        assert "does not know this token" in await run(daemon, plugin, "--replace-token", exit_status=1)
        assert saved.read_text() == "another\n"
        assert (await daemon.ask("access"))["workers"][0]["people"] == []
        api.restore_token()
        await run(daemon, plugin, "--replace-token")
        assert saved.read_text() == api.token + "\n"


async def test_where_nothing_was_saved_that_is_said(api, plugin):
    """With the folders that were looked at; what fits one platform only is refused for another."""
    async with Daemon(table(api)).place_alone() as place:
        (plugin / ".env").unlink()
        (plugin / "access.json").unlink()
        shown = await run(place, plugin, exit_status=1)
        assert f"has saved nothing in {plugin} or {plugin.parent / 'discord'}" in shown
        assert "--dir needs the platform" in await run(place, plugin, "--dir", str(plugin), exit_status=2)
        assert "is for telegram" in await run(place, plugin, "discord", "--delete-webhook", exit_status=2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("[" * 100000, "is no JSON"),
        ("1" * 5000, "is no JSON"),
        ("[]", "holds no JSON object"),
        (b"\xff", "is no text in UTF-8"),
        (b" " * 2_000_000, "larger than 1 MiB"),
        ("link", "is a symbolic link"),
        ("pipe", "is no file"),
        ("folder", "is no file"),
    ],
)
async def test_a_file_that_cannot_be_used_is_one_sentence(api, plugin, text, said):
    """And nothing is changed: half an access list is none."""
    async with Daemon(table(api)).place_alone() as place:
        file = plugin / "access.json"
        file.unlink()
        if text == "link":
            file.symlink_to("/etc/hostname")
        elif text == "pipe":
            os.mkfifo(file)
        elif text == "folder":
            file.mkdir()
        else:
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        shown = await run(place, plugin, exit_status=1)
        assert shown.startswith("Error: ")
        assert said in shown
        assert "Nothing was changed." in shown
        assert shown.count("\n") == 2
        assert not place.paths.credentials.exists()


async def test_what_has_a_strange_shape_is_left_out_and_named(api, plugin):
    """Never is more opened than was open there, and nothing moves the cursor."""
    access = {
        "dmPolicy": ["open"], "allowFrom": ["7", "7", 8, True, None, "9\x1b[2J", "telegram:5", -3, "0"],
        "groups": {
            "-100": {"allowFrom": ["nobody"]}, "-200": {"requireMention": "no", "threadId": 5}, "x\x1b": {}, "-300": 1,
            "-400": {"allowFrom": "7"},
        },
        "mentionPatterns": ["ok", 5, "bad\x00", "\ud800"], "ackReaction": "\x1b", "textChunkLimit": True,
        "replyToMode": "sometimes", "chunkMode": {}, "\x1b[2J": 1,
    }  # fmt: skip
    (plugin / "access.json").write_text(json.dumps(access))
    async with Daemon(table(api)).place_alone() as place:
        shown = await run(place, plugin)
        worker = (await place.ask("access"))["workers"][0]
        assert [p["sender_id"] for p in worker["people"]] == ["7", "8"]
        assert worker["groups"] == [{"chat": "telegram:-200", "require_mention": True, "senders": None}]
        assert worker["policy"] == "pairing"
        assert 'mention_patterns = ["ok"]' in place.paths.config_file.read_text()
        for part in (
            "dmPolicy is none", "6 entries that are no user", "Group -100 stays closed", "Group -400 stays closed",
            "'threadId' of group -200", "taken for true", "Here only those who are listed", "3 of the mentionPatterns",
            "reply_to_mode", "chunkMode is no value", "ackReaction is no value", "textChunkLimit is no value",
        ):  # fmt: skip
            assert part in shown
        assert "\x1b" not in shown

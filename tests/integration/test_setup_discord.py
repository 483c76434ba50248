"""``channeld setup discord``: a token is taken, checked, saved and used, and seen by nobody."""

import asyncio
import json
import re
import stat

import discord
import pytest

from channeld.cli.connect import fresh_settings
from channeld.cli.token_check import CheckFailed, ask_platform
from tests.doubles.daemon import Daemon
from tests.doubles.discord_api import DiscordApi
from tests.doubles.discord_api_faults import Garbage
from tests.doubles.discord_api_objects import Intent
from tests.integration.test_setup_telegram import all_processes

OTHER = "MTIzNDU2Nzg5MDEyMzQ1Njc4.Gabcde.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
PROMPT = "stays hidden"
INVITE = re.compile(r"\n    https://discord\.com/oauth2/authorize\?client_id=(\d+)&scope=bot&permissions=(\d+)\n")
CODE = re.compile(r"\n    ([A-Z0-9]{4}(?:-[A-Z0-9]{4})+)\n")
NEEDED = discord.Permissions(
    view_channel=True, send_messages=True, send_messages_in_threads=True, read_message_history=True, attach_files=True,
    embed_links=True, add_reactions=True,
)  # fmt: skip


@pytest.fixture
async def api():
    """Return a server, of which the worker must not do what a good client never does."""
    async with DiscordApi() as server:
        yield server
        assert not server.violations


def table(api, name="discord", rest=""):
    """Return a configuration with the bot alone."""
    return f'[workers.{name}]\napi_base_url = "{api.url}"\ngateway_url = "{api.gateway_url}"\n{rest}'


def token_file(daemon, worker="discord"):
    """Return where the token is saved."""
    return daemon.paths.credentials / f"{worker}.token"


def save(daemon, token):
    """Save a token as an earlier set-up did."""
    daemon.paths.credentials.mkdir(mode=0o700, exist_ok=True)
    token_file(daemon).write_text(token + "\n")


async def typed(daemon, line, *words, worker="discord", exit_status=0):
    """Set up at a terminal, and return what it showed."""
    call = ("setup", worker, *words)
    done = await asyncio.to_thread(lambda: daemon.terminal(*call, typed=[(PROMPT, line)]))
    assert done.returncode == exit_status, done.stdout
    return done.stdout


async def piped(daemon, given, *words, exit_status=0, **environment):
    """Set up without a terminal, and return the output and the errors."""
    done = await asyncio.to_thread(lambda: daemon.piped(given, "setup", "discord", *words, **environment))
    assert done.returncode == exit_status, done.stderr
    return done.stdout, done.stderr


def code_in(shown):
    """Return the code that was printed."""
    found = CODE.search(shown)
    assert found is not None, shown
    return found[1]


def nowhere(token, daemon, *texts, worker="discord"):
    """Check that a token stands in no output and no file but its own."""
    secret = token.rpartition(".")[2]
    assert not any(secret in text for text in texts)
    found = [file for file in daemon.home.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]
    assert found in ([], [token_file(daemon, worker)])


async def people(daemon):
    """Return who is listed, and as what."""
    return [(p["sender_id"], p["role"]) for p in (await daemon.ask("access"))["workers"][0]["people"]]


async def test_a_token_that_is_typed_connects_the_bot_and_the_code_lets_its_owner_in(api):
    """With the blanks that came along when it was copied; the code works once, and a new one takes its place."""
    ada, ben = api.person("ada", "Ada"), api.person("ben", "Ben")
    async with Daemon(table(api)) as daemon:
        shown = await typed(daemon, f" {api.token} ")
        assert "Discord: @courier is connected.\n" in shown
        assert "Then send @courier this as a direct message" in shown
        code = code_in(shown)
        assert token_file(daemon).read_text() == api.token + "\n"
        assert stat.S_IMODE(token_file(daemon).stat().st_mode) == 0o600
        assert [file.name for file in daemon.paths.credentials.iterdir()] == ["discord.token"]
        nowhere(api.token, daemon, shown)
        await api.until(lambda: api.gateway.live)
        ada.write(ada.dm, code)
        await api.until(lambda: any("answer what Claude asks" in m.raw["content"] for m in api.sent))
        assert await people(daemon) == [(str(ada.id), "approver")]
        ben.write(ben.dm, code)
        await api.until(lambda: any(m.channel_id == ben.dm.id for m in api.sent))
        assert await people(daemon) == [(str(ada.id), "approver")]
        again = await typed(daemon, "")
        assert code_in(again) != code
        assert "Enter keeps the saved one" in again
        assert "Saved" not in again


async def test_the_invitation_asks_for_exactly_what_the_bot_needs(api):
    """As a bot alone, of the application whose token it is, which need not have the bot's id."""
    api.application_id = api.new_id()
    async with Daemon(table(api)) as daemon:
        found = INVITE.search(await typed(daemon, api.token))
        assert found is not None
        assert found[1] == str(api.application_id)
        assert discord.Permissions(int(found[2])) == NEEDED


async def test_a_token_from_the_input_is_used_and_the_code_waits_for_a_terminal(api):
    """All else is done; data for programs has the invitation too."""
    async with Daemon(table(api)) as daemon:
        output, errors = await piped(daemon, f"{api.token}\r\nrest\n")
        assert output == "Discord: @courier is connected.\n"
        assert errors.startswith("Asking Discord …\nSaved the token of @courier.\n")
        assert "run this in a terminal and press Enter: channeld setup discord" in errors
        data = json.loads((await piped(daemon, "", "--json"))[0])
        assert data.pop("invite").startswith("https://discord.com/oauth2/authorize?client_id=")
        assert data == {
            "worker": "discord", "platform": "discord", "account": "@courier", "link": None, "code": None,
            "state": "ready",
        }  # fmt: skip
        nowhere(api.token, daemon, output, errors)


async def test_a_second_bot_is_set_up_under_its_own_name(api):
    """Its table says whose platform it is."""
    ada = api.person("ada", "Ada")
    async with Daemon(table(api, "games", 'platform = "discord"\n')) as daemon:
        shown = await typed(daemon, api.token, worker="games")
        assert token_file(daemon, "games").read_text() == api.token + "\n"
        await api.until(lambda: api.gateway.live)
        ada.write(ada.dm, code_in(shown))
        await api.until(lambda: any("answer what Claude asks" in m.raw["content"] for m in api.sent))
        assert await people(daemon) == [(str(ada.id), "approver")]
        nowhere(api.token, daemon, shown, worker="games")


async def test_while_it_is_checked_the_token_stands_in_no_command_line_and_no_environment(api):
    """Of any process."""
    async with Daemon(table(api)) as daemon:
        held = api.hold("get_me")
        setting_up = asyncio.create_task(piped(daemon, api.token))
        await held.arrived
        seen = await asyncio.to_thread(all_processes)
        assert any(b"channeld_workers.discord\0check" in argv for argv, _ in seen)
        assert not any(api.token.encode() in text for pair in seen for text in pair)
        held.release()
        await setting_up


@pytest.mark.parametrize("wrong", [OTHER, "hello", "12.../../x.y", "\x1b[2J", "a" * 5000, '""'])
async def test_a_wrong_token_leaves_the_saved_one_as_it_was(api, wrong):
    """And the error says what to do, without showing it."""
    async with Daemon(table(api)).place_alone() as place:
        save(place, "an older one")
        output, errors = await piped(place, wrong + "\n", exit_status=1)
        assert output == ""
        assert re.search(r"^Error: .*token.*\nTry: Copy it whole from the Developer Portal", errors, re.MULTILINE)
        assert wrong not in errors
        assert token_file(place).read_text() == "an older one\n"
        assert not place.paths.control_socket.exists()


async def test_no_token_at_all_says_where_to_get_one(api):
    """Where none is saved either."""
    async with Daemon(table(api)).place_alone() as place:
        _, errors = await piped(place, "\n", exit_status=1)
        assert errors == (
            "Error: No token was given.\n"
            "Try: Get one from the Developer Portal (discord.com/developers, Bot, Reset Token), "
            "then: channeld setup discord\n"
        )


async def test_a_bot_that_may_not_read_is_told_the_switch_before_anything_is_saved(api):
    """Of the other privileged intents it needs none."""
    api.gateway.allowed_intents = Intent(0)
    async with Daemon(table(api)).place_alone() as place:
        output, errors = await piped(place, api.token, exit_status=1)
        assert output == ""
        assert "Error: @courier may not read messages: its Message Content Intent is off.\n" in errors
        assert "Try: Switch it on in the Developer Portal" in errors
        assert not token_file(place).exists()
        nowhere(api.token, place, errors)
        api.gateway.allowed_intents = Intent.MESSAGE_CONTENT
        assert "@courier is connected" in (await piped(place, api.token))[0]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (Garbage.PORTAL, 200), (Garbage.PORTAL, 302), (Garbage.PORTAL, 401), (Garbage.PORTAL, 503),
        (Garbage.TRUNCATED, 200), (Garbage.BROKEN_OFF, 200), (Garbage.EMPTY, 200), (Garbage.ANOTHER, 200),
    ],
)  # fmt: skip
@pytest.mark.parametrize("route", ["get_me", "get_my_application"])
async def test_what_answers_in_place_of_discord_is_no_verdict_on_the_token(api, kind, status, route):
    """A captive portal or a broken proxy: the network is named, and a token that was copied right is not doubted."""
    api.garbage(route, kind, status)
    settings = fresh_settings("discord", {"api_base_url": api.url})
    with pytest.raises(CheckFailed, match=r"^Discord could not be asked: ") as failed:
        await asyncio.to_thread(ask_platform, "discord", api.token, settings)
    assert failed.value.hint == "Check the network and api_base_url."


async def test_a_server_that_is_not_there_is_no_verdict_either(api):
    """Nothing is saved."""
    async with Daemon(table(api)).place_alone() as place:
        await api.stop()
        _, errors = await piped(place, api.token, exit_status=1)
        assert "Error: Discord could not be asked: no connection" in errors
        assert not token_file(place).exists()
        nowhere(api.token, place, errors)


async def test_a_server_that_asks_to_wait_is_obeyed_and_one_that_is_silent_is_not_waited_for(api):
    """With what to try, and without the child's own words."""
    settings = fresh_settings("discord", {"api_base_url": api.url})
    held = api.hold("get_my_application", times=None)
    with pytest.raises(CheckFailed, match=r"Discord has not answered for 3 s") as silent:
        await asyncio.to_thread(ask_platform, "discord", api.token, settings, limit_s=3)
    assert "proxy" in silent.value.hint
    held.cut()
    api.slow_down("get_me", 600.0)
    with pytest.raises(CheckFailed, match=r"the next is allowed in 600 s") as slow:
        await asyncio.to_thread(ask_platform, "discord", api.token, settings)
    assert slow.value.hint == "Wait so long, then try again."


async def test_a_table_that_stands_in_the_way_and_options_of_another_platform_are_told_at_once(api):
    """Before anybody is asked."""
    async with Daemon(table(api, rest="enabled = false\n")).place_alone() as place:
        _, errors = await piped(place, api.token, exit_status=1)
        assert "discord is switched off: [workers.discord] says enabled = false." in errors
        for option in (("--delete-webhook",), ("--api-base-url", api.url)):
            assert "takes no such option" in (await piped(place, api.token, *option, exit_status=2))[1]
        assert not token_file(place).exists()
        assert not api.calls


async def test_a_daemon_with_another_token_in_its_environment_is_no_success(api):
    """A token here is warned of; one that the daemon has wins over the saved one."""
    daemon = Daemon(table(api))
    daemon.environment["DISCORD_BOT_TOKEN"] = OTHER
    async with daemon:
        _, errors = await piped(daemon, api.token, exit_status=1)
        assert "Warning: DISCORD_BOT_TOKEN is set here." in errors
        assert "The token is saved, but Discord is not connected" in errors
        nowhere(OTHER, daemon, errors)

"""``channeld setup telegram``: a token is taken, checked, saved and used, and seen by nobody."""

import asyncio
import json
import re
import stat
from pathlib import Path

import pytest

from channeld.cli.connect import fresh_settings
from channeld.cli.token_check import CheckFailed, ask_platform
from tests.doubles.bot_api import BotApi
from tests.doubles.bot_api_faults import Garbage
from tests.doubles.daemon import Daemon

OTHER = "123456789:AAxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
PROMPT = "stays hidden"
LINK = re.compile(r"https://t\.me/courier_test_bot\?start=([A-Z0-9]{4}(?:-[A-Z0-9]{4})+)\n")


@pytest.fixture
async def api():
    """Return a server, of which the worker must not do what a good client never does."""
    async with BotApi() as server:
        yield server
        assert not server.violations


def table(api, rest=""):
    """Return a configuration with the bot alone."""
    return f'[workers.telegram]\napi_base_url = "{api.url}"\n{rest}'


def token_file(daemon):
    """Return where the token is saved."""
    return daemon.paths.credentials / "telegram.token"


def save(daemon, token):
    """Save a token as an earlier set-up did."""
    daemon.paths.credentials.mkdir(mode=0o700, exist_ok=True)
    token_file(daemon).write_text(token + "\n")


async def typed(daemon, *lines, words=(), exit_status=0, **environment):
    """Set up at a terminal, and return what it showed."""
    pairs = list(zip([PROMPT, "[y/N]"], lines, strict=False))
    done = await asyncio.to_thread(lambda: daemon.terminal("setup", "telegram", *words, typed=pairs, **environment))
    assert done.returncode == exit_status, done.stdout
    return done.stdout


async def piped(daemon, given, *words, exit_status=0, **environment):
    """Set up without a terminal, and return the output and the errors."""
    done = await asyncio.to_thread(lambda: daemon.piped(given, "setup", "telegram", *words, **environment))
    assert done.returncode == exit_status, done.stderr
    return done.stdout, done.stderr


def code_in(shown):
    """Return the code of the link that was printed."""
    found = LINK.search(shown)
    assert found is not None, shown
    return found[1]


def nowhere(token, daemon, *texts):
    """Check that a token stands in no output and no file but its own."""
    assert not any(token in text for text in texts)
    secret = token.partition(":")[2].encode()
    found = [file for file in daemon.home.rglob("*") if file.is_file() and secret in file.read_bytes()]
    assert found in ([], [token_file(daemon)])


async def test_a_token_that_is_typed_connects_the_bot_and_the_link_lets_its_owner_in(api):
    """With the quotes that came along when it was copied; nobody sees it, and Start makes an approver."""
    async with Daemon(table(api)) as daemon:
        shown = await typed(daemon, f' "{api.token}" ')
        assert "Telegram: @courier_test_bot is connected.\n" in shown
        code = code_in(shown)
        assert token_file(daemon).read_text() == api.token + "\n"
        assert stat.S_IMODE(token_file(daemon).stat().st_mode) == 0o600
        assert [file.name for file in daemon.paths.credentials.iterdir()] == ["telegram.token"]
        nowhere(api.token, daemon, shown)
        ann = api.person(412587349, "Ann")
        ann.write(api.add_private_chat(ann), f"/start {code}")
        await api.until(lambda: any("answer what Claude asks" in (m.text or "") for m in api.sent))
        people = (await daemon.ask("access"))["workers"][0]["people"]
        assert [(p["sender_id"], p["role"]) for p in people] == [("412587349", "approver")]
        again = await typed(daemon, "")
        assert code_in(again) != code
        assert "Enter keeps the saved one" in again
        assert "Saved" not in again


async def test_a_token_from_the_input_is_used_and_the_link_waits_for_a_terminal(api):
    """All else is done; data for programs has the same fields."""
    async with Daemon(table(api)) as daemon:
        output, errors = await piped(daemon, f"{api.token}\r\nrest\n")
        assert output == "Telegram: @courier_test_bot is connected.\n"
        assert errors.startswith("Asking Telegram …\nSaved the token of @courier_test_bot.\n")
        assert "run this in a terminal and press Enter: channeld setup telegram" in errors
        data = json.loads((await piped(daemon, "", "--json"))[0])
        assert data == {
            "worker": "telegram", "platform": "telegram", "account": "@courier_test_bot", "link": None, "code": None,
            "invite": None, "state": "ready",
        }  # fmt: skip
        nowhere(api.token, daemon, output, errors)


async def test_while_it_is_checked_the_token_stands_in_no_command_line_and_no_environment(api):
    """Of any process."""
    async with Daemon(table(api)) as daemon:
        held = api.hold("getMe")
        setting_up = asyncio.create_task(piped(daemon, api.token))
        await held.arrived
        seen = await asyncio.to_thread(all_processes)
        assert any(b"channeld_workers.telegram\0check" in argv for argv, _ in seen)
        assert not any(api.token.encode() in text for pair in seen for text in pair)
        held.release()
        await setting_up


def all_processes():
    """Return the command lines and the environments of all processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found.append(((folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()))
        except OSError:  # it has just ended
            continue
    return found


@pytest.mark.parametrize("wrong", [OTHER, "hello", "12:../../x", "\x1b[2J", "a" * 5000, '""'])
async def test_a_wrong_token_leaves_the_saved_one_as_it_was(api, wrong):
    """And the error says what to do, without showing it."""
    async with Daemon(table(api)).place_alone() as place:
        save(place, "an older one")
        output, errors = await piped(place, wrong + "\n", exit_status=1)
        assert output == ""
        assert re.search(r"^Error: .*token.*\nTry: Copy it from @BotFather whole", errors, re.MULTILINE)
        assert wrong not in errors
        assert token_file(place).read_text() == "an older one\n"
        assert not place.paths.control_socket.exists()


async def test_no_token_at_all_says_where_to_get_one(api):
    """Where none is saved either, also with the input closed."""
    async with Daemon(table(api)).place_alone() as place:
        for given in ("", "\n", " '' \n"):
            _, errors = await piped(place, given, exit_status=1)
            assert errors == (
                "Error: No token was given.\n"
                "Try: Get one from @BotFather in Telegram, then: channeld setup telegram\n"
            )  # fmt: skip


@pytest.mark.parametrize("kind", [Garbage.PORTAL, Garbage.PROXY, Garbage.TRUNCATED, Garbage.EMPTY])
async def test_what_answers_in_place_of_telegram_is_no_verdict_on_the_token(api, kind):
    """A captive portal or a broken proxy: nothing is saved, and the network is named."""
    async with Daemon(table(api)).place_alone() as place:
        api.garbage("getMe", kind)
        _, errors = await piped(place, api.token, exit_status=1)
        assert "Error: Telegram could not be asked: " in errors
        assert "Try: Check the network and api_base_url." in errors
        assert not token_file(place).exists()
        nowhere(api.token, place, errors)


async def test_a_server_that_is_not_there_is_no_verdict_either(api):
    """Nothing is saved."""
    async with Daemon(table(api)).place_alone() as place:
        await api.stop()
        _, errors = await piped(place, api.token, exit_status=1)
        assert "Error: Telegram could not be asked: no connection" in errors
        assert not token_file(place).exists()


async def test_a_server_that_does_not_answer_and_a_child_that_breaks_are_told(api, monkeypatch):
    """With what to try, and without the child's own words."""
    held = api.hold("getMe", times=None)
    settings = fresh_settings("telegram", {"api_base_url": api.url})
    with pytest.raises(CheckFailed, match=r"Telegram has not answered for 3 s") as slow:
        await asyncio.to_thread(ask_platform, "telegram", api.token, settings, limit_s=3)
    assert "proxy" in slow.value.hint
    held.cut()
    with pytest.raises(CheckFailed, match=r"ended without an answer: exit status 1, KeyError\.$"):
        await asyncio.to_thread(ask_platform, "telegram", api.token, {})
    with pytest.raises(CheckFailed, match=r"not installed whole: No module named"):
        await asyncio.to_thread(ask_platform, "telegraph", api.token, {})


async def test_a_webhook_is_removed_only_if_that_is_wanted(api):
    """Its address is nobody's business."""
    async with Daemon(table(api)) as daemon:
        api.set_webhook("https://example.org/secret-path")
        output, errors = await piped(daemon, api.token, exit_status=1)
        assert output == ""
        assert "A webhook is set on @courier_test_bot" in errors
        assert "add --delete-webhook" in errors
        refused = await typed(daemon, api.token, "", exit_status=1)
        assert "Nothing was changed" in refused
        assert api.updates.webhook
        assert not token_file(daemon).exists()
        accepted = await typed(daemon, api.token, "y")
        assert not api.updates.webhook
        assert LINK.search(accepted)
        api.set_webhook("https://example.org/secret-path")
        await piped(daemon, "", "--delete-webhook")
        assert not api.updates.webhook
        assert not any("secret-path" in text for text in (output, errors, refused, accepted))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "[workers.web]\n\n[workers.telegram]\n"),
        ("", "[workers.web]\n\n[workers.telegram]\n"),
        ("[workers]\n", "[workers]\n\n[workers.telegram]\n"),
        ("# mine: \u2713\n[workers.web] # a", "# mine: \u2713\n[workers.web] # a\n\n[workers.telegram]\n"),
        ("[workers.web]\r\nport = 0\r\n", "[workers.web]\r\nport = 0\r\n\r\n[workers.telegram]\r\n"),
    ],
)  # fmt: skip
async def test_a_worker_that_the_configuration_does_not_have_is_added_to_it(api, before, after):
    """Every byte of what stands there stays, and a daemon that did not run is started."""
    async with Daemon("").place_alone() as place:
        file = place.paths.config_file
        file.unlink()
        if before is not None:
            file.write_bytes(before.encode())
            file.chmod(0o640)
        output, errors = await piped(place, api.token, "--api-base-url", api.url)
        assert "Telegram: @courier_test_bot is connected." in output
        assert f"Added [workers.telegram] to {file}." in errors
        eol = "\r\n" if "\r" in after else "\n"
        assert file.read_bytes().decode() == f'{after}api_base_url = "{api.url}"{eol}'
        assert stat.S_IMODE(file.stat().st_mode) == (0o600 if before is None else 0o640)
        names = [w["name"] for w in (await place.ask("status"))["workers"]]
        assert "telegram" in names
        assert ("web" in names) == ("[workers.web]" in after)


async def test_a_daemon_that_does_not_know_the_worker_is_restarted(api):
    """And says so."""
    async with Daemon("[workers]\n").place_alone() as place:
        await asyncio.to_thread(place.cli, "start")
        before = (await place.ask("status"))["daemon"]["pid"]
        _, errors = await piped(place, api.token, "--api-base-url", api.url)
        assert "Restarting channeld" in errors
        assert (await place.ask("status"))["daemon"]["pid"] != before


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("[workers.telegram]\nack = 1\n", "unknown key"),
        ("[workers.telegram\n", "is not TOML"),
        ("workers = {}\n", "can add nothing to it"),
        ("[workers.telegram]\nenabled = false\n", "switched off"),
    ],
)
async def test_a_configuration_that_stands_in_the_way_is_told_before_anything_is_asked(api, config, said):
    """It stays as it is, and so does the token."""
    async with Daemon(config).place_alone() as place:
        _, errors = await piped(place, api.token, exit_status=1)
        assert said in errors
        assert place.paths.config_file.read_text() == config
        assert not token_file(place).exists()
        assert api.requests == 0


async def test_a_configuration_that_is_read_only_stays_so(api):
    """It may be made by a program that would undo the change."""
    async with Daemon("[workers]\n").place_alone() as place:
        place.paths.config_file.chmod(0o444)
        _, errors = await piped(place, api.token, exit_status=1)
        assert "is read-only" in errors
        assert place.paths.config_file.read_text() == "[workers]\n"


async def test_a_token_in_the_environment_is_warned_of(api):
    """It is not shown, and not what is saved."""
    async with Daemon(table(api)) as daemon:
        _, errors = await piped(daemon, api.token, TELEGRAM_BOT_TOKEN=OTHER)
        assert "Warning: TELEGRAM_BOT_TOKEN is set here." in errors
        nowhere(OTHER, daemon, errors)


async def test_a_daemon_with_another_token_in_its_environment_is_no_success(api):
    """Its worker has not got the saved one."""
    daemon = Daemon(table(api))
    daemon.environment["TELEGRAM_BOT_TOKEN"] = OTHER
    async with daemon:
        del daemon.environment["TELEGRAM_BOT_TOKEN"]
        _, errors = await piped(daemon, api.token, exit_status=1)
        assert "The token is saved, but Telegram is not connected" in errors
        nowhere(OTHER, daemon, errors)


async def test_options_of_a_bot_are_refused_where_there_is_none(api):
    """A worker with a command of its own, and a table that stands already."""
    async with Daemon(table(api) + '[workers.pager]\ncommand = ["true"]\n').place_alone() as place:
        done = await asyncio.to_thread(place.piped, "", "setup", "pager", "--delete-webhook")
        assert (done.returncode, "takes no such option" in done.stderr) == (2, True)
        _, errors = await piped(place, "", "--api-base-url", "http://127.0.0.1:1", exit_status=1)
        assert "There is [workers.telegram] already" in errors

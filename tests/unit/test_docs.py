"""What README and docs say, held against the code: links, commands, states, frames, and the worker that they print."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any, get_args

import click
import pytest

from channeld.cli.main import cli
from channeld.cli.shim import HELP as MCP_HELP
from channeld.core.delivery import EventState, PartState
from channeld.core.health import KINDS
from channeld.ipc import messages as m
from channeld.platforms import PLATFORMS, WorkerTable
from tests.doubles.daemon import Daemon

ROOT = Path(__file__).parents[2]
PAGES = {
    str(page.relative_to(ROOT)): page.read_text("utf-8")
    for page in sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
}
DECISIONS = [name for name in PAGES if name.startswith("docs/decisions/")]
WORKERS = PAGES["docs/workers.md"]
FRAMES = re.findall(r"^```json\n(.*?)^```", WORKERS, re.MULTILINE | re.DOTALL)
SIDES: list[tuple[Any, Any]] = [(m.FromWorker, m.from_worker), (m.ToWorker, m.to_worker)]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", PAGES[page]), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code(page):
    """Return the lines of a page that are code: what programs print stands in blocks marked ``text``."""
    blocks = [body for kind, body in FENCE.findall(PAGES[page]) if kind != "text"]
    spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", PAGES[page]))
    return [line for block in blocks for line in block.splitlines()] + spans


def command_lines(page):
    """Return the words after ``channeld`` of every command line that a page quotes."""
    found = (re.search(r"(?:^|[\s\"'(=])channeld ([a-z-].*)", line) for line in code(page))
    return [match[1].split("#")[0].split() for match in found if match]


def known_options(command, words):
    """Return the options that a command takes, or its subcommand if the next word is one; ``messages`` alone lists."""
    if command == "mcp":
        return set(re.findall(r"--[a-z-]+|-h", MCP_HELP))
    context = cli.make_context("channeld", [command], resilient_parsing=True)
    taker = cli if command.startswith("-") else cli.commands[command]
    while isinstance(taker, click.Group) and not command.startswith("-"):
        word, *words = words or [""]
        taker = taker.commands[word if word in taker.commands else getattr(taker, "default", "list")]
    return {option for parameter in taker.get_params(context) for option in parameter.opts} | {"--help", "-h"}


def tags(union):
    """Return the ``type`` of every frame that one side may send."""
    return {struct.__struct_config__.tag for struct in get_args(union)}


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_lead_somewhere(page):
    """Every file that is linked exists, and the heading too."""
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", FENCE.sub("", PAGES[page])):
        if target.startswith(("http://", "https://")):
            continue
        file = (ROOT / page).parent.joinpath(target).resolve() if target else ROOT / page
        assert file.exists(), f"{page} links {target}"
        if anchor:
            assert anchor in anchors(str(file.relative_to(ROOT))), f"{page} links {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_quoted_commands_exist(page):
    """Every quoted ``channeld …`` is a command, with options that it takes."""
    for first, *rest in command_lines(page):
        assert first.startswith("-") or first in cli.commands, f"{page} quotes channeld {first}"
        options = {word.partition("=")[0] for word in (first, *rest) if re.match(r"--?[a-z]", word)}
        assert options <= known_options(first, rest), f"{page} quotes channeld {first} {' '.join(rest)}"


def test_the_check_of_commands_finds_them():
    """README quotes the commands of a first day, so the check above looks at something."""
    assert {"demo", "start", "sessions", "url"} <= {words[0] for words in command_lines("README.md")}


def test_quoted_make_targets_exist():
    """Every ``make …`` in README and docs is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    quoted = {match[1] for page in PAGES for line in code(page) if (match := re.match(r"make ([a-z0-9-]+)", line))}
    assert {"run", "test"} <= quoted <= targets


def test_every_health_code_is_looked_up_easily():
    """The page of symptoms names each of them."""
    named = set(re.findall(r"`([a-z_]+)`", PAGES["docs/troubleshooting.md"]))
    assert set(KINDS) <= named


@pytest.mark.parametrize(("heading", "states"), [("## To Claude", EventState), ("## From Claude", PartState)])
def test_the_tables_of_states_are_those_of_the_code(heading, states):
    """Each state has a row, in the order of the code, and there is no other."""
    section = PAGES["docs/concepts.md"].split(f"{heading}\n", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [str(state) for state in states]


@pytest.mark.parametrize("platform", ["telegram", "discord"])
def test_the_settings_of_a_platform_are_those_of_the_code(platform):
    """Each has a row with its default, and there is no other."""
    section = PAGES[f"docs/{platform}.md"].split("## Settings\n", 1)[1].split("\n## ", 1)[0]
    told = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", section, re.MULTILINE))
    defaults = PLATFORMS[platform].table().model_dump()
    assert {key: json.loads(value) for key, value in told.items()} == {
        key: value for key, value in defaults.items() if key not in WorkerTable.model_fields
    }


@pytest.mark.parametrize("page", DECISIONS)
def test_a_decision_is_short_and_says_why(page):
    """Context, decision and consequence, on one screen."""
    assert len(PAGES[page].splitlines()) <= 25
    assert re.findall(r"^\*\*(\w+)\.\*\*", PAGES[page], re.MULTILINE) == ["Context", "Decision", "Consequence"]


@pytest.mark.parametrize("frame", FRAMES)
def test_a_frame_in_the_worker_protocol_is_one(frame):
    """It decodes, and encodes to the same: no unknown field, no value that could be left out."""
    given = json.loads(frame)
    taken = [decoder for union, decoder in SIDES if given["type"] in tags(union)]
    assert taken
    for decoder in taken:
        assert json.loads(m.encode(decoder.decode(frame))) == given


def test_the_worker_protocol_shows_every_frame():
    """None of the types is missing from the page."""
    assert {json.loads(frame)["type"] for frame in FRAMES} == tags(m.FromWorker) | tags(m.ToWorker)


async def test_the_worker_on_the_page_works(tmp_path):
    """A file becomes a message and goes when it is on disk, a reply becomes a file, and a restart is orderly."""
    program, box = tmp_path / "worker.py", tmp_path / "box"
    (example,) = (body for kind, body in FENCE.findall(WORKERS) if kind == "python")
    program.write_text(example, "utf-8")
    for name in ("in", "out"):
        (box / name).mkdir(parents=True)

    def drop(name, text):
        draft = box / name
        draft.write_text(text, "utf-8")
        return draft.rename(box / "in" / name)

    config = f"[workers.folder]\ncommand = [{sys.executable!r}, {str(program)!r}, {str(box)!r}]\n"
    listed = {"folder": str(os.getuid())}  # as the page says; its senders are the owners of the files
    async with Daemon(config, listed=listed) as daemon, daemon.client() as client:
        first = drop("a.txt", "hello")
        event = await client.next_event()
        assert (event["content"], event["meta"]["chat_id"], event["meta"]["message_id"]) == (
            "hello", "folder:main", "a.txt",
        )  # fmt: skip
        await daemon.status_where(lambda _: not first.exists())
        result = await client.call_tool("reply", {"chat_id": "folder:main", "text": "hi"}, "toolu_1")
        (reply,) = (box / "out").iterdir()
        assert result["content"][0]["text"] == f"sent (id: {reply.name})"
        assert reply.read_text("utf-8") == "hi"
        await daemon.ask("restart", worker="folder")
        await daemon.status_where(lambda s: s["workers"][0]["starts"] == 2 and s["workers"][0]["state"] == "ready")
        assert '"exit": 0' in daemon.log()
        drop("b.txt", "again")
        assert (await client.next_event())["content"] == "again"

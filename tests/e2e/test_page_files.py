"""Files on the page: chosen, dropped, pasted, shown large, saved."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from playwright.async_api import Browser, FilePayload, Page, expect

from tests.e2e.page import Home, Look, chat_page, every_look, inspect, message, picture, write

pytestmark = pytest.mark.asyncio(loop_scope="session")

PICTURE = picture()
# A browser lets no script fill a file field, but makes the events of a drag and of the clipboard as they are.
HAND_OVER = """([kind, name, mime, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: mime }));
  const options = { bubbles: true, cancelable: true };
  const event = kind === "paste" ? new ClipboardEvent(kind, { ...options, clipboardData: transfer })
    : new DragEvent(kind, { ...options, dataTransfer: transfer });
  document.querySelector("#text").dispatchEvent(event);
}"""


async def hand_over(page: Page, kind: str, name: str, data: bytes, mime: str = "image/png") -> None:
    """Drag a file over the page, drop it there, or paste it."""
    await page.evaluate(HAND_OVER, [kind, name, mime, base64.b64encode(data).decode()])


def payload(name: str, data: bytes, mime: str = "text/plain") -> FilePayload:
    """Return a file to choose."""
    return {"name": name, "mimeType": mime, "buffer": data}


@every_look
async def test_files_go_to_claude_and_come_back(browser: Browser, home: Home, look: Look, tmp_path: Path):
    """Three ways in, each listed with its size and removable; pictures open large, others are saved by name."""
    async with chat_page(browser, home.url, look) as page:
        chosen = page.get_by_role("list", name="Chosen files").get_by_role("listitem")
        async with page.expect_file_chooser() as choosing:
            await page.get_by_role("button", name="Add files").click()
        await (await choosing.value).set_files([payload("notes.txt", b"x" * 2048), payload("wrong.txt", b"x")])
        await hand_over(page, "dragenter", "graph.png", PICTURE)
        await expect(page.get_by_text("Drop files to add them")).to_be_visible()
        await hand_over(page, "drop", "graph.png", PICTURE)
        await expect(page.get_by_text("Drop files to add them")).to_be_hidden()
        await hand_over(page, "paste", "pasted.png", PICTURE)
        await expect(chosen).to_have_count(4)
        await expect(chosen.first).to_contain_text("notes.txt")
        await expect(chosen.first).to_contain_text("2 KB")
        await expect(chosen.locator("img")).to_have_count(2)
        await inspect(page)
        await page.get_by_role("button", name="Remove wrong.txt").click()
        await expect(chosen).to_have_count(3)
        text = f"files {look}"
        item = await write(page, text)
        assert (await home.claude.hears(text))["attachment_count"] == "3"
        await expect(chosen).to_have_count(0)
        for name in ("graph.png", "pasted.png"):
            await expect(item.get_by_role("img", name=name)).to_be_visible()
        preview = item.get_by_role("button", name="Show graph.png large")
        await preview.click()
        viewer = page.get_by_role("dialog", name="Picture")
        await expect(viewer.get_by_role("img", name="graph.png")).to_be_visible()
        await inspect(page)
        await page.keyboard.press("Escape")
        await expect(viewer).to_be_hidden()
        await expect(preview).to_be_focused()
        async with page.expect_download() as saving:
            await item.get_by_role("button", name="Save notes.txt, 2 KB").click()
        saved = await saving.value
        assert saved.suggested_filename == "notes.txt"
        assert (await saved.path()).read_bytes() == b"x" * 2048
        (tmp_path / "answer.png").write_bytes(PICTURE)
        await home.claude.says(f"here {look}", files=[str(tmp_path / "answer.png")])
        await expect(page.get_by_role("img", name="answer.png").last).to_be_visible()


@every_look
async def test_what_cannot_be_sent_stays_with_the_reason(browser: Browser, home: Home, look: Look):
    """Too large and too many are told in words on the message itself, which goes back to the box or is discarded."""
    async with chat_page(browser, home.url, look) as page:
        stuck = page.get_by_role("list", name="Messages not stored yet").get_by_role("listitem")
        for files, reason in (
            ([payload("large.bin", bytes(1_100_000))], "1 MB together"),
            ([payload("larger.bin", bytes(3_000_000))], "1 MB together"),
            ([payload(f"{n}.txt", b"x") for n in range(11)], "files is 10"),
        ):
            await page.set_input_files("#files", files)
            await page.get_by_role("button", name="Send").click()
            await expect(stuck).to_contain_text(reason)
            await expect(stuck.get_by_role("button")).to_have_text(["Back to the box", "Discard"])
            await stuck.get_by_role("button", name="Discard").click()
            await expect(stuck).to_have_count(0)
        await write(page, f"still works {look}")
        await expect(message(page, f"still works {look}")).to_be_visible()


async def test_what_is_refused_goes_back_to_the_box(browser: Browser, home: Home):
    """The text, before a draft that was begun meanwhile, the files and what it replies to: all can be changed there."""
    async with chat_page(browser, home.url) as page:
        box, chosen = page.get_by_label("Message", exact=True), page.locator("#chosen > li")
        quoted = await write(page, "quoted by what is refused")
        await quoted.focus()
        await page.keyboard.press("r")
        await page.set_input_files("#files", [payload("large.bin", bytes(1_100_000)), payload("small.txt", b"x")])
        await box.fill("with two files")
        await box.press("Enter")
        await box.fill("begun meanwhile")
        await page.get_by_role("button", name="Back to the box").click()
        await expect(page.locator("#unsent > li")).to_have_count(0)
        await expect(box).to_have_value("with two files\nbegun meanwhile")
        await expect(box).to_be_focused()
        await expect(page.locator("#about")).to_contain_text("quoted by what is refused")
        await page.get_by_role("button", name="Remove large.bin").click()
        await expect(chosen).to_have_count(1)
        await box.fill("with one file")
        await box.press("Enter")
        await expect(message(page, "with one file").get_by_text("small.txt")).to_be_visible()


async def test_a_file_that_is_gone_since_it_was_chosen_holds_up_nothing(browser: Browser, home: Home, tmp_path: Path):
    """A browser sends nothing of it, as without a connection: it is told apart, and later messages go on."""
    async with chat_page(browser, home.url) as page:
        log = tmp_path / "rotated.log"
        log.write_bytes(b"x")
        await page.set_input_files("#files", log)
        log.unlink()
        await page.get_by_role("button", name="Send").click()
        await expect(page.locator("#unsent > li")).to_contain_text("A file of it was changed or removed")
        await page.get_by_label("Message", exact=True).fill("sent after a file that is gone")
        await page.get_by_role("button", name="Send").click()
        await expect(message(page, "sent after a file that is gone")).to_be_visible()

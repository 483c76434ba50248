"""Another site's page in the same browser: it can neither read the chat nor write into it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.page import WIDE, Home, chat_page, message, write

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "only for the owner's eyes"
PAGE = b"<!doctype html><title>another site</title><p>hello"
# What a page may try; each way ends with what it has got hold of.
TRIES = """async ([base, token]) => {
  const got = {}, api = `${base}/api/messages`, bearer = { Authorization: `Bearer ${token}` };
  const post = { method: "POST", body: JSON.stringify({ text: "forged" }) };
  const attempt = async (name, what) => {
    const late = new Promise((done) => setTimeout(done, 1500, "nothing"));
    got[name] = await Promise.race([what(), late]).catch(() => "refused");
  };
  const read = (url, options) => fetch(url, options).then((answer) => answer.text());
  const element = (tag, fields) => new Promise((done) => {
    const node = Object.assign(document.createElement(tag), fields,
      { onload: () => done("loaded"), onerror: () => done("refused") });
    document.body.append(node);
  });
  const form = (action, enctype) => new Promise((done) => {
    const frame = Object.assign(document.createElement("iframe"), { name: `target${enctype}` });
    document.body.append(frame);
    const node = Object.assign(document.createElement("form"), { action, method: "POST", enctype, target: frame.name });
    node.append(Object.assign(document.createElement("input"), { name: '{"text":"forged","x":"', value: '"}' }),
      Object.assign(document.createElement("input"), { name: "token", value: token }));
    document.body.append(node);
    frame.onload = () => {
      let text = "unreadable";
      try { text = frame.contentDocument?.body.innerText ?? "unreadable"; } catch { /* as it should be */ }
      done(text);
    };
    node.submit();
  });
  const targets = { page: `${base}/?token=${token}`, history: api, "history by address": `${api}?token=${token}` };
  for (const [name, url] of Object.entries(targets)) {
    await attempt(`${name}, cors`, () => read(url));
    await attempt(`${name}, no-cors`, () => read(url, { mode: "no-cors" }));
    await attempt(`${name}, with the token`, () => read(url, { headers: bearer }));
  }
  await attempt("post, cors", () => read(api, post));
  await attempt("post, no-cors", () => read(api, { ...post, mode: "no-cors" }));
  await attempt("post, with the token", () => read(api, { ...post, headers: bearer }));
  for (const type of ["text/plain", "multipart/form-data"]) {
    await attempt(`form ${type}`, () => form(`${api}?token=${token}`, type));
  }
  await attempt("script", () => element("script", { src: `${base}/app.js` }));
  await attempt("history as script", () => element("script", { src: `${api}?token=${token}` }));
  await attempt("picture", () => element("img", { src: `${base}/icon.svg` }));
  await attempt("frame", async () => {
    const frame = document.createElement("iframe");
    const loaded = new Promise((done) => { frame.onload = done; });
    frame.src = `${base}/?token=${token}`;
    document.body.append(frame);
    await loaded;
    return frame.contentDocument ? frame.contentDocument.body.innerText : "unreadable";
  });
  await attempt("events", () => new Promise((done) => {
    const stream = new EventSource(`${base}/api/events?token=${token}`);
    stream.onopen = () => done("open");
    stream.onerror = () => { stream.close(); done("refused"); };
  }));
  await attempt("window", async () => {
    const other = open(`${base}/?token=${token}`);
    await new Promise((wake) => setTimeout(wake, 800));
    const text = other.document ? other.document.body.innerText : "unreadable";
    return text;
  });
  return got;
}"""


@contextlib.asynccontextmanager
async def another_site() -> AsyncIterator[str]:
    """Serve a page on another port of this machine, which makes it another origin."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            writer.write(head % len(PAGE) + PAGE)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize("knows", [False, True], ids=["without the token", "with the token"])
async def test_a_page_of_another_origin_neither_reads_nor_posts(browser: Browser, home: Home, knows: bool):
    """Whatever it tries, with the address or without: nothing of the chat comes out, and nothing gets in."""
    base, _, token = home.url.partition("/?token=")
    async with chat_page(browser, home.url) as page, another_site() as site:
        await write(page, f"{SECRET} {knows}")
        # A window that may complain: refusals of the policy are what this test is about.
        context = await browser.new_context(viewport={"width": WIDE.width, "height": 800})
        try:
            stranger = await context.new_page()
            await stranger.goto(site)
            got: dict[str, str] = await stranger.evaluate(TRIES, [base, token if knows else "guessed"])
        finally:
            await context.close()
        assert len(got) == 20
        assert not [name for name, text in got.items() if SECRET in text or "Say something" in text or text == "open"]
        assert {name: text for name, text in got.items() if text not in {"refused", "nothing", "unreadable", ""}} == {}
        await write(page, f"still here {knows}")
        await expect(message(page, f"still here {knows}")).to_be_visible()
        await expect(page.get_by_text("forged")).to_have_count(0)
        assert "forged" not in str(await home.daemon.states())

"""The pictures of the page in the docs, taken from the page itself: ``make pictures``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from channeld.ipc.messages import Attachment, Typing
from tests.e2e.page import CHAT, LOOKS, Look, Stage, chat_page, inspect, message, picture

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAMES = {LOOKS[0]: "chat-phone.png", LOOKS[2]: "chat-light.png", LOOKS[3]: "chat-dark.png"}
NOON = 1_760_014_800.0  # a day in October, 13:00 UTC
ANSWER = """The retry loop has **no bound**, so one dead host keeps the queue busy. I changed two things:

1. The wait doubles, up to 30 s, with some jitter.
2. After eight tries the job goes to `failed/`, with the last error.

```python
async def fetch(url: str, *, tries: int = 8) -> bytes:
    for attempt in range(tries):
        try:
            return await get(url)
        except ConnectionError:
            await sleep(min(30, 2**attempt) * (0.5 + random() / 2))
    raise GaveUp(url)
```

| host | before | now |
|:--|--:|--:|
| is up | 1 try | 1 try |
| is back after 10 s | 200 tries | 4 tries |
| is gone | for ever | 8 tries, then `failed/` |

All 142 tests pass. Shall I push the branch?
"""


@pytest.mark.parametrize("look", NAMES, ids=NAMES.values())
async def test_a_picture_for_the_docs(browser: Browser, stage: Stage, look: Look, tmp_path: Path, pictures: Path):
    """A conversation with everything in it, as it looks; kept where ``CHANNELD_PICTURES`` says."""
    graph = tmp_path / "graph.png"
    graph.write_bytes(picture(520, 150))
    attached = Attachment(name="requests.png", path=str(graph), mime="image/png", size=graph.stat().st_size)
    claude: dict[str, Any] = {"direction": "out", "user": "Claude", "state": "sent", "format": "markdown"}
    stage.put("Why does the fetcher hammer a host that is down?", ts=NOON, attachments=[attached])
    stage.put(ANSWER, ts=NOON + 140, reactions=["🎉"], reactors=["owner"], reply_to="w1", **claude)
    stage.put("Yes, push it. And open a pull request, please", ts=NOON + 200, state="delivered")
    async with chat_page(browser, stage.url, look, locale="en-GB", timezone_id="UTC") as page:
        stage.end.send(Typing(chat=CHAT, working=True))
        await expect(page.get_by_text("Claude is working…")).to_be_visible()
        await expect(message(page, "Why does").get_by_role("img", name="requests.png")).to_be_visible()
        await expect(message(page, "The retry loop").get_by_role("button", name="🎉, your reaction")).to_be_visible()
        await inspect(page)
        whole = "chat => chat.scrollHeight - chat.clientHeight"
        size = page.viewport_size
        assert size is not None
        if not look.touch:
            size["height"] += await page.locator("#chat").evaluate(whole)
            await page.set_viewport_size(size)
        target = pictures / NAMES[look]
        await page.screenshot(path=target, caret="hide")
        assert target.stat().st_mtime > time.time() - 60

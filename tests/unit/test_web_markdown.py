"""Claude's Markdown as the page gets it: what a person expects, and nothing that could do harm."""

from __future__ import annotations

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channeld_workers.web.markdown import MOST_CHARACTERS, to_html

HARMLESS = {
    "p", "br", "strong", "em", "s", "del", "a", "code", "pre", "blockquote", "ul", "ol", "li", "hr",
    "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
LINK = {"target": "_blank", "rel": "noopener noreferrer nofollow"}


class Tags(HTMLParser):
    """Collects the tags of a document as a browser would."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**b** *i* ~~s~~ `c`", "<p><strong>b</strong> <em>i</em> <s>s</s> <code>c</code></p>\n"),
        ("one\ntwo", "<p>one<br>\ntwo</p>\n"),
        ("```python\n<b>\n```", '<pre><code class="language-python">&lt;b&gt;\n</code></pre>\n'),
        ("3. x", '<ol start="3">\n<li>x</li>\n</ol>\n'),
        ("a & <b>", "<p>a &amp; &lt;b&gt;</p>\n"),
        ("[a]: b", "<p>[a]: b</p>\n"),
        ("run main.py, see www.x.org", "<p>run main.py, see www.x.org</p>\n"),
    ],
)
def test_usual_markdown(text, html):
    """A line break stays one, code stays text, and nothing that was written disappears."""
    assert to_html(text) == html


def test_a_table_keeps_its_alignment():
    """Without a style attribute, which the page's policy would not allow."""
    html = to_html("|a|b|\n|:-:|--|\n|1|2|") or ""
    assert '<th align="center">a</th>\n<th>b</th>' in html and '<td align="center">1</td>' in html
    assert "style" not in html


@pytest.mark.parametrize(
    "text", ["https://example.org/a?b=c", "[x](https://example.org/a?b=c)", "![x](https://example.org/a?b=c)"]
)
def test_links_open_apart_and_tell_nothing(text):
    """A picture is a link too: the page loads nothing from anywhere else."""
    ((tag, attributes),) = [found for found in Tags(to_html(text) or "").found if found[0] in {"a", "img"}]
    assert (tag, attributes) == ("a", {"href": "https://example.org/a?b=c", **LINK})


@pytest.mark.parametrize(
    "target", ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
               "/api/messages", "//evil.example", "java&#115;cript:alert(1)", "\x01javascript:alert(1)"]
)  # fmt: skip
def test_a_link_goes_to_the_web_or_nowhere(target):
    """Scripts, files and this server's own paths are no targets."""
    for text in (f"[x]({target})", f"![x]({target})", f"<{target}>"):
        for tag, attributes in Tags(to_html(text) or "").found:
            href = attributes.get("href")
            assert tag in HARMLESS and (href is None or href.startswith(("http://", "https://", "mailto:"))), href


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=x>",
             "<a href='javascript:x'>y</a>", "<style>*{}</style>", "<!-- x -->", "<iframe>"]
)  # fmt: skip
def test_html_is_text(text):
    """It is shown as it was written."""
    assert {tag for tag, _ in Tags(to_html(text) or "").found} == {"p"}


FRAGMENTS = st.sampled_from(
    ["<script>", "<img onerror=x>", "](javascript:x)", "![", "[x](", ")", "`", "```\n", "|a|\n|-|\n", "> ", "- ", "\n",
     "*", "&lt;script&gt;", "&#60;b&#62;", '"', "'", "<a ", "href=", "http://x.y/", "\x00", "\\", "\u2028", "a"]
)  # fmt: skip


@given(st.lists(FRAGMENTS, max_size=30).map("".join) | st.text(max_size=80))
def test_whatever_is_written_only_harmless_tags_come_out(text):
    """No tag, attribute or target beyond the list, however the pieces are put together."""
    for tag, attributes in Tags(to_html(text) or "").found:
        assert tag in HARMLESS
        assert set(attributes) <= {"href", "title", "target", "rel", "class", "start", "align"}
        assert (attributes.get("href") or "http:").startswith(("http:", "https:", "mailto:"))


@pytest.mark.parametrize(
    "piece", ["[", "*", "`", "> ", "- ", "_a", "<", "![[", "~~a", "1. a\n", "|a", "[a]: b\n", "\\"]
)
def test_no_text_keeps_the_worker_from_its_work(piece):
    """The longest text that is rendered takes well under a second; a longer one is shown as it is."""
    text = (piece * MOST_CHARACTERS)[:MOST_CHARACTERS]
    began = time.process_time()  # not the clock on the wall: others may have the processor
    html = to_html(text)
    assert time.process_time() - began < 2.0
    assert html is None or html.strip()
    assert to_html(text + "x") is None


@pytest.mark.parametrize("columns", [2500, 1000, 200, 100, 50, 10])
def test_a_short_text_cannot_ask_for_a_huge_table(columns):
    """Rows are filled up to the width of the header: a few kilobytes would become a second of work and a megabyte."""
    text = "|" + "a|" * columns + "\n|" + "-|" * columns + "\n"
    text += "x\n" * ((MOST_CHARACTERS - len(text)) // 2)
    began = time.perf_counter()
    html = to_html(text)
    assert time.perf_counter() - began < 1.0
    assert html is None or len(html) < 500_000


def test_a_usual_table_and_a_deep_list_are_shown_whole():
    """The bounds are far from what anybody writes."""
    table = "|a|b|c|\n|-|-|-|\n" + "|1|2|3|\n" * 200
    assert (to_html(table) or "").count("<tr>") == 201
    deep = "\n".join("  " * level + f"- level {level}" for level in range(20))
    assert all(f"level {level}" in (to_html(deep) or "") for level in range(20))

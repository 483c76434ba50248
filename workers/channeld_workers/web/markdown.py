"""Claude's Markdown as HTML that is safe to put into the page.

Raw HTML is off, so that only the renderer's own tags come out, and what comes out is sanitised all the same: Claude may
repeat what a stranger wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

MOST_CHARACTERS: Final = 20_000
"""A longer text is shown as it is: rendering it would keep everybody waiting."""
MOST_BRACKETS: Final = 4000
"""So is one with more of them: each is looked at for all those before it, and 20,000 take two seconds."""
MOST_CELLS: Final = 10_000
"""Lines of a text times columns of its widest table: a short text can ask for a huge one."""
_KEPT: Final = 256
"""Rendered texts that are kept: a tick that changes must not render its message anew."""
_SCHEMES: Final = {"http", "https", "mailto"}
_TAGS: Final = {
    "p", "br", "strong", "em", "s", "del", "a", "code", "pre", "blockquote", "ul", "ol", "li",
    "h1", "h2", "h3", "h4", "h5", "h6", "hr", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
_ATTRIBUTES: Final = {
    "a": {"href", "title", "target"},
    "code": {"class"},
    "ol": {"start"},
    "th": {"align"},
    "td": {"align"},
}


class _Renderer(RendererHTML):
    """As the page needs it: no picture from anywhere else is loaded, and no style stands in a tag."""

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        token = tokens[idx]
        label = self.renderInlineAsText(token.children or [], options, env) or str(token.attrs.get("src", ""))
        return f'<a href="{_escape(token.attrs.get("src", ""))}">{_escape(label)}</a>'

    def th_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        token = tokens[idx]
        _, _, align = str(token.attrs.pop("style", "")).partition("text-align:")
        if align:
            token.attrs["align"] = align
        return self.renderToken(tokens, idx, options, env)

    td_open = th_open


def _escape(text: Any) -> str:
    return nh3.clean_text(str(text))


class _Markdown(MarkdownIt):
    """Links lead to the web or nowhere: a path would be one on this server."""

    def validateLink(self, url: str) -> bool:
        return url.partition(":")[0].lower() in _SCHEMES


_markdown: Final = (
    _Markdown("commonmark", {"html": False, "linkify": True, "breaks": True, "maxNesting": 100}, renderer_cls=_Renderer)
    .enable(["table", "strikethrough", "linkify"])
    .disable("reference")
)
assert _markdown.linkify is not None
_markdown.linkify.set({"fuzzy_link": False, "fuzzy_email": False})  # main.py is a file, not a site in Paraguay


def _cells(text: str) -> int:
    lines = text.splitlines()
    return len(lines) * max((line.count("|") for line in lines), default=0)


@lru_cache(maxsize=_KEPT)
def to_html(text: str) -> str | None:
    """Return Markdown as sanitised HTML; None where it is to be shown as it is."""
    if len(text) > MOST_CHARACTERS or _cells(text) > MOST_CELLS or text.count("[") > MOST_BRACKETS:
        return None
    html = nh3.clean(
        _markdown.render(text),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        set_tag_attribute_values={"a": {"target": "_blank"}},
        link_rel="noopener noreferrer nofollow",
    )
    return html if html.strip() else None  # a text of nothing but marks must not vanish

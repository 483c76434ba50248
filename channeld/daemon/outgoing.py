"""Messages on their way out: checked against what the platform can do, spooled, and put into the outbox.

``Outgoing`` takes what somebody sends, ``store.Outbox`` keeps it, ``Outbound`` brings it to the workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from channeld.core.errors import Refused, StoreUnavailable
from channeld.core.ids import worker_of
from channeld.core.model import Capabilities, NewPart, PartDetail, StoredPart
from channeld.daemon.outbound import Outbound
from channeld.daemon.spool import Spool
from channeld.store.outbox import AcceptedCall

log = structlog.get_logger()
WAIT_FOR_OUTCOME_S: Final = 10.0
_CUT: Final = "\n… (cut here; the whole text is in the terminal)"


class Letter(NamedTuple):
    """A message that somebody wants to send."""

    chat: str
    text: str
    format: str = "markdown"
    reply_to: str | None = None
    files: Sequence[str] = ()
    buttons: Sequence[str] = ()
    author: str = ""  # empty: Claude


class Outgoing:
    """Takes what Claude or the operator sends."""

    def __init__(
        self,
        outbound: Outbound,
        spool: Spool,
        platforms: Mapping[str, str],
        capabilities: Mapping[str, Capabilities],
    ) -> None:
        """Wire it.

        Args:
            outbound: the flow to the workers.
            spool: where files to be sent are copied.
            platforms: platform by worker name.
            capabilities: what each worker said that it can do when it was last connected.
        """
        self._outbound, self._spool = outbound, spool
        self._platforms, self._capabilities = platforms, capabilities

    def worker_for(self, chat: str, tool: str) -> tuple[str, str, Capabilities]:
        """Return the worker of a chat, its platform and what it can do.

        Raises:
            Refused: there is none, or it cannot do this.
        """
        worker = worker_of(chat)
        platform = self._platforms.get(worker)
        if platform is None:
            raise Refused(f"There is no worker {worker!r}.", hint=f"There are: {', '.join(self._platforms)}.")
        capabilities = self._capabilities.get(worker)
        if capabilities is None:
            # It was not connected since the daemon started: the outbox keeps what is to be sent, and checks it then.
            return worker, platform, Capabilities(max_text=100_000, buttons=True)
        if tool not in capabilities.tools:
            raise Refused(f"{platform} cannot do {tool}.", hint="Use reply instead.")
        return worker, platform, capabilities

    def fitting(self, chat: str, text: str) -> str:
        """Return a text as long as the chat's platform takes it, with a note where it was cut."""
        longest = self.worker_for(chat, "reply")[2].max_text
        return text if len(text) <= longest else f"{text[: longest - len(_CUT)]}{_CUT}"

    async def reply(self, letter: Letter, instance: str, tool_use_id: str | None) -> AcceptedCall:
        """Put a message and copies of its files on disk.

        Args:
            letter: what to send.
            instance: of the session that sends it.
            tool_use_id: the client's id of the call; the same call sent again has the same effect once.

        Raises:
            Refused: it cannot be sent as it is.
            StoreUnavailable: nothing was accepted.
        """
        worker, platform, capabilities = self.worker_for(letter.chat, "reply")
        if not letter.text.strip() and not letter.files:
            raise Refused("The message is empty.", hint="Give a text, files, or both.")
        _check_length(platform, capabilities, letter.text)
        if letter.buttons and not capabilities.buttons:
            raise Refused(f"{platform} cannot show buttons.", hint="Ask in the text instead.")
        files = (
            await asyncio.to_thread(self._spool.take, list(letter.files), capabilities.max_file_bytes)
            if letter.files
            else []
        )
        detail = PartDetail(
            format=letter.format,
            author=letter.author,
            reply_to=letter.reply_to,
            files=files,
            buttons=list(letter.buttons),
        )
        part = NewPart(kind="message", text=letter.text, detail=detail)
        accepted = await self._outbound.accept(instance, tool_use_id, worker, letter.chat, [part])
        if not accepted.fresh:  # the same call came twice at once: these copies are nobody's
            for file in files:
                await asyncio.to_thread(self._spool.remove, file.path or "")
        return accepted

    async def change(self, tool: str, chat: str, part: NewPart, instance: str, tool_use_id: str | None) -> AcceptedCall:
        """Put an edit or a reaction on disk; raises as ``reply`` does."""
        worker, platform, capabilities = self.worker_for(chat, tool)
        _check_length(platform, capabilities, part.text)
        return await self._outbound.accept(instance, tool_use_id, worker, chat, [part])

    async def outcome(self, accepted: AcceptedCall) -> list[StoredPart]:
        """Return what has become of a call that is on disk: whatever happens from here on, it must not be repeated."""
        try:
            return await self._outbound.wait(accepted.call, WAIT_FOR_OUTCOME_S)
        except StoreUnavailable as trouble:
            log.warning("outcome_unknown", call=accepted.call, reason=str(trouble))
            return accepted.parts


def _check_length(platform: str, capabilities: Capabilities, text: str) -> None:
    if len(text) > capabilities.max_text:
        raise Refused(
            f"The text has {len(text)} characters; {platform} takes {capabilities.max_text} at most.",
            hint="Shorten it, split it into several messages, or send it as a file.",
        )

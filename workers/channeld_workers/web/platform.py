"""The web chat as a platform: one chat, whose page and scripts talk HTTP with this process."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn

from channeld.ipc.messages import (
    Capabilities,
    Failed,
    Fetch,
    Groups,
    HistoryItem,
    NotFetched,
    Notice,
    Presence,
    Prompt,
    Send,
    Sent,
    Typing,
)
from channeld_workers.runtime import BadCredentials, BadSettings, Outcome, Runtime
from channeld_workers.web import ids, render
from channeld_workers.web.api import Api
from channeld_workers.web.body import MAX_TEXT, is_emoji
from channeld_workers.web.http import ImpatientHttp
from channeld_workers.web.hub import Hub
from channeld_workers.web.prompts import Prompts
from channeld_workers.web.settings import read_settings

ADDRESS: Final = "127.0.0.1"
CHAT: Final = "main"
GRACE_S: Final = 2
"""How long requests that are being answered may take when the worker stops."""
MAX_CONNECTIONS: Final = 256


class WebPlatform:
    """Shows one chat to whoever holds the token.

    What Claude sends is not delivered here: the daemon stores it and tells of it with a ``Receipt``, and the page is
    fed from those and from the history. So a send cannot fail half-way, and repeating one changes nothing.
    """

    name = "web"
    capabilities = Capabilities(
        tools=["reply", "edit_message", "react", "download_attachment"],
        max_text=MAX_TEXT,
        idempotent=True,
        receipts=True,
        presence=True,
        prompts=True,
        notices=True,
    )

    def __init__(self) -> None:
        self._hub = Hub()
        self._prompts = Prompts()
        self._chat = ""
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self, runtime: Runtime) -> str:
        """Listen on the loopback address, and return the page's URL (without the token)."""
        settings = read_settings(runtime.worker, runtime.settings)
        if runtime.token is None:
            raise BadCredentials(
                "The web chat has no token, and without one it would let everybody on this machine in.",
                hint="Run `channeld restart`: the daemon makes a token where there is none.",
            )
        listener = _listen(runtime.worker, settings.port)
        port = listener.getsockname()[1]
        self._chat = f"{runtime.worker}:{CHAT}"
        app = Api(runtime, self._hub, self._prompts, self._chat, settings.max_upload_bytes).app(port, runtime.token)
        self._server = _Server(
            uvicorn.Config(
                app,
                http=ImpatientHttp,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._serving = runtime.spawn(self._server.serve(sockets=[listener]), "http")
        return f"http://{ADDRESS}:{port}"

    async def send(self, part: Send) -> Outcome:
        """Give the part its id: it is in the store, which is where the page looks."""
        if part.chat != self._chat:
            return Failed(ref=part.ref, reason=f"The web chat has one chat, {self._chat}.")
        match part.kind:
            case "message":
                return Sent(ref=part.ref, message_id=ids.sent_id(part.send_id))
            case "react" if not is_emoji(part.text):
                return Failed(ref=part.ref, reason="A reaction is one emoji.")
            case "edit" | "react" if part.message_id:
                return Sent(ref=part.ref, message_id=part.message_id)
            case "edit" | "react":
                return Failed(ref=part.ref, reason="It does not say which message is meant.")
            case _:
                return Failed(ref=part.ref, reason=f"The web chat cannot do {part.kind!r}.")

    async def fetch(self, wanted: Fetch) -> NotFetched:
        """Never asked for: files come with their upload."""
        return NotFetched(ref=wanted.ref, reason="files of the web chat come with their message")

    def receipt(self, item: HistoryItem) -> None:
        """Show a message that is new or has changed."""
        self._hub.message(render.message(item))

    def presence(self, presence: Presence) -> None:
        """Show whether a session listens."""
        self._hub.presence(render.presence(presence.of(self._chat)))

    def groups(self, groups: Groups) -> None:
        """Never called: a browser has no groups."""

    def typing(self, typing: Typing) -> None:
        """Show whether Claude works on a message of this chat."""
        if typing.chat == self._chat:
            self._hub.typing(typing.working)

    def prompt(self, prompt: Prompt) -> None:
        """Show what Claude Code asks, or that it is settled."""
        self._prompts.put(prompt)
        self._hub.prompt(render.prompt(prompt))

    def notice(self, notice: Notice) -> None:
        """Show a line of channeld's own to whoever looks at this chat now."""
        if notice.chat == self._chat:
            self._hub.notice(render.notice(notice))

    async def stop(self) -> None:
        """Finish the requests in hand and close."""
        self._hub.close()
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await asyncio.wait({self._serving})


class _Server(uvicorn.Server):
    """Leaves the signals to the runtime."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(worker: str, port: int) -> socket.socket:
    """Return a listening socket; what is wrong with the port becomes a sentence."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a predecessor may linger
        listener.bind((ADDRESS, port))
        listener.listen(128)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise BadSettings(
                f"Port {port} of {ADDRESS} is in use by another program.",
                hint=f"Set another [workers.{worker}] port in config.toml, or 0 for any free one.",
                code="port_in_use",
            ) from error
        raise BadSettings(
            f"Port {port} of {ADDRESS} cannot be used: {error.strerror}.",
            hint=f"Set another [workers.{worker}] port in config.toml; those below 1024 need privileges.",
            code="port_refused",
        ) from error
    return listener

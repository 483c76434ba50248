"""The routes: the page's files, and the script API that the page itself uses."""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from importlib.resources import files as resources
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from channeld.core.errors import Refused as RequestRefused
from channeld.ipc.messages import Accepted, Attachment, History, Inbound
from channeld_workers.runtime import Runtime
from channeld_workers.web import body, files, ids, render
from channeld_workers.web.auth import Guard, Refusal, answer, error
from channeld_workers.web.hub import Hub

ANSWER_WITHIN_S: Final = 30.0
"""How long the daemon may take; after that nobody knows whether it is on disk."""
SENDER: Final = ("owner", "you")  # id and name: the holder of the token
_MODULES: Final = (
    "api app banner chosen composer dom events files menu message outbox prompts prose scroll tabs timeline".split()
)
_STATIC: Final = {
    "/": ("index.html", "text/html"),
    "/style.css": ("style.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    **{f"/{name}.js": (f"{name}.js", "text/javascript") for name in _MODULES},
}
_AWAY: Final = Refusal(
    503, "channeld does not answer.", "Repeat it with the same Idempotency-Key: that cannot double a message."
)

_KEY_TAKEN: Final = Refusal(
    422, "This Idempotency-Key was used for another text.", "Use a new key for every message; keep it for repeats only."
)


class Api:
    """Answers requests; whoever gets here has passed the guard."""

    def __init__(self, runtime: Runtime, hub: Hub, chat: str, max_upload_bytes: int) -> None:
        self._runtime = runtime
        self._hub = hub
        self._chat = chat
        self._max_upload_bytes = max_upload_bytes

    def app(self, port: int, token: str) -> ASGIApp:
        """Return the ASGI application."""
        routes = [Route(path, _static(name, mime)) for path, (name, mime) in _STATIC.items()]
        routes += [
            Route("/api/messages", self.messages),
            Route("/api/messages", self.post_message, methods=["POST"]),
            Route("/api/files", self.post_files, methods=["POST"]),
            Route("/api/files/{message_id}/{index:int}", self.file),
            Route("/api/prompts", self.prompts),
            Route("/api/prompts/{prompt_id}", self.answer_prompt, methods=["POST"]),
            Route("/api/events", self.events),
        ]
        handlers = {HTTPException: _http_error, Exception: _crash}
        return Guard(Starlette(routes=routes, exception_handlers=handlers), port=port, token=token)

    async def post_message(self, request: Request) -> Response:
        """Put a text into the mailbox; 202 once it is on disk."""
        key = body.read_key(request)
        post = await body.read_post(request)
        return await self._offer(key, post.text, post.reply_to, [])

    async def post_files(self, request: Request) -> Response:
        """Save files and put a message with them into the mailbox; 202 once all of it is on disk."""
        key = body.read_key(request)
        upload, form = await body.read_upload(request, self._max_upload_bytes)
        saved: list[Attachment] = []
        try:
            for file in upload.files:
                save = partial(files.save, file.file, file.filename or "", self._runtime.inbox)
                saved.append(await asyncio.to_thread(save))
        except OSError as problem:
            await asyncio.to_thread(files.discard, saved)
            self._runtime.log.error("upload_not_saved", reason=problem.strerror)
            return error(Refusal(503, f"The file cannot be saved: {problem.strerror}.", "Make room on the disk."))
        finally:
            await form.close()
        return await self._offer(key, upload.text, upload.reply_to, saved)

    async def _offer(self, key: str | None, text: str, reply_to: str | None, saved: list[Attachment]) -> Response:
        message_id = ids.new_id(time.time_ns() // 1_000_000, os.urandom(10)) if key is None else ids.posted_id(key)
        event = Inbound(
            event_key=f"message:{message_id}",
            chat=self._chat,
            message_id=message_id,
            sender_id=SENDER[0],
            sender=SENDER[1],
            text=text,
            sent_at=time.time(),
            reply_to_id=reply_to,
            attachments=saved,
        )
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                verdict = await self._runtime.offer(event)
        except (ConnectionError, TimeoutError):
            return error(_AWAY)  # the files stay: the message may be on disk
        if isinstance(verdict, Accepted):
            if verdict.duplicate:
                await asyncio.to_thread(files.discard, saved)
                known = (await self._ask(only=message_id)).items
                if known and known[0].text != text:
                    return error(_KEY_TAKEN)
            return answer({"message_id": message_id}, 202)
        await asyncio.to_thread(files.discard, saved)
        if verdict.retry:
            return error(Refusal(503, verdict.text, "Repeat it in a moment."))
        return error(Refusal(403, verdict.text))

    async def messages(self, request: Request) -> Response:
        """List messages, oldest first."""
        after, before, limit = body.read_page(request)
        history = await self._ask(after=after, before=before, limit=limit)
        return answer({"messages": [render.message(item) for item in history.items], "more": history.more})

    async def file(self, request: Request) -> Response:
        """Hand out the file of a message of this chat. Only what the mailbox knows has an address here."""
        message_id, index = request.path_params["message_id"], request.path_params["index"]
        gone = HTTPException(404, "There is no such file: the message is unknown, or its files were deleted by age.")
        if not ids.MESSAGE_ID.fullmatch(message_id):
            raise gone
        history = await self._ask(only=message_id)
        item = next((item for item in history.items if item.id == message_id and item.chat == self._chat), None)
        if item is None or index >= len(item.attachments):
            raise gone
        file = item.attachments[index]
        if file.path is None or not await asyncio.to_thread(files.is_there, file.path):
            raise gone
        mime = files.safe_mime(file.mime)
        return FileResponse(
            file.path,
            headers={"Content-Security-Policy": files.FILE_POLICY},
            media_type=mime,
            filename=files.safe_name(file.name),
            content_disposition_type=files.disposition(mime),
        )

    async def _ask(
        self, *, after: str | None = None, before: str | None = None, limit: int = 200, only: str | None = None
    ) -> History:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._runtime.history(self._chat, after, before, limit, only=only)
        except RequestRefused as problem:
            raise HTTPException(404 if problem.code == "foreign_chat" else 503, str(problem)) from problem
        except (ConnectionError, TimeoutError) as problem:
            raise HTTPException(503, _AWAY.error) from problem

    async def prompts(self, request: Request) -> Response:
        """List what waits for an answer: nothing asks yet."""
        return answer({"prompts": []})

    async def answer_prompt(self, request: Request) -> Response:
        """Answer a prompt."""
        raise HTTPException(404, "No prompt with this id is open.")

    async def events(self, request: Request) -> Response:
        """Stream what happens, from now on."""
        if self._hub.full:
            return error(Refusal(503, "Too many pages are open.", "Close some of them."))
        return StreamingResponse(self._hub.stream(), media_type="text/event-stream")


def _static(name: str, mime: str) -> partial[Response]:
    content = (resources("channeld_workers.web") / "static" / name).read_bytes()

    async def endpoint(request: Request) -> Response:
        return Response(content, media_type=mime)

    return endpoint  # type: ignore[return-value]


async def _http_error(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    response = error(Refusal(problem.status_code, problem.detail))
    response.headers.update(problem.headers or {})
    return response


async def _crash(request: Request, problem: Exception) -> Response:
    """Answer for a mistake of ours; the server logs it."""
    return error(Refusal(500, "Something went wrong inside channeld.", "Run `channeld logs web` to see what."))

"""The routes: the page's files, and the script API that the page itself uses."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.resources import files as resources
from pathlib import PurePath
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from channeld.core.errors import Refused as RequestRefused
from channeld.ipc.messages import Accepted, Attachment, History, HistoryItem, Inbound, Refused
from channeld_workers import files
from channeld_workers.runtime import Runtime
from channeld_workers.web import body, handing, ids, render
from channeld_workers.web.auth import Guard, Refusal, answer, error
from channeld_workers.web.hub import Hub
from channeld_workers.web.prompts import Prompts

ANSWER_WITHIN_S: Final = 30.0
"""How long the daemon may take; after that nobody knows whether it is on disk."""
OWNER_NAME: Final = "you"
QUOTE_LIMIT: Final = 400
"""Characters of a quoted message that travel with the one that quotes it."""
_PAGE_MIMES: Final = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_AWAY: Final = Refusal(
    503, "channeld does not answer.", "Repeat it with the same Idempotency-Key: that cannot double a message."
)
_AWAY_ANSWER: Final = Refusal(503, "channeld does not answer.", "Look whether the question is still open.")
_KEY_TAKEN: Final = Refusal(
    422, "This Idempotency-Key was used for another text.", "Use a new key for every message; keep it for repeats only."
)


class Api:
    """Answers requests; whoever gets here has passed the guard."""

    def __init__(self, runtime: Runtime, hub: Hub, prompts: Prompts, chat: str, max_upload_bytes: int) -> None:
        self._runtime = runtime
        self._hub = hub
        self._prompts = prompts
        self._chat = chat
        self._max_upload_bytes = max_upload_bytes

    def app(self, port: int, token: str) -> ASGIApp:
        """Return the ASGI application."""
        routes = _page()
        routes += [
            Route("/api/messages", self.messages),
            Route("/api/messages", self.post_message, methods=["POST"]),
            Route("/api/messages/{message_id}", self.edit_message, methods=["PATCH"]),
            Route("/api/messages/{message_id}/reaction", self.react, methods=["PUT"]),
            Route("/api/files", self.post_files, methods=["POST"]),
            Route("/api/files/{message_id}/{index:int}", self.file),
            Route("/api/prompts", self.prompts),
            Route("/api/prompts/{prompt_id}", self.answer_prompt, methods=["POST"]),
            Route("/api/prompts/{prompt_id}/file", self.prompt_file),
            Route("/api/events", self.events),
        ]
        handlers = {HTTPException: _http_error, Exception: _crash}
        return Guard(Starlette(routes=routes, exception_handlers=handlers), port=port, token=token)

    async def post_message(self, request: Request) -> Response:
        """Put a text into the mailbox; 202 once it is on disk."""
        key = body.read_key(request)
        post = await body.read_post(request)
        return await self._post(key, post.text, post.reply_to, [])

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
        return await self._post(key, upload.text, upload.reply_to, saved)

    async def edit_message(self, request: Request) -> Response:
        """Change the text of a message of one's own; 202 once that is on disk."""
        key = body.read_key(request)
        text = await body.read_text(request, "text")
        if not text.strip():
            raise HTTPException(400, "The text is empty.")
        edited = await self._find(request)
        if edited.direction != "in":
            raise HTTPException(403, "Only your own messages can be edited.")
        if edited.text == text:
            return answer({"message_id": edited.id}, 202)  # nothing to tell Claude
        verdict = await self._offer(self._event(f"edited:{edited.id}:{_once(key)}", "edited", edited.id, text))
        return _verdict(verdict, edited.id)

    async def react(self, request: Request) -> Response:
        """React to a message with an emoji, or take that back with an empty one; 202 once it is on disk."""
        key = body.read_key(request)
        emoji = body.check_emoji(await body.read_text(request, "emoji"))
        target = await self._find(request)
        verdict = await self._offer(self._event(f"reaction:{target.id}:{_once(key)}", "reaction", target.id, emoji))
        return _verdict(verdict, target.id)

    async def _post(self, key: str | None, text: str, reply_to: str | None, saved: list[Attachment]) -> Response:
        message_id = ids.new_id(time.time_ns() // 1_000_000, os.urandom(10)) if key is None else ids.posted_id(key)
        event = self._event(f"message:{message_id}", "message", message_id, text)
        event.reply_to_id, event.attachments = reply_to, saved
        if reply_to is not None:
            with contextlib.suppress(HTTPException):  # a quote without its text is better than no message
                if (quoted := await self._known(reply_to)) is not None:
                    event.reply_to_user, event.reply_to_text = quoted.user, quoted.text[:QUOTE_LIMIT]
        verdict = await self._offer(event)
        if verdict is None:
            return error(_AWAY)  # the files stay: the message may be on disk
        if isinstance(verdict, Refused) or verdict.duplicate:
            await asyncio.to_thread(files.discard, saved)
        if isinstance(verdict, Accepted) and verdict.duplicate:
            known = await self._known(message_id)
            if known is not None and not known.edited and known.text != text:
                return error(_KEY_TAKEN)
        return _verdict(verdict, message_id)

    def _event(self, key: str, kind: str, message_id: str, text: str) -> Inbound:
        """Return an event of the token's holder."""
        return Inbound(
            event_key=key, chat=self._chat, kind=kind, message_id=message_id, sender_id=ids.OWNER, sender=OWNER_NAME,
            text=text, sent_at=time.time(),
        )  # fmt: skip

    async def _offer(self, event: Inbound) -> Accepted | Refused | None:
        """Return what the daemon says; None where nobody can tell whether it is on disk."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._runtime.offer(event)
        except (ConnectionError, TimeoutError):
            return None

    async def messages(self, request: Request) -> Response:
        """List messages, oldest first."""
        after, before, limit = body.read_page(request)
        history = await self._ask(after=after, before=before, limit=limit)
        # In a thread: a page full of long Markdown takes seconds, and the worker must be heard meanwhile.
        messages = await asyncio.to_thread(lambda: [render.message(item) for item in history.items])
        return answer({"messages": messages, "more": history.more})

    async def file(self, request: Request) -> Response:
        """Hand out the file of a message of this chat. Only what the mailbox knows has an address here."""
        message_id, index = request.path_params["message_id"], request.path_params["index"]
        gone = HTTPException(404, "There is no such file: the message is unknown, or its files were deleted by age.")
        item = await self._known(message_id)
        if item is None or index >= len(item.attachments):
            raise gone
        file = item.attachments[index]
        if file.path is None or not await asyncio.to_thread(files.is_there, file.path):
            raise gone
        mime = files.safe_mime(file.mime)
        return FileResponse(
            file.path,
            headers={"Content-Security-Policy": handing.FILE_POLICY},
            media_type=mime,
            filename=files.safe_name(file.name),
            content_disposition_type=handing.disposition(mime),
        )

    async def _find(self, request: Request) -> HistoryItem:
        """Return the message that the path names."""
        item = await self._known(request.path_params["message_id"])
        if item is None:
            raise HTTPException(404, "There is no such message: its id is wrong, or it was deleted by age.")
        return item

    async def _known(self, message_id: str) -> HistoryItem | None:
        """Return a message of this chat, or None."""
        if not ids.MESSAGE_ID.fullmatch(message_id):
            return None
        items = (await self._ask(only=message_id)).items
        return next((item for item in items if item.id == message_id and item.chat == self._chat), None)

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
        """List what waits for an answer, and what was settled lately."""
        return answer({"prompts": self._prompts.listed()})

    async def answer_prompt(self, request: Request) -> Response:
        """Answer a prompt; 200 once the answer counts."""
        text = await body.read_answer(request)
        prompt = self._prompts.find(request.path_params["prompt_id"])
        if prompt is None:
            raise HTTPException(404, "There is no such prompt.")
        if prompt.state != "open":
            return error(Refusal(409, "That was settled already.", "Nothing has to be done."))
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                verdict = await self._runtime.answer(prompt.id, text, ids.OWNER, OWNER_NAME)
        except (ConnectionError, TimeoutError):
            return error(_AWAY_ANSWER)
        if isinstance(verdict, Accepted):
            return answer({})
        status = 503 if verdict.retry else 400 if verdict.code == "bad_answer" else 409
        return error(Refusal(status, verdict.text))

    async def prompt_file(self, request: Request) -> Response:
        """Hand out the whole text of a prompt whose card shows only a part of it."""
        prompt = self._prompts.find(request.path_params["prompt_id"])
        if prompt is None or prompt.file is None or not await asyncio.to_thread(files.is_there, prompt.file):
            raise HTTPException(404, "There is no such text: it is in the card, or was settled and removed.")
        return FileResponse(
            prompt.file,
            headers={"Content-Security-Policy": handing.FILE_POLICY},
            media_type="text/plain; charset=utf-8",
            filename=files.safe_name(f"{prompt.kind}-{prompt.id}.txt"),
            content_disposition_type="attachment",
        )

    async def events(self, request: Request) -> Response:
        """Stream what happens, from now on."""
        if self._hub.full:
            return error(Refusal(503, "Too many pages are open.", "Close some of them."))
        return StreamingResponse(self._hub.stream(), media_type="text/event-stream")


def _once(key: str | None) -> str:
    """Return what tells a change from every other: the caller's key, by which it may be repeated, or chance."""
    return os.urandom(10).hex() if key is None else ids.posted_id(key)


def _verdict(verdict: Accepted | Refused | None, message_id: str) -> Response:
    """Answer a post by what the daemon said."""
    if verdict is None:
        return error(_AWAY)
    if isinstance(verdict, Accepted):
        return answer({"message_id": None if verdict.command else message_id}, 202)
    if verdict.retry:
        return error(Refusal(503, verdict.text, "Repeat it in a moment."))
    return error(Refusal(403, verdict.text))


def _page() -> list[Route]:
    """Return a route for each file of the page, read now: no request leads to a path on the disk."""
    routes = []
    for file in (resources("channeld_workers.web") / "static").iterdir():
        mime = _PAGE_MIMES.get(PurePath(file.name).suffix)
        if mime is not None:
            path = "/" if file.name == "index.html" else f"/{file.name}"
            routes.append(Route(path, _static(file.read_bytes(), mime)))
    return routes


def _static(content: bytes, mime: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return Response(content, media_type=mime)

    return endpoint


async def _http_error(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    response = error(Refusal(problem.status_code, problem.detail))
    response.headers.update(problem.headers or {})
    return response


async def _crash(request: Request, problem: Exception) -> Response:
    """Answer for a mistake of ours; the server logs it."""
    return error(Refusal(500, "Something went wrong inside channeld.", "Run `channeld logs web` to see what."))

"""Telegram's Bot API for one bot, over real HTTP on the loopback; stricter than Telegram is.

What a good client never does is in ``violations``. Everything else a test asks of it is in ``bot_api_world``
(chats, messages, records), ``bot_api_person`` (what people do) and here: faults, and the connection itself.

::

    async with BotApi() as api:
        ada = api.person(412587349, "Ada")
        chat = api.add_private_chat(ada)
        api.cut("sendMessage", Where.AFTER, chat=chat.id)
        ... a worker with api.url and api.token ...
        ada.write(chat, "hello")
        answer = await api.until(lambda: api.sent and api.sent[-1])
        assert not api.violations
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from aiohttp import web

from tests.doubles.bot_api_calls import Call, check_parameters, read_parameters
from tests.doubles.bot_api_checks import ApiError, Mistake
from tests.doubles.bot_api_faults import Fault, Garbage, Held, Where
from tests.doubles.bot_api_methods import METHODS, NAMES
from tests.doubles.bot_api_person import Person
from tests.doubles.bot_api_world import World
from tests.doubles.http_faults import PAGE, Faults, abort, answer_garbage, reset
from tests.doubles.served import Served, serve

TOKEN = re.compile(r"\d{6,12}:[\w-]{30,40}")
ENDING_S = 1.0
ANY_BYTES = 1 << 40  # how large a file may be is for the methods to say
DOWNLOAD = "download"  # what a fault's method is called for the links of files


class BotApi(World):
    """A server of the Bot API; ``async with`` starts and stops it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.calls: list[Call] = []
        self.refusals: list[tuple[str, str]] = []  # the method and the description of every error that was no fault
        self.portal_visits = 0
        self.requests = 0  # that have begun
        self.interrupted = 0  # requests that did not come to their end, of which nothing was carried out
        self._faults: Faults[Fault] = Faults()
        self._quiet: dict[tuple[str, int | None], float] = {}
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._revoked = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """The address that stands for ``https://api.telegram.org``."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Listen; after ``stop`` on the same port as before, with everything as it was."""
        app = web.Application(client_max_size=ANY_BYTES)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=ENDING_S, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self, *, abruptly: bool = False) -> None:
        """Answer what waits and listen no more; abruptly, every connection is reset instead."""
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        if abruptly and runner.server is not None:
            for connection in runner.server.connections:
                if connection.transport is not None:
                    abort(connection.transport)
        self._faults.clear()
        self.updates.end_poll("Bad Gateway", 502)
        await runner.cleanup()

    def person(self, person_id: int, first_name: str = "Ada", username: str | None = None) -> Person:
        """Return a person, who is in no chat yet."""
        return Person(self, person_id, first_name, username)

    def revoke_token(self) -> None:
        """Let the token be valid no more."""
        self._revoked = True

    def restore_token(self) -> None:
        """Let it be valid again."""
        self._revoked = False

    def calls_of(self, method: str) -> list[Call]:
        """Return the requests of one method so far."""
        return [call for call in self.calls if call.method == method]

    # Faults

    def fail(
        self,
        method: str,
        status: int,
        description: str,
        parameters: dict[str, Any] | None = None,
        times: int | None = 1,
        chat: int | None = None,
    ) -> None:
        """Refuse a method's next requests with an error; ``*`` is every method, no ``times`` is for ever."""
        fault = Fault(method, chat, times, status=status, description=description, parameters=parameters)
        self._faults.add(fault)

    def cut(self, method: str, where: str = Where.BEFORE, times: int | None = 1, chat: int | None = None) -> None:
        """Reset the connection of a method's next requests, before or after carrying them out."""
        self._faults.add(Fault(method, chat, times, where=Where(where)))

    def hold(self, method: str, where: str = Where.AFTER, times: int | None = 1, chat: int | None = None) -> Held:
        """Let a method's next request wait, for its answer or before it is carried out.

        To be called in the server's loop.
        """
        held = Held()
        self._faults.add(Fault(method, chat, times, where=Where(where), held=held))
        return held

    def garbage(
        self,
        method: str,
        kind: Garbage,
        status: int = 200,
        where: str = Where.BEFORE,
        times: int | None = 1,
        chat: int | None = None,
    ) -> None:
        """Answer a method's next requests with what is none of Telegram's answers."""
        self._faults.add(Fault(method, chat, times, status=status, where=Where(where), garbage=kind))

    def mend(self) -> None:
        """Let nothing go wrong any more; answers that wait are given."""
        self._faults.clear()

    @property
    def faults_left(self) -> int:
        """How many kinds of trouble have not come as often as they were told to."""
        return len(self._faults.left)

    # Requests

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request."""
        if request.path == "/portal":
            self.portal_visits += 1
            return web.Response(text=PAGE, content_type="text/html")
        found = re.fullmatch(r"/(file/)?bot([^/]*)/(.*)", request.path, re.DOTALL)
        if found is None or not TOKEN.fullmatch(found[2]):
            return answer(ApiError(404, "Not Found").body)
        if found[2] != self.token or self._revoked:
            return answer(ApiError(401, "Unauthorized").body)
        method = DOWNLOAD if found[1] else NAMES.get(found[3].lower())
        if method is None:
            self.violations.append(f"unknown method {found[3]}")
            return answer(ApiError(404, "Not Found").body)
        self.requests += 1
        self.changed()
        call = Call(method, self.clock())
        if method == DOWNLOAD:
            call.parameters["file_path"] = found[3]
        try:
            return await self._answer(call, request)
        except ConnectionError:  # the client has gone
            raise
        except Exception as error:
            self.violations.append(f"{method}: the server cannot cope with it: {error!r}")
            raise

    async def _answer(self, call: Call, request: web.Request) -> web.StreamResponse:
        """Answer a request of a known method, or let go wrong what is to."""
        try:
            error = await read(call, request)
        except (asyncio.CancelledError, ConnectionError):
            self.interrupted += 1
            self.changed()
            raise
        self.calls.append(call)
        self._check_patience(call)
        fault = self._faults.take(call)
        if fault is not None and fault.held is not None and fault.where is Where.BEFORE:
            if not await fault.held.wait(call):
                return await reset(request)
            fault = None
        if fault is None or fault.where is Where.AFTER:
            body = await self._carry_out(call, error)
        else:
            body = ApiError(fault.status or 502, fault.description or "Bad Gateway", fault.parameters).body
        self._remember_wait(call, body)
        self.changed()
        if fault is not None and fault.held is not None:
            if not await fault.held.wait(call):
                return await reset(request)
        elif fault is not None and fault.garbage is not None:
            whole = body if isinstance(body, bytes) else json.dumps(body).encode()
            return await answer_garbage(request, fault.garbage, fault.status, whole, f"{self.url}/portal")
        elif fault is not None and not fault.status:
            return await reset(request)
        return answer(body)

    async def _carry_out(self, call: Call, error: ApiError | None) -> dict[str, Any] | bytes:
        """Do what a request asks; return the body of the answer."""
        try:
            if error is not None:
                raise error
            if call.method == DOWNLOAD:
                return self._download(call.parameters["file_path"])
            result = METHODS[call.method].carry_out(self, call)
            if inspect.isawaitable(result):
                result = await result
            call.complaints += [
                f"{name} was uploaded for nothing" for name, one in call.uploads.items() if not one.used
            ]
        except ApiError as caught:
            if isinstance(caught, Mistake):
                call.complaints.append(caught.description)
            self.refusals.append((call.method, caught.description))
            return caught.body
        finally:
            self.violations += [f"{call.method}: {complaint}" for complaint in call.complaints]
        return {"ok": True, "result": result}

    def _download(self, path: str) -> bytes:
        """Return the file behind a link."""
        for stored in self.files.values():
            if stored.path == path:
                return stored.data
        raise ApiError(404, "Not Found")

    # Whether a client waits as long as it was told to

    def _remember_wait(self, call: Call, body: dict[str, Any] | bytes) -> None:
        """Note the answer, and until when nothing more may come if it says so."""
        call.answer = body
        if isinstance(body, bytes):
            call.status = 200
            return
        call.status = body.get("error_code", 200)
        wait_s = body.get("parameters", {}).get("retry_after")
        if wait_s is not None:
            self._quiet[pace(call)] = self.clock() + wait_s

    def _check_patience(self, call: Call) -> None:
        """Notice a request that comes too early, also one that was on its way: sending to a chat is one by one."""
        if call.at < self._quiet.get(pace(call), 0):
            self.violations.append(f"{call.method}: came to chat {call.chat} before retry_after was over")


async def read(call: Call, request: web.Request) -> ApiError | None:
    """Read what a request carries; return what is wrong with it."""
    try:
        if call.method == DOWNLOAD:
            await request.read()
        else:
            await read_parameters(call, request)
            check_parameters(call, METHODS[call.method].takes)
    except ApiError as error:
        return error
    return None


def pace(call: Call) -> tuple[str, int | None]:
    """Return what shares one wait: everything that sends a message to a chat, and every other method for itself."""
    sends = call.method.startswith("send") and call.method != "sendChatAction"
    return "send" if sends else call.method, call.chat


def answer(body: dict[str, Any] | bytes) -> web.Response:
    """Return an answer of Telegram's."""
    if isinstance(body, bytes):
        return web.Response(body=body, content_type="application/octet-stream")
    return web.json_response(body, status=body.get("error_code", 200))


@contextmanager
def serve_in_thread(**options: Any) -> Iterator[Served[BotApi]]:
    """Run a server in a thread."""
    with serve(BotApi(**options)) as served:
        yield served

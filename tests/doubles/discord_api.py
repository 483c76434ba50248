"""Discord for one bot, REST and gateway, over real HTTP and WebSockets on the loopback; stricter than Discord is.

What a good client never does is in ``violations``. Everything else a test asks of it is in ``discord_api_world``
(messages, files, records), ``discord_api_places`` (guilds, channels, permissions), ``discord_api_person`` (what people
do), ``discord_api_gateway`` (sessions, heartbeats, intents: ``api.gateway``), ``discord_api_rates`` (``api.rates``) and
here: faults, and the connection itself. Faults name routes as ``discord_api_routes`` does. ``discord_client`` connects
the real discord.py in the test's own process, ``discord_dispatches`` has a corpus for ``api.dispatch``.

::

    async with DiscordApi() as api:
        ada = api.person("ada", "Ada")
        guild = api.add_guild("Workshop", ada)
        general = api.add_channel(guild, "general")
        api.cut("create_message", Where.AFTER, channel=general.id)
        ... a worker with api.url, api.gateway_url and api.token ...
        ada.write(general, f"{api.mention} hello")
        answer = await api.until(lambda: api.sent and api.sent[-1])
        assert not api.violations
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from aiohttp import web

from tests.doubles.discord_api_calls import Call, check_fields, read_request
from tests.doubles.discord_api_checks import ApiError, Mistake
from tests.doubles.discord_api_faults import Fault, Garbage, Held, Where
from tests.doubles.discord_api_person import Person
from tests.doubles.discord_api_rates import Rates
from tests.doubles.discord_api_routes import ROUTES
from tests.doubles.discord_api_world import World
from tests.doubles.http_faults import PAGE, Faults, abort, answer_garbage, reset
from tests.doubles.served import Served, serve

ROOT = "/api/v10"
AGENT = re.compile(r"DiscordBot \(\S+,? \S+\).*")
CDN = re.compile(r"/(?:cdn|media)/attachments/(\d+)/(\d+)/[^/]+")
ANY_BYTES = 1 << 40  # how large a file may be is for the routes to say
ENDING_S = 1.0
DOWNLOAD = "download"  # what a fault's method is called for the links of files


class DiscordApi(World):
    """A server of Discord's; ``async with`` starts and stops it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.calls: list[Call] = []
        self.refusals: list[tuple[str, int, str]] = []  # method, code and message of every error that was no fault
        self.unauthorized = 0  # requests with another token
        self.portal_visits = 0
        self.rates = Rates(self.clock, self.wall, self.violations)
        self._faults: Faults[Fault] = Faults()
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """The address that stands for ``https://discord.com/api/v10``."""
        return f"{self.address}{ROOT}"

    @property
    def gateway_url(self) -> str:
        """The address that stands for ``wss://gateway.discord.gg/``."""
        return self.gateway.address

    @property
    def mention(self) -> str:
        """How people mention the bot."""
        return f"<@{self.bot_id}>"

    async def start(self) -> None:
        """Listen; after ``stop`` on the same port as before, with everything as it was."""
        app = web.Application(client_max_size=ANY_BYTES)
        app.router.add_get("/gateway", self.gateway.serve)
        app.router.add_get("/gateway/", self.gateway.serve)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=ENDING_S, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]
        self.address = f"http://127.0.0.1:{self._port}"
        self.gateway.address = f"ws://127.0.0.1:{self._port}/gateway"

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
        # Whoever was reset says no goodbye: to wait for one would outlive the test.
        self.gateway.drop(None if abruptly else 1001)
        await runner.cleanup()

    def person(self, username: str = "ada", name: str | None = None, *, bot: bool = False, user_id: int = 0) -> Person:
        """Return a person, or another bot, who is in no guild yet."""
        return Person(self, username, name, bot=bot, user_id=user_id)

    def calls_of(self, method: str) -> list[Call]:
        """Return the requests of one route so far."""
        return [call for call in self.calls if call.method == method]

    def dispatch(self, name: str, data: Any) -> None:
        """Send a dispatch of any shape to every session."""
        self.gateway.dispatch(name, data)

    # Faults

    def refuse(
        self,
        method: str,
        status: int,
        code: int = 0,
        message: str = "",
        *,
        times: int | None = 1,
        channel: int | None = None,
    ) -> None:
        """Refuse a route's next requests with an error; ``*`` is every route, no ``times`` is for ever."""
        body = {"message": message or f"{status}: refused by the test", "code": code}
        self._faults.add(Fault(method, channel, times, status=status, body=body))

    def slow_down(
        self,
        method: str,
        retry_after_s: float,
        *,
        whole: bool = False,
        times: int | None = 1,
        channel: int | None = None,
    ) -> None:
        """Answer 429 to a route's next requests; ``whole`` is the global limit."""
        body = {"retry_after": retry_after_s, "global": whole}
        self._faults.add(Fault(method, channel, times, status=429, body=body))

    def ban(self, method: str = "*", times: int | None = 1) -> None:
        """Answer as the network before Discord does to who asks too much: 429, with no JSON and no ``Via``."""
        self._faults.add(Fault(method, None, times, status=429, body={}))

    def cut(self, method: str, where: str = Where.BEFORE, times: int | None = 1, channel: int | None = None) -> None:
        """Reset the connection of a route's next requests, before or after carrying them out."""
        self._faults.add(Fault(method, channel, times, where=Where(where)))

    def hold(self, method: str, where: str = Where.AFTER, times: int | None = 1, channel: int | None = None) -> Held:
        """Let a route's next request wait, for its answer or before it is carried out.

        To be called in the server's loop.
        """
        held = Held()
        self._faults.add(Fault(method, channel, times, where=Where(where), held=held))
        return held

    def garbage(
        self,
        method: str,
        kind: Garbage,
        status: int = 200,
        where: str = Where.BEFORE,
        times: int | None = 1,
        channel: int | None = None,
    ) -> None:
        """Answer a route's next requests with what is none of Discord's answers."""
        self._faults.add(Fault(method, channel, times, status=status, where=Where(where), garbage=kind))

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
        path = request.rel_url.raw_path
        if path == "/portal":
            self.portal_visits += 1
            return web.Response(text=PAGE, content_type="text/html")
        if path.startswith(("/cdn/", "/media/")):
            call = Call(DOWNLOAD, self.clock(), {"path": path})
            if "Authorization" in request.headers:
                self.violations.append("download: the token was sent along")
        else:
            found = self._route(request.method, path.removeprefix(ROOT)) if path.startswith(ROOT) else None
            if found is None:
                self.violations.append(f"unknown route {request.method} {path}")
                return answered(404, {"message": "404: Not Found", "code": 0}, {})
            call = Call(found[0], self.clock(), found[1])
            if ROUTES[call.method].with_token:
                if not AGENT.fullmatch(request.headers.get("User-Agent", "")):
                    self.violations.append(f"{call.method}: a User-Agent that is no bot's")
                if request.headers.get("Authorization") != f"Bot {self.token}" or self.revoked:
                    self.unauthorized += 1
                    self.changed()
                    return answered(401, {"message": "401: Unauthorized", "code": 0}, {})
        try:
            return await self._answer(call, request)
        except ConnectionError:  # the client has gone
            raise
        except Exception as error:
            self.violations.append(f"{call.method}: the server cannot cope with it: {error!r}")
            raise

    def _route(self, method: str, path: str) -> tuple[str, dict[str, str]] | None:
        for name, route in ROUTES.items():
            found = route.match(method, path)
            if found is not None:
                return name, found
        return None

    async def _answer(self, call: Call, request: web.Request) -> web.StreamResponse:
        """Answer a request of a known route, or let go wrong what is to."""
        error: ApiError | None = None
        try:
            await read_request(call, request)
            check_fields(call, ROUTES[call.method].takes if call.method != DOWNLOAD else {})
        except ApiError as caught:
            error = caught
        self.calls.append(call)
        limited = None if call.method == DOWNLOAD else self.rates.take(call)
        fault = self._faults.take(call) if limited is None else None
        if fault is not None and fault.held is not None and fault.where is Where.BEFORE:
            if not await fault.held.wait(call):
                return await reset(request)
            fault = None
        if limited is not None:
            call.status, call.answer = 429, limited
        elif fault is None or fault.where is Where.AFTER:
            await self._carry_out(call, error)
        else:
            self._refuse(call, fault)
        self.changed()
        if fault is not None and fault.held is not None:
            if not await fault.held.wait(call):
                return await reset(request)
        elif fault is not None and fault.garbage is not None:
            whole = json.dumps(call.answer).encode() if not isinstance(call.answer, bytes) else call.answer
            return await answer_garbage(request, fault.garbage, fault.status, whole, f"{self.address}/portal")
        elif fault is not None and not fault.status:
            return await reset(request)
        return answered(call.status or 500, call.answer, call.headers)

    def _refuse(self, call: Call, fault: Fault) -> None:
        """Note the answer that a fault gives."""
        call.status, call.answer = fault.status or 502, fault.body
        if fault.status == 429 and fault.body:
            call.answer = self.rates.refuse(call, fault.body["retry_after"], whole=fault.body["global"])
        elif fault.status == 429:
            call.answer = "error code: 1015"

    async def _carry_out(self, call: Call, error: ApiError | None) -> None:
        """Do what a request asks; note the answer."""
        try:
            if error is not None:
                raise error
            if call.method == DOWNLOAD:
                call.answer, call.status = self._download(call), 200
                return
            result = ROUTES[call.method].carry_out(self, call)
            if inspect.isawaitable(result):
                result = await result
            call.complaints += [
                f"{name} was uploaded for nothing" for name, one in call.uploads.items() if not one.used
            ]
            call.answer, call.status = result, 204 if result is None else 200
        except ApiError as caught:
            if isinstance(caught, Mistake):
                call.complaints.append(caught.message)
            self.refusals.append((call.method, caught.code, caught.message))
            call.answer, call.status = caught.body, caught.status
        finally:
            self.violations += [f"{call.method}: {complaint}" for complaint in call.complaints]

    def _download(self, call: Call) -> bytes:
        """Return the file behind a link.

        Raises:
            ApiError: there is none, or the link is valid no more.
        """
        found = CDN.fullmatch(call.path["path"])
        stored = self.files.get(int(found[2])) if found else None
        until = call.query.get("ex", "")
        if stored is None or call.query.get("hm") != self.signature(stored.id, until) or int(until, 16) < self.wall():
            raise ApiError(404, 0, "This content is no longer available.")
        call.headers["Content-Type"] = stored.mime
        return stored.data


def answered(status: int, body: Any, headers: dict[str, str]) -> web.Response:
    """Return an answer of Discord's: JSON has a content type without a charset, which discord.py asks for."""
    if body is None:
        return web.Response(status=204, headers=headers)
    if isinstance(body, bytes):
        return web.Response(status=status, body=body, headers=headers)
    if isinstance(body, str):
        return web.Response(status=status, text=body, headers=headers)
    through = {"Via": "1.1 google", "Content-Type": "application/json"}
    return web.Response(status=status, body=json.dumps(body).encode(), headers=headers | through)


@contextmanager
def serve_in_thread(**options: Any) -> Iterator[Served[DiscordApi]]:
    """Run a server in a thread."""
    with serve(DiscordApi(**options)) as served:
        yield served

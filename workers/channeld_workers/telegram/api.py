"""The Bot API over HTTP: python-telegram-bot's ``Bot`` on aiohttp, and errors that say whether anything was done.

The library's own HTTP client costs 0.8 ms more a call. What is received stays raw JSON: one update that the library
cannot read would cost its whole batch.
"""

from __future__ import annotations

import json
from typing import Any, Final

import aiohttp
import msgspec
from telegram import Bot
from telegram.error import BadRequest, NetworkError, TelegramError
from telegram.request import BaseRequest, RequestData

from channeld_workers.proxies import proxy_for

CONNECT_S: Final = 10.0
ANSWER_S: Final = 30.0
UPLOAD_S: Final = 300.0
POLL_S: Final = 30
"""How long the server may wait for an update before it answers with none."""
_KEPT_S: Final = 15.0
"""How long an idle connection is kept: less than servers do, so that none is closed under a request."""
_CONNECTIONS: Final = 64
_MOST_DIGITS: Final = 4000
"""Of a number that is read: Python refuses more of them."""


class NotReached(NetworkError):
    """The server was not reached, or what answered was not the Bot API: nothing was done."""


class TooFast(TelegramError):
    """The server asks to wait: nothing was done."""

    def __init__(self, delay_s: float) -> None:
        super().__init__(f"too many requests: the next is allowed in {delay_s:.0f} s")
        self.delay_s = delay_s


class _Failure(msgspec.Struct):
    """The Bot API's answer to what went wrong. Source: core.telegram.org/bots/api#making-requests."""

    ok: bool
    error_code: int
    description: str = ""
    parameters: dict[str, Any] = {}


_failure: Final = msgspec.json.Decoder(_Failure)


class Transport(BaseRequest):
    """python-telegram-bot's HTTP client, on aiohttp. One for polling and one for all else, as the library wants it."""

    def __init__(self, proxy: str | None) -> None:
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None

    @property
    def read_timeout(self) -> float | None:
        """Seconds for an answer, unless a call says otherwise."""
        return ANSWER_S

    async def initialize(self) -> None:
        """Open the connections' pool."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_KEPT_S),
                proxy=self._proxy,  # not trust_env: that reads .netrc in a thread for every request
                auto_decompress=True,
            )

    async def shutdown(self) -> None:
        """Close it."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The pool, for downloads."""
        assert self._session is not None, "initialize() comes first"
        return self._session

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        write_timeout: Any = BaseRequest.DEFAULT_NONE,
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """Send a request and return the status and the body of the answer.

        Raises:
            NotReached: nothing was done.
            TooFast: nothing was done.
            NetworkError: nobody can tell. No text of the error has the address in it, because that holds the token.
        """
        uploads = request_data is not None and request_data.contains_files
        wait_s = read_timeout if isinstance(read_timeout, int | float) else UPLOAD_S if uploads else ANSWER_S
        try:
            async with self.session.request(
                method, url, timeout=aiohttp.ClientTimeout(total=wait_s, sock_connect=CONNECT_S), allow_redirects=False,
                **_body(request_data),
            ) as answer:  # fmt: skip
                payload = await answer.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:  # not a byte has left
            raise NotReached(f"no connection ({type(error).__name__})") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NetworkError(f"the connection broke before the answer ({type(error).__name__})") from None
        if answer.status == 200:
            return 200, payload
        _check_failure(answer.status, payload, url.rpartition("/")[2])
        return answer.status, payload

    @staticmethod
    def parse_json_payload(payload: bytes) -> Any:
        """Return the answer's JSON; what is none is named without being shown, as it may be anybody's page."""
        try:
            found = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = _read_leniently(payload)
        if not isinstance(found, dict) or not ("result" in found or "error_code" in found):
            raise NetworkError("the answer is none of the Bot API's")  # the library takes it for granted
        return found


def _read_leniently(payload: bytes) -> Any:
    """Return JSON with half a character or an endless number in it, or raise: one update must not cost its batch."""
    try:
        return json.loads(payload.decode("utf-8", "replace"), parse_int=_integer)
    except (ValueError, RecursionError):
        raise NetworkError("the answer is no JSON") from None


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MOST_DIGITS else None


def _body(request_data: RequestData | None) -> dict[str, Any]:
    """Return the arguments of aiohttp for the parameters and files of a request."""
    if request_data is None:
        return {}
    if not request_data.contains_files:
        # Strings are sent as they are, everything else as JSON within JSON, which is what the library's property does.
        return {"data": request_data.json_payload, "headers": {"Content-Type": "application/json"}}
    form = aiohttp.FormData(quote_fields=False)
    for name, value in request_data.json_parameters.items():
        form.add_field(name, value)
    for name, (filename, content, mime) in request_data.multipart_data.items():
        form.add_field(name, content, filename=filename, content_type=mime)
    return {"data": form}


def _check_failure(status: int, payload: bytes, method: str) -> None:
    """Raise for answers that say nothing about the request itself: another's page, or that it came too fast."""
    try:
        failure = _failure.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        failure = None
    if failure is None or failure.ok:
        if status == 413:  # of whatever web server stands in front
            raise BadRequest("the server does not take a request of that size")
        if status < 500:  # a captive portal or a proxy that asks for a login
            raise NotReached(f"what answered is not the Bot API (HTTP status {status})")
        raise NetworkError(f"HTTP status {status}")
    if status == 404 and method != "getMe":  # a wrong token is told by getMe, which every server knows
        raise BadRequest(f"the Bot API server does not know {method}; it may be too old")
    if status == 429:
        delay = failure.parameters.get("retry_after")
        raise TooFast(float(delay) if isinstance(delay, int | float) and delay > 0 else 5.0)


class Client(Bot):
    """The bot's account. ``call`` returns raw JSON; the library's own methods build objects of it."""

    def __init__(self, token: str, api_base_url: str) -> None:
        proxy = proxy_for(api_base_url)
        self._calls, self._polls = Transport(proxy), Transport(proxy)
        super().__init__(
            token, base_url=f"{api_base_url}/bot", base_file_url=f"{api_base_url}/file/bot",
            request=self._calls, get_updates_request=self._polls,
        )  # fmt: skip

    async def open(self) -> None:
        """Open the connections' pools."""
        await self._calls.initialize()
        await self._polls.initialize()

    async def close_connections(self) -> None:
        """Close them, whatever is on its way."""
        await self._polls.shutdown()
        await self._calls.shutdown()

    async def call(self, method: str, *, timeout_s: float | None = None, **parameters: Any) -> Any:
        """Call a method of the Bot API, and return its result as raw JSON; parameters that are None are left out.

        Raises:
            telegram.error.TelegramError: as ``Transport.do_request`` and the library have it.
        """
        if timeout_s is None:
            return await self._post(method, parameters)
        return await self._post(method, parameters, read_timeout=timeout_s)

    async def updates(self, offset: int | None, timeout_s: int, kinds: list[str]) -> list[Any]:
        """Wait for updates; a higher ``offset`` than theirs confirms all those before."""
        found = await self.call(
            "getUpdates", timeout_s=timeout_s + ANSWER_S, offset=offset, timeout=timeout_s, limit=100,
            allowed_updates=kinds,
        )  # fmt: skip
        return found if isinstance(found, list) else []

    @property
    def session(self) -> aiohttp.ClientSession:
        """The pool of connections, for downloads."""
        return self._calls.session

    def file_address(self, file_path: str) -> str:
        """Return where a file can be fetched. It holds the token: never log it."""
        return f"{self._base_file_url}/{file_path}"

"""Who may ask: only this machine's own page or a script that holds the token. Every response gets the safe headers."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SAFE_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Content-Security-Policy": PAGE_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HOW_TO_ASK: Final = (
    "Run `channeld url web` for an address with the token; scripts send it as `Authorization: Bearer TOKEN`."
)


class Refusal(NamedTuple):
    """Why a request is not served."""

    status: int
    error: str
    hint: str = ""


def refuse(
    path: str, headers: Iterable[tuple[bytes, bytes]], *, port: int, token: str, query: bytes = b""
) -> Refusal | None:
    """Decide about a request by its head alone; None lets it in.

    Args:
        path: decoded path; everything under ``/api/`` needs the token.
        headers: names in lower case.
        port: the one that we listen on.
        token: what the caller must know.
        query: raw query string, looked at only to explain a misplaced token.
    """
    given = [(name, value) for name, value in headers if name in {b"host", b"origin", b"authorization"}]
    hosts = [value.lower() for name, value in given if name == b"host"]
    ours = {f"127.0.0.1:{port}".encode(), f"localhost:{port}".encode()}
    if port == 80:
        ours |= {b"127.0.0.1", b"localhost"}
    if len(hosts) != 1 or hosts[0] not in ours:
        # A name that an attacker's DNS points at 127.0.0.1 shows here.
        return Refusal(421, "This address is not served here.", f"Use http://127.0.0.1:{port}/.")
    origins = [value.lower() for name, value in given if name == b"origin"]
    if any(origin not in {b"http://" + host for host in ours} for origin in origins):
        return Refusal(403, "Another site's page may not use this chat.", f"Open http://127.0.0.1:{port}/ itself.")
    if not path.startswith("/api/"):
        return None
    credentials = [value for name, value in given if name == b"authorization"]
    if not credentials:
        misplaced = b"token=" in query
        return Refusal(401, "The token belongs into a header." if misplaced else "The token is missing.", _HOW_TO_ASK)
    scheme, _, secret = credentials[0].partition(b" ")
    right = hmac.compare_digest(secret.strip(), token.encode())
    if len(credentials) != 1 or scheme.lower() != b"bearer" or not right:
        return Refusal(401, "The token is wrong.", _HOW_TO_ASK)
    return None


class Guard:
    """Asks ``refuse`` about every request, before anything of it is read, and adds the safe headers."""

    def __init__(self, app: ASGIApp, *, port: int, token: str) -> None:
        self._app = app
        self._port = port
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] != "http":
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SAFE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = refuse(
            scope["path"], scope["headers"], port=self._port, token=self._token, query=scope["query_string"]
        )
        if refusal is None:
            await self._app(scope, receive, send_safely)
        else:
            await error(refusal)(scope, receive, send_safely)


def answer(data: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON response."""
    return Response(msgspec.json.encode(data), status, headers, media_type="application/json")


def error(refusal: Refusal) -> Response:
    """Return an error that a person can read and act on."""
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "5"}}.get(refusal.status)
    return answer({"error": refusal.error, "hint": refusal.hint}, refusal.status, headers)

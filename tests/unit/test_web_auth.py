"""Which requests the web chat serves, by their head alone."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Scope

from channeld_workers.web.auth import SAFE_HEADERS, Guard, refuse

HOST = (b"host", b"127.0.0.1:8787")
BEARER = (b"authorization", b"Bearer right")


def decide(*headers: tuple[bytes, bytes], path: str = "/api/messages", port: int = 8787) -> int | None:
    """Return the status of the refusal, None if the request is served."""
    refusal = refuse(path, headers, port=port, token="right")
    return refusal.status if refusal else None


@pytest.mark.parametrize("host", [b"127.0.0.1:8787", b"localhost:8787", b"LocalHost:8787"])
def test_our_own_host_with_the_token_is_let_in(host):
    """Both names of the loopback address are served."""
    assert decide((b"host", host), BEARER) is None


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example",
        b"evil.example:8787",
        b"127.0.0.1",
        b"127.0.0.1:8788",
        b"127.0.0.1:8787.evil.example",
        b"[::1]:8787",
        b"",
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/messages", "/api/events"])
def test_another_host_is_refused_everywhere(host, path):
    """A name that was rebound to 127.0.0.1 reaches neither the page nor the API, whatever it carries."""
    assert decide((b"host", host), BEARER, path=path) == 421


def test_no_host_and_two_hosts_are_refused():
    """A request must say once whom it means."""
    assert decide(BEARER) == 421
    assert decide(HOST, HOST, BEARER) == 421


def test_the_port_may_be_left_out_only_where_it_is_the_default():
    """Browsers leave out port 80."""
    assert decide((b"host", b"127.0.0.1"), BEARER, port=80) is None


@pytest.mark.parametrize("origin", [b"http://127.0.0.1:8787", b"http://localhost:8787"])
def test_our_own_origin_is_let_in(origin):
    """The page itself may ask."""
    assert decide(HOST, BEARER, (b"origin", origin)) is None


@pytest.mark.parametrize(
    "origin", [b"null", b"https://127.0.0.1:8787", b"http://127.0.0.1:9999", b"http://evil.example", b"file://", b""]
)
@pytest.mark.parametrize("path", ["/", "/api/messages", "/api/events"])
def test_another_origin_is_refused_even_with_the_token(origin, path):
    """No other page may ask, not even one on another port of this machine."""
    assert decide(HOST, BEARER, (b"origin", origin), path=path) == 403


def test_the_page_needs_no_token_and_the_api_does():
    """The page is the same for everybody; what it shows is not."""
    assert decide(HOST, path="/") is None
    assert decide(HOST) == 401


@pytest.mark.parametrize(
    "value", [b"Bearer wrong", b"Bearer ", b"Bearer", b"Basic right", b"right", b"Bearer right2", b"Bearer \xff\xfe"]
)
def test_anything_but_the_token_is_refused(value):
    """Only the bearer scheme with exactly the token lets in."""
    assert decide(HOST, (b"authorization", value)) == 401


def test_two_authorizations_are_refused():
    """Which of two was meant is nobody's guess."""
    assert decide(HOST, BEARER, (b"authorization", b"Bearer wrong")) == 401


def test_a_token_in_the_address_is_explained_and_not_taken():
    """Addresses end up in histories and logs, so the API takes no token from one."""
    refusal = refuse("/api/messages", [HOST], port=8787, token="right", query=b"token=right")
    assert refusal is not None
    assert refusal.status == 401 and "header" in refusal.error


async def test_every_response_carries_the_safe_headers():
    """Refusals and answers alike, and an answer may set a stricter policy of its own."""
    app = Guard(PlainTextResponse("fine", headers={"Content-Security-Policy": "sandbox"}), port=8787, token="right")
    for headers, status in (([HOST], 200), ([(b"host", b"evil")], 421)):
        sent: list[Message] = []
        scope: Scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}
        await app(scope, lambda: None, _collect(sent))  # type: ignore[arg-type,return-value]
        got = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        assert sent[0]["status"] == status
        wanted = {name.lower(): value for name, value in SAFE_HEADERS.items()}
        if status == 200:
            wanted["content-security-policy"] = "sandbox"
        assert wanted.items() <= got.items()


def _collect(sent):
    async def send(message):
        sent.append(message)

    return send

"""Discord's REST API: discord.py's HTTP client, raw JSON, and errors that say whether anything was done.

The library waits for its buckets and repeats what was refused as too fast. It also repeats what a server answered with
500, 502 or 504, which may have been carried out: a message therefore always has a nonce.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Sequence
from typing import Any, Final

import aiohttp
import discord
import msgspec
from discord.http import HTTPClient, Route

MOST_WAIT_S: Final = 30.0
"""The longest wait that the library sits out itself; it takes no shorter one. A longer one is handed back."""


class DiscordError(Exception):
    """A call has failed.

    Attributes:
        message: why, in words, with neither an address nor a token in it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotReached(DiscordError):
    """Discord was not reached, or what answered was not Discord: nothing was done."""


class TooFast(DiscordError):
    """Discord asks to wait: nothing was done."""

    def __init__(self, delay_s: float) -> None:
        super().__init__(f"too many requests: the next is allowed in {delay_s:.0f} s")
        self.delay_s = delay_s


class Refusal(DiscordError):
    """Discord refuses, and nothing was done.

    ``code`` is its own, 0 where it gives none. See: discord.com/developers/docs/topics/opcodes-and-status-codes#json.
    """

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Unknown(DiscordError):
    """Nobody can tell whether anything was done."""


class BadToken(DiscordError):
    """Discord says, in its own words, that there is no such bot."""


async def log_in(client: discord.Client, token: str) -> dict[str, Any]:
    """Open a client's pool of connections, and return the account of a token; another try begins anew.

    Raises:
        BadToken: there is none.
        DiscordError: it cannot be asked now.
    """
    await client._async_setup_hook()
    await client.http.close()  # the pool of an earlier try, which the library would use again although it is closed
    client.http.clear()
    client.http.connector = discord.utils.MISSING
    try:
        me = await client.http.static_login(token)
    except discord.LoginFailure as failure:
        if not _is_discords(failure.__cause__):
            raise NotReached("what answered is not Discord (HTTP status 401)") from None
        raise BadToken("Discord does not know this token") from None
    except discord.RateLimited as error:
        raise TooFast(error.retry_after) from None
    except discord.HTTPException as error:
        raise _refusal(error) from None
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise NotReached(f"no connection ({type(error).__name__})") from None
    except (ValueError, KeyError, TypeError):  # the library trusts that JSON is whole, and what it asks for in it
        raise NotReached("what answered is not Discord") from None
    if not isinstance(me, dict) or not str(me.get("id")).isdecimal():
        raise NotReached("what answered is not Discord")
    return dict(me)


class Api:
    """Calls of one bot account.

    Args:
        http: discord.py's client, logged in.
    """

    def __init__(self, http: HTTPClient) -> None:
        self._http = http
        # Its warnings tell the addresses of requests, and those of interactions hold their tokens.
        logging.getLogger("discord.http").setLevel(logging.ERROR)

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: dict[str, Any] | None = None,
        uploads: Sequence[discord.File] = (),
        **ids: Any,
    ) -> Any:
        """Call the API, and return the raw JSON of the answer; empty text where it has none.

        Args:
            method: of HTTP.
            path: below the API's root, with ``{names}`` of ids, which decide on the bucket: ``/channels/{channel_id}``.
            json: the body.
            params: of the query.
            uploads: files that go along, as ``files[n]``; the body is then ``payload_json``.
            ids: what is put into the path, quoted.

        Raises:
            DiscordError: one of its kinds above.
        """
        more: dict[str, Any] = {}
        if params is not None:
            more["params"] = params
        if uploads:
            more |= {"form": _form(json, uploads), "files": uploads}
        elif json is not None:
            more["json"] = json
        route = Route(method, path, **ids)
        http = self._exempt() if "webhook_token" in ids else self._http
        try:
            return await http.request(route, **more)
        except asyncio.CancelledError:
            self._let_others_go_on()
            raise
        except discord.RateLimited as error:
            raise TooFast(error.retry_after) from None
        except discord.DiscordServerError as error:
            raise Unknown(f"Discord had an error of its own (HTTP status {error.status})") from None
        except discord.HTTPException as error:
            raise _refusal(error) from None
        except aiohttp.ClientConnectorError as error:  # not a byte has left
            raise NotReached(f"no connection ({type(error).__name__})") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unknown(f"the connection broke before the answer ({type(error).__name__})") from None
        except (ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
            # Half an answer, a 429 of another shape, a pool that another try to log in has just closed.
            raise Unknown(f"the answer cannot be read ({type(error).__name__})") from None

    def _exempt(self) -> HTTPClient:
        """Return the client without the global limit, which interactions are not bound to, and which takes too long.

        (https://discord.com/developers/docs/interactions/receiving-and-responding)
        """
        http = copy.copy(self._http)  # with the pool, the token and the buckets of the other
        http._global_over = asyncio.Event()
        http._global_over.set()
        return http

    def _let_others_go_on(self) -> None:
        """End Discord's global wait when it is certainly over: the request that met it would have, had it lived."""
        over = self._http._global_over
        if not over.is_set():
            asyncio.get_running_loop().call_later(MOST_WAIT_S, over.set)


def _form(json: Any, uploads: Sequence[discord.File]) -> list[dict[str, Any]]:
    form: list[dict[str, Any]] = [{"name": "payload_json", "value": msgspec.json.encode(json).decode()}]
    for number, upload in enumerate(uploads):
        form.append({
            "name": f"files[{number}]", "value": upload.fp, "filename": upload.filename,
            "content_type": "application/octet-stream",
        })  # fmt: skip
    return form


def _is_discords(cause: BaseException | None) -> bool:
    """Tell whether a refusal has JSON, as Discord's have; a proxy or a portal sends pages."""
    return isinstance(cause, discord.HTTPException) and cause.response.content_type == "application/json"


def _refusal(error: discord.HTTPException) -> DiscordError:
    if error.status == 401 and not _is_discords(error):
        return NotReached("what answered is not Discord (HTTP status 401)")
    if not error.code and not isinstance(error, discord.Forbidden | discord.NotFound) and error.status != 401:
        if error.status == 429:  # Cloudflare's page instead of Discord's answer: the address is shut out for a while
            return TooFast(600.0)
        if error.status < 400 or error.status in {407, 511}:
            return NotReached(f"what answered is not Discord (HTTP status {error.status})")
    return Refusal(error.status, error.code, error.text[:300] or f"HTTP status {error.status}")

"""A request to Discord's API: its path, query, JSON and files, of the types they must have."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from tests.doubles.discord_api_checks import REQUEST_BYTES, ApiError, Mistake, invalid

TYPES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "a boolean",
    dict: "an object",
    list: "an array",
}
Fields = dict[str, type | tuple[type, ...]]


@dataclass
class Upload:
    """A file that came with a request."""

    name: str
    mime: str
    data: bytes
    used: bool = False


@dataclass
class Call:
    """One request, as it came and as it was answered."""

    method: str  # the route's name, such as create_message
    at: float
    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    status: int | None = None
    answer: Any = None
    headers: dict[str, str] = field(default_factory=dict)  # of the answer
    complaints: list[str] = field(default_factory=list)

    @property
    def channel(self) -> int | None:
        """The channel it names."""
        return self.number("channel_id") if "channel_id" in self.path else None

    def number(self, name: str) -> int:
        """Return a snowflake of the path.

        Raises:
            Mistake: it is none.
        """
        value = self.path[name]
        if not value.isdecimal() or not value.isascii() or int(value) >= 1 << 63:
            raise invalid(name, f'Value "{value}" is not snowflake.')
        return int(value)

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """Return a number of the query."""
        value = self.query.get(name, str(default))
        if not value.isdecimal() or not least <= int(value) <= most:
            raise invalid(name, f"int value should be between {least} and {most}.")
        return int(value)

    def get(self, name: str) -> Any:
        """Return a field, or nothing."""
        return self.body.get(name)


async def read_request(call: Call, request: web.Request) -> None:
    """Read what a request carries.

    Raises:
        Mistake: the body is not what its content type says, or too much.
    """
    call.query = dict(request.query)
    match request.content_type:
        case "application/json":
            call.body = read_json(await request.read())
        case "multipart/form-data":
            await _read_parts(call, request)
        case other:
            if await request.read():
                raise Mistake(400, 50035, f"Invalid Form Body: unsupported content type {other}")


def read_json(data: bytes) -> dict[str, Any]:
    """Return a body that is an object."""
    try:
        found = json.loads(data)
    except ValueError:
        raise Mistake(400, 50109, "The request body contains invalid JSON.") from None
    if isinstance(found, list):
        return {"": found}  # a few routes take an array
    if not isinstance(found, dict):
        raise Mistake(400, 50109, "The request body contains invalid JSON.")
    return found


async def _read_parts(call: Call, request: web.Request) -> None:
    """Read ``payload_json`` and ``files[n]``."""
    total = 0
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise Mistake(400, 50035, "Invalid Form Body: a part has no name")
        data = bytes(await part.read())
        total += len(data)
        if part.name == "payload_json":
            call.body = read_json(data)
        elif part.filename is None or not (part.name.startswith("files[") and part.name.endswith("]")):
            call.complaints.append(f"a part that is no file: {part.name}")
        elif part.name in call.uploads:
            call.complaints.append(f"{part.name} came twice")
        else:
            call.uploads[part.name] = Upload(part.filename, part.headers.get("Content-Type", ""), data)
    if total > REQUEST_BYTES:
        raise ApiError(413, 40005, "Request entity too large")


def check_fields(call: Call, known: Fields) -> None:
    """Refuse fields of another type; complain of those that Discord does not know.

    Raises:
        Mistake: one is of another type.
    """
    check_types("", call.body, known, call.complaints)


def check_types(where: str, body: dict[str, Any], known: Fields, complaints: list[str]) -> None:
    """Refuse what is of another type within an object; what is null counts as left out."""
    for name, value in list(body.items()):
        if name not in known:
            complaints.append(f"unknown field {where}{name}")
            del body[name]
            continue
        kind = known[name]
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if value is None:
            continue
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise invalid(f"{where}{name}", f"Must be {' or '.join(TYPES[one] for one in kinds)}")

"""A request to the Bot API: its parameters, as JSON, a form or in parts, of the types they must have."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiohttp import BodyPartReader, web

from tests.doubles.bot_api_checks import Mistake, is_whole_number, mistake


class Kind(StrEnum):
    """A parameter's type."""

    INTEGER = "an Integer"
    FLAG = "a Boolean"
    STRING = "a String"
    OBJECT = "an Object"
    ARRAY = "an Array"
    CHAT = "a chat id"
    FILE = "a file"


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

    method: str
    at: float
    parameters: dict[str, Any] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    status: int | None = None
    answer: Any = None
    complaints: list[str] = field(default_factory=list)

    @property
    def chat(self) -> int | None:
        """The chat it names by number."""
        chat = self.parameters.get("chat_id")
        if isinstance(chat, str) and chat.removeprefix("-").isdecimal():
            return int(chat)
        return chat if is_whole_number(chat) else None

    def get(self, name: str) -> Any:
        """Return a parameter, or nothing."""
        return self.parameters.get(name)

    def needed(self, name: str) -> Any:
        """Return a parameter that must be there."""
        if self.parameters.get(name) is None:
            raise mistake(f'parameter "{name}" is required')
        return self.parameters[name]


async def read_parameters(call: Call, request: web.Request) -> None:
    """Read what a request carries.

    Raises:
        Mistake: the body is not what its content type says.
    """
    call.parameters.update(request.query)
    match request.content_type:
        case "application/json":
            try:
                found = json.loads(await request.read())
            except ValueError:
                raise Mistake(400, "Bad Request: can't parse request body as JSON") from None
            if not isinstance(found, dict):
                raise Mistake(400, "Bad Request: request body must be a JSON Object")
            call.parameters.update(found)
        case "application/x-www-form-urlencoded":
            call.parameters.update(await request.post())
        case "multipart/form-data":
            await _read_parts(call, request)
        case other:
            if await request.read():
                raise Mistake(400, f"Bad Request: unsupported content type {other}")


async def _read_parts(call: Call, request: web.Request) -> None:
    """Read fields and files."""
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise Mistake(400, "Bad Request: a part has no name")
        data = bytes(await part.read())
        if part.name in call.parameters or part.name in call.uploads:
            call.complaints.append(f"{part.name} came twice")
        if part.filename is None:
            call.parameters[part.name] = data.decode()
        else:
            call.uploads[part.name] = Upload(part.filename, part.headers.get("Content-Type", ""), data)


def check_parameters(call: Call, kinds: dict[str, Kind]) -> None:
    """Give the parameters their types, and complain of those that Telegram does not know.

    Raises:
        Mistake: one is of another type.
    """
    for name, value in list(call.parameters.items()):
        if name not in kinds:
            call.complaints.append(f"unknown parameter {name}")
            del call.parameters[name]
        elif value is None:
            call.complaints.append(f"{name} is null")
            del call.parameters[name]
        else:
            call.parameters[name] = typed(name, value, kinds[name])
    for name, kind in kinds.items():
        if kind is Kind.FILE and name in call.uploads:
            call.parameters.setdefault(name, f"attach://{name}")


def typed(name: str, value: Any, kind: Kind) -> Any:
    """Return a parameter's value in its type; what comes in a form is text."""
    wrong = mistake(f"{name} must be {kind}")
    match kind:
        case Kind.INTEGER:
            if isinstance(value, str) and value.removeprefix("-").isdecimal():
                value = int(value)
            if not is_whole_number(value):
                raise wrong
        case Kind.FLAG:
            value = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
            if not isinstance(value, bool):
                raise wrong
        case Kind.OBJECT | Kind.ARRAY:
            if isinstance(value, str):
                try:
                    value = json.loads(value)
                except ValueError:
                    raise mistake(f"can't parse {name} JSON") from None
            if not isinstance(value, dict if kind is Kind.OBJECT else list):
                raise wrong
        case Kind.CHAT:
            if not isinstance(value, str) and not is_whole_number(value):
                raise wrong
        case Kind.STRING | Kind.FILE:
            if not isinstance(value, str):
                raise wrong
    return value

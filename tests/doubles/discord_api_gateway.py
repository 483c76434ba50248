"""Discord's gateway: sessions that are identified, kept alive, dropped and resumed, over JSON in a WebSocket.

The protocol is that of https://docs.discord.com/developers/events/gateway, API v10.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from tests.doubles.discord_api_objects import PRIVILEGED, Channel, Intent, withheld
from tests.doubles.discord_api_sessions import Closed, Connection, Op, Session

if TYPE_CHECKING:
    from tests.doubles.discord_api_places import Places

EVERY_INTENT = (1 << 26) - 1
COMMANDS_A_MINUTE = 120
COMMAND_BYTES = 4096
LATE_S = 2.0  # how late a heartbeat may be beyond its interval, on a machine that has other things to do
CLOSING_S = 1.0
ENDS = {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}
ENDING_CODES = {1000, 1001}  # a client that closes with these does not want to come back
INTENTS = {  # what a dispatch takes in a guild, and elsewhere
    "MESSAGE_CREATE": (Intent.GUILD_MESSAGES, Intent.DIRECT_MESSAGES),
    "MESSAGE_UPDATE": (Intent.GUILD_MESSAGES, Intent.DIRECT_MESSAGES),
    "MESSAGE_DELETE": (Intent.GUILD_MESSAGES, Intent.DIRECT_MESSAGES),
    "MESSAGE_DELETE_BULK": (Intent.GUILD_MESSAGES, Intent.DIRECT_MESSAGES),
    "MESSAGE_REACTION_ADD": (Intent.GUILD_MESSAGE_REACTIONS, Intent.DIRECT_MESSAGE_REACTIONS),
    "MESSAGE_REACTION_REMOVE": (Intent.GUILD_MESSAGE_REACTIONS, Intent.DIRECT_MESSAGE_REACTIONS),
    "TYPING_START": (Intent.GUILD_MESSAGE_TYPING, Intent.DIRECT_MESSAGE_TYPING),
    "INTERACTION_CREATE": (Intent(0), Intent(0)),
}
WITH_MESSAGES = {"MESSAGE_CREATE", "MESSAGE_UPDATE"}


class Gateway:
    """All sessions of one bot."""

    def __init__(self, world: Places) -> None:
        self._world = world
        self.heartbeat_s = 41.25
        self.late_s = LATE_S
        self.acknowledges = True
        self.allowed_intents = PRIVILEGED  # which privileged ones are enabled for the application
        self.identify_limit = 1000  # in a day, after which Discord resets the token
        self.identify_every_s = 0.0  # Discord: 5, and answers an earlier one with an invalid session
        self.identifies: list[float] = []  # when one was accepted
        self.resumes = 0
        self.heartbeats = 0
        self.refuses: int | None = None  # a status that answers connections instead
        self.holds_guilds = False  # sessions begin, but are told of no guild
        self.greets = True  # otherwise no HELLO comes
        self.connections: list[Connection] = []
        self.sessions: list[Session] = []
        self.closes: list[int | None] = []  # how clients closed, or nothing where they went without a word
        self.address = ""

    # What a test does

    @property
    def live(self) -> list[Session]:
        """The sessions that are connected."""
        return [session for session in self.sessions if session.connection is not None]

    def dispatch(self, name: str, data: Any) -> None:
        """Send a dispatch of any shape to every session that can still be resumed."""
        for session in self.sessions:
            if not session.expired:
                session.tell(name, data)
        self._world.changed()

    def tell(self, name: str, data: dict[str, Any], channel: Channel | None) -> None:
        """Send a dispatch to the sessions whose intents ask for it; what the bot cannot see it is not told."""
        if channel is not None and not self._world.sees(channel):
            return
        in_guild = channel is None or channel.guild is not None
        asked = INTENTS.get(name, (Intent.GUILDS, Intent.GUILDS))[0 if in_guild else 1]
        for session in self.sessions:
            if session.expired or (asked and not session.intents & asked):
                continue
            seen = data
            if name in WITH_MESSAGES and not session.intents & Intent.MESSAGE_CONTENT:
                seen = withheld(data, self._world.bot_id)
            session.tell(name, seen)
        self._world.changed()

    def send(self, op: int, data: Any = None) -> None:
        """Send a payload that is no dispatch to every connection: RECONNECT, a HEARTBEAT that asks for one."""
        for connection in self.connections:
            connection.send({"op": op, "d": data, "s": None, "t": None})

    def reconnect(self) -> None:
        """Ask every client to come back and resume."""
        self.send(Op.RECONNECT)

    def invalidate(self, *, resumable: bool = False) -> None:
        """Tell every client that its session is invalid; what cannot be resumed is forgotten."""
        if not resumable:
            self.expire()
        self.send(Op.INVALID_SESSION, resumable)

    def expire(self) -> None:
        """Forget every session so far: none can be resumed."""
        for session in self.sessions:
            session.expired = True

    def drop(self, code: int | None = None) -> None:
        """End every connection, with a close code or by a reset; the sessions can be resumed."""
        for connection in list(self.connections):
            self._leave(connection)
            if code is None:
                connection.reset()
            else:
                connection.close(code)

    def lose(self, before: Callable[[dict[str, Any]], bool]) -> int:
        """Let dispatches that were told never be replayed; return how many. For a gap that even a resume leaves."""
        lost = 0
        for session in self.sessions:
            kept = [entry for entry in session.dispatches if not before(entry[1])]
            lost += len(session.dispatches) - len(kept)
            session.dispatches = kept
        return lost

    # The protocol

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve a connection until it ends."""
        if self.refuses is not None:
            return web.Response(status=self.refuses, text="Service Unavailable")
        socket = web.WebSocketResponse(max_msg_size=1 << 20, autoclose=False)
        await socket.prepare(request)
        connection = Connection(socket, request, request.query.get("compress") == "zlib-stream")
        self.connections.append(connection)
        writer = asyncio.create_task(connection.write())
        keeper = asyncio.create_task(self._keep_time(connection))
        self._world.changed()
        try:
            self._check_address(request)
            if self.greets:
                hello = {"heartbeat_interval": round(self.heartbeat_s * 1000)}
                connection.send({"op": Op.HELLO, "d": hello, "s": None, "t": None})
            await self._listen(connection)
        except Closed as closed:
            if closed.fault:
                self._world.violations.append(f"gateway: {closed.reason} ({closed.code})")
            connection.close(closed.code, closed.reason)
        except asyncio.CancelledError:  # the connection is lost
            self.closes.append(None)
            raise
        finally:
            keeper.cancel()
            self._leave(connection)
            self.connections.remove(connection)
            self._world.changed()
            if connection.closing:
                await asyncio.wait([writer], timeout=CLOSING_S)
            writer.cancel()
        return socket

    def _leave(self, connection: Connection) -> None:
        """Let a session be without a connection."""
        if connection.session is not None and connection.session.connection is connection:
            connection.session.connection = None

    def _check_address(self, request: web.Request) -> None:
        query = request.query
        if query.get("v") != "10":
            raise Closed(4012, "invalid API version")
        if query.get("encoding") != "json":
            raise Closed(4002, "an encoding that is not JSON")
        if query.get("compress") not in (None, "zlib-stream"):
            raise Closed(4002, f"a compression that this server does not speak: {query['compress']}")

    async def _listen(self, connection: Connection) -> None:
        """Carry out what a client sends, until it ends."""
        while (message := await connection.socket.receive()).type not in ENDS:
            if message.type is not WSMsgType.TEXT:
                raise Closed(4002, "a message that is no text")
            if len(message.data.encode()) > COMMAND_BYTES:
                raise Closed(4002, "a payload of more than 4096 bytes")
            try:
                payload = json.loads(message.data)
                op = payload["op"]
            except (ValueError, KeyError, TypeError):
                raise Closed(4002, "a payload that is none") from None
            if op not in set(Op):
                raise Closed(4001, f"an unknown op, {op!r}")
            self._count(connection)
            self._carry_out(connection, Op(op), payload.get("d"))
            self._world.changed()
        if connection.closing:
            return
        code = message.data if message.type is WSMsgType.CLOSE else None  # gone without a word
        self.closes.append(code)
        if code in ENDING_CODES and connection.session is not None:
            connection.session.expired = True
        if code is not None:
            connection.close(code)

    def _count(self, connection: Connection) -> None:
        """End a connection that sends too much."""
        now = self._world.clock()
        connection.commands.append(now)
        while connection.commands[0] <= now - 60:
            connection.commands.popleft()
        if len(connection.commands) > COMMANDS_A_MINUTE:
            raise Closed(4008, "more than 120 payloads in a minute")

    def _carry_out(self, connection: Connection, op: Op, data: Any) -> None:
        match op:
            case Op.HEARTBEAT:
                self._beat(connection, data)
            case Op.IDENTIFY:
                self._identify(connection, data)
            case Op.RESUME:
                self._resume(connection, data)
            case _ if connection.session is None:
                raise Closed(4003, f"{op.name} before IDENTIFY")
            case Op.REQUEST_MEMBERS:
                self._tell_members(connection.session, data)
            case Op.PRESENCE_UPDATE | Op.VOICE_STATE_UPDATE:
                pass
            case _:
                raise Closed(4001, f"a client does not send {op.name}")

    def _beat(self, connection: Connection, data: Any) -> None:
        """Acknowledge a heartbeat."""
        self.heartbeats += 1
        connection.beaten.set()
        most = 0 if connection.session is None else connection.session.sequence
        if data is not None and not (isinstance(data, int) and 0 <= data <= most) and connection.session is not None:
            self._world.violations.append(f"gateway: a heartbeat with sequence {data!r} where {most} is the last")
        if self.acknowledges:
            connection.send({"op": Op.HEARTBEAT_ACK, "d": None, "s": None, "t": None})

    async def _keep_time(self, connection: Connection) -> None:
        """Close a connection whose client does not send its heartbeats."""
        while True:
            try:
                async with asyncio.timeout(2 * self.heartbeat_s + self.late_s):
                    await connection.beaten.wait()
            except TimeoutError:
                self._world.violations.append("gateway: a heartbeat did not come in time")
                connection.close(4000, "heartbeat timeout")
                return
            connection.beaten.clear()

    def _identify(self, connection: Connection, data: Any) -> None:
        """Begin a session, or say why not."""
        if connection.session is not None:
            raise Closed(4005, "already authenticated")
        if not isinstance(data, dict) or not isinstance(data.get("properties"), dict):
            raise Closed(4002, "an IDENTIFY without properties")
        now = self._world.clock()
        today = [at for at in self.identifies if at > now - 86400]
        if len(today) >= self.identify_limit:
            self._world.violations.append(f"gateway: more than {self.identify_limit} IDENTIFY in a day")
            self._world.revoke_token()
        if data.get("token") != self._world.token or self._world.revoked:
            raise Closed(4004, "authentication failed", fault=False)
        if data.get("shard", [0, 1]) != [0, 1]:
            raise Closed(4010, "invalid shard")
        intents = data.get("intents")
        if not isinstance(intents, int) or not 0 <= intents <= EVERY_INTENT:
            raise Closed(4013, "invalid intents")
        if intents & PRIVILEGED & ~self.allowed_intents:
            raise Closed(4014, "disallowed intents", fault=False)
        if self.live:
            self._world.violations.append("gateway: a second session while the first is connected")
        if today and now - today[-1] < self.identify_every_s:
            connection.send({"op": Op.INVALID_SESSION, "d": False, "s": None, "t": None})
            return
        self.identifies.append(now)
        session = Session(secrets.token_hex(16), Intent(intents), connection=connection)
        connection.session = session
        self.sessions.append(session)
        session.tell("READY", self._ready(session))
        if intents & Intent.GUILDS and not self.holds_guilds:
            for guild in self._world.guilds.values():
                session.tell("GUILD_CREATE", self._world.whole_guild(guild))

    def _ready(self, session: Session) -> dict[str, Any]:
        world = self._world
        return {
            "v": 10,
            "user": world.bot | {"email": None, "mfa_enabled": True, "verified": True, "flags": 0},
            "guilds": [{"id": str(guild), "unavailable": True} for guild in world.guilds],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": self.address,
            "private_channels": [],
            "presences": [],
            "relationships": [],
            "shard": [0, 1],
            "application": {"id": str(world.application_id), "flags": world.application_flags},
        }

    def _resume(self, connection: Connection, data: Any) -> None:
        """Go on with a session where it was left, or say that this cannot be."""
        if connection.session is not None:
            raise Closed(4005, "already authenticated")
        if not isinstance(data, dict) or not {"token", "session_id", "seq"} <= data.keys():
            raise Closed(4002, "a RESUME that lacks something")
        if data["token"] != self._world.token or self._world.revoked:
            raise Closed(4004, "authentication failed", fault=False)
        found = [one for one in self.sessions if one.id == data["session_id"] and not one.expired]
        if not found:
            connection.send({"op": Op.INVALID_SESSION, "d": False, "s": None, "t": None})
            return
        session = found[0]
        if not isinstance(data["seq"], int) or not 0 <= data["seq"] <= session.sequence:
            raise Closed(4007, "invalid seq")
        if session.connection is not None:
            session.connection.close(4000, "resumed elsewhere")
        session.connection = connection
        connection.session = session
        session.resumed += 1
        self.resumes += 1
        for sequence, payload in session.dispatches:
            if sequence > data["seq"]:
                connection.send(payload)
        session.tell("RESUMED", {})

    def _tell_members(self, session: Session, data: Any) -> None:
        """Send a guild's members, all or those that are asked for."""
        guild = self._world.guilds.get(int(data["guild_id"]))
        if guild is None:
            return
        asked = data.get("user_ids")
        wanted = None if asked is None else {str(one) for one in (asked if isinstance(asked, list) else [asked])}
        begins = str(data.get("query") or "").lower()
        if wanted is None and not begins and not session.intents & Intent.GUILD_MEMBERS:
            raise Closed(4014, "all members without the Server Members intent")
        members = [
            member
            for member in guild.members.values()
            if (wanted is None or member["user"]["id"] in wanted)
            and member["user"]["username"].lower().startswith(begins)
        ]
        chunk = {"guild_id": str(guild.id), "members": members, "chunk_index": 0, "chunk_count": 1}
        session.tell("GUILD_MEMBERS_CHUNK", chunk | ({"nonce": data["nonce"]} if data.get("nonce") else {}))

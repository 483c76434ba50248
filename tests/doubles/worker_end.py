"""The mind of a ``relay_worker``: the test speaks the worker protocol through a real process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from channeld.ipc import messages as m
from tests.doubles.stores import SENDER, message

TIMEOUT_S = 20.0
T = TypeVar("T", bound=m.Message)
RELAY = Path(__file__).with_name("relay_worker.py")
CAPABILITIES = m.Capabilities(tools=["reply", "edit_message", "react", "download_attachment"], max_text=4000)
ASKING = msgspec.structs.replace(CAPABILITIES, prompts=True, notices=True)
"""Of a worker that shows prompts too."""


class WorkerEnd:
    """One life of a relay worker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        self._reader, self._writer, self.name = reader, writer, name
        self.pid = 0
        self.token = ""
        self._kept: list[m.ToWorker] = []
        self._refs = 0

    async def introduce(self) -> None:
        """Read who the process is."""
        pid, _, self.token = (await self._reader.readline()).decode().strip().partition(" ")
        self.pid = int(pid)

    async def begin(self, capabilities: m.Capabilities = CAPABILITIES, account: str = "@pager") -> m.Welcome:
        """Say hello, be welcomed, be ready."""
        self.send(
            m.Hello(protocol=m.PROTOCOL, worker=self.name, platform=self.name, version="1", capabilities=capabilities)
        )
        welcome = await self.expect(m.Welcome)
        self.send(m.Ready(account=account))
        return welcome

    def send(self, *frames: m.Message) -> None:
        """Send frames to the daemon."""
        self.raw(b"".join(map(m.encode, frames)))

    def raw(self, data: bytes) -> None:
        """Send bytes to the daemon, whatever they are."""
        self._writer.write(data)

    def offer(self, key: str, chat: str = "pager:a", **more: Any) -> int:
        """Offer a message and return its ref."""
        self._refs += 1
        self.send(m.Offer(ref=self._refs, event=message(key, chat=chat, **more)))
        return self._refs

    async def accepted(self, key: str, chat: str = "pager:a", **more: Any) -> m.Accepted:
        """Offer a message and return when it is accepted."""
        ref = self.offer(key, chat, **more)
        return await self.expect(m.Accepted, lambda frame: frame.ref == ref)

    async def expect(self, kind: type[T] | tuple[type[T], ...], matches: Any = lambda _: True) -> T:
        """Return the next frame of a kind; others are kept for later.

        Raises:
            ConnectionError: the daemon or the process is gone.
        """
        for frame in self._kept:
            if isinstance(frame, kind) and matches(frame):
                self._kept.remove(frame)
                return frame
        async with asyncio.timeout(TIMEOUT_S):
            while line := await self._reader.readline():
                frame = m.to_worker.decode(line)
                if isinstance(frame, kind) and matches(frame):
                    return frame
                self._kept.append(frame)
        raise ConnectionError("the daemon is gone")

    # -- prompts

    async def shown(self, kind: str | None = None, state: str = "open") -> m.Prompt:
        """Return the next prompt in a state that people are shown, perhaps of a kind."""
        return await self.expect(m.Prompt, lambda frame: frame.state == state and kind in {None, frame.kind})

    def give(self, prompt: m.Prompt, text: str, sender_id: str = SENDER) -> int:
        """Have Ann, or another sender, answer a prompt, and return the answer's ref."""
        self._refs += 1
        self.send(m.AnswerPrompt(ref=self._refs, id=prompt.id, answer=text, sender_id=sender_id, sender="Ann"))
        return self._refs

    async def answer(self, prompt: m.Prompt, text: str, sender_id: str = SENDER) -> None:
        """Answer a prompt, and return when that counts."""
        said = await self._verdict_on(self.give(prompt, text, sender_id))
        assert isinstance(said, m.Accepted), said

    async def refused(self, prompt: m.Prompt, text: str, sender_id: str = SENDER) -> m.Refused:
        """Answer a prompt in vain, and return what whoever answered is told."""
        said = await self._verdict_on(self.give(prompt, text, sender_id))
        assert isinstance(said, m.Refused), said
        return said

    async def _verdict_on(self, ref: int) -> m.Accepted | m.Refused:
        return await self.expect((m.Accepted, m.Refused), lambda frame: frame.ref == ref)

    def passed_over(self, kind: type[T]) -> list[T]:
        """Return the frames of a kind that have come so far and that nobody expected."""
        return [frame for frame in self._kept if isinstance(frame, kind)]

    # -- the end

    async def gone(self) -> None:
        """Return when the daemon has closed its end."""
        async with asyncio.timeout(TIMEOUT_S):
            while await self._reader.read(1 << 16):
                pass

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Signal the worker process."""
        os.kill(self.pid, number)

    def close(self) -> None:
        """Hang up, upon which the worker process ends."""
        self._writer.close()

    async def closed(self) -> None:
        """Return when nothing is left of the connection."""
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


class Pager:
    """A platform whose workers the test scripts."""

    def __init__(self, name: str = "pager", *, terms: str = "max_per_minute = 1000000\n") -> None:
        """Make a platform; ``terms`` is what its table of the configuration says besides the command."""
        self.name, self._terms = name, terms
        self._folder = tempfile.TemporaryDirectory(prefix="pg")
        self._path = str(Path(self._folder.name) / "s")
        self._lives: asyncio.Queue[WorkerEnd] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self._all: list[WorkerEnd] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._connected, self._path, limit=1 << 24)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        for life in self._all:
            life.close()
        await asyncio.gather(*(life.closed() for life in self._all))
        self._folder.cleanup()

    @property
    def config(self) -> str:
        """The table of the configuration that runs this platform."""
        command = [sys.executable, str(RELAY), self._path]
        return f"[workers.{self.name}]\ncommand = {command!r}\n{self._terms}"

    async def life(self) -> WorkerEnd:
        """Return the next worker process that was started."""
        return await asyncio.wait_for(self._lives.get(), TIMEOUT_S)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = WorkerEnd(reader, writer, self.name)
        self._all.append(end)
        assert self._server is not None
        if not self._server.is_serving():  # started as the test ended
            end.close()
            return
        await end.introduce()
        self._lives.put_nowait(end)

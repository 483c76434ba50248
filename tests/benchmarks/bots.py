"""Bots from end to end: the real worker between a server on the loopback and the real daemon."""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from channeld.credentials import save_token
from tests.benchmarks import discord_server, telegram_server
from tests.benchmarks.bench import Running, Shim, hear, listen, next_event, pong, resident_mib, say
from tests.benchmarks.floor import PAUSE_S

_REPLY_PAUSE_S = 0.04
"""Between two replies: the worker itself sends no more than 30 messages a second."""


class Bot(NamedTuple):
    """A platform that has bots."""

    name: str
    server: Path
    """The program of its far side."""
    config: str
    token: str
    sender: int
    chat: int
    """The first of its chats; those after it have the numbers that follow."""


TELEGRAM = Bot(
    "telegram", Path(telegram_server.__file__), 'api_base_url = "http://127.0.0.1:{port}"\n',
    "123456789:AAbenchmarkbenchmarkbenchmarkbenchm", telegram_server.SENDER, telegram_server.CHAT,
)  # fmt: skip
DISCORD = Bot(
    "discord", Path(discord_server.__file__),
    'api_base_url = "http://127.0.0.1:{port}/api/v10"\ngateway_url = "ws://127.0.0.1:{port}/gateway/"\n',
    "benchmarkbenchmark.bench.benchmarkbenchmarkbenchmark", discord_server.SENDER, discord_server.CHAT,
)  # fmt: skip


class Server:
    """The server's process."""

    def __init__(self, folder: Path, platform: Bot) -> None:
        boss = listen(folder / "server")
        self._process = subprocess.Popen([sys.executable, platform.server, folder / "server"])
        self._boss, _ = boss.accept()
        self._told = self._boss.makefile("rb")
        self.port = int(self._told.readline())

    def make(self, number: int, chats: int = 1) -> None:
        """Have messages written."""
        self._boss.sendall(f"u {number} {chats}\n".encode())

    def sent_at(self) -> int:
        """Return when the next message has arrived, in monotonic nanoseconds."""
        return int(self._told.readline().split()[1])

    def floor_ms(self, samples: int) -> float:
        """Return the median from an update's being available to its JSON in a client that does nothing else."""
        found = []
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answers, offset = client.makefile("rb"), 0

            def poll() -> None:
                body = json.dumps({"offset": offset}).encode()
                client.sendall(b"POST /botx/getUpdates HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

            for _ in range(samples):
                poll()
                time.sleep(PAUSE_S)
                self.make(1)
                while (line := answers.readline()) != b"\r\n":
                    if line.startswith(b"Content-Length:"):
                        length = int(line[15:])
                (update,) = json.loads(answers.read(length))["result"]
                found.append((time.monotonic_ns() - int(update["message"]["text"].split()[0])) / 1e6)
                offset = update["update_id"] + 1
            poll()  # the last one is confirmed, too: else the worker gets it, and every event is taken for the next
        return statistics.median(found)

    def close(self) -> None:
        """End it."""
        self._boss.shutdown(socket.SHUT_RDWR)
        self._process.wait()


class BotBench(Running):
    """With a bot's worker."""

    def __init__(self, folder: Path, server: Server, platform: Bot) -> None:
        config = f"[workers.{platform.name}]\nmax_per_minute = 1000000\n{platform.config.format(port=server.port)}"
        (folder / "credentials").mkdir(mode=0o700)
        save_token(platform.name, folder / "credentials", platform.token)
        super().__init__(folder, config, platform.name, str(platform.sender))
        self._server, self._platform = server, platform

    def latency_ms(self, shim: Shim, samples: int) -> float:
        """Return the median from an update's being available at the server to the line on the shim's stdout."""
        found = []
        for _ in range(samples):
            time.sleep(PAUSE_S)
            self._server.make(1)
            made = next_event(shim)
            found.append((time.monotonic_ns() - made) / 1e6)
            pong(shim, hear(shim).readline())
        return statistics.median(found)

    def burst_per_s(self, shim: Shim, number: int) -> float:
        """Return how many updates a second reach the shim's stdout when all become available at once."""
        began = time.monotonic()
        self._server.make(number)
        for _ in range(number):
            next_event(shim)
        return number / (time.monotonic() - began)

    def reply_ms(self, shim: Shim, samples: int) -> float:
        """Return the median from a call of ``reply`` to the arrival of its ``sendMessage`` at the server."""
        found = []
        self._server.make(samples, chats=samples)
        for _ in range(samples):
            next_event(shim)
        for number in range(samples):
            time.sleep(_REPLY_PAUSE_S)
            arguments = {
                "chat_id": f"{self._platform.name}:{self._platform.chat + number}",
                "text": "**A few words** of a usual length.",
            }
            call = {"name": "reply", "arguments": arguments, "_meta": {"claudecode/toolUseId": f"toolu_{number}"}}
            began = time.monotonic_ns()
            say(shim, {"id": 10_000 + number, "method": "tools/call", "params": call})
            found.append((self._server.sent_at() - began) / 1e6)
            while b'"id":%d' % (10_000 + number) not in hear(shim).readline():
                pass
        return statistics.median(found)

    def worker_mib(self) -> float:
        """Return the resident memory of the worker."""
        children = Path(f"/proc/{self._daemon.pid}/task/{self._daemon.pid}/children").read_text().split()
        return resident_mib(int(children[0]))

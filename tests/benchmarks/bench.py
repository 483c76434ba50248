"""The real thing: a real daemon with the bench worker, and real shims."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from channeld.core.access import Role
from channeld.store.access import AccessList
from channeld.store.db import Database
from tests.benchmarks.bench_worker import SENDER
from tests.benchmarks.floor import PAUSE_S

Shim = subprocess.Popen[bytes]


class Running:
    """A running daemon and its sessions."""

    def __init__(self, folder: Path, config: str, worker: str, sender: str) -> None:
        """Start it with a configuration, and a sender who may write to a worker."""
        self._environment = {**os.environ, "CHANNELD_HOME": str(folder), "CHANNELD_NO_START": "1"}
        (folder / "config.toml").write_text(config)
        asyncio.run(_list_sender(folder, worker, sender))
        self._daemon = subprocess.Popen([sys.executable, "-P", "-m", "channeld.daemon"], env=self._environment)
        self._shims: list[Shim] = []

    def attach(self, listening: str) -> Shim:
        """Attach a session through the real shim."""
        shim = subprocess.Popen(
            [Path(sys.executable).with_name("channeld"), "mcp", "--listening", listening],
            env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._shims.append(shim)
        client = {"name": "bench", "version": "0"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
        say(shim, {"id": 1, "method": "initialize", "params": params})
        assert b"serverInfo" in hear(shim).readline()
        say(shim, {"method": "notifications/initialized"})
        return shim

    def resident_mib(self) -> float:
        """Return the resident memory of the daemon."""
        return resident_mib(self._daemon.pid)

    def close(self) -> None:
        """End everything."""
        for shim in self._shims:
            _end(shim)
        self._daemon.terminate()
        self._daemon.wait()


class Bench(Running):
    """With the bench worker: as little as a platform can cost."""

    def __init__(self, folder: Path) -> None:
        boss = listen(folder / "boss")
        command = json.dumps([sys.executable, str(Path(__file__).with_name("bench_worker.py")), str(folder / "boss")])
        config = f"[workers.bench]\ncommand = {command}\nmax_per_minute = 1000000\n"
        super().__init__(folder, config, "bench", SENDER)
        self._worker, _ = boss.accept()
        self._results = self._worker.makefile("rb")

    def latency_ms(self, shim: Shim, samples: int) -> float:
        """Return the median from the worker's offer to the line on the shim's stdout."""
        found = []
        for _ in range(samples):
            time.sleep(PAUSE_S)
            self._worker.sendall(b"1")
            offered = next_event(shim)
            found.append((time.monotonic_ns() - offered) / 1e6)
            self._results.readline()
            pong(shim, hear(shim).readline())
        return statistics.median(found)

    def burst_per_s(self, shim: Shim, number: int) -> tuple[float, float]:
        """Return how many messages a second are accepted, and pushed, when all are offered at once."""
        began = time.monotonic()
        self._worker.sendall(str(number).encode())
        for _ in range(number):
            next_event(shim)
        pushed = number / (time.monotonic() - began)
        return number / (int(self._results.readline()) / 1e9), pushed

    def spawn_ms(self, times: int) -> tuple[float, float]:
        """Return the medians of a bare interpreter, and of a shim from its spawn to the answer to ``initialize``."""
        bare, shims = [], []
        for _ in range(times):
            began = time.monotonic()
            subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
            bare.append((time.monotonic() - began) * 1e3)
            began = time.monotonic()
            shim = self.attach("no")
            shims.append((time.monotonic() - began) * 1e3)
            _end(shim)
            self._shims.remove(shim)
        return statistics.median(bare), statistics.median(shims)


def listen(path: Path) -> socket.socket:
    """Return a Unix socket that another process connects to."""
    boss = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    boss.bind(str(path))
    boss.listen()
    return boss


async def _list_sender(folder: Path, worker: str, sender: str) -> None:
    """Put whoever writes on the list."""
    (folder / "state").mkdir(mode=0o700)
    database = Database(folder / "state" / "channeld.db")
    await database.open()
    await AccessList(database).put_person(worker, sender, Role.APPROVER, "benchmark", time.time())
    await database.close()


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def next_event(shim: Shim) -> int:
    """Return when the next event was offered, in monotonic nanoseconds; answer pings on the way."""
    while True:
        line = hear(shim).readline()
        if b"claude/channel" in line:
            return int(json.loads(line)["params"]["content"].split()[0])
        pong(shim, line)


def pong(shim: Shim, line: bytes) -> None:
    """Answer a ping."""
    message = json.loads(line)
    if message.get("method") == "ping":
        say(shim, {"id": message["id"], "result": {}})


def say(shim: Shim, message: dict[str, object]) -> None:
    """Say something to a shim as its client."""
    assert shim.stdin is not None
    shim.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
    shim.stdin.flush()


def hear(shim: Shim) -> IO[bytes]:
    """Return what a shim says."""
    assert shim.stdout is not None
    return shim.stdout


def _end(shim: Shim) -> None:
    shim.kill()
    shim.communicate()

"""The floor: this process → Unix socket → hop with one fsynced commit → Unix socket → this process."""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

_READ_BYTES = 1 << 20
PAUSE_S = 0.005
"""Between two messages whose way is timed: each meets an idle relay, not the end of the one before."""


class Floor:
    """A running hop between two ends that are both here."""

    def __init__(self, folder: Path) -> None:
        end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        end.bind(str(folder / "end"))
        end.listen()
        hop = Path(__file__).with_name("hop.py")
        self._hop = subprocess.Popen([sys.executable, hop, folder / "hop", folder / "end", folder / "floor.db"])
        self._onward, _ = end.accept()
        self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        _connect(self._sender, folder / "hop")

    def latency_ms(self, samples: int) -> float:
        """Return the median from sending to arriving."""
        found = []
        arrivals, answers = self._onward.makefile("rb"), self._sender.makefile("rb")
        for n in range(samples):
            time.sleep(PAUSE_S)
            self._sender.sendall(_line(n))
            stamp = json.loads(arrivals.readline())["text"].split()[0]
            found.append((time.monotonic_ns() - int(stamp)) / 1e6)
            answers.readline()
        return statistics.median(found)

    def burst_per_s(self, number: int) -> float:
        """Return how many messages a second are committed, acknowledged and passed on when all are sent at once."""
        data = b"".join(_line(n) for n in range(number))
        began = time.monotonic()
        acknowledged = arrived = 0
        while acknowledged < number or arrived < number:
            if data:
                try:
                    data = data[self._sender.send(data, socket.MSG_DONTWAIT) :]
                except BlockingIOError:
                    pass
            acknowledged += _count_lines(self._sender)
            arrived += _count_lines(self._onward)
        return number / (time.monotonic() - began)

    def close(self) -> None:
        """End the hop."""
        self._hop.terminate()
        self._hop.wait()


def _line(number: int) -> bytes:
    facts = {"type": "offer", "id": number, "chat": "bench:a", "sender": "Bench", "message_id": str(number)}
    text = f"{time.monotonic_ns()} and a few words of a usual length"
    return json.dumps({**facts, "text": text}).encode() + b"\n"


def _count_lines(connection: socket.socket) -> int:
    try:
        return connection.recv(_READ_BYTES, socket.MSG_DONTWAIT).count(b"\n")
    except BlockingIOError:
        return 0


def _connect(connection: socket.socket, path: Path) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            return connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            assert time.monotonic() < end, "the hop does not answer"
            time.sleep(0.02)

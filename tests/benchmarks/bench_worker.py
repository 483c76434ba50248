"""A worker that offers messages on command and stamps each with the moment of its leaving.

Run by the daemon; its argument is a Unix socket on which the benchmark says how many to offer at once.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time

from channeld.ipc import messages as m

SENDER = "1"
_BEAT_S = 5.0


class BenchWorker:
    """Raw frames on a blocking socket: as little as a worker can be."""

    def __init__(self) -> None:
        self._daemon = socket.socket(fileno=int(os.environ["CHANNELD_SOCKET_FD"]))
        self._lines = self._daemon.makefile("rb")
        self._boss = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._boss.connect(sys.argv[1])
        self._count = 0
        name = os.environ["CHANNELD_WORKER"]
        hello = m.Hello(protocol=1, worker=name, platform="bench", version="0", capabilities=m.Capabilities())
        self._daemon.sendall(m.encode(hello))
        self._lines.readline()
        self._daemon.sendall(m.encode(m.Ready(account="bench")))

    def run(self) -> None:
        """Obey until the benchmark hangs up."""
        while True:
            if not select.select([self._boss], [], [], _BEAT_S)[0]:
                self._daemon.sendall(m.encode(m.Beat()))
                continue
            order = self._boss.recv(100)
            if not order:
                return
            number = int(order)
            began = time.monotonic_ns()
            self._daemon.sendall(b"".join(self._offer() for _ in range(number)))
            accepted = 0
            while accepted < number:
                accepted += b'"accepted"' in self._lines.readline()
            self._boss.sendall(f"{time.monotonic_ns() - began}\n".encode())

    def _offer(self) -> bytes:
        self._count += 1
        event = m.Inbound(
            event_key=f"message:{self._count}", chat="bench:a", message_id=str(self._count), sender_id=SENDER,
            sender="Bench", text=f"{time.monotonic_ns()} and a few words of a usual length", sent_at=time.time(),
        )  # fmt: skip
        return m.encode(m.Offer(ref=self._count, event=event))


if __name__ == "__main__":
    BenchWorker().run()

"""Named steps at which a test may stop this process and kill it.

Without ``CHANNELD_TEST_FAULTPOINTS`` in the environment every call is one comparison. With it – the path of a Unix
socket that a test listens on – the process says where it is and waits until it is told to go on, or is killed.
"""

from __future__ import annotations

import os
import socket
from typing import Final

VARIABLE: Final = "CHANNELD_TEST_FAULTPOINTS"
_address: Final = os.environ.get(VARIABLE)


def reach(step: str) -> None:
    """Stop here if a test listens, until it answers."""
    if _address is None:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        try:
            peer.connect(_address)
            peer.sendall(f"{step} {os.getpid()}\n".encode())
            peer.recv(1)  # an end of file means: go on
        except OSError:
            return  # the test is over

"""A worker process without a mind: it passes bytes between its daemon and the test that scripts it.

Run by the daemon as ``command = [python, this file, ADDRESS]``; ADDRESS is a Unix socket that the test listens on.
"""

import os
import select
import socket
import sys


def main() -> None:
    """Pass bytes both ways until either side ends."""
    daemon = socket.socket(fileno=int(os.environ["CHANNELD_SOCKET_FD"]))
    token = os.environ.get("CHANNELD_TOKEN_FD")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as test:
        test.connect(sys.argv[1])
        test.sendall(f"{os.getpid()} {os.read(int(token), 4096).decode() if token else '-'}\n".encode())
        while True:
            for ready in select.select([daemon, test], [], [])[0]:
                data = ready.recv(1 << 20)
                if not data:
                    return
                (test if ready is daemon else daemon).sendall(data)


if __name__ == "__main__":
    main()

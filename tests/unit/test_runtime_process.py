"""What a worker takes from its environment, and what it never lets out."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from channeld_workers.process import BadCredentials, BadSettings, take_birthright


@pytest.fixture
def pair():
    """Both ends of a socket pair."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_everything_is_taken_out_of_the_environment(pair):
    """What is started from a worker inherits neither its name nor its descriptors."""
    read, write = os.pipe()
    os.write(write, b"  secret \n")
    os.close(write)
    environ = {
        "CHANNELD_WORKER": "web",
        "CHANNELD_SOCKET_FD": str(os.dup(pair[1].fileno())),
        "CHANNELD_TOKEN_FD": str(read),
        "PATH": "/bin",
    }
    birth = take_birthright(environ)
    with birth.sock:
        assert (birth.worker, birth.token) == ("web", "secret")
        assert not birth.sock.get_inheritable()
    assert environ == {"PATH": "/bin"}
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(read)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"CHANNELD_WORKER": "web"},
        {"CHANNELD_SOCKET_FD": "5"},
        {"CHANNELD_WORKER": "../x", "CHANNELD_SOCKET_FD": "5"},
        {"CHANNELD_WORKER": "web", "CHANNELD_SOCKET_FD": "1"},
        {"CHANNELD_WORKER": "web", "CHANNELD_SOCKET_FD": "-5"},
        {"CHANNELD_WORKER": "web", "CHANNELD_SOCKET_FD": "x"},
        {"CHANNELD_WORKER": "web", "CHANNELD_SOCKET_FD": "99999"},
    ],
)
def test_a_worker_started_by_hand_is_told_so(environ):
    """A missing or senseless variable is a sentence, not a traceback."""
    with pytest.raises(BadSettings):
        take_birthright(environ)


def test_a_token_that_is_no_text_does_not_show_in_the_error(pair):
    """Not even the bytes that could not be decoded."""
    read, write = os.pipe()
    os.write(write, b"abc\xffdef")
    os.close(write)
    link = os.dup(pair[1].fileno())
    environ = {
        "CHANNELD_WORKER": "web",
        "CHANNELD_SOCKET_FD": str(link),
        "CHANNELD_TOKEN_FD": str(read),
    }
    with pytest.raises(BadCredentials) as caught:
        take_birthright(environ)
    os.close(link)
    assert "abc" not in repr(caught.value) and caught.value.__cause__ is None


def test_a_daemon_that_died_first_is_noticed():
    """Between fork and prctl nobody sends the death signal: the closed socket tells.

    In a process of its own, because the death signal stays set.
    """
    program = (
        "import socket; from channeld_workers.process import die_with_parent\n"
        "ours, theirs = socket.socketpair(); die_with_parent(theirs); theirs.setblocking(True); ours.close()\n"
        "try: die_with_parent(theirs)\n"
        "except ProcessLookupError: print('noticed')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stdout == "noticed\n", done.stderr


def test_log_lines_are_json_without_the_token():
    """Our own lines and those of libraries have one form, and the token is struck out of both."""
    program = (
        "import logging; from channeld_workers.process import configure_log\n"
        "log = configure_log('web', 'hunter2')\n"
        "log.info('started', url='http://x/?t=hunter2')\n"
        "logging.getLogger('lib').warning('failed at %s', 'http://x/hunter2')\n"
        "logging.getLogger('lib').info('GET http://x/hunter2')\n"
        "try: raise ValueError('hunter2')\n"
        "except ValueError: log.exception('broke')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert "hunter2" not in done.stderr and done.stdout == ""
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["event"], line["level"], line["worker"]) for line in lines] == [
        ("started", "info", "web"),
        ("failed at http://x/[token]", "warning", "web"),
        ("broke", "error", "web"),
    ]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert "ValueError: [token]" in lines[2]["exception"]

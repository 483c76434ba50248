"""The shim beside a daemon that is there: lines pass, handshakes are replayed, delivery ids are noted."""

from __future__ import annotations

import json

import pytest

from channeld.cli.shim_bridge import Link
from tests.doubles.bridge_rig import (
    CACHED,
    INITIALIZED,
    RESULT,
    BridgeRig,
    call,
    event,
    initialize,
    permission,
    request,
    result,
)


@pytest.fixture
def rig() -> BridgeRig:
    """A bridge whose daemon was never there."""
    return BridgeRig()


@pytest.fixture
def attached() -> BridgeRig:
    """A bridge with the handshake done."""
    rig = BridgeRig()
    rig.attach()
    return rig


# -- while the daemon is there


def test_lines_pass_unchanged_in_both_directions(attached: BridgeRig) -> None:
    """What is not the shim's business is not reformatted either."""
    odd = b'{ "method" : "notifications/x", "jsonrpc":"2.0","params":{"a":"\\u00e9" , "b":1.0} }'
    attached.bridge.from_claude(odd, attached.now)
    attached.bridge.from_daemon(odd)
    assert bytes(attached.bridge.to_daemon) == bytes(attached.bridge.to_claude) == odd + b"\n"


def test_an_answer_passes_once_and_only_to_a_pending_request(attached: BridgeRig) -> None:
    """A second answer, and one to a request that never was, are dropped."""
    attached.claude(call(5))
    attached.daemon(result(5), result(5), result(99))
    assert attached.to_claude() == [result(5)]


def test_numbers_and_strings_are_different_ids(attached: BridgeRig) -> None:
    """The answer to "5" is no answer to 5."""
    attached.claude(call(5))
    attached.daemon(result("5"))
    assert attached.to_claude() == []


def test_an_error_without_an_id_passes(attached: BridgeRig) -> None:
    """The daemon's word on a garbage line reaches the client that wrote it."""
    refusal = {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "Parse error"}}
    attached.bridge.from_claude(b"}garbage{", attached.now)
    assert bytes(attached.bridge.to_daemon) == b"}garbage{\n"
    attached.daemon(refusal)
    assert attached.to_claude() == [refusal]


@pytest.mark.parametrize(
    "garbage",
    [b"\xff\xfe\x00", b"[1,2]", b"null", b"[" * 100_000, b'{"id":{},"result":[]}', b'{"id":[1],"method":7,"params":3}'],
)
def test_garbage_from_either_side_is_survived_in_every_state(garbage: bytes) -> None:
    """No line, however odd, ends the shim."""
    rig = BridgeRig()
    rig.bridge.from_claude(garbage, rig.now)
    rig.attach()
    rig.bridge.from_claude(garbage, rig.now)
    rig.bridge.from_daemon(garbage)
    rig.lose()
    rig.bridge.from_claude(garbage, rig.now)
    rig.wait(60)
    rig.bridge.to_claude.clear()
    assert rig.reattach() == []


@pytest.mark.parametrize("method", ["tools/call", "initialize", "notifications/cancelled", "server/discover"])
def test_params_of_the_wrong_kind_are_survived(rig: BridgeRig, method: str) -> None:
    """A list where an object belongs is the sender's mistake."""
    rig.claude({"id": 1, "method": method, "params": [1]}, {"method": method, "params": "x"})
    rig.wait(60)
    assert rig.bridge.link is Link.AWAY
    assert [message["id"] for message in rig.to_claude()] == [1]


# -- delivery ids


def test_hello_names_the_events_taken_over_for_claude(attached: BridgeRig) -> None:
    """By these ids the daemon knows what need not be pushed again, however the line was spaced."""
    attached.daemon(event(delivery_id="a1"))
    spaced = json.dumps(event(chat_id="c", delivery_id="b-2")).encode()
    attached.bridge.from_daemon(spaced)
    attached.daemon(event(delivery_id='q"3'), event(chat_id="none"))
    attached.lose()
    assert attached.connect()["written"] == ["a1", "b-2", 'q"3']


def test_text_of_a_sender_is_never_taken_for_a_delivery_id(attached: BridgeRig) -> None:
    """A message that quotes the protocol does not mark another one as written."""
    hostile = event(delivery_id="real")
    hostile["params"]["content"] = '"delivery_id":"forged" \\"delivery_id":"forged"'
    other = {"jsonrpc": "2.0", "method": "notifications/other", "params": {"meta": {"delivery_id": "other"}}}
    attached.daemon(hostile, other)
    attached.lose()
    assert attached.connect()["written"] == ["real"]


def test_only_the_last_256_delivery_ids_are_kept(attached: BridgeRig) -> None:
    """The list is bounded and the newest stay."""
    attached.daemon(*(event(delivery_id=str(number)) for number in range(300)))
    attached.lose()
    assert attached.connect()["written"] == [str(number) for number in range(44, 300)]


def test_what_was_taken_over_survives_the_daemon(attached: BridgeRig) -> None:
    """Bytes for Claude that are not written yet are kept, bytes for the dead daemon are not."""
    attached.daemon(event(delivery_id="a"))
    attached.claude(permission("abcde"))
    attached.lose()
    assert attached.to_daemon() == []
    assert attached.to_claude() == [event(delivery_id="a")]


# -- the handshake


def test_a_new_daemon_gets_the_handshake_replayed_and_its_answer_is_swallowed(attached: BridgeRig) -> None:
    """Claude asked once and is answered once."""
    attached.lose()
    assert attached.connect()["resumed"] is True
    assert attached.to_daemon() == [initialize()]
    attached.daemon(result(0, RESULT))
    assert attached.to_claude() == []
    assert attached.to_daemon() == [INITIALIZED]


def test_new_lines_wait_behind_the_replay(attached: BridgeRig) -> None:
    """Nothing overtakes the handshake; afterwards come the reports, the requests, then the rest."""
    attached.lose()
    attached.connect()
    note, answer = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}, result("d-1")
    attached.claude(note, answer, call(4), permission("abcde"))
    assert attached.to_daemon() == [initialize()]
    attached.daemon(result(0, RESULT))
    assert attached.to_daemon() == [INITIALIZED, permission("abcde"), call(4), note, answer]


def test_what_waited_for_a_replay_that_failed_is_dropped(attached: BridgeRig) -> None:
    """Its questions were asked on that connection."""
    attached.lose()
    attached.connect()
    attached.claude(result("d-1"))
    attached.lose()
    assert attached.connect()["resumed"] is True
    attached.daemon(result(0, RESULT))
    assert attached.to_daemon() == [initialize(), INITIALIZED]


def test_a_refused_replay_is_tried_again_and_noted_once(attached: BridgeRig) -> None:
    """The session has no use for the daemon's error; the daemon may think better of it."""
    error = {"jsonrpc": "2.0", "id": 0, "error": {"code": -32600, "message": "no"}}
    for _ in range(2):
        attached.lose()
        attached.connect()
        attached.daemon(error)
        assert attached.bridge.hang_up
    assert attached.to_claude() == []
    assert len(attached.bridge.notes) == 1
    attached.lose()
    assert not attached.bridge.hang_up
    assert attached.reattach() == []


def test_a_refused_first_handshake_reaches_claude(rig: BridgeRig) -> None:
    """Claude sees the error of its own request and may try again."""
    error = {"jsonrpc": "2.0", "id": 0, "error": {"code": -32602, "message": "no"}}
    rig.connect()
    rig.claude(initialize())
    rig.daemon(error)
    rig.claude(initialize(1))
    rig.daemon(result(1, RESULT))
    assert rig.to_claude() == [error, result(1, RESULT)]
    assert rig.bridge.link is Link.UP


def test_a_daemon_that_dies_during_the_first_handshake_is_asked_again(rig: BridgeRig) -> None:
    """Initialize is pending until it is answered."""
    rig.connect()
    rig.claude(initialize())
    rig.lose()
    assert rig.connect()["resumed"] is False
    assert rig.to_daemon()[-1] == initialize()
    rig.daemon(result(0, RESULT))
    assert rig.to_claude() == [result(0, RESULT)]


def test_without_a_daemon_the_handshake_comes_from_the_cache_after_20_s(rig: BridgeRig) -> None:
    """The session registers its channel; tools follow at once; a daemon that comes later gets it replayed."""
    rig.claude(request("probe", "server/discover"))
    assert rig.to_claude()[0]["error"]["code"] == -32601
    rig.claude(initialize(version="2025-03-26"))
    assert rig.bridge.deadline() == 120.0
    rig.wait(19.9)
    assert rig.to_claude() == []
    rig.wait(0.1)
    assert rig.to_claude() == [result(0, CACHED["initialize"] | {"protocolVersion": "2025-03-26"})]
    rig.claude(INITIALIZED, request(1, "tools/list"))
    assert rig.to_claude() == [result(1, CACHED["tools_list"])]
    assert rig.connect()["resumed"] is True
    assert rig.to_daemon() == [initialize(version="2025-03-26")]
    rig.daemon(result(0, RESULT))
    assert rig.to_claude() == []
    assert rig.to_daemon() == [INITIALIZED]


def test_an_unknown_protocol_version_is_answered_with_the_newest_known(rig: BridgeRig) -> None:
    """As the protocol asks: the server names one that it knows."""
    rig.claude(initialize(version="2031-01-01"))
    rig.wait(20)
    assert rig.to_claude()[0]["result"]["protocolVersion"] == "2025-11-25"


def test_a_daemon_that_hangs_in_the_first_handshake_counts_as_away(rig: BridgeRig) -> None:
    """It is stopped, not gone: Claude is answered from the cache, and the late answer is swallowed."""
    rig.connect()
    rig.claude(initialize())
    rig.wait(20)
    assert rig.to_claude()[0]["result"]["serverInfo"] == {"name": "cached"}
    rig.claude(INITIALIZED, request(1, "ping"))
    assert rig.to_claude() == [result(1)]
    assert rig.to_daemon() == [initialize()]
    rig.daemon(result(0, RESULT))
    assert rig.to_claude() == []
    assert rig.to_daemon() == [INITIALIZED]


def test_a_late_initialize_still_gives_a_connected_daemon_time(rig: BridgeRig) -> None:
    """A client slower than the deadline is not sent to the cache while the daemon is answering."""
    rig.wait(60)
    rig.connect()
    rig.claude(initialize())
    rig.wait(0.1)
    rig.daemon(result(0, RESULT))
    assert rig.to_claude() == [result(0, RESULT)]


def test_the_daemons_own_answers_are_learned_for_the_cache(attached: BridgeRig) -> None:
    """Whole, and with the newest protocol version: which one a session asked for is no difference."""
    assert attached.bridge.learned is None
    attached.claude(request(1, "tools/list"))
    attached.daemon(result(1, {"tools": []}))
    assert attached.bridge.learned == {
        "initialize": RESULT | {"protocolVersion": "2025-11-25"},
        "tools_list": {"tools": []},
    }

"""The shim while the daemon is away: what waits, what is answered at once, what is kept."""

from __future__ import annotations

import pytest

from channeld.cli import shim_bridge
from tests.doubles.bridge_rig import (
    CACHED,
    RESULT,
    BridgeRig,
    call,
    cancelled,
    is_error_result,
    permission,
    request,
    result,
)


@pytest.fixture
def attached() -> BridgeRig:
    """A bridge with the handshake done."""
    rig = BridgeRig()
    rig.attach()
    return rig


# -- calls


def test_a_call_with_a_tool_use_id_is_sent_again(attached: BridgeRig) -> None:
    """The daemon deduplicates on that id, so the same line may be told twice."""
    attached.claude(call(3, tool_use_id="toolu_1"))
    attached.to_daemon()
    attached.lose()
    attached.wait(29)
    assert attached.to_claude() == []
    assert attached.reattach() == [call(3, tool_use_id="toolu_1")]
    attached.daemon(result(3))
    assert attached.to_claude() == [result(3)]
    assert attached.bridge.deadline() is None


def test_a_call_without_a_tool_use_id_is_answered_when_the_connection_is_lost(attached: BridgeRig) -> None:
    """Nobody could tell its repetition from a second message."""
    attached.claude(call(3))
    attached.lose()
    (answer,) = attached.to_claude()
    assert is_error_result(answer, "may have been sent. Check fetch_messages")
    assert attached.reattach() == []


def test_a_call_that_never_left_is_sent_even_without_a_tool_use_id(attached: BridgeRig) -> None:
    """It cannot have been sent before."""
    attached.lose()
    attached.claude(call(3))
    assert attached.to_claude() == []
    assert attached.reattach() == [call(3)]


def test_after_30_s_a_call_is_answered_and_its_late_answer_dropped(attached: BridgeRig) -> None:
    """The turn goes on; a call that was sent says so, one that never left says that too."""
    attached.claude(call(3, tool_use_id="toolu_1"))
    attached.wait(1000)
    attached.lose()
    attached.wait(10)
    attached.claude(call(4, tool_use_id="toolu_2"))
    attached.wait(19.9)
    assert attached.to_claude() == []
    attached.wait(0.1)
    (first,) = attached.to_claude()
    assert first["id"] == 3 and is_error_result(first, "may have been sent")
    attached.wait(10)
    (second,) = attached.to_claude()
    assert second["id"] == 4 and is_error_result(second, "nothing was sent")
    assert attached.reattach() == []
    attached.daemon(result(3), result(4))
    assert attached.to_claude() == []


def test_a_daemon_that_hangs_in_the_replay_counts_as_away_for_calls(attached: BridgeRig) -> None:
    """Accepting connections is not being there."""
    attached.lose()
    attached.connect()
    attached.claude(call(3))
    attached.wait(30)
    assert is_error_result(attached.to_claude()[0], "nothing was sent")


def test_short_connections_do_not_put_off_the_deadline(attached: BridgeRig) -> None:
    """A daemon that crashes in every handshake must not hold a call for ever."""
    attached.claude(call(3, tool_use_id="toolu_1"))
    attached.lose()
    for _ in range(3):
        attached.wait(10)
        attached.connect()
        attached.lose()
    assert is_error_result(attached.to_claude()[0], "may have been sent")


def test_other_requests_are_sent_again_and_after_30_s_refused(attached: BridgeRig) -> None:
    """A list of tools is better taken from the cache than refused."""
    attached.claude(request(3, "prompts/list"), request(4, "tools/list"))
    attached.lose()
    assert attached.reattach() == [request(3, "prompts/list"), request(4, "tools/list")]
    attached.lose()
    attached.wait(30)
    refused, tools = attached.to_claude()
    assert refused["id"] == 3 and refused["error"]["code"] == -32000
    assert tools == result(4, CACHED["tools_list"])


def test_a_cancelled_request_is_not_sent_again(attached: BridgeRig) -> None:
    """Whether it was cancelled before the daemon went or after; its answer is dropped."""
    attached.claude(call(3, tool_use_id="a"), cancelled(3), call(4, tool_use_id="b"))
    attached.daemon(result(3))
    attached.lose()
    attached.claude(cancelled(4))
    assert attached.reattach() == [cancelled(4)]
    attached.wait(60)
    assert attached.to_claude() == []


# -- what Claude reports while the daemon is away


def test_hooks_are_answered_at_once_and_their_reports_replayed(attached: BridgeRig) -> None:
    """An empty decision shows nothing in the terminal; the daemon hears of it later, and its answer is swallowed."""
    attached.claude(call(2, "session_event"))
    attached.lose()  # in the middle of the first
    attached.claude(call(3, "session_event", "toolu_9"))
    empty = {"content": [{"type": "text", "text": "{}"}]}
    assert attached.to_claude() == [result(2, empty), result(3, empty)]
    assert attached.connect()["answered_reports"] == [2, 3]
    attached.daemon(result(0, RESULT))
    assert attached.to_daemon()[2:] == [call(2, "session_event"), call(3, "session_event", "toolu_9")]
    attached.daemon(result(2))
    assert attached.to_claude() == []
    attached.lose()
    assert attached.reattach() == [call(3, "session_event", "toolu_9")]  # the daemon never confirmed that one
    attached.daemon(result(3))
    attached.lose()
    assert attached.reattach() == []
    assert attached.to_claude() == []


def test_permission_requests_and_cancellations_are_kept_for_the_next_daemon(attached: BridgeRig) -> None:
    """They are notifications, which nobody confirms: kept until something later is answered."""
    attached.lose()
    attached.claude(permission("abcde"), cancelled(77))
    assert attached.reattach() == [permission("abcde"), cancelled(77)]
    attached.claude(call(4))
    attached.daemon(result(4))
    attached.to_claude()
    attached.to_daemon()
    attached.lose()
    assert attached.reattach() == []


def test_the_oldest_reports_make_room_and_are_counted(attached: BridgeRig) -> None:
    """500 of all kinds together stay."""
    attached.lose()
    attached.claude(*(permission(str(number)) for number in range(400)))
    attached.claude(*(call(number, "session_event") for number in range(1, 121)))
    assert attached.connect()["dropped_reports"] == 20
    attached.daemon(result(0, RESULT))
    replayed = attached.to_daemon()[2:]
    assert len(replayed) == 500
    assert replayed[0] == permission("20") and replayed[-1] == call(120, "session_event")


def test_reports_are_bounded_in_bytes_too(attached: BridgeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook's report can hold a whole file."""
    monkeypatch.setattr(shim_bridge, "MAX_REPORTS_BYTES", 1000)
    attached.lose()
    attached.claude(*(permission(str(number) * 400) for number in range(4)))
    assert attached.connect()["dropped_reports"] == 3


def test_answers_to_questions_of_a_dead_daemon_are_dropped(attached: BridgeRig) -> None:
    """They mean nothing to the next one; nor do other notifications."""
    attached.daemon(request("d-1", "ping"))
    assert attached.to_claude() == [request("d-1", "ping")]
    attached.lose()
    attached.claude(result("d-1"), {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}})
    assert attached.reattach() == []


def test_ping_and_probe_are_answered_while_the_daemon_is_away(attached: BridgeRig) -> None:
    """At once, by the shim."""
    attached.lose()
    attached.claude(request(8, "ping"), request(9, "server/discover"))
    pong, unknown = attached.to_claude()
    assert pong == result(8)
    assert unknown["error"] == {"code": -32601, "message": "Method not found"}


def test_what_must_not_wait_is_answered_when_the_daemon_goes_before_it_did(attached: BridgeRig) -> None:
    """A ping that was on its way is no different from one that comes a moment later."""
    attached.claude(request(8, "ping"), request(9, "server/discover"))
    attached.lose()
    assert [message["id"] for message in attached.to_claude()] == [8, 9]
    assert attached.reattach() == []


def test_nothing_is_due_while_the_daemon_is_there(attached: BridgeRig) -> None:
    """A long call is the daemon's business."""
    attached.claude(call(3))
    assert attached.bridge.deadline() is None
    attached.wait(3600)
    assert attached.to_claude() == []


def test_a_permission_request_that_the_daemon_may_have_died_of_is_told_the_next() -> None:
    """However often it dies, until it answers what was asked later: it reads in order."""
    rig = BridgeRig()
    rig.attach()
    rig.claude(call(3, tool_use_id="toolu_3"), permission("abcde"))
    rig.daemon(result(3))
    for _ in range(3):
        rig.to_daemon()
        rig.to_claude()
        rig.lose()
        assert rig.reattach() == [permission("abcde")]
    rig.claude(permission("abcdf"), call(4), permission("abcdg"))
    rig.daemon(result(4))
    rig.to_claude()
    rig.to_daemon()
    rig.lose()
    assert rig.reattach() == [permission("abcdg")]


# -- a daemon of another version


REFUSAL = {"jsonrpc": "2.0", "method": "channeld/refused", "params": {"text": "Restart this session."}}


def test_a_refused_session_waits_for_nothing_and_says_what_helps(attached: BridgeRig) -> None:
    """What Claude calls is answered at once; a call that an earlier daemon may have carried out says so too."""
    attached.claude(call(3, tool_use_id="toolu_1"))
    attached.lose()
    attached.connect()
    attached.daemon(REFUSAL)
    assert attached.bridge.hang_up
    assert attached.bridge.notes == ["Restart this session."]
    attached.lose()
    attached.claude(call(4, tool_use_id="toolu_2"), request(5, "prompts/list"))
    attached.wait(0)
    sent, fresh, other = attached.to_claude()
    assert is_error_result(sent, "may have been sent. Check fetch_messages before repeating it. Restart this session.")
    assert fresh["result"]["content"][0]["text"] == "Restart this session."
    assert other["error"]["message"] == "Restart this session."


def test_a_daemon_that_understands_it_takes_a_refused_session_in(attached: BridgeRig) -> None:
    """From then on calls wait for a daemon that is away, as ever."""
    attached.lose()
    attached.connect()
    attached.daemon(REFUSAL)
    attached.lose()
    attached.reattach()
    attached.claude(call(3, tool_use_id="toolu_1"))
    attached.lose()
    attached.wait(29)
    assert attached.to_claude() == []


@pytest.mark.parametrize("text", [None, "", 3, {"a": 1}])
def test_a_refusal_without_words_gets_some(attached: BridgeRig, text: object) -> None:
    """Whatever a later version says there."""
    attached.lose()
    attached.connect()
    attached.daemon(REFUSAL | {"params": {"text": text}})
    assert "Restart the session" in attached.bridge.refusal

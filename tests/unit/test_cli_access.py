"""What is printed about who may speak: harmless, and quiet where all is as it mostly is."""

import pytest

from channeld.cli.render.access import (
    access_lines,
    allowed_text,
    denied_text,
    gone_text,
    paired_text,
    request_lines,
    setup_lines,
)
from channeld.cli.render.status import status_lines

NOW = 1_795_000_000.0
HOSTILE = "Ann\x1b[2J\n\u202egnp"
STATUS = {
    "daemon": {"version": "1", "pid": 7, "started_at": NOW, "config": "", "state": ""},
    "health": [], "workers": [], "sessions": [], "events": {}, "waiting": [], "outbox": [],
}  # fmt: skip
CALM = {
    "worker": "pager", "platform": "pager", "policy": "allowlist", "requests": 0, "people": 1, "approvers": 1,
    "dropped": [],
}  # fmt: skip


def notes(**facts):
    """Return what the status says of a worker's access."""
    without = status_lines({**STATUS, "access": []}, NOW, 200)
    return [
        line.strip()
        for line in status_lines({**STATUS, "access": [{**CALM, **facts}]}, NOW, 200)
        if line not in without
    ]


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, []),
        ({"platform": "web", "policy": "pairing"}, []),
        ({"policy": "pairing"}, ["channeld access policy pager allowlist"]),
        ({"policy": "pairing", "people": 0}, ["channeld setup pager"]),
        ({"policy": "disabled"}, ["closed to everybody"]),
        ({"requests": 1}, ["1 person asks to be let in: `channeld pair`"]),
        ({"requests": 2}, ["2 people ask to be let in: `channeld pair`"]),
        (
            {"dropped": [{"code": "unlisted", "count": 3, "last_at": NOW - 60},
                         {"code": "rate", "count": 1, "last_at": NOW - 60}]},
            ["3 messages of strangers kept out so far", "kept out: 1 message that came too fast"],
        ),
        ({"dropped": [{"code": "unlisted", "count": 3, "last_at": NOW - 10**6}]}, []),
    ],
)  # fmt: skip
def test_the_status_says_what_a_person_should_know(facts, said):
    """And nothing else: of old strangers, of the web chat and of a closed list nobody needs to be reminded."""
    found = notes(**facts)
    assert len(found) == len(said)
    for line, part in zip(found, said, strict=True):
        assert part in line


def test_an_older_daemon_says_nothing_of_access():
    """The status is shown all the same."""
    assert status_lines(STATUS, NOW, 80)


def test_what_strangers_call_themselves_cannot_move_the_cursor():
    """Names and ids come out as text on their own line."""
    request = {
        "id": "3fa81c", "worker": "pager", "platform": "pager", "sender_id": HOSTILE, "sender": HOSTILE,
        "chat": "pager:b", "asked_at": NOW,
    }  # fmt: skip
    person = {"sender_id": HOSTILE, "name": HOSTILE, "role": "denied", "chat": None, "since": NOW, "by": "terminal"}
    worker = {
        **CALM, "policy_from": "config", "may_approve": False, "people": [person],
        "groups": [{"chat": "pager:g", "require_mention": True, "senders": [HOSTILE]}],
        "dropped": [{"code": "of a later version", "count": 1, "last_at": NOW}], "requests": 1,
    }  # fmt: skip
    change = {"at": NOW, "by": "terminal", "what": "denied", "worker": "pager", "who": HOSTILE}
    printed = [
        *request_lines([request], NOW, 80),
        *access_lines({"workers": [worker], "changes": [change]}, NOW, 80),
        *paired_text({**request, "role": "chatter"}).split("\n"),
        *denied_text(request).split("\n"),
    ]
    for line in printed:
        assert "\x1b[2J" not in line
        assert "\u202e" not in line
        assert "\n" not in line
    assert request_lines([], NOW, 80) != []


def test_what_was_done_is_said_in_words():
    """With what follows from it."""
    assert "may_approve = false" in allowed_text("pager", "8", {"role": "chatter", "told": True}, wanted_approver=True)
    assert gone_text("Gone.", 0) == "Gone."
    assert gone_text("Gone.", 1) == "Gone. 1 message that waited for Claude was dropped."
    assert "channeld url web" in " ".join(setup_lines({"worker": "web", "code": None}, 80))
    assert "    ACDE-FGHJ-KMNP" in setup_lines({"worker": "pager", "code": "ACDE-FGHJ-KMNP"}, 80)

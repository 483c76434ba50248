"""Who may speak, how fast, and the codes of pairing: decisions without a store."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channeld.core import pairing
from channeld.core.access import DENIED, Facts, Group, Policy, Role, Terms, room_of, rule, standing_role
from channeld.core.pace import BOT_MESSAGES, BOT_PAUSE_S, BotTalk, Pace
from channeld.core.pairing import WrongTries
from tests.doubles.stores import message

APPROVER, CHATTER = Facts(standing=Role.APPROVER), Facts(standing=Role.CHATTER)
OPEN = Group(require_mention=False, has_list=False, lists_sender=False)


def ruled(facts, terms=Terms(), **event):  # noqa: B008 - a constant
    """Return the code of the ruling on a message, or the role where it was admitted."""
    ruling = rule(message("1", **event), terms, facts)
    return ruling.role if ruling.admitted else ruling.code


@pytest.mark.parametrize(
    ("facts", "event", "found"),
    [
        (APPROVER, {}, Role.APPROVER),
        (CHATTER, {}, Role.CHATTER),
        (Facts(), {}, "pairing"),
        (Facts(), {"kind": "edited"}, "unlisted"),
        (Facts(), {"kind": "reaction"}, "unlisted"),
        (Facts(), {"bot": True}, "unlisted"),
        (Facts(policy="allowlist"), {}, "unlisted"),
        (Facts(policy="disabled", standing=Role.APPROVER), {}, "disabled"),
        (Facts(policy="no policy that we know", standing=Role.APPROVER), {}, "disabled"),
        (Facts(standing=DENIED), {}, DENIED),
        (Facts(standing="no role that we know"), {}, DENIED),
        (APPROVER, {"sender_id": ""}, "malformed"),
        (APPROVER, {"sender_id": "7" * 129}, "malformed"),
        (APPROVER, {"sender_id": "7\nAnn"}, "malformed"),
        (APPROVER, {"sender_id": "7 "}, "malformed"),
        (APPROVER, {"sender_id": "7\u200b"}, "malformed"),
        (APPROVER, {"sender_id": "7\u3164"}, "malformed"),
        (APPROVER, {"sender_id": "7\U000e0041"}, "malformed"),
        (APPROVER, {"sender_id": "@änn_7:x.org"}, Role.APPROVER),
        (APPROVER, {"group": True}, "group_closed"),
        (Facts(), {"group": True}, "group_closed"),
        (Facts(standing=Role.CHATTER, group=OPEN), {"group": True}, Role.CHATTER),
        (Facts(group=OPEN), {"group": True}, "unlisted"),
        (Facts(standing=DENIED, group=OPEN._replace(has_list=True, lists_sender=True)), {"group": True}, DENIED),
        (Facts(group=OPEN._replace(has_list=True, lists_sender=True)), {"group": True}, Role.CHATTER),
        (Facts(standing=Role.APPROVER, group=OPEN._replace(has_list=True)), {"group": True}, "unlisted"),
        (Facts(standing=Role.APPROVER, group=OPEN._replace(require_mention=True)), {"group": True}, "no_mention"),
        (
            Facts(standing=Role.APPROVER, group=OPEN._replace(require_mention=True)),
            {"group": True, "mentioned": True},
            Role.APPROVER,
        ),
        (
            Facts(standing=Role.APPROVER, group=OPEN._replace(require_mention=True)),
            {"group": True, "kind": "button"},
            Role.APPROVER,
        ),
    ],
)
def test_who_may_speak(facts, event, found):
    """By the sender alone, and in groups only in those that were opened."""
    assert ruled(facts, **event) == found


def test_what_the_configuration_says_holds_until_a_policy_is_set():
    """The first value, and no more than that."""
    assert ruled(Facts(), Terms(Policy.ALLOWLIST)) == "unlisted"
    assert ruled(Facts(policy="pairing"), Terms(Policy.ALLOWLIST)) == "pairing"
    assert ruled(APPROVER, Terms(Policy.DISABLED)) == "disabled"


def test_a_worker_whose_people_may_not_approve_has_no_approvers():
    """Not even whoever holds its token."""
    terms = Terms(may_approve=False, holder="owner")
    assert ruled(APPROVER, terms) == Role.CHATTER
    assert standing_role("owner", terms, None) is Role.CHATTER
    assert standing_role("owner", Terms(holder="owner"), None) is Role.APPROVER
    assert standing_role("", Terms(), None) is None


def test_a_group_is_opened_with_all_its_threads():
    """The thread is no part of its id."""
    assert room_of("telegram:-100/17") == room_of("telegram:-100") == "telegram:-100"


def test_a_flood_is_told_once_and_a_backlog_is_none():
    """So many at once and so many a minute, by the platform's clock too; and news only after a pause."""
    pace, sender = Pace(), ("pager", "7")
    burst = [pace.take(sender, 60, 1000.0, 0.0) for _ in range(100)]
    assert [too_many for too_many, _ in burst] == [False] * 60 + [True] * 40
    assert sum(news for _, news in burst) == 1
    assert pace.take(sender, 60, 1001.5, 0.0) == (False, False)
    assert pace.take(sender, 60, 1001.5, 0.0) == (True, False)
    assert pace.take(("pager", "8"), 60, 1001.5, 0.0) == (False, False)
    again = [pace.take(sender, 60, 1100.0, 0.0) for _ in range(61)]
    assert again[-1] == (True, True)
    sent_with_pauses = Pace()
    assert not any(sent_with_pauses.take(sender, 60, 5000.0, float(n))[0] for n in range(0, 1000, 2))


def test_bots_among_themselves_come_to_an_end():
    """A person's message, or an hour of silence, lets them go on."""
    talk = BotTalk()
    turns = [talk.take("pager:a", bot=True, now=float(n)) for n in range(BOT_MESSAGES + 3)]
    assert turns == [False] * BOT_MESSAGES + [True] * 3
    assert not talk.take("pager:b", bot=True, now=20.0)
    assert not talk.take("pager:a", bot=False, now=20.0)
    assert not talk.take("pager:a", bot=True, now=21.0)
    for n in range(BOT_MESSAGES):
        talk.take("pager:a", bot=True, now=22.0 + n)
    assert talk.take("pager:a", bot=True, now=50.0)
    assert not talk.take("pager:a", bot=True, now=50.0 + BOT_PAUSE_S)


@given(st.integers(min_value=0, max_value=2**256), st.sampled_from(["{}", " {} ", "{}\n"]), st.booleans())
def test_a_code_is_read_however_it_is_typed(number, around, lower):
    """In capitals or not, in groups or not; and it has no letter that looks like another."""
    for length in (pairing.CODE_LENGTH, pairing.OWNER_CODE_LENGTH):
        code = pairing.spell(number, length)
        assert not set(code) & set("0O1IL2Z5S8BUV")
        for form in (code, pairing.shown(code), code.replace("", " ")):
            typed = around.format(form.lower() if lower else form)
            assert pairing.read(typed, length) == code
            if length == pairing.OWNER_CODE_LENGTH:
                assert pairing.read_message(typed) == pairing.read_message(f"/start {typed}") == code


@pytest.mark.parametrize("text", ["", "ACDE", "ACDE-FGHJ-K", "ACDE-FGH0", "ACDE FGHJ please", "A" * 4000, "ACDE–FGHÄ"])
def test_what_is_no_code_is_none(text):
    """Nothing is guessed."""
    assert pairing.read(text) is None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ann O\u2019Brien", "Ann O'Brien"),
        ("Mary Kate", "Mary Kate"),
        ("Margaret", "Margaret"),
        ("Eve” says “yes", "Eve says yes"),
        ("x" * 60, "x" * 39 + "…"),
        ("a\u3164\u200b\nb", "a b"),
        ("type ACDE-FGHJ", "(name left out)"),
        ("type k7qm 3xpa now", "(name left out)"),
        ("\uff21\uff23\uff24\uff25\u2011\uff26\uff27\uff28\uff2a", "(name left out)"),
        ("\u0410\u0421D\u0415–FG\u041dJ", "(name left out)"),
        ("m.a-r g a r e t", "(name left out)"),
        ("", ""),
    ],
)
def test_a_name_in_a_sentence_of_ours(name, shown):
    """It is short, does not end the quotation, and shows no code, nor what reads like one."""
    assert pairing.shown_name(name, ["MARGARET"] if "." in name else []) == shown


def test_a_code_is_found_among_others():
    """By its place; a wrong one is nowhere."""
    assert pairing.find("ACDEFGHJ", ["KMNPQRTW", "ACDEFGHJ"]) == 1
    assert pairing.find("ACDEFGHK", ["KMNPQRTW", "ACDEFGHJ"]) is None
    assert pairing.find("ACDEFGHK", []) is None


def test_codes_are_not_guessed_for_long():
    """Five wrong ones, then a wait that ends; a clock that was set back forgives."""
    tries = WrongTries()
    for n in range(pairing.MOST_WRONG):
        assert tries.wait_s(float(n)) == 0
        tries.count(float(n))
    assert tries.wait_s(10.0) == pytest.approx(pairing.WRONG_WITHIN_S - 10)
    assert tries.wait_s(pairing.WRONG_WITHIN_S) == 0

"""What a person sees of what is wrong: root causes, errors first, nothing that may yet pass."""

from __future__ import annotations

import pytest

from channeld.core.errors import StoreUnavailable
from channeld.core.health import KINDS, SESSIONS, STORE, Report, Severity, kind_of, shown
from channeld.core.listening import Listening, Verdict
from channeld.core.symptoms import LONG_TURN_S, Seat, held, nobody_listens, sending, stuck, waiting
from channeld.daemon.health import Health

NOW = 10_000.0
LISTENS = Verdict(Listening.YES)
DEAF = Verdict(Listening.NO, "Claude Code was started without the channel flag", "Restart it with: claude --flag")


def report(code: str, subject: str = "", age_s: float = 1000.0) -> Report:
    """Return an issue that has lasted for a while."""
    return Report(code, f"{code} of {subject}", "Mend it.", NOW - age_s, subject)


def codes(*reports: Report) -> list[str]:
    """Return the codes of what is shown."""
    return [issue.report.code for issue in shown(reports, NOW)]


def test_a_root_cause_hides_its_consequences_and_names_them():
    """A full disk keeps sessions from attaching, and so messages from leaving: one thing to mend."""
    (issue,) = shown([report("messages_waiting"), report("no_session", SESSIONS), report("disk_full", STORE)], NOW)
    assert issue.report.code == "disk_full"
    assert issue.hides == ("messages_waiting", "no_session")
    assert issue.kind.severity is Severity.ERROR and issue.kind.why


def test_a_worker_explains_only_what_is_about_itself():
    """The other worker's answers wait for a reason of their own."""
    found = codes(
        report("worker_blocked", "web"), report("sends_waiting", "web"), report("sends_waiting", "pager", age_s=70.0)
    )
    assert found == ["worker_blocked", "sends_waiting"]


def test_what_a_platform_reports_is_hidden_while_its_worker_is_down():
    """Codes that nobody listed are a worker's own words."""
    assert codes(report("platform_conflict", "pager")) == ["platform_conflict"]
    assert codes(report("platform_conflict", "pager"), report("worker_failed", "pager")) == ["worker_failed"]


@pytest.mark.parametrize("code", [code for code, kind in KINDS.items() if kind.delay_s])
def test_what_usually_passes_shows_only_when_it_lasts(code):
    """Not a moment before its delay, and from then on."""
    delay_s = KINDS[code].delay_s
    assert codes(report(code, age_s=delay_s - 0.1)) == []
    assert codes(report(code, age_s=delay_s)) == [code]


def test_a_cause_that_does_not_show_yet_hides_nothing():
    """Otherwise a passing restart would silence an alarm."""
    young = report("worker_restarting", "web", age_s=1.0)
    assert codes(young, report("sends_waiting", "web")) == ["sends_waiting"]


def test_errors_come_first_then_what_is_oldest():
    """What stops messages is read first."""
    found = codes(
        report("sends_failed", "web", age_s=900), report("worker_failed", "a", age_s=10),
        report("no_session", SESSIONS, age_s=950), report("session_stuck", "main", age_s=40),
    )  # fmt: skip
    assert found == ["session_stuck", "worker_failed", "no_session", "sends_failed"]


SUBJECTS = {"no_session": SESSIONS, "session_deaf": SESSIONS, "default_session_missing": SESSIONS,
            "session_stuck": "api", "messages_waiting": "", "messages_held": "", "config_broken": "config"}  # fmt: skip


def subject_of(code: str) -> str:
    """Return what issues of a code are about, where the daemon reports or derives them."""
    return SUBJECTS.get(code, STORE if code.startswith(("store_", "disk_")) else "pager")


@pytest.mark.parametrize(
    ("cause", "effect"), [(cause, effect) for effect, kind in KINDS.items() for cause in kind.after]
)
def test_every_cause_in_the_table_can_explain_its_effect(cause, effect):
    """With the subjects that they really have: a pair that never meets would be a promise that nobody keeps."""
    assert codes(report(effect, subject_of(effect)), report(cause, subject_of(cause))) == [cause]


def test_causes_do_not_run_in_circles():
    """If two kinds explained each other, neither would ever be seen."""

    def causes(code: str, seen: frozenset[str] = frozenset()) -> set[str]:
        assert code not in seen, f"{code} explains itself"
        return {code}.union(*(causes(cause, seen | {code}) for cause in kind_of(code).after))

    for code in KINDS:
        assert causes(code) <= set(KINDS)


def test_why_nobody_listens():
    """No session, one that is deaf, or none of the wanted name: each with another way out."""
    nobody = nobody_listens([], None, NOW)
    assert nobody.code == "no_session" and "claude --dangerously-load-development-channels" in nobody.hint
    deaf = nobody_listens([Seat("api", DEAF)], None, NOW)
    assert deaf.code == "session_deaf" and deaf.hint == DEAF.mend
    assert deaf.text == "The session api does not listen: Claude Code was started without the channel flag."
    unnamed = nobody_listens([Seat("api", DEAF), Seat("web", LISTENS)], "main", NOW)
    assert unnamed.code == "default_session_missing" and "--name main" in unnamed.hint
    assert nobody.subject == deaf.subject == unnamed.subject == SESSIONS


def test_a_session_that_reads_nothing_is_told_by_name():
    """One that has confirmed everything is well."""
    reports = stuck([Seat("api", LISTENS, 1, NOW - 60), Seat("web", LISTENS)])
    assert [(r.code, r.subject, r.since) for r in reports] == [("session_stuck", "api", NOW - 60)]
    assert "has not taken 1 message that" in reports[0].text


def test_waiting_messages_count_from_the_oldest():
    """None is no issue; of several chats the longest wait is what matters."""
    assert waiting([]) == []
    (found,) = waiting([("web:main", 2, NOW - 5), ("pager:a", 1, NOW - 90)])
    assert (found.since, found.text) == (NOW - 90, "3 messages for Claude waiting.")


def test_what_went_wrong_on_the_way_out_is_told_for_a_day():
    """Old failures are only counted; what waits is another matter than what failed."""
    parts = [
        ("web", "failed", 4, NOW - 99, 0, None), ("web", "uncertain", 3, NOW - 98, 2, "the connection broke"),
        ("pager", "queued", 1, NOW - 97, 0, None),
    ]  # fmt: skip
    assert [(r.code, r.subject) for r in sending(parts, {"web", "pager"})] == [
        ("sends_uncertain", "web"),
        ("sends_waiting", "pager"),
    ]
    assert sending(parts, {"web", "pager"})[0].text == (
        "2 messages to web may or may not have been sent in the last 24 hours. The last: the connection broke."
    )
    assert [r.code for r in sending([("web", "failed", 4, NOW, 1, None)], {"web"})] == ["sends_failed"]


def test_the_reason_of_what_failed_is_one_line_and_no_longer_than_that():
    """It comes from a platform."""
    for reason, told in (
        (None, ""),
        ("", ""),
        ("No.\n\x1b[31mBad", " The last: No. 31mBad."),
        ("x" * 999, f" The last: {'x' * 200}."),
    ):
        (report,) = sending([("web", "failed", 4, NOW, 1, reason)], {"web"})
        assert report.text == f"1 message to web could not be sent in the last 24 hours.{told}"


def test_sends_for_a_worker_that_is_gone_are_told_with_steps_that_can_be_followed():
    """``channeld restart`` of it by name would only say that there is no such worker."""
    (report,) = sending([("pager", "queued", 2, NOW, 0, None)], {"web"})
    assert report.text == "2 parts of Claude's answers waiting for pager, which does not run any more."
    assert "restart pager" not in report.hint
    assert "Put [workers.pager] back into config.toml" in report.hint
    assert "`channeld messages list --state queued`, then `channeld messages drop NUMBER`" in report.hint


def test_the_registry_remembers_since_when_and_replaces_what_the_mailbox_says():
    """A mailbox has one trouble at a time; a repeated report is the same issue."""
    health = Health()
    health.report_store(StoreUnavailable("full", hint="Free some.", code="disk_full"))
    first = health.reports()[0].since
    health.report_store(StoreUnavailable("full", hint="Free some.", code="disk_full"))
    assert [r.since for r in health.reports()] == [first]
    health.report_store(StoreUnavailable("read-only", hint="Mend it.", code="store_readonly"))
    assert [r.code for r in health.reports()] == ["store_readonly"] and health.concerns(STORE)
    health.clear_subject(STORE)
    assert health.reports() == [] and not health.concerns(STORE)


def test_what_waits_for_a_turn_or_a_word_is_no_alarm_at_once():
    """A turn may take a while, and what is held was asked about."""
    chats = [("web:main", 2, NOW - 600)]
    assert waiting(chats, now=NOW, in_turn=True) == []
    assert waiting(chats, now=NOW + LONG_TURN_S, in_turn=True) != []
    assert waiting(chats, held=2, now=NOW) == []
    (found,) = held(2, NOW - 600)
    assert found.text.startswith("2 messages held") and held(0, None) == []

"""The answers and moments that many rows of the tables share; words of the contract, once."""

from __future__ import annotations

from collections.abc import Sequence

from tests.zoo.model import ANY, NONE, SOME, Answer, Job, Moment, Origin, Really, Span, Words

# A look each few seconds, alerts judged each five, and two busy cores.
SLACK_S = 60.0
# "within 30 s" of the issue, one look of ours, one period of the alerts.
CIRCLE_S = 30.0 + 3.0 + 5.0
JOIN_S = 120.0
END_S = 60.0

# An alert is resolved a minute after its condition is gone (`resolve_hold_s`), so it may fire beyond a job's end.
LINGERS = (NONE, "circling-job:critical")

RUNS = Answer("running", "OK", "running", code=None)
RUNS_OR_WAITS = Answer(("running", "pending"), "OK", ("running", "pending"), code=None)
SUCCEEDED = Answer("succeeded", "OK", "succeeded", code=None, diagnosis=None)
STOPPED = Answer("stopped", "OK", "stopped", code=ANY)


def fail(code: str | Words, *, says: Words = (), lacks: Words = (), diagnosis: str = ANY) -> Answer:
    """It failed, for this cause."""
    return Answer("failed", "BAD", "failed", code=code, says=says, lacks=lacks, diagnosis=diagnosis)


def contradict(rule: str, says: Words = ()) -> Answer:
    """Exit code 0 beside proof of the contrary."""
    return Answer("contradicted", "WARN", f"contradicted-{rule}", code=ANY, says=says)


def circle(code: str | Words = SOME, says: Words = ()) -> Answer:
    """Round and round, and nothing of it succeeds."""
    return Answer(
        "running", "BAD", "circling", code=code, alert="circling-job:critical", says=says, motion="circling"
    )  # fmt: skip


def circle_in_part(code: str | Words = SOME, says: Words = ()) -> Answer:
    """One of its tasks goes round and round, others succeed."""
    return Answer("running", "WARN", "circling-in-part", code=code, alert="circling-job:warning", says=says)


def stick(verdict: str, code: str | Words | None = "app.get-timeout", says: Words = ()) -> Answer:
    """Proven by Ray's own tables."""
    severity = "critical" if verdict == "BAD" else "warning"
    return Answer("running", verdict, "stuck", code=code, alert=f"stuck-job:{severity}", says=says, motion="stuck")


def rest(alert: str | Words = NONE, says: Words = ()) -> Answer:
    """Asleep, polling or blocked on what Ray does not know."""
    return Answer("running", "WARN", "resting", code=None, alert=alert, says=says, motion="resting")


def hide(alert: str | Words = NONE, says: Words = ("cannot be seen inside",)) -> Answer:
    """It never joined Ray."""
    return Answer("running", "WARN", "unseen", code=None, alert=alert, says=says, motion="unseen")


def runs(until: Span | None = None, answer: Answer = RUNS) -> Moment:
    """At each look until then it runs and is told to; without ``until`` once."""
    if until is None:
        return Moment("runs", Origin.START, Span(), Span(JOIN_S), answer)
    return Moment("runs on", Origin.JOINED, Span(), until, answer, holds=True)


def before_limit(answer: Answer = RUNS_OR_WAITS) -> Moment:
    """Nothing is said of it before it can have been quiet for the limit."""
    return Moment("before the limit", Origin.BEGUN, Span(), Span(limits=0.95), answer, holds=True)


def at_limit(answer: Answer) -> Moment:
    """From the limit on."""
    return Moment("one limit", Origin.JOINED, Span(limits=0.9), Span(SLACK_S, 2.0), answer)


def at_three_limits(answer: Answer) -> Moment:
    """From three limits on."""
    return Moment("three limits", Origin.JOINED, Span(limits=2.9), Span(SLACK_S, 4.0), answer)


def at_six_limits(answer: Answer) -> Moment:
    """From six limits on."""
    return Moment(SIX, Origin.JOINED, Span(limits=5.9), Span(SLACK_S, 7.0), answer)


SIX = "six limits"


def armed(answer: Answer) -> Moment:
    """Within 30 s of what makes it a circle."""
    return Moment("30 s", Origin.ARMED, Span(), Span(CIRCLE_S), answer)


def within(seconds: float, answer: Answer, name: str = "") -> Moment:
    """At some look of the first so many seconds."""
    return Moment(name or f"{seconds:g} s", Origin.START, Span(), Span(seconds), answer)


def ended(answer: Answer, seconds: float = END_S) -> Moment:
    """Some seconds after its end, when it has been diagnosed."""
    return Moment("ended", Origin.END, Span(), Span(seconds), answer)


def end_clean(id: str, really: Really | None = None, answer: Answer = SUCCEEDED) -> Job:
    """An innocent that comes to its end: never a word about it, and it succeeded."""
    proof = really or Really(statuses=("SUCCEEDED",), exit_code=0)
    return Job(id, (ended(answer),), clean=True, really=proof)


def run_clean(id: str, limits: float = 3.5, joins: bool = True, really: Really | None = None) -> Job:
    """An innocent that runs on: never a word about it for so many limits."""
    proof = really or Really(statuses=("RUNNING",))
    return Job(id, (runs(Span(limits=limits)),), clean=True, joins=joins, really=proof)


def go_round(id: str, answer: Answer, by: str, really: Really, more: Sequence[Moment] = (), least: int = 3) -> Job:
    """A circle, armed by the count of Ray's that has this name."""
    return Job(id, (armed(answer), *more), armed_by=(by, least), really=really)


def get_stuck(id: str, says: Words, really: Really, code: str | Words | None = "app.get-timeout") -> Job:
    """Proven by Ray's tables: quiet, then WARN, then BAD."""
    moments = (
        before_limit(), at_limit(stick("WARN", code, says)), at_three_limits(stick("BAD", code, says)),
    )  # fmt: skip
    return Job(id, moments, really=really)


def get_still(id: str, really: Really, says: Words = ()) -> Job:
    """Nothing that Ray knows is in its way: WARN, an alert after six limits only, never BAD."""
    moments = (before_limit(), at_limit(rest(says=says)), at_six_limits(rest("stuck-job:warning", says)))
    return Job(id, moments, never=("BAD", "UNKNOWN"), really=really)

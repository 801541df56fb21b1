"""Which rule speaks: every kind and every outcome, alone and with each fact that changes the verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serve_app.jobs.judging.case import Case
from serve_app.jobs.judging.expectations import get_expectation
from serve_app.jobs.judging.outcome import Conclusion, conclude_outcome
from serve_app.jobs.judging.pending import Waiting
from serve_app.jobs.judging.verdicts import VERDICT_RULES, decide_verdict
from serve_app.jobs.models import Evidence, Known, PastRuns, TaskCounts
from serve_app.jobs.motion import Motion, MotionJudgement
from serve_app.outcomes import JobOutcome, Verdict
from tests.unit.jobs.judging.motion.test_circle_rules import CIRCLE, IN_PART, UNTOLD
from tests.unit.jobs.judging.test_judge import NOW, submission

SERVER, INIT, HEAD = "application-server", "coa-initialization", "cluster-initialization"
WORKER, OBSERVER, INTERNAL, USER = "worker-node", "observer", "internal", "user"
NAMES = ("pending", "running", "succeeded", "failed", "stopped", "contradicted", "ended_unknown", "lost")
PENDING, RUNNING, SUCCEEDED, FAILED, STOPPED, DOUBTED, UNKNOWN, LOST = NAMES
ANY_END = (SUCCEEDED, FAILED, STOPPED, DOUBTED, UNKNOWN, LOST)
NOT_DONE = (FAILED, STOPPED, DOUBTED, UNKNOWN, LOST)
# Of each kind, the rule for each outcome in the order of NAMES, when nothing else is known.
PLAIN = {
    USER: "pending running succeeded failed stopped contradicted-driver ended-unknown failed",
    SERVER: "pending server-runs server-ended server-ended server-stopped server-ended server-ended server-ended",
    INIT: "pending running succeeded initialization-failed initialization-stopped contradicted-driver ended-unknown "
    "initialization-failed",
    HEAD: "pending running head-started head-dead head-dead head-dead head-dead head-dead",
    WORKER: "worker-died worker-up worker-died worker-died worker-left worker-died worker-died worker-died",
    OBSERVER: "pending running observer-ended observer-cut-off stopped contradicted-driver observer-ended "
    "observer-cut-off",
    INTERNAL: "pending running succeeded internal-died stopped contradicted-driver internal-ended internal-died",
}
PLAIN_KINDS = (USER, INIT, HEAD, OBSERVER, INTERNAL)
"""Kinds whose jobs are on their way as anybody's are."""
Changes = dict[str, dict[str, str]]
MAY_LEAVE = {"seedcore.may_leave_tasks": "true"}


def set_rules(kinds: tuple[str, ...], outcomes: tuple[str, ...], rule: str) -> Changes:
    return {kind: dict.fromkeys(outcomes, rule) for kind in kinds}


def merge(*changes: Changes) -> Changes:
    found: Changes = {}
    for each in changes:
        for kind, rules in each.items():
            found.setdefault(kind, {}).update(rules)
    return found


def wait(rule: str, age_s: float) -> dict[str, Any]:
    return {"waiting": Waiting(rule, "It waits."), "age_s": age_s}


MADE_GOOD = merge(
    set_rules((USER,), NOT_DONE, "retry-succeeded"),
    set_rules((SERVER,), ANY_END, "server-replaced"),
    set_rules((INIT,), NOT_DONE, "initialization-repaired"),
    set_rules((HEAD,), NOT_DONE, "head-replaced"),
    set_rules((OBSERVER, INTERNAL), (STOPPED, DOUBTED), "retry-succeeded"),
)
TRIED_AGAIN = merge(
    set_rules((USER,), (FAILED, DOUBTED, UNKNOWN, LOST), "retry-running"),
    set_rules((OBSERVER, INTERNAL), (DOUBTED,), "retry-running"),
    set_rules((INIT,), NOT_DONE, "initialization-retried"),
)
LATE = merge(
    set_rules((USER, HEAD, OBSERVER, INTERNAL), (RUNNING,), "late"),
    set_rules((INIT,), (PENDING, RUNNING), "initialization-late"),
)
PAST_DEADLINE = merge(
    set_rules(PLAIN_KINDS, (PENDING, RUNNING), "past-deadline"),
    set_rules((SERVER,), (PENDING,), "past-deadline"),
    set_rules((USER, INIT, INTERNAL), (SUCCEEDED,), "succeeded-late"),
)


def set_pending(rule: str) -> Changes:
    return set_rules((*PLAIN_KINDS, SERVER), (PENDING,), rule)


def set_running(rule: str) -> Changes:
    return set_rules(PLAIN_KINDS, (RUNNING,), rule)


def judge_motion(rule: str | None, verdict: Verdict = Verdict.WARN) -> dict[str, Any]:
    told = verdict if rule is not None else Verdict.OK
    return {"motion": MotionJudgement(Motion(NOW), "resting", "It rests.", 600.0, rule=rule, verdict=told)}


STARVED = set_running("actors-infeasible")
REST_THAT_IS_LATE = set_rules((USER, HEAD, OBSERVER, INTERNAL), (RUNNING,), "resting")
FACTS: list[tuple[str, dict[str, Any], Changes]] = [
    ("nothing", {}, {}),
    ("made good by a later one", {"repaired_by": "b"}, MADE_GOOD),
    ("tried again", {"retried_by": "b"}, TRIED_AGAIN),
    ("made good, and tried again", {"repaired_by": "b", "retried_by": "c"}, MADE_GOOD),
    ("none of its Serve is left", {"serving": False}, set_rules((SERVER,), (RUNNING,), "server-without-serve")),
    ("its Serve is there", {"serving": True}, {}),
    ("Serve has a problem", {"serve_problem": "x"}, set_rules((SERVER,), (RUNNING,), "serve-unhealthy")),
    ("of both", {"serve_problem": "x", "serving": False}, set_rules((SERVER,), (RUNNING,), "serve-unhealthy")),
    ("in a circle", {"circle": CIRCLE}, set_rules(tuple(PLAIN), (RUNNING,), "circling")),
    (
        "in a circle, and late",
        {"circle": CIRCLE, "limit_s": 5.0, "age_s": 5.1},
        merge(LATE, set_rules(tuple(PLAIN), (RUNNING,), "circling")),
    ),
    ("in a circle, in part", {"circle": IN_PART}, set_rules(tuple(PLAIN), (RUNNING,), "circling-in-part")),
    ("in a circle, the rest not known", {"circle": UNTOLD}, set_rules(tuple(PLAIN), (RUNNING,), "circling-in-part")),
    ("in a circle in part, and past its deadline", {"circle": IN_PART, "deadline_s": 5.0, "age_s": 5.1}, PAST_DEADLINE),
    ("stuck", judge_motion("stuck"), set_running("stuck")),
    ("stuck for long", judge_motion("stuck", Verdict.BAD), set_running("stuck")),
    ("at rest", judge_motion("resting"), set_running("resting")),
    ("not to be seen", judge_motion("unseen"), set_running("unseen")),
    ("quiet, but not for too long", judge_motion(None), {}),
    ("at rest, and late", {**judge_motion("resting"), "limit_s": 5.0, "age_s": 5.1}, merge(LATE, REST_THAT_IS_LATE)),
    ("at rest, and past its deadline", {**judge_motion("resting"), "deadline_s": 5.0, "age_s": 5.1}, PAST_DEADLINE),
    ("starved, and stuck", {**judge_motion("stuck"), **wait("actors-infeasible", 9)}, set_running("stuck")),
    ("starved, and at rest", {**judge_motion("resting"), **wait("actors-infeasible", 9)}, STARVED),
    ("starved, and not to be seen", {**judge_motion("unseen"), **wait("actors-infeasible", 9)}, STARVED),
    ("within its limit", {"limit_s": 5.0, "age_s": 5.0}, {}),
    ("over its limit", {"limit_s": 5.0, "age_s": 5.1}, LATE),
    ("of a limit alone", {"limit_s": 5.0}, {}),
    ("of an age alone", {"age_s": 5.1}, {}),
    ("within its deadline", {"deadline_s": 5.0, "age_s": 5.0}, {}),
    ("past its deadline", {"deadline_s": 5.0, "age_s": 5.1}, PAST_DEADLINE),
    ("of a deadline alone", {"deadline_s": 5.0}, {}),
    (
        "past both",
        {"deadline_s": 5.0, "limit_s": 5.0, "age_s": 5.1},
        merge(PAST_DEADLINE, set_rules((INIT,), (PENDING, RUNNING), "initialization-late")),
    ),
    ("infeasible", wait("pending-infeasible", 60), set_pending("pending-infeasible-yet")),
    ("infeasible for long", wait("pending-infeasible", 60.1), set_pending("pending-infeasible")),
    ("busy", wait("pending-busy", 60), {}),
    ("busy for long", wait("pending-busy", 60.1), set_pending("pending-busy")),
    ("being built", wait("pending-building", 60), {}),
    ("being built for long", wait("pending-building", 60.1), set_pending("pending-building")),
    ("waiting, nobody knows why", wait("pending", 60), {}),
    ("waiting for long, nobody knows why", wait("pending", 60.1), set_pending("pending-long")),
    ("never to start", wait("pending-never-starts", 9), set_pending("pending-never-starts")),
    ("starved", wait("actors-infeasible", 9), set_running("actors-infeasible")),
    ("longer than 99 in 100", {"past": PastRuns(20, p99_s=5.0), "age_s": 5.1}, set_running("unusually-long")),
    ("as long as 99 in 100", {"past": PastRuns(20, p99_s=5.0), "age_s": 5.0}, {}),
    ("longer than too few to say", {"past": PastRuns(19, p99_s=5.0), "age_s": 5.1}, {}),
    ("longer than nobody knows", {"past": PastRuns(20), "age_s": 5.1}, {}),
    ("of unknown age", {"past": PastRuns(20, p99_s=5.0)}, {}),
    # What is declared comes before what is usual.
    ("unusual within its limit", {"past": PastRuns(20, p99_s=5.0), "age_s": 5.1, "limit_s": 6.0}, {}),
    (
        "one of its tasks failed",
        {"tasks": TaskCounts(2, 1, 1, 0, 0)},
        set_rules((USER, INIT), (UNKNOWN,), "ended-with-failed-tasks"),
    ),
    ("none of its tasks failed", {"tasks": TaskCounts(2, 0, 2, 0, 0)}, {}),
    (
        "a first failure, of one that is allowed",
        {"allowed": 1, "failures_in_a_row": 1},
        set_rules((USER,), (FAILED, LOST), "failure-allowed"),
    ),
    ("a second failure, of one that is allowed", {"allowed": 1, "failures_in_a_row": 2}, {}),
    ("no failure, of one that is allowed", {"allowed": 1, "failures_in_a_row": 0}, {}),
    (
        "its driver left its tasks",
        {"tasks": TaskCounts(2, 0, 1, 0, 0, 1, ("f",))},
        set_rules((USER, INIT), (UNKNOWN,), "ended-with-failed-tasks"),
    ),
    ("its driver may leave its tasks", {"tasks": TaskCounts(2, 0, 1, 0, 0, 1), "metadata": MAY_LEAVE}, {}),
    (
        "concluded by the tasks that its driver left",
        {"concluded_by": "contradicted-tasks"},
        set_rules((USER, INIT, OBSERVER, INTERNAL), (DOUBTED,), "contradicted-tasks"),
    ),
    (
        "concluded by a driver that lives on",
        {"concluded_by": "driver-lives-on"},
        set_rules(tuple(PLAIN), (RUNNING,), "driver-lives-on"),
    ),
    (
        "concluded by a deletion that came too soon",
        {"concluded_by": "deleted-noted-again"},
        set_rules(tuple(PLAIN), (UNKNOWN,), "deleted-noted-again"),
    ),
    ("a word that nobody knows", {"rule": "status-unknown"}, set_rules(tuple(PLAIN), NAMES, "status-unknown")),
    (
        "a supervisor that was lost",
        {"rule": "supervisor-lost-driver-alive"},
        set_rules(tuple(PLAIN), (RUNNING,), "job.status-unreliable"),
    ),
]


def make_case(
    kind: str,
    outcome: str,
    *,
    allowed: int = 0,
    rule: str = "x",
    concluded_by: str = "x",
    metadata: dict[str, str] | None = None,
    **changes: Any,
) -> Case:
    # A conclusion of the right shape, whatever else it carries.
    made = conclude_outcome(submission("a", "STOPPED"), Known(None))
    conclusion: Conclusion = made._replace(
        outcome=JobOutcome(outcome), evidence=(Evidence(rule, "x", "x"),), sentence="So it is.", rule=concluded_by
    )
    values: dict[str, Any] = {"limit_s": None, "age_s": None, **changes}
    expected = replace(get_expectation(kind), allowed_failures=allowed)
    return Case(submission("a", "RUNNING", metadata=metadata or {}), kind, expected, conclusion, **values)


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize(("facts", "changed"), [fact[1:] for fact in FACTS], ids=[fact[0] for fact in FACTS])
def test_which_rule_speaks(kind: str, facts: dict[str, Any], changed: Changes) -> None:
    found = {outcome: decide_verdict(make_case(kind, outcome, **facts))[0].name for outcome in NAMES}
    assert found == {**dict(zip(NAMES, PLAIN[kind].split(), strict=True)), **changed.get(kind, {})}


def test_the_table_has_every_outcome_and_meets_every_rule() -> None:
    assert tuple(JobOutcome) == NAMES
    met = {rule for line in PLAIN.values() for rule in line.split()}
    met |= {rule for _, _, changed in FACTS for rules in changed.values() for rule in rules.values()}
    assert met == {rule.name for rule in VERDICT_RULES}


# What is as it should be, what somebody may want to look at, what must not be, and what cannot be told.
VERDICTS = {
    "OK": "deleted-noted-again head-replaced head-started initialization-repaired internal-ended observer-ended "
    "pending retry-succeeded running server-replaced server-runs stopped succeeded worker-left worker-up",
    "WARN": "actors-infeasible circling-in-part contradicted-driver contradicted-tasks driver-lives-on "
    "ended-with-failed-tasks failure-allowed initialization-retried initialization-stopped internal-died "
    "job.status-unreliable late observer-cut-off pending-building pending-busy pending-infeasible-yet pending-long "
    "pending-never-starts resting retry-running serve-unhealthy server-stopped server-without-serve stuck "
    "succeeded-late unseen unusually-long worker-died",
    "BAD": "circling failed head-dead initialization-failed initialization-late past-deadline pending-infeasible "
    "server-ended",
    "UNKNOWN": "ended-unknown status-unknown",
}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_how_bad_it_is(verdict: str) -> None:
    assert " ".join(sorted(rule.name for rule in VERDICT_RULES if rule.verdict == verdict)) == VERDICTS[verdict]


@pytest.mark.parametrize(
    ("kind", "must_end", "family"),
    [
        ("report", False, SERVER),
        ("report", True, "report"),
        ("report", None, "report"),
        # A built-in kind is its own family, also when a team says that it must not end.
        (OBSERVER, False, OBSERVER),
        (SERVER, False, SERVER),
    ],
)
def test_a_declared_kind_that_runs_on_is_judged_as_a_server(kind: str, must_end: bool | None, family: str) -> None:
    case = make_case(kind, RUNNING)
    assert replace(case, expectation=replace(case.expectation, must_end=must_end)).family == family


@pytest.mark.parametrize(
    ("kind", "outcome", "facts", "sentence"),
    [
        # With a meaning, without one, and lost with its node, which is said once.
        (SERVER, FAILED, {}, "The server failed: so it is."),
        (SERVER, LOST, {}, "So it is."),
        (HEAD, STOPPED, {}, "So it is."),
        (WORKER, RUNNING, {}, "The node is up."),
        (OBSERVER, SUCCEEDED, {}, "So it is."),
        (INTERNAL, PENDING, {}, "So it is."),
        (INTERNAL, PENDING, {"age_s": 9.4}, "So it is; so far for 9 s."),
        (USER, PENDING, {}, "It waits to start."),
        (USER, PENDING, {"age_s": 9.4}, "It waits to start; so far for 9 s."),
        (USER, PENDING, {"waiting": Waiting("pending-busy", "It waits for 2 CPU.")}, "It waits for 2 CPU."),
        (USER, PENDING, wait("pending-infeasible", 9.6), "It waits; so far for 10 s."),
        # A limit may be part of a second; so many seconds may not.
        (USER, RUNNING, {"limit_s": 1.5, "age_s": 2.6}, "It has been running for 3 s; expected are 1.5 s."),
        (
            USER, RUNNING, {"limit_s": 5.0, **wait("actors-infeasible", 9)},
            "It has been running for 9 s; expected are 5 s. It waits.",
        ),
        (INIT, PENDING, {"limit_s": 5.0, "age_s": 9.0}, "It has been pending for 9 s; expected are 5 s."),
        (USER, PENDING, {"deadline_s": 1.5, "age_s": 8.6}, "It has been pending for 9 s; its deadline is 1.5 s."),
        (USER, SUCCEEDED, {"deadline_s": 1.5, "age_s": 8.6}, "It succeeded after 9 s; its deadline was 1.5 s."),
        (USER, PENDING, {"age_s": 60.6}, "It has waited to start for 61 s; usual are 60 s."),
        (
            USER, RUNNING, {"past": PastRuns(30, p99_s=5.6), "age_s": 8.6},
            "It has run for 9 s; of 30 earlier runs like it, 99 in 100 took at most 6 s.",
        ),
        (USER, UNKNOWN, {"tasks": TaskCounts(9, 2, 7, 0, 0)}, "So it is; 2 of its 9 tasks failed."),
        (
            USER, UNKNOWN, {"tasks": TaskCounts(9, 1, 2, 0, 0, 6, ("load", "clean"))},
            "So it is; 6 of its 9 tasks (load, clean) had not finished when its driver left: keep the refs and ray.get "
            "them.",
        ),
        (
            USER, UNKNOWN, {"tasks": TaskCounts(9, 1, 2, 0, 0, 6, ("load",)), "metadata": MAY_LEAVE},
            "So it is; 1 of its 9 tasks failed.",
        ),
        (USER, DOUBTED, {}, "So it is."),
        (USER, RUNNING, {"concluded_by": "driver-lives-on"}, "So it is."),
        (USER, LOST, {"allowed": 3, "failures_in_a_row": 2}, "So it is; 2 in a row, 3 are allowed."),
        (SERVER, RUNNING, {"serve_problem": "application x is UNHEALTHY"}, "It runs, but application x is UNHEALTHY"),
        (SERVER, RUNNING, {"serving": False}, "It runs, but none of its Serve actors is alive."),
        (SERVER, STOPPED, {}, "It was stopped on request; nothing serves in its place."),
        (SERVER, LOST, {"repaired_by": "b"}, "So it is; b serves in its place."),
        (HEAD, LOST, {"repaired_by": "b"}, "This head died; b has taken its place."),
        (INIT, LOST, {"repaired_by": "b"}, "So it is; a later one, b, succeeded."),
        (INIT, LOST, {"retried_by": "b"}, "So it is; a later one, b, is on its way."),
        (INIT, LOST, {}, "So it is."),
        (INIT, STOPPED, {}, "It was stopped before it was done."),
        (USER, LOST, {"repaired_by": "b"}, "So it is; it was tried again, and b succeeded."),
        (USER, LOST, {"retried_by": "b"}, "So it is; it is being tried again by b."),
        (USER, FAILED, {}, "So it is."),
        (USER, SUCCEEDED, {}, "So it is."),
        (USER, STOPPED, {}, "So it is."),
        (USER, RUNNING, {"rule": "status-unknown"}, "So it is."),
        (USER, RUNNING, {"rule": "supervisor-lost-driver-alive"}, "So it is."),
        (WORKER, LOST, {}, "So it is."),
        (WORKER, STOPPED, {}, "The node was taken out of the cluster in order."),
        (OBSERVER, FAILED, {}, "Someone's look was cut off: so it is."),
        (OBSERVER, UNKNOWN, {}, "Someone has looked. Looking this way makes a job each time."),
        (INTERNAL, FAILED, {}, "It died; Ray starts another: so it is."),
        (INTERNAL, UNKNOWN, {}, "It ended; Ray starts another when one is needed."),
    ],
)  # fmt: skip
def test_what_is_told(kind: str, outcome: str, facts: dict[str, Any], sentence: str) -> None:
    assert decide_verdict(make_case(kind, outcome, **facts))[1] == sentence

"""Whether what became of a job is what was expected of it: rules as rows, the first that applies wins. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from serve_app.jobs.judging.case import Case
from serve_app.jobs.judging.case_motion import (
    add_note,
    circles_in_part,
    circles_wholly,
    join_sentences,
    say_circle,
    say_motion,
    stands_still,
)
from serve_app.jobs.judging.contradiction import (
    CONTRADICTED_DRIVER,
    CONTRADICTED_TASKS,
    LIVES_ON,
    describe_unfinished,
    may_leave_tasks,
)
from serve_app.jobs.judging.expectations import PENDING_LIMIT_S
from serve_app.jobs.judging.kinds import (
    APPLICATION_SERVER,
    CLUSTER_INITIALIZATION,
    COA_INITIALIZATION,
    INTERNAL,
    OBSERVER,
    WORKER_NODE,
)
from serve_app.jobs.judging.motion.circle_rules import CIRCLING, IN_PART
from serve_app.jobs.judging.motion.motion_rules import RESTING, STUCK, UNSEEN
from serve_app.jobs.judging.pending import BUILDING, BUSY, INFEASIBLE, NEVER_STARTS, STARVED
from serve_app.jobs.models import PastRuns, Verdict
from serve_app.outcomes import BROKEN_OUTCOMES, ENDED_OUTCOMES, OPEN_OUTCOMES, JobOutcome

NOT_DONE = ENDED_OUTCOMES - {JobOutcome.SUCCEEDED}


@dataclass(frozen=True, slots=True)
class VerdictRule:
    """One row of the table. ``kinds`` None means every kind."""

    name: str
    kinds: Collection[str] | None
    outcomes: Collection[JobOutcome]
    verdict: Verdict
    when: Callable[[Case], bool]
    sentence: Callable[[Case], str]


def decide_verdict(case: Case) -> tuple[VerdictRule, str]:
    """The rule that applies, and its sentence about this job."""
    outcome = case.conclusion.outcome
    rule = next(
        rule
        for rule in VERDICT_RULES
        if (rule.kinds is None or case.family in rule.kinds) and outcome in rule.outcomes and rule.when(case)
    )
    if rule.name == STUCK and case.motion is not None:
        rule = replace(rule, verdict=case.motion.verdict)
    return rule, add_note(case, rule.name, rule.sentence(case))


def _always(_case: Case) -> bool:
    return True


def _say(case: Case) -> str:
    return case.conclusion.sentence


def _interpret(case: Case) -> str:
    meaning = case.expectation.meanings.get(case.conclusion.outcome)
    return case.conclusion.sentence if meaning is None else meaning.sentence


def _say_both(case: Case) -> str:
    meaning = case.expectation.meanings.get(case.conclusion.outcome)
    # That it was lost with its node is said once.
    alone = meaning is None or case.conclusion.outcome is JobOutcome.LOST
    return (
        case.conclusion.sentence
        if meaning is None or alone
        else join_sentences(meaning.sentence, ":", case.conclusion.sentence)
    )


def _say_late(case: Case) -> str:
    late = f"It has been {case.conclusion.outcome} for {case.age_s:.0f} s; expected are {case.limit_s:g} s."
    return late if case.waiting is None else f"{late} {case.waiting.sentence}"


def _say_wait(case: Case) -> str:
    sentence = _interpret(case) if case.waiting is None else case.waiting.sentence
    return sentence if case.age_s is None else join_sentences(sentence, ";", f"so far for {case.age_s:.0f} s.")


def _say_waited(case: Case) -> str:
    waited = f"It has waited to start for {case.age_s:.0f} s; usual are {PENDING_LIMIT_S:g} s."
    # Without a fact it only says that it has not started.
    return waited if case.waiting is None or not case.waiting.evidence else f"{waited} {case.waiting.sentence}"


def _waits_long(case: Case) -> bool:
    return case.age_s is not None and case.age_s > PENDING_LIMIT_S


def _waits_for(rule: str) -> Callable[[Case], bool]:
    return lambda case: case.waiting is not None and case.waiting.rule == rule


def _lost_tasks(case: Case) -> bool:
    tasks = case.tasks
    return tasks is not None and (tasks.failed > 0 or (tasks.unfinished > 0 and not may_leave_tasks(case.job)))


def _say_tasks(case: Case) -> str:
    if case.tasks is None:
        return case.conclusion.sentence
    failed = f"{case.tasks.failed} of its {case.tasks.total} tasks failed."
    told = describe_unfinished(case.tasks) if case.tasks.unfinished and not may_leave_tasks(case.job) else failed
    return join_sentences(case.conclusion.sentence, ";", told)


def _say_unusual(case: Case) -> str:
    past = case.past or PastRuns()
    return (
        f"It has run for {case.age_s:.0f} s; of {past.count} earlier runs like it, "
        f"99 in 100 took at most {past.p99_s:.0f} s."
    )


def _say_deadline(case: Case) -> str:
    return f"It has been {case.conclusion.outcome} for {case.age_s:.0f} s; its deadline is {case.deadline_s:g} s."


def _has_rule(rule: str) -> Callable[[Case], bool]:
    return lambda case: any(evidence.rule == rule for evidence in case.conclusion.evidence)


def _is_concluded_by(rule: str) -> Callable[[Case], bool]:
    return lambda case: case.conclusion.rule == rule


_SERVER = (APPLICATION_SERVER,)
_INIT = (COA_INITIALIZATION,)
_HEAD = (CLUSTER_INITIALIZATION,)
_WORKER = (WORKER_NODE,)
_ALL = frozenset(JobOutcome)

VERDICT_RULES = (
    VerdictRule("status-unknown", None, _ALL, Verdict.UNKNOWN, _has_rule("status-unknown"), _say),
    VerdictRule(
        "job.status-unreliable",
        None,
        {JobOutcome.RUNNING},
        Verdict.WARN,
        _has_rule("supervisor-lost-driver-alive"),
        _say,
    ),
    VerdictRule(CIRCLING, None, {JobOutcome.RUNNING}, Verdict.BAD, circles_wholly, say_circle),
    VerdictRule(IN_PART, None, {JobOutcome.RUNNING}, Verdict.WARN, circles_in_part, say_circle),
    VerdictRule(LIVES_ON, None, {JobOutcome.RUNNING}, Verdict.WARN, _is_concluded_by(LIVES_ON), _say),
    VerdictRule("worker-up", _WORKER, {JobOutcome.RUNNING}, Verdict.OK, _always, _interpret),
    VerdictRule("worker-left", _WORKER, {JobOutcome.STOPPED}, Verdict.OK, _always, _interpret),
    VerdictRule("worker-died", _WORKER, _ALL, Verdict.WARN, _always, _say),
    VerdictRule("head-started", _HEAD, {JobOutcome.SUCCEEDED}, Verdict.OK, _always, _say_both),
    VerdictRule(
        "head-replaced",
        _HEAD,
        ENDED_OUTCOMES,
        Verdict.OK,
        lambda case: case.repaired_by is not None,
        lambda case: f"This head died; {case.repaired_by} has taken its place.",
    ),
    VerdictRule("head-dead", _HEAD, ENDED_OUTCOMES, Verdict.BAD, _always, _say_both),
    VerdictRule(
        "serve-unhealthy",
        _SERVER,
        {JobOutcome.RUNNING},
        Verdict.WARN,
        lambda case: case.serve_problem is not None,
        lambda case: f"It runs, but {case.serve_problem}",
    ),
    VerdictRule(
        "server-replaced",
        _SERVER,
        ENDED_OUTCOMES,
        Verdict.OK,
        lambda case: case.repaired_by is not None,
        lambda case: join_sentences(case.conclusion.sentence, ";", f"{case.repaired_by} serves in its place."),
    ),
    VerdictRule(
        "server-without-serve",
        _SERVER,
        {JobOutcome.RUNNING},
        Verdict.WARN,
        lambda case: case.serving is False,
        lambda _: "It runs, but none of its Serve actors is alive.",
    ),
    VerdictRule("server-runs", _SERVER, {JobOutcome.RUNNING}, Verdict.OK, _always, _interpret),
    VerdictRule(
        "server-stopped",
        _SERVER,
        {JobOutcome.STOPPED},
        Verdict.WARN,
        _always,
        lambda _: "It was stopped on request; nothing serves in its place.",
    ),
    VerdictRule("server-ended", _SERVER, ENDED_OUTCOMES, Verdict.BAD, _always, _say_both),
    VerdictRule(
        "initialization-repaired",
        _INIT,
        NOT_DONE,
        Verdict.OK,
        lambda case: case.repaired_by is not None,
        lambda case: join_sentences(case.conclusion.sentence, ";", f"a later one, {case.repaired_by}, succeeded."),
    ),
    VerdictRule(
        "initialization-retried",
        _INIT,
        NOT_DONE,
        Verdict.WARN,
        lambda case: case.retried_by is not None,
        lambda case: join_sentences(case.conclusion.sentence, ";", f"a later one, {case.retried_by}, is on its way."),
    ),
    VerdictRule("initialization-late", _INIT, OPEN_OUTCOMES, Verdict.BAD, lambda case: case.over_limit, _say_late),
    VerdictRule("initialization-stopped", _INIT, {JobOutcome.STOPPED}, Verdict.WARN, _always, _interpret),
    VerdictRule("initialization-failed", _INIT, BROKEN_OUTCOMES, Verdict.BAD, _always, _say_both),
    VerdictRule(
        "observer-ended", (OBSERVER,), {JobOutcome.ENDED_UNKNOWN, JobOutcome.SUCCEEDED}, Verdict.OK, _always, _interpret
    ),
    VerdictRule("observer-cut-off", (OBSERVER,), BROKEN_OUTCOMES, Verdict.WARN, _always, _say_both),
    VerdictRule("internal-ended", (INTERNAL,), {JobOutcome.ENDED_UNKNOWN}, Verdict.OK, _always, _interpret),
    VerdictRule("internal-died", (INTERNAL,), BROKEN_OUTCOMES, Verdict.WARN, _always, _say_both),
    VerdictRule(
        "retry-succeeded",
        None,
        NOT_DONE,
        Verdict.OK,
        lambda case: case.repaired_by is not None,
        lambda case: join_sentences(
            case.conclusion.sentence, ";", f"it was tried again, and {case.repaired_by} succeeded."
        ),
    ),
    VerdictRule(
        "retry-running",
        None,
        # What was stopped on request is as it should be, with a retry or without.
        NOT_DONE - {JobOutcome.STOPPED},
        Verdict.WARN,
        lambda case: case.retried_by is not None,
        lambda case: join_sentences(case.conclusion.sentence, ";", f"it is being tried again by {case.retried_by}."),
    ),
    VerdictRule(
        CONTRADICTED_TASKS,
        None,
        {JobOutcome.CONTRADICTED},
        Verdict.WARN,
        _is_concluded_by(CONTRADICTED_TASKS),
        _say,
    ),
    VerdictRule(CONTRADICTED_DRIVER, None, {JobOutcome.CONTRADICTED}, Verdict.WARN, _always, _say),
    VerdictRule(
        "pending-never-starts",
        None,
        {JobOutcome.PENDING},
        Verdict.WARN,
        _waits_for(NEVER_STARTS),
        lambda case: _interpret(case) if case.waiting is None else case.waiting.sentence,
    ),
    VerdictRule("past-deadline", None, OPEN_OUTCOMES, Verdict.BAD, lambda case: case.past_deadline, _say_deadline),
    # Of what is stuck, how bad it is its motion says: it grows worse with time.
    *(
        VerdictRule(rule, None, {JobOutcome.RUNNING}, Verdict.WARN, stands_still(rule), say_motion)
        for rule in (STUCK, RESTING, UNSEEN)
    ),
    VerdictRule(
        "pending-infeasible",
        None,
        {JobOutcome.PENDING},
        Verdict.BAD,
        lambda case: _waits_for(INFEASIBLE)(case) and _waits_long(case),
        _say_wait,
    ),
    VerdictRule("pending-infeasible-yet", None, {JobOutcome.PENDING}, Verdict.WARN, _waits_for(INFEASIBLE), _say_wait),
    VerdictRule(
        "pending-busy",
        None,
        {JobOutcome.PENDING},
        Verdict.WARN,
        lambda case: _waits_for(BUSY)(case) and _waits_long(case),
        _say_wait,
    ),
    VerdictRule(
        "pending-building",
        None,
        {JobOutcome.PENDING},
        Verdict.WARN,
        lambda case: _waits_for(BUILDING)(case) and _waits_long(case),
        _say_wait,
    ),
    VerdictRule(
        "pending-long",
        None,
        {JobOutcome.PENDING},
        Verdict.WARN,
        _waits_long,
        _say_waited,
    ),
    VerdictRule("pending", None, {JobOutcome.PENDING}, Verdict.OK, _always, _say_wait),
    VerdictRule("late", None, {JobOutcome.RUNNING}, Verdict.WARN, lambda case: case.over_limit, _say_late),
    VerdictRule(
        "unusually-long",
        None,
        {JobOutcome.RUNNING},
        Verdict.WARN,
        lambda case: case.unusually_long,
        _say_unusual,
    ),
    VerdictRule("actors-infeasible", None, {JobOutcome.RUNNING}, Verdict.WARN, _waits_for(STARVED), _say_wait),
    VerdictRule("running", None, {JobOutcome.RUNNING}, Verdict.OK, _always, _interpret),
    VerdictRule(
        "succeeded-late",
        None,
        {JobOutcome.SUCCEEDED},
        Verdict.WARN,
        lambda case: case.past_deadline,
        lambda case: f"It succeeded after {case.age_s:.0f} s; its deadline was {case.deadline_s:g} s.",
    ),
    VerdictRule("succeeded", None, {JobOutcome.SUCCEEDED}, Verdict.OK, _always, _say),
    VerdictRule("stopped", None, {JobOutcome.STOPPED}, Verdict.OK, _always, _say),
    VerdictRule(
        "failure-allowed",
        None,
        BROKEN_OUTCOMES,
        Verdict.WARN,
        lambda case: 0 < case.failures_in_a_row <= case.expectation.allowed_failures,
        lambda case: join_sentences(
            case.conclusion.sentence,
            ";",
            f"{case.failures_in_a_row} in a row, {case.expectation.allowed_failures} are allowed.",
        ),
    ),
    VerdictRule("failed", None, BROKEN_OUTCOMES, Verdict.BAD, _always, _say),
    VerdictRule(
        "ended-with-failed-tasks",
        None,
        {JobOutcome.ENDED_UNKNOWN},
        Verdict.WARN,
        _lost_tasks,
        _say_tasks,
    ),
    VerdictRule("ended-unknown", None, {JobOutcome.ENDED_UNKNOWN}, Verdict.UNKNOWN, _always, _say),
)

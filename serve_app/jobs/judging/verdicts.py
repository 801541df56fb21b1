"""Whether what became of a job is what was expected of it: rules as rows, the first that applies wins. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from serve_app.jobs.judging.case import (
    Case,
    apply_always,
    circles_in_part,
    circles_wholly,
    has_rule,
    is_concluded_by,
    lost_tasks,
    stands_still,
    waits_for,
    waits_long,
)
from serve_app.jobs.judging.contradiction import CONTRADICTED_DRIVER, CONTRADICTED_TASKS, LIVES_ON
from serve_app.jobs.judging.kinds import (
    APPLICATION_SERVER,
    CLUSTER_INITIALIZATION,
    COA_INITIALIZATION,
    INTERNAL,
    OBSERVER,
    WORKER_NODE,
)
from serve_app.jobs.judging.motion_rules import CIRCLING, IN_PART, RESTING, STUCK, UNSEEN
from serve_app.jobs.judging.outcome import DELETED
from serve_app.jobs.judging.pending import BUILDING, BUSY, INFEASIBLE, NEVER_STARTS, STARVED
from serve_app.jobs.judging.verdict_words import (
    add_note,
    interpret,
    join_sentences,
    say_both,
    say_circle,
    say_conclusion,
    say_deadline,
    say_late,
    say_motion,
    say_tasks,
    say_unusual,
    say_wait,
    say_waited,
)
from serve_app.jobs.models import Verdict
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


_SERVER = (APPLICATION_SERVER,)
_INIT = (COA_INITIALIZATION,)
_HEAD = (CLUSTER_INITIALIZATION,)
_WORKER = (WORKER_NODE,)
_ALL = frozenset(JobOutcome)

VERDICT_RULES = (
    VerdictRule("status-unknown", None, _ALL, Verdict.UNKNOWN, has_rule("status-unknown"), say_conclusion),
    VerdictRule(DELETED, None, {JobOutcome.ENDED_UNKNOWN}, Verdict.OK, is_concluded_by(DELETED), say_conclusion),
    VerdictRule(
        "job.status-unreliable",
        None,
        {JobOutcome.RUNNING},
        Verdict.WARN,
        has_rule("supervisor-lost-driver-alive"),
        say_conclusion,
    ),
    VerdictRule(CIRCLING, None, {JobOutcome.RUNNING}, Verdict.BAD, circles_wholly, say_circle),
    VerdictRule(IN_PART, None, {JobOutcome.RUNNING}, Verdict.WARN, circles_in_part, say_circle),
    VerdictRule(LIVES_ON, None, {JobOutcome.RUNNING}, Verdict.WARN, is_concluded_by(LIVES_ON), say_conclusion),
    VerdictRule("worker-up", _WORKER, {JobOutcome.RUNNING}, Verdict.OK, apply_always, interpret),
    VerdictRule("worker-left", _WORKER, {JobOutcome.STOPPED}, Verdict.OK, apply_always, interpret),
    VerdictRule("worker-died", _WORKER, _ALL, Verdict.WARN, apply_always, say_conclusion),
    VerdictRule("head-started", _HEAD, {JobOutcome.SUCCEEDED}, Verdict.OK, apply_always, say_both),
    VerdictRule(
        "head-replaced",
        _HEAD,
        ENDED_OUTCOMES,
        Verdict.OK,
        lambda case: case.repaired_by is not None,
        lambda case: f"This head died; {case.repaired_by} has taken its place.",
    ),
    VerdictRule("head-dead", _HEAD, ENDED_OUTCOMES, Verdict.BAD, apply_always, say_both),
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
    VerdictRule("server-runs", _SERVER, {JobOutcome.RUNNING}, Verdict.OK, apply_always, interpret),
    VerdictRule(
        "server-stopped",
        _SERVER,
        {JobOutcome.STOPPED},
        Verdict.WARN,
        apply_always,
        lambda _: "It was stopped on request; nothing serves in its place.",
    ),
    VerdictRule("server-ended", _SERVER, ENDED_OUTCOMES, Verdict.BAD, apply_always, say_both),
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
    VerdictRule("initialization-late", _INIT, OPEN_OUTCOMES, Verdict.BAD, lambda case: case.over_limit, say_late),
    VerdictRule("initialization-stopped", _INIT, {JobOutcome.STOPPED}, Verdict.WARN, apply_always, interpret),
    VerdictRule("initialization-failed", _INIT, BROKEN_OUTCOMES, Verdict.BAD, apply_always, say_both),
    VerdictRule(
        "observer-ended",
        (OBSERVER,),
        {JobOutcome.ENDED_UNKNOWN, JobOutcome.SUCCEEDED},
        Verdict.OK,
        apply_always,
        interpret,
    ),
    VerdictRule("observer-cut-off", (OBSERVER,), BROKEN_OUTCOMES, Verdict.WARN, apply_always, say_both),
    VerdictRule("internal-ended", (INTERNAL,), {JobOutcome.ENDED_UNKNOWN}, Verdict.OK, apply_always, interpret),
    VerdictRule("internal-died", (INTERNAL,), BROKEN_OUTCOMES, Verdict.WARN, apply_always, say_both),
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
        is_concluded_by(CONTRADICTED_TASKS),
        say_conclusion,
    ),
    VerdictRule(CONTRADICTED_DRIVER, None, {JobOutcome.CONTRADICTED}, Verdict.WARN, apply_always, say_conclusion),
    VerdictRule(
        "pending-never-starts",
        None,
        {JobOutcome.PENDING},
        Verdict.WARN,
        waits_for(NEVER_STARTS),
        lambda case: interpret(case) if case.waiting is None else case.waiting.sentence,
    ),
    VerdictRule("past-deadline", None, OPEN_OUTCOMES, Verdict.BAD, lambda case: case.past_deadline, say_deadline),
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
        lambda case: waits_for(INFEASIBLE)(case) and waits_long(case),
        say_wait,
    ),
    VerdictRule("pending-infeasible-yet", None, {JobOutcome.PENDING}, Verdict.WARN, waits_for(INFEASIBLE), say_wait),
    VerdictRule(
        "pending-busy",
        None,
        {JobOutcome.PENDING},
        Verdict.WARN,
        lambda case: waits_for(BUSY)(case) and waits_long(case),
        say_wait,
    ),
    VerdictRule(
        "pending-building",
        None,
        {JobOutcome.PENDING},
        Verdict.WARN,
        lambda case: waits_for(BUILDING)(case) and waits_long(case),
        say_wait,
    ),
    VerdictRule(
        "pending-long",
        None,
        {JobOutcome.PENDING},
        Verdict.WARN,
        waits_long,
        say_waited,
    ),
    VerdictRule("pending", None, {JobOutcome.PENDING}, Verdict.OK, apply_always, say_wait),
    VerdictRule("late", None, {JobOutcome.RUNNING}, Verdict.WARN, lambda case: case.over_limit, say_late),
    VerdictRule(
        "unusually-long",
        None,
        {JobOutcome.RUNNING},
        Verdict.WARN,
        lambda case: case.unusually_long,
        say_unusual,
    ),
    VerdictRule("actors-infeasible", None, {JobOutcome.RUNNING}, Verdict.WARN, waits_for(STARVED), say_wait),
    VerdictRule("running", None, {JobOutcome.RUNNING}, Verdict.OK, apply_always, interpret),
    VerdictRule(
        "succeeded-late",
        None,
        {JobOutcome.SUCCEEDED},
        Verdict.WARN,
        lambda case: case.past_deadline,
        lambda case: f"It succeeded after {case.age_s:.0f} s; its deadline was {case.deadline_s:g} s.",
    ),
    VerdictRule("succeeded", None, {JobOutcome.SUCCEEDED}, Verdict.OK, apply_always, say_conclusion),
    VerdictRule("stopped", None, {JobOutcome.STOPPED}, Verdict.OK, apply_always, say_conclusion),
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
    VerdictRule("failed", None, BROKEN_OUTCOMES, Verdict.BAD, apply_always, say_conclusion),
    VerdictRule(
        "ended-with-failed-tasks",
        None,
        {JobOutcome.ENDED_UNKNOWN},
        Verdict.WARN,
        lost_tasks,
        say_tasks,
    ),
    VerdictRule("ended-unknown", None, {JobOutcome.ENDED_UNKNOWN}, Verdict.UNKNOWN, apply_always, say_conclusion),
)

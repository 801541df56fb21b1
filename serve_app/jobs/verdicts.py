"""Whether what became of a job is what was expected of it: rules as rows, the first that applies wins. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from serve_app.jobs.expectations import EXPECTED_DURATION_KEY, PENDING_LIMIT_S, Expectation
from serve_app.jobs.kinds import (
    APPLICATION_SERVER,
    CLUSTER_INITIALIZATION,
    COA_INITIALIZATION,
    INTERNAL,
    OBSERVER,
)
from serve_app.jobs.models import JobFacts, Outcome, Verdict
from serve_app.jobs.outcome import Conclusion

ENDED = frozenset(Outcome) - {Outcome.PENDING, Outcome.RUNNING}
NOT_DONE = ENDED - {Outcome.SUCCEEDED}


@dataclass(frozen=True, slots=True)
class Case:
    """One job with all that its verdict depends on.

    ``age_s``: from its start to its end, or to now. ``repaired_by``: a later job of the same purpose that succeeded, or
    runs if it is a server; ``retried_by``: one that is still on its way. ``serving`` None: not a job of Serve.
    """

    job: JobFacts
    kind: str
    expectation: Expectation
    conclusion: Conclusion
    limit_s: float | None
    age_s: float | None
    repaired_by: str | None = None
    retried_by: str | None = None
    serving: bool | None = None
    serve_problem: str | None = None

    @property
    def over_limit(self) -> bool:
        """Whether it has been on its way longer than it may."""
        return self.limit_s is not None and self.age_s is not None and self.age_s > self.limit_s


@dataclass(frozen=True, slots=True)
class VerdictRule:
    """One row of the table. ``kinds`` None means every kind."""

    name: str
    kinds: Collection[str] | None
    outcomes: Collection[Outcome]
    verdict: Verdict
    when: Callable[[Case], bool]
    sentence: Callable[[Case], str]


def verdict_of(case: Case) -> tuple[VerdictRule, str]:
    """The rule that applies, and its sentence about this job."""
    outcome = case.conclusion.outcome
    rule = next(
        rule
        for rule in VERDICT_RULES
        if (rule.kinds is None or case.kind in rule.kinds) and outcome in rule.outcomes and rule.when(case)
    )
    return rule, rule.sentence(case)


def _always(_case: Case) -> bool:
    return True


def _said(case: Case) -> str:
    return case.conclusion.sentence


def _meant(case: Case) -> str:
    meaning = case.expectation.meanings.get(case.conclusion.outcome)
    return case.conclusion.sentence if meaning is None else meaning.sentence


def _both(case: Case) -> str:
    meaning = case.expectation.meanings.get(case.conclusion.outcome)
    return case.conclusion.sentence if meaning is None else _join(meaning.sentence, ":", case.conclusion.sentence)


def _join(first: str, sign: str, second: str) -> str:
    return f"{first.rstrip('.')}{sign} {second[:1].lower()}{second[1:]}"


def _late(case: Case) -> str:
    return f"It has been {case.conclusion.outcome} for {case.age_s or 0:.0f} s; expected are {case.limit_s or 0:g} s."


def _by(rule: str) -> Callable[[Case], bool]:
    return lambda case: any(evidence.rule == rule for evidence in case.conclusion.evidence)


_SERVER = (APPLICATION_SERVER,)
_INIT = (COA_INITIALIZATION,)
_HEAD = (CLUSTER_INITIALIZATION,)
_ALL = frozenset(Outcome)
_ON_ITS_WAY = frozenset({Outcome.PENDING, Outcome.RUNNING})
_BROKEN = frozenset({Outcome.FAILED, Outcome.LOST})

VERDICT_RULES = (
    VerdictRule("status-unknown", None, _ALL, Verdict.UNKNOWN, _by("status-unknown"), _said),
    VerdictRule("supervisor-lost", None, {Outcome.RUNNING}, Verdict.WARN, _by("supervisor-lost-driver-alive"), _said),
    VerdictRule("head-started", _HEAD, {Outcome.SUCCEEDED}, Verdict.OK, _always, _both),
    VerdictRule(
        "head-replaced",
        _HEAD,
        ENDED,
        Verdict.OK,
        lambda case: case.repaired_by is not None,
        lambda case: f"This head died; {case.repaired_by} has taken its place.",
    ),
    VerdictRule("head-dead", _HEAD, ENDED, Verdict.BAD, _always, _both),
    VerdictRule(
        "serve-unhealthy",
        _SERVER,
        {Outcome.RUNNING},
        Verdict.WARN,
        lambda case: case.serve_problem is not None,
        lambda case: f"It runs, but {case.serve_problem}",
    ),
    VerdictRule(
        "server-replaced",
        _SERVER,
        ENDED,
        Verdict.OK,
        lambda case: case.repaired_by is not None,
        lambda case: _join(case.conclusion.sentence, ";", f"{case.repaired_by} serves in its place."),
    ),
    VerdictRule(
        "server-without-serve",
        _SERVER,
        {Outcome.RUNNING},
        Verdict.WARN,
        lambda case: case.serving is False,
        lambda _: "It runs, but none of its Serve actors is alive.",
    ),
    VerdictRule("server-runs", _SERVER, {Outcome.RUNNING}, Verdict.OK, _always, _meant),
    VerdictRule(
        "server-stopped",
        _SERVER,
        {Outcome.STOPPED},
        Verdict.WARN,
        _always,
        lambda _: "It was stopped on request; nothing serves in its place.",
    ),
    VerdictRule("server-ended", _SERVER, ENDED, Verdict.BAD, _always, _both),
    VerdictRule(
        "initialization-repaired",
        _INIT,
        NOT_DONE,
        Verdict.OK,
        lambda case: case.repaired_by is not None,
        lambda case: _join(case.conclusion.sentence, ";", f"a later one, {case.repaired_by}, succeeded."),
    ),
    VerdictRule(
        "initialization-retried",
        _INIT,
        NOT_DONE,
        Verdict.WARN,
        lambda case: case.retried_by is not None,
        lambda case: _join(case.conclusion.sentence, ";", f"a later one, {case.retried_by}, is on its way."),
    ),
    VerdictRule("initialization-late", _INIT, _ON_ITS_WAY, Verdict.BAD, lambda case: case.over_limit, _late),
    VerdictRule("initialization-stopped", _INIT, {Outcome.STOPPED}, Verdict.WARN, _always, _meant),
    VerdictRule("initialization-failed", _INIT, _BROKEN, Verdict.BAD, _always, _both),
    VerdictRule("observer-ended", (OBSERVER,), {Outcome.ENDED_UNKNOWN, Outcome.SUCCEEDED}, Verdict.OK, _always, _meant),
    VerdictRule("observer-cut-off", (OBSERVER,), _BROKEN, Verdict.WARN, _always, _both),
    VerdictRule("internal-ended", (INTERNAL,), {Outcome.ENDED_UNKNOWN}, Verdict.OK, _always, _meant),
    VerdictRule("internal-died", (INTERNAL,), _BROKEN, Verdict.WARN, _always, _both),
    VerdictRule(
        "pending-long",
        None,
        {Outcome.PENDING},
        Verdict.WARN,
        lambda case: case.age_s is not None and case.age_s > PENDING_LIMIT_S,
        lambda case: f"It has waited to start for {case.age_s or 0:.0f} s; usual are {PENDING_LIMIT_S:g} s.",
    ),
    VerdictRule("pending", None, {Outcome.PENDING}, Verdict.OK, _always, _meant),
    VerdictRule(
        "late",
        None,
        {Outcome.RUNNING},
        Verdict.WARN,
        lambda case: case.over_limit and EXPECTED_DURATION_KEY in case.job.metadata,
        _late,
    ),
    VerdictRule("running", None, {Outcome.RUNNING}, Verdict.OK, _always, _meant),
    VerdictRule("succeeded", None, {Outcome.SUCCEEDED}, Verdict.OK, _always, _said),
    VerdictRule("stopped", None, {Outcome.STOPPED}, Verdict.OK, _always, _said),
    VerdictRule("failed", None, _BROKEN, Verdict.BAD, _always, _said),
    VerdictRule("ended-unknown", None, {Outcome.ENDED_UNKNOWN}, Verdict.UNKNOWN, _always, _said),
)

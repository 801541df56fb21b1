"""One case for each job: its facts, kind, outcome and expectation brought together, and what rules ask of it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from serve_app.jobs.judging.contradiction import may_leave_tasks
from serve_app.jobs.judging.expectations import (
    ENOUGH_RUNS,
    EXPECTATIONS,
    PENDING_LIMIT_S,
    Expectation,
)
from serve_app.jobs.judging.kinds import (
    APPLICATION_SERVER,
    COA_INITIALIZATION,
    USER,
)
from serve_app.jobs.judging.motion_rules import STUCK
from serve_app.jobs.judging.outcome import Conclusion
from serve_app.jobs.judging.pending import Waiting
from serve_app.jobs.models import (
    Evidence,
    JobFacts,
    PastRuns,
    TaskCounts,
)
from serve_app.jobs.motion import Circle, MotionJudgement
from serve_app.outcomes import OPEN_OUTCOMES, JobOutcome

NAME_KEY = "job_name"
NOTE_KEY = "seedcore.note"
_SERIES_CHARS = 250


@dataclass(frozen=True, slots=True)
class Case:
    """One job with all that its verdict depends on.

    ``age_s``: from its start to its end, or to now. ``repaired_by``: a later job of the same purpose that succeeded, or
    runs if it is a server; ``retried_by``: one that is still on its way. ``serving`` None: not a job of Serve.
    ``past``: earlier runs of its series; ``failures_in_a_row`` counts this one too. ``circle``: what of it goes in
    circles, or did when it ended. ``motion``: its rule, verdict and sentence are those of the job, or its note is added
    to the sentence of another rule.
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
    deadline_s: float | None = None
    past: PastRuns | None = None
    failures_in_a_row: int = 0
    waiting: Waiting | None = None
    tasks: TaskCounts | None = None
    circle: Circle | None = None
    motion: MotionJudgement | None = None
    further_evidence: tuple[Evidence, ...] = ()

    @property
    def family(self) -> str:
        """The kind whose rules apply: a declared kind that runs on is judged as a server."""
        declared = self.kind not in EXPECTATIONS
        return APPLICATION_SERVER if declared and self.expectation.must_end is False else self.kind

    @property
    def past_deadline(self) -> bool:
        """Whether it took, or has been taking, longer than its deadline."""
        return self.deadline_s is not None and self.age_s is not None and self.age_s > self.deadline_s

    @property
    def unusually_long(self) -> bool:
        """Whether it runs longer than 99 of 100 earlier runs did, when there are enough to say so."""
        past = self.past
        if past is None or past.count < ENOUGH_RUNS or past.p99_s is None or self.limit_s is not None:
            return False
        return self.age_s is not None and self.age_s > past.p99_s

    @property
    def over_limit(self) -> bool:
        """Whether it has been on its way longer than it may."""
        return self.limit_s is not None and self.age_s is not None and self.age_s > self.limit_s


class JudgedCase(NamedTuple):
    """A case, why it is of its kind, and what it was made of."""

    case: Case
    kind_evidence: Evidence
    made_of: tuple[Any, ...]


def find_series(job: JobFacts, kind: str) -> str:
    """What a job is compared with: its kind, or for users' own work its name, or else its entrypoint."""
    if kind != USER:
        return kind
    return f"{USER}:{job.metadata.get(NAME_KEY) or job.entrypoint}"[:_SERIES_CHARS]


def compute_age_s(job: JobFacts, outcome: JobOutcome, now: datetime) -> float | None:
    """Seconds from its start to its end, or to now while it is on its way; None when that is not known."""
    if job.started_at is None:
        return None
    ended_at = now if outcome in OPEN_OUTCOMES else job.ended_at
    return None if ended_at is None else max(0.0, round((ended_at - job.started_at).total_seconds(), 3))


def circles_wholly(case: Case) -> bool:
    """Whether it goes in circles and nothing else of it succeeds."""
    return case.circle is not None and case.circle.others_succeed is False


def circles_in_part(case: Case) -> bool:
    """Whether the rest of it succeeds, or may. What is worse is said first: that it is past its deadline, or organs are
    not initialized in time.
    """
    late = case.past_deadline or (case.over_limit and case.family == COA_INITIALIZATION)
    return case.circle is not None and case.circle.others_succeed is not False and not late


def stands_still(rule: str) -> Callable[[Case], bool]:
    """What it cannot get for lack of resources is told as that, until it is proven that it cannot go on at all."""
    return lambda case: case.motion is not None and case.motion.rule == rule and (rule == STUCK or case.waiting is None)


def apply_always(_case: Case) -> bool:
    """Whatever it is."""
    return True


def waits_long(case: Case) -> bool:
    """Whether it waits for longer than is usual."""
    return case.age_s is not None and case.age_s > PENDING_LIMIT_S


def waits_for(rule: str) -> Callable[[Case], bool]:
    """Whether it waits for that reason."""
    return lambda case: case.waiting is not None and case.waiting.rule == rule


def lost_tasks(case: Case) -> bool:
    """Whether tasks of it failed, or were left."""
    tasks = case.tasks
    return tasks is not None and (tasks.failed > 0 or (tasks.unfinished > 0 and not may_leave_tasks(case.job)))


def has_rule(rule: str) -> Callable[[Case], bool]:
    """Whether that rule concluded something about it."""
    return lambda case: any(evidence.rule == rule for evidence in case.conclusion.evidence)


def is_concluded_by(rule: str) -> Callable[[Case], bool]:
    """Whether its outcome is by that rule."""
    return lambda case: case.conclusion.rule == rule

"""Facts about a cluster at one moment, and the rows that judging makes of them. Standard library only, all frozen.

A fact is what Ray said, translated and redacted (``jobs.reading``). What could not be learned is ``Unknown`` with its
reason: that is neither an error nor an empty answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeAlias, TypeVar

from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.motion import Circle, Motion, MotionJudgement
from serve_app.jobs.serve_facts import AutoscalerFacts
from serve_app.jobs.serve_facts import ServeFacts as ServeFacts
from serve_app.outcomes import JobOutcome
from serve_app.outcomes import Verdict as Verdict
from serve_app.queries.job_names import build_key, count_us, format_run

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    """A section of the snapshot that Ray answered. ``note`` says what is missing in it, if anything is."""

    value: T
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """A section of the snapshot that could not be had."""

    reason: str


Section: TypeAlias = Known[T] | Unknown


def find_row(table: Mapping[str, T], key: str | None) -> T | None:
    """What a table has of an id. Who has no id has no row: what Ray names no job or address for belongs to nobody."""
    return table.get(key) if key else None


class JobType(StrEnum):
    """Where a row comes from: Ray's two kinds of job, or the node table (the head's own start is no Ray job)."""

    SUBMISSION = "SUBMISSION"
    DRIVER = "DRIVER"
    NODE = "NODE"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact that a conclusion rests on: the rule that used it, the source that told it, and the fact in words."""

    rule: str
    source: str
    fact: str


@dataclass(frozen=True, slots=True)
class JobFacts:
    """One job as Ray lists it. A submission and its driver are one job; ``job_id`` is then the driver's.

    ``status`` is Ray's word as it came. ``marks`` says what in Ray's row was missing or not understood. ``environment``
    is a digest of its runtime environment: whether two are the same, and nothing of what is in it. ``secret_values`` of
    it are hidden wherever its texts are shown; they are kept in memory alone.
    """

    id: str
    type: JobType
    status: str
    job_id: str | None = None
    submission_id: str | None = None
    entrypoint: str = ""
    message: str | None = None
    error_type: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    node_id: str | None = None
    node_ip: str | None = None
    pid: int | None = None
    exit_code: int | None = None
    runtime_env_keys: tuple[str, ...] = ()
    environment: str = ""
    secret_values: tuple[str, ...] = field(default=(), repr=False, compare=False)
    hidden: bool = False
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DriverExit:
    """A driver's row in the worker table. ``pid`` and ``started_at`` of an overwritten row are 0 and None."""

    job_id: str
    is_alive: bool
    exit_type: str | None
    exit_detail: str | None
    pid: int
    started_at: datetime | None
    ended_at: datetime | None
    node_id: str | None

    @property
    def overwritten(self) -> bool:
        """Whether the driver's exception hook replaced the row (ray/_private/worker.py; seen on Ray 2.60)."""
        return self.pid == 0 and self.started_at is None


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node, alive or remembered."""

    node_id: str
    ip: str
    is_head: bool
    state: str
    message: str | None
    started_at: datetime | None
    ended_at: datetime | None
    resources: Mapping[str, float]
    labels: Mapping[str, str]

    @property
    def alive(self) -> bool:
        """Whether Ray counts the node among the living."""
        return self.state == "ALIVE"


@dataclass(frozen=True, slots=True)
class ActorFacts:
    """An actor, alive or remembered."""

    actor_id: str
    class_name: str
    name: str | None
    state: str
    job_id: str
    namespace: str
    node_id: str | None
    pid: int | None

    @property
    def is_serve(self) -> bool:
        """Whether it is a controller, proxy or replica of Serve (its namespace in ray/serve/_private/constants.py)."""
        return self.namespace == "serve"

    @property
    def is_serve_controller(self) -> bool:
        """Whether it is the actor that keeps all of Serve."""
        return self.is_serve and self.class_name == "ServeController"


@dataclass(frozen=True, slots=True)
class WaitingActor:
    """An actor that has not been placed, and what it needs: Ray starts a submission by such an actor."""

    actor_id: str
    name: str | None
    class_name: str
    job_id: str
    state: str
    required: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TaskCounts:
    """Tasks of a job by what became of them, as far as Ray remembers. Asked for of drivers that SUCCEEDED in the last
    ten minutes, and of submissions that SUCCEEDED, or crashed, in the last hour (``reading.tasks``).

    ``failed``: without those that a later attempt made good, and without those that the end of the driver cut off.
    ``unfinished``: those that had not ended when the driver left, of functions and methods named ``unfinished_names``;
    without Ray's own calls, and without what a living actor goes on with.
    """

    total: int
    failed: int
    finished: int
    pending: int
    running: int
    unfinished: int = 0
    unfinished_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The cluster at one moment, section by section. ``own_job_id`` is the Ray job that this application runs in.

    ``session`` is Ray's name for this life of the cluster: job ids begin anew with each. ``waiting`` and ``free``
    (resources) are asked for only while a job is pending, ``tasks`` only of jobs whose end alone does not tell how it
    was. ``motions``: whether running jobs move, by the id of their row, as ``jobs.progress`` last found it.
    ``drivers``: of each submission by its id, the first first. ``autoscaler`` is asked only while Serve wants a replica
    that no node can hold.
    """

    taken_at: datetime
    jobs: Section[tuple[JobFacts, ...]]
    driver_exits: Section[Mapping[str, DriverExit]]
    nodes: Section[tuple[NodeFacts, ...]]
    actors: Section[tuple[ActorFacts, ...]]
    serve: Section[ServeFacts]
    own_job_id: str | None = None
    session: str = ""
    waiting: Section[tuple[WaitingActor, ...]] = Known(())
    free: Section[Mapping[str, float]] = Unknown("not asked")
    tasks: Mapping[str, TaskCounts] = field(default_factory=dict)
    motions: Mapping[str, Motion] = field(default_factory=dict)
    drivers: Section[Mapping[str, tuple[DriverRun, ...]]] = Known({})
    autoscaler: Section[AutoscalerFacts] = Unknown("not asked")

    def find_job(self, id: str) -> JobFacts | None:
        """What Ray lists of a job; None for one that it hides."""
        jobs = self.jobs.value if isinstance(self.jobs, Known) else ()
        return next((job for job in jobs if job.id == id), None)

    def find_exit(self, job_id: str | None) -> DriverExit | None:
        """The worker table's row of the driver of a Ray job."""
        return find_row(self.driver_exits.value, job_id) if isinstance(self.driver_exits, Known) else None

    def list_drivers(self, submission_id: str | None) -> tuple[DriverRun, ...]:
        """The drivers of a submission, the first first; none where Ray does not tell."""
        found = find_row(self.drivers.value, submission_id) if isinstance(self.drivers, Known) else None
        return found or ()

    @property
    def degraded(self) -> list[str]:
        """What is missing in this snapshot, one sentence for each section."""
        sections: dict[str, Section[Any]] = {
            "job list": self.jobs,
            "worker table": self.driver_exits,
            "node table": self.nodes,
            "actor table": self.actors,
            "Serve": self.serve,
            "waiting actors": self.waiting,
            "drivers of submissions": self.drivers,
        }
        return [
            f"{name}: {section.reason if isinstance(section, Unknown) else section.note}"
            for name, section in sections.items()
            if isinstance(section, Unknown) or section.note
        ]


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job with its kind, its proven outcome, and the verdict on it. ``rule`` is the rule that gave the verdict.

    ``session`` is the life of the cluster that it belongs to, ``series`` what it is compared with: jobs of one kind, or
    for users' own work those with the same name or entrypoint. ``owner`` is who answers for it, if anybody was named.
    ``error_type`` and ``exit_code`` are Ray's words on a submission that ended; ``kind_rule`` and ``outcome_rule`` the
    rules that gave kind and outcome, each the name of its evidence. ``motion``: whether it moves, of one that runs;
    ``circle``: what of it goes in circles, or did when it ended; ``code``: the cause code that judging knows by itself;
    ``lacks``: the names of what one that has not started waits for.
    ``key`` is what it is called among the jobs of all sessions, each run of a submission by itself (``job_names``).
    """

    id: str
    job_id: str | None
    submission_id: str | None
    type: JobType
    kind: str
    entrypoint: str
    status: str
    outcome: JobOutcome
    verdict: Verdict
    reason: str
    rule: str
    scheduled_by: str
    managed_by: str
    started_at: datetime | None
    ended_at: datetime | None
    duration_s: float | None
    node_id: str | None
    metadata: Mapping[str, str]
    derived: bool
    hidden: bool
    evidence: tuple[Evidence, ...]
    session: str = ""
    series: str = ""
    owner: str | None = None
    action: str = ""
    error_type: str | None = None
    exit_code: int | None = None
    kind_rule: str = ""
    outcome_rule: str = ""
    circle: Circle | None = None
    motion: MotionJudgement | None = None
    code: str | None = None
    lacks: str = ""
    key: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        started_us = None if self.started_at is None else count_us(self.started_at)
        key = build_key(self.session, self.id, started_us, is_submission=self.submission_id is not None)
        object.__setattr__(self, "key", key)

    @property
    def run(self) -> str:
        """By what this run is asked for, and no other with its id; of jobs whose ids are not given again, no run."""
        return format_run(self.id, self.session, self.started_at if self.submission_id is not None else None)

    @property
    def kind_evidence(self) -> Evidence | None:
        """Why it is of its kind."""
        return next((each for each in self.evidence if each.rule == self.kind_rule), None)


@dataclass(frozen=True, slots=True)
class PastRuns:
    """What the history knows of the past runs of one series, without which nothing is unusual.

    ``count`` and ``p99_s``: of the durations, in seconds, of its newest 500 runs that ended by themselves, the smallest
    that 99 in 100 did not exceed. ``last_started_at`` and ``last_succeeded_at`` are of all its runs. The recorder has
    the store tell it each minute, of series that run or are due.
    """

    count: int = 0
    p99_s: float | None = None
    last_started_at: datetime | None = None
    last_succeeded_at: datetime | None = None

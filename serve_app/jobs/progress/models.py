"""What looks at a job on its way see, and what is said of its motion: frozen, standard library only.

A look holds what Ray told at one moment. One look tells where a job stands; only two tell whether it moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from organs.times import format_time
from serve_app.jobs.judging.pending import Waiting
from serve_app.jobs.models import NodeFacts, PastRuns, Section, Unknown
from serve_app.schemas.diagnosis import SignalView, StillnessView

Says = Literal["moving", "still", "unknown"]
_NOT_ASKED = Unknown("not asked")


class State(StrEnum):
    """Whether a job moves: the words of ``MotionState``."""

    MOVING = "moving"
    QUIET = "quiet"  # no sign of life, for less than it may be so, or for a good reason
    WAITING = "waiting"  # what it needs exists and is in use, or it is still being placed
    CIRCLING = "circling"  # the same fails again and again
    STUCK = "stuck"  # nothing moves, and Ray's tables prove that nothing will by itself
    RESTING = "resting"  # nothing moves, for longer than it may, and nothing is proven
    BUSY = "busy"  # a processor is in use, and there is no other sign
    UNSEEN = "unseen"  # it never joined Ray, and its log does not grow
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DriverFacts:
    """The process that runs the program. ``alive`` None: Ray does not tell; so for a node's ``node_alive``."""

    pid: int | None
    node_id: str | None
    alive: bool | None
    node_alive: bool | None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """A task that has not ended. ``changed_at``: when Ray last saw its state change."""

    task_id: str
    name: str
    type: str
    state: str
    attempt: int = 0
    required: Mapping[str, float] = field(default_factory=dict)
    parent_id: str = ""
    actor_id: str = ""
    group_id: str = ""
    node_id: str = ""
    pid: int | None = None
    changed_at: datetime | None = None
    job_id: str = ""


@dataclass(frozen=True, slots=True)
class WorkFacts:
    """Tasks of the job: all counted by state, and those that have not ended. ``note``: what Ray left out."""

    counts: Mapping[str, int]
    unfinished: tuple[TaskFacts, ...]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class UnplacedActor:
    """An actor of the job that is not alive yet, or not again."""

    actor_id: str
    name: str
    state: str
    required: Mapping[str, float]
    group_id: str = ""


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """A placement group that the job made and that is not there yet, or not again."""

    group_id: str
    name: str
    state: str
    bundles: tuple[Mapping[str, float], ...]
    scheduling: str = ""


@dataclass(frozen=True, slots=True)
class LogFacts:
    """How long the driver's log is, and when the program last wrote to it; None when its node does not tell.

    ``by_ray_bytes``: of what came since the first look, how much Ray wrote there itself.
    """

    size_bytes: int
    written_at: datetime | None = None
    by_ray_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ProcessorFacts:
    """Processor time of the job's processes: seconds since each began, and the share of one core now in use.

    ``measured_at``: when the first of their nodes was measured, which Ray does every few seconds.
    """

    measured_at: datetime | None
    by_process: Mapping[tuple[str, int], float]
    cores: float


@dataclass(frozen=True, slots=True)
class Stack:
    """Where one process was: redacted text, one frame a line."""

    pid: int
    node_id: str
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class HeldReference:
    """A process that has a reference to what a task shall return."""

    pid: int
    producer_id: str


@dataclass(frozen=True, slots=True)
class Look:
    """One job at one moment, section by section; ``Unknown`` where Ray did not tell, with its reason."""

    at: datetime
    driver: Section[DriverFacts] = _NOT_ASKED
    work: Section[WorkFacts] = _NOT_ASKED
    actors: Section[tuple[UnplacedActor, ...]] = _NOT_ASKED
    groups: Section[tuple[GroupFacts, ...]] = _NOT_ASKED
    log: Section[LogFacts] = _NOT_ASKED
    processor: Section[ProcessorFacts] = _NOT_ASKED
    references: Section[tuple[HeldReference, ...]] = _NOT_ASKED
    stacks: Section[tuple[Stack, ...]] = _NOT_ASKED
    nodes: Section[tuple[NodeFacts, ...]] = _NOT_ASKED
    free: Section[Mapping[str, float]] = _NOT_ASKED


@dataclass(frozen=True, slots=True)
class StillnessSubject:
    """The job that is looked at. ``probe``: what judges a service, its verdict and the reason; None: not a service.

    ``waiting``: why a submission has not started; None: it has. ``past``: earlier runs of its series.
    """

    started: bool
    age_s: float | None = None
    past: PastRuns | None = None
    probe: tuple[bool, str] | None = None
    waiting: Waiting | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """One sign of motion or of its absence. ``since``: from when on it has been so, as far as known."""

    name: str
    value: float | str | None
    unit: str
    at: datetime
    since: datetime | None
    says: Says
    detail: str

    def render_json(self) -> SignalView:
        """As the API shows it."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "at": format_time(self.at),
            "since": format_time(self.since),
            "says": self.says,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Stillness:
    """Whether a job moves, and if it does not why. ``code`` None: no cause of the vocabulary is proven.

    ``settle``: what would settle the doubt that is left. ``advice``: what to change, in order.
    """

    state: State
    code: str | None
    sentence: str
    signals: tuple[Signal, ...] = ()
    settle: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    def render_json(self) -> StillnessView:
        """As the API shows it."""
        return {
            "state": self.state.value,
            "code": self.code,
            "sentence": self.sentence,
            "signals": [signal.render_json() for signal in self.signals],
            "settle": list(self.settle),
            "advice": list(self.advice),
        }

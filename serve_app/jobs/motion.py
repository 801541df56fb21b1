"""Whether a running job moves, as a fact about it: frozen, standard library only.

``jobs.progress`` finds it from looks at all running jobs: a ``Motion`` is what was seen, with its time, and no sentence
about it. ``jobs.judging`` says what to think of it, when, and in which words: a ``MotionJudgement``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from serve_app.outcomes import Verdict

# From so many failures of one task, or restarts of one actor, with no success since, it goes in circles.
LEAST_TURNS: Final = 3
# Words that say that a worker is gone and not why (``ErrorType`` of src/ray/protobuf/common.proto): what a stop kills
# gets them, and now and then what was killed for memory.
UNTELLING: Final = frozenset({"", "WORKER_DIED"})

MotionState = Literal["moving", "quiet", "waiting", "circling", "stuck", "resting", "busy", "unseen", "unknown"]


class Standstill(StrEnum):
    """How much is known of why nothing of a job was seen to move."""

    PROVEN = "proven"  # Ray's own tables say that it cannot go on by itself
    RESTING = "resting"  # asleep, polling, or blocked on something that Ray does not know
    BUSY = "busy"  # it uses a processor or a GPU, and shows no other sign
    UNSEEN = "unseen"  # it never joined Ray: only its log and its age are known


@dataclass(frozen=True, slots=True)
class AwaitedWork:
    """One thing that a job waits for, and who waits for it.

    ``what``: a task, a call of an actor, an actor, a placement group. ``state`` is Ray's word for it, ``since`` when it
    came to be so. ``waiter``: the task, actor or driver that called it, so that waits for it or may; empty: not known.
    """

    what: Literal["task", "actor-call", "actor", "placement-group", "rank"]
    name: str
    id: str
    state: str
    since: datetime | None = None
    pid: int | None = None
    node_id: str | None = None
    waiter: str = ""
    waiter_id: str = ""


@dataclass(frozen=True, slots=True)
class Culprit:
    """Who took most memory when something was killed for it, as far as Ray told; of whichever job."""

    name: str
    used_bytes: int | None = None
    job_id: str | None = None
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Circle:
    """One task whose attempts fail, or one actor that is restarted, again and again, with no success of it since.

    ``what`` "job": no single one, but more attempts of its tasks failed than succeeded in five minutes. ``code``: the
    cause code of the last failure of which Ray says why (where most say nothing, of the last), ``error_type`` Ray's
    word for it, ``last_error`` a redacted line of its error. ``victim_pid`` and ``node_id``: who failed then.
    ``others_succeed``: other tasks of the job went on meanwhile; None: not known. ``job_id``: whose it is.
    """

    what: Literal["task", "actor", "job"]
    id: str
    name: str
    failures: int
    first_at: datetime | None
    last_at: datetime | None
    code: str
    error_type: str
    last_error: str
    others_succeed: bool | None
    victim_pid: int | None = None
    node_id: str | None = None
    greediest: Culprit | None = None
    job_id: str = ""

    @property
    def is_explained(self) -> bool:
        """Whether it is known why it fails."""
        return self.code != "unknown"


@dataclass(frozen=True, slots=True)
class Motion:
    """One running job at ``looked_at``. ``quiet_since`` None: it moves. Nothing of it is known that is not in here.

    ``standstill`` None while it moves. ``serving``: the evidence that it serves or waits for a person, if there is any;
    ``may_serve``: its processes have not all been looked at for it yet.
    ``waits_for_resources``: something of it has no place and no task of it works, since ``waits_since``; ``paused``:
    its driver, or all of its workers, on purpose. ``code``: the cause code of a proven standstill, ``proof``: what of
    Ray's tables proves it. ``last_line``: of its log, redacted. ``repaired``: attempts that failed and were made good.
    ``spoke_at``: the latest sign but for the use of a processor or GPU, of which ``cores`` and ``gpu`` are in use.
    ``pid`` and ``node_id``: its driver.
    ``may_circle``: an actor of it had been restarted often before it was first looked at.
    ``can_show_stacks``: whether Ray's dashboard shows where its processes stand; None: not known. ``driver_left``: Ray
    knew its driver, which has ended, and its entrypoint goes on.
    """

    looked_at: datetime
    quiet_since: datetime | None = None
    standstill: Standstill | None = None
    code: str | None = None
    proof: Literal["", "cycle", "rank", "gone", "idle", "arguments", "never"] = ""
    waits_for: tuple[AwaitedWork, ...] = ()
    circles: tuple[Circle, ...] = ()
    repaired: int = 0
    serving: str = ""
    may_serve: bool = False
    may_circle: bool = False
    waits_for_resources: bool = False
    paused: bool = False
    last_line: str = ""
    spoke_at: datetime | None = None
    driver_left: bool = False
    waits_since: datetime | None = None
    pid: int | None = None
    node_id: str | None = None
    cores: float | None = None
    gpu: float | None = None
    log_bytes: int | None = None
    unfinished: int | None = None
    can_show_stacks: bool | None = None


@dataclass(frozen=True, slots=True)
class MotionJudgement:
    """What is thought of a motion at one moment (``judging.motion_rules``), the same wherever it is told.

    ``rule`` None: nothing is wrong, and ``note`` is what is added to the reason of the verdict, if anything. ``alert``:
    how bad it is for whoever is told of it unasked; None: nobody is. ``quiet_since`` None: it moves, or is not known.
    """

    motion: Motion
    state: MotionState
    sentence: str
    limit_s: float
    rule: str | None = None
    verdict: Verdict = Verdict.OK
    alert: Verdict | None = None
    code: str | None = None
    quiet_since: datetime | None = None
    note: str = ""

"""What a program is, and what shall be answered of it: frozen data, in which the tables of the zoo are written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

Words = tuple[str, ...]
# Where neither README nor contract tells which code it is, only that there is one; and where nothing is said of it.
SOME: Final = "+"
ANY: Final = "*"
NONE: Final = "none"
"""The alert that nobody is sent."""


class World(StrEnum):
    """Which head a program runs on."""

    PLAIN = "plain"
    MEMORY = "memory"  # its memory monitor kills early
    RESTART = "restart"  # is ended and begun anew while its programs are watched


class Origin(StrEnum):
    """What the times of a moment count from, as the list of jobs tells it."""

    BEGUN = "begun"  # it was about to be submitted; nothing of it can be older
    START = "start"  # the first look at it
    JOINED = "joined"  # its driver is known; of what never joins: it runs
    ARMED = "armed"  # Ray's own tables have what makes it a circle
    END = "end"  # it is no longer pending or running


@dataclass(frozen=True, slots=True)
class Span:
    """A time: seconds, and multiples of the limit after which a quiet job is told."""

    s: float = 0.0
    limits: float = 0.0

    def measure_s(self, limit_s: float) -> float:
        """In seconds, with this limit."""
        return self.s + self.limits * limit_s


@dataclass(frozen=True, slots=True)
class Answer:
    """What list, detail, report, alerts and diagnosis say. A tuple of words: one of them, where two are right.

    ``alert`` is ``rule:severity`` or ``NONE``; ``code`` that of the row, ``diagnosis`` that of its diagnosis (the same
    unless it is given); ``says`` must be in what is said of it, ``lacks`` nowhere, and ``certainty`` is the most that
    the diagnosis may claim. ``reported``: what the report says where that is not the row's verdict.
    """

    outcome: str | Words
    verdict: str | Words
    rule: str | Words
    code: str | Words | None = None
    alert: str | Words = NONE
    says: Words = ()
    lacks: Words = ()
    motion: str | Words = ANY
    diagnosis: str | Words | None = ANY
    certainty: str = ANY
    offline: str | Words | None = ANY
    logs_say: Words = ()
    logs_lack: Words = ()
    holds: tuple[tuple[str, float], ...] = ()
    unfinished: Words = ()
    reported: str | Words | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """An answer, and when it is due: reached in a window, or (``holds``) given at each look in it."""

    name: str
    origin: Origin
    begin: Span
    until: Span
    answer: Answer
    holds: bool = False


@dataclass(frozen=True, slots=True)
class Really:
    """What Ray's own tables must show, so that the program did what it claims; numbers are the least."""

    statuses: Words = ()
    exit_code: int | None = None
    failed: tuple[tuple[str, int], ...] = ()
    finished: tuple[tuple[str, int], ...] = ()
    unfinished: tuple[tuple[str, int], ...] = ()
    restarts: int = 0
    log: Words = ()


@dataclass(frozen=True, slots=True)
class Job:
    """One job that a program makes, and what is said of it, in order of time.

    ``clean``: an innocent; in no look has it a verdict but OK, an alert or a finding. ``armed_by`` names the count of
    Ray's (``attempts``, ``restarts``, ``failures``) and the least of it, from which a circle counts. ``never`` are
    verdicts that it may have in no look.
    """

    id: str
    moments: tuple[Moment, ...]
    clean: bool = False
    joins: bool = True
    armed_by: tuple[str, int] | None = None
    never: Words = ()
    really: Really = Really()


@dataclass(frozen=True, slots=True)
class Submit:
    """A job by Ray's own API. ``entrypoint`` is a line for the shell; see ``run.fill`` for what is put into it."""

    id: str
    entrypoint: str
    metadata: tuple[tuple[str, str], ...] = ()
    more: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Drive:
    """A driver that is started by hand; its job is told by its last word. ``terminal``: at one; ``types``: there."""

    id: str
    command: str
    terminal: bool = False
    types: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Until a job runs, or (the default) has ended by Ray's word; ``text``: until its log has it."""

    id: str
    state: str = "ended"
    timeout_s: float = 120.0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, to the application or (``ray``) to Ray's dashboard, and what its answer must be.

    ``says``, ``lacks``: texts of the body. ``most_s``: not longer than that. ``times``: so often, at once.
    ``within_s``: asked again so long until the answer is right. ``after_s``: not asked before; for what Ray or the
    product itself only says after a time.
    """

    method: str
    path: str
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()
    status: int | tuple[int, ...] | None = None
    says: Words = ()
    lacks: Words = ()
    most_s: float = 40.0
    times: int = 1
    ray: bool = False
    within_s: float = 0.0
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Cycle:
    """The application and its head are ended in order and begun anew."""


Step = Submit | Drive | Wait | Ask | Cycle


@dataclass(frozen=True, slots=True)
class Program:
    """One animal of the zoo: how it comes into the cluster, what is said of its jobs, what is asked afterwards.

    ``twin``: the program of which this is the innocent twin. ``wave``: those with the same are watched together.
    ``short``: it is in the stage of ``make test``, up to the moments before ``six limits``.
    """

    name: str
    about: str
    steps: tuple[Step, ...]
    jobs: tuple[Job, ...] = ()
    asks: tuple[Ask, ...] = ()
    twin: str | None = None
    world: World = World.PLAIN
    wave: str = "a"
    short: bool = False

    @property
    def noun(self) -> str:
        """The table that it stands in."""
        return self.name.partition("-")[0]

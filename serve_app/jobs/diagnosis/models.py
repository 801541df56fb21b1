"""What a diagnosis is made from and what it says: frozen, and no Ray in it, so that it also works on a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

from serve_app.jobs.motion import Circle

if TYPE_CHECKING:
    # It brings pydantic, which the report command can do without.
    from serve_app.schemas.diagnosis import DiagnosisView

UNKNOWN = "unknown"
STOPPED = "app.stopped"
# The source that tells how the driver's process ended.
DRIVER_PROCESS = "driver process"


class Certainty(StrEnum):
    """How well the evidence carries the code."""

    CERTAIN = "certain"  # a structured field, or a sentence that only this cause makes Ray or the program write
    LIKELY = "likely"  # the usual cause of what was seen; another is possible
    POSSIBLE = "possible"  # one of several causes of what was seen


class CodeClass(StrEnum):
    """Whether trying again can help."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    CAPACITY = "capacity"
    NEEDS_SIGNAL = "needs-second-signal"
    INTENDED = "intended"


class DiagnosisState(StrEnum):
    """What a diagnosis is of. ``waiting`` has a code of ``scheduling.*`` or ``cluster.*``; only ``well`` has none."""

    FAILED = "failed"
    WAITING = "waiting"
    WELL = "well"
    UNKNOWN = "unknown"


class SourceKind(StrEnum):
    """Whose words a source holds."""

    DRIVER = "driver"  # the driver's log of a submission
    WORKER = "worker"  # worker-*.out and .err of the job
    RAY = "ray"  # sentences of Ray's tables: message of the job, death cause of an actor, exit of a worker, node events
    SYSTEM = "system"  # raylet, GCS, agents, runtime_env_setup
    SERVE = "serve"  # Serve's status messages and the logs of replicas
    FILE = "file"  # a log that somebody sent: any of these


@dataclass(frozen=True, slots=True)
class TextSource:
    """One text to look at. ``chunks`` may be read once: bytes in pieces of any size, in order."""

    name: str
    kind: SourceKind
    chunks: Iterable[bytes] | Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class RepeatedFailure:
    """A task of which several attempts failed and none has succeeded since. ``error_type``: of the last of them."""

    task_id: str
    name: str
    count: int
    error_type: str


@dataclass(frozen=True, slots=True)
class Belongings:
    """What is a job's own by Ray's tables: lines that Ray writes into the log of every driver are held against it.

    ``requests``: resources that tasks, actors and placement groups of it asked for and that did not end well;
    ``ids``: of its tasks, actors, workers, groups, and its job id; ``pids`` of its processes; ``nodes``: ids and
    addresses of the nodes that it was on; ``killed_on``: those of them where Ray killed a worker of it for memory;
    ``pythons``: what it wants its workers started with; ``left``: tasks that had not finished when its driver left.
    ``gaps``: why something may be missing in all that, a sentence for each; without one, what is not here is not its.
    ``node_gaps``: the same of its nodes alone.
    """

    requests: tuple[Mapping[str, float], ...] = ()
    ids: frozenset[str] = frozenset()
    pids: frozenset[int] = frozenset()
    nodes: frozenset[str] = frozenset()
    killed_on: frozenset[str] = frozenset()
    pythons: frozenset[str] = frozenset()
    repeated: tuple[RepeatedFailure, ...] = ()
    left: int = 0
    started_at: datetime | None = None
    gaps: tuple[str, ...] = ()
    node_gaps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fields:
    """What Ray's row of the job says; None where it does not tell. ``own``: what its tables say is the job's; None of
    a log that is read without a cluster. ``circle``: what of it went in circles while it ran, if that was seen.
    """

    status: str | None = None  # PENDING, RUNNING, STOPPED, SUCCEEDED, FAILED
    error_type: str | None = None  # JobErrorType, for example JOB_ENTRYPOINT_COMMAND_ERROR
    driver_exit_code: int | None = None
    message: str | None = None
    type: str | None = None  # SUBMISSION or DRIVER
    entrypoint: str | None = None
    own: Belongings | None = None
    circle: Circle | None = None


@dataclass(frozen=True, slots=True)
class EvidenceLine:
    """A line that carries a finding. ``quote`` is the redacted part of it; ``line`` counts from 1; 0 is a field."""

    source: str
    line: int
    quote: str


@dataclass(frozen=True, slots=True)
class CauseStep:
    """One link between what was seen last and its cause."""

    code: str
    sentence: str
    evidence: EvidenceLine | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Another answer, and why it is not the answer."""

    code: str
    title: str
    certainty: Certainty
    rule: str
    evidence: tuple[EvidenceLine, ...]
    why_not: str


@dataclass(frozen=True, slots=True)
class ProgramError:
    """The exception of a program. ``file``, ``line`` and ``function``: the innermost frame that is the user's own, None
    where only frames of Ray or of libraries are seen; ``call``: the library call in which it ended, None where it
    ended in the user's own code; ``kind``: a word of ``PROGRAM_KINDS``.
    """

    exception: str
    message: str
    file: str | None
    line: int | None
    function: str | None
    call: str | None
    kind: str


PROGRAM_KINDS = (
    "missing-key", "shape", "missing-file", "permission", "refused", "timeout", "value", "range", "assertion", "type",
    "attribute", "other",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a job failed. ``code`` is None where nothing is wrong, ``unknown`` where the evidence does not tell what.

    ``state`` follows from the code where it is not given; ``read_as``: what the texts were taken for, a word of
    ``inputs.kinds`` for each kind that is in them; ``program``: the exception of a program, if one is the cause.
    """

    code: str | None
    title: str
    sentence: str
    certainty: Certainty | None = None
    code_class: CodeClass | None = None
    rule: str | None = None
    evidence: tuple[EvidenceLine, ...] = ()
    chain: tuple[CauseStep, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    advice: tuple[str, ...] = ()
    docs: str | None = None
    unavailable: tuple[str, ...] = field(default=())
    state: DiagnosisState | None = None
    read_as: tuple[str, ...] = ()
    program: ProgramError | None = None

    def __post_init__(self) -> None:
        if self.state is None:
            told = {None: DiagnosisState.WELL, UNKNOWN: DiagnosisState.UNKNOWN}.get(self.code, DiagnosisState.FAILED)
            object.__setattr__(self, "state", told)

    def render_json(self) -> DiagnosisView:
        """The diagnosis as the API and the command show it; ``code_class`` is called ``class`` there."""
        plain = _render_plain(self)
        plain["class"] = plain.pop("code_class")
        return cast("DiagnosisView", plain)


def _render_plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_render_plain(each) for each in value]
    if isinstance(value, StrEnum):
        return str(value)
    if hasattr(value, "__dataclass_fields__"):
        return {each.name: _render_plain(getattr(value, each.name)) for each in fields(value)}
    return value

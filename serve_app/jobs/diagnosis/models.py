"""What a diagnosis is made from and what it says: frozen, and no Ray in it, so that it also works on a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    # It brings pydantic, which the report command can do without.
    from serve_app.schemas.diagnosis import DiagnosisView

UNKNOWN = "unknown"


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
class Fields:
    """What Ray's row of the job says; None where it does not tell."""

    status: str | None = None  # PENDING, RUNNING, STOPPED, SUCCEEDED, FAILED
    error_type: str | None = None  # JobErrorType, for example JOB_ENTRYPOINT_COMMAND_ERROR
    driver_exit_code: int | None = None
    message: str | None = None
    type: str | None = None  # SUBMISSION or DRIVER
    entrypoint: str | None = None


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
class Diagnosis:
    """Why a job failed. ``code`` is None where nothing is wrong, ``unknown`` where the evidence does not tell what."""

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

"""What was seen: looks at one job in order of time, and what Ray's own tables had of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tests.zoo.model import Words


@dataclass(frozen=True, slots=True)
class Deep:
    """What detail, report and diagnosis said at one time. ``said``: every sentence; ``reported`` None: not known."""

    outcome: str = ""
    verdict: str = ""
    rule: str = ""
    code: str | None = None
    motion: str | None = None
    diagnosis: str | None = None
    certainty: str | None = None
    reported: str | None = None
    said: str = ""
    holds: Mapping[str, float] = field(default_factory=dict)
    unfinished: str = ""
    logs: str | None = None
    offline: str | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What list, findings and alerts said, the same from ``at_s`` to ``until_s`` (seconds since 1970)."""

    at_s: float
    until_s: float
    outcome: str
    verdict: str
    rule: str
    code: str | None = None
    joined: bool = False
    alerts: Words = ()
    findings: Words = ()
    reason: str = ""
    deep: Deep | None = None

    def has_same_answer(self, other: Look) -> bool:
        """Whether both say the same; the reason may count seconds."""
        return _list_answer(self) == _list_answer(other)


@dataclass(frozen=True, slots=True)
class Trace:
    """All looks at one job, oldest first, and when Ray's tables first had what makes it a circle.

    ``begun_at_s``: just before it was submitted.
    """

    looks: tuple[Look, ...] = ()
    armed_at_s: float | None = None
    begun_at_s: float | None = None

    def add(self, look: Look) -> Trace:
        """With one look more; what only goes on makes none. A deeper one may come later than the next that is not."""
        last = self.looks[-1] if self.looks else None
        if last is not None and look.deep is None and last.has_same_answer(look):
            kept = [*self.looks[:-1], replace(last, until_s=look.until_s)]
        else:
            kept = sorted([*self.looks, look], key=lambda each: each.at_s)
        return replace(self, looks=tuple(kept))

    def arm(self, at_s: float) -> Trace:
        """Armed at that time, unless it was before."""
        return self if self.armed_at_s is not None else replace(self, armed_at_s=at_s)


@dataclass(frozen=True, slots=True)
class Facts:
    """What Ray's own tables have of a job: tasks by name, and the most restarts of one of its actors."""

    status: str = ""
    exit_code: int | None = None
    failed: Mapping[str, int] = field(default_factory=dict)
    finished: Mapping[str, int] = field(default_factory=dict)
    unfinished: Mapping[str, int] = field(default_factory=dict)
    most_failed_attempts: int = 0
    restarts: int = 0
    log: str = ""

    def count(self, by: str) -> int:
        """What a circle is armed by."""
        counts = {
            "attempts": self.most_failed_attempts, "restarts": self.restarts, "failures": sum(self.failed.values())
        }  # fmt: skip
        return counts[by]


def _list_answer(look: Look) -> tuple[object, ...]:
    return (look.outcome, look.verdict, look.rule, look.code, look.joined, look.alerts, look.findings)


def render_trace(trace: Trace) -> dict[str, Any]:
    """As JSON, with times relative to the first look, and without long texts."""
    begin = trace.looks[0].at_s if trace.looks else 0.0
    looks = []
    for look in trace.looks:
        told = asdict(look)
        told["at_s"], told["until_s"] = round(look.at_s - begin, 1), round(look.until_s - begin, 1)
        if told["deep"] is not None:
            told["deep"]["said"] = told["deep"]["said"][:4_000]
            told["deep"]["logs"] = None
        looks.append(told)
    return {"looks": looks, "armed_at_s": None if trace.armed_at_s is None else round(trace.armed_at_s - begin, 1)}

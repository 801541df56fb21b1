"""What an agent knows of itself: a value that each task's outcome turns into the next. No clock, no I/O."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FORMAT = 1
CHECKPOINTED = 250
"""Of the history, only that many of the newest are written: the store takes 64 KiB for an agent, and no more."""
START = 0.5
"""Capability and quality before anything was measured."""


@dataclass(frozen=True)
class TaskRecord:
    """One task as the agent remembers it."""

    skill: str
    success: bool
    quality: float
    duration_s: float
    at: str


@dataclass(frozen=True)
class AgentState:
    """The private state of one agent, the part that outlives its replica."""

    capability_score: float = START
    quality_score: float = START
    tasks_processed: int = 0
    tasks_succeeded: int = 0
    history: tuple[TaskRecord, ...] = ()

    def record(self, task: TaskRecord, *, smoothing: float, history_limit: int) -> AgentState:
        """The state after a task; ``smoothing`` is the weight of the newest in the averages."""
        measured = 1.0 if task.success else 0.0
        return AgentState(
            capability_score=_compute_average(self.capability_score, measured, smoothing),
            quality_score=_compute_average(self.quality_score, task.quality, smoothing),
            tasks_processed=self.tasks_processed + 1,
            tasks_succeeded=self.tasks_succeeded + int(task.success),
            history=(*self.history, task)[-history_limit:],
        )

    def count(self, processed: int, succeeded: int) -> AgentState:
        """The state after so many tasks more of which nothing but the outcome is known."""
        return dataclasses.replace(
            self,
            tasks_processed=self.tasks_processed + processed,
            tasks_succeeded=self.tasks_succeeded + succeeded,
        )

    def compute_mem_util(self, history_limit: int) -> float:
        """How much of its task history the agent uses, from 0 to 1."""
        return min(1.0, len(self.history) / history_limit)

    def to_json(self) -> dict[str, Any]:
        """For the store: everything but the older part of a long history."""
        kept = dataclasses.replace(self, history=self.history[-CHECKPOINTED:])
        return {"format": FORMAT, **dataclasses.asdict(kept)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> AgentState:
        """From the store; raises ``ValueError`` when the state cannot be understood."""
        try:
            history = tuple(
                TaskRecord(
                    str(row["skill"]),
                    bool(row["success"]),
                    float(row["quality"]),
                    float(row["duration_s"]),
                    str(row["at"]),
                )
                for row in stored.get("history", ())
            )
            return cls(
                _fraction(stored.get("capability_score", START)),
                _fraction(stored.get("quality_score", START)),
                int(stored.get("tasks_processed", 0)),
                int(stored.get("tasks_succeeded", 0)),
                history,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the stored state of the agent cannot be understood ({error!r})") from error


def rate_quality(success: bool, completeness: float, duration_s: float, allowed_s: float) -> float:
    """How well a task was done: the delivered fraction, of which half is lost when the whole deadline was used."""
    if not success:
        return 0.0
    timeliness = 1.0 - 0.5 * min(1.0, max(0.0, duration_s) / allowed_s)
    return round(min(1.0, max(0.0, completeness)) * timeliness, 6)


def _compute_average(old: float, new: float, smoothing: float) -> float:
    return round((1.0 - smoothing) * old + smoothing * new, 6)


def _fraction(value: Any) -> float:
    number = float(value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{number} is not a fraction")
    return number

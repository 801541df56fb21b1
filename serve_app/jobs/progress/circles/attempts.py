"""Attempts of tasks that failed, actors with their restarts, and what succeeded: frozen, without Ray."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from serve_app.jobs.motion import UNTELLING


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a task that failed. ``number`` counts from 0; ``message``: Ray's words, cut and not redacted.

    ``cut_off``: it had not ended when its job did, which is no failure of its own.
    """

    job_id: str
    task_id: str
    number: int
    name: str
    error_type: str
    message: str = ""
    failed_at: datetime | None = None
    actor_id: str | None = None
    pid: int | None = None
    node_id: str | None = None
    worker_id: str | None = None
    cut_off: bool = False

    @property
    def tells_why(self) -> bool:
        """Whether Ray's word for it says more than that its worker is gone."""
        return self.error_type not in UNTELLING


@dataclass(frozen=True, slots=True)
class ActorTurns:
    """An actor that lives or is being restarted, and how often it was restarted for a failure."""

    job_id: str
    actor_id: str
    name: str
    state: str
    restarts: int
    pid: int | None = None
    node_id: str | None = None


@dataclass(frozen=True, slots=True)
class Successes:
    """Attempts of one job that succeeded, as far as Ray remembers: ``total``, and of those that were listed the tasks,
    when they ended, and when the last call of each actor did. ``complete``: all were listed; ``all_retried``: of those
    that had failed before, all.
    """

    total: int = 0
    tasks: Collection[str] = frozenset()
    ended_at: tuple[tuple[str, datetime], ...] = ()
    last_by_actor: Mapping[str, datetime] = field(default_factory=dict)
    complete: bool = True
    all_retried: bool = True

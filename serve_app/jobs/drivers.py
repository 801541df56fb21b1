"""What Ray knows of drivers and of their tasks: an entrypoint may start several, and Ray's job list shows the last.

Standard library only, frozen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class DriverRun:
    """One driver that an entrypoint connected, from the job table of the GCS. ``is_dead``: Ray saw it leave."""

    job_id: str
    submission_id: str
    entrypoint: str
    is_dead: bool
    pid: int | None = None
    node_id: str | None = None
    node_ip: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TaskCounts:
    """Tasks of a job by what became of them, as far as Ray remembers.

    ``unfinished``: those that had not ended when the driver left, of functions and methods named ``unfinished_names``.
    """

    total: int
    failed: int
    finished: int
    pending: int
    running: int
    unfinished: int = 0
    unfinished_names: tuple[str, ...] = ()

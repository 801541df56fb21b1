"""What Ray knows of the drivers of a submission: an entrypoint may start several, and Ray's job list shows the last.

Standard library only, frozen.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def select_own(drivers: Sequence[DriverRun], started_at: datetime | None) -> tuple[DriverRun, ...]:
    """Those of the run that Ray noted at ``started_at``, by the clock of the head for both.

    Ray never forgets a driver and knows it by the submission id alone, so those of an earlier run with that id are
    among them. A driver stays where a start is not known.
    """
    if started_at is None:
        return tuple(drivers)
    return tuple(each for each in drivers if each.started_at is None or each.started_at >= started_at)

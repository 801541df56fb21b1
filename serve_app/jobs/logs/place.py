"""Where the log of a submission is, and of which of its runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from serve_app.cluster.dashboard import Piece
from serve_app.jobs.models import JobRow
from serve_app.queries.job_names import parse_run

Json = dict[str, Any]


class LogSource(Protocol):
    """The questions that logs ask; ``dashboard.DashboardClient`` answers them."""

    async def get_job(self, submission_id: str) -> Json: ...

    async def read_piece(self, url: str, start: int, most_bytes: int) -> Piece: ...


@dataclass(frozen=True, slots=True)
class LogPlace:
    """Where the log of a submission is, and of which run; ``url`` is None before a node has begun with it.

    ``values`` of its environment are hidden.
    """

    submission_id: str
    status: str
    url: str | None
    started_at: datetime | None
    values: tuple[str, ...]


def find_wanted_start(asked: str, row: JobRow) -> datetime | None:
    """When the run that is asked for began; None where it is the newest with the id, whichever that is by now."""
    return row.started_at if parse_run(asked) is not None else None


def build_file_name(submission_id: str) -> str:
    """Its name in the session's log directory (``JOB_LOGS_PATH_TEMPLATE`` of ray/dashboard/modules/job/common.py)."""
    return f"job-driver-{submission_id}.log"

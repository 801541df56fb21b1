"""How a part that acts on a job, or reads its log, comes by the job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from serve_app.jobs.models import DriverExit, JobFacts, JobRow

Found = tuple[JobRow, JobFacts | None, DriverExit | None]
# By job id or submission id; raises ``NotFound`` and ``Unavailable``.
Find = Callable[[str], Awaitable[Found]]

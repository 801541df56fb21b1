"""Ray's tables about one job, asked within bounds; what they did not tell is said.

Of a job that is over, tasks that were never placed keep that state for seconds before they are marked as failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serve_app.cluster.dashboard import Listing
from serve_app.errors import AppError
from serve_app.jobs.diagnosis.evidence.files import FilePieces

Row = Mapping[str, Any]

MOST_ROWS = 500
# Of all jobs: Ray's worker table does not know whose a worker was.
MOST_WORKERS = 2_000
MOST_REPAIRS_ASKED = 10
# How a worker ends that did not end well (``WorkerExitType`` of src/ray/protobuf/common.proto).
BAD_EXITS = ("SYSTEM_ERROR", "USER_ERROR", "NODE_OUT_OF_MEMORY")


@dataclass(frozen=True, slots=True)
class JobTables:
    """Rows of Ray's tables about one job: attempts of tasks that failed and tasks that were never placed, actors that
    are dead and actors that were never placed, its placement groups, and workers of the cluster that ended badly.
    ``finished``: tasks that did well, None where they were not asked for: they tell where the job was. ``gaps``: why
    some of the job's may be missing, a sentence for each.
    """

    failed: Sequence[Row] = ()
    unplaced_tasks: Sequence[Row] = ()
    dead_actors: Sequence[Row] = ()
    unplaced_actors: Sequence[Row] = ()
    groups: Sequence[Row] = ()
    workers: Sequence[Row] = ()
    finished: Sequence[Row] | None = None
    gaps: tuple[str, ...] = ()

    @property
    def rows(self) -> list[Row]:
        """Tasks and actors of the job."""
        return [*self.failed, *self.unplaced_tasks, *self.dead_actors, *self.unplaced_actors]


class TableReader:
    """Asks for the rows of one job. ``files`` is told what could not be had."""

    def __init__(self, list_rows: Callable[..., Coroutine[Any, Any, Listing]], files: FilePieces) -> None:
        self._list_rows = list_rows
        self._files = files
        self._gaps: list[str] = []

    async def read(self, job_id: str, *, with_finished: bool = False) -> JobTables:
        """What the tables have of the job, and workers of the cluster that ended badly."""
        of = self._list_rows
        actors, tasks, groups = "The actor table", "The task table", "The table of placement groups"
        dead, pending, failed, unplaced, placed, *exits = await asyncio.gather(
            self._read_own(actors, of("actors", MOST_ROWS, job_id=job_id, state="DEAD")),
            self._read_own(actors, of("actors", MOST_ROWS, job_id=job_id, state="PENDING_CREATION")),
            self._read_own(tasks, of("tasks", MOST_ROWS, job_id=job_id, state="FAILED")),
            self._read_own(tasks, of("tasks", MOST_ROWS, job_id=job_id, state="PENDING_NODE_ASSIGNMENT")),
            self._read_own(groups, of("placement_groups", MOST_ROWS, creator_job_id=job_id)),
            *(
                self._read("The worker table", of("workers", MOST_WORKERS, worker_type="WORKER", exit_type=how))
                for how in BAD_EXITS
            ),
        )
        is_empty = not (dead or pending or failed or unplaced or placed or self._gaps)
        if is_empty and not await self._read_own(tasks, of("tasks", 1, job_id=job_id)):
            self._gaps.append("Ray has no task, actor or placement group of it, or has none any more")
        finished = None
        if with_finished:
            listed = await self._read(tasks, of("tasks", MOST_ROWS, job_id=job_id, state="FINISHED"))
            finished = listed if len(listed) < MOST_ROWS else None
        workers = [row for rows in exits for row in rows]
        return JobTables(failed, unplaced, dead, pending, placed, workers, finished, tuple(dict.fromkeys(self._gaps)))

    async def find_repaired(self, failed: Sequence[Row]) -> frozenset[str]:
        """Ids of failed tasks that a later attempt made good, of the first few."""
        rows = sorted(failed, key=lambda row: row.get("end_time_ms") or 0)
        ids = [id for id in dict.fromkeys(row.get("task_id") for row in rows) if isinstance(id, str)]
        asked = ids[:MOST_REPAIRS_ASKED]
        finished = await asyncio.gather(
            *(self._read("The task table", self._list_rows("tasks", 10, task_id=id, state="FINISHED")) for id in asked)
        )
        return frozenset(id for id, rows in zip(asked, finished, strict=True) if rows)

    async def _read_own(self, what: str, asked: Awaitable[Listing]) -> list[Any]:
        """The same of rows of the job alone: without them, what is not there may be the job's all the same."""
        return await self._read(what, asked, self._gaps)

    async def _read(self, what: str, asked: Awaitable[Listing], gaps: list[str] | None = None) -> list[Any]:
        try:
            listing = await asked
        except AppError as error:
            listing, self._files.again = Listing([], error.detail), True
        if gaps is not None and len(listing.rows) >= MOST_ROWS:
            gaps.append(f"{what} has more than the {MOST_ROWS} rows that were asked for")
        if listing.note is not None:
            self._files.not_read.append(f"{what}: {listing.note}")
            if gaps is not None:
                gaps.append(f"{what}: {listing.note}".removesuffix("."))
        return [row for row in listing.rows if isinstance(row, dict)]

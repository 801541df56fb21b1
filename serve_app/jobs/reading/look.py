"""One look with all that it needs: the sections, the session, and the tasks of jobs whose end proves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from serve_app.cluster.dashboard import DashboardClient
from serve_app.errors import AppError
from serve_app.jobs.models import ActorFacts, JobFacts, JobType, Known, Section, Snapshot, TaskCounts
from serve_app.jobs.reading.events import Pushed, apply_events
from serve_app.jobs.reading.replica import Replica
from serve_app.jobs.reading.rows import parse_task_counts
from serve_app.jobs.reading.snapshot import collect
from serve_app.jobs.reading.thread_call import ThreadCall

# Ray forgets tasks; of a job that ended long ago it has nothing to tell.
_TASKS_ASKED_WITHIN = timedelta(minutes=10)
_TASKS_ASKED_AT_ONCE = 8
_TASKS_KEPT = 2_000

_ACTORS_LISTED_EVERY = timedelta(seconds=60)

_NOT_TOLD = TaskCounts(0, 0, 0, 0, 0)


class LookLimits(Protocol):
    """How much is asked and kept: ``user_config`` of the inspector has these."""

    @property
    def source_timeout_s(self) -> float: ...

    @property
    def retained_jobs(self) -> int: ...

    @property
    def list_actors_up_to(self) -> int: ...


class Looker:
    """Looks at the cluster in which this replica runs. It makes no job, and raises nothing that Ray may cause."""

    def __init__(
        self,
        client: DashboardClient,
        here: Replica,
        resources: ThreadCall,
        now: Callable[[], datetime],
        config: LookLimits,
    ) -> None:
        self.config = config
        self._client = client
        self._here = here
        self._resources = resources
        self._now = now
        self.pushed = Pushed()
        self._tasks: dict[str, TaskCounts] = {}
        self._actors_at: datetime | None = None

    async def look(self, previous: Snapshot | None) -> Snapshot:
        """The cluster as it is now, and what Ray pushed meanwhile."""
        began = self._now()
        known_actors = self._reuse_actors(previous, began)
        snapshot = await collect(
            self._client,
            began,
            known_actors=known_actors,
            own_job_id=self._here.job_id,
            previous=previous,
            retained_jobs=self.config.retained_jobs,
            free=self._read_free,
        )
        if known_actors is None and isinstance(snapshot.actors, Known):
            self._actors_at = began
        # What came in before a whole look began is in its tables; of actors, before they were last listed.
        self.pushed.forget_before(began, actors=self._actors_at)
        await self._ask_tasks(snapshot)
        return apply_events(replace(snapshot, session=self._here.session, tasks=self._select_counted()), self.pushed)

    def _reuse_actors(self, previous: Snapshot | None, now: datetime) -> Known[tuple[ActorFacts, ...]] | None:
        """In a big cluster whose events come in, actors are listed once a minute, and events tell the rest."""
        latest_at = self.pushed.latest_at
        if previous is None or not isinstance(previous.actors, Known) or self._actors_at is None or latest_at is None:
            return None
        many = len(previous.actors.value) > self.config.list_actors_up_to
        recent = now - self._actors_at < _ACTORS_LISTED_EVERY and now - latest_at < _ACTORS_LISTED_EVERY
        return previous.actors if many and recent else None

    async def _read_free(self) -> Section[Any]:
        answer = await self._resources.get(self.config.source_timeout_s)
        return Known(answer.value[1]) if isinstance(answer, Known) else answer

    async def _ask_tasks(self, snapshot: Snapshot) -> None:
        jobs = snapshot.jobs.value if isinstance(snapshot.jobs, Known) else ()
        since = snapshot.taken_at - _TASKS_ASKED_WITHIN
        new = [job.job_id for job in jobs if job.job_id not in self._tasks and _proves_nothing(job, since)]
        wanted = [job_id for job_id in new if job_id is not None][:_TASKS_ASKED_AT_ONCE]
        for job_id, counts in zip(wanted, await asyncio.gather(*map(self._count_tasks, wanted)), strict=True):
            self._tasks[job_id] = counts
        for job_id in list(self._tasks)[: max(0, len(self._tasks) - _TASKS_KEPT)]:
            del self._tasks[job_id]

    async def _count_tasks(self, job_id: str) -> TaskCounts:
        try:
            return parse_task_counts(await self._client.summarize_tasks(job_id))
        except AppError:
            # Asked once: what is missing here makes no verdict worse, and the job's own page asks again.
            return _NOT_TOLD

    def _select_counted(self) -> dict[str, TaskCounts]:
        return {job_id: counts for job_id, counts in self._tasks.items() if counts.total}


def _proves_nothing(job: JobFacts, since: datetime) -> bool:
    return (
        job.type is JobType.DRIVER and job.status == "SUCCEEDED" and job.ended_at is not None and job.ended_at >= since
    )

"""One look at the cluster: every source asked at once, each with its own deadline, each allowed to fail alone.

``rows`` translates what comes back; ``events`` says of which actors Ray pushed something. The drivers of all
submissions are asked for while any may have changed, and tasks of jobs whose end alone does not tell how it was.
Nothing else is read for judging.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from serve_app.cluster.dashboard import DashboardClient, Listing
from serve_app.errors import AppError
from serve_app.jobs.drivers import DriverRun, select_own
from serve_app.jobs.judging.pending import list_shortages
from serve_app.jobs.models import (
    ActorFacts,
    DriverExit,
    JobFacts,
    JobType,
    Known,
    NodeFacts,
    Section,
    Snapshot,
    Unknown,
)
from serve_app.jobs.reading.events import Pushed
from serve_app.jobs.reading.replica import Replica
from serve_app.jobs.reading.rows import (
    parse_actors,
    parse_driver_exits,
    parse_job,
    parse_nodes,
    parse_submission_drivers,
    parse_waiting_actors,
)
from serve_app.jobs.reading.serve_rows import parse_autoscaler, parse_serve
from serve_app.jobs.reading.tasks import TaskCounter
from serve_app.jobs.reading.thread_call import ThreadCall
from serve_app.jobs.serve_facts import ServeFacts
from serve_app.outcomes import OPEN_STATUSES

T = TypeVar("T")
_MOST_JOBS = 100_000
_MANY_ROWS = 500
_NOT_PLACED = "PENDING_CREATION"
_ACTORS_LISTED_EVERY = timedelta(seconds=60)
# In one look: each is a question of its own to the dashboard.
_MOST_ACTORS_ASKED = 10


class ClusterSource(Protocol):
    """The questions that a look asks; ``dashboard.DashboardClient`` answers them, tests replay recorded answers."""

    async def list_jobs(self) -> list[Any]: ...

    async def list_drivers(self) -> Listing: ...

    async def list_actors(self, **equals: str) -> Listing: ...

    async def list_waiting_actors(self) -> Listing: ...

    async def list_nodes(self) -> Listing: ...

    async def get_serve_applications(self) -> dict[str, Any]: ...

    async def get_autoscaler_status(self) -> dict[str, Any]: ...


Free = Callable[[], Awaitable[Section[Mapping[str, float]]]]


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
        self._tasks = TaskCounter(client)
        self._drivers = ThreadCall(here.list_submission_drivers)
        # As they were last told, those of earlier runs among them.
        self._every_driver: Mapping[str, tuple[DriverRun, ...]] = {}
        self._actors_at: datetime | None = None

    async def look(self, previous: Snapshot | None) -> Snapshot:
        """The cluster as it is now."""
        began = self._now()
        known_actors = await self._bring_up_to_date(self._reuse_actors(previous, began))
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
            # What came in before the actors were listed is in the list.
            self.pushed.forget_before(began)
        drivers = await self._ask_drivers(previous, snapshot)
        snapshot = drop_earlier_runs(replace(snapshot, drivers=drivers), self._every_driver)
        tasks = await self._tasks.count(snapshot)
        return replace(snapshot, session=self._here.session, tasks=tasks)

    def _reuse_actors(self, previous: Snapshot | None, now: datetime) -> Known[tuple[ActorFacts, ...]] | None:
        """In a big cluster whose events come in, actors are listed once a minute, and events say which to ask about."""
        latest_at = self.pushed.latest_at
        if previous is None or not isinstance(previous.actors, Known) or self._actors_at is None or latest_at is None:
            return None
        many = len(previous.actors.value) > self.config.list_actors_up_to
        recent = now - self._actors_at < _ACTORS_LISTED_EVERY and now - latest_at < _ACTORS_LISTED_EVERY
        return previous.actors if many and recent else None

    async def _bring_up_to_date(
        self, known: Known[tuple[ActorFacts, ...]] | None
    ) -> Known[tuple[ActorFacts, ...]] | None:
        """Those of which Ray pushed something as Ray tells them now; the newest few, all others when all are listed."""
        ids = self.pushed.list_newest_actors(_MOST_ACTORS_ASKED) if known is not None else []
        if known is None or not ids:
            return known
        answers = await asyncio.gather(
            *(_ask_section(self._client.list_actors(actor_id=id), _parse_actor_table) for id in ids)
        )
        told = {
            actor.actor_id: actor
            for id, answer in zip(ids, answers, strict=True)
            if isinstance(answer, Known)
            for actor in answer.value
            if actor.actor_id == id
        }
        for id, answer in zip(ids, answers, strict=True):
            if isinstance(answer, Known):
                self.pushed.actors.pop(id, None)
        same = [told.pop(actor.actor_id, actor) for actor in known.value]
        return Known((*same, *told.values()), known.note)

    async def _read_free(self) -> Section[Any]:
        answer = await self._resources.get(self.config.source_timeout_s)
        return Known(answer.value[1]) if isinstance(answer, Known) else answer

    async def close(self) -> None:
        """Ask no more."""
        await self._tasks.close()

    async def list_drivers(self, submission_id: str) -> tuple[DriverRun, ...]:
        """The drivers of all runs with one submission id as they are now; none where Ray does not tell."""
        answer = await self._drivers.get(self.config.source_timeout_s)
        known = {} if isinstance(answer, Unknown) else parse_submission_drivers(answer.value, {})
        return known.get(submission_id, ())

    async def _ask_drivers(self, previous: Snapshot | None, snapshot: Snapshot) -> Section[Any]:
        """The drivers of submissions, asked for while any can have changed: Ray tells them all or none."""
        before = previous.drivers if previous is not None else Unknown("not asked")
        if previous is not None and isinstance(before, Known) and not _may_have_changed(previous, before, snapshot):
            return before
        answer = await self._drivers.get(self.config.source_timeout_s)
        if isinstance(answer, Unknown):
            return answer
        values = {**_list_values(previous), **_list_values(snapshot)}
        self._every_driver = parse_submission_drivers(answer.value, self._every_driver, values)
        return Known(self._every_driver)


def drop_earlier_runs(snapshot: Snapshot, every: Mapping[str, tuple[DriverRun, ...]]) -> Snapshot:
    """The snapshot without drivers of earlier runs that had the id of a submission. ``every``: all that Ray has told.

    Ray's list names the last driver of an id, also where that is of a run before.
    """
    if not isinstance(snapshot.jobs, Known):
        return snapshot
    cut: dict[str, tuple[DriverRun, ...]] = {}
    jobs = []
    for job in snapshot.jobs.value:
        told = every.get(job.submission_id) if job.submission_id else None
        own = told and select_own(told, job.started_at)
        if told and own != told:
            cut[str(job.submission_id)] = own = own or ()
            if job.job_id in {each.job_id for each in told} - {each.job_id for each in own}:
                job_id, pid, ip = (own[-1].job_id, own[-1].pid, own[-1].node_ip) if own else (None, None, None)
                job = replace(job, job_id=job_id, pid=pid, node_ip=ip)
        jobs.append(job)
    if not cut:
        return snapshot
    drivers = snapshot.drivers
    if isinstance(drivers, Known):
        drivers = Known({**drivers.value, **cut}, drivers.note)
    return replace(snapshot, jobs=Known(tuple(jobs), snapshot.jobs.note), drivers=drivers)


def _list_values(snapshot: Snapshot | None) -> dict[str, tuple[str, ...]]:
    """By submission, what is hidden of its texts."""
    jobs = snapshot.jobs.value if snapshot is not None and isinstance(snapshot.jobs, Known) else ()
    return {job.submission_id: job.secret_values for job in jobs if job.submission_id and job.secret_values}


async def collect(
    client: ClusterSource,
    now: datetime,
    *,
    own_job_id: str | None = None,
    previous: Snapshot | None = None,
    retained_jobs: int = _MOST_JOBS,
    free: Free | None = None,
    known_actors: Known[tuple[ActorFacts, ...]] | None = None,
) -> Snapshot:
    """Look once. A source that fails is ``Unknown`` with its reason; nothing is raised, and no job is made in Ray.

    Jobs that had ended in ``previous`` are taken over, and of more than ``retained_jobs`` those on their way
    and the newest are kept. ``free`` tells unused resources; as the waiting actors, it is asked when a job is pending.
    With ``known_actors`` the actor table is not listed.
    """
    known = {job.id: job for job in previous.jobs.value} if previous and isinstance(previous.jobs, Known) else {}
    jobs, exits, actors, nodes, serve = await asyncio.gather(
        _ask_section(client.list_jobs(), lambda rows: _parse_jobs(rows, known, retained_jobs)),
        _ask_section(client.list_drivers(), lambda listing: _parse_exits(listing, previous)),
        _return_known(known_actors)
        if known_actors is not None
        else _ask_section(_list_actors(client), _parse_actor_table),
        _ask_section(client.list_nodes(), _parse_nodes),
        _ask_section(client.get_serve_applications(), _parse_serve_details),
    )
    snapshot = Snapshot(now, jobs, exits, nodes, actors, serve, own_job_id)
    if isinstance(serve, Known) and list_shortages(serve.value, nodes, snapshot.autoscaler):
        said = await _ask_section(client.get_autoscaler_status(), lambda answer: Known(parse_autoscaler(answer)))
        snapshot = replace(snapshot, autoscaler=said)
    if not _has_waiting(snapshot):
        return snapshot
    waiting, available = await asyncio.gather(
        _ask_section(
            client.list_waiting_actors(), lambda listing: Known(parse_waiting_actors(listing.rows), listing.note)
        ),
        _return_not_asked() if free is None else free(),
    )
    return replace(snapshot, waiting=waiting, free=available)


def _has_waiting(snapshot: Snapshot) -> bool:
    jobs, actors = snapshot.jobs, snapshot.actors
    if isinstance(jobs, Known) and any(job.status == "PENDING" for job in jobs.value):
        return True
    return isinstance(actors, Known) and any(actor.state == _NOT_PLACED for actor in actors.value)


async def _return_known(known: Section[T]) -> Section[T]:
    return known


def _parse_actor_table(listing: Listing) -> Known[tuple[ActorFacts, ...]]:
    return Known(parse_actors(listing.rows), listing.note)


async def _return_not_asked() -> Section[Mapping[str, float]]:
    return Unknown("not asked")


async def _ask_section(asked: Coroutine[Any, Any, Any], convert: Callable[[Any], Known[T]]) -> Section[T]:
    try:
        answer = await asked
    except AppError as error:
        return Unknown(error.detail)
    rows = answer.rows if isinstance(answer, Listing) else answer
    # Translating thousands of rows takes as long as many requests; in a thread they take turns.
    return await asyncio.to_thread(convert, answer) if len(rows) > _MANY_ROWS else convert(answer)


async def _list_actors(client: ClusterSource) -> Listing:
    """All actors. Where Ray cuts the list, the living are asked for again: Serve's must not be among the missing."""
    listing = await client.list_actors()
    if listing.note is None:
        return listing
    alive = await client.list_actors(state="ALIVE")
    by_id = {row.get("actor_id"): row for row in (*listing.rows, *alive.rows) if isinstance(row, dict)}
    return Listing(list(by_id.values()), listing.note)


def _parse_jobs(rows: Iterable[Any], known: Mapping[str, JobFacts], retained: int) -> Known[tuple[JobFacts, ...]]:
    every = list(rows)
    if len(every) <= retained:
        return Known(tuple(parse_job(row, known) for row in every))
    kept = sorted(every, key=_rate_importance, reverse=True)[:retained]
    note = f"{retained} of {len(every)} jobs are kept: those on their way, and the newest."
    return Known(tuple(parse_job(row, known) for row in kept), note)


def _rate_importance(row: Any) -> tuple[bool, int]:
    if not isinstance(row, dict):
        return (False, 0)
    started = row.get("start_time")
    return (row.get("status") in ("RUNNING", "PENDING"), started if isinstance(started, int) else 0)


def _parse_exits(listing: Listing, previous: Snapshot | None) -> Known[Mapping[str, DriverExit]]:
    """Rows that say what they said are the same objects as before, so that later comparisons cost nothing."""
    before = previous.driver_exits.value if previous and isinstance(previous.driver_exits, Known) else {}
    return Known(parse_driver_exits(listing.rows, before), listing.note)


def _parse_nodes(listing: Listing) -> Known[tuple[NodeFacts, ...]]:
    return Known(parse_nodes(listing.rows), listing.note)


def _parse_serve_details(details: Mapping[str, Any]) -> Known[ServeFacts]:
    return Known(parse_serve(details))


def _may_have_changed(
    previous: Snapshot, before: Known[Mapping[str, tuple[DriverRun, ...]]], snapshot: Snapshot
) -> bool:
    """Whether a submission is on its way or has just ended, or one of its drivers lived when it was last asked for."""
    if not isinstance(snapshot.jobs, Known) or not isinstance(previous.jobs, Known):
        return True
    jobs = {job.id: job for job in previous.jobs.value}
    for job in snapshot.jobs.value:
        if job.type is JobType.SUBMISSION and (job.status in OPEN_STATUSES or jobs.get(job.id) is not job):
            return True
    return any(not driver.is_dead for same in before.value.values() for driver in same)

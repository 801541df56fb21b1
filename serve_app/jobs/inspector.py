"""The job inspector: it looks at the cluster from inside, and answers what it saw.

One replica on the head node. It is a Ray worker already, so looking makes no job, and nobody else has to look.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, TypeVar

from serve_app.dashboard import DashboardClient
from serve_app.errors import AppError, InvalidInput, NotFound, Unavailable
from serve_app.jobs import views
from serve_app.jobs.actions import Actions, Found
from serve_app.jobs.here import Here, InReplica
from serve_app.jobs.latest import Latest, Seen
from serve_app.jobs.logs import Logs
from serve_app.jobs.models import ActorFacts, JobRow, Known, Section, Snapshot, Unknown
from serve_app.jobs.query import JobQuery, cursor_of, limit_of, page, select
from serve_app.jobs.ray_source import collect
from serve_app.redaction import printable, redact
from serve_app.settings import InspectorConfig, JobManagement

log = logging.getLogger("ray.serve.seedcore")

T = TypeVar("T")
Json = dict[str, Any]

# Someone asks for a job that was made since the latest look: look again, but not for every wrong id.
_FRESH_FOR_A_MISS_S = 0.5
_DETAILS_AT_ONCE = 2
_FRAMES_CHARS = 4_000
_MAX_NODES = 500
_ACTOR_FILTERS = ("state", "job_id", "class_name")


class JobInspector:
    """What the routes and the organism ask about jobs, nodes, actors and Serve. All answers are plain dicts."""

    def __init__(
        self,
        client: DashboardClient | None = None,
        here: Here | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        management: JobManagement | None = None,
    ) -> None:
        """Serve gives ``management``; tests give the others."""
        config = InspectorConfig()
        self._client = client or DashboardClient.for_this_cluster(config.source_timeout_s)
        self._here = here or InReplica()
        self._now = now
        self._latest = Latest(self._look, config, clock=clock)
        self._resources = _Blocking(self._here.resources)
        self._frames = _Blocking(self._here.exception_frames)
        self._details = asyncio.Semaphore(_DETAILS_AT_ONCE)
        self._actions = Actions(self._client, self._found, management or JobManagement(), now=now)
        self._logs = Logs(self._client, self._found, lambda: self._latest.config, now=now)

    async def reconfigure(self, user_config: Json) -> None:
        """Take a new ``user_config``; Serve calls this once after the start, which begins the poll."""
        self._latest.config = InspectorConfig.model_validate(user_config)
        self._client.timeout_s = self._latest.config.source_timeout_s
        self._latest.start()

    async def check_health(self) -> None:
        """Fail only when the poll has died: that Ray does not answer is no reason to replace this replica."""
        self._latest.require_alive()

    async def close(self) -> None:
        """Stop looking and close connections."""
        await self._latest.close()
        await self._client.close()

    async def list_jobs(self, query: Json) -> Json:
        """A page of jobs, newest first; raises ``InvalidInput`` for a filter, limit or cursor that is none."""
        asked = JobQuery.parse(query)
        seen = await self._latest.get()
        _require(seen.snapshot.jobs)
        rows, next_cursor = select(seen.rows, asked)
        return {"items": [views.row_view(row) for row in rows], "next_cursor": next_cursor, **_told(seen)}

    async def summary(self) -> Json:
        """Jobs counted by kind, outcome and verdict."""
        seen = await self._latest.get()
        _require(seen.snapshot.jobs)
        return {**views.counts_view(seen.rows), **_told(seen)}

    async def get_job(self, job_or_submission_id: str) -> Json:
        """One job with all that is known of it; raises ``NotFound``."""
        seen, row = await self._find(job_or_submission_id)
        snapshot = seen.snapshot
        _, facts, driver = _with_facts(seen, row)
        (tasks, tasks_reason), frames = await asyncio.gather(self._tasks(row), self._frames_of(row))
        actors, actors_reason = _actors_of(row, snapshot.actors)
        return {
            **views.row_view(row),
            "expectation": views.expectation_view(row),
            "evidence": views.evidence_view(row),
            "driver": views.driver_view(facts, row, driver, frames),
            "message": None if facts is None else facts.message,
            "error_type": None if facts is None else facts.error_type,
            "exit_code": None if facts is None else facts.exit_code,
            "timeline": views.timeline_view(row, driver, snapshot.taken_at),
            "actors": actors,
            "actors_reason": actors_reason,
            "tasks": tasks,
            "tasks_reason": tasks_reason,
            **_told(seen),
        }

    async def current(self) -> Json:
        """The job that this application runs in. Ray hides it when the application came by ``serve deploy``."""
        seen = await self._latest.get()
        row = next((row for row in seen.rows if row.job_id == self._here.job_id), None)
        if row is None:
            raise Unavailable("Ray's job list is not available, so our own job is not known.", code="ray_unavailable")
        return {**views.row_view(row), **_told(seen)}

    async def ray_status(self) -> Json:
        """Whether Ray answers, with resources. That it does not is an answer here, not an error."""
        try:
            seen = await self._latest.get()
        except Unavailable as error:
            nothing: Json = {"cluster_info": {}, "as_of": None, "degraded": [error.detail]}
            return {"ray_configured": True, "ray_available": False, **nothing}
        resources = await self._resources.get(self._latest.config.source_timeout_s)
        total, available = resources.value if isinstance(resources, Known) else ({}, {})
        nodes = seen.snapshot.nodes.value if isinstance(seen.snapshot.nodes, Known) else ()
        degraded = [*seen.degraded, *([f"resources: {resources.reason}"] if isinstance(resources, Unknown) else [])]
        return {
            "ray_configured": True,
            "ray_available": seen.answered,
            "cluster_info": {
                "status": "initialized",
                "cluster_resources": total,
                "available_resources": available,
                "nodes": sum(node.alive for node in nodes),
                "ray_version": self._here.ray_version,
            },
            "as_of": views.time_view(seen.snapshot.taken_at),
            "degraded": degraded,
        }

    async def cluster_resources(self) -> Json:
        """Total, available and used amounts by resource; raises ``Unavailable``."""
        resources = await self._resources.get(self._latest.config.source_timeout_s)
        total, available = _require(resources)
        used = {name: round(amount - available.get(name, 0.0), 6) for name, amount in total.items()}
        return {"total": total, "available": available, "used": used, "as_of": views.time_view(self._now())}

    async def cluster_nodes(self) -> Json:
        """Nodes, the living first; raises ``Unavailable``."""
        seen = await self._latest.get()
        known = _require(seen.snapshot.nodes)
        nodes = sorted(known, key=lambda node: (not node.alive, not node.is_head, node.node_id))
        told = _told(seen)
        if len(nodes) > _MAX_NODES:
            told["degraded"].append(f"{_MAX_NODES} of {len(nodes)} nodes are shown.")
        return {"items": [views.node_view(node) for node in nodes[:_MAX_NODES]], "next_cursor": None, **told}

    async def cluster_actors(self, query: Json) -> Json:
        """A page of actors, the living first, by ``state``, ``job_id``, ``class_name``; raises ``InvalidInput``."""
        unknown = sorted(set(query) - {*_ACTOR_FILTERS, "limit", "cursor"})
        if unknown:
            raise InvalidInput(f"{unknown[0]} is not a filter; filters are {', '.join(_ACTOR_FILTERS)}.")
        limit, after = limit_of(query), cursor_of(query)
        wanted = [(name, str(query[name])) for name in _ACTOR_FILTERS if query.get(name)]
        seen = await self._latest.get()
        actors = [
            actor
            for actor in _require(seen.snapshot.actors)
            if all(str(getattr(actor, name)).casefold() == value.casefold() for name, value in wanted)
        ]
        actors.sort(key=_actor_key, reverse=True)
        taken, next_cursor = page(actors, _actor_key, limit, after)
        return {"items": [views.actor_view(actor) for actor in taken], "next_cursor": next_cursor, **_told(seen)}

    async def serve_details(self) -> Json:
        """The deployments of this application by name; raises ``Unavailable``."""
        seen = await self._latest.get()
        return views.serve_view(_require(seen.snapshot.serve), self._here.application)

    async def submit_job(self, body: Json) -> Json:
        return await self._actions.submit(body)

    async def stop_job(self, id: str, wait_s: float) -> Json:
        return await self._actions.stop(id, wait_s)

    async def retry_job(self, id: str, force: bool) -> Json:
        return await self._actions.retry(id, force)

    async def delete_job(self, id: str) -> Json:
        return await self._actions.delete(id)

    async def job_log(self, id: str, lines: int) -> Json:
        return await self._logs.tail(id, lines)

    async def follow_log(self, id: str, lines: int, after: int | None) -> AsyncIterator[Json]:
        async with aclosing(self._logs.follow(id, lines, after)) as items:
            async for item in items:
                yield item

    async def _found(self, id: str) -> Found:
        return _with_facts(*await self._find(id))

    async def _look(self, previous: Snapshot | None) -> Snapshot:
        return await collect(
            self._client,
            self._now(),
            own_job_id=self._here.job_id,
            previous=previous,
            retained_jobs=self._latest.config.retained_jobs,
        )

    async def _find(self, wanted: str) -> tuple[Seen, JobRow]:
        wanted = printable(wanted)
        for fresh_for_s in (None, _FRESH_FOR_A_MISS_S):
            seen = await self._latest.get(fresh_for_s=fresh_for_s)
            _require(seen.snapshot.jobs)
            for row in seen.rows:
                if wanted in (row.id, row.job_id, row.submission_id):
                    return seen, row
        raise NotFound(f"There is no job {redact(wanted[:80])!r}.", code="job_not_found")

    async def _tasks(self, row: JobRow) -> tuple[Json | None, str | None]:
        if row.job_id is None:
            return None, "It never connected to Ray, so it has no tasks."
        try:
            async with asyncio.timeout(self._latest.config.source_timeout_s), self._details:
                return views.tasks_view(await self._client.tasks_summary(row.job_id)), None
        except TimeoutError:
            return None, "Ray did not answer in time."
        except AppError as error:
            return None, error.detail

    async def _frames_of(self, row: JobRow) -> str | None:
        if not any(evidence.rule == "driver-exception" for evidence in row.evidence):
            return None
        frames = await self._frames.get(self._latest.config.source_timeout_s)
        text = frames.value.get(row.job_id or "") if isinstance(frames, Known) else None
        return None if text is None else redact(text)[-_FRAMES_CHARS:]


class _Blocking:
    """A blocking question, asked in a thread, one at a time: a thread that hangs is joined, not multiplied."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[Any] | None = None

    async def get(self, timeout_s: float) -> Section[Any]:
        """The answer, or why there is none within ``timeout_s``."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(asyncio.to_thread(self._ask))
        asking = self._asking
        done, _ = await asyncio.wait({asking}, timeout=timeout_s)
        if not done:
            return Unknown(f"Ray did not answer within {timeout_s:g} s.")
        error = asking.exception()
        return Known(asking.result()) if error is None else Unknown(f"Ray did not say ({type(error).__name__}).")


def _require(section: Section[T]) -> T:
    """What is known; raises ``Unavailable`` with the reason when it is not."""
    if isinstance(section, Unknown):
        raise Unavailable(section.reason, code="ray_unavailable")
    return section.value


def _told(seen: Seen) -> Json:
    return {"as_of": views.time_view(seen.snapshot.taken_at), "degraded": list(seen.degraded)}


def _with_facts(seen: Seen, row: JobRow) -> Found:
    """A row with what Ray said of the job, and of its driver."""
    jobs, exits = seen.snapshot.jobs, seen.snapshot.driver_exits
    facts = next((job for job in jobs.value if job.id == row.id), None) if isinstance(jobs, Known) else None
    return row, facts, exits.value.get(row.job_id or "") if isinstance(exits, Known) else None


def _actors_of(row: JobRow, actors: Section[tuple[ActorFacts, ...]]) -> tuple[Json | None, str | None]:
    if isinstance(actors, Unknown):
        return None, actors.reason
    return views.actors_of(row.job_id, actors.value), None


def _actor_key(actor: ActorFacts) -> tuple[int, str]:
    return int(actor.state != "DEAD"), actor.actor_id

"""What a running job holds now, and what of it is unfinished: for the job's page. Deciding is pure.

The tables of the last round tell it while they are young and whole; else the job alone is asked for, within bounds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from organs.times import format_time
from serve_app.cluster.rows import read_amounts, read_list, read_object
from serve_app.jobs.judging.pending import SUPERVISOR_PREFIX
from serve_app.jobs.models import JobRow, Known, Section, Unknown
from serve_app.jobs.progress.looks.rows import parse_actor_details
from serve_app.jobs.progress.looks.sweep import NOT_DEAD, UNFINISHED, Filters, TableSource
from serve_app.jobs.progress.looks.tables import ActorDetail, ProcessUse, Tables
from serve_app.jobs.progress.models import TaskFacts
from serve_app.jobs.progress.questions import MOST_DRIVERS, ask_section
from serve_app.jobs.progress.rows import parse_tasks
from serve_app.outcomes import JobOutcome
from serve_app.redaction import redact
from serve_app.schemas.jobs import HoldsOfJob, UnfinishedOfJob, UnfinishedView, WorkOfJob

MOST_SHOWN = 100
MOST_ACTORS = 200
MOST_GROUPS = 200
YOUNG = timedelta(seconds=10)
# Processes are measured every few seconds, and asked for in each round.
_MEASURED_WITHIN = timedelta(seconds=60)
_ALIVE = "ALIVE"
# A task in ``ray.get`` or ``ray.wait`` gives its CPU back meanwhile (src/ray/raylet/local_lease_manager.cc).
_WITHOUT_CPU = frozenset({"RUNNING_IN_RAY_GET", "RUNNING_IN_RAY_WAIT"})
_AT_WORK = frozenset({"RUNNING", *_WITHOUT_CPU})
_NORMAL, _CREATION = "NORMAL_TASK", "ACTOR_CREATION_TASK"
_CREATED = (("state", "=", "CREATED"),)


@dataclass(frozen=True, slots=True)
class OwnWork:
    """What Ray tells of one job: tasks that have not ended and how many they are, actors that are not dead, the bundles
    of its placement groups, and its processes.
    """

    at: datetime
    tasks: tuple[TaskFacts, ...]
    total: int
    actors: tuple[ActorDetail, ...]
    bundles: tuple[Mapping[str, float], ...] = ()
    processes: tuple[ProcessUse, ...] | None = None


class RoundTables(Protocol):
    """Where the tables of the last round are (``progress.rounds``)."""

    @property
    def tables(self) -> Tables | None: ...


class Holdings:
    """Tells it of one job after another."""

    def __init__(self, client: TableSource, rounds: RoundTables, now: Callable[[], datetime]) -> None:
        self._client = client
        self._rounds = rounds
        self._now = now

    async def describe(self, row: JobRow, job_ids: Sequence[str]) -> WorkOfJob:
        """``holds`` and ``unfinished`` of a job, or why they are not known; raises nothing that Ray may cause.

        ``job_ids`` are Ray's ids of its drivers; of the first ``MOST_DRIVERS`` it is told.
        """
        reason = _explain_nothing(row)
        if reason is not None or row.job_id is None:
            return _render_unknown(reason or "")
        work = await self._find_work(job_ids[:MOST_DRIVERS], row.submission_id)
        if isinstance(work, Unknown):
            return _render_unknown(work.reason)
        return {
            "holds": render_holds(work.value),
            "holds_reason": None,
            "unfinished": render_unfinished(work.value),
            "unfinished_reason": None,
        }

    async def _find_work(self, job_ids: Sequence[str], submission_id: str | None) -> Section[OwnWork]:
        tables = self._rounds.tables
        supervisors = _find_supervisor(tables, submission_id)
        bundles, found = await asyncio.gather(
            ask_section(self._fetch_bundles(job_ids)), self._find_tasks_and_actors(job_ids, tables)
        )
        if isinstance(found, Unknown):
            return found
        at, tasks, total, actors = found.value
        own = bundles.value if isinstance(bundles, Known) else ()
        return Known(OwnWork(at, tasks, total, (*actors, *supervisors), own, self._find_processes(job_ids, tables)))

    async def _find_tasks_and_actors(
        self, job_ids: Sequence[str], tables: Tables | None
    ) -> Section[tuple[datetime, tuple[TaskFacts, ...], int, tuple[ActorDetail, ...]]]:
        now = self._now()
        if tables is not None and now - tables.at <= YOUNG and _is_whole(tables.unfinished, tables.actors):
            assert isinstance(tables.unfinished, Known) and isinstance(tables.actors, Known)  # noqa: S101, PT018
            tasks = tuple(each for id in job_ids for each in tables.unfinished.value.get(id, ()))
            actors = tuple(each for id in job_ids for each in tables.actors.value.get(id, ()))
            return Known((tables.at, tasks, len(tasks), actors))
        tasks_asked, actors_asked = await asyncio.gather(
            ask_section(self._list_of_each("tasks", "job_id", job_ids, UNFINISHED, MOST_SHOWN)),
            ask_section(self._list_of_each("actors", "job_id", job_ids, NOT_DEAD, MOST_ACTORS)),
        )
        if isinstance(tasks_asked, Unknown):
            return tasks_asked
        if isinstance(actors_asked, Unknown):
            return actors_asked
        rows, total = tasks_asked.value
        return Known((now, parse_tasks(rows), total, parse_actor_details(actors_asked.value[0])))

    async def _list_of_each(
        self, table: str, column: str, job_ids: Sequence[str], but: Filters, most_rows: int
    ) -> tuple[list[Any], int]:
        """Rows of all drivers, and how many there are."""
        told = await asyncio.gather(
            *(self._client.list_matching(table, [(column, "=", id), *but], most_rows) for id in job_ids)
        )
        return [row for rows, _ in told for row in rows], sum(total for _, total in told)

    async def _fetch_bundles(self, job_ids: Sequence[str]) -> tuple[Mapping[str, float], ...]:
        """Of the placement groups that are there: those hold what they were given, whatever runs in them."""
        rows, _ = await self._list_of_each("placement_groups", "creator_job_id", job_ids, _CREATED, MOST_GROUPS)
        return tuple(
            read_amounts(read_object(bundle).get("unit_resources"))
            for row in rows
            for bundle in read_list(read_object(row).get("bundles"))
        )

    def _find_processes(self, job_ids: Sequence[str], tables: Tables | None) -> tuple[ProcessUse, ...] | None:
        """None: not measured."""
        if tables is None or self._now() - tables.at > _MEASURED_WITHIN:
            return None
        known = [use.value for use in tables.uses.values() if isinstance(use, Known)]
        return tuple(each for use in known for each in use.processes if each.job_id in job_ids) if known else None


def render_holds(work: OwnWork) -> HoldsOfJob:
    """Ray's logical resources that it holds, and the memory of its processes."""
    processes = work.processes
    known = [each.rss_bytes for each in processes or () if each.rss_bytes is not None]
    return {
        "resources": count_held(work.tasks, work.actors, work.bundles),
        "actors": sum(each.state == _ALIVE and not _is_supervisor(each) for each in work.actors),
        "processes": None if processes is None else len(processes),
        "memory_bytes": sum(known) if known else None,
        "as_of": format_time(work.at),
    }


def count_held(
    tasks: Iterable[TaskFacts], actors: Iterable[ActorDetail], bundles: Iterable[Mapping[str, float]]
) -> dict[str, float]:
    """Of tasks that run, actors that live and placement groups that are there; what is in a group holds that of it."""
    held: Counter[str] = Counter()
    for task in tasks:
        if task.type == _NORMAL and task.state in _AT_WORK and not task.group_id:
            free = ("CPU",) if task.state in _WITHOUT_CPU else ()
            held.update({name: amount for name, amount in task.required.items() if name not in free})
    for actor in actors:
        if actor.state == _ALIVE and not actor.group_id:
            held.update(dict(actor.required))
    for bundle in bundles:
        held.update(dict(bundle))
    return {name: round(amount, 4) for name, amount in sorted(held.items()) if amount}


def render_unfinished(work: OwnWork) -> UnfinishedOfJob:
    """Tasks that have not ended, those that run first, then actors that are not dead; that one is made is no task."""
    tasks = [each for each in work.tasks if each.type != _CREATION]
    tasks.sort(key=lambda each: (each.state not in _AT_WORK, each.changed_at is None, each.changed_at))
    actors = [each for each in work.actors if not _is_supervisor(each)]
    items = [*map(_render_task, tasks), *map(_render_actor, actors)]
    made = len(work.tasks) - len(tasks)
    total = work.total - made + len(actors)
    shown = items[:MOST_SHOWN]
    return {"items": shown, "total": total, "truncated": len(shown) < total, "as_of": format_time(work.at)}


def _render_task(task: TaskFacts) -> UnfinishedView:
    return {
        "what": "task",
        "name": task.name,
        "id": task.task_id,
        "type": task.type,
        "state": task.state,
        "since": format_time(task.changed_at),
        "pid": task.pid,
        "node_id": task.node_id or None,
    }


def _render_actor(actor: ActorDetail) -> UnfinishedView:
    return {
        "what": "actor",
        "name": redact(actor.name or actor.class_name),
        "id": actor.actor_id,
        "type": redact(actor.class_name),
        "state": actor.state,
        "since": None,
        "pid": actor.pid,
        "node_id": actor.node_id or None,
    }


def _explain_nothing(row: JobRow) -> str | None:
    if row.derived:
        return "It is made from the node table; it is no job of Ray."
    if row.outcome is JobOutcome.PENDING:
        return "It has not started."
    if row.outcome is not JobOutcome.RUNNING:
        return "It has ended."
    return "It never connected to Ray, which so knows nothing of it." if row.job_id is None else None


def _render_unknown(reason: str) -> WorkOfJob:
    return {"holds": None, "holds_reason": reason, "unfinished": None, "unfinished_reason": reason}


def _is_whole(*sections: Section[Any]) -> bool:
    return all(isinstance(each, Known) and each.note is None for each in sections)


def _find_supervisor(tables: Tables | None, submission_id: str | None) -> Sequence[ActorDetail]:
    """What a submission asked for its entrypoint is held by the actor that supervises it, which is none of its own."""
    if tables is None or submission_id is None or not isinstance(tables.actors, Known):
        return ()
    name = f"{SUPERVISOR_PREFIX}{submission_id}"
    return [each for own in tables.actors.value.values() for each in own if each.name == name][:1]


def _is_supervisor(actor: ActorDetail) -> bool:
    return actor.name.startswith(SUPERVISOR_PREFIX)

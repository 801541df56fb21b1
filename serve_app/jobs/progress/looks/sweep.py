"""The questions of one round: each table once for all running jobs, each node once. Bounded, and each may fail alone.

What a cut table lacks is asked again for single jobs, a few in each round, those first that were asked longest ago.
Nothing here makes a job in Ray.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

from serve_app.errors import Unavailable
from serve_app.jobs.models import Known, Section, Unknown
from serve_app.jobs.progress.looks.rows import (
    parse_actor_details,
    parse_by_job,
    parse_gets,
    parse_held,
    parse_node_use,
)
from serve_app.jobs.progress.looks.tables import ActorDetail, NodeProcesses, Tables
from serve_app.jobs.progress.models import GroupFacts, HeldReference, TaskFacts
from serve_app.jobs.progress.questions import ask_section
from serve_app.jobs.progress.rows import parse_groups, parse_tasks

T = TypeVar("T")
MOST_TASKS = 1_000
MOST_ACTORS = 2_000
MOST_GROUPS = 500
MOST_REFERENCES = 5_000
MOST_NODES = 100
# How often more tasks are asked for than one list holds, each time without the job that filled it.
MOST_LISTS = 3
MOST_APART = 8
MOST_FIGURES = 8
TASKS_OF_ONE = 100
_AT_ONCE = 4
_MANY_ROWS = 200

Filters = Sequence[tuple[str, str, str]]
# What has ended well is not asked for: of that, processes tell how much there is.
UNFINISHED: Filters = (("state", "!=", "FINISHED"), ("state", "!=", "FAILED"))
NOT_DEAD: Filters = (("state", "!=", "DEAD"),)
WAITING: Filters = (("state", "!=", "CREATED"), ("state", "!=", "REMOVED"))


class TableSource(Protocol):
    """What is asked of ``DashboardClient``."""

    async def list_matching(
        self, table: str, filters: Iterable[tuple[str, str, str]], most_rows: int
    ) -> tuple[list[Any], int]: ...

    async def get_node_detail(self, node_id: str) -> Any: ...

    async def read_figures(self, url: str) -> str: ...


# Failed attempts of tasks, as ``circles.questions`` asks for them.
AskAttempts = Callable[[], Awaitable[Section[tuple[Any, ...]]]]


class Sweep:
    """Asks. ``requests`` counts the questions to Ray since the start, so that their cost can be told."""

    def __init__(self, client: TableSource, attempts: AskAttempts | None = None) -> None:
        self._client = client
        self._attempts = attempts
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._asked_apart_at: dict[str, datetime] = {}
        self._first_node = 0
        self.requests = 0

    async def ask(self, at: datetime, job_ids: Collection[str], node_ids: Sequence[str]) -> Tables:
        """The tables of all jobs ``job_ids`` (Ray's), and the processes of nodes: of many nodes a part in turn."""
        (unfinished, partial, whole), attempts, actors, groups, uses = await asyncio.gather(
            self._ask_unfinished(),
            self._ask_attempts(),
            self._ask_actors(),
            self._ask_groups(),
            self.ask_uses(self._choose_nodes(node_ids)),
        )
        tables = Tables(at, unfinished, attempts, actors, groups, uses, partial=partial, whole=whole)
        return await self._ask_apart(tables, unfinished.value, job_ids) if isinstance(unfinished, Known) else tables

    async def ask_uses(self, node_ids: Iterable[str]) -> dict[str, Section[NodeProcesses]]:
        """The processes of these nodes."""
        wanted = list(node_ids)
        found = await asyncio.gather(*(ask_section(self._fetch_use(node_id)) for node_id in wanted))
        return dict(zip(wanted, found, strict=True))

    async def ask_references(self) -> Section[tuple[HeldReference, ...]]:
        """Which processes have references to what unfinished tasks shall return. Ray asks every worker for it."""
        found = await ask_section(self._fetch_rows("objects", (), MOST_REFERENCES))
        if isinstance(found, Unknown):
            return found
        rows, matching = found.value
        note = f"{len(rows)} of {matching} references are looked at" if matching > len(rows) else None
        return Known(parse_held(rows), note)

    async def ask_gets(self, urls: Iterable[str]) -> Section[Mapping[str, Mapping[str, int]]]:
        """How many tasks of which job and name are in ``ray.get``, from the figures of some nodes."""
        wanted = [url for url in dict.fromkeys(urls) if url][:MOST_FIGURES]
        if not wanted:
            return Unknown("Ray does not tell where its figures are.")
        found = await asyncio.gather(*(ask_section(self._fetch_gets(url)) for url in wanted))
        known = [each.value for each in found if isinstance(each, Known)]
        if len(known) < len(found):
            return next(each for each in found if isinstance(each, Unknown))
        counts: dict[str, dict[str, int]] = {}
        for by_job in known:
            for job_id, names in by_job.items():
                own = counts.setdefault(job_id, {})
                for name, number in names.items():
                    own[name] = own.get(name, 0) + number
        return Known(counts)

    async def _ask_unfinished(self) -> tuple[Section[Mapping[str, tuple[TaskFacts, ...]]], frozenset[str], bool]:
        """Tasks that have not ended, by job; the jobs of which not all are there; and whether all other jobs are.

        Of a list that was cut, the job that fills it speaks by what was listed of it, and the others are asked for
        again without it.
        """
        found: dict[str, tuple[TaskFacts, ...]] = {}
        filters, partial = UNFINISHED, set[str]()
        for _ in range(MOST_LISTS):
            section = await ask_section(self._fetch_rows("tasks", filters, MOST_TASKS))
            if isinstance(section, Unknown):
                return section, frozenset(), False
            rows, matching = section.value
            found |= await _parse_apart(rows, "job_id", parse_tasks)
            if matching <= len(rows) or not rows:
                note = f"of {len(partial)} jobs not all unfinished tasks are looked at" if partial else None
                return Known(found, note), frozenset(partial), True
            noisiest = max(found.keys() - partial, key=lambda each: len(found[each]), default="")
            partial.add(noisiest)
            filters = [*filters, ("job_id", "!=", noisiest)]
        note = f"{matching - len(rows)} unfinished tasks are not looked at"
        return Known(found, note), frozenset(found), False

    async def _ask_attempts(self) -> Section[tuple[Any, ...]]:
        if self._attempts is None:
            return Unknown("not asked")
        # They count their requests themselves: one question may need several.
        return await self._attempts()

    async def _ask_actors(self) -> Section[Mapping[str, tuple[ActorDetail, ...]]]:
        return await self._ask_table("actors", NOT_DEAD, MOST_ACTORS, "job_id", parse_actor_details)

    async def _ask_groups(self) -> Section[Mapping[str, tuple[GroupFacts, ...]]]:
        return await self._ask_table("placement_groups", WAITING, MOST_GROUPS, "creator_job_id", parse_groups)

    async def _ask_table(
        self, table: str, filters: Filters, most: int, column: str, parse: Callable[[list[Any]], tuple[T, ...]]
    ) -> Section[Mapping[str, tuple[T, ...]]]:
        found = await ask_section(self._fetch_rows(table, filters, most))
        if isinstance(found, Unknown):
            return found
        rows, matching = found.value
        note = f"{len(rows)} of {matching} {table.replace('_', ' ')} are looked at" if matching > len(rows) else None
        return Known(await _parse_apart(rows, column, parse), note)

    async def _ask_apart(
        self, tables: Tables, listed: Mapping[str, tuple[TaskFacts, ...]], job_ids: Collection[str]
    ) -> Tables:
        """Of a table that was cut, jobs that had no row in it: a few, those first whose turn was longest ago."""
        self._asked_apart_at = {key: at for key, at in self._asked_apart_at.items() if key in job_ids}
        if tables.whole:
            return tables
        missing = sorted((job_id for job_id in job_ids if job_id not in listed), key=self._get_asked_s)
        chosen = missing[:MOST_APART]
        self._asked_apart_at |= dict.fromkeys(chosen, tables.at)
        found = await asyncio.gather(*map(self._ask_one, chosen))
        told = {job_id for job_id, section in zip(chosen, found, strict=True) if isinstance(section, Known)}
        more = {key: rows for each in found if isinstance(each, Known) for key, rows in each.value.items()}
        every: Mapping[str, tuple[TaskFacts, ...]] = {**listed, **more}
        note = tables.unfinished.note if isinstance(tables.unfinished, Known) else None
        partial = tables.partial | {key for key, rows in more.items() if len(rows) >= TASKS_OF_ONE}
        return replace(tables, unfinished=Known(every, note), partial=partial, asked_apart=frozenset(told))

    async def _ask_one(self, job_id: str) -> Section[Mapping[str, tuple[TaskFacts, ...]]]:
        filters = [("job_id", "=", job_id), *UNFINISHED]
        return await self._ask_table("tasks", filters, TASKS_OF_ONE, "job_id", parse_tasks)

    def _get_asked_s(self, job_id: str) -> float:
        at = self._asked_apart_at.get(job_id)
        return 0.0 if at is None else at.timestamp()

    def _choose_nodes(self, node_ids: Sequence[str]) -> list[str]:
        if len(node_ids) <= MOST_NODES:
            return list(node_ids)
        first = self._first_node % len(node_ids)
        self._first_node = first + MOST_NODES
        return [*node_ids, *node_ids][first : first + MOST_NODES]

    async def _fetch_rows(self, table: str, filters: Filters, most: int) -> tuple[list[Any], int]:
        async with self._at_once:
            self.requests += 1
            return await self._client.list_matching(table, filters, most)

    async def _fetch_use(self, node_id: str) -> NodeProcesses:
        async with self._at_once:
            self.requests += 1
            detail = await self._client.get_node_detail(node_id)
        use = await asyncio.to_thread(parse_node_use, node_id, detail)
        if use is None:
            raise Unavailable("Ray's figures of the node do not have its processes (they come every few seconds).")
        return use

    async def _fetch_gets(self, url: str) -> dict[str, dict[str, int]]:
        async with self._at_once:
            self.requests += 1
            text = await self._client.read_figures(url)
        return await asyncio.to_thread(parse_gets, text)


async def _parse_apart(
    rows: list[Any], column: str, parse: Callable[[list[Any]], tuple[T, ...]]
) -> dict[str, tuple[T, ...]]:
    """Translating many rows takes as long as many requests; in a thread they take turns."""
    if len(rows) > _MANY_ROWS:
        return await asyncio.to_thread(parse_by_job, rows, column, parse)
    return parse_by_job(rows, column, parse)

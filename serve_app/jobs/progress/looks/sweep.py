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
        unfinished, attempts, actors, groups, uses = await asyncio.gather(
            self._ask_unfinished(),
            self._ask_attempts(),
            self._ask_actors(),
            self._ask_groups(),
            self.ask_uses(self._choose_nodes(node_ids)),
        )
        tables = Tables(at, unfinished, attempts, actors, groups, uses)
        if isinstance(unfinished, Known) and unfinished.note is not None:
            return await self._ask_apart(tables, job_ids)
        return tables

    async def ask_uses(self, node_ids: Iterable[str]) -> dict[str, Section[NodeProcesses]]:
        """The processes of these nodes."""
        wanted = list(node_ids)
        found = await asyncio.gather(*(ask_section(self._fetch_use(node_id)) for node_id in wanted))
        return dict(zip(wanted, found, strict=True))

    async def ask_references(self) -> Section[tuple[HeldReference, ...]]:
        """Which processes have references to what unfinished tasks shall return. Ray asks every worker for it."""
        return await ask_section(self._fetch_references())

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

    async def _ask_unfinished(self) -> Section[Mapping[str, tuple[TaskFacts, ...]]]:
        return await self._ask_table("tasks", UNFINISHED, MOST_TASKS, "job_id", parse_tasks)

    async def _ask_attempts(self) -> Section[tuple[Any, ...]]:
        if self._attempts is None:
            return Unknown("not asked")
        self.requests += 1
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
        if len(rows) > _MANY_ROWS:
            return Known(await asyncio.to_thread(parse_by_job, rows, column, parse), note)
        return Known(parse_by_job(rows, column, parse), note)

    async def _ask_apart(self, tables: Tables, job_ids: Collection[str]) -> Tables:
        """Of a table that was cut, jobs that had no row in it: a few, those first whose turn was longest ago."""
        assert isinstance(tables.unfinished, Known)  # noqa: S101 - the caller saw it
        self._asked_apart_at = {key: at for key, at in self._asked_apart_at.items() if key in job_ids}
        missing = [job_id for job_id in job_ids if job_id not in tables.unfinished.value]
        missing.sort(key=lambda job_id: at.timestamp() if (at := self._asked_apart_at.get(job_id)) else 0.0)
        chosen = missing[:MOST_APART]
        for job_id in chosen:
            self._asked_apart_at[job_id] = tables.at
        found = await asyncio.gather(
            *(self._ask_table("tasks", [("job_id", "=", each), *UNFINISHED], TASKS_OF_ONE, "job_id", parse_tasks)
              for each in chosen)
        )  # fmt: skip
        told = [each for each, section in zip(chosen, found, strict=True) if isinstance(section, Known)]
        more = {key: rows for each in found if isinstance(each, Known) for key, rows in each.value.items()}
        unfinished: Known[Mapping[str, tuple[TaskFacts, ...]]] = Known(
            {**tables.unfinished.value, **more}, tables.unfinished.note
        )
        return replace(tables, unfinished=unfinished, asked_apart=frozenset(told))

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
        use = parse_node_use(node_id, detail)
        if use is None:
            raise Unavailable("Ray's figures of the node do not have its processes (they come every few seconds).")
        return use

    async def _fetch_references(self) -> tuple[HeldReference, ...]:
        rows, _ = await self._fetch_rows("objects", (), MOST_REFERENCES)
        return parse_held(rows)

    async def _fetch_gets(self, url: str) -> dict[str, dict[str, int]]:
        async with self._at_once:
            self.requests += 1
            text = await self._client.read_figures(url)
        return await asyncio.to_thread(parse_gets, text)

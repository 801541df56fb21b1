"""Jobs of this session and of all before: what is in memory is the newest word, what is in the store goes back further.

When the store does not answer, memory does, and the answer says what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from serve_app.errors import AppError
from serve_app.jobs import figures, views
from serve_app.jobs.judge import sort_key
from serve_app.jobs.models import JobRow
from serve_app.jobs.query import JobQuery, Key, cursor_after, select

Json = dict[str, Any]
_SESSION_MARK = "@"


class PastJobs(Protocol):
    """What is read from the store."""

    async def list_jobs(self, asked: Json) -> list[Json]: ...

    async def find_job(self, wanted: str, session: str | None) -> Json | None: ...

    async def job_transitions(self, key: str) -> list[Json]: ...

    async def jobs_ended_since(self, since_us: int) -> Json: ...


class Archive:
    """Reads the history. ``store`` None: there is none, and memory is all."""

    def __init__(self, store: PastJobs | None) -> None:
        self._store = store

    async def page(
        self, asked: JobQuery, rows: list[JobRow], by_key: Mapping[str, JobRow], unwritten: Mapping[str, JobRow]
    ) -> tuple[list[Json], str | None, list[str]]:
        """A page of rows as JSON, the cursor of the next, and what is missing in it."""
        if self._store is None:
            return *_from_memory(rows, asked), []
        # As it is before the store is read: what is written meanwhile is in neither, else.
        unwritten = dict(unwritten)
        try:
            stored = await self._store.list_jobs(_wanted(asked))
        except AppError as error:
            return *_from_memory(rows, asked), [f"history: {error.detail}"]
        more, stored = len(stored) > asked.limit, stored[: asked.limit]
        last = _key(stored[-1]) if more else None
        found = dict(_newest_word([each for each in stored if each["key"] not in unwritten], asked, by_key))
        # What is not written stands where memory has it, which need not be where the store had it.
        for row in unwritten.values():
            place = sort_key(row)
            inside = (asked.after is None or place < asked.after) and (last is None or place >= last)
            if inside and asked.matches(row):
                found[place] = views.row_view(row)
        places = sorted(found, reverse=True)
        taken = places[: asked.limit]
        if len(places) > asked.limit:
            return [found[place] for place in taken], cursor_after(taken[-1]), []
        return [found[place] for place in taken], cursor_after(last) if last is not None else None, []

    async def find(self, wanted: str) -> Json | None:
        """A job that is not in memory, by ``id`` or ``id@session``; raises what the store raises."""
        if self._store is None:
            return None
        id, mark, session = wanted.rpartition(_SESSION_MARK)
        if mark and session:
            found = await self._store.find_job(id, session)
            if found is not None:
                return found
        return await self._store.find_job(wanted, None)

    async def transitions(self, key: str) -> tuple[list[Json], list[str]]:
        """How the judgement of a job changed, and what is missing."""
        if self._store is None:
            return [], []
        try:
            return await self._store.job_transitions(key), []
        except AppError as error:
            return [], [f"history: {error.detail}"]

    async def ended_since(self, since: datetime, rows: list[JobRow]) -> tuple[Json, list[str]]:
        """Counts, durations and causes of the jobs that ended since, and what is missing."""
        if self._store is None:
            return figures.ended_since(rows, since), []
        try:
            return await self._store.jobs_ended_since(round(since.timestamp() * 1_000_000)), []
        except AppError as error:
            return figures.ended_since(rows, since), [f"history: {error.detail}"]


def _from_memory(rows: list[JobRow], asked: JobQuery) -> tuple[list[Json], str | None]:
    taken, cursor = select(rows, asked)
    return [views.row_view(row) for row in taken], cursor


def _wanted(asked: JobQuery) -> Json:
    return {
        "kinds": sorted(asked.kinds),
        "statuses": sorted(asked.statuses),
        "outcomes": sorted(asked.outcomes),
        "verdicts": sorted(asked.verdicts),
        "since_us": _microseconds(asked.since),
        "until_us": _microseconds(asked.until),
        "text": asked.text,
        "after": asked.after,
        "limit": asked.limit + 1,
    }


def _newest_word(stored: list[Json], asked: JobQuery, by_key: Mapping[str, JobRow]) -> list[tuple[Key, Json]]:
    """Stored rows, each replaced by what is in memory of it; that may no longer be what is asked for."""
    rows = [(record, by_key.get(record["key"])) for record in stored]
    return [
        (_key(record), record["row"] if row is None else views.row_view(row))
        for record, row in rows
        if row is None or asked.matches(row)
    ]


def _key(record: Json) -> Key:
    return record["started_us"], record["name"]


def _microseconds(time: datetime | None) -> int | None:
    return None if time is None else round(time.timestamp() * 1_000_000)

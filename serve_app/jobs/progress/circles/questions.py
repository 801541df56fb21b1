"""The questions about what failed and what succeeded: the task table for all jobs at once, and little for single jobs.

Each is bounded and may fail; nothing here makes a job in Ray.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import quote

from serve_app.cluster.dashboard import Listing, Piece
from serve_app.cluster.private import UnknownRay
from serve_app.cluster.rows import read_object, read_text
from serve_app.errors import AppError
from serve_app.jobs.models import Known, Section, Unknown
from serve_app.jobs.progress.circles.attempts import Attempt, Successes
from serve_app.jobs.progress.circles.rows import parse_attempts, parse_successes
from serve_app.jobs.progress.questions import ask_section

MOST_ATTEMPTS = 2_000
MOST_SUCCESSES = 500
# How often more is asked for than one list holds, each time without the job that filled it.
MOST_LISTS = 3
_MANY_ROWS = 200
_LAST_BYTES = 8_192

Filters = tuple[tuple[str, str, str], ...]
_FAILED: Filters = (("state", "=", "FAILED"),)
_FINISHED: Filters = (("state", "=", "FINISHED"),)


class AttemptSource(Protocol):
    """What is asked of ``DashboardClient``."""

    async def list_matching(
        self, table: str, filters: Iterable[tuple[str, str, str]], most_rows: int
    ) -> tuple[list[Any], int]: ...

    async def list_workers(self, pid: int) -> Listing: ...

    async def read_piece(self, url: str, start: int, most_bytes: int) -> Piece: ...


class AttemptQuestions:
    """Asks. ``requests`` counts the questions to Ray since the start.

    ``find_agent`` tells the address of a node's agent and blocks; without it no log of a worker is read.
    """

    def __init__(self, client: AttemptSource, find_agent: Callable[[str], str | None] | None = None) -> None:
        self._client = client
        self._find_agent = find_agent
        self.requests = 0

    async def ask_attempts(self) -> Section[tuple[Attempt, ...]]:
        """Failed attempts of all jobs. Of a list that was cut, the job that fills it speaks by what was listed of it,
        and the others are asked for again without it, so that no job hides another's.
        """
        found: dict[tuple[str, int], Attempt] = {}
        without: Filters = ()
        left_out = 0
        for _ in range(MOST_LISTS):
            section = await self._ask_tasks((*_FAILED, *without), MOST_ATTEMPTS)
            if isinstance(section, Unknown):
                return section if not found else Known(tuple(found.values()), section.reason)
            rows, matching = section.value
            listed = await _parse_apart(rows)
            found |= {(each.task_id, each.number): each for each in listed}
            left_out = matching - len(rows)
            if left_out <= 0 or not listed:
                break
            noisiest = Counter(each.job_id for each in listed).most_common(1)[0][0]
            without = (*without, ("job_id", "!=", noisiest))
        note = f"{left_out} failed attempts are not looked at" if left_out > 0 else None
        return Known(tuple(found.values()), note)

    async def ask_successes(self, job_id: str) -> Section[Successes]:
        """What of a job succeeded; of many successes some, and all tasks that succeeded after a failure."""
        own = (("job_id", "=", job_id), *_FINISHED)
        section = await self._ask_tasks(own, MOST_SUCCESSES)
        if isinstance(section, Unknown):
            return section
        found = await _parse_finished(*section.value)
        if found.complete:
            return Known(found)
        again = (*own, ("attempt_number", "!=", "0"))
        section = await self._ask_tasks(again, MOST_SUCCESSES)
        if isinstance(section, Unknown):
            return Known(found)
        retried = await _parse_finished(*section.value)
        tasks = frozenset({*found.tasks, *retried.tasks})
        return Known(replace(found, tasks=tasks, all_retried=retried.complete))

    async def ask_calls(self, actor_id: str) -> Section[Successes]:
        """Which calls of an actor succeeded."""
        own = (("actor_id", "=", actor_id), *_FINISHED)
        section = await self._ask_tasks(own, MOST_SUCCESSES)
        return section if isinstance(section, Unknown) else Known(await _parse_finished(*section.value))

    async def ask_exit(self, node_id: str, pid: int, names: tuple[str, str] | None = None) -> str:
        """Ray's words on how a process ended, and the last that it wrote; empty: not known.

        ``names``: ids of the worker and of its job, which the name of its log has.
        """
        self.requests += 1
        section = await ask_section(self._client.list_workers(pid))
        rows = section.value.rows if isinstance(section, Known) else []
        told = [f"{kind}: {row.get('exit_detail') or ''}" for row in rows if (kind := _read_exit(row, node_id))]
        wrote = "" if names is None else await self._read_last_words(node_id, pid, *names)
        return "\n".join(filter(None, [*told[:1], wrote]))

    async def _ask_tasks(self, filters: Filters, most_rows: int) -> Section[tuple[list[Any], int]]:
        self.requests += 1
        return await ask_section(self._client.list_matching("tasks", filters, most_rows))

    async def _read_last_words(self, node_id: str, pid: int, worker_id: str, job_id: str) -> str:
        if self._find_agent is None:
            return ""
        try:
            agent = await asyncio.to_thread(self._find_agent, node_id)
            if agent is None:
                return ""
            name = quote(f"worker-{worker_id}-{job_id}-{pid}.err", safe="")
            self.requests += 1
            piece = await self._client.read_piece(f"{agent}/logs/{name}", -_LAST_BYTES, _LAST_BYTES)
        except (AppError, UnknownRay):
            return ""
        return piece.data.decode("utf-8", "replace")


async def _parse_apart(rows: list[Any]) -> tuple[Attempt, ...]:
    return await asyncio.to_thread(parse_attempts, rows) if len(rows) > _MANY_ROWS else parse_attempts(rows)


async def _parse_finished(rows: list[Any], matching: int) -> Successes:
    if len(rows) > _MANY_ROWS:
        return await asyncio.to_thread(parse_successes, rows, matching)
    return parse_successes(rows, matching)


def _read_exit(row: Any, node_id: str) -> str | None:
    fields: Mapping[str, Any] = read_object(row)
    return read_text(fields.get("exit_type")) if fields.get("node_id") == node_id else None

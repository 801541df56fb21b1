"""The questions about one job that a look asks: Ray's state API, a node's agent, py-spy. Each is bounded, and may fail.

Nothing here makes a job in Ray. Each answer is a section: known, or unknown with the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode

from serve_app.cluster.dashboard import Piece
from serve_app.errors import AppError, Unavailable, UpstreamFailed
from serve_app.jobs.models import Known, Section, Unknown
from serve_app.jobs.progress.log_growth import MOST_BYTES, grown
from serve_app.jobs.progress.models import (
    GroupFacts,
    HeldReference,
    LogFacts,
    ProcessorFacts,
    Stack,
    UnplacedActor,
    WorkFacts,
)
from serve_app.jobs.progress.processes import UNCONNECTED, Process
from serve_app.jobs.progress.rows import (
    group_facts,
    processor_facts,
    references_of,
    state_counts,
    task_facts,
    unplaced_actors,
)
from serve_app.jobs.progress.stacks import shown, why_none
from serve_app.redaction import redact

T = TypeVar("T")
Json = dict[str, Any]
Rows = tuple[list[Any], int]

MOST_TASKS = 200
MOST_ROWS = 200
MOST_REFERENCES = 2_000
MOST_NODES = 4
STACK_TIMEOUT_S = 4.0
DISABLED = (
    "Ray's profiling endpoint is off: set RAY_DASHBOARD_ENABLE_PROFILING=1 on the head before Ray starts there "
    "(whoever reaches the dashboard may then look into processes)"
)
_DETAIL_CHARS = 300


class Dashboard(Protocol):
    """What is asked of ``dashboard.DashboardClient``."""

    async def get_json(self, path: str, params: Mapping[str, str] | None = None) -> Any: ...

    async def get_text(self, path: str, params: Mapping[str, str]) -> tuple[int, str]: ...

    async def tasks_summary(self, job_id: str) -> Json: ...


class JobQuestions:
    """Asks about one job at a time; ``log_since`` is ``Logs.grown``."""

    def __init__(self, client: Dashboard, log_since: Callable[[str, int | None, int], Awaitable[Piece | None]]) -> None:
        self._client = client
        self._log_since = log_since

    async def work(self, job_id: str) -> Section[WorkFacts]:
        """Tasks: all counted, and those that have not ended."""
        return await section(self._work(job_id))

    async def actors(self, job_id: str) -> Section[tuple[UnplacedActor, ...]]:
        """Actors without a place."""
        filters = [("job_id", "=", job_id), ("state", "!=", "ALIVE"), ("state", "!=", "DEAD")]
        return await section(self._actors(filters))

    async def groups(self, job_id: str) -> Section[tuple[GroupFacts, ...]]:
        """Placement groups without a place."""
        filters = [("creator_job_id", "=", job_id), ("state", "!=", "CREATED"), ("state", "!=", "REMOVED")]
        return await section(self._groups(filters))

    async def references(self, job_id: str) -> Section[tuple[HeldReference, ...]]:
        """Who has references to results of its tasks. Ray asks every node for it: not for every look."""
        return await section(self._references(job_id))

    async def log(self, submission_id: str | None, before: LogFacts | None) -> Section[LogFacts]:
        """Length and time of the driver's log, and who wrote what came since ``before``."""
        if submission_id is None:
            return Unknown("Ray keeps no log of a driver that was started by hand")
        return await section(self._log(submission_id, before))

    async def processor(self, pids: Mapping[str, Iterable[int]]) -> Section[ProcessorFacts]:
        """Processor time of processes by node id, on the first nodes."""
        wanted = dict(list(pids.items())[:MOST_NODES])
        if not wanted:
            return Unknown(UNCONNECTED)
        return await section(self._processor(wanted))

    async def stacks(self, processes: Iterable[Process]) -> Section[tuple[Stack, ...]]:
        """Where processes (role, node id, pid) are; unknown with the reason when not one of them could be seen."""
        wanted = list(processes)
        if not wanted:
            return Unknown(UNCONNECTED)
        try:
            if not await self.profiling_enabled():
                return Unknown(DISABLED)
        except AppError as error:
            return Unknown(error.detail)
        found = await asyncio.gather(*(section(self._stack(*process)) for process in wanted))
        seen = tuple(each.value for each in found if isinstance(each, Known))
        refused = next((each for each in found if isinstance(each, Unknown)), None)
        return refused if refused is not None and not seen else Known(seen)

    async def profiling_enabled(self) -> bool:
        """Whether Ray's dashboard gives stacks (``/api/profiling_enabled`` of reporter_head.py)."""
        answer = await self._client.get_json("/api/profiling_enabled")
        data = answer.get("data") if isinstance(answer, dict) else None
        return isinstance(data, dict) and data.get("profilingEnabled") is True

    async def stack(self, role: str, node_id: str, pid: int) -> Section[Stack]:
        """Where one process is."""
        return await section(self._stack(role, node_id, pid))

    async def _work(self, job_id: str) -> WorkFacts:
        filters = [("job_id", "=", job_id), ("state", "!=", "FINISHED"), ("state", "!=", "FAILED")]
        counts, (rows, matching) = await asyncio.gather(
            self._client.tasks_summary(job_id), self._listed("tasks", filters, MOST_TASKS)
        )
        note = f"{len(rows)} of {matching} unfinished tasks are looked at" if matching > len(rows) else None
        return WorkFacts(state_counts(counts), task_facts(rows), note)

    async def _actors(self, filters: list[tuple[str, str, str]]) -> tuple[UnplacedActor, ...]:
        return unplaced_actors((await self._listed("actors", filters, MOST_ROWS))[0])

    async def _groups(self, filters: list[tuple[str, str, str]]) -> tuple[GroupFacts, ...]:
        return group_facts((await self._listed("placement_groups", filters, MOST_ROWS))[0])

    async def _references(self, job_id: str) -> tuple[HeldReference, ...]:
        rows, _ = await self._listed("objects", [("type", "=", "WORKER")], MOST_REFERENCES)
        return references_of(rows, job_id)

    async def _log(self, submission_id: str, before: LogFacts | None) -> LogFacts:
        piece = await self._log_since(submission_id, None if before is None else before.size_bytes, MOST_BYTES)
        if piece is None:
            raise Unavailable("No node has begun with it, so there is no log yet.")
        return grown(before, piece.data, piece.size_bytes, piece.written_at)

    async def _processor(self, pids: Mapping[str, Iterable[int]]) -> ProcessorFacts:
        # From its cache the dashboard answers what it answered last, however long ago (``aiohttp_cache``).
        paths = (f"/nodes/{quote(node_id, safe='')}?nocache=1" for node_id in pids)
        answers = await asyncio.gather(*map(self._client.get_json, paths))
        facts = processor_facts(dict(zip(pids, map(_detail, answers), strict=True)), pids)
        if facts is None:
            raise Unavailable("Ray's figures of the node do not have its processes (they come every few seconds).")
        return facts

    async def _stack(self, role: str, node_id: str, pid: int) -> Stack:
        async with asyncio.timeout(STACK_TIMEOUT_S):
            status, text = await self._client.get_text("/worker/traceback", {"pid": str(pid), "node_id": node_id})
        if status == 403:
            raise Unavailable(DISABLED)
        if status != 200:
            raise Unavailable(why_none(text))
        # Redacting takes longer than an event loop has.
        return Stack(pid, node_id, role, await asyncio.to_thread(shown, text))

    async def _listed(self, table: str, filters: Iterable[tuple[str, str, str]], most: int) -> Rows:
        """Rows of the state API and how many match; several filters go as repeated parameters (state_api_utils.py)."""
        asked = [("detail", "1"), ("limit", str(most))]
        for key, predicate, value in filters:
            asked += [("filter_keys", key), ("filter_predicates", predicate), ("filter_values", value)]
        answer = await self._client.get_json(f"/api/v0/{table}?{urlencode(asked)}")
        fields = answer if isinstance(answer, dict) else {}
        if fields.get("result") is not True:
            raise UpstreamFailed(f"Ray refused its list of {table}: {redact(str(fields.get('msg')))[:_DETAIL_CHARS]}")
        data = fields.get("data")
        result = data.get("result") if isinstance(data, dict) else None
        rows = result.get("result") if isinstance(result, dict) else None
        if not isinstance(result, dict) or not isinstance(rows, list):
            raise UpstreamFailed(f"Ray's list of {table} has no rows.")
        matching = result.get("num_filtered")
        return rows, matching if isinstance(matching, int) else len(rows)


def _detail(answer: Any) -> Any:
    data = answer.get("data") if isinstance(answer, dict) else None
    return data.get("detail") if isinstance(data, dict) else None


async def section(asked: Coroutine[Any, Any, T]) -> Section[T]:
    """What came back, or why nothing did."""
    try:
        return Known(await asked)
    except TimeoutError:
        return Unknown("Ray did not answer in time.")
    except AppError as error:
        return Unknown(error.detail)

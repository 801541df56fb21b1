"""The questions about one job that a look asks: Ray's state API, a node's agent, py-spy. Each is bounded, and may fail.

Nothing here makes a job in Ray. Each answer is a section: known, or unknown with the reason.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from serve_app.cluster.dashboard import Piece
from serve_app.cluster.rows import count_task_states
from serve_app.errors import AppError, Unavailable
from serve_app.jobs.models import Known, Section, Unknown
from serve_app.jobs.progress.log_growth import MOST_BYTES, measure_growth
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
    parse_groups,
    parse_processor,
    parse_references,
    parse_tasks,
    parse_unplaced_actors,
)
from serve_app.jobs.progress.stacks import explain_refusal, render_stack

T = TypeVar("T")
Json = dict[str, Any]

MOST_TASKS = 200
MOST_ROWS = 200
MOST_REFERENCES = 2_000
MOST_NODES = 4
# Each costs several questions; few entrypoints have more at work at the same time.
MOST_DRIVERS = 8
STACK_TIMEOUT_S = 4.0
DISABLED = (
    "Ray's profiling endpoint is off: set RAY_DASHBOARD_ENABLE_PROFILING=1 on the head before Ray starts there "
    "(whoever reaches the dashboard may then look into processes)"
)


class Dashboard(Protocol):
    """What is asked of ``DashboardClient``."""

    async def list_matching(
        self, table: str, filters: Iterable[tuple[str, str, str]], most_rows: int
    ) -> tuple[list[Any], int]: ...

    async def is_profiling_enabled(self) -> bool: ...

    async def get_worker_stack(self, node_id: str, pid: int) -> tuple[int, str]: ...

    async def get_node_detail(self, node_id: str) -> Any: ...

    async def summarize_tasks(self, job_id: str) -> Json: ...


class JobQuestions:
    """Asks about one job at a time; ``log_since`` is ``Logs.read_growth``.

    ``job_ids`` are those of its drivers, of which a submission may have several: what is not known of one is not known
    of the job.
    """

    def __init__(self, client: Dashboard, log_since: Callable[[str, int | None, int], Awaitable[Piece | None]]) -> None:
        self._client = client
        self._log_since = log_since

    async def ask_work(self, *job_ids: str) -> Section[WorkFacts]:
        """Tasks: all counted, and those that have not ended."""
        return await ask_section(self._fetch_work(job_ids))

    async def ask_actors(self, *job_ids: str) -> Section[tuple[UnplacedActor, ...]]:
        """Actors without a place."""
        but = [("state", "!=", "ALIVE"), ("state", "!=", "DEAD")]
        return await ask_section(self._fetch_rows("actors", "job_id", job_ids, but, parse_unplaced_actors))

    async def ask_groups(self, *job_ids: str) -> Section[tuple[GroupFacts, ...]]:
        """Placement groups without a place."""
        but = [("state", "!=", "CREATED"), ("state", "!=", "REMOVED")]
        return await ask_section(self._fetch_rows("placement_groups", "creator_job_id", job_ids, but, parse_groups))

    async def ask_references(self, *job_ids: str) -> Section[tuple[HeldReference, ...]]:
        """Who has references to results of its tasks. Ray asks every node for it: not for every look."""
        return await ask_section(self._fetch_references(job_ids))

    async def ask_log(self, submission_id: str | None, before: LogFacts | None) -> Section[LogFacts]:
        """Length and time of the driver's log, and who wrote what came since ``before``."""
        if submission_id is None:
            return Unknown("Ray keeps no log of a driver that was started by hand")
        return await ask_section(self._fetch_log(submission_id, before))

    async def ask_processor(self, pids: Mapping[str, Iterable[int]]) -> Section[ProcessorFacts]:
        """Processor time of processes by node id, on the first nodes."""
        wanted = dict(list(pids.items())[:MOST_NODES])
        if not wanted:
            return Unknown(UNCONNECTED)
        return await ask_section(self._fetch_processor(wanted))

    async def ask_stacks(self, processes: Iterable[Process]) -> Section[tuple[Stack, ...]]:
        """Where processes (role, node id, pid) are; unknown with the reason when not one of them could be seen."""
        wanted = list(processes)
        if not wanted:
            return Unknown(UNCONNECTED)
        try:
            if not await self.is_profiling_enabled():
                return Unknown(DISABLED)
        except AppError as error:
            return Unknown(error.detail)
        found = await asyncio.gather(*(ask_section(self._fetch_stack(*process)) for process in wanted))
        seen = tuple(each.value for each in found if isinstance(each, Known))
        refused = next((each for each in found if isinstance(each, Unknown)), None)
        return refused if refused is not None and not seen else Known(seen)

    async def is_profiling_enabled(self) -> bool:
        """Whether Ray's dashboard gives stacks."""
        return await self._client.is_profiling_enabled()

    async def ask_stack(self, role: str, node_id: str, pid: int) -> Section[Stack]:
        """Where one process is."""
        return await ask_section(self._fetch_stack(role, node_id, pid))

    async def _fetch_work(self, job_ids: tuple[str, ...]) -> WorkFacts:
        asked = job_ids[:MOST_DRIVERS]
        found = await asyncio.gather(*map(self._fetch_tasks, asked))
        counts: Counter[str] = Counter()
        for states, _, _ in found:
            counts.update(states)
        rows = [row for _, own, _ in found for row in own]
        matching = sum(number for _, _, number in found)
        notes = [f"{len(rows)} of {matching} unfinished tasks are looked at"] if matching > len(rows) else []
        if len(asked) < len(job_ids):
            notes.append(f"tasks of {len(asked)} of {len(job_ids)} drivers are looked at")
        return WorkFacts(dict(counts), parse_tasks(rows), "; ".join(notes) or None)

    async def _fetch_tasks(self, job_id: str) -> tuple[Mapping[str, int], list[Any], int]:
        filters = [("job_id", "=", job_id), ("state", "!=", "FINISHED"), ("state", "!=", "FAILED")]
        counts, (rows, matching) = await asyncio.gather(
            self._client.summarize_tasks(job_id), self._client.list_matching("tasks", filters, MOST_TASKS)
        )
        return count_task_states(counts), rows, matching

    async def _fetch_rows(
        self,
        table: str,
        column: str,
        job_ids: tuple[str, ...],
        but: list[tuple[str, str, str]],
        parse: Callable[[list[Any]], tuple[T, ...]],
    ) -> tuple[T, ...]:
        found = await asyncio.gather(
            *(self._client.list_matching(table, [(column, "=", id), *but], MOST_ROWS) for id in job_ids[:MOST_DRIVERS])
        )
        return parse([row for rows, _ in found for row in rows])

    async def _fetch_references(self, job_ids: tuple[str, ...]) -> tuple[HeldReference, ...]:
        rows, _ = await self._client.list_matching("objects", [("type", "=", "WORKER")], MOST_REFERENCES)
        return parse_references(rows, job_ids)

    async def _fetch_log(self, submission_id: str, before: LogFacts | None) -> LogFacts:
        piece = await self._log_since(submission_id, None if before is None else before.size_bytes, MOST_BYTES)
        if piece is None:
            raise Unavailable("No node has begun with it, so there is no log yet.")
        return measure_growth(before, piece.data, piece.size_bytes, piece.written_at)

    async def _fetch_processor(self, pids: Mapping[str, Iterable[int]]) -> ProcessorFacts:
        details = await asyncio.gather(*map(self._client.get_node_detail, pids))
        facts = parse_processor(dict(zip(pids, details, strict=True)), pids)
        if facts is None:
            raise Unavailable("Ray's figures of the node do not have its processes (they come every few seconds).")
        return facts

    async def _fetch_stack(self, role: str, node_id: str, pid: int) -> Stack:
        async with asyncio.timeout(STACK_TIMEOUT_S):
            status, text = await self._client.get_worker_stack(node_id, pid)
        if status == 403:
            raise Unavailable(DISABLED)
        if status != 200:
            raise Unavailable(explain_refusal(text))
        # Redacting takes longer than an event loop has.
        return Stack(pid, node_id, role, await asyncio.to_thread(render_stack, text))


async def ask_section(asked: Coroutine[Any, Any, T]) -> Section[T]:
    """What came back, or why nothing did."""
    try:
        return Known(await asked)
    except TimeoutError:
        return Unknown("Ray did not answer in time.")
    except AppError as error:
        return Unknown(error.detail)

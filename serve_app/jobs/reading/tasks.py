"""Tasks of jobs whose end alone does not tell how it was: each such job is asked for once, few at a time.

When a driver leaves, Ray says of what it left for 15 s what it was doing, and then that it failed (``OnJobFinished`` of
src/ray/gcs/gcs_server/gcs_task_manager.cc); what its workers were doing fails within a second, since they are ended.
All that is unfinished work, which is told from work that failed by what Ray writes of it.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from serve_app.cluster.rows import read_text, read_time_ms
from serve_app.errors import AppError
from serve_app.jobs.judging.contradiction import CRASH_EXIT_CODES, MOST_DRIVERS
from serve_app.jobs.models import JobType, Known, Snapshot, TaskCounts
from serve_app.jobs.reading.rows import parse_task_counts
from serve_app.redaction import redact

# Ray forgets tasks; of a job that ended long ago it has nothing to tell.
_DRIVERS_WITHIN = timedelta(minutes=10)
# A restart must not turn what was contradicted into a success: of these the last hour is asked again.
_SUBMISSIONS_WITHIN = timedelta(hours=1)
# What a driver and its workers did last is told within a second or two (task_events_report_interval_ms).
_TOLD_AFTER = timedelta(seconds=2)
_ASKED_AT_ONCE = 8
_MOST_TRIES = 3
_PATIENCE_S = 0.2
_KEPT = 2_000
_MOST_ROWS = 1_000
_MOST_NAMES = 3
_NAME_CHARS = 100
# Ray's own sentences on what a driver left, and on what its workers were doing (seen on 2.60).
_LEFT_BY_DRIVER = re.compile("as driver exits|because its job has finished")
# Calls of Serve's, and of the private actors of Ray's libraries (``_StatsActor`` of Ray Data, ``_QueueActor``): they
# wait for news, or bring it, as long as the program runs, and are meant to be left.
_OF_RAY = re.compile(r"(?:ServeController|ProxyActor|_[A-Z]\w*)\.|ServeReplica:")
# What Ray calls an attempt whose process is gone (``ErrorType`` of src/ray/protobuf/common.proto).
_OF_WORKERS = frozenset({"WORKER_DIED", "ACTOR_DIED"})
_NOTHING_TOLD = TaskCounts(0, 0, 0, 0, 0)


class TaskSource(Protocol):
    """The questions that counting asks; ``dashboard.DashboardClient`` answers them."""

    async def summarize_tasks(self, job_id: str) -> dict[str, Any]: ...

    async def list_matching(
        self, table: str, filters: Iterable[tuple[str, str, str]], most_rows: int
    ) -> tuple[list[Any], int]: ...


class _Wanted(NamedTuple):
    """A driver whose tasks are asked for, and when it left. ``total``: how many finished is needed as well."""

    job_id: str
    ended_at: datetime
    submitted: bool
    total: bool = True


class TaskCounter:
    """Remembers what was counted; what Ray did not tell is asked again a few times. A look waits for the answers only
    for a moment: what comes later is in the next one.
    """

    def __init__(self, client: TaskSource) -> None:
        self._client = client
        self._counts: dict[str, TaskCounts] = {}
        self._tries: Counter[str] = Counter()
        self._asking: dict[_Wanted, asyncio.Task[TaskCounts | None]] = {}

    async def close(self) -> None:
        """Ask no more."""
        tasks = list(self._asking.values())
        self._asking = {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def count(self, snapshot: Snapshot) -> dict[str, TaskCounts]:
        """By job id of a driver, what is known of its tasks; raises nothing that Ray may cause."""
        wanted = [
            each for each in _list_wanted(snapshot) if each.job_id not in self._counts and each not in self._asking
        ]
        alive = _list_living_actors(snapshot) if wanted else frozenset()
        submitted = sorted((each for each in wanted if each.submitted), key=lambda each: each.ended_at, reverse=True)
        drivers = [each for each in wanted if not each.submitted]
        for each in (*drivers[: self._find_room(submitted=False)], *submitted[: self._find_room(submitted=True)]):
            self._asking[each] = asyncio.create_task(self._ask(each, snapshot.taken_at, alive))
        if self._asking:
            await asyncio.wait(self._asking.values(), timeout=_PATIENCE_S)
            self._take_told()
        for job_id in list(self._counts)[: max(0, len(self._counts) - _KEPT)]:
            del self._counts[job_id]
        return {job_id: counts for job_id, counts in self._counts.items() if counts is not _NOTHING_TOLD}

    def _find_room(self, *, submitted: bool) -> int:
        return _ASKED_AT_ONCE - sum(each.submitted is submitted for each in self._asking)

    def _take_told(self) -> None:
        for wanted, task in list(self._asking.items()):
            if task.done():
                del self._asking[wanted]
                if (counts := task.result()) is not None:
                    self._counts[wanted.job_id] = counts
                    self._tries.pop(wanted.job_id, None)

    async def _ask(self, wanted: _Wanted, now: datetime, alive: frozenset[str]) -> TaskCounts | None:
        """None: later, since Ray does not tell yet."""
        try:
            counts = await self._count(wanted, alive)
        except AppError:
            self._tries[wanted.job_id] += 1
            # What is missing here makes no verdict worse, and the job's own page asks again.
            return None if self._tries[wanted.job_id] < _MOST_TRIES else _NOTHING_TOLD
        if counts.unfinished and now - wanted.ended_at < _TOLD_AFTER:
            return None
        return counts if counts.total or wanted.submitted else _NOTHING_TOLD

    async def _count(self, wanted: _Wanted, alive: frozenset[str]) -> TaskCounts:
        if wanted.total:
            counts = parse_task_counts(await self._client.summarize_tasks(wanted.job_id))
            if counts.finished == counts.total:
                return counts
        rows, matching = await self._client.list_matching(
            "tasks", (("job_id", "=", wanted.job_id), ("state", "!=", "FINISHED")), _MOST_ROWS
        )
        cut_off: list[Mapping[str, Any]] = []
        by_themselves: list[Mapping[str, Any]] = []
        for row in rows:
            if isinstance(row, Mapping):
                (cut_off if _was_cut_off(row, wanted.ended_at) else by_themselves).append(row)
        left = {str(row.get("task_id")): _choose_name(row) for row in cut_off if _is_missed(row, alive)}
        if not wanted.total:
            if not matching:
                return TaskCounts(0, 0, 0, 0, 0)
            counts = parse_task_counts(await self._client.summarize_tasks(wanted.job_id))
        names = tuple(name for name, _ in Counter(left.values()).most_common(_MOST_NAMES))
        # What a later attempt made good has not failed, and what failed in each of its attempts is one task.
        failed = {str(row.get("task_id")) for row in by_themselves}
        failed -= {str(row.get("task_id")) for row in cut_off}
        if failed:
            failed -= await self._list_repaired(wanted.job_id)
        further_attempts = len(by_themselves) - len(failed)
        # Ray calls what a driver left failed: that it failed by itself is another matter.
        of_driver = sum(row.get("state") == "FAILED" for row in cut_off)
        return replace(
            counts,
            total=max(counts.total - further_attempts, len(failed) + len(left)),
            failed=max(0, counts.failed - of_driver - further_attempts),
            unfinished=len(left),
            unfinished_names=names,
        )

    async def _list_repaired(self, job_id: str) -> set[str]:
        """Ids of tasks of which a later attempt succeeded."""
        later = (("job_id", "=", job_id), ("state", "=", "FINISHED"), ("attempt_number", "!=", "0"))
        rows, _ = await self._client.list_matching("tasks", later, _MOST_ROWS)
        return {str(row.get("task_id")) for row in rows if isinstance(row, Mapping)}


def has_ended_with_driver(row: Mapping[str, Any], driver_ended_at: datetime | None) -> bool:
    """Whether an attempt that failed had not ended when its driver left, so that what its row says is a consequence.

    Ray says so of most that it ends, and of some only that their worker died; those end some milliseconds later.
    """
    if _LEFT_BY_DRIVER.search(str(row.get("error_message"))):
        return True
    ended_at = read_time_ms(row.get("end_time_ms"))
    is_later = ended_at is not None and driver_ended_at is not None and ended_at >= driver_ended_at
    return is_later and row.get("error_type") in _OF_WORKERS


def _list_wanted(snapshot: Snapshot) -> Iterable[_Wanted]:
    drivers_since = snapshot.taken_at - _DRIVERS_WITHIN
    submissions_since = snapshot.taken_at - _SUBMISSIONS_WITHIN
    for job in snapshot.jobs.value if isinstance(snapshot.jobs, Known) else ():
        if job.ended_at is None or job.ended_at < submissions_since or job.job_id is None:
            continue
        if job.type is JobType.DRIVER:
            if job.status == "SUCCEEDED" and job.ended_at >= drivers_since:
                yield _Wanted(job.job_id, job.ended_at, submitted=False)
        elif job.status == "SUCCEEDED":
            dead = [each for each in snapshot.list_drivers(job.submission_id)[-MOST_DRIVERS:] if each.is_dead]
            ends = [(each.job_id, each.ended_at or job.ended_at) for each in dead] or [(job.job_id, job.ended_at)]
            for job_id, ended_at in ends:
                yield _Wanted(job_id, ended_at, submitted=True, total=False)
        elif job.status == "FAILED" and job.exit_code in CRASH_EXIT_CODES:
            yield _Wanted(job.job_id, job.ended_at, submitted=True)


def _list_living_actors(snapshot: Snapshot) -> frozenset[str]:
    actors = snapshot.actors.value if isinstance(snapshot.actors, Known) else ()
    return frozenset(actor.actor_id for actor in actors if actor.state != "DEAD")


def _was_cut_off(row: Mapping[str, Any], driver_ended_at: datetime) -> bool:
    """Whether a task had not ended when its driver left."""
    return row.get("state") != "FAILED" or has_ended_with_driver(row, driver_ended_at)


def _is_missed(row: Mapping[str, Any], alive: frozenset[str]) -> bool:
    """Whether it is work that is not done: what a detached actor goes on with was handed over."""
    of_program = row.get("type") != "DRIVER_TASK" and not _OF_RAY.match(_choose_name(row))
    return of_program and row.get("actor_id") not in alive


def _choose_name(row: Mapping[str, Any]) -> str:
    name = read_text(row.get("func_or_class_name")) or read_text(row.get("name")) or "a task"
    return redact(name)[:_NAME_CHARS]

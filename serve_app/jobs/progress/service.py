"""Looks at one job on demand, and keeps the last few, so that whoever asks twice is told what moved in between.

At most one look at a job is under way; who asks meanwhile gets the same answer. Nothing is raised that Ray may cause:
what it does not tell is said in the signals.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Protocol

from serve_app.errors import TooBusy, Unavailable
from serve_app.jobs.judging.pending import Waiting, explain_waiting
from serve_app.jobs.models import JobRow, Known, Section, Unknown, Verdict
from serve_app.jobs.motion import MotionJudgement
from serve_app.jobs.progress.looks.drivers import find_drivers, list_driver_ids
from serve_app.jobs.progress.models import HeldReference, LogFacts, Look, Stillness, StillnessSubject
from serve_app.jobs.progress.obstacles import take_stock
from serve_app.jobs.progress.processes import UNCONNECTED, collect_pids, list_processes
from serve_app.jobs.progress.questions import JobQuestions
from serve_app.jobs.progress.stillness import describe_stillness
from serve_app.jobs.reading.poll import Seen
from serve_app.jobs.watch import JobWatch
from serve_app.outcomes import JobOutcome

# Between two looks; Ray's own figures of processes are some seconds apart, its tables are not.
SPAN_S = 3.0
# Two looks at a job and what is between them; of all that an answer takes, ``Stillnesses.judge`` tells.
WITHIN_S = 12.0
ROUND_WITHIN_S = 5.0
MOST_JOBS = 50
MOST_LOOKS = 4
MOST_AT_ONCE = 8
_MOST_STACKS = 3
_SECTIONS = len(fields(Look)) - 1
_KEPT_FOR = timedelta(hours=1)
_FRESH_FOR_S = 1.0


class RoundSource(Protocol):
    """What looks at all running jobs (``rounds.Rounds``)."""

    async def look_once(self, *, fresh_for_s: float = 0.0) -> None: ...


class Stillnesses:
    """Whether jobs on their way move."""

    def __init__(
        self,
        watch: JobWatch,
        questions: JobQuestions,
        rounds: RoundSource,
        now: Callable[[], datetime],
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._watch = watch
        self._questions = questions
        self._rounds = rounds
        self._now = now
        self._clock = clock
        self._pause = pause
        self._kept: OrderedDict[str, tuple[Look, ...]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Stillness]] = {}

    async def judge(self, row: JobRow) -> Stillness:
        """Whether a job that is pending or running moves, and if not why.

        Its looks take up to ``WITHIN_S``; the round after them, of a job that is no service, up to ``ROUND_WITHIN_S``
        more, and one look at the cluster before and one after it what Ray takes to answer. Who calls through a handle
        waits for all of that.

        Raises ``TooBusy`` when too many jobs are being looked at, and ``Unavailable`` when there is no look at all.
        """
        asking = self._asking.get(row.key)
        if asking is None:
            if len(self._asking) >= MOST_AT_ONCE:
                raise TooBusy(f"{MOST_AT_ONCE} jobs are being looked at; try again in some seconds.")
            asking = self._asking[row.key] = asyncio.create_task(self._observe(row))
            asking.add_done_callback(lambda done: self._forget(row.key, done))
        # Shielded: another who asks the same may be waiting for it.
        return await asyncio.shield(asking)

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _observe(self, row: JobRow) -> Stillness:
        expectation = self._watch.expect(row.kind)
        seen = await self._watch.get()
        row = seen.by_key.get(row.key, row)
        if row.outcome is JobOutcome.PENDING:
            waiting = _find_waiting(seen, row)
            return describe_stillness(
                [Look(seen.snapshot.taken_at)], StillnessSubject(False, row.duration_s, waiting=waiting)
            )
        if expectation.must_end is False:
            probe = (row.verdict is Verdict.OK, row.reason)
            return describe_stillness(
                [Look(seen.snapshot.taken_at)],
                StillnessSubject(True, row.duration_s, probe=probe),
                # Only what it tries again and again its row says; whether it moves nobody asks of a service.
                row.motion if row.circle is not None else None,
            )
        looks = await self._take_looks(row)
        past = self._watch.find_past(row.series)
        judged = await self._judge_motion(row)
        return describe_stillness(looks, StillnessSubject(True, row.duration_s, past), judged)

    async def _judge_motion(self, row: JobRow) -> MotionJudgement | None:
        """What lists and alerts say of it, made anew: one more round now, and one more look that judges by it."""
        try:
            async with asyncio.timeout(ROUND_WITHIN_S):
                await self._rounds.look_once(fresh_for_s=SPAN_S)
        except TimeoutError:
            # What the latest round that ended has found is the answer.
            pass
        seen = await self._watch.get(fresh_for_s=0.0)
        return seen.by_key.get(row.key, row).motion

    async def _take_looks(self, row: JobRow) -> tuple[Look, ...]:
        """Those that are kept and at least one more; two if time allows."""
        deadline = self._clock() + WITHIN_S
        looks = self._list_remembered(row.key)
        if looks:
            await self._pause(max(0.0, SPAN_S - (self._now() - looks[-1].at).total_seconds()))
        look = await self._look_by(deadline, row, looks)
        if look is not None and not looks and self._clock() + SPAN_S < deadline:
            looks = (look,)
            await self._pause(SPAN_S)
            look = await self._look_by(deadline, row, looks)
        looks = (*looks, look) if look is not None else looks
        if not looks:
            raise Unavailable(f"Ray did not tell of {row.id} within {WITHIN_S:g} s.", code="ray_unavailable")
        self._keep(row.key, looks[-MOST_LOOKS:])
        return looks

    async def _look_by(self, deadline: float, row: JobRow, looks: Sequence[Look]) -> Look | None:
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock())):
                return await self._look(row, _find_log(looks))
        except TimeoutError:
            return None

    async def _look(self, row: JobRow, log_before: LogFacts | None) -> Look:
        """The tables first; who works, whose processes those are, and who waits for whom follows from them."""
        at, job_id, ask = self._now(), row.job_id, self._questions
        seen, free = await asyncio.gather(self._watch.get(fresh_for_s=_FRESH_FOR_S), self._read_free())
        snapshot = seen.snapshot
        if not seen.answered:
            # What was known before proves nothing of now.
            return Look(at, *[Unknown("; ".join(seen.degraded[:1]) or "Ray does not answer")] * _SECTIONS)
        driver, further = find_drivers(snapshot, row)
        if job_id is None:
            nothing = Unknown(UNCONNECTED)
            log, stacks = await ask.ask_log(row.submission_id, log_before), await ask.ask_stacks([])
            return Look(
                at, Known(driver), nothing, nothing, nothing, log, nothing, nothing, stacks, snapshot.nodes, free
            )
        # Ray ends the tasks of a driver with it, and an entrypoint may have had many, one after another.
        job_ids = (job_id, *(each.job_id for each in further))
        work, actors, groups, log = await asyncio.gather(
            ask.ask_work(*job_ids),
            ask.ask_actors(*job_ids),
            ask.ask_groups(*job_ids),
            ask.ask_log(row.submission_id, log_before),
        )
        tables = Look(at, Known(driver), work, actors, groups, log, nodes=snapshot.nodes, free=free)
        processes = list_processes(list_driver_ids(snapshot, row), driver, tables, snapshot.actors, further)
        processor, stacks, references = await asyncio.gather(
            ask.ask_processor(collect_pids(processes)),
            ask.ask_stacks(processes[:_MOST_STACKS]),
            self._ask_references(job_ids, tables),
        )
        return replace(tables, processor=processor, stacks=stacks, references=references)

    async def _ask_references(self, job_ids: Sequence[str], tables: Look) -> Section[tuple[HeldReference, ...]]:
        """Asked only where it tells something: tasks have begun, and others that they may wait for have not."""
        standing = take_stock(tables)
        if standing.working and (standing.behind or standing.holds):
            return await self._questions.ask_references(*job_ids)
        return Known(())

    async def _read_free(self) -> Section[Mapping[str, float]]:
        answer = await self._watch.get_resources()
        return Known(answer.value[1]) if isinstance(answer, Known) else answer

    def _forget(self, key: str, done: asyncio.Task[Stillness]) -> None:
        self._asking.pop(key, None)
        # When all who asked have gone, nobody else reads its error.
        if not done.cancelled():
            done.exception()

    def _list_remembered(self, key: str) -> tuple[Look, ...]:
        since = self._now() - _KEPT_FOR
        return tuple(look for look in self._kept.get(key, ()) if look.at >= since)

    def _keep(self, key: str, looks: tuple[Look, ...]) -> None:
        self._kept[key] = looks
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_JOBS:
            self._kept.popitem(last=False)


def _find_log(looks: Sequence[Look]) -> LogFacts | None:
    known = (look.log for look in reversed(looks))
    return next((log.value for log in known if isinstance(log, Known)), None)


def _find_waiting(seen: Seen, row: JobRow) -> Waiting | None:
    facts, snapshot = seen.snapshot.find_job(row.id), seen.snapshot
    return None if facts is None else explain_waiting(facts, snapshot.waiting, snapshot.nodes, snapshot.free)

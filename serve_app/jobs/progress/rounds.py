"""All running jobs are looked at, round after round, by one question for each node and table, not for each job.

A round costs the dashboard so many questions however many jobs there are, and no more than a small share of this
process' time. Only jobs that are quiet for long are looked into by themselves, a few in a round.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from serve_app.background import Loop
from serve_app.errors import AppError
from serve_app.jobs.judging.findings import is_looked_at
from serve_app.jobs.judging.motion_rules import STALE_AFTER, find_quiet_limit_s
from serve_app.jobs.models import JobRow, Known, NodeFacts, Section, Snapshot, Unknown
from serve_app.jobs.motion import Motion
from serve_app.jobs.progress.circles.circles import JobTurns
from serve_app.jobs.progress.circles.seeker import Round
from serve_app.jobs.progress.looks.drivers import list_driver_ids
from serve_app.jobs.progress.looks.head import HeadFacts, HeadReader
from serve_app.jobs.progress.looks.subjects import (
    Subject,
    Surroundings,
    build_head_subject,
    build_look,
    build_round,
    build_scene,
    build_signs,
    list_further_circles,
    list_subjects,
    may_circle,
)
from serve_app.jobs.progress.looks.suspects import LogQuestions, SuspectQuestions, name_log_dir
from serve_app.jobs.progress.looks.sweep import Sweep
from serve_app.jobs.progress.looks.tables import Tables
from serve_app.jobs.progress.looks.trail import Trail, follow_signs
from serve_app.jobs.progress.models import LogFacts
from serve_app.jobs.progress.standstill import SeenJob, find_motion
from serve_app.jobs.settings import InspectorConfig
from serve_app.jobs.watch import JobWatch

log = logging.getLogger("ray.serve.seedcore")

# Looking must not become all that this process does: so long it rests after each second of its own, and of waiting.
_REST_PER_CPU = 4.0
_REST_PER_LOOK = 1.0
_LAST_WRITE_S = 2.0
_LOOKED_AT_AFTER_END = timedelta(seconds=60)
# Translating so many jobs takes as long as many requests; in a thread they take turns.
_MANY_JOBS = 200


class Seeker(Protocol):
    """What finds circles (``circles.seeker.CircleSeeker``)."""

    @property
    def requests(self) -> int: ...

    @property
    def is_behind(self) -> bool: ...

    unsure: frozenset[str]

    async def seek(self, round: Round) -> dict[str, JobTurns]: ...

    def recall(self) -> dict[str, JobTurns]: ...


class TrailKeeper(Protocol):
    """Where trails outlive this process (``looks.trail_store.TrailArchive``)."""

    async def load(self) -> Mapping[str, Trail]: ...

    async def offer(self, trails: Mapping[str, Trail], now: datetime, *, last: bool = False) -> None: ...


@dataclass(slots=True)
class Cost:
    """What rounds have cost since the start; ``last_s``: how long the latest took, ``last_cpu_s`` of it computing."""

    rounds: int = 0
    requests: int = 0
    last_s: float = 0.0
    last_cpu_s: float = 0.0


class Rounds:
    """Holds what was found of each running job."""

    def __init__(
        self,
        watch: JobWatch,
        sweep: Sweep,
        questions: LogQuestions,
        head: HeadReader,
        now: Callable[[], datetime],
        *,
        seeker: Seeker | None = None,
        keeper: TrailKeeper | None = None,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.config = InspectorConfig()
        self.spent = Cost()
        self._watch = watch
        self._sweep = sweep
        self._suspects = SuspectQuestions(sweep, questions, head)
        self._head = head
        self._seeker = seeker
        self._keeper = keeper
        self._now = now
        self._clock = clock
        self._cpu = cpu
        self._pause = pause
        self._trails: dict[str, Trail] = {}
        self._motions: dict[str, Motion] = {}
        self.tables: Tables | None = None
        self._known_since: dict[str, datetime] = {}
        self._restored = keeper is None
        self._looked_back = seeker is None
        self._job_ended_at: datetime | None = None
        self._looking = asyncio.Lock()
        self._ended = float("-inf")
        self._loop = Loop("the rounds over running jobs", self._go_round)

    def start(self) -> None:
        """Begin; does nothing when begun."""
        self._loop.start()

    def require_alive(self) -> None:
        """Raise when rounds have ended, which they never should."""
        self._loop.require_alive()

    async def close(self) -> None:
        """Stop looking, and keep what is known."""
        await self._loop.close()
        if self._keeper is not None and self._restored:
            # It was written half a minute ago; a store that is leaving, too, is not waited for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WRITE_S):
                    await self._keeper.offer(self._trails, self._now(), last=True)

    @property
    def motions(self) -> Mapping[str, Motion]:
        """By the id of its row, what was found of each running job, and of jobs that ended what went in circles."""
        return self._motions

    @property
    def cost(self) -> tuple[int, float]:
        """How many rounds there were, and how long the latest took, in seconds."""
        return self.spent.rounds, self.spent.last_s

    def describe_gap(self, now: datetime) -> str | None:
        """How many running jobs were not looked at for a minute, in a sentence; None: all were."""
        late = sum(
            now - max(since, trail.looked_at if (trail := self._trails.get(id)) else since) > STALE_AFTER
            for id, since in self._known_since.items()
        )
        if not late:
            return None
        return f"motion: {late} of {len(self._known_since)} running jobs were not looked at for a minute"

    async def look_once(self, *, fresh_for_s: float = 0.0) -> None:
        """One round, unless the latest has just ended. Raises ``Unavailable`` when the cluster is not seen at all."""
        async with self._looking:
            began, cpu_began = self._clock(), self._cpu()
            if began - self._ended < fresh_for_s:
                return
            await self._restore()
            seen = await self._watch.get()
            rows = [row for row in seen.rows if self._is_subject(row)]
            now = self._now()
            # What has just ended is looked at a little longer: since the round before it may have begun to circle.
            if self._known_since.keys() - {row.id for row in rows}:
                self._job_ended_at = now
            ended = self._job_ended_at is not None and now - self._job_ended_at < _LOOKED_AT_AFTER_END
            self._known_since = {row.id: min(self._known_since.get(row.id, now), now) for row in rows}
            # Once without any job that runs, too: what went in circles before this process began, the tables know.
            own_job_id = seen.snapshot.own_job_id
            circling = self._seeker is not None and any(may_circle(row, own_job_id) for row in seen.rows)
            behind = not self._looked_back or (self._seeker is not None and self._seeker.is_behind)
            if seen.answered and (rows or circling or ended or behind):
                self._looked_back = True
                await self._look_at_all(seen.snapshot, seen.rows, list_subjects(seen.snapshot, rows), now)
            elif not rows and not circling and not ended:
                self._trails = {}
                self._motions = {id: motion for id, motion in self._motions.items() if motion.circles}
            self.spent.rounds += 1
            self.spent.requests = self._sweep.requests + (0 if self._seeker is None else self._seeker.requests)
            self._ended = self._clock()
            self.spent.last_s, self.spent.last_cpu_s = self._ended - began, self._cpu() - cpu_began

    async def _go_round(self) -> None:
        while True:
            try:
                await self.look_once()
            except AppError as error:
                log.info("no round: %s", error.detail, extra={"action": "no_round"})
            except Exception:  # a row of Ray's that nobody foresaw must not end what finds all other hangs
                log.exception("a round failed", extra={"action": "round_failed"})
            rest_s = max(_REST_PER_CPU * self.spent.last_cpu_s, _REST_PER_LOOK * self.spent.last_s)
            await self._pause(max(self.config.motion_period_s, rest_s))

    def _is_subject(self, row: JobRow) -> bool:
        return is_looked_at(row, self._watch.expect(row.kind))

    async def _look_at_all(
        self, snapshot: Snapshot, rows: Sequence[JobRow], subjects: list[Subject], now: datetime
    ) -> None:
        job_ids = [id for each in subjects for id in list_driver_ids(snapshot, each.row)]
        alive = [node for node in _list_nodes(snapshot) if node.alive]
        head_id = next((node.node_id for node in alive if node.is_head), None)
        tables, free = await asyncio.gather(
            self._sweep.ask(now, job_ids, [node.node_id for node in alive]), self._read_free()
        )
        around = Surroundings.build(snapshot, tables, free, subjects)
        self.tables = around.tables
        turns, head = await asyncio.gather(self._seek(around, rows, now), self._read_head(subjects, around, head_id))
        logs = {**head.logs, **await self._suspects.ask_logs(subjects, self._trails, head_id, now)}
        follow = partial(self._follow, subjects, around, head, logs)
        trails = await asyncio.to_thread(follow) if len(subjects) > _MANY_JOBS else follow()
        self._trails = trails
        quiet = [each for each in subjects if self._is_suspect(each)]
        around, head, can_show = await self._suspects.look_into(quiet, around, head, head_id, now)
        if len(subjects) > _MANY_JOBS:
            motions = await asyncio.to_thread(self._find_motions, subjects, around, head, turns, can_show)
        else:
            motions = self._find_motions(subjects, around, head, turns, can_show)
        self._motions = {**list_further_circles(rows, turns, around, now), **motions}
        if self._keeper is not None and self._restored:
            await self._keeper.offer(trails, now)

    def _follow(
        self,
        subjects: Iterable[Subject],
        around: Surroundings,
        head: HeadFacts,
        logs: Mapping[str, Section[LogFacts]],
    ) -> dict[str, Trail]:
        trails = {}
        for subject in subjects:
            id, log_facts = subject.row.id, logs.get(subject.row.submission_id or "")
            signs = build_signs(subject, around, log_facts, head.processes.used_s.get(id))
            before, began = self._trails.get(id), subject.row.started_at
            if before is not None and began is not None and before.looked_at < began <= signs.at:
                # Of an earlier run that had its id; a start that lies ahead is of a clock that was set back since.
                before = None
            trails[id] = follow_signs(before, signs)
        return trails

    def _find_motions(
        self,
        subjects: Iterable[Subject],
        around: Surroundings,
        head: HeadFacts,
        turns: Mapping[str, JobTurns],
        can_show_stacks: bool | None,
    ) -> dict[str, Motion]:
        found = {}
        unsure = frozenset[str]() if self._seeker is None else self._seeker.unsure
        for subject in subjects:
            row = subject.row
            own = around.join_turns(row, turns)
            seen = SeenJob(
                entrypoint=row.entrypoint,
                joined=subject.joined,
                driver_left=subject.driver_left,
                driver=subject.driver,
                look=build_look(subject, around),
                scene=build_scene(subject, around),
                circles=own.circles,
                repaired=own.repaired,
                listens=head.processes.listens.get(row.id),
                unlooked=row.id in head.processes.unlooked,
                stopped=row.id in head.processes.stopped,
                last_line=around.tables.last_lines.get(row.id, ""),
            )
            motion = find_motion(self._trails[row.id], seen)
            may_circle = not unsure.isdisjoint(list_driver_ids(around.snapshot, row))
            found[row.id] = replace(motion, can_show_stacks=can_show_stacks, may_circle=may_circle)
        return found

    async def _seek(self, around: Surroundings, rows: Iterable[JobRow], now: datetime) -> dict[str, JobTurns]:
        attempts = around.tables.attempts
        if self._seeker is None or isinstance(attempts, Unknown):
            return {} if self._seeker is None else self._seeker.recall()
        known = [row for row in rows if row.job_id is not None and not row.derived]
        try:
            return await self._seeker.seek(build_round(around, attempts.value, known, now))
        except Exception as error:  # a row of Ray's that nobody foresaw must not end what finds hangs
            log.exception("circles were not sought: %r", error, extra={"action": "no_circles"})
            return self._seeker.recall()

    async def _read_head(self, subjects: Iterable[Subject], around: Surroundings, head_id: str | None) -> HeadFacts:
        use = around.tables.uses.get(head_id or "")
        if head_id is None or not isinstance(use, Known):
            return HeadFacts()
        asked = [build_head_subject(each, around, head_id, self._trails.get(each.row.id)) for each in subjects]
        known = {each.pid for each in use.value.processes}
        return await asyncio.to_thread(self._head.read, asked, name_log_dir(use.value.session_dir), known)

    def _is_suspect(self, subject: Subject) -> bool:
        trail = self._trails[subject.row.id]
        limit_s = find_quiet_limit_s(self.config.quiet_limit_s, self._watch.find_past(subject.row.series))
        return (trail.looked_at - trail.moved_at).total_seconds() >= limit_s / 2

    async def _read_free(self) -> Section[Mapping[str, float]]:
        answer = await self._watch.get_resources()
        return Known(answer.value[1]) if isinstance(answer, Known) else answer

    async def _restore(self) -> None:
        """Once: what was known before this process began. Until the store tells it, nothing is kept in its place;
        then since when a job is quiet is as the store knows it, and jobs that it does not know stay.
        """
        if self._restored or self._keeper is None:
            return
        try:
            self._trails = {**self._trails, **await self._keeper.load()}
        except AppError as error:
            log.info("what was known of running jobs is not read: %s", error.detail, extra={"action": "no_trails"})
            return
        self._restored = True


def _list_nodes(snapshot: Snapshot) -> Sequence[NodeFacts]:
    return snapshot.nodes.value if isinstance(snapshot.nodes, Known) else ()

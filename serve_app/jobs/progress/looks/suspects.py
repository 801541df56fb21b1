"""What is asked of single jobs in a round: logs elsewhere than on the head, and who waits for whom of the quiet ones.

Both are bounded: logs in turn, and what Ray asks every worker for only now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from serve_app.errors import AppError
from serve_app.jobs.models import Known, Section
from serve_app.jobs.progress.looks.drivers import fold_counts
from serve_app.jobs.progress.looks.head import HeadFacts, HeadReader
from serve_app.jobs.progress.looks.subjects import (
    Subject,
    Surroundings,
    build_scene,
    list_figure_urls,
    list_ports_of_ray,
)
from serve_app.jobs.progress.looks.sweep import Sweep
from serve_app.jobs.progress.looks.tables import Tables
from serve_app.jobs.progress.looks.trail import Trail
from serve_app.jobs.progress.models import LogFacts

# Of jobs elsewhere than on the head so many logs are asked for in one round, those first whose turn was longest ago.
MOST_LOGS = 40
_LOGS_AT_ONCE = 4
# Who waits for whom changes little while nothing moves.
_LOOKED_INTO_EVERY = timedelta(seconds=30)


class LogQuestions(Protocol):
    """How a log elsewhere is asked for, and whether stacks can be had (``questions.JobQuestions``)."""

    async def ask_log(self, submission_id: str | None, before: LogFacts | None) -> Section[LogFacts]: ...

    async def is_profiling_enabled(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Learned:
    """What was learned of these suspects, and when."""

    at: datetime
    suspects: frozenset[str]
    tables: Tables
    can_show_stacks: bool | None


class SuspectQuestions:
    """Asks, and remembers whose turn it is. ``head`` reads the head's files and processes."""

    def __init__(self, sweep: Sweep, questions: LogQuestions, head: HeadReader) -> None:
        self._sweep = sweep
        self._questions = questions
        self._head = head
        self._log_asked_at: dict[str, datetime] = {}
        self._learned: _Learned | None = None

    async def ask_logs(
        self, subjects: Iterable[Subject], trails: Mapping[str, Trail], head_id: str | None, now: datetime
    ) -> dict[str, Section[LogFacts]]:
        """By submission id, the logs of jobs elsewhere, in turn."""
        away = [each for each in subjects if each.row.submission_id is not None and each.row.node_id != head_id]
        self._log_asked_at = {each.row.id: at for each in away if (at := self._log_asked_at.get(each.row.id))}
        away.sort(key=self._get_asked_s)
        free = asyncio.Semaphore(_LOGS_AT_ONCE)

        async def ask(subject: Subject) -> Section[LogFacts]:
            trail = trails.get(subject.row.id)
            async with free:
                # Where its log is, and the log.
                self._sweep.requests += 2
                return await self._questions.ask_log(subject.row.submission_id, None if trail is None else trail.log)

        chosen = away[:MOST_LOGS]
        self._log_asked_at |= {each.row.id: now for each in chosen}
        told = await asyncio.gather(*map(ask, chosen))
        return {each.row.submission_id or "": section for each, section in zip(chosen, told, strict=True)}

    async def look_into(
        self, suspects: Sequence[Subject], around: Surroundings, head: HeadFacts, head_id: str | None, now: datetime
    ) -> tuple[Surroundings, HeadFacts, bool | None]:
        """Who waits for whom, who serves, and what was said last; and whether stacks can be had."""
        if not suspects:
            self._learned = None
            return around, head, None
        use = around.tables.uses.get(head_id or "")
        trees = {each.row.id: head.trees.get(each.row.id, ()) for each in suspects}
        ports, silent = list_ports_of_ray(around.tables.uses, head_id)
        found = await asyncio.to_thread(self._head.find_ports, trees, ports, silent)
        processes = replace(head.processes, listens=found.listens, unlooked=found.unlooked)
        head = replace(head, processes=processes)
        here = [each for each in suspects if each.row.submission_id in head.logs]
        log_dir = name_log_dir(use.value.session_dir) if isinstance(use, Known) else ""
        lines = await asyncio.to_thread(self._read_last_lines, here, log_dir)
        told = await self._learn(suspects, around, now)
        # Ray counts for each driver by itself; references have no job, but processes.
        gets = fold_counts(told.tables.gets, around.names)
        tables = replace(around.tables, references=told.tables.references, gets=gets, last_lines=lines)
        return replace(around, tables=tables), head, told.can_show_stacks

    async def _learn(self, suspects: Iterable[Subject], around: Surroundings, now: datetime) -> _Learned:
        ids = frozenset(each.row.id for each in suspects)
        before = self._learned
        # A time that lies ahead is of a clock that was set back since.
        if before is not None and ids <= before.suspects and timedelta(0) <= now - before.at < _LOOKED_INTO_EVERY:
            return before
        scenes = [scene for each in suspects if (scene := build_scene(each, around)) is not None and scene.tasks]
        tables = Tables(now)
        if scenes:
            urls = [url for scene in scenes for url in list_figure_urls(scene, around.tables.uses)]
            references, gets = await asyncio.gather(self._sweep.ask_references(), self._sweep.ask_gets(urls))
            tables = replace(tables, references=references, gets=gets)
        try:
            self._sweep.requests += 1
            can_show: bool | None = await self._questions.is_profiling_enabled()
        except AppError:
            can_show = None
        self._learned = _Learned(now, ids, tables, can_show)
        return self._learned

    def _read_last_lines(self, subjects: Iterable[Subject], log_dir: str) -> dict[str, str]:
        return {
            each.row.id: self._head.read_last_line(log_dir, each.row.submission_id)
            for each in subjects
            if each.row.submission_id is not None and log_dir
        }

    def _get_asked_s(self, subject: Subject) -> float:
        at = self._log_asked_at.get(subject.row.id)
        return 0.0 if at is None else at.timestamp()


def name_log_dir(session_dir: str) -> str:
    """Where a session keeps its logs; empty for none."""
    return f"{session_dir}/logs" if session_dir else ""

"""Keeping the history: what judging found is written to the store, by one writer, and never waits for it.

What could not be written stays marked as unwritten and is tried again, each state of a job in its turn; judging and
answering go on meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Protocol

from serve_app.background import Loop
from serve_app.errors import AppError, InvalidInput
from serve_app.jobs import views
from serve_app.jobs.history.archive import list_searched
from serve_app.jobs.history.figures import find_cause, parse_past_runs
from serve_app.jobs.history.sessions import SessionHistory, SessionStart
from serve_app.jobs.judging.judge import get_sort_key
from serve_app.jobs.models import JobRow, PastRuns
from serve_app.jobs.reading.head_place import HeadPlace
from serve_app.outcomes import OPEN_OUTCOMES

log = logging.getLogger("ray.serve.seedcore")

BATCH = 500
_UPKEEP_EVERY = timedelta(seconds=60)
_AGAIN_AFTER_S = 2.0
# How long a database may be another one before what Ray lists is written into it.
_LOOK_EVERY_S = 5.0
_FORGOTTEN_AT_ONCE = 2_000
# A store may be down for days: so many states of one job wait at most, so many jobs, and of them so many that Ray has
# forgotten since.
_MOST_STATES = 8
_MOST_WAITING = 20_000
_MOST_FORGOTTEN = 10_000
# Deleted jobs that Ray may still list when they are looked at next.
_MOST_LET_GO = 1_000
_SEARCHED_CHARS = 8_000

Json = dict[str, Any]
# What is written anew when it changes; the store calls a change of the first four a transition.
_Judged = tuple[str, str, str, str, str, str | None, datetime | None, datetime | None]
# A state of a job, and when it was first judged so.
_State = tuple[JobRow, datetime]


class History(SessionHistory, Protocol):
    """What is asked of the store; the inspector asks it through Serve, tests have one in memory."""

    async def save_jobs(self, session: str, records: Sequence[Json]) -> bool: ...

    async def open_runs(self, session: str) -> list[str]: ...

    async def close_unseen_jobs(self, session: str, keys: Sequence[str]) -> None: ...

    async def close_sessions(self, current: str) -> list[str]: ...

    async def forget_jobs(self, kept_days: float, kept_jobs: int, batch: int = 2_000) -> int: ...

    async def past_runs(self, series: Sequence[str]) -> dict[str, Json]:
        """By series ``durations_s, last_started_us, last_succeeded_us``, of which ``PastRuns`` is made."""
        ...


class Recorder:
    """Holds what is not written yet, and past runs as the store tells them: read anew with the upkeep, each minute.

    ``given_up`` counts jobs that wait no longer because too many did, until the store is back; ``refused`` the states
    of jobs that the store would not take.
    """

    def __init__(
        self,
        history: History,
        session: str,
        now: Callable[[], datetime],
        *,
        kept_days: float = 90.0,
        kept_jobs: int = 100_000,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        place: HeadPlace | None = None,
    ) -> None:
        """``place``: where the head of this session listens; None: sessions of before end by their age alone."""
        self.failure: str | None = None
        self.given_up = 0
        self.refused = 0
        self.past: dict[str, PastRuns] = {}
        self.kept_days, self.kept_jobs = kept_days, kept_jobs
        self._history = history
        self._session = session
        self._start = SessionStart(history, session, place)
        self._now = now
        self._pause = pause
        self._written: dict[str, tuple[JobRow, _Judged]] = {}
        self._waiting: dict[str, tuple[_State, ...]] = {}
        self._let_go: set[str] = set()
        self._saving = asyncio.Lock()
        self._open: set[str] | None = None
        self._series: tuple[str, ...] = ()
        self._complete = False
        self._upkeep_at: datetime | None = None
        self._wake = asyncio.Event()
        self._writer = Loop("the writer of the history", self._write_for_ever)

    @property
    def unwritten(self) -> dict[str, JobRow]:
        """Jobs whose present state the store does not have yet, by key."""
        return {key: states[-1][0] for key, states in self._waiting.items()}

    @property
    def past_known(self) -> bool:
        """Whether ``past`` can be relied on: not where it is empty and the history does not answer."""
        # A history that does not answer since the start has told of no earlier runs; later, what it told stays.
        return bool(self.past) or self.failure is None

    def start(self) -> None:
        """Begin to write; does nothing when begun."""
        self._writer.start()

    def require_alive(self) -> None:
        """Raise when writing has ended, which it never should."""
        self._writer.require_alive()

    async def close(self) -> None:
        """Write what is left, once, and stop."""
        await self._writer.close()
        if self._waiting and self.failure is None:
            await self.write_once()

    def offer(
        self, rows: list[JobRow], *, complete: bool, series: Iterable[str] = (), seen_at: datetime | None = None
    ) -> bool:
        """Take the rows of one look; whether the judgement of any changed. ``complete``: no section was missing.

        ``series`` are those whose past runs shall be known; ``seen_at`` is the time of the look, None for now.
        """
        changed = False
        seen_at = self._now() if seen_at is None else seen_at
        seen: dict[str, tuple[JobRow, _Judged]] = {}
        for row in rows:
            key = row.key
            before = self._written.get(key)
            if before is not None and before[0] is row:
                seen[key] = before
                continue
            words = (row.status, row.outcome.value, row.verdict.value, row.rule, row.kind)
            # After a restart what went in circles is known some seconds after the job itself.
            code = row.code if row.circle is None else row.circle.code
            judged = (*words, code, row.started_at, row.ended_at)
            seen[key] = (row, judged)
            states = self._waiting.get(key, ())
            if key in self._let_go:
                continue
            if before is None or before[1] != judged:
                changed = True
                self._waiting[key] = (*states[: _MOST_STATES - 1], (row, seen_at))
            elif states:
                self._waiting[key] = (*states[:-1], (row, states[-1][1]))
        self._complete = complete
        self._written = seen
        self._series = tuple(dict.fromkeys(series))
        self._let_go.intersection_update(seen)
        self._give_up_oldest()
        if changed:
            self._wake.set()
        return changed

    async def let_go(self, key: str) -> None:
        """Forget a job that is being deleted: when this returns, nothing that was seen of it is written any more."""
        was_waiting = self._waiting.pop(key, None) is not None
        if (was_waiting or key in self._written) and len(self._let_go) < _MOST_LET_GO:
            self._let_go.add(key)
        async with self._saving:
            # What was being written of it is there to be deleted now.
            self._waiting.pop(key, None)

    async def write_once(self) -> None:
        """Write what waits and do the upkeep when it is due; raises nothing, says it in ``failure``."""
        try:
            if await self._start.begin():
                self._offer_all_again()
            await self._write_waiting()
            if self._upkeep_at is None or self._now() - self._upkeep_at >= _UPKEEP_EVERY:
                await self._keep_up()
                self._upkeep_at = self._now()
        except AppError as error:
            if self.failure is None:
                log.warning("history is not written: %s", error.detail, extra={"action": "history_not_written"})
            self.failure = error.detail
        else:
            if self.failure is not None:
                log.info("history is written again", extra={"action": "history_written", "given_up": self.given_up})
            if self.given_up:
                # What Ray still lists of them is offered again with the next look.
                self._written, self.given_up = {}, 0
            self.failure = None

    def _give_up_oldest(self) -> None:
        forgotten = [key for key in self._waiting if key not in self._written]
        over = forgotten[: max(0, len(forgotten) - _MOST_FORGOTTEN)]
        for key in over:
            del self._waiting[key]
        too_many = len(self._waiting) - _MOST_WAITING
        if too_many > 0:
            oldest = sorted(self._waiting, key=lambda key: get_sort_key(self._waiting[key][-1][0]))[:too_many]
            for key in oldest:
                del self._waiting[key]
            over += oldest
        if over:
            self.given_up += len(over)
            log.warning(
                "jobs are lost to the history",
                extra={"action": "jobs_not_written", "jobs": len(over), "given_up": self.given_up, "first": over[0]},
            )

    async def _write_for_ever(self) -> None:
        while True:
            await self.write_once()
            if self.failure is None and not self._waiting:
                await self._sleep_until_woken()
            elif self.failure is not None:
                await self._pause(_AGAIN_AFTER_S)

    async def _sleep_until_woken(self) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(_LOOK_EVERY_S):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _write_waiting(self) -> None:
        if self._open is None:
            self._open = set(await self._history.open_runs(self._session))
        while self._waiting:
            async with self._saving:
                # The oldest state of each: the store tells a transition by comparing with what it has.
                await self._save([states[0] for states in islice(self._waiting.values(), BATCH)], self._open)
        if self._complete and self._written:
            gone = [key for key in self._open if key not in self._written]
            if gone:
                await self._history.close_unseen_jobs(self._session, gone[:BATCH])
                self._open.difference_update(gone[:BATCH])

    async def _save(self, states: list[_State], open_keys: set[str]) -> None:
        """Write them all but those that the store refuses, which are searched for by halves: others must not wait."""
        if not states:
            return
        try:
            records = [{**build_record(row), "seen_us": round(at.timestamp() * 1_000_000)} for row, at in states]
            was_closed = await self._history.save_jobs(self._session, records)
        except InvalidInput as error:
            if len(states) > 1:
                half = len(states) // 2
                await self._save(states[:half], open_keys)
                await self._save(states[half:], open_keys)
                return
            [(row, _)] = states
            self.refused += 1
            extra = {"action": "job_refused", "job": row.key, "refused": self.refused}
            log.warning("the history refuses a job: %s", error.detail, extra=extra)
            self._drop(row)
            return
        for row, _ in states:
            self._drop(row)
            (open_keys.add if row.outcome in OPEN_OUTCOMES else open_keys.discard)(row.key)
        if was_closed:
            self._offer_open_again()

    def _offer_open_again(self) -> None:
        """Another cluster's application took this one for gone, and declared its open jobs lost: they are not."""
        log.warning("the session had been closed, its jobs are written again", extra={"action": "session_reopened"})
        now = self._now()
        for key, (row, _) in self._written.items():
            # A head, too: it was taken for gone.
            if (row.outcome in OPEN_OUTCOMES or row.derived) and key not in self._waiting:
                self._waiting[key] = ((row, now),)

    def _offer_all_again(self) -> None:
        """The database was opened anew, and may be another one, or an older copy: what Ray lists is recorded anew."""
        log.warning("the database was opened anew, all jobs are written", extra={"action": "jobs_written_anew"})
        now, self._open, self._upkeep_at = self._now(), None, None
        for key, (row, _) in self._written.items():
            if key not in self._waiting and key not in self._let_go:
                self._waiting[key] = ((row, now),)

    def _drop(self, written: JobRow) -> None:
        """What was written waits no longer, unless there is newer word of the same state."""
        key = written.key
        states = self._waiting.get(key, ())
        if states and states[0][0] is written:
            if len(states) > 1:
                self._waiting[key] = states[1:]
            else:
                del self._waiting[key]

    async def _keep_up(self) -> None:
        if await self._history.save_jobs(self._session, []):
            self._offer_open_again()
            self._wake.set()
        for session in await self._history.close_sessions(self._session):
            log.info("a session is over", extra={"action": "session_over", "session": session})
        forgotten = await self._history.forget_jobs(self.kept_days, self.kept_jobs, _FORGOTTEN_AT_ONCE)
        if forgotten:
            log.info("old jobs forgotten", extra={"action": "jobs_forgotten", "jobs": forgotten})
        told = await self._history.past_runs(list(self._series)[:100]) if self._series else {}
        self.past = {series: parse_past_runs(answer) for series, answer in told.items()}


def build_record(row: JobRow) -> Json:
    """A judged job as ``store.jobs.rows.save`` takes it; ``content``: the row and its evidence as the API has them."""
    started_us, name = get_sort_key(row)
    return {
        "key": row.key,
        "session": row.session,
        "id": row.id,
        "job_id": row.job_id,
        "submission_id": row.submission_id,
        "kind": row.kind,
        "status": row.status,
        "outcome": row.outcome.value,
        "verdict": row.verdict.value,
        "rule": row.rule,
        "reason": row.reason,
        "duration_s": row.duration_s,
        "error_type": row.error_type,
        "exit_code": row.exit_code,
        "content": {"row": views.render_row(row), "evidence": views.render_evidence(row)},
        "series": row.series or row.kind,
        "cause": find_cause(row),
        "started_us": started_us,
        "name": name,
        "ended_us": None if row.ended_at is None else round(row.ended_at.timestamp() * 1_000_000),
        "searchable": "\n".join(list_searched(row))[:_SEARCHED_CHARS],
    }

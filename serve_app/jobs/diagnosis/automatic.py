"""Each job that failed is diagnosed once, soon after its end and without being asked. One at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from serve_app.errors import AppError
from serve_app.jobs.diagnosis.gathering import SETTLED_AFTER
from serve_app.jobs.models import JobRow, Outcome

log = logging.getLogger("ray.serve.seedcore")

_MOST_WAITING = 200
_ATTEMPTS = 3
_AGAIN_AFTER_S = 10.0
_NEW = timedelta(minutes=15)
_FAILED = (Outcome.FAILED, Outcome.LOST)


class Maker(Protocol):
    """What makes and keeps diagnoses (``Diagnoses``)."""

    async def make(self, wanted: str, *, last: bool) -> bool: ...


class Automatic:
    """A queue of jobs that failed, and the worker that has each diagnosed."""

    def __init__(
        self,
        maker: Maker,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._maker = maker
        self._now = now
        self._pause = pause
        self._waiting: asyncio.Queue[JobRow] = asyncio.Queue(_MOST_WAITING)
        self._seen: set[str] = set()
        self._worker: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work; does nothing when begun."""
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())

    def require_alive(self) -> None:
        """Raise when the work has ended, which it never should."""
        if self._worker is not None and self._worker.done():
            raise RuntimeError("the worker that diagnoses failed jobs has ended")

    async def close(self) -> None:
        """Stop; what waits is diagnosed when somebody asks."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    def offer(self, rows: Iterable[JobRow], now: datetime) -> None:
        """Take the rows of one look. Of a crowd that is larger than the queue, some wait until they are asked for.

        What ended long ago has been diagnosed by an earlier life of this replica.
        """
        failed = {row.key: row for row in rows if row.outcome in _FAILED and not row.derived and _is_new(row, now)}
        for key, row in failed.items():
            if key not in self._seen and not self._waiting.full():
                self._seen.add(key)
                self._waiting.put_nowait(row)
        # A job that is no longer shown, or no longer new, needs no memory.
        self._seen.intersection_update(failed)

    async def _work(self) -> None:
        while True:
            await self._make(await self._waiting.get())

    async def _make(self, row: JobRow) -> None:
        if row.ended_at is not None and (left := row.ended_at + SETTLED_AFTER - self._now()) > timedelta(0):
            await self._pause(left.total_seconds())
        for attempt in range(_ATTEMPTS):
            try:
                if await self._maker.make(f"{row.id}@{row.session}", last=attempt == _ATTEMPTS - 1):
                    return
            except AppError as error:
                if attempt == _ATTEMPTS - 1:
                    extra = {"action": "job_not_diagnosed", "job": row.id}
                    log.info("a job is not diagnosed: %s", error.detail, extra=extra)
                    return
            except Exception:  # a fault of ours with one job must not keep the next from its diagnosis
                log.exception("a job is not diagnosed", extra={"action": "job_not_diagnosed", "job": row.id})
                return
            await self._pause(_AGAIN_AFTER_S)


def _is_new(row: JobRow, now: datetime) -> bool:
    return row.ended_at is None or now - row.ended_at < _NEW

"""Each job that failed is diagnosed once, soon after its end and without being asked. One at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from serve_app.errors import AppError
from serve_app.jobs.backlog import Backlog
from serve_app.jobs.diagnosis.evidence.gather import SETTLED_AFTER
from serve_app.jobs.models import JobRow
from serve_app.outcomes import BROKEN_OUTCOMES, CIRCLED_OUTCOMES, JobOutcome

log = logging.getLogger("ray.serve.seedcore")

_ATTEMPTS = 3
_AGAIN_AFTER_S = 10.0
_NEW = timedelta(minutes=15)
_DIAGNOSED = BROKEN_OUTCOMES | {JobOutcome.CONTRADICTED}


class Maker(Protocol):
    """What makes and keeps diagnoses (``Diagnoses``)."""

    async def make(self, wanted: str, *, last: bool) -> bool: ...


class Automatic(Backlog):
    """Has each job that failed diagnosed. What ended long ago was, by an earlier life of this replica."""

    def __init__(
        self,
        maker: Maker,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__("the worker that diagnoses failed jobs", _has_failed_lately, self._make)
        self._maker = maker
        self._now = now
        self._pause = pause

    async def _make(self, row: JobRow) -> None:
        if row.ended_at is not None and (left := row.ended_at + SETTLED_AFTER - self._now()) > timedelta(0):
            await self._pause(left.total_seconds())
        for attempt in range(_ATTEMPTS):
            try:
                if await self._maker.make(row.run, last=attempt == _ATTEMPTS - 1):
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


def _has_failed_lately(row: JobRow, now: datetime) -> bool:
    is_new = row.ended_at is None or now - row.ended_at < _NEW
    # Whoever ends a job that went in circles wants to know why it did.
    circled = row.outcome in CIRCLED_OUTCOMES and row.circle is not None
    return is_new and (row.outcome in _DIAGNOSED or circled) and not row.derived

"""Keeping the end of the log of what went wrong, while it can be had: a log goes with its node. One at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

from serve_app.errors import AppError
from serve_app.jobs.backlog import Backlog
from serve_app.jobs.logs.logs import Logs
from serve_app.jobs.models import JobRow
from serve_app.outcomes import BROKEN_OUTCOMES, JobOutcome

log = logging.getLogger("ray.serve.seedcore")

LINES = 200
_ATTEMPTS = 3
_AGAIN_AFTER_S = 5.0
_NEW = timedelta(minutes=15)
_WENT_WRONG = BROKEN_OUTCOMES | {JobOutcome.STOPPED, JobOutcome.CONTRADICTED}


class ExcerptStore(Protocol):
    """Where excerpts are kept, of jobs that it knows."""

    async def save_log_excerpt(self, key: str, text: str) -> bool: ...


class Excerpts(Backlog):
    """Reads the logs of submissions that went wrong and puts their ends into the history.

    What ended long ago has been read by an earlier life of this replica.
    """

    def __init__(
        self, logs: Logs, store: ExcerptStore, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        super().__init__("the reader of log excerpts", _has_failed_lately, self._keep)
        self._logs = logs
        self._store = store
        self._pause = pause

    async def _keep(self, row: JobRow) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                tail = await self._logs.read_tail(row.run, LINES)
                # A short job may be here before the writer has brought it to the store: then once more, later.
                if not tail["lines"] or await self._store.save_log_excerpt(row.key, "\n".join(tail["lines"])):
                    return
            except AppError as error:
                if attempt == _ATTEMPTS - 1:
                    extra = {"action": "log_not_kept", "job": row.id}
                    log.info("the log of a job is not kept: %s", error.detail, extra=extra)
                    return
            await self._pause(_AGAIN_AFTER_S)


def _has_failed_lately(row: JobRow, now: datetime) -> bool:
    is_new = row.submission_id is not None and row.ended_at is not None and now - row.ended_at < _NEW
    return is_new and row.outcome in _WENT_WRONG

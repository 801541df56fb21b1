"""Keeping the end of the log of what went wrong, while it can be had: a log goes with its node. One at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

from serve_app.errors import AppError
from serve_app.jobs.logs import Logs
from serve_app.jobs.models import JobRow, Outcome

log = logging.getLogger("ray.serve.seedcore")

LINES = 200
_MOST_WAITING = 200
_ATTEMPTS = 3
_AGAIN_AFTER_S = 5.0
_NEW = timedelta(minutes=15)
_WENT_WRONG = (Outcome.FAILED, Outcome.LOST, Outcome.STOPPED)


class Shelf(Protocol):
    """Where excerpts are kept, of jobs that it knows."""

    async def save_log_excerpt(self, key: str, text: str) -> bool: ...


class Excerpts:
    """Reads the logs of submissions that went wrong and puts their ends into the history."""

    def __init__(self, logs: Logs, shelf: Shelf, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._logs = logs
        self._shelf = shelf
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
            raise RuntimeError("the reader of log excerpts has ended")

    async def close(self) -> None:
        """Stop; what waits is not read."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    def offer(self, rows: Iterable[JobRow], now: datetime) -> None:
        """Take the rows of one look. Of a crowd that is larger than the queue, some have no excerpt.

        What ended long ago has been read by an earlier life of this replica.
        """
        wrong = {row.key: row for row in rows if row.outcome in _WENT_WRONG and _is_new(row, now)}
        for key, row in wrong.items():
            if key not in self._seen and not self._waiting.full():
                self._seen.add(key)
                self._waiting.put_nowait(row)
        # A job that is no longer shown needs no memory.
        self._seen.intersection_update(wrong)

    async def _work(self) -> None:
        while True:
            await self._keep(await self._waiting.get())

    async def _keep(self, row: JobRow) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                tail = await self._logs.tail(row.id, LINES)
                # A short job may be here before the writer has brought it to the store: then once more, later.
                if not tail["lines"] or await self._shelf.save_log_excerpt(row.key, "\n".join(tail["lines"])):
                    return
            except AppError as error:
                if attempt == _ATTEMPTS - 1:
                    extra = {"action": "log_not_kept", "job": row.id}
                    log.info("the log of a job is not kept: %s", error.detail, extra=extra)
                    return
            await self._pause(_AGAIN_AFTER_S)


def _is_new(row: JobRow, now: datetime) -> bool:
    return row.submission_id is not None and row.ended_at is not None and now - row.ended_at < _NEW

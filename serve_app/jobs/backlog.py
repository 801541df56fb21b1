"""Work that is done once for each job of a kind, soon after it is first seen: a bounded queue and one worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

from serve_app.background import Loop
from serve_app.jobs.models import JobRow

MOST_WAITING = 200


class Backlog:
    """Jobs that wait for ``do``, one at a time. ``takes`` tells which jobs those are; ``do`` must not raise."""

    def __init__(
        self, name: str, takes: Callable[[JobRow, datetime], bool], do: Callable[[JobRow], Awaitable[None]]
    ) -> None:
        self._takes = takes
        self._do = do
        self._waiting: asyncio.Queue[JobRow] = asyncio.Queue(MOST_WAITING)
        self._seen: set[str] = set()
        self._worker = Loop(name, self._run)

    def start(self) -> None:
        """Begin to work; does nothing when begun."""
        self._worker.start()

    def require_alive(self) -> None:
        """Raise when the work has ended, which it never should."""
        self._worker.require_alive()

    async def close(self) -> None:
        """Stop; what waits is not done."""
        await self._worker.close()

    def offer(self, rows: Iterable[JobRow], now: datetime) -> None:
        """Take the rows of one look, each once. Of a crowd that is larger than the queue, some are not taken."""
        wanted = {row.key: row for row in rows if self._takes(row, now)}
        for key, row in wanted.items():
            if key not in self._seen and not self._waiting.full():
                self._seen.add(key)
                self._waiting.put_nowait(row)
        # A job that is no longer shown, or no longer wanted, needs no memory.
        self._seen.intersection_update(wanted)

    async def _run(self) -> None:
        while True:
            await self._do(await self._waiting.get())

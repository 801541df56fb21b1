"""Transactions with a deadline, on either database.

A caller may go away or run out of time at any moment, but a transaction that has begun is never cancelled: cancelling
SQLAlchemy between a statement and its answer can leave SQLite's write lock with a connection that nobody owns. So a
caller waits at most its deadline, and the transaction ends by itself, because each of its statements has a limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from serve_app.store.engine import CONNECTIONS, get_writing_engine
from serve_app.store.errors import translate_errors

T = TypeVar("T")

_CLOSE_TIMEOUT_S = 5.0


class Database:
    """An engine, and who may use it: as many transactions at a time as it has connections, one writer with SQLite."""

    def __init__(self, engine: AsyncEngine, timeout_s: float) -> None:
        self.backend = engine.dialect.name
        self._engine = engine
        self._writer = get_writing_engine(engine)
        self._timeout_s = timeout_s
        # Waiting in line here is fair and can be given up; waiting on SQLite's file lock is polling.
        self._readers = asyncio.Semaphore(CONNECTIONS[self.backend] - (self.backend == "sqlite"))
        self._writers = asyncio.Semaphore(1) if self.backend == "sqlite" else self._readers
        self._running: set[asyncio.Task[object]] = set()

    async def read(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run ``work`` in a transaction that is rolled back; raises ``StoreUnavailable``, or what ``work`` raises."""
        return await self._run(self._engine, self._readers, work)

    async def write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run ``work`` in a transaction and commit it. After ``StoreUnavailable`` it may be committed all the same."""
        return await self._run(self._writer, self._writers, work)

    async def close(self) -> None:
        """Let the running transactions end, then give the connections back."""
        if self._running:
            await asyncio.wait(self._running, timeout=_CLOSE_TIMEOUT_S)
        await self._engine.dispose()

    async def _run(
        self, engine: AsyncEngine, places: asyncio.Semaphore, work: Callable[[AsyncConnection], Awaitable[T]]
    ) -> T:
        with translate_errors():
            async with asyncio.timeout(self._timeout_s):
                await places.acquire()
                task = asyncio.create_task(self._run_transaction(engine, work))
                self._running.add(task)
                task.add_done_callback(lambda done: self._end_task(done, places))
                return await asyncio.shield(task)

    async def _run_transaction(self, engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        if engine is self._writer:
            async with engine.begin() as connection:
                return await work(connection)
        async with engine.connect() as connection:
            return await work(connection)

    def _end_task(self, task: asyncio.Task[T], places: asyncio.Semaphore) -> None:
        places.release()
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen, also when its caller is gone

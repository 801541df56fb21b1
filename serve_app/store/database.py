"""Transactions with a deadline, on either database.

A caller may go away or run out of time at any moment, but a transaction that has begun is never cancelled: cancelling
SQLAlchemy between a statement and its answer can leave SQLite's write lock with a connection that nobody owns. So a
caller waits at most its deadline, and the transaction ends by itself, because each of its statements has a limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar, cast

import aiosqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from serve_app.store.engine import CONNECTIONS, get_writing_engine
from serve_app.store.errors import StoreUnavailable, is_incomplete, log, translate_errors
from serve_app.store.files.copies import RESCUED, build_name, copy_open_database
from serve_app.store.files.guard import FileGuard
from serve_app.store.files.whole import check_whole, dispose_foreign, set_log_aside

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
        self._guard = FileGuard(Path(str(engine.url.database))) if self.backend == "sqlite" else None
        self._rescuing: asyncio.Task[None] | None = None
        self._lacks_tables = False

    async def read(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run ``work`` in a transaction that is rolled back; raises ``StoreUnavailable``, or what ``work`` raises."""
        return await self._run(self._engine, self._readers, work)

    async def write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run ``work`` in a transaction and commit it. After ``StoreUnavailable`` it may be committed all the same."""
        return await self._run(self._writer, self._writers, work)

    @property
    def is_outdated(self) -> bool:
        """Whether there is another database at its place now, which is to be opened instead."""
        return self._lacks_tables or (self._guard is not None and self._guard.outdated)

    @property
    def note(self) -> str | None:
        """What a person should mend though it works; None for nothing."""
        return None if self._guard is None else self._guard.describe_links()

    async def close(self) -> None:
        """Let the running transactions end, then give the connections back."""
        running = {*self._running, *([] if self._rescuing is None else [self._rescuing])}
        if running:
            await asyncio.wait(running, timeout=_CLOSE_TIMEOUT_S)
        guard = self._guard
        if guard is not None and guard.foreign:
            await dispose_foreign(self._engine, guard.path)
        else:
            await self._engine.dispose()
        if guard is not None:
            if guard.left_log:
                set_log_aside(guard.path)
            guard.close()

    async def _run(
        self, engine: AsyncEngine, places: asyncio.Semaphore, work: Callable[[AsyncConnection], Awaitable[T]]
    ) -> T:
        with translate_errors(), self._note_lost_tables():
            async with asyncio.timeout(self._timeout_s):
                await places.acquire()
                task = asyncio.create_task(self._run_transaction(engine, work))
                self._running.add(task)
                task.add_done_callback(lambda done: self._end_task(done, places))
                return await asyncio.shield(task)

    async def _run_transaction(self, engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        if engine is self._writer:
            await self._check_before_writing()
            async with engine.begin() as connection:
                answer = await work(connection)
            if self._guard is not None:
                # What was committed into a file that is gone is not stored.
                self._guard.accept()
            return answer
        self._check_file()
        async with engine.connect() as connection:
            return await work(connection)

    def _check_file(self) -> None:
        if self._guard is None:
            return
        try:
            self._guard.check()
        except StoreUnavailable:
            if self._guard.is_gone and self._rescuing is None:
                self._rescuing = asyncio.create_task(self._rescue(self._guard))
            raise
        if self._rescuing is not None and self._rescuing.done():
            # It is back, and may go again with more in it.
            self._rescuing = self._guard.rescued = None

    async def _check_before_writing(self) -> None:
        self._check_file()
        change = None if self._guard is None else self._guard.compare()
        if self._guard is None or change is None:
            return
        if change not in ("same", "later"):
            raise self._guard.refuse(foreign=True)
        # Another process that uses SQLite may have written it, which is no harm; one that does not has damaged it.
        async with self._engine.connect() as connection:
            try:
                await check_whole(connection, self._guard.path)
            except StoreUnavailable:
                self._guard.refuse(foreign=False)
                raise
        self._guard.accept()

    async def _rescue(self, guard: FileGuard) -> None:
        """Copy what a file that is gone holds, while a connection still has it, once."""
        name = build_name(guard.path, RESCUED, datetime.now(UTC))
        try:
            async with self._engine.connect() as connection:
                driver = (await connection.get_raw_connection()).driver_connection
                await copy_open_database(cast(aiosqlite.Connection, driver), name)
        except (DBAPIError, sqlite3.Error, OSError) as error:
            log.warning("no copy of a database that is gone: %s", type(error).__name__, extra={"action": "not_rescued"})
            return
        guard.rescued = name
        log.warning("a copy of a database that is gone", extra={"action": "store_rescued", "file": name.name})

    @contextlib.contextmanager
    def _note_lost_tables(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            # Somebody emptied it: opening makes the tables.
            self._lacks_tables = self._lacks_tables or is_incomplete(error)
            raise

    def _end_task(self, task: asyncio.Task[T], places: asyncio.Semaphore) -> None:
        places.release()
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen, also when its caller is gone

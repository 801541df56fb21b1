"""Bring a database to the revision of this code, however many processes try at once."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from serve_app.store import migrations
from serve_app.store.engine import create_engine, get_plain_engine, get_writing_engine
from serve_app.store.errors import StoreTooNew, StoreUnavailable, translate_errors

log = logging.getLogger("ray.serve.seedcore")

# What a revision that takes long is given: it says with it what it has done, and that it goes on.
REPORT = "report"
# Any number that no other user of the same PostgreSQL database takes for its own advisory lock.
_LOCK = 0x5EED_C08E
# Without a word of progress: what is in the tables may be more than any fixed time is enough for.
_TIMEOUT_S = 300.0
_TOLD_EVERY_S = 10.0
# Changing a long table takes longer than any question may.
_STATEMENT_TIMEOUT_S = 60.0
_LOCK_PAUSE_S = 0.05


async def upgrade(url: str) -> None:
    """Run all missing revisions in one transaction; does nothing when there are none.

    What takes long is logged, and may take as long as it goes on.

    Raises ``StoreTooNew`` when the database has a revision that this code does not know, ``StoreMisconfigured`` and
    ``StoreUnavailable``. Not for two databases at once in one process: Alembic keeps its context in a global.
    """
    engine = create_engine(url, statement_timeout_s=_STATEMENT_TIMEOUT_S)
    try:
        with translate_errors():
            async with asyncio.timeout(_TIMEOUT_S) as deadline:
                await _upgrade(engine, _build_report(deadline))
    finally:
        await engine.dispose()


def _build_report(deadline: asyncio.Timeout) -> Callable[[str], None]:
    loop = asyncio.get_running_loop()
    told_s = float("-inf")

    def report(done: str) -> None:
        nonlocal told_s
        if not deadline.expired():
            deadline.reschedule(loop.time() + _TIMEOUT_S)
        if loop.time() - told_s >= _TOLD_EVERY_S:
            told_s = loop.time()
            log.info("the database is migrated: %s", done, extra={"action": "store_migrated"})

    return report


async def _upgrade(engine: AsyncEngine, report: Callable[[str], None]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        if engine.dialect.name == "sqlite":
            await stack.enter_async_context(_lock_directory(engine))
            await _use_wal(engine)
        connection = await stack.enter_async_context(get_writing_engine(engine).begin())
        if engine.dialect.name == "postgresql":
            await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        await connection.run_sync(_run_revisions, report)


@contextlib.asynccontextmanager
async def _lock_directory(engine: AsyncEngine) -> AsyncIterator[None]:
    """Lock the directory, not the file: closing the file again would end the locks that SQLite has on it.

    SQLite's own lock is not enough, because processes that turn the write-ahead log on at once are refused, not queued.
    """
    descriptor = os.open(Path(str(engine.url.database)).parent, os.O_RDONLY)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_LOCK_PAUSE_S)
        yield
    finally:
        os.close(descriptor)


async def _use_wal(engine: AsyncEngine) -> None:
    """Turn the write-ahead log on, outside a transaction; the mode stays with the file."""
    async with get_plain_engine(engine).connect() as connection:
        mode = (await connection.exec_driver_sql("PRAGMA journal_mode = WAL")).scalar()
    if mode != "wal":
        raise StoreUnavailable("The store is unavailable: its directory does not support SQLite's write-ahead log.")


def _run_revisions(connection: Connection, report: Callable[[str], None]) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes[REPORT] = report
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    present = set(MigrationContext.configure(connection).get_current_heads())
    strange = sorted(present - known)
    if strange:
        raise StoreTooNew(
            f"The database is at revision {', '.join(strange)}, which this version does not know: a newer version made "
            "it. Deploy that version again, or name another database."
        )
    command.upgrade(config, "head")

"""Bring a database to the revision of this code, however many processes try at once."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from serve_app.env import Env
from serve_app.store import migrations
from serve_app.store.engine import (
    create_engine,
    find_database_url,
    find_sqlite_file,
    get_plain_engine,
    get_writing_engine,
)
from serve_app.store.errors import StoreTooNew, StoreUnavailable, is_damage, translate_errors
from serve_app.store.files.beginning import begin_file, note_beginning, require_begun
from serve_app.store.files.copies import back_up
from serve_app.store.files.guard import COMMAND, read_mark
from serve_app.store.files.whole import build_damaged, check_whole

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
# For looking through all pages of a database that is opened; a longer one is opened without.
_CHECK_S = 2.0


@dataclass(frozen=True, slots=True)
class UpgradePlan:
    """What opening a database with this code does to it before anything else: from one revision to another.

    ``have`` None: it is a new one. ``has_way_back``: a copy is made before, which can be put back.
    """

    have: str | None
    target: str
    has_way_back: bool

    def describe(self) -> str | None:
        """In a sentence, with the way back; None when nothing is to be told."""
        if self.have in (None, self.target):
            return None
        step = f"The database is brought from revision {self.have} to {self.target}."
        if self.has_way_back:
            return f"{step} A copy is made before; `{COMMAND} back` puts it back."
        return (
            f"{step} There is no way back for PostgreSQL: the version before refuses the database afterwards. Make a "
            "dump of your own (pg_dump) before."
        )


async def plan_upgrade(url: str) -> UpgradePlan:
    """What ``upgrade`` would do; changes nothing, and makes no database. Raises as ``upgrade`` does."""
    target = _get_script().get_current_head() or ""
    engine = create_engine(url, statement_timeout_s=_STATEMENT_TIMEOUT_S, makes_file=False)
    is_sqlite = engine.dialect.name == "sqlite"
    if is_sqlite and read_mark(Path(str(engine.url.database))) is None:
        return UpgradePlan(None, target, has_way_back=True)
    try:
        with translate_errors(), _name_damage(url):
            async with asyncio.timeout(_TIMEOUT_S), engine.connect() as connection:
                if is_sqlite:
                    await check_whole(connection, Path(str(engine.url.database)), within_s=_CHECK_S)
                return UpgradePlan(await connection.run_sync(_find_revision), target, has_way_back=is_sqlite)
    finally:
        await engine.dispose()


async def preview_opening(env: Env) -> UpgradePlan:
    """``plan_upgrade`` of the configured database, which must not be one that is gone; changes nothing.

    Raises ``StoreUnavailable`` with what is wrong and what to do.
    """
    path = find_sqlite_file(env)
    if path is not None:
        require_begun(path)
    return await plan_upgrade(find_database_url(env))


async def upgrade(url: str) -> None:
    """Run all missing revisions in one transaction; does nothing when there are none.

    What takes long is logged, and may take as long as it goes on. Of a SQLite database that has something a copy is
    made before (``files.copies.back_up``), and a file is begun only where there never was one.

    Raises ``StoreTooNew`` when the database has a revision that this code does not know, ``StoreMisconfigured`` and
    ``StoreUnavailable``. Not for two databases at once in one process: Alembic keeps its context in a global.
    """
    engine = create_engine(url, statement_timeout_s=_STATEMENT_TIMEOUT_S, makes_file=False)
    try:
        with translate_errors(), _name_damage(url):
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
    path = Path(str(engine.url.database)) if engine.dialect.name == "sqlite" else None
    async with contextlib.AsyncExitStack() as stack:
        if path is not None:
            await stack.enter_async_context(_lock_directory(engine))
            begin_file(path)
            await _use_wal(engine, path)
        connection = await stack.enter_async_context(get_writing_engine(engine).begin())
        if path is None:
            await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        have = await connection.run_sync(_find_revision)
        target = _get_script().get_current_head() or ""
        if path is not None and have not in (None, target):
            # While the lock of the writer is held: nothing can be written between the copy and the revisions.
            name = await asyncio.to_thread(back_up, path, datetime.now(UTC), have=str(have), target=target)
            log.info("the database is copied", extra={"action": "store_copied", "file": name.name})
        await connection.run_sync(_run_revisions, report)
        if path is not None:
            await _name_application(connection)
    if path is not None:
        note_beginning(path, datetime.now(UTC))


async def _name_application(connection: AsyncConnection) -> None:
    """Give the database an id of its own in its first bytes, by which one that is written over it is told apart."""
    if not (await connection.exec_driver_sql("PRAGMA application_id")).scalar():
        await connection.exec_driver_sql(f"PRAGMA application_id = {secrets.randbelow(2**31 - 1) + 1}")


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


async def _use_wal(engine: AsyncEngine, path: Path) -> None:
    """Turn the write-ahead log on, outside a transaction; the mode stays with the file. It must be whole."""
    async with get_plain_engine(engine).connect() as connection:
        await check_whole(connection, path, within_s=_CHECK_S)
        mode = (await connection.exec_driver_sql("PRAGMA journal_mode = WAL")).scalar()
    if mode != "wal":
        raise StoreUnavailable("The store is unavailable: its directory does not support SQLite's write-ahead log.")


@contextlib.contextmanager
def _name_damage(url: str) -> Iterator[None]:
    """Say of a file that is no database which it is."""
    try:
        yield
    except DatabaseError as error:
        if not is_damage(error):
            raise
        raise build_damaged(Path(make_url(url).database or "")) from None


def _build_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    return config


def _get_script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_build_config())


def _find_revision(connection: Connection) -> str | None:
    """The revision of a database, None of a new one; raises ``StoreTooNew``."""
    known = {script.revision for script in _get_script().walk_revisions()}
    present = set(MigrationContext.configure(connection).get_current_heads())
    strange = sorted(present - known)
    if strange:
        raise StoreTooNew(
            f"The database is at revision {', '.join(strange)}, which this version does not know: a newer version made "
            f"it. Deploy that version again, name another database, or go back to the copy that was made before it by "
            f"`{COMMAND} back` (SQLite)."
        )
    return max(present, default=None)


def _run_revisions(connection: Connection, report: Callable[[str], None]) -> None:
    config = _build_config()
    config.attributes["connection"] = connection
    config.attributes[REPORT] = report
    command.upgrade(config, "head")

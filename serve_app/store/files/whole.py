"""Is a SQLite database whole? And letting go of one whose content another program wrote."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from serve_app.store.engine import STATEMENT_TIMEOUT_S
from serve_app.store.errors import StoreUnavailable, log
from serve_app.store.files.copies import SET_ASIDE, build_name, move_log
from serve_app.store.files.guard import COMMAND

_INTERRUPTED = "SQLITE_INTERRUPT"


async def check_whole(connection: AsyncConnection, path: Path, within_s: float | None = None) -> None:
    """Raise ``StoreUnavailable`` when SQLite finds a page of the database damaged.

    One that is too long to be looked through in that time, or in that of a statement, counts as whole.
    """
    limited = connection if within_s is None else await connection.execution_options(**{STATEMENT_TIMEOUT_S: within_s})
    try:
        found = (await limited.exec_driver_sql("PRAGMA quick_check(1)")).scalar()
    except OperationalError as error:
        if getattr(error.orig, "sqlite_errorname", None) != _INTERRUPTED:
            raise
        log.warning("the database is too long to be looked through", extra={"action": "store_not_checked"})
        return
    if found != "ok":
        raise build_damaged(path)


def build_damaged(path: Path) -> StoreUnavailable:
    """The error for a database that is not whole, with what to do."""
    return StoreUnavailable(
        f"The store is unavailable: the database file {path.name} is damaged, or is no database; put a whole one back "
        f"(`{COMMAND} list` names the copies), or set it aside and begin anew by `{COMMAND} begin`."
    )


async def dispose_foreign(engine: AsyncEngine, path: Path) -> None:
    """Close all connections without writing SQLite's log into a file that it does not belong to, and set it aside.

    The last connection that is closed writes it, unless the file has another name then (``fileHasMoved`` of SQLite).
    """
    away = build_name(path, SET_ASIDE, datetime.now(UTC))
    if not _move(path, away):
        await engine.dispose()
        return
    try:
        await engine.dispose()
    finally:
        set_log_aside(path)
        _move(away, path)


def _move(path: Path, name: Path) -> bool:
    try:
        path.rename(name)
    except OSError:
        return False
    return True


def set_log_aside(path: Path) -> None:
    """Take SQLite's log from beside a database that it does not belong to: it would be written into it."""
    log_name = None
    with contextlib.suppress(OSError):
        log_name = move_log(path, build_name(path, SET_ASIDE, datetime.now(UTC)))
    if log_name is not None:
        extra = {"action": "store_log_set_aside", "file": log_name.name}
        log.warning("what was not in the database file yet was set aside", extra=extra)

"""Engines for the two databases, and where the database is.

SQLite runs with ``journal_mode=WAL`` and ``synchronous=FULL``: NORMAL would already survive the death of the process,
FULL also survives the loss of power, and costs one flush of the log per write (1-2 ms on a plain disk, a few writes a
second). Readers are not blocked by it.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from serve_app.env import Env, get_variable
from serve_app.hidden.private_file import narrow_mode
from serve_app.store.errors import StoreMisconfigured, translate_errors

CONNECTIONS = {"sqlite": 4, "postgresql": 8}

_CONNECT_TIMEOUT_S = 3.0
_SILENCE_S = 1.0
# RETURNING came with 3.35 (https://www.sqlite.org/releaselog/3_35_0.html).
_OLDEST_SQLITE = (3, 35, 0)
# How many steps of SQLite's machine pass between two looks at the clock: some tens of microseconds.
_STEPS_PER_LOOK = 10_000

# Execution options of ours: seconds that a statement of SQLite may take, and the statement with which its engine begins
# a transaction.
STATEMENT_TIMEOUT_S = "seedcore_statement_timeout_s"
_BEGIN = "seedcore_begin"
_SQLITE_FILE = "seedcore.db"
_SQLITE_DRIVERS = ("sqlite", "sqlite+aiosqlite")
_POSTGRESQL_DRIVERS = ("postgres", "postgresql", "postgresql+asyncpg")
_POSTGRESQL_OPTIONS = frozenset({"host", "port", "ssl", "sslmode"})


def create_engine(url: str, *, statement_timeout_s: float = 5.0, makes_file: bool = True) -> AsyncEngine:
    """An engine whose statements take at most ``statement_timeout_s`` seconds; nothing is connected yet.

    ``makes_file``: whether a connection to a SQLite database that is not there makes it. One that is gone must not be
    begun anew by whoever connects next (``files.beginning`` begins it).

    Accepts ``sqlite:///`` with an absolute path, ``postgres://``, ``postgresql://`` and ``postgresql+asyncpg://``.
    Raises ``StoreMisconfigured``.
    """
    parsed = _parse(url)
    if parsed.drivername in _SQLITE_DRIVERS:
        return _create_sqlite(parsed, statement_timeout_s, "rwc" if makes_file else "rw")
    return _create_postgresql(parsed, statement_timeout_s)


def get_writing_engine(engine: AsyncEngine) -> AsyncEngine:
    """The same engine for transactions that write: SQLite takes its lock at the start, where waiting is safe."""
    return engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})


def get_plain_engine(engine: AsyncEngine) -> AsyncEngine:
    """The same engine for SQLite's pragmas that work in no transaction."""
    return engine.execution_options(**{_BEGIN: None})


def find_database_url(env: Env) -> str:
    """The configured database, or the SQLite file in the home, whose directory is made for the owner alone.

    Raises ``StoreUnavailable`` when the directory cannot be made.
    """
    if env.database_url is not None:
        return env.database_url
    home = env.home.expanduser().absolute()
    with translate_errors():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return URL.create("sqlite+aiosqlite", database=str(home / _SQLITE_FILE)).render_as_string()


def find_sqlite_file(env: Env) -> Path | None:
    """The file of the configured database, whether or not it is there; None when it is no SQLite. Makes nothing.

    Raises ``StoreMisconfigured``.
    """
    if env.database_url is None:
        return env.home.expanduser().absolute() / _SQLITE_FILE
    parsed = _parse(env.database_url)
    return Path(parsed.database or "") if parsed.drivername in _SQLITE_DRIVERS else None


def find_directory(env: Env) -> Path:
    """Where the file of the configured database is; of one that is no SQLite, the home. Makes nothing.

    Raises ``StoreMisconfigured``.
    """
    file = find_sqlite_file(env)
    return env.home.expanduser().absolute() if file is None else file.parent


def keep_private(env: Env) -> None:
    """Let nobody else read the SQLite file of the configured database, nor what SQLite has beside it (it gives those
    the mode of the file, so of a new one they are narrowed with it). Raises ``StoreMisconfigured``.
    """
    path = find_sqlite_file(env)
    if path is not None and path.is_file():
        for beside in ("", "-wal", "-shm"):
            narrow_mode(path.with_name(path.name + beside))


def hide_url(url: str) -> str:
    """The URL without its password and options, for logs and people."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return "(unreadable database URL)"
    return parsed.set(query={}).render_as_string(hide_password=True)


def _parse(url: str) -> URL:
    variable = get_variable("database_url")
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Without its cause, which quotes the URL.
        raise StoreMisconfigured(f"{variable} is not a database URL.") from None
    if parsed.drivername not in _SQLITE_DRIVERS + _POSTGRESQL_DRIVERS:
        accepted = "sqlite:///, postgresql:// and postgresql+asyncpg://"
        raise StoreMisconfigured(f"{variable} begins with {parsed.drivername}://; accepted are {accepted}.")
    return parsed


def _require_sqlite(url: URL) -> Path:
    """The file of a database that can be used; raises ``StoreMisconfigured``."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreMisconfigured(f"Python's SQLite is {sqlite3.sqlite_version}; 3.35 or newer is needed.")
    if not _has_fts5():
        raise StoreMisconfigured("Python's SQLite was built without FTS5, with which jobs are searched by text.")
    if url.database is None or not Path(url.database).is_absolute():
        # A replica's working directory is Ray's and is thrown away; memory is thrown away sooner.
        raise StoreMisconfigured("A SQLite database needs an absolute path: sqlite:////directory/seedcore.db.")
    if url.query:
        raise StoreMisconfigured("A SQLite database URL takes no options.")
    return Path(url.database)


def _create_sqlite(url: URL, statement_timeout_s: float, mode: str) -> AsyncEngine:
    path = _require_sqlite(url)
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        # No transactions of the driver's own; `_begin` below starts them (SQLAlchemy's page on pysqlite says why).
        connect_args={"timeout": statement_timeout_s, "isolation_level": None, "uri": True},
        hide_parameters=True,
        pool_size=CONNECTIONS["sqlite"],
        max_overflow=0,
        pool_timeout=statement_timeout_s,
    )

    @event.listens_for(engine.sync_engine, "do_connect")
    def _open_existing(dialect: Any, record: Any, arguments: list[Any], options: Any) -> None:
        arguments[0] = f"{path.as_uri()}?mode={mode}"

    @event.listens_for(engine.sync_engine, "connect")
    def _connect(connection: Any, record: Any) -> None:
        try:
            cursor = connection.cursor()
            cursor.execute("PRAGMA foreign_keys = ON")
            cursor.execute("PRAGMA synchronous = FULL")
            cursor.close()
        except sqlite3.Error:
            # SQLAlchemy does not own it yet, and would leave its thread behind.
            connection.close()
            raise
        # The thread cannot be cancelled from outside, so a statement that is over its time ends itself.
        info = record.info
        connection.run_async(
            lambda driver: driver.set_progress_handler(
                lambda: time.monotonic() > info.get("deadline", float("inf")), _STEPS_PER_LOOK
            )
        )

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        statement = connection.get_execution_options().get(_BEGIN, "BEGIN")
        if statement is not None:
            connection.exec_driver_sql(statement)

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def _begin_statement(connection: Connection, *_: Any) -> None:
        limit_s = connection.get_execution_options().get(STATEMENT_TIMEOUT_S, statement_timeout_s)
        connection.info["deadline"] = time.monotonic() + limit_s

    return engine


@cache
def _has_fts5() -> bool:
    with closing(sqlite3.connect(":memory:")) as connection:
        return bool(connection.execute("SELECT sqlite_compileoption_used('ENABLE_FTS5')").fetchone()[0])


def _create_postgresql(url: URL, statement_timeout_s: float) -> AsyncEngine:
    unknown = sorted(set(url.query) - _POSTGRESQL_OPTIONS)
    if unknown:
        known = ", ".join(sorted(_POSTGRESQL_OPTIONS))
        raise StoreMisconfigured(f"The database URL has the option {unknown[0]}; known are {known}.")
    # asyncpg's keyword for what libpq's URLs call sslmode takes the same words.
    query = {("ssl" if key == "sslmode" else key): value for key, value in url.query.items()}
    return create_async_engine(
        url.set(drivername="postgresql+asyncpg", query=query),
        connect_args={
            "timeout": _CONNECT_TIMEOUT_S,
            # The server's own limit, below, comes first; this one is for a server that has gone silent.
            "command_timeout": statement_timeout_s + _SILENCE_S,
            "server_settings": {
                "application_name": "seedcore-store",
                "timezone": "UTC",
                "statement_timeout": str(int(statement_timeout_s * 1000)),
                # A replica that hangs in a transaction must not keep its locks for ever.
                "idle_in_transaction_session_timeout": str(int(statement_timeout_s * 4000)),
            },
        },
        hide_parameters=True,
        pool_size=CONNECTIONS["postgresql"],
        max_overflow=0,
        pool_timeout=statement_timeout_s,
        pool_pre_ping=True,
    )

"""How many writes a database has that a copy of it does not: what going back leaves behind. Blocks."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

# Of each table when a row was written last. Names of tables and columns, never what somebody wrote.
_WRITTEN_AT = {
    "memories": "updated_at",
    "agents": "updated_at",
    "jobs": "updated_at",
    "job_transitions": "at",
    "initializations": "started_at",
    "alerts": "pending_since",
    "notifications": "created_at",
}
_WAIT_S = 5.0
# As SQLAlchemy writes a time into SQLite (``store.tables``), in UTC.
_AS_STORED = "%Y-%m-%d %H:%M:%S.%f"


def count_writes_since(path: Path, copy: Path, now: datetime) -> Mapping[str, int] | None:
    """Rows that were written since the copy was made, by table; None when that cannot be counted.

    A row that was written twice counts once. Tables that say nothing of the time are not counted, and neither are rows
    that say that they are of the future, as an import may bring them.
    """
    until = now.astimezone(UTC).strftime(_AS_STORED)
    try:
        with _open_to_read(copy) as kept, _open_to_read(path) as newer:
            since = max((latest for name in _WRITTEN_AT if (latest := _find_latest(kept, name, until))), default=None)
            counts = {name: _count_later(newer, name, since, until) for name in _WRITTEN_AT}
    except sqlite3.Error:
        return None
    return {name: count for name, count in counts.items() if count}


def render_counts(counts: Mapping[str, int] | None) -> str:
    """In words; "nothing" where nothing is left behind."""
    if counts is None:
        return "writes that cannot be counted, since it cannot be read"
    total = sum(counts.values())
    told = ", ".join(f"{count} in {name}" for name, count in counts.items())
    return f"{total} writes ({told})" if total else "no writes"


def _open_to_read(path: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAIT_S))


def _find_latest(connection: sqlite3.Connection, table: str, until: str) -> str | None:
    if not _has_table(connection, table):
        return None
    column = _WRITTEN_AT[table]
    found: str | None = connection.execute(
        f"SELECT max({column}) FROM {table} WHERE {column} <= ?",  # noqa: S608
        (until,),
    ).fetchone()[0]
    return found


def _count_later(connection: sqlite3.Connection, table: str, since: str | None, until: str) -> int:
    if not _has_table(connection, table):
        return 0
    column = _WRITTEN_AT[table]
    statement = f"SELECT count(*) FROM {table} WHERE (? IS NULL OR {column} > ?) AND {column} <= ?"  # noqa: S608
    return int(connection.execute(statement, (since, since, until)).fetchone()[0])


def _has_table(connection: sqlite3.Connection, table: str) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,))
    return found.fetchone() is not None

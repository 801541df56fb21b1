"""Finding jobs of the history by a text (`q`), whatever its place: an index of all three characters that follow each
other. It says which jobs, and changes none of them.

SQLite: ``job_search`` (FTS5) under numbers that rise with time, so that the newest matches come first and reading ends
with the page, however many there are. Triggers on ``jobs`` keep it; revision 0005 has them. PostgreSQL: a GIN index
over arrays, which needs no extension, so any owner of a database has it; there the matches are sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, column, func, literal_column, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.store.dialect import contains
from serve_app.store.tables import jobs

# What is shorter has no three characters to look up.
MIN_CHARS = 3
# Numbers of ``job_places``: so many for the jobs that began in one minute. Within a minute they tell no order.
SLOTS = 65_536
_MINUTE_US = 60_000_000
_LAST_MINUTE = 2**46

# What a page asks of a row besides the text, for the columns of ``jobs`` or ``job_places``.
Conditions = Callable[[Any], list[ColumnElement[bool]]]
Place = tuple[int, str]

_facets = ("kind", "status", "outcome", "verdict")
places = table("job_places", *map(column, ("number", "key", "started_us", "name", *_facets)))
_index = table("job_search", column("rowid"))


async def list_newest_keys(
    connection: AsyncConnection, text: str, wanted: Conditions, between_us: tuple[int | None, int | None], limit: int
) -> list[str]:
    """Keys of the newest jobs that contain a text of at least ``MIN_CHARS`` characters, newest first.

    ``between_us``: no match began before the first or after the second; it only saves reading.
    """
    if connection.dialect.name == "postgresql":
        return await _list_by_arrays(connection, text, wanted, limit)
    low, high = compute_first_number(between_us[0] or 0), None
    if between_us[1] is not None:
        high = compute_first_number(between_us[1]) + SLOTS - 1
    rows = (await connection.execute(_matches(text, wanted, low, high, limit))).all()
    found = {row.key: (row.started_us, row.name) for row in rows}
    if len(rows) == limit:
        # Of the minute in which the page ends, others may come first.
        low = compute_first_number(rows[-1].started_us)
        minute = _matches(text, wanted, low, low + SLOTS - 1, None).subquery()
        newest = select(minute).order_by(minute.c.started_us.desc(), minute.c.name.desc()).limit(limit)
        found |= {row.key: (row.started_us, row.name) for row in await connection.execute(newest)}
    return sorted(found, key=found.__getitem__, reverse=True)[:limit]


def quote_phrase(text: str) -> str:
    """A text as FTS5's query for just this text: in quotes, nothing in it is syntax but the quote, which is doubled."""
    return '"' + text.replace('"', '""') + '"'


def compute_first_number(started_us: int) -> int:
    """The lowest number in ``job_places`` of jobs that began in this minute; the triggers reckon the same."""
    return min(max(started_us, 0) // _MINUTE_US, _LAST_MINUTE) * SLOTS


def _matches(text: str, wanted: Conditions, low: int, high: int | None, limit: int | None) -> Select[Any]:
    number = _index.c.rowid
    which = [
        literal_column("job_search").op("MATCH", is_comparison=True)(quote_phrase(text)),
        places.c.number == number,
        number >= low,
        *([] if high is None else [number <= high]),
        *wanted(places.c),
    ]
    found = select(places.c.key, places.c.started_us, places.c.name).where(and_(*which))
    return found if limit is None else found.order_by(number.desc()).limit(limit)


async def _list_by_arrays(connection: AsyncConnection, text: str, wanted: Conditions, limit: int) -> list[str]:
    threes = func.seedcore_threes
    which = (
        threes(jobs.c.searchable).op("@>", is_comparison=True)(threes(text)),
        contains(connection, jobs.c.searchable, text),
        *wanted(jobs.c),
    )
    # Apart from the order: else the planner may read the jobs in that order instead, which takes long for rare texts.
    found = select(jobs.c.key, jobs.c.started_us, jobs.c.name).where(*which).cte("found").prefix_with("MATERIALIZED")
    newest = select(found.c.key).order_by(found.c.started_us.desc(), found.c.name.desc()).limit(limit)
    keys: Sequence[Any] = (await connection.execute(newest)).all()
    return [row.key for row in keys]

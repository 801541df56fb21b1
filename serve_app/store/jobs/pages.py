"""Pages of the history of jobs, newest first, by filters and by a text (`q`), whatever its place in them.

A text is found by an index of all three characters that follow each other. It says which jobs, and changes none of
them. SQLite: ``job_search`` (FTS5) under numbers that rise with time, so that the newest matches come first and reading
ends with the page, however many there are. Triggers on ``jobs`` keep it; revision 0005 has them. PostgreSQL: a GIN
index over arrays, which needs no extension, so any owner of a database has it; there the matches are sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, column, func, literal_column, select, table, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.schemas.jobs import KeptContent, KeptRow
from serve_app.store.bounds import require_text
from serve_app.store.dialect import contains, fold
from serve_app.store.jobs.content import SHOWN_COLUMNS, has_circle, read_content
from serve_app.store.tables import jobs

MAX_PAGE = 501
# A frequent text fills its page from the newest rows alone, and a narrow filter has no more rows than these.
SCANNED = 500
# What is shorter has no three characters to look up.
MIN_CHARS = 3
# Numbers of ``job_places``: so many for the jobs that began in one minute. Within a minute they tell no order.
SLOTS = 65_536
_MINUTE_US = 60_000_000
_LAST_MINUTE = 2**46

_FILTERS = {"kinds": "kind", "statuses": "status", "outcomes": "outcome", "verdicts": "verdict"}
_NEWEST = (jobs.c.started_us.desc(), jobs.c.name.desc())
_COLUMNS = (jobs.c.key, jobs.c.started_us, jobs.c.name, jobs.c.content, *(jobs.c[name] for name in SHOWN_COLUMNS))
_places = table("job_places", *map(column, ("number", "key", "started_us", "name", *_FILTERS.values())))
_index = table("job_search", column("rowid"))

# What a page asks of a row besides the text, for the columns of ``jobs`` or ``job_places``.
Conditions = Callable[[Any], list[ColumnElement[bool]]]


async def list_page(connection: AsyncConnection, asked: dict[str, Any]) -> list[KeptRow]:
    """``key, started_us, name, row, circled`` of each, newest first; ``row`` is what was kept as this version shows it.

    ``asked``: ``kinds, statuses, outcomes, verdicts`` (lists),
    ``since_us, until_us, text, after`` (started_us and name), ``limit`` (at most ``MAX_PAGE``).
    """
    limit = min(asked["limit"], MAX_PAGE)
    statement = select(*_COLUMNS).order_by(*_NEWEST).limit(limit)
    if asked.get("text"):
        keys = await _list_keys(connection, fold(require_text("text", asked["text"])), asked, limit)
        statement = statement.where(jobs.c.key.in_(keys))
    else:
        statement = statement.where(*_build_conditions(jobs.c, asked))
    found = (await connection.execute(statement)).mappings()
    return [_build_kept(row, read_content(row["content"], row)) for row in found]


def _build_kept(row: RowMapping, kept: KeptContent) -> KeptRow:
    return {
        "key": row["key"],
        "started_us": row["started_us"],
        "name": row["name"],
        "row": kept["row"],
        "circled": has_circle(kept["evidence"]),
    }


async def _list_keys(connection: AsyncConnection, text: str, asked: Mapping[str, Any], limit: int) -> list[str]:
    """Keys of the newest jobs that are asked for and contain the text."""
    has_it = contains(connection, jobs.c.searchable, text)
    indexed = {field: asked.get(field) if field in _choose_indexed(asked) else None for field in _FILTERS}
    is_wanted = and_(has_it, *_build_conditions(jobs.c, asked))
    scan = select(jobs.c.key, is_wanted.label("has_it")).where(*_build_conditions(jobs.c, {**asked, **indexed}))
    recent = (await connection.execute(scan.order_by(*_NEWEST).limit(SCANNED))).all()
    found = [row.key for row in recent if row.has_it]
    if len(found) >= limit or len(recent) < SCANNED:
        return found[:limit]
    if len(text) < MIN_CHARS:
        listed = select(jobs.c.key).where(is_wanted).order_by(*_NEWEST).limit(limit)
        return [row.key for row in await connection.execute(listed)]
    ends = [asked["until_us"]] if asked.get("until_us") is not None else []
    ends += [asked["after"][0]] if asked.get("after") is not None else []
    between_us = (asked.get("since_us"), min(ends, default=None))
    return await _list_by_index(connection, text, lambda columns: _build_conditions(columns, asked), between_us, limit)


def _choose_indexed(asked: Mapping[str, Any]) -> tuple[str, ...]:
    """The filters that one index in the order of the list has: by others rows would be sorted, or read in vain."""
    choices = (("kinds", "outcomes"), ("kinds", "verdicts"), *((field,) for field in reversed(_FILTERS)))
    fitting = (fields for fields in choices if all(len(asked.get(field) or ()) == 1 for field in fields))
    return next(fitting, ())


def _build_conditions(columns: Any, asked: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """What is asked of a row besides the text."""
    wanted: list[ColumnElement[bool]] = [
        columns[name].in_([str(each) for each in asked[field]]) for field, name in _FILTERS.items() if asked.get(field)
    ]
    if asked.get("since_us") is not None:
        wanted.append(columns.started_us >= asked["since_us"])
    if asked.get("until_us") is not None:
        wanted += [columns.started_us < asked["until_us"], columns.started_us >= 0]
    if asked.get("after") is not None:
        wanted.append(tuple_(columns.started_us, columns.name) < tuple_(*asked["after"]))
    return wanted


async def _list_by_index(
    connection: AsyncConnection, text: str, wanted: Conditions, between_us: tuple[int | None, int | None], limit: int
) -> list[str]:
    """Keys of the newest jobs that contain a text of at least ``MIN_CHARS`` characters, newest first.

    ``between_us``: no match began before the first or after the second; it only saves reading.
    """
    if connection.dialect.name == "postgresql":
        return await _list_by_arrays(connection, text, wanted, limit)
    low, high = _compute_first_number(between_us[0] or 0), None
    if between_us[1] is not None:
        high = _compute_first_number(between_us[1]) + SLOTS - 1
    rows = (await connection.execute(_select_matches(text, wanted, low, high, limit))).all()
    found = {row.key: (row.started_us, row.name) for row in rows}
    if len(rows) == limit:
        # Of the minute in which the page ends, others may come first.
        low = _compute_first_number(rows[-1].started_us)
        minute = _select_matches(text, wanted, low, low + SLOTS - 1, None).subquery()
        newest = select(minute).order_by(minute.c.started_us.desc(), minute.c.name.desc()).limit(limit)
        found |= {row.key: (row.started_us, row.name) for row in await connection.execute(newest)}
    return sorted(found, key=found.__getitem__, reverse=True)[:limit]


def _quote_phrase(text: str) -> str:
    """A text as FTS5's query for just this text: in quotes, nothing in it is syntax but the quote, which is doubled."""
    return '"' + text.replace('"', '""') + '"'


def _compute_first_number(started_us: int) -> int:
    """The lowest number in ``job_places`` of jobs that began in this minute; the triggers reckon the same."""
    return min(max(started_us, 0) // _MINUTE_US, _LAST_MINUTE) * SLOTS


def _select_matches(text: str, wanted: Conditions, low: int, high: int | None, limit: int | None) -> Select[Any]:
    number = _index.c.rowid
    which = [
        literal_column("job_search").op("MATCH", is_comparison=True)(_quote_phrase(text)),
        _places.c.number == number,
        number >= low,
        *([] if high is None else [number <= high]),
        *wanted(_places.c),
    ]
    found = select(_places.c.key, _places.c.started_us, _places.c.name).where(and_(*which))
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

"""Pages of the history of jobs, newest first, by filters and by text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.schemas.jobs import KeptRow
from serve_app.store.bounds import require_text
from serve_app.store.dialect import contains
from serve_app.store.jobs import search as job_search
from serve_app.store.jobs.content import SHOWN_COLUMNS, read_row
from serve_app.store.memories import fold
from serve_app.store.tables import jobs

MAX_PAGE = 501
# A frequent text fills its page from the newest rows alone, and a narrow filter has no more rows than these.
SCANNED = 500
_FILTERS = {"kinds": "kind", "statuses": "status", "outcomes": "outcome", "verdicts": "verdict"}
_NEWEST = (jobs.c.started_us.desc(), jobs.c.name.desc())
_COLUMNS = (jobs.c.key, jobs.c.started_us, jobs.c.name, jobs.c.content, *(jobs.c[name] for name in SHOWN_COLUMNS))


async def list_page(connection: AsyncConnection, asked: dict[str, Any]) -> list[KeptRow]:
    """``key, started_us, name, row`` of each, newest first. ``asked``: ``kinds, statuses, outcomes, verdicts`` (lists),
    ``since_us, until_us, text, after`` (started_us and name), ``limit`` (at most ``MAX_PAGE``).
    """
    limit = min(asked["limit"], MAX_PAGE)
    statement = select(*_COLUMNS).order_by(*_NEWEST).limit(limit)
    if asked.get("text"):
        keys = await _list_keys(connection, fold(require_text("text", asked["text"])), asked, limit)
        statement = statement.where(jobs.c.key.in_(keys))
    else:
        statement = statement.where(*_build_conditions(jobs.c, asked))
    return [
        {
            "key": row["key"],
            "started_us": row["started_us"],
            "name": row["name"],
            "row": read_row(row["content"], row),
        }
        for row in (await connection.execute(statement)).mappings()
    ]


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
    if len(text) < job_search.MIN_CHARS:
        listed = select(jobs.c.key).where(is_wanted).order_by(*_NEWEST).limit(limit)
        return [row.key for row in await connection.execute(listed)]
    ends = [asked["until_us"]] if asked.get("until_us") is not None else []
    ends += [asked["after"][0]] if asked.get("after") is not None else []
    between_us = (asked.get("since_us"), min(ends, default=None))
    return await job_search.list_newest_keys(
        connection, text, lambda columns: _build_conditions(columns, asked), between_us, limit
    )


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

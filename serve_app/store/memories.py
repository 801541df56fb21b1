"""Memories: JSON values under keys, with tags, found by substring."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from organs.times import format_time
from serve_app.errors import InvalidInput
from serve_app.store.bounds import encode, require_limit, require_name, require_text
from serve_app.store.dialect import contains, fold, insert
from serve_app.store.tables import memories

MAX_VALUE_BYTES = 262_144
MAX_QUERY_CHARS = 1_000
MAX_TAGS = 32
MAX_TAG_CHARS = 64
# Many long values would make one answer too big for a message; `total` tells that there are more.
MAX_ANSWER_CHARS = 4_194_304

_TAG_END = "\n"
_ANSWERED = (
    memories.c.key,
    memories.c.value,
    memories.c.tags,
    memories.c.agent_id,
    memories.c.revision,
    memories.c.created_at,
    memories.c.updated_at,
)


async def put(
    connection: AsyncConnection, now: datetime, key: str, value: Any, tags: Sequence[str], agent_id: str | None
) -> dict[str, Any]:
    """Write or replace one memory, at most 256 KiB as JSON: ``{"key", "created", "updated_at"}``.

    Its revision counts how often its key was written.
    """
    text = encode("value", value, max_bytes=MAX_VALUE_BYTES)
    searchable = build_searchable_text(require_name("key", key), value)
    values = {
        "value": text,
        "tags": _encode_tags(require_tags(tags)),
        "agent_id": None if agent_id is None else require_name("agent_id", agent_id),
        "searchable": require_text("value", searchable),
        "updated_at": now,
    }
    statement = (
        insert(connection, memories)
        .values(key=key, revision=1, created_at=now, **values)
        .on_conflict_do_update(index_elements=["key"], set_={"revision": memories.c.revision + 1, **values})
        .returning(memories.c.revision)
    )
    revision = await connection.scalar(statement)
    return {"key": key, "created": revision == 1, "updated_at": format_time(now)}


async def get(connection: AsyncConnection, key: str) -> dict[str, Any] | None:
    """``key, value, tags, agent_id, revision, created_at, updated_at``, or None."""
    statement = select(*_ANSWERED).where(memories.c.key == require_name("key", key))
    row = (await connection.execute(statement)).mappings().one_or_none()
    return None if row is None else _render_memory(row)


async def search(connection: AsyncConnection, query: str, tags: Sequence[str], limit: int) -> dict[str, Any]:
    """Memories with all the tags whose key or value contains the query, whatever the case: ``{"items", "total"}``.

    The newest first; fewer items than ``limit`` when they would make a huge answer.
    """
    if len(query) > MAX_QUERY_CHARS:
        raise InvalidInput(f"query must have at most {MAX_QUERY_CHARS} characters, it has {len(query)}.")
    wanted = [contains(connection, memories.c.tags, _encode_tags([tag])) for tag in require_tags(tags)]
    if query:
        wanted.append(contains(connection, memories.c.searchable, fold(require_text("query", query))))
    matching = select(memories.c.key, func.length(memories.c.value).label("size")).where(*wanted)
    total = await connection.scalar(select(func.count()).select_from(matching.subquery()))
    newest = matching.order_by(memories.c.updated_at.desc(), memories.c.key).limit(require_limit(limit))
    keys = list(_select_fitting((row.key, row.size) for row in await connection.execute(newest)))
    found = (await connection.execute(select(*_ANSWERED).where(memories.c.key.in_(keys)))).mappings()
    by_key = {row["key"]: _render_memory(row) for row in found}
    return {"items": [by_key[key] for key in keys if key in by_key], "total": total}


def require_tags(tags: Sequence[str]) -> list[str]:
    """Tags in their order, each once: at most 32, of 1 to 64 printable characters."""
    if isinstance(tags, str) or len(tags) > MAX_TAGS:
        raise InvalidInput(f"tags must be a list of at most {MAX_TAGS} tags.")
    for tag in tags:
        if not 1 <= len(tag) <= MAX_TAG_CHARS or not tag.isprintable():
            raise InvalidInput(f"a tag must have 1 to {MAX_TAG_CHARS} printable characters.")
    return list(dict.fromkeys(tags))


def build_searchable_text(key: str, value: Any) -> str:
    """What a search looks at: the key and every word of the value, one a line, without JSON's quotes and escapes."""
    return fold("\n".join([key, *_iterate_words(value)]))


def _iterate_words(value: Any) -> Iterator[str]:
    """Names, strings, numbers and constants of a JSON value, in order; nesting is walked with a list of our own."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            for name, inner in reversed(each.items()):
                waiting += [inner, str(name)]
        elif isinstance(each, list | tuple):
            waiting += reversed(each)
        else:
            yield each if isinstance(each, str) else json.dumps(each)


def _select_fitting(sizes: Iterable[tuple[str, int]]) -> Iterator[str]:
    """Keys while their values fit into one answer, but at least the first."""
    used = 0
    for key, size in sizes:
        used += size
        if used > max(MAX_ANSWER_CHARS, size):
            return
        yield key


def _encode_tags(tags: Sequence[str]) -> str:
    return "".join(f"{_TAG_END}{tag}" for tag in tags) + _TAG_END if tags else ""


def _render_memory(row: RowMapping) -> dict[str, Any]:
    return {
        **row,
        "value": json.loads(row["value"]),
        "tags": row["tags"].strip(_TAG_END).split(_TAG_END) if row["tags"] else [],
        "created_at": format_time(row["created_at"]),
        "updated_at": format_time(row["updated_at"]),
    }

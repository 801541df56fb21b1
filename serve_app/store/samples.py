"""Figures over time: the buckets of ``metrics.series``, so that a restart does not begin with empty windows.

Minutes are kept for three hours, since what is older is saved again by the half hour; half hours for eight days. The
table so has at most some 520 rows for each series: 110 000 with the 200 nodes that are kept at most.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.errors import InvalidInput
from serve_app.store.bounds import encode, require_name
from serve_app.store.dialect import insert
from serve_app.store.tables import UtcTime, build_name_type, samples

MAX_ROWS = 1_000
MAX_PAYLOAD_BYTES = 16_384
MINUTES_KEPT = timedelta(hours=3)
KEPT = timedelta(days=8)

_MINUTE_S = 60
_WIDEST_S = 86_400
_KEY = (samples.c.series, samples.c.label, samples.c.width_s, samples.c.starts_at)
# PostgreSQL takes at most 32767 parameters in a statement, SQLite as many since 3.32.
_ROWS_A_STATEMENT = 500


async def save(connection: AsyncConnection, now: datetime, rows: Sequence[dict[str, Any]]) -> None:
    """Write or replace buckets of figures over time, at most ``MAX_ROWS``, and drop what is too old.

    A row has ``series, label, width_s, starts_at`` (seconds since 1970) and ``payload``. Raises ``InvalidInput``.
    """
    if len(rows) > MAX_ROWS:
        raise InvalidInput(f"at most {MAX_ROWS} samples are saved at once, these are {len(rows)}.")
    # The last of those with the same key: a statement must not write a row twice.
    values = list({tuple(row[column.name] for column in _KEY): row for row in map(_check, rows)}.values())
    for first in range(0, len(values), _ROWS_A_STATEMENT):
        statement = insert(connection, samples).values(values[first : first + _ROWS_A_STATEMENT])
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=[column.name for column in _KEY], set_={"payload": statement.excluded.payload}
            )
        )
    minute_too_old = (samples.c.width_s == _MINUTE_S) & (samples.c.starts_at < now - MINUTES_KEPT)
    await connection.execute(delete(samples).where(minute_too_old | (samples.c.starts_at < now - KEPT)))


async def load(connection: AsyncConnection, since_s: int, after: Sequence[Any] | None = None) -> dict[str, Any]:
    """A page of buckets from ``since_s`` (seconds since 1970) on, in the order of their keys: ``{"items", "next"}``.

    At most ``MAX_ROWS``; give ``next`` for ``after`` until it is None.
    """
    statement = select(samples).where(samples.c.starts_at >= _parse_time("since_s", since_s))
    if after is not None:
        statement = statement.where(tuple_(*_KEY) > tuple_(*_parse_position(after)))
    rows = (await connection.execute(statement.order_by(*_KEY).limit(MAX_ROWS + 1))).mappings().all()
    items = [_render_sample(row) for row in rows[:MAX_ROWS]]
    last = items[-1] if len(rows) > MAX_ROWS else None
    return {"items": items, "next": None if last is None else [last[column.name] for column in _KEY]}


def _check(row: Mapping[str, Any]) -> dict[str, Any]:
    width_s = row["width_s"]
    if not isinstance(width_s, int) or not 1 <= width_s <= _WIDEST_S:
        raise InvalidInput(f"width_s must be 1 to {_WIDEST_S}.")
    return {
        "series": require_name("series", row["series"]),
        "label": require_name("label", row["label"]),
        "width_s": width_s,
        "starts_at": _parse_time("starts_at", row["starts_at"]),
        "payload": encode("payload", row["payload"], max_bytes=MAX_PAYLOAD_BYTES, ascii_only=True),
    }


def _render_sample(row: Mapping[Any, Any]) -> dict[str, Any]:
    starts_at = int(row["starts_at"].timestamp())
    return {**row, "starts_at": starts_at, "payload": json.loads(row["payload"])}


def _parse_position(after: Sequence[Any]) -> list[Any]:
    try:
        series, label, width_s, starts_at = after
    except ValueError:
        raise InvalidInput("after is not what the page before said.") from None
    return [
        literal(str(series), build_name_type()),
        literal(str(label), build_name_type()),
        literal(int(width_s)),
        literal(_parse_time("after", starts_at), UtcTime()),
    ]


def _parse_time(field: str, seconds: Any) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise InvalidInput(f"{field} must be seconds since 1970.") from None

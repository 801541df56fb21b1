"""When running jobs last gave a sign of life, and the counters that show it, so that a restart does not begin anew.

Only of jobs that are quiet; a session's trails are replaced whole. What one is made of, ``jobs.progress.looks.trail``
knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.errors import InvalidInput
from serve_app.store.bounds import MAX_ID_CHARS, encode, require_name
from serve_app.store.dialect import insert
from serve_app.store.tables import trails

MAX_TRAILS = 1_000
MAX_TRAIL_BYTES = 32_768
# A session of which nobody has written for so long is over.
KEPT = timedelta(days=1)


async def save(connection: AsyncConnection, now: datetime, session: str, kept: Mapping[str, Any]) -> None:
    """Keep these trails, by the ids of their jobs, and no others of the session; raises ``InvalidInput``."""
    if len(kept) > MAX_TRAILS:
        raise InvalidInput(f"at most {MAX_TRAILS} trails are kept, these are {len(kept)}.")
    session = require_name("session", session)
    rows = [
        {
            "session": session,
            "id": id,
            "content": encode("trail", trail, max_bytes=MAX_TRAIL_BYTES, ascii_only=True),
            "updated_at": now,
        }
        for id, trail in kept.items()
        if 1 <= len(id) <= MAX_ID_CHARS
    ]
    await connection.execute(delete(trails).where((trails.c.session == session) | (trails.c.updated_at < now - KEPT)))
    if rows:
        await connection.execute(insert(connection, trails), rows)


async def load(connection: AsyncConnection, session: str) -> dict[str, Any]:
    """The trails of a session by the ids of their jobs."""
    rows = await connection.execute(select(trails.c.id, trails.c.content).where(trails.c.session == session))
    return {row.id: json.loads(row.content) for row in rows}

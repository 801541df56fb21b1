"""Sessions: each life of a Ray cluster once, where its head listened, and that it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from organs.times import format_time
from serve_app.store.bounds import require_key, require_name
from serve_app.store.dialect import insert
from serve_app.store.jobs.rows import SESSION_OVER, SESSION_OVER_S, close_jobs, is_its_head, is_open_in
from serve_app.store.tables import sessions

_MOST = 100

Json = dict[str, Any]


async def begin(connection: AsyncConnection, now: datetime, session: str, place: str) -> list[str]:
    """Mark a session as seen, with where its head listens, and end those whose head listened there: an address is that
    of one head at a time. Gives their names.
    """
    seen = {"last_seen_at": now, "closed_at": None, "place": require_key("place", place)}
    await connection.execute(
        insert(connection, sessions)
        .values(session=require_name("session", session), first_seen_at=now, **seen)
        .on_conflict_do_update(index_elements=["session"], set_=seen)
    )
    same = (sessions.c.place == place) & sessions.c.closed_at.is_(None) & (sessions.c.session != session)
    last_seen = select(sessions.c.session, sessions.c.last_seen_at).where(same).limit(_MOST)
    over = {row.session: row.last_seen_at for row in await connection.execute(last_seen)}
    await _end(connection, now, over)
    return list(over)


async def list_open(connection: AsyncConnection, current: str) -> list[Json]:
    """``session, place`` of the other sessions that are not over, where it is known where their head listened."""
    which = sessions.c.closed_at.is_(None) & (sessions.c.session != current) & sessions.c.place.is_not(None)
    rows = await connection.execute(select(sessions.c.session, sessions.c.place).where(which).limit(_MOST))
    return [{"session": row.session, "place": row.place} for row in rows]


async def end_gone(connection: AsyncConnection, now: datetime, names: Sequence[str]) -> None:
    """Sessions whose head was proven to be gone are over."""
    wanted = sessions.c.session.in_(names[:_MOST]) & sessions.c.closed_at.is_(None)
    rows = await connection.execute(select(sessions.c.session, sessions.c.last_seen_at).where(wanted))
    await _end(connection, now, {row.session: row.last_seen_at for row in rows})


async def close_unseen(connection: AsyncConnection, now: datetime, current: str) -> list[str]:
    """Sessions that nobody has seen for ``SESSION_OVER_S``: their open jobs are lost. Gives their names."""
    unseen = sessions.c.last_seen_at < now - timedelta(seconds=SESSION_OVER_S)
    which = unseen & sessions.c.closed_at.is_(None) & (sessions.c.session != current)
    last_seen = select(sessions.c.session, sessions.c.last_seen_at).where(which).limit(_MOST)
    over = {row.session: row.last_seen_at for row in await connection.execute(last_seen)}
    await _end(connection, now, over)
    return list(over)


async def _end(connection: AsyncConnection, now: datetime, over: Mapping[str, datetime]) -> None:
    for session, seen_at in over.items():
        reason = f"Its cluster (Ray session {session}) is gone; it had not ended when it was last seen."
        await close_jobs(connection, now, is_open_in(session), "lost", "WARN", SESSION_OVER, reason, seen_at)
        gone = f"The head came up; it is gone, nobody has seen its session {session} since {format_time(seen_at)}."
        await close_jobs(connection, now, is_its_head(session), "lost", "WARN", SESSION_OVER, gone, seen_at)
    if over:
        await connection.execute(update(sessions).where(sessions.c.session.in_(list(over))).values(closed_at=now))

"""What was answered to a request that carries a key, so that the same one sent again is answered and not done again.

The key is what the API made of caller, route and ``Idempotency-Key``. An effect in this database is kept under it in
the transaction that makes it (``put_once``): whoever dies in between leaves both or neither.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.store import memories
from serve_app.store.bounds import require_name
from serve_app.store.dialect import insert
from serve_app.store.tables import requests

KEPT = timedelta(hours=24)
# What the application asked twice by itself, because a replica was lost, it asks within a minute.
OWN_KEPT = timedelta(minutes=15)
# Of each kind of key; the oldest go first.
MOST_KEPT = 20_000
MAX_ANSWER_CHARS = 65_536
# One of which nobody has said for so long that it is at work was left by a replica that died; who sends it again may do
# it.
LEASE_S = 30.0
# Every sixteenth key that is begun, since keys end with a digit of a hash.
_PRUNED_AT = "0"
_MARK = ":"
_OWN = "put:own:"

Json = dict[str, Any]


async def begin(connection: AsyncConnection, now: datetime, key: str, digest: str) -> Json:
    """Take a request: ``{"state", "status", "answer"}``, of which the last two are null unless it is ``done``.

    ``new``: it is to be done now, and then told by ``finish``. ``running``: it is being done. ``other``: the key was
    used for another body. Of one that is done the answer is null where it was too long to be kept. A key is its kind,
    which ends with a colon, and a hash.
    """
    await _prune(connection, now, key)
    begun = insert(connection, requests).values(key=require_name("key", key), digest=digest, begun_at=now)
    if (await connection.execute(begun.on_conflict_do_nothing().returning(requests.c.key))).first() is not None:
        return _render("new")
    row = (await connection.execute(select(requests).where(requests.c.key == key))).one_or_none()
    if row is None:
        return _render("running")
    if row.digest != digest:
        return _render("other")
    if row.status is not None:
        return _render("done", row.status, row.answer)
    # One that is far in the future was begun before the clock was set back.
    if abs(now - row.begun_at) < timedelta(seconds=LEASE_S):
        return _render("running")
    mine = (requests.c.key == key) & (requests.c.begun_at == row.begun_at) & requests.c.status.is_(None)
    taken = await connection.execute(update(requests).where(mine).values(begun_at=now))
    return _render("new" if taken.rowcount == 1 else "running")


async def renew(connection: AsyncConnection, now: datetime, key: str) -> None:
    """A request is still at work: who sends it again waits on."""
    open_one = (requests.c.key == key) & requests.c.status.is_(None)
    await connection.execute(update(requests).where(open_one).values(begun_at=now))


async def finish(connection: AsyncConnection, now: datetime, key: str, status: int | None, answer: str | None) -> None:
    """Keep what was answered; ``status`` None: it was not done, and may be done by who sends it again."""
    open_one = (requests.c.key == key) & requests.c.status.is_(None)
    if status is None:
        await connection.execute(delete(requests).where(open_one))
        return
    kept = answer if answer is not None and len(answer) <= MAX_ANSWER_CHARS else None
    await connection.execute(update(requests).where(open_one).values(status=status, answer=kept))


async def put_once(
    connection: AsyncConnection,
    now: datetime,
    key: str,
    value: Any,
    tags: Sequence[str],
    agent_id: str | None,
    request: str,
) -> Json:
    """As ``memories.put``, but once for each ``request``: the same one again is answered as the first."""
    effect = require_name("request", f"put:{request}")
    await _prune(connection, now, effect)
    begun = insert(connection, requests).values(key=effect, digest="", status=200, begun_at=now)
    if (await connection.execute(begun.on_conflict_do_nothing().returning(requests.c.key))).first() is None:
        answer = await connection.scalar(select(requests.c.answer).where(requests.c.key == effect))
        if answer is not None:
            done: Json = json.loads(answer)
            return done
    told = await memories.put(connection, now, key, value, tags, agent_id)
    await connection.execute(update(requests).where(requests.c.key == effect).values(answer=json.dumps(told)))
    return told


async def _prune(connection: AsyncConnection, now: datetime, key: str) -> None:
    """Forget what is too old or too much of the keys of this kind, now and then."""
    if not key.endswith(_PRUNED_AT):
        return
    kind = key[: key.rindex(_MARK) + 1]
    # Keys sort by code point on both databases.
    alike = (requests.c.key > kind) & (requests.c.key < kind[:-1] + chr(ord(_MARK) + 1))
    oldest = now - (OWN_KEPT if kind == _OWN else KEPT)
    newest_first = select(requests.c.begun_at).where(alike).order_by(requests.c.begun_at.desc())
    last = await connection.scalar(newest_first.offset(MOST_KEPT - 1).limit(1))
    if last is not None:
        oldest = max(oldest, last)
    await connection.execute(delete(requests).where(alike & (requests.c.begun_at < oldest)))


def _render(state: str, status: int | None = None, answer: str | None = None) -> Json:
    return {"state": state, "status": status, "answer": answer}

"""State of agents, fenced by epoch: of all replicas that ever claimed an agent, only the newest can write it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.store.bounds import encode, require_name
from serve_app.store.dialect import insert
from serve_app.store.tables import agents

MAX_STATE_BYTES = 65_536

SaveOutcome = Literal["saved", "fenced", "missing"]


async def claim(connection: AsyncConnection, now: datetime, agent_id: str, organ_id: str, owner: str) -> dict[str, Any]:
    """Take an agent over: ``{"epoch", "state"}``, its state None when it is new. Earlier owners are fenced.

    In one statement; the database orders those who claim at once.
    """
    values = {"organ_id": require_name("organ_id", organ_id), "owner": require_name("owner", owner), "updated_at": now}
    statement = (
        insert(connection, agents)
        .values(agent_id=require_name("agent_id", agent_id), epoch=1, state=None, **values)
        .on_conflict_do_update(index_elements=["agent_id"], set_={"epoch": agents.c.epoch + 1, **values})
        .returning(agents.c.epoch, agents.c.state)
    )
    row = (await connection.execute(statement)).one()
    return {"epoch": row.epoch, "state": None if row.state is None else json.loads(row.state)}


async def save(
    connection: AsyncConnection, now: datetime, agent_id: str, epoch: int, state: dict[str, Any]
) -> SaveOutcome:
    """Write an agent's state, at most 64 KiB as JSON, unless a later claim has fenced this epoch."""
    # ASCII, so that nothing a task may have brought along can keep an agent from being saved.
    text = encode("state", state, max_bytes=MAX_STATE_BYTES, ascii_only=True)
    mine = (agents.c.agent_id == require_name("agent_id", agent_id)) & (agents.c.epoch == epoch)
    written = await connection.execute(update(agents).where(mine).values(state=text, updated_at=now))
    if written.rowcount == 1:
        return "saved"
    known = await connection.scalar(select(agents.c.epoch).where(agents.c.agent_id == agent_id))
    return "missing" if known is None else "fenced"

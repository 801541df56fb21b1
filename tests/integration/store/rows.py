"""What is in the tables, for tests that ask more than the product does."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.store.store import Store
from serve_app.store.tables import agents, initializations, jobs


async def list_epochs(store: Store) -> list[int]:
    """Of all agents, by their ids."""
    statement = select(agents.c.epoch).order_by(agents.c.agent_id)
    return list(await store._database.read(lambda connection: _first_column(connection, statement)))


async def count_failed_runs(store: Store, config_hash: str) -> int:
    """Initializations of a configuration that failed since the last that succeeded."""
    runs = initializations.c
    statement = select(runs.state).where(runs.config_hash == config_hash).order_by(runs.number.desc())
    states = await store._database.read(lambda connection: _first_column(connection, statement))
    since = states[: states.index("succeeded")] if "succeeded" in states else states
    return since.count("failed")


async def count_outcomes(store: Store) -> dict[str, int]:
    """How many jobs there are of each outcome."""
    statement = select(jobs.c.outcome, func.count()).group_by(jobs.c.outcome)
    rows = await store._database.read(lambda connection: connection.execute(statement))
    return {row[0]: row[1] for row in rows}


async def _first_column(connection: AsyncConnection, statement: Select[Any]) -> list[Any]:
    return list((await connection.execute(statement)).scalars())

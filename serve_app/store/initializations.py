"""The record of initialization runs and of the organs each configuration has done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from organs.times import format_time
from serve_app.errors import Conflict, NotFound
from serve_app.store.bounds import encode, make_storable, require_name
from serve_app.store.dialect import insert
from serve_app.store.tables import initialization_steps as steps
from serve_app.store.tables import initializations as runs

MAX_STEP_BYTES = 65_536
MAX_SENTENCE_CHARS = 4_000

# Any number but that of the migrations: PostgreSQL's advisory locks share one space in a database.
_LOCK = 0x5EED_C08F


async def begin(
    connection: AsyncConnection, now: datetime, submission_id: str, config_hash: str, force: bool = False
) -> dict[str, Any]:
    """Register a run: ``{"state": "fresh" | "already_succeeded" | "resumed" | "same", "steps": {organ_id: step}}``.

    ``same``: this submission has begun before. ``already_succeeded``: nothing is to be done and nothing was registered.
    ``resumed``: organs in ``steps`` are done. Another run of the same configuration that is still open is over: two
    jobs must not do the same work. With ``force`` the steps of earlier runs are forgotten. Raises ``Conflict`` when
    this submission itself has ended or was superseded.
    """
    require_name("submission_id", submission_id)
    require_name("config_hash", config_hash)
    await _lock_runs(connection)
    own = await _run(connection, runs.c.submission_id == submission_id)
    if own is not None:
        return {"state": _refuse_again(own, config_hash), "steps": await _list_steps(connection, config_hash)}
    latest = await _run(connection, runs.c.config_hash == config_hash)
    if latest is not None and latest["state"] == "succeeded" and not force:
        return {"state": "already_succeeded", "steps": await _list_steps(connection, config_hash)}

    superseded = (runs.c.config_hash == config_hash) & (runs.c.state == "running")
    sentence = f"superseded by {submission_id}"
    await connection.execute(update(runs).where(superseded).values(state="failed", sentence=sentence, ended_at=now))
    if force:
        await connection.execute(delete(steps).where(steps.c.config_hash == config_hash))
    number = (await connection.scalar(select(func.max(runs.c.number))) or 0) + 1
    await connection.execute(
        runs.insert().values(
            submission_id=submission_id, number=number, config_hash=config_hash, state="running", started_at=now
        )
    )
    done = await _list_steps(connection, config_hash)
    return {"state": "resumed" if done else "fresh", "steps": done}


async def record_step(
    connection: AsyncConnection,
    now: datetime,
    submission_id: str,
    config_hash: str,
    organ_id: str,
    agent_ids: Sequence[str],
    self_test: dict[str, Any],
) -> None:
    """Record that an organ is done; again is the same. Raises ``Conflict`` when this run is not the open one."""
    await _lock_runs(connection)
    own = await _run(connection, runs.c.submission_id == require_name("submission_id", submission_id))
    if own is None or own["state"] != "running" or own["config_hash"] != config_hash:
        raise Conflict(f"{submission_id} is not the running initialization of {config_hash}.")
    values = {
        "submission_id": submission_id,
        "agent_ids": encode("agent_ids", list(agent_ids), max_bytes=MAX_STEP_BYTES, ascii_only=True),
        "self_test": encode("self_test", self_test, max_bytes=MAX_STEP_BYTES, ascii_only=True),
        "done_at": now,
    }
    await connection.execute(
        insert(connection, steps)
        .values(config_hash=config_hash, organ_id=require_name("organ_id", organ_id), **values)
        .on_conflict_do_update(index_elements=["config_hash", "organ_id"], set_=values)
    )


async def finish(
    connection: AsyncConnection, now: datetime, submission_id: str, succeeded: bool, sentence: str
) -> None:
    """Record the outcome; the same outcome again changes nothing.

    Raises ``NotFound`` for a run that never began, and ``Conflict`` when another outcome is recorded: a run that was
    superseded must not call itself a success.
    """
    await _lock_runs(connection)
    own = await _run(connection, runs.c.submission_id == require_name("submission_id", submission_id))
    state = "succeeded" if succeeded else "failed"
    if own is None:
        raise NotFound(f"No initialization {submission_id} has begun.")
    if own["state"] == state:
        return
    if own["state"] != "running":
        raise Conflict(f"Initialization {submission_id} has ended already: {own['state']} ({own['sentence']}).")
    said = make_storable(sentence, MAX_SENTENCE_CHARS)
    mine = runs.c.submission_id == submission_id
    await connection.execute(update(runs).where(mine).values(state=state, sentence=said, ended_at=now))


async def find_latest(connection: AsyncConnection, config_hash: str | None = None) -> dict[str, Any] | None:
    """``submission_id, config_hash, state, sentence, started_at, ended_at, steps`` of the run that began last, of one
    configuration or of all; ``steps`` are the organs its configuration has done.
    """
    run = await _run(connection, None if config_hash is None else runs.c.config_hash == config_hash)
    if run is None:
        return None
    return {
        "submission_id": run["submission_id"],
        "config_hash": run["config_hash"],
        "state": run["state"],
        "sentence": run["sentence"],
        "started_at": format_time(run["started_at"]),
        "ended_at": format_time(run["ended_at"]),
        "steps": await _list_steps(connection, run["config_hash"]),
    }


def _refuse_again(own: RowMapping, config_hash: str) -> str:
    if own["config_hash"] != config_hash:
        raise Conflict(f"Initialization {own['submission_id']} began for another configuration.")
    if own["state"] == "failed":
        raise Conflict(f"Initialization {own['submission_id']} has ended already: failed ({own['sentence']}).")
    return "same" if own["state"] == "running" else "already_succeeded"


async def _lock_runs(connection: AsyncConnection) -> None:
    """Order the changes of runs: a run that is being superseded must not record on. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def _run(connection: AsyncConnection, which: ColumnElement[bool] | None) -> RowMapping | None:
    statement = select(runs).order_by(runs.c.number.desc()).limit(1)
    if which is not None:
        statement = statement.where(which)
    return (await connection.execute(statement)).mappings().one_or_none()


async def _list_steps(connection: AsyncConnection, config_hash: str) -> dict[str, Any]:
    rows = (await connection.execute(select(steps).where(steps.c.config_hash == config_hash))).mappings()
    return {
        row["organ_id"]: {
            "submission_id": row["submission_id"],
            "agent_ids": json.loads(row["agent_ids"]),
            "self_test": json.loads(row["self_test"]),
            "done_at": format_time(row["done_at"]),
        }
        for row in rows
    }

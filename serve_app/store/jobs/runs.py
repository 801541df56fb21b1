"""Keys of runs: a submission is kept by when it was submitted, since its id may be given again.

Older versions kept it by its id alone, the newest run in the place of those before. Such a row gets the key of its run
when it is written again; until then it is found by the key that it has. This file only brings keys of older versions
into today's form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.queries.job_names import build_key, build_plain_key, parse_run_key
from serve_app.store.tables import job_transitions, jobs


def choose_run_key(record: Mapping[str, Any]) -> str:
    """The key of a job's run, also where an older inspector calls it by its id alone."""
    started_us, session, id = record["started_us"], record["session"], record["id"]
    if record["key"] != build_plain_key(session, id):
        return str(record["key"])
    is_submission = record.get("submission_id") is not None
    return build_key(session, id, None if started_us < 0 else started_us, is_submission=is_submission)


def list_plain_keys(keys: Iterable[str]) -> dict[str, list[str]]:
    """Keys under which an older version may have kept runs, with the keys of these."""
    found: dict[str, list[str]] = {}
    for key in keys:
        if (run := parse_run_key(key)) is not None:
            found.setdefault(run[0], []).append(key)
    return found


def is_of_run(key: str, started_us: int) -> bool:
    """Whether a row that began then is of the run with this key."""
    run = parse_run_key(key)
    return run is not None and started_us >= 0 and started_us // 1000 == run[1]


async def adopt_rows_of_older_versions(connection: AsyncConnection, keys: Iterable[str]) -> None:
    """Give rows that are kept by their id alone the keys of their runs, where these are among ``keys``."""
    plain = list_plain_keys(keys)
    if not plain:
        return
    rows = (await connection.execute(select(jobs.c.key, jobs.c.started_us).where(jobs.c.key.in_(list(plain))))).all()
    for row in rows:
        run = next((key for key in plain[row.key] if is_of_run(key, row.started_us)), None)
        if run is not None:
            await _rename(connection, row.key, run)


async def _rename(connection: AsyncConnection, plain: str, run: str) -> None:
    """As a row that is taken out and entered again: what is looked up by key beside it follows such alone."""
    kept = (await connection.execute(select(jobs).where(jobs.c.key == plain))).mappings().one()
    known = await connection.scalar(select(jobs.c.key).where(jobs.c.key == run))
    await connection.execute(delete(jobs).where(jobs.c.key == plain))
    if known is None:
        await connection.execute(jobs.insert().values(**{**kept, "key": run}))
        await connection.execute(update(job_transitions).where(job_transitions.c.key == plain).values(key=run))
    else:
        await connection.execute(delete(job_transitions).where(job_transitions.c.key == plain))

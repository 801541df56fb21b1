"""What the history of jobs tells in numbers: rates over windows, durations, and the past runs of a series."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.outcomes import MOST_AHEAD, NOT_COUNTED, TIMED_OUTCOMES
from serve_app.store.bounds import require_name
from serve_app.store.tables import jobs

MAX_SERIES = 100
# The newest runs of a series tell what is usual now; more would tell what once was.
RUNS_OF_A_SERIES = 500
MAX_DURATIONS = 20_000
MAX_CAUSES = 20
_TIMED = sorted(outcome.value for outcome in TIMED_OUTCOMES)

Json = dict[str, Any]


async def count_ended(connection: AsyncConnection, now: datetime, since_us: int, counts_only: bool = False) -> Json:
    """Of the jobs that ended since, and not after ``now``, as lists: ``counts`` (kind, outcome, verdict, number),
    ``durations`` (kind, seconds), ``causes`` (cause, number, an id). With ``counts_only`` the last two are empty;
    failures of kinds that are ``NOT_COUNTED`` are no causes.
    """
    ended = jobs.c.ended_us.between(since_us, round((now + MOST_AHEAD).timestamp() * 1_000_000))
    groups = (jobs.c.kind, jobs.c.outcome, jobs.c.verdict)
    counts = await connection.execute(select(*groups, func.count()).where(ended).group_by(*groups))
    if counts_only:
        return {"counts": [list(row) for row in counts], "durations": [], "causes": []}
    timed = ended & jobs.c.outcome.in_(_TIMED) & jobs.c.duration_s.is_not(None)
    newest = select(jobs.c.kind, jobs.c.duration_s).where(timed).order_by(jobs.c.ended_us.desc()).limit(MAX_DURATIONS)
    number = func.count()
    # A diagnosis tells more than the exit code, unless it says that it does not know.
    cause = func.coalesce(func.nullif(jobs.c.code, "unknown"), jobs.c.cause).label("why")
    causes = (
        select(cause, number, func.max(jobs.c.id))
        .where(ended, jobs.c.cause.is_not(None), jobs.c.verdict != "OK", jobs.c.kind.not_in(sorted(NOT_COUNTED)))
        .group_by(cause)
        .order_by(number.desc(), cause)
        .limit(MAX_CAUSES)
    )
    return {
        "counts": [list(row) for row in counts],
        "durations": [list(row) for row in await connection.execute(newest)],
        "causes": [list(row) for row in await connection.execute(causes)],
    }


async def list_past_runs(connection: AsyncConnection, series: Sequence[str]) -> dict[str, Json]:
    """By series, at most ``MAX_SERIES``: durations of the newest runs that ended by themselves, and the last times."""
    found = {}
    for name in [require_name("series", each[:256]) for each in series[:MAX_SERIES]]:
        same = jobs.c.series == name
        timed = same & jobs.c.outcome.in_(_TIMED) & jobs.c.duration_s.is_not(None) & jobs.c.ended_us.is_not(None)
        newest = select(jobs.c.duration_s).where(timed).order_by(jobs.c.ended_us.desc()).limit(RUNS_OF_A_SERIES)
        started_us = await connection.scalar(select(func.max(jobs.c.started_us)).where(same))
        succeeded = same & (jobs.c.outcome == "succeeded")
        succeeded_us = await connection.scalar(select(func.max(jobs.c.ended_us)).where(succeeded))
        found[name] = {
            "durations_s": [row.duration_s for row in await connection.execute(newest)],
            "last_started_us": started_us,
            "last_succeeded_us": succeeded_us,
        }
    return found

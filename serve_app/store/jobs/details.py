"""One job of the history, whole: what is kept beside its row, whatever becomes of its logs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, RowMapping, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from organs.times import format_time
from serve_app.errors import InvalidInput
from serve_app.schemas.diagnosis import MadeDiagnosis
from serve_app.schemas.jobs import KeptJob, Transition
from serve_app.store.bounds import make_storable, require_key, require_name
from serve_app.store.jobs.content import read_content
from serve_app.store.jobs.rows import MAX_TRANSITIONS
from serve_app.store.jobs.runs import is_of_run, list_plain_keys
from serve_app.store.tables import job_transitions, jobs

MAX_LOG_EXCERPT_CHARS = 16_384
MAX_DIAGNOSIS_CHARS = 65_536
MAX_KEYS = 100


async def find(connection: AsyncConnection, wanted: str, session: str | None = None) -> KeptJob | None:
    """The newest job with this id, job id or submission id, with transitions, log excerpt and diagnosis; or None.

    Of a job with an odd id its hash (``job_names.hash_id``) is a name in its session, too. Row and evidence are what
    was kept, as this version shows them (``content.read_content``).
    """
    name = require_key("id", wanted)
    # The id of a submission is its submission id; a condition on that column, which has no index, would read all jobs.
    which = or_(jobs.c.id == name, jobs.c.job_id == name)
    if session is not None:
        which = or_(which, jobs.c.name == f"{name}@{session}") if name.startswith("~") else which
        which = and_(which, jobs.c.session == require_name("session", session))
    return await _read_newest(connection, which)


async def find_run(connection: AsyncConnection, id: str, started_ms: int) -> KeptJob | None:
    """The same for the run with this id that began in this millisecond since 1970."""
    began = jobs.c.started_us.between(started_ms * 1000, started_ms * 1000 + 999)
    return await _read_newest(connection, and_(jobs.c.id == require_key("id", id), began))


async def _read_newest(connection: AsyncConnection, which: ColumnElement[bool]) -> KeptJob | None:
    newest = select(jobs).where(which).order_by(jobs.c.started_us.desc()).limit(1)
    row = (await connection.execute(newest)).mappings().one_or_none()
    if row is None:
        return None
    kept = read_content(row["content"], row)
    return {
        "key": row["key"],
        "row": kept["row"],
        "evidence": kept["evidence"],
        "diagnosis": None if row["diagnosis"] is None else json.loads(row["diagnosis"]),
        "log_excerpt": row["log_excerpt"],
        "first_seen_at": format_time(row["first_seen_at"]),
        "updated_at": format_time(row["updated_at"]),
        "transitions": await list_transitions(connection, row["key"]),
    }


async def list_transitions(connection: AsyncConnection, key: str) -> list[Transition]:
    """How the judgement of one job changed, oldest first, the newest ``MAX_TRANSITIONS``."""
    newest = (
        select(job_transitions)
        .where(job_transitions.c.key == key)
        .order_by(job_transitions.c.number.desc())
        .limit(MAX_TRANSITIONS)
    )
    rows = (await connection.execute(newest)).mappings().all()
    return [_render_transition(row) for row in reversed(rows)]


async def save_log_excerpt(connection: AsyncConnection, now: datetime, key: str, text: str) -> bool:
    """Keep the end of a job's log, at most ``MAX_LOG_EXCERPT_CHARS`` characters of it; whether the job was there."""
    excerpt = make_storable(text[-MAX_LOG_EXCERPT_CHARS:], MAX_LOG_EXCERPT_CHARS)
    statement = update(jobs).where(jobs.c.key == require_key("key", key)).values(log_excerpt=excerpt, updated_at=now)
    return (await connection.execute(statement)).rowcount == 1


async def save_diagnosis(connection: AsyncConnection, now: datetime, key: str, diagnosis: MadeDiagnosis) -> bool:
    """Keep the diagnosis of a job, instead of one before; whether the job was there.

    ``diagnosis`` is what the API answers; its code is kept apart, since it is counted. Raises
    ``InvalidInput`` when it is longer than ``MAX_DIAGNOSIS_CHARS``.
    """
    text = json.dumps(diagnosis, ensure_ascii=True, separators=(",", ":"))
    if len(text) > MAX_DIAGNOSIS_CHARS:
        raise InvalidInput(f"The diagnosis is longer than {MAX_DIAGNOSIS_CHARS} characters.")
    made = diagnosis["diagnosis"]
    code = None if made is None else made["code"]
    kept = {"code": None if code is None else require_name("code", code), "diagnosis": text, "updated_at": now}
    statement = update(jobs).where(jobs.c.key == require_key("key", key)).values(**kept)
    return (await connection.execute(statement)).rowcount == 1


async def list_diagnoses(connection: AsyncConnection, keys: Sequence[str]) -> dict[str, MadeDiagnosis]:
    """The diagnoses of the first ``MAX_KEYS`` of these jobs, by key; a job that has none is not among them."""
    asked = keys[:MAX_KEYS]
    plain = list_plain_keys(asked)
    which = jobs.c.key.in_([*asked, *plain]) & jobs.c.diagnosis.is_not(None)
    rows = await connection.execute(select(jobs.c.key, jobs.c.started_us, jobs.c.diagnosis).where(which))
    found = {row.key: row for row in rows}
    told = {key: row for key, row in found.items() if key in asked}
    for key, row in found.items():
        for run in plain.get(key, ()):
            if is_of_run(run, row.started_us):
                told.setdefault(run, row)
    return {key: json.loads(row.diagnosis) for key, row in told.items()}


def _render_transition(row: RowMapping) -> Transition:
    return {
        "at": format_time(row["at"]),
        "status": row["status"],
        "outcome": row["outcome"],
        "verdict": row["verdict"],
        "rule": row["rule"],
        "reason": row["reason"],
    }

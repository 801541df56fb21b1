"""Why jobs failed, as the diagnosis said once: kept beside each job, whatever becomes of its logs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.errors import InvalidInput
from serve_app.schemas.diagnosis import MadeDiagnosis
from serve_app.store.bounds import checked_name
from serve_app.store.tables import jobs

MAX_DIAGNOSIS_CHARS = 65_536
MAX_KEYS = 100

Json = dict[str, Any]


async def save(connection: AsyncConnection, now: datetime, key: str, diagnosis: MadeDiagnosis) -> bool:
    """Keep the diagnosis of a job, instead of one before; whether the job was there.

    ``diagnosis`` is what the API answers; its ``diagnosis.code`` is kept apart, since it is counted. Raises
    ``InvalidInput`` when it is longer than ``MAX_DIAGNOSIS_CHARS``.
    """
    text = json.dumps(diagnosis, ensure_ascii=True, separators=(",", ":"))
    if len(text) > MAX_DIAGNOSIS_CHARS:
        raise InvalidInput(f"The diagnosis is longer than {MAX_DIAGNOSIS_CHARS} characters.")
    made = diagnosis["diagnosis"]
    code = None if made is None else made["code"]
    kept = {"code": None if code is None else checked_name("code", code), "diagnosis": text, "updated_at": now}
    statement = update(jobs).where(jobs.c.key == checked_name("key", key)).values(**kept)
    return (await connection.execute(statement)).rowcount == 1


async def of(connection: AsyncConnection, keys: Sequence[str]) -> dict[str, MadeDiagnosis]:
    """The diagnoses of the first ``MAX_KEYS`` of these jobs, by key; a job that has none is not among them."""
    which = jobs.c.key.in_(list(keys[:MAX_KEYS])) & jobs.c.diagnosis.is_not(None)
    rows = await connection.execute(select(jobs.c.key, jobs.c.diagnosis).where(which))
    return {row.key: json.loads(row.diagnosis) for row in rows}

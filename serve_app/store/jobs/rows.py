"""The history of jobs: every job of every session once, what became of it, and how that was seen to change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from organs.times import format_time
from serve_app.outcomes import OPEN_OUTCOMES
from serve_app.queries.job_names import parse_run_key
from serve_app.store.bounds import MAX_ID_CHARS, make_storable, require_key, require_name
from serve_app.store.dialect import fold, insert
from serve_app.store.jobs.content import CIRCLE, has_circle, read_content
from serve_app.store.jobs.runs import adopt_rows_of_older_versions, choose_run_key
from serve_app.store.tables import job_transitions, jobs, sessions

MAX_BATCH = 500
MAX_CONTENT_CHARS = 65_536
MAX_TRANSITIONS = 50
# A cluster that nobody has seen for so long is over: its open jobs are lost.
SESSION_OVER_S = 300.0
# Rules of what was concluded of a session from outside; what is seen in it again counts for more.
SESSION_OVER = "session-over"
SESSION_SHUT_DOWN = "session-shut-down"
SERVER_SHUT_DOWN = "server-shut-down"
_NAMED = ("key", "session", "id", "kind", "series", "status", "outcome", "verdict", "rule", "name")
_PROVEN = ("succeeded", "failed", "lost", "stopped", "contradicted")
_OPEN = sorted(outcome.value for outcome in OPEN_OUTCOMES)
# Words of ``judging``, which the store does not import; a test compares them.
_CONTRADICTED_DRIVER, _DRIVER_REPAIRED = "contradicted-driver", "driver-repaired"
_NOTHING = "Nothing to do."
_HEAD = "cluster-initialization"
_SERVER = "application-server"
_LARGEST = 2**62

Json = dict[str, Any]


async def save(connection: AsyncConnection, now: datetime, session: str, records: Sequence[Json]) -> bool:
    """Write jobs as they are now, at most ``MAX_BATCH``, and a transition for each whose judgement changed, of the time
    ``seen_us`` of its record, if it has one.

    Also marks the session as seen; whether it had been closed, so that its open jobs were declared lost. A record that
    is stored already is replaced, its log excerpt and its diagnosis stay.
    """
    was_closed = await _see(connection, now, session)
    await _save(connection, now, records)
    return was_closed


async def _save(connection: AsyncConnection, now: datetime, records: Sequence[Json]) -> None:
    records = [{**record, "key": choose_run_key(record)} for record in records[:MAX_BATCH]]
    keys = [record["key"] for record in records]
    await adopt_rows_of_older_versions(connection, keys)
    has_word = jobs.c.content.contains(f'"rule":"{CIRCLE}"', autoescape=True)
    known = (await connection.execute(select(jobs.c.key, has_word, *_JUDGED).where(jobs.c.key.in_(keys)))).all()
    before = {key: tuple(judged) for key, _, *judged in known}
    circled_keys = {key for key, circled, *_ in known if circled}
    records = [
        record
        for record in records
        if not _knows_less(record, before.get(record["key"]), circled=record["key"] in circled_keys)
    ]
    rows = [_build_values(record, now) for record in records]
    if not rows:
        return
    statement = insert(connection, jobs)
    kept = {"key", "first_seen_at", "log_excerpt"}
    changed = {name: statement.excluded[name] for name in rows[0] if name not in kept}
    await connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=changed), rows)
    transitions = [
        {
            "key": row["key"],
            "at": _parse_seen_at(record, now),
            **{column.name: row[column.name] for column in _JUDGED},
            "reason": make_storable(str(record.get("reason") or ""), 2_000),
        }
        for row, record in zip(rows, records, strict=False)
        if before.get(row["key"]) != tuple(row[column.name] for column in _JUDGED)
    ]
    if transitions:
        await connection.execute(job_transitions.insert(), transitions)
        await _cut_transitions(connection, [each["key"] for each in transitions])


async def open_keys(connection: AsyncConnection, session: str) -> list[str]:
    """Keys of this session's jobs that had not ended when they were last seen, at most 10 000."""
    which = (jobs.c.session == require_name("session", session)) & jobs.c.outcome.in_(_OPEN)
    return [row.key for row in await connection.execute(select(jobs.c.key).where(which).limit(10_000))]


async def open_plain_keys(connection: AsyncConnection, session: str) -> list[str]:
    """The same for an older inspector, which knows a submission by its id alone: what it does not know it closes."""
    keys = await open_keys(connection, session)
    return sorted({key if (run := parse_run_key(key)) is None else run[0] for key in keys})


async def close_unseen(connection: AsyncConnection, now: datetime, session: str, keys: Sequence[str]) -> None:
    """Jobs of a living session that Ray no longer lists: they are over, and how is not known."""
    reason = "Ray no longer lists it; how it ended is not known."
    wanted = jobs.c.key.in_(keys[:MAX_BATCH]) & (jobs.c.session == session) & jobs.c.outcome.in_(_OPEN)
    await close_jobs(connection, now, wanted, "ended_unknown", "UNKNOWN", "no-longer-listed", reason)


async def end_session(connection: AsyncConnection, now: datetime, session: str) -> bool:
    """A session was shut down on request: what was open in it was stopped with it, now. Whether it was known, and not
    over yet. Should it be seen again after all, the next look puts its jobs right.
    """
    which = (sessions.c.session == require_name("session", session)) & sessions.c.closed_at.is_(None)
    ended = await connection.execute(update(sessions).where(which).values(last_seen_at=now, closed_at=now))
    if ended.rowcount != 1:
        return False
    reason = f"Its cluster (Ray session {session}) was shut down on request, and it was stopped with it."
    await close_jobs(connection, now, is_open_in(session), "stopped", "OK", SESSION_SHUT_DOWN, reason, now)
    gone = f"The head came up; it was shut down on request at {format_time(now)}, and is gone."
    await close_jobs(connection, now, is_its_head(session), "succeeded", "OK", SESSION_SHUT_DOWN, gone, now)
    return True


async def end_serving(connection: AsyncConnection, now: datetime, session: str) -> None:
    """Serve was shut down on request in a session that may go on: so ended the job that it runs in, now."""
    wanted = is_open_in(require_name("session", session)) & (jobs.c.kind == _SERVER) & jobs.c.submission_id.is_(None)
    await close_jobs(connection, now, wanted, "stopped", "OK", SERVER_SHUT_DOWN, "Serve was shut down on request.", now)


async def forget(
    connection: AsyncConnection, now: datetime, kept_days: float, kept_jobs: int, batch: int = 2_000
) -> int:
    """Delete ended jobs that are too old or too many, at most ``batch``; gives how many."""
    oldest = now - timedelta(days=kept_days)
    last = await connection.scalar(
        select(jobs.c.started_us).order_by(jobs.c.started_us.desc()).offset(kept_jobs).limit(1)
    )
    # Of one that is no longer listed nobody knows when it ended: its age is that of the last word on it.
    too_old = or_(
        jobs.c.ended_us < round(oldest.timestamp() * 1_000_000),
        and_(jobs.c.ended_us.is_(None), jobs.c.updated_at < oldest),
    )
    old = too_old if last is None else or_(too_old, jobs.c.started_us <= last)
    ended = jobs.c.outcome.not_in(_OPEN) & old
    keys = [
        row.key
        for row in await connection.execute(select(jobs.c.key).where(ended).order_by(jobs.c.started_us).limit(batch))
    ]
    for piece in _split(keys):
        await connection.execute(delete(job_transitions).where(job_transitions.c.key.in_(piece)))
        await connection.execute(delete(jobs).where(jobs.c.key.in_(piece)))
    return len(keys)


async def delete_job(connection: AsyncConnection, now: datetime, key: str) -> bool:
    """Forget one job; whether it was there."""
    await connection.execute(delete(job_transitions).where(job_transitions.c.key == require_key("key", key)))
    return (await connection.execute(delete(jobs).where(jobs.c.key == key))).rowcount == 1


def _knows_less(record: Json, before: tuple[Any, ...] | None, *, circled: bool = False) -> bool:
    """Whether it takes back what was proven: Ray forgets how a driver ended, and after a restart nobody else knows."""
    if before is None:
        return False
    status, outcome, _, rule = before
    if circled and record["outcome"] not in _OPEN and (record["status"], record["outcome"]) == (status, outcome):
        # Of a job that ended a new inspector does not know what went in circles, once Ray has forgotten its attempts.
        return not has_circle(record["content"].get("evidence", ()))
    if record["outcome"] == "ended_unknown":
        return outcome in _PROVEN and rule not in (SESSION_OVER, SESSION_SHUT_DOWN, SERVER_SHUT_DOWN)
    if rule == _CONTRADICTED_DRIVER and record["outcome"] == "succeeded" and _is_repaired(record):
        # It knows more: a later driver of the same program had made it good.
        return False
    # What contradicted Ray's word was told by tables that forget; the word is the same.
    return outcome == "contradicted" and record["outcome"] in ("succeeded", "failed") and record["status"] == status


def _is_repaired(record: Json) -> bool:
    return any(each["rule"] == _DRIVER_REPAIRED for each in record["content"].get("evidence", ()))


_JUDGED = (jobs.c.status, jobs.c.outcome, jobs.c.verdict, jobs.c.rule)


def _build_values(record: Json, now: datetime) -> Json:
    text = _encode(record["content"])
    if len(text) > MAX_CONTENT_CHARS:
        # What was said of it stays; what others wrote about it goes.
        row = record["content"]["row"]
        text = _encode({"row": {**row, "metadata": {}, "entrypoint": row["entrypoint"][:500]}, "evidence": []})
    return {
        **{name: make_storable(str(record[name]), MAX_ID_CHARS) for name in _NAMED},
        **{name: _cut_id(record.get(name)) for name in ("job_id", "submission_id", "error_type")},
        "cause": record.get("cause"),
        "started_us": record["started_us"],
        "ended_us": record.get("ended_us"),
        "duration_s": record.get("duration_s"),
        "exit_code": _limit_exit_code(record.get("exit_code")),
        "content": text,
        "searchable": make_storable(fold(str(record.get("searchable") or "")), 8_000),
        "first_seen_at": now,
        "updated_at": now,
    }


def _cut_id(told: object) -> str | None:
    return None if told is None else make_storable(str(told), MAX_ID_CHARS)


def _limit_exit_code(told: int | None) -> int | None:
    """A number that both databases hold; Ray passes on whatever somebody calls an exit code."""
    return told if told is not None and abs(told) < _LARGEST else None


def _parse_seen_at(record: Json, now: datetime) -> datetime:
    """When a record was judged, which may be long before the store could take it."""
    seen_us = record.get("seen_us")
    return now if seen_us is None else min(now, datetime.fromtimestamp(seen_us / 1_000_000, UTC))


def _encode(content: Any) -> str:
    return json.dumps(content, ensure_ascii=True, separators=(",", ":"))


async def _cut_transitions(connection: AsyncConnection, keys: Sequence[str]) -> None:
    """What is beyond ``MAX_TRANSITIONS`` of a job is never told again; one that flaps for weeks must not pile it up."""
    newest_first = func.row_number().over(partition_by=job_transitions.c.key, order_by=job_transitions.c.number.desc())
    placed = select(job_transitions.c.number, newest_first.label("place")).where(job_transitions.c.key.in_(keys))
    old = placed.subquery()
    beyond = select(old.c.number).where(old.c.place > MAX_TRANSITIONS)
    await connection.execute(delete(job_transitions).where(job_transitions.c.number.in_(beyond)))


async def _see(connection: AsyncConnection, now: datetime, session: str) -> bool:
    closed_at = select(sessions.c.closed_at).where(sessions.c.session == require_name("session", session))
    was_closed = await connection.scalar(closed_at) is not None
    seen = {"last_seen_at": now, "closed_at": None}
    await connection.execute(
        insert(connection, sessions)
        .values(session=session, first_seen_at=now, **seen)
        .on_conflict_do_update(index_elements=["session"], set_=seen)
    )
    return was_closed


async def close_jobs(
    connection: AsyncConnection,
    now: datetime,
    wanted: ColumnElement[bool],
    outcome: str,
    verdict: str,
    rule: str,
    reason: str,
    ended_at: datetime | None = None,
) -> None:
    """Say of jobs that they are over, since ``ended_at``; of what is lost that is the latest that is known."""
    ended_us = None if ended_at is None else round(ended_at.timestamp() * 1_000_000)
    rows = (await connection.execute(select(jobs).where(wanted).limit(10_000))).mappings().all()
    judged = {"outcome": outcome, "verdict": verdict, "rule": rule}
    for row in rows:
        content = read_content(row["content"], row)
        told = {**judged, "reason": reason, "ended_at": None if ended_at is None else format_time(ended_at)}
        took_s = row["duration_s"]
        if ended_us is not None and row["outcome"] in _OPEN and 0 <= row["started_us"] <= ended_us:
            # What was written of one that ran is how long it had run when its judgement last changed.
            told["duration_s"] = took_s = (ended_us - row["started_us"]) / 1_000_000
        content["row"].update(told)  # type: ignore[typeddict-item]
        if verdict == "OK":
            content["row"]["action"] = _NOTHING
        cause = rule if outcome == "lost" else None
        await connection.execute(
            update(jobs)
            .where(jobs.c.key == row["key"])
            .values(
                **judged, cause=cause, ended_us=ended_us, duration_s=took_s, content=_encode(content), updated_at=now
            )
        )
        transition = {"key": row["key"], "at": now, "status": row["status"], **judged, "reason": reason}
        await connection.execute(job_transitions.insert().values(**transition))


def is_open_in(session: str) -> ColumnElement[bool]:
    """The jobs of a session that had not ended."""
    return (jobs.c.session == session) & jobs.c.outcome.in_(_OPEN)


def is_its_head(session: str) -> ColumnElement[bool]:
    """The start of a head has succeeded for good; that the head is up is over with its session."""
    return (jobs.c.session == session) & (jobs.c.kind == _HEAD) & (jobs.c.outcome == "succeeded")


def _split(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[start : start + MAX_BATCH] for start in range(0, len(keys), MAX_BATCH))

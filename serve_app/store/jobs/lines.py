"""The history of jobs as JSON lines: one job a line, whole, so that it can be moved between databases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import RowMapping, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from organs.times import format_exactly
from serve_app.errors import InvalidInput
from serve_app.queries.job_names import build_key, build_plain_key
from serve_app.store.bounds import MAX_ID_CHARS
from serve_app.store.dialect import insert
from serve_app.store.jobs.content import check_content, read_content
from serve_app.store.jobs.details import MAX_LOG_EXCERPT_CHARS
from serve_app.store.jobs.rows import MAX_CONTENT_CHARS, MAX_TRANSITIONS
from serve_app.store.jobs.runs import adopt_rows_of_older_versions
from serve_app.store.migrations.sentences import NOTHING, read_ending
from serve_app.store.tables import job_transitions, jobs, sessions
from serve_app.strict import convert_to_utc

FORMAT = 1
PAGE = 200
# The longest that an export makes: each character of the texts beside the content may take twelve, as an escape.
MAX_LINE_CHARS = 2_097_152
MAX_CONTENT_LINE_CHARS = 4 * MAX_CONTENT_CHARS
# What the content says of a job as its columns do, and must say alike.
_SAID_TWICE = ("id", "session", "kind", "status", "outcome", "verdict", "rule")
_ENDING = frozenset({"error_type", "exit_code"})

# The last second that a calendar has: figures make times of these numbers.
_LAST_US = 253_402_300_799_000_000

_Time = Annotated[AwareDatetime, Field(strict=False), AfterValidator(convert_to_utc)]
# Cut as a row is that Ray told: whatever a version exported can be imported by the next.
_LONGEST_NAME_CHARS = MAX_CONTENT_CHARS
_Name = Field(max_length=_LONGEST_NAME_CHARS)
_OptionalName = Field(default=None, max_length=_LONGEST_NAME_CHARS)
_NAMES = (
    *("key", "id", "job_id", "submission_id", "kind", "series", "status"),
    *("outcome", "verdict", "rule", "cause", "name", "error_type", "code"),
)


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TransitionLine(_Strict):
    """One change of judgement."""

    at: _Time
    status: str = _Name
    outcome: str = _Name
    verdict: str = _Name
    rule: str = _Name
    reason: str = Field(max_length=2_000)


class JobLine(_Strict):
    """One line: a job with all that the history has of it."""

    format: int = Field(ge=FORMAT, le=FORMAT)
    key: str = _Name
    session: str = Field(min_length=1, max_length=256)
    id: str = _Name
    job_id: str | None = _OptionalName
    submission_id: str | None = _OptionalName
    kind: str = _Name
    series: str = _Name
    status: str = _Name
    outcome: str = _Name
    verdict: str = _Name
    rule: str = _Name
    cause: str | None = _OptionalName
    started_us: int = Field(ge=-1, le=_LAST_US)
    name: str = _Name
    ended_us: int | None = Field(default=None, ge=0, le=_LAST_US)
    duration_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    # Lines of before revision 0007 have neither: then what the content says is read.
    error_type: str | None = _OptionalName
    exit_code: int | None = Field(default=None, gt=-(2**62), lt=2**62)
    content: dict[str, Any]
    searchable: str = Field(max_length=16_000)
    log_excerpt: str | None = Field(default=None, max_length=MAX_LOG_EXCERPT_CHARS)
    code: str | None = _OptionalName
    diagnosis: dict[str, Any] | None = None
    first_seen_at: _Time
    updated_at: _Time
    transitions: tuple[TransitionLine, ...] = Field(default=(), max_length=MAX_TRANSITIONS, strict=False)


async def export_page(connection: AsyncConnection, after: str) -> list[dict[str, Any]]:
    """At most ``PAGE`` jobs whose keys come after this one, in the order of their keys."""
    rows = await connection.execute(select(jobs).where(jobs.c.key > after).order_by(jobs.c.key).limit(PAGE))
    found = {row["key"]: _render_line(row) for row in rows.mappings()}
    steps = select(job_transitions).where(job_transitions.c.key.in_(found)).order_by(job_transitions.c.number.desc())
    for step in (await connection.execute(steps)).mappings():
        told = found[step["key"]]["transitions"]
        if len(told) < MAX_TRANSITIONS:
            names = ("status", "outcome", "verdict", "rule", "reason")
            told.insert(0, {"at": format_exactly(step["at"]), **{name: step[name] for name in names}})
    return list(found.values())


async def import_lines(connection: AsyncConnection, now: datetime, lines: Sequence[str]) -> int:
    """Write lines that ``export_page`` made; a job that is here already stays unless the line is newer, of what both
    say now at the latest.

    Gives how many were written; raises ``InvalidInput`` for a line that is none, and then nothing is written.
    """
    written = 0
    for number, text in enumerate(lines, 1):
        line = _parse_line(number, text)
        # What is said to be of the future would win over all that comes, and its session would never be over.
        newest = min(line.updated_at, now)
        seen = {"first_seen_at": line.first_seen_at, "last_seen_at": newest, "closed_at": None}
        await connection.execute(
            insert(connection, sessions).values(session=line.session, **seen).on_conflict_do_nothing()
        )
        await adopt_rows_of_older_versions(connection, [line.key])
        values = line.model_dump(exclude={"format", "transitions"})
        kept = {"key"}
        if not _ENDING & line.model_fields_set:
            values["error_type"], values["exit_code"] = ending = read_ending(json.dumps(line.content))
            # What is known here is not taken back by a line that cannot know it.
            kept |= _ENDING if ending == NOTHING else frozenset()
        values["content"] = json.dumps(line.content, separators=(",", ":"))
        values["diagnosis"] = None if line.diagnosis is None else json.dumps(line.diagnosis, separators=(",", ":"))
        statement = insert(connection, jobs).values(**values)
        done = await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["key"],
                set_={name: statement.excluded[name] for name in values if name not in kept},
                where=or_(jobs.c.updated_at < newest, jobs.c.updated_at > now),
            ).returning(jobs.c.key)
        )
        if done.first() is None:
            continue
        written += 1
        await connection.execute(delete(job_transitions).where(job_transitions.c.key == line.key))
        steps = [{"key": line.key, **step.model_dump()} for step in line.transitions]
        if steps:
            await connection.execute(job_transitions.insert(), steps)
    return written


def _render_line(row: RowMapping) -> dict[str, Any]:
    times = {name: format_exactly(row[name]) for name in ("first_seen_at", "updated_at")}
    diagnosis = None if row["diagnosis"] is None else json.loads(row["diagnosis"])
    # As it is shown: a line that no import took would stop those after it.
    content = read_content(row["content"], row)
    return {"format": FORMAT, **row, **times, "content": content, "diagnosis": diagnosis, "transitions": []}


def _parse_line(number: int, text: str) -> JobLine:
    if len(text) > MAX_LINE_CHARS:
        raise InvalidInput(f"line {number} is longer than {MAX_LINE_CHARS} characters.", line=number)
    try:
        line = JobLine.model_validate(json.loads(text))
        # What could not be told as text could not be answered either.
        if len(json.dumps([line.content, line.diagnosis], allow_nan=False)) > MAX_CONTENT_LINE_CHARS:
            raise ValueError(f"its content is longer than {MAX_CONTENT_LINE_CHARS} characters")
        if _contains_nul(line.model_dump()):
            raise ValueError("it holds a NUL character")
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"line {number} is no job: {place}: {first['msg']}.", line=number) from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"line {number} is no job: {str(error)[:200]}.", line=number) from None
    row = line.content.get("row")
    key = _choose_key(line)
    if key is None or not isinstance(row, dict):
        raise InvalidInput(f"line {number} is no job: its key or its content does not fit.", line=number)
    if line.diagnosis is not None and "diagnosis" not in line.diagnosis:
        raise InvalidInput(f"line {number} is no job: diagnosis.diagnosis: Field required.", line=number)
    judged = {name: getattr(line, name) for name in _SAID_TWICE}
    try:
        content = check_content({**line.content, "row": {**row, **judged}})
    except ValueError as error:
        raise InvalidInput(f"line {number} is no job: {error}.", line=number) from None
    cut = {name: value[:MAX_ID_CHARS] for name in _NAMES if isinstance(value := getattr(line, name), str)}
    return line.model_copy(update={**cut, "key": key[:MAX_ID_CHARS], "content": content})


def _choose_key(line: JobLine) -> str | None:
    """The key of its run, also where an older version called it by its id alone; None for a key of another job."""
    started_us = None if line.started_us < 0 else line.started_us
    run = build_key(line.session, line.id, started_us, is_submission=line.submission_id is not None)
    if line.key in (run, build_plain_key(line.session, line.id)):
        return run
    # What stands for an id that was cut when it was kept cannot be worked out again.
    return line.key if len(line.id) >= MAX_ID_CHARS and line.key.startswith(f"{line.session}/") else None


def _contains_nul(value: Any) -> bool:
    """Looked for in the texts themselves: a log may well have the six characters of NUL's escape in it."""
    if isinstance(value, dict):
        return any(_contains_nul(name) or _contains_nul(inner) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return any(map(_contains_nul, value))
    return isinstance(value, str) and "\0" in value

"""What a job is called: ids may be given twice, be longer than a name of a file, or hold what no address can.

One run of a submission is told from another with its id by when it was submitted; jobs of Ray's own numbering and nodes
have ids of their own in a session. Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from organs.times import format_time

MAX_KEY_CHARS = 600
_RUN_MARK = "@"
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.:\-]{1,200}")
_RUN_KEY = re.compile(r"(?P<plain>.+)@(?P<started_ms>\d{1,15})", re.DOTALL)
_MOST_QUOTED_CHARS = 300
_SHOWN_CHARS, _TOLD_APART_BY = 80, 8
# ``job-driver-<id>.log`` is a name of at most 255 bytes (``JOB_LOGS_PATH_TEMPLATE`` of Ray).
_MOST_FILE_BYTES = 255 - len("job-driver-.log")


def build_key(session: str, id: str, started_us: int | None, *, is_submission: bool) -> str:
    """What a job is called among those of all sessions: ``session/id``, and of a submission ``@`` and the millisecond
    in which it was submitted."""
    plain = build_plain_key(session, id)
    run = f"{plain}{_RUN_MARK}{started_us // 1000}" if is_submission and started_us is not None else plain
    if len(run) <= MAX_KEY_CHARS:
        return run
    return f"{session}/{hash_id(id)}{run[len(plain) :]}"


def build_plain_key(session: str, id: str) -> str:
    """The same for one that is called by its id alone, as all were before runs were told apart."""
    return f"{session}/{id}"


def build_view_key(row: Mapping[str, Any]) -> str:
    """``build_key`` of a job as lists answer it."""
    started_at = parse_time(row.get("started_at"))
    started_us = None if started_at is None else count_us(started_at)
    session, id = str(row.get("session") or ""), str(row.get("id"))
    return build_key(session, id, started_us, is_submission=row.get("submission_id") is not None)


def parse_run_key(key: str) -> tuple[str, int] | None:
    """The plain key of a run, and its millisecond; None for a key that is no run's."""
    found = _RUN_KEY.fullmatch(key)
    return None if found is None else (found["plain"], int(found["started_ms"]))


def count_us(time: datetime) -> int:
    """Microseconds since 1970."""
    return round(time.timestamp() * 1_000_000)


def format_run(id: str, session: str, started_at: datetime | None) -> str:
    """By what one run is asked for: ``id@<when it began>``, or ``id@session`` where that is not known."""
    if started_at is None:
        return f"{id}{_RUN_MARK}{session}"
    return f"{id}{_RUN_MARK}{format_time(started_at)}"


def parse_run(wanted: str) -> tuple[str, int] | None:
    """The id and the millisecond that ``format_run`` had; None for another name."""
    id, mark, when = wanted.rpartition(_RUN_MARK)
    started_at = parse_time(when) if mark and id and "T" in when else None
    return None if started_at is None else (id, count_us(started_at) // 1000)


def parse_time(text: Any) -> datetime | None:
    """A time with a zone; None for anything else."""
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
        return None if time is None or time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def hash_id(id: str) -> str:
    """What stands for an id that is long or odd."""
    return f"~{hashlib.sha256(id.encode(errors='replace')).hexdigest()}"


def build_place_name(id: str, session: str) -> str:
    """A name that goes through cursors and addresses as it is; ids of several sessions are the same."""
    name = id if _PLAIN_ID.fullmatch(id) else hash_id(id)
    return f"{name}{_RUN_MARK}{session}" if session else name


def quote_id(id: str, session: str = "") -> str:
    """An id as it stands in an address; one that is too long for it by its hash and its session."""
    if _PLAIN_ID.fullmatch(id):
        return id
    quoted = quote(id, safe="", errors="replace")
    return quoted if len(quoted) <= _MOST_QUOTED_CHARS else build_place_name(id, session)


def shorten_id(id: str) -> str:
    """An id as it stands in sentences and tables: a long one by its beginning and what tells it from others."""
    if len(id) <= _SHOWN_CHARS:
        return id
    return f"{id[: _SHOWN_CHARS // 2]}…{hash_id(id)[: 1 + _TOLD_APART_BY]}"


def is_file_name(id: str) -> bool:
    """Whether Ray can make the log file of a submission with this id."""
    return "/" not in id and "\0" not in id and len(id.encode(errors="replace")) <= _MOST_FILE_BYTES

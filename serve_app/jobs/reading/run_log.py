"""Which part of its log file belongs to a run: Ray appends a run to the log of those before it with the same id.

Nearly all files hold one run, and their first piece says so by the time of Ray's first line. Otherwise the file is
looked through from its end, in pieces, for the line with which Ray's supervisor begins a run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from serve_app.cluster.dashboard import Piece
from serve_app.cluster.rows import read_time_ms
from serve_app.jobs.judging.run_marks import find_first_time, find_run_begin
from serve_app.jobs.models import JobRow

PIECE_BYTES = 1_048_576
MOST_SEARCHED_BYTES = 268_435_456
# More than any line that begins a run, but for an entrypoint of which the beginning is enough.
_OVERLAP_BYTES = 4_096
# Ray notes the start and writes its first line right after.
_AT_ONCE = timedelta(seconds=30)

ReadPiece = Callable[[str, int, int], Awaitable[Piece]]


@dataclass(frozen=True, slots=True)
class RunPart:
    """Where a run begins in its file. ``certain`` False: somewhere before, which was not looked at."""

    begin: int
    certain: bool = True


def is_run(row: JobRow, raw: Mapping[str, Any]) -> bool:
    """Whether Ray's present row under a job's id is of this run of it: another may have been given its id."""
    started_at = read_time_ms(raw.get("start_time"))
    return row.started_at is None or started_at is None or row.started_at == started_at


async def find_run_part(
    read_piece: ReadPiece, url: str, submission_id: str, started_at: datetime | None, first: Piece
) -> RunPart:
    """Where the last run in a file begins. ``first`` is its first piece, ``started_at`` when Ray noted that run.

    Raises what ``read_piece`` raises.
    """
    if _has_begun_then(first.data, started_at):
        # Whatever it prints of other jobs' logs.
        return RunPart(0)
    begin = find_run_begin(first.data, submission_id) or 0
    if len(first.data) >= first.size_bytes or _has_begun_then(first.data[begin:], started_at):
        return RunPart(begin)
    low = line = 0
    end, least = first.size_bytes, max(0, first.size_bytes - MOST_SEARCHED_BYTES)
    while end > least:
        start = max(least, end - PIECE_BYTES)
        # The lines with which a run begins may lie on both sides of where two pieces meet.
        low, high = max(0, start - _OVERLAP_BYTES), min(end + _OVERLAP_BYTES, first.size_bytes)
        data = (await read_piece(url, low, high - low)).data
        line = data.find(b"\n") + 1 if low > 0 else 0
        found = find_run_begin(data[line:], submission_id)
        if found is not None and (low + line + found >= start or low == 0):
            return RunPart(low + line + found)
        end = start
    return RunPart(begin) if least == 0 else RunPart(low + line, certain=False)


def _has_begun_then(data: bytes, started_at: datetime | None) -> bool:
    """By the clock of the head, on which this runs, too."""
    text = find_first_time(data)
    if text is None or started_at is None:
        return False
    try:
        begun = datetime.strptime(text, "%Y-%m-%d %H:%M:%S,%f")
    except ValueError:
        return False
    since = begun - started_at.astimezone().replace(tzinfo=None)
    return timedelta(milliseconds=-1) <= since <= _AT_ONCE

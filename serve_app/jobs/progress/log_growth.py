"""How a driver's log has grown, and whether the program wrote that or Ray. Pure.

Ray prints into the logs of all drivers what its autoscaler and its raylets have to say, of other jobs too: about once a
minute while anything in the cluster cannot be placed (``print_to_stdstream`` of ray/_private/worker.py).
"""

from __future__ import annotations

import re
from datetime import datetime

from serve_app.jobs.judging.run_marks import OF_RAY
from serve_app.jobs.progress.models import LogFacts
from serve_app.jobs.progress.rows import parse_written_at
from serve_app.redaction import redact, strip_controls

# More than this in one look is read as the program's own: Ray writes a few lines.
MOST_BYTES = 65_536
_LINE_CHARS = 200
_OF_RAY = re.compile(r"\((?:autoscaler|raylet|gcs_server)\b[^)]{0,80}\)")


def measure_growth(before: LogFacts | None, data: bytes, size_bytes: int, modified: str | None) -> LogFacts:
    """As ``grow_log``, with the time as a node's agent tells it."""
    return grow_log(before, data, size_bytes, parse_written_at(modified))


def grow_log(before: LogFacts | None, data: bytes, size_bytes: int, now: datetime | None) -> LogFacts:
    """``data``: what the log has after the ``size_bytes`` of ``before``, as far as it was read; ``now``: its time."""
    if before is None:
        return LogFacts(size_bytes, now)
    more = size_bytes - before.size_bytes
    if more == 0:
        return before
    by_ray = _count_ray_bytes(data) if more == len(data) else 0
    at = before.written_at if by_ray == more else now
    return LogFacts(size_bytes, at, before.by_ray_bytes + by_ray)


def find_last_line(data: bytes) -> str:
    """The last line that the program wrote, redacted and cut; empty: none of these bytes are its."""
    for line in reversed(data.splitlines()):
        text = strip_controls(line.decode(errors="replace")).strip()
        if text and not _OF_RAY.match(text) and not OF_RAY.search(text):
            return redact(text)[:_LINE_CHARS]
    return ""


def _count_ray_bytes(data: bytes) -> int:
    lines = data.splitlines(keepends=True)
    texts = [strip_controls(line.decode(errors="replace")).strip() for line in lines]
    return sum(len(line) for line, text in zip(lines, texts, strict=True) if not text or _OF_RAY.match(text))

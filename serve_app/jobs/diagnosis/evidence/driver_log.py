"""The log of a submission's driver as evidence: the part of this run, or what was kept of its end."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from serve_app.errors import AppError, NotFound
from serve_app.jobs.diagnosis.evidence import sentences
from serve_app.jobs.diagnosis.evidence.files import PIECE_BYTES, FilePieces
from serve_app.jobs.diagnosis.models import SourceKind, TextSource
from serve_app.jobs.models import JobRow
from serve_app.jobs.reading.run_log import ReadPiece, find_run_part
from serve_app.outcomes import JobOutcome

DRIVER_LOG_BYTES = 268_435_456
AGENT = re.compile(r"http://[A-Za-z0-9_.:\[\]-]{1,255}")

# What was kept of the end of a job's log; raises what the store raises.
KeptLog = Callable[[JobRow], Awaitable[str | None]]


async def open_driver_log(
    read_piece: ReadPiece, kept_log: KeptLog, row: JobRow, raw: Mapping[str, Any], files: FilePieces
) -> list[TextSource]:
    """One source or none; what is missing is noted in ``files``. ``raw`` is Ray's own row, ``{}`` if there is none."""
    if row.submission_id is None:
        if not row.derived:
            files.not_read.append("The driver's output: Ray keeps none of a driver that was started by hand.")
        return []
    agent = raw.get("driver_agent_http_address")
    if not (isinstance(agent, str) and AGENT.fullmatch(agent)):
        # Without a node there never was a log; a row that could not be had has said so.
        return await _read_kept(kept_log, row, files, "no node is known that has it") if raw == {} else []
    name = f"job-driver-{row.submission_id}.log"
    url = f"{agent}/logs/{quote(name, safe='')}"
    try:
        first = await read_piece(url, 0, PIECE_BYTES)
        part = await find_run_part(read_piece, url, row.submission_id, row.started_at, first)
    except NotFound:
        return await _read_kept(kept_log, row, files, "its node does not have it any more")
    except AppError as error:
        files.again = row.outcome is not JobOutcome.LOST
        return await _read_kept(kept_log, row, files, error.detail.removesuffix("."))
    if not part.certain:
        files.not_read.append(f"{name}: where this run begins in it was not found, so its end alone was read.")
    # Lines are counted from where the run begins.
    shown = f"{name} from byte {part.begin}" if part.begin else name
    reader = files.open_reader(shown, url, DRIVER_LOG_BYTES, first, begin=part.begin)
    return [TextSource(shown, SourceKind.DRIVER, reader)]


async def _read_kept(kept_log: KeptLog, row: JobRow, files: FilePieces, why: str) -> list[TextSource]:
    try:
        kept = await kept_log(row)
    except AppError as error:
        kept, why = None, f"{why}; the history: {error.detail.removesuffix('.')}"
    what = "only its last lines were kept" if kept else "nothing of it was kept"
    files.not_read.append(f"The driver's log: {why}; {what}.")
    return [sentences.build_source("kept end of the driver's log", kept, SourceKind.DRIVER)] if kept else []

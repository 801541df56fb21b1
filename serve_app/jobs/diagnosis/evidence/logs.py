"""Logs as evidence: of a submission's driver the part of this run, or what was kept of its end; and of Ray's own
processes, which are of all jobs, their ends, only where what Ray says of a job suspects them.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from serve_app.cluster.dashboard import Piece
from serve_app.errors import AppError, NotFound
from serve_app.jobs.diagnosis.evidence import sentences
from serve_app.jobs.diagnosis.evidence.files import PIECE_BYTES, FilePieces
from serve_app.jobs.diagnosis.models import SourceKind, TextSource
from serve_app.jobs.models import JobRow
from serve_app.jobs.reading.run_log import ReadPiece, find_run_part
from serve_app.outcomes import JobOutcome

DRIVER_LOG_BYTES = 268_435_456
AGENT = re.compile(r"http://[A-Za-z0-9_.:\[\]-]{1,255}")
SYSTEM_LOG_BYTES = 262_144
MOST_NODES = 4
_HEX = re.compile(r"[0-9a-f]{1,64}")
_NODE_SUSPECTED = re.compile(r"raylet|node .{0,80}(?:died|dead|failed)|NODE_DIED|OUT_OF_MEMORY|memory pressure", re.I)
_ENVIRONMENT_SUSPECTED = re.compile(r"runtime_?env|RUNTIME_ENV", re.I)
_START_SUSPECTED = re.compile(r"worker startup|startup worker|WORKER_STARTUP_FAILED", re.I)
# Where Ray says that the start of a process failed, it names the node.
_START_NODE = re.compile(r"raylet\.err on node (?P<node>[0-9a-f]{8,64})")

# What was kept of the end of a job's log; raises what the store raises.
KeptLog = Callable[[JobRow], Awaitable[str | None]]


async def open_driver_log(
    read_piece: ReadPiece, kept_log: KeptLog, row: JobRow, raw: Mapping[str, Any], files: FilePieces
) -> list[TextSource]:
    """One source or none; what is missing is noted in ``files``. ``raw`` is Ray's own row, ``{}`` if there is none.

    The file is read from where this run begins: from its start where the time in Ray's first line is that of this run,
    else from the last line with which a run begins, if there is one (``run_log``).
    """
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


class SystemLogReader:
    """Reads for one job. ``find_agent`` tells the address of a node's agent; ``files`` is told what cannot be had."""

    def __init__(
        self,
        read_piece: Callable[[str, int, int], Awaitable[Piece]],
        find_agent: Callable[[str], Awaitable[str | None]],
        files: FilePieces,
    ) -> None:
        self._read_piece = read_piece
        self._find_agent = find_agent
        self._files = files

    async def read(self, job_id: str, nodes: Sequence[str], words: str, *, is_lost: bool) -> list[TextSource]:
        """What ``words``, or that the job is lost, suspects on the first of its nodes."""
        found = []
        if not nodes:
            return []
        if _ENVIRONMENT_SUSPECTED.search(words) and _HEX.fullmatch(job_id):
            found.append(await self._read_end(nodes[0], f"runtime_env_setup-{job_id}.log"))
        if is_lost or _NODE_SUSPECTED.search(words):
            found.append(await self._read_end(nodes[0], "raylet.out"))
        return [source for source in found if source is not None]

    async def read_start(self, nodes: Sequence[str], words: str, *, is_suspected: bool = False) -> list[TextSource]:
        """What the start of processes wrote, where Ray could not start one, or may not be able to: on the node that
        ``words`` name, or else on these.
        """
        if not is_suspected and not _START_SUSPECTED.search(words):
            return []
        named = _START_NODE.search(words)
        wanted = nodes[:MOST_NODES] if named is None else [named["node"]]
        found = [await self._read_end(node_id, "raylet.err") for node_id in wanted]
        return [source for source in found if source is not None]

    async def _read_end(self, node_id: str, name: str) -> TextSource | None:
        """The end of a log; one that is not there is nothing to speak of."""
        agent = await self._find_agent(node_id)
        if agent is None:
            self._files.not_read.append(f"{name} of node {node_id[:12]}: its agent is not known.")
            return None
        try:
            piece = await self._read_piece(f"{agent}/logs/{name}", -SYSTEM_LOG_BYTES, SYSTEM_LOG_BYTES)
        except NotFound:
            return None
        except AppError as error:
            self._files.not_read.append(f"{name} of node {node_id[:12]}: {error.detail}")
            return None
        data = piece.data if piece.start == 0 else piece.data[piece.data.find(b"\n") + 1 :]
        return TextSource(f"{name} (end)" if piece.start else name, SourceKind.SYSTEM, [data]) if data else None

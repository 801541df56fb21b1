"""Logs of Ray's own processes, which are of all jobs: their ends, only where what Ray says of a job suspects them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence

from serve_app.cluster.dashboard import Piece
from serve_app.errors import AppError, NotFound
from serve_app.jobs.diagnosis.evidence.files import FilePieces
from serve_app.jobs.diagnosis.models import SourceKind, TextSource

SYSTEM_LOG_BYTES = 262_144
MOST_NODES = 4
_HEX = re.compile(r"[0-9a-f]{1,64}")
_NODE_SUSPECTED = re.compile(r"raylet|node .{0,80}(?:died|dead|failed)|NODE_DIED|OUT_OF_MEMORY|memory pressure", re.I)
_ENVIRONMENT_SUSPECTED = re.compile(r"runtime_?env|RUNTIME_ENV", re.I)
_START_SUSPECTED = re.compile(r"worker startup|startup worker|WORKER_STARTUP_FAILED", re.I)
# Where Ray says that the start of a process failed, it names the node.
_START_NODE = re.compile(r"raylet\.err on node (?P<node>[0-9a-f]{8,64})")


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

"""One node with its files, Ray's tables, and what the engine would be given, without Ray."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from typing import Any

from serve_app.cluster.dashboard import Listing, Piece
from serve_app.errors import AppError, NotFound
from serve_app.jobs.diagnosis.evidence.gather import GatheredEvidence
from serve_app.jobs.models import JobFacts, JobRow, JobType

AGENT = "http://10.0.0.7:52365"
STARTED = datetime(2026, 1, 1, 11, 50, tzinfo=UTC)
ENDED = datetime(2026, 1, 1, 11, 59, tzinfo=UTC)
ENDED_MS = ENDED.timestamp() * 1_000


@dataclass
class FakeEvidence:
    """``dashboard.DashboardClient`` as gathering asks it; ``fail`` is raised by the question of that name."""

    raw: dict[str, Any] = field(default_factory=lambda: {"driver_agent_http_address": AGENT, "driver_node_id": "n1"})
    files: dict[str, bytes] = field(default_factory=dict)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    fail: dict[str, AppError] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    async def get_job(self, submission_id: str) -> dict[str, Any]:
        self._say("job", submission_id)
        return self.raw

    async def read_piece(self, url: str, start: int, most_bytes: int) -> Piece:
        self._say("piece_of", (url, start, most_bytes))
        name = url.rsplit("/", 1)[1]
        if name not in self.files:
            raise NotFound("There is no such log.")
        data = self.files[name]
        begin = max(0, len(data) + start) if start < 0 else start
        return Piece(data[begin : begin + most_bytes], begin, len(data))

    async def list_rows(self, table: str, most_rows: int, **equals: str) -> Listing:
        self._say(table, equals)
        rows = [row for row in self.tables.get(table, ()) if all(row.get(name) == equals[name] for name in equals)]
        return Listing(rows[:most_rows])

    async def list_log_files(self, node_id: str, pattern: str) -> list[str]:
        self._say("log_files", (node_id, pattern))
        return [name for name in sorted(self.files) if node_id == "n1" and fnmatch(name, pattern)]

    def _say(self, name: str, argument: Any) -> None:
        self.asked.append((name, argument))
        if name in self.fail:
            raise self.fail[name]


def facts(**changes: Any) -> JobFacts:
    values: dict[str, Any] = {
        "id": "j", "type": JobType.SUBMISSION, "status": "FAILED", "message": "short", "exit_code": 1,
        "error_type": "JOB_ENTRYPOINT_COMMAND_ERROR",
    }  # fmt: skip
    return JobFacts(**{**values, **changes})


async def texts(gathered: GatheredEvidence) -> list[tuple[str, str, str]]:
    """Name, kind and text of each source, read as the engine reads them: in a thread."""

    def read() -> list[tuple[str, str, str]]:
        return [
            (each.name, str(each.kind), b"".join(each.chunks() if callable(each.chunks) else each.chunks).decode())
            for each in gathered.sources
        ]

    return await asyncio.to_thread(read)


async def nothing_kept(row: JobRow) -> str | None:
    return None

"""Ray's jobs from memory, as the management asks them, and rows of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from serve_app.cluster.dashboard import Listing, Piece
from serve_app.errors import AppError, NotFound, UpstreamFailed
from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.models import JobRow, JobType, Verdict
from serve_app.outcomes import JobOutcome

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
AGENT = "http://10.0.0.7:52365"


def row(id: str = "j", **changes: Any) -> JobRow:
    values: dict[str, Any] = {
        "id": id, "job_id": None, "submission_id": id, "type": JobType.SUBMISSION, "kind": "user", "entrypoint": "x",
        "status": "FAILED", "outcome": JobOutcome.FAILED, "verdict": Verdict.BAD, "reason": "", "rule": "",
        "scheduled_by": "", "managed_by": "", "started_at": None, "ended_at": None, "duration_s": None,
        "node_id": "n1", "metadata": {}, "derived": False, "hidden": False, "evidence": (),
    }  # fmt: skip
    return JobRow(**{**values, **changes})


@dataclass
class Clock:
    """Time that passes by pausing alone."""

    seconds: float = 0.0
    on_pause: Callable[[float], None] | None = None

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    async def pause(self, seconds: float) -> None:
        self.seconds += seconds
        if self.on_pause is not None:
            self.on_pause(self.seconds)


@dataclass
class FakeRay:
    """``dashboard.DashboardClient`` over a dict of jobs and one log."""

    jobs_by_id: dict[str, dict[str, Any]] = field(default_factory=dict)
    drivers: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    fail: dict[str, AppError] = field(default_factory=dict)
    log: bytes | None = b""
    rows: dict[str, JobRow] = field(default_factory=dict)
    supervised: bool = True
    runs: tuple[DriverRun, ...] = ()
    diagnosis: Any = None
    restored: dict[str, JobRow] = field(default_factory=dict)

    async def list_runs(self, submission_id: str) -> tuple[DriverRun, ...]:
        return tuple(each for each in self.runs if each.submission_id == submission_id)

    async def find_diagnosis(self, row: JobRow) -> Any:
        return self.diagnosis

    async def restore_judgement(self, row: JobRow) -> JobRow:
        return self.restored.get(row.id, row)

    async def find(self, id: str) -> Any:
        if id not in self.rows:
            raise NotFound("There is no job.", code="job_not_found")
        return self.rows[id], None, None

    async def get_job(self, submission_id: str) -> dict[str, Any]:
        self._say("job", submission_id)
        if submission_id not in self.jobs_by_id:
            raise NotFound("Ray does not know it.")
        return self.jobs_by_id[submission_id]

    async def submit_job(self, payload: dict[str, Any]) -> str:
        self._say("submit", payload)
        id = payload["submission_id"]
        if id in self.jobs_by_id:
            raise UpstreamFailed("Job with submission_id already exists.")
        self.jobs_by_id[id] = {**payload, "status": "PENDING"}
        return str(id)

    async def stop_job(self, submission_id: str) -> bool:
        self._say("stop", submission_id)
        return self.supervised

    async def delete_job(self, submission_id: str) -> bool:
        self._say("delete", submission_id)
        return self.jobs_by_id.pop(submission_id, None) is not None

    async def list_drivers(self) -> Listing:
        self._say("drivers", None)
        return Listing(self.drivers)

    async def read_piece(self, url: str, start: int, most_bytes: int) -> Piece:
        self._say("piece", (url, start, most_bytes))
        if self.log is None:
            raise NotFound("There is no such log.")
        begin = max(0, len(self.log) + start) if start < 0 else min(start, len(self.log))
        return Piece(self.log[begin : begin + most_bytes], begin, len(self.log))

    def count(self, what: str) -> int:
        return sum(name == what for name, _ in self.asked)

    def _say(self, name: str, argument: Any) -> None:
        self.asked.append((name, argument))
        if name in self.fail:
            raise self.fail[name]


def driver(job_id: str, *, alive: bool) -> dict[str, Any]:
    return {
        "worker_id": job_id + "f" * 48, "worker_type": "DRIVER", "is_alive": alive, "pid": 7,
        "exit_type": None if alive else "SYSTEM_ERROR", "start_time_ms": 1_000, "end_time_ms": 0 if alive else 2_000,
    }  # fmt: skip

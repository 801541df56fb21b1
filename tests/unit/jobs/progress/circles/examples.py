"""A task, actor and worker table to ask, recorded or made; and rounds over them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from serve_app.cluster.dashboard import Listing, Piece
from serve_app.errors import Unavailable
from serve_app.jobs.models import Known
from serve_app.jobs.progress.circles.attempts import ActorTurns
from serve_app.jobs.progress.circles.questions import AttemptQuestions
from serve_app.jobs.progress.circles.seeker import Round
from tests.unit.jobs.recordings import DIRECTORY

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CIRCLES = DIRECTORY / "circles"


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def to_ms(time: datetime) -> float:
    return time.timestamp() * 1000


def recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CIRCLES / f"{name}.json").read_text())
    return found


class TableRay:
    """Answers of the state API from rows; ``logs`` by the name of the file."""

    def __init__(
        self, tasks: list[Any], workers: list[Any] | None = None, logs: dict[str, bytes] | None = None
    ) -> None:
        self.tasks, self.workers, self.logs = tasks, workers or [], logs or {}
        self.asked: list[tuple[tuple[str, str, str], ...]] = []
        self.down = False

    async def list_matching(
        self, table: str, filters: Iterable[tuple[str, str, str]], most_rows: int
    ) -> tuple[list[Any], int]:
        assert table == "tasks"
        if self.down:
            raise Unavailable("Ray does not answer.", code="ray_unavailable")
        wanted = tuple(filters)
        self.asked.append(wanted)
        rows = [row for row in self.tasks if all((str(row[k]) == v) == (how == "=") for k, how, v in wanted)]
        rows.sort(key=lambda row: row["task_id"])
        return rows[:most_rows], len(rows)

    async def list_workers(self, pid: int) -> Listing:
        return Listing([row for row in self.workers if row["pid"] == pid])

    async def read_piece(self, url: str, start: int, most_bytes: int) -> Piece:
        data = self.logs[url.rpartition("/")[2]]
        return Piece(data[start:], 0, len(data))


def task(
    id: str, state: str, number: int = 0, *, ended: float = 0.0, job: str = "01000000", **more: Any
) -> dict[str, Any]:
    """A row of the task table; ``ended`` in seconds from ``NOW``."""
    return {
        "task_id": id,
        "attempt_number": number,
        "name": "shard",
        "state": state,
        "job_id": job,
        "actor_id": None,
        "type": "NORMAL_TASK",
        "node_id": "n1",
        "worker_id": "w1",
        "worker_pid": 41,
        "error_type": "TASK_EXECUTION_EXCEPTION" if state == "FAILED" else None,
        "error_message": "User exception:\nValueError: bad row" if state == "FAILED" else None,
        "end_time_ms": to_ms(at(ended)) if state in ("FAILED", "FINISHED") else None,
    } | more


async def build_round(ray: TableRay, time: datetime, *, ended: dict[str, datetime] | None = None, **more: Any) -> Round:
    """A round as the tables tell it: all jobs run but ``ended``."""
    attempts = await AttemptQuestions(ray).ask_attempts()
    assert isinstance(attempts, Known)
    unfinished = frozenset(row["task_id"] for row in ray.tasks if row["state"] not in ("FAILED", "FINISHED"))
    jobs = {row["job_id"] for row in ray.tasks}
    given: dict[str, Any] = {"actors": (), "owners": {}, "unfinished": unfinished}
    return Round(time, attempts.value, running=jobs - set(ended or {}), ended=ended or {}, **given | more)


def list_actors(rows: list[Any]) -> tuple[ActorTurns, ...]:
    """Actors that were restarted, of recorded rows."""
    return tuple(
        ActorTurns(
            row["job_id"],
            row["actor_id"],
            row["name"] or row["class_name"],
            row["state"],
            int(row["num_restarts"]),
            row["pid"],
            row["node_id"],
        )
        for row in rows
        if int(row["num_restarts"]) and row["state"] != "DEAD"
    )

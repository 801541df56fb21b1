"""What Ray's own tables have of a job, asked of its dashboard and not of the application."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from tests.zoo.observation import Facts

_MOST_ROWS = "10000"
_ENDED = ("FINISHED", "FAILED")


class RayTables:
    """Asks one dashboard."""

    def __init__(self, url: str) -> None:
        self._api = httpx.Client(base_url=url, timeout=40)

    def close(self) -> None:
        """Let go of the connections."""
        self._api.close()

    def find_row(self, id: str) -> dict[str, Any] | None:
        """Ray's row of a submission, or of a driver that was started with ``zoo=<id>``; the newest."""
        rows: list[dict[str, Any]] = self._get_json("/api/jobs/")
        same = [row for row in rows if row.get("submission_id") == id or is_driver_of(row, id)]
        return max(same, key=lambda row: float(row.get("start_time") or 0), default=None)

    def read_facts(self, id: str) -> Facts:
        """All that is asked of a job."""
        row = self.find_row(id)
        if row is None:
            return Facts()
        job_id = row.get("job_id")
        tasks = self._list_rows("tasks", job_id) if job_id else []
        actors = self._list_rows("actors", job_id) if job_id else []
        return build_facts(row, tasks, actors, self.read_log(id) if row.get("submission_id") else "")

    def read_log(self, id: str) -> str:
        """Its driver's log, as Ray gives it; empty when there is none."""
        answer = self._api.get(f"/api/jobs/{quote(id, safe='')}/logs")
        return str(answer.json().get("logs") or "") if answer.status_code == 200 else ""

    def _list_rows(self, table: str, job_id: str) -> list[dict[str, Any]]:
        params = {
            "limit": _MOST_ROWS, "detail": "True", "filter_keys": "job_id", "filter_predicates": "=",
            "filter_values": job_id,
        }  # fmt: skip
        answer = self._get_json(f"/api/v0/{table}", params)
        rows: list[dict[str, Any]] = answer["data"]["result"]["result"]
        return rows

    def _get_json(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        answer = self._api.get(path, params=params)
        answer.raise_for_status()
        return answer.json()


def is_driver_of(row: Mapping[str, Any], id: str) -> bool:
    """Whether a row of a list is the driver that a table calls so; its command ends with the name."""
    command = str(row.get("entrypoint") or "").rstrip(" '\"")
    return row.get("type") == "DRIVER" and command.endswith(f"zoo={id}")


def build_facts(
    row: Mapping[str, Any], tasks: Iterable[Mapping[str, Any]], actors: Iterable[Mapping[str, Any]], log: str
) -> Facts:
    """Count the attempts of tasks by name and state, and the restarts of actors."""
    failed: Counter[str] = Counter()
    finished: Counter[str] = Counter()
    unfinished: Counter[str] = Counter()
    attempts: Counter[str] = Counter()
    for task in tasks:
        name, state = str(task.get("name")), str(task.get("state"))
        (failed if state == "FAILED" else finished if state == "FINISHED" else unfinished)[name] += 1
        attempts[str(task.get("task_id"))] += state == "FAILED"
    restarts = [int(actor.get("num_restarts") or 0) for actor in actors]
    exit_code = row.get("driver_exit_code")
    return Facts(
        str(row.get("status")), None if exit_code is None else int(exit_code), failed, finished, unfinished,
        max(attempts.values(), default=0), max(restarts, default=0), log,
    )  # fmt: skip

"""Answers of a real Ray 2.60, recorded by ``tests/record``, and a source that replays or withholds them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from serve_app.cluster.dashboard import Listing
from serve_app.errors import Unavailable

DIRECTORY = Path(__file__).parents[1] / "recorded" / "ray-2.60"
SINGLE_NODE = DIRECTORY / "single-node"
# What proves a kind of ours, beside what the metadata say.
PROGRAMS = {
    "application-server": "uvicorn app:app --port 1",
    "coa-initialization": "python -m serve_app.organism.initialization --application seedcore --submission-id a",
}


def answer(name: str, directory: Path = SINGLE_NODE) -> Any:
    """One endpoint's answer; of jobs that were recorded as stand-ins for ours, with the program that ours run.

    Those only said of themselves what they were, which proves nothing (``judging.kinds``).
    """
    found = json.loads((directory / f"{name}.json").read_text())
    if name == "jobs":
        for row in found:
            claimed = (row.get("metadata") or {}).get("seedcore.kind")
            row["entrypoint"] = PROGRAMS.get(claimed, row.get("entrypoint"))
    return found


def rows(name: str, directory: Path = SINGLE_NODE) -> list[Any]:
    """The rows of one of the state API's lists."""
    found: list[Any] = answer(name, directory)["data"]["result"]["result"]
    return found


def taken_at(directory: Path = SINGLE_NODE) -> datetime:
    """When the recording was made; where it does not say so, five seconds after the last job of it began."""
    if (directory / "moment.json").exists():
        return datetime.fromtimestamp(answer("moment", directory)["taken_at_ms"] / 1000, UTC)
    began_ms = max(row["start_time"] for row in answer("jobs", directory))
    return datetime.fromtimestamp(began_ms / 1000, UTC) + timedelta(seconds=5)


def answers(directory: Path) -> dict[str, Any]:
    """All answers of a recording, for ``Replay``."""
    return {
        "jobs": answer("jobs", directory),
        **{name: Listing(rows(name, directory)) for name in ("drivers", "actors", "nodes")},
        "waiting": Listing(rows("pending_actors", directory)),
        "serve": answer("serve", directory),
        "tasks": {job_id: found["data"]["result"] for job_id, found in answer("tasks", directory).items()},
    }


NODE = rows("nodes")[0]


class Replay:
    """``reading.snapshot.ClusterSource`` from memory. ``fail`` maps a question to the sentence with which it fails."""

    def __init__(self, **changed: Any) -> None:
        self.answers: dict[str, Any] = {
            **answers(SINGLE_NODE),
            "workers": Listing([{"node_id": NODE["node_id"], "start_time_ms": NODE["start_time_ms"] + 5_000}]),
            "unfinished": {},
            "autoscaler": {"result": True, "data": {"autoscalingError": None, "clusterStatus": None}},
            "node_use": answer("node_use")["data"]["summary"],
            **changed,
        }
        self.fail: dict[str, str] = {}
        self.asked: list[str] = []
        self.timeout_s = 1.0
        self.question_count = 0

    async def list_jobs(self) -> list[Any]:
        return self._say("jobs")  # type: ignore[no-any-return]

    async def list_drivers(self) -> Listing:
        return self._say("drivers")  # type: ignore[no-any-return]

    async def list_actors(self, **equals: str) -> Listing:
        return self._say("actors", **equals)  # type: ignore[no-any-return]

    async def list_workers(self, pid: int) -> Listing:
        return self._say("workers")  # type: ignore[no-any-return]

    async def list_waiting_actors(self) -> Listing:
        return self._say("waiting")  # type: ignore[no-any-return]

    async def list_nodes(self) -> Listing:
        return self._say("nodes")  # type: ignore[no-any-return]

    async def get_serve_applications(self) -> dict[str, Any]:
        return self._say("serve")  # type: ignore[no-any-return]

    async def get_autoscaler_status(self) -> dict[str, Any]:
        return self._say("autoscaler")  # type: ignore[no-any-return]

    async def summarize_tasks(self, job_id: str) -> dict[str, Any]:
        summaries: dict[str, dict[str, Any]] = self._say("tasks")
        return summaries.get(job_id, _NO_TASKS)

    async def list_matching(self, table: str, filters: Any, most_rows: int) -> tuple[list[Any], int]:
        """Tasks that had not finished, by job id; of no other table were rows recorded by job."""
        wanted = {name: value for name, _, value in filters}.get("job_id")
        found = self._say("unfinished").get(wanted, []) if table == "tasks" else []
        return found, len(found)

    async def list_node_use(self) -> list[Any]:
        return self._say("node_use")  # type: ignore[no-any-return]

    async def close(self) -> None:
        self.asked.append("close")

    def _say(self, name: str, **equals: str) -> Any:
        whole = " ".join([name, *(f"{key}={value}" for key, value in equals.items())])
        self.asked.append(whole)
        if name in self.fail:
            raise Unavailable(self.fail[name], code="ray_unavailable")
        return self.answers.get(whole, self.answers[name])


_NO_TASKS: dict[str, Any] = {
    "total": 0,
    "num_after_truncation": 0,
    "num_filtered": 0,
    "result": {
        "node_id_to_summary": {
            "cluster": {
                "summary": {},
                "summary_by": "func_name",
                "total_actor_scheduled": 0,
                "total_actor_tasks": 0,
                "total_tasks": 0,
            }
        }
    },
}

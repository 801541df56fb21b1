"""Answers of a real Ray 2.60, recorded by ``tests/record_cluster.py``, and a source that replays or withholds them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from serve_app.dashboard import Listing
from serve_app.errors import Unavailable

DIRECTORY = Path(__file__).parents[1] / "recorded" / "ray-2.60"
FAULTS = DIRECTORY.with_name("ray-2.60-faults")


def answer(name: str, directory: Path = DIRECTORY) -> Any:
    """One endpoint's answer."""
    return json.loads((directory / f"{name}.json").read_text())


def rows(name: str, directory: Path = DIRECTORY) -> list[Any]:
    """The rows of one of the state API's lists."""
    found: list[Any] = answer(name, directory)["data"]["result"]["result"]
    return found


def taken_at(directory: Path = DIRECTORY) -> datetime:
    """Five seconds after the last job of the recording began."""
    began_ms = max(row["start_time"] for row in answer("jobs", directory))
    return datetime.fromtimestamp(began_ms / 1000, UTC) + timedelta(seconds=5)


def faults() -> dict[str, Any]:
    """Answers of the recording of faults, for ``Replay``."""
    return {
        "jobs": answer("jobs", FAULTS),
        **{name: Listing(rows(name, FAULTS)) for name in ("drivers", "actors", "nodes", "waiting")},
        "serve": answer("serve", FAULTS),
        "tasks": answer("tasks", FAULTS)["data"]["result"],
    }


NODE = rows("nodes")[0]


class Replay:
    """``ray_source.Source`` from memory. ``fail`` maps a question to the sentence with which it fails."""

    def __init__(self, **changed: Any) -> None:
        self.answers: dict[str, Any] = {
            "jobs": answer("jobs"),
            "drivers": Listing(rows("drivers")),
            "actors": Listing(rows("actors")),
            "nodes": Listing(rows("nodes")),
            "waiting": Listing([]),
            "workers": Listing([{"node_id": NODE["node_id"], "start_time_ms": NODE["start_time_ms"] + 5_000}]),
            "serve": answer("serve"),
            "tasks": answer("tasks")["data"]["result"],
            "node_use": answer("node_use")["data"]["summary"],
            **changed,
        }
        self.fail: dict[str, str] = {}
        self.asked: list[str] = []
        self.timeout_s = 1.0

    async def jobs(self) -> list[Any]:
        return self._say("jobs")  # type: ignore[no-any-return]

    async def drivers_of_workers(self) -> Listing:
        return self._say("drivers")  # type: ignore[no-any-return]

    async def actors(self, **equals: str) -> Listing:
        return self._say("actors", **equals)  # type: ignore[no-any-return]

    async def workers_of(self, pid: int) -> Listing:
        return self._say("workers")  # type: ignore[no-any-return]

    async def waiting_actors(self) -> Listing:
        return self._say("waiting")  # type: ignore[no-any-return]

    async def nodes(self) -> Listing:
        return self._say("nodes")  # type: ignore[no-any-return]

    async def serve_applications(self) -> dict[str, Any]:
        return self._say("serve")  # type: ignore[no-any-return]

    async def tasks_summary(self, job_id: str) -> dict[str, Any]:
        return self._say("tasks")  # type: ignore[no-any-return]

    async def node_use(self) -> list[Any]:
        return self._say("node_use")  # type: ignore[no-any-return]

    async def close(self) -> None:
        self.asked.append("close")

    def _say(self, name: str, **equals: str) -> Any:
        self.asked.append(" ".join([name, *(f"{key}={value}" for key, value in equals.items())]))
        if name in self.fail:
            raise Unavailable(self.fail[name], code="ray_unavailable")
        return self.answers[name]

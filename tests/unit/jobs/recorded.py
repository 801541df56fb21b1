"""Answers of a real Ray 2.60, recorded by ``tests/record``, and a source that replays or withholds them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serve_app.dashboard import Listing
from serve_app.errors import Unavailable

DIRECTORY = Path(__file__).parents[1] / "recorded" / "ray-2.60"
SINGLE_NODE = "single-node"


def answer(name: str, scenario: str = SINGLE_NODE) -> Any:
    """One endpoint's answer."""
    return json.loads((DIRECTORY / scenario / f"{name}.json").read_text())


def rows(name: str, scenario: str = SINGLE_NODE) -> list[Any]:
    """The rows of one of the state API's lists."""
    found: list[Any] = answer(name, scenario)["data"]["result"]["result"]
    return found


def taken_at(scenario: str = SINGLE_NODE) -> datetime:
    """When the recording was made."""
    return datetime.fromtimestamp(answer("moment", scenario)["taken_at_ms"] / 1000, UTC)


class Replay:
    """``ray_source.Source`` from memory. ``fail`` maps a question to the sentence with which it fails."""

    def __init__(self, scenario: str = SINGLE_NODE, **changed: Any) -> None:
        self.answers: dict[str, Any] = {
            "jobs": answer("jobs", scenario),
            "drivers": Listing(rows("drivers", scenario)),
            "actors": Listing(rows("actors", scenario)),
            "nodes": Listing(rows("nodes", scenario)),
            "serve": answer("serve", scenario),
            "tasks": {job_id: found["data"]["result"] for job_id, found in answer("tasks", scenario).items()},
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

    async def nodes(self) -> Listing:
        return self._say("nodes")  # type: ignore[no-any-return]

    async def serve_applications(self) -> dict[str, Any]:
        return self._say("serve")  # type: ignore[no-any-return]

    async def tasks_summary(self, job_id: str) -> dict[str, Any]:
        summaries: dict[str, dict[str, Any]] = self._say("tasks")
        return summaries.get(job_id, _NO_TASKS)

    async def close(self) -> None:
        self.asked.append("close")

    def _say(self, name: str, **equals: str) -> Any:
        self.asked.append(" ".join([name, *(f"{key}={value}" for key, value in equals.items())]))
        if name in self.fail:
            raise Unavailable(self.fail[name], code="ray_unavailable")
        return self.answers[name]


_NO_TASKS: dict[str, Any] = {"total": 0, "num_filtered": 0, "result": {"node_id_to_summary": {}}}

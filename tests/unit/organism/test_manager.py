"""The manager's answer to who wants the organism initialized."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serve_app.errors import OUT_OF_SPACE
from serve_app.organism.manager import OrganismManager
from serve_app.organism.reconcile import Initialization
from serve_app.organism.submission import name_submission
from serve_app.store.errors import StoreUnavailable


class Runs:
    def __init__(self, failure: StoreUnavailable | None = None) -> None:
        self.failure = failure

    async def ping(self) -> dict[str, Any]:
        if self.failure is not None:
            raise self.failure
        return {"backend": "sqlite", "latency_s": 0.0}

    async def latest_initialization(self, config_hash: str | None = None) -> dict[str, Any] | None:
        return {
            "state": "succeeded", "sentence": "2 organs answer.", "submission_id": "old", "started_at": None,
            "ended_at": None,
        }  # fmt: skip


class Dashboard:
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    async def list_jobs(self) -> list[dict[str, Any]]:
        return self.rows


class Manager(OrganismManager):
    """Without a cluster: what is submitted is listed, and ends at once."""

    def __init__(self, runs: Runs) -> None:
        self._runs, self._dashboard = runs, Dashboard()  # type: ignore[assignment]
        self._submitting = asyncio.Lock()
        self._initialization = Initialization("due", "")
        self._generation = "g"
        self._config = type("Config", (), {"initialization_attempts": 3, "initialize_on_start": True})()
        self.submitted: list[str] = []

    async def _submit(self, submission_id: str, *, force: bool) -> None:
        self.submitted.append(submission_id)
        self._dashboard.rows.append({"submission_id": submission_id, "status": "SUCCEEDED"})  # type: ignore[attr-defined]


async def test_the_same_request_again_submits_no_second_job() -> None:
    manager = Manager(Runs())
    first = await manager.initialize_once(True, "own:1")
    again = await manager.initialize_once(True, "own:1")
    other = await manager.initialize_once(True, "own:2")
    assert (first, again["submission_id"], other["state"]) == (
        {
            "submission_id": name_submission("own:1"),
            "state": "submitted",
            "message": "Initialization was submitted.",
        },
        first["submission_id"],
        "submitted",
    )
    assert manager.submitted == [name_submission("own:1"), name_submission("own:2")]


async def test_nothing_is_submitted_while_the_store_cannot_be_written() -> None:
    manager = Manager(Runs(StoreUnavailable("The disk is full.", code=OUT_OF_SPACE)))
    with pytest.raises(StoreUnavailable) as refused:
        await manager.initialize_once(True, "own:1")
    assert (refused.value.status, manager.submitted) == (507, [])

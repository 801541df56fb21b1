"""The history outlives the cluster: another head is another session, and nothing is mixed up."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.integration.cluster import TOKENS, Cluster, running, wait_for


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="seedcore-again-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_jobs_of_an_earlier_session_stay_and_ids_do_not_collide(home: Path) -> None:
    env = {f"SEEDCORE_{role.upper()}_TOKEN": token for role, token in TOKENS.items()}
    with running(home, env) as cluster:
        assert cluster.run_driver("import ray; ray.init()").returncode == 0
        _submit(cluster, "of-the-first", "python -c \"raise SystemExit('no such table')\"")
        wait_for("its end", lambda: cluster.get("/jobs/of-the-first")["outcome"] == "failed")
        wait_for("its log", lambda: _stored(cluster, "of-the-first"))
        _submit(cluster, "still-running", "sleep 600")
        wait_for("it to run", lambda: cluster.get("/jobs/still-running")["outcome"] == "running")
        wait_for("its row", lambda: _stored_outcome(cluster, "still-running") == "running")
        first = cluster.get("/ray/status")["cluster_info"]["session"]
        serving = cluster.get("/jobs/current")["job_id"]
    with running(home, env) as cluster:
        second = cluster.get("/ray/status")["cluster_info"]["session"]
        assert first != second
        rows = cluster.get("/jobs", limit=500)["items"]
        both = [(row["id"], row["session"]) for row in rows if row["id"] == serving]
        assert sorted(both) == sorted([(serving, first), (serving, second)])
        past = cluster.get("/jobs/of-the-first")
        assert (past["session"], past["outcome"], past["verdict"]) == (first, "failed", "BAD")
        assert past["log_excerpt"].splitlines()[-1] == "no such table"
        assert [event["event"] for event in past["timeline"]][-1] == "judged failed: BAD (failed)"
        assert cluster.get("/jobs/of-the-first/logs")["lines"][-1] == "no such table"
        assert cluster.get(f"/jobs/{serving}")["session"] == second
        assert cluster.get(f"/jobs/{serving}@{first}")["session"] == first
        _check_what_down_ended(cluster, first, rows)


def _check_what_down_ended(cluster: Cluster, first: str, rows: list[dict[str, Any]]) -> None:
    """It was ended on request: nothing of it is a failure, alive, or something to do."""
    told = {row["id"]: row for row in rows if row["session"] == first}
    still = told["still-running"]
    assert (still["outcome"], still["verdict"], still["rule"]) == ("stopped", "OK", "session-shut-down")
    assert still["ended_at"] is not None
    (head,) = [row for row in told.values() if row["kind"] == "cluster-initialization"]
    assert (head["outcome"], head["verdict"], head["rule"]) == ("succeeded", "OK", "session-shut-down")
    assert head["reason"].startswith("The head came up; it was shut down on request at ")
    assert {row["verdict"] for row in told.values() if row["id"] != "of-the-first"} <= {"OK", "UNKNOWN"}
    assert cluster.get("/jobs", outcome="lost")["items"] == []
    server = cluster.get("/jobs/summary", window="1h")["by_kind"]["application-server"]
    assert (server["ended"], server["failed"], server["success_ratio"]) == (1, 0, None)
    found = [each for each in cluster.get("/report")["findings"] if each["subject"].startswith("job ")]
    assert [each["action"].split("GET ")[1] for each in found if each["verdict"] == "BAD"] == [
        f"/jobs/of-the-first@{first}/diagnosis."
    ]


def test_serve_is_shut_down_on_request_and_what_ran_when_the_head_was_killed_is_not(home: Path) -> None:
    env = {f"SEEDCORE_{role.upper()}_TOKEN": token for role, token in TOKENS.items()}
    with running(home, env) as cluster:
        _submit(cluster, "cut-off", "sleep 600")
        wait_for("its row", lambda: _stored_outcome(cluster, "cut-off") == "running")
        serving = cluster.get("/jobs/current")["job_id"]
        wait_for("its row", lambda: _stored_outcome(cluster, serving) == "running")
        httpx.delete(f"{cluster.dashboard_url}/api/serve/applications/", timeout=60).raise_for_status()
        wait_for("the end of Serve to be kept", lambda: _stored_outcome(cluster, serving) == "stopped")
        state = json.loads((home / "up.json").read_text())
        for mark in state["processes"]:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(mark["pid"]).kill()
    # `make down`, which came after that, has not ended it.
    assert _stored_outcome(cluster, "cut-off") == "running"
    with running(home, env) as cluster:
        # At the first look: nothing listens where the head of its session did.
        lost = next(row for row in cluster.get("/jobs", limit=500)["items"] if row["id"] == "cut-off")
        assert (lost["outcome"], lost["rule"]) == ("lost", "session-over")


def _submit(cluster: Cluster, id: str, entrypoint: str) -> None:
    body = {"submission_id": id, "entrypoint": entrypoint}
    httpx.post(f"{cluster.dashboard_url}/api/jobs/", json=body, timeout=30).raise_for_status()


def _stored_outcome(cluster: Cluster, id: str) -> str | None:
    database = sqlite3.connect(f"file:{cluster.home}/seedcore.db?mode=ro", uri=True)
    try:
        found = database.execute("SELECT outcome FROM jobs WHERE id = ?", (id,)).fetchall()
    finally:
        database.close()
    return found[0][0] if found else None


def _stored(cluster: Cluster, id: str) -> bool:
    database = sqlite3.connect(f"file:{cluster.home}/seedcore.db?mode=ro", uri=True)
    try:
        (row,) = database.execute("SELECT log_excerpt FROM jobs WHERE id = ?", (id,)).fetchall()
    finally:
        database.close()
    return row[0] is not None

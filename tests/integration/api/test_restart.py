"""The history outlives the cluster: another head is another session, and nothing is mixed up."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
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


def _submit(cluster: Cluster, id: str, entrypoint: str) -> None:
    body = {"submission_id": id, "entrypoint": entrypoint}
    httpx.post(f"{cluster.dashboard_url}/api/jobs/", json=body, timeout=30).raise_for_status()


def _stored(cluster: Cluster, id: str) -> bool:
    database = sqlite3.connect(f"file:{cluster.home}/seedcore.db?mode=ro", uri=True)
    try:
        (row,) = database.execute("SELECT log_excerpt FROM jobs WHERE id = ?", (id,)).fetchall()
    finally:
        database.close()
    return row[0] is not None

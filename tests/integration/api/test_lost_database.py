"""The database of a running application is moved away, put back, replaced: nothing is acknowledged that is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.integration.cluster import ROOT, Cluster, wait_for

ORGAN = "utility_organ_1"


def put(cluster: Cluster, key: str, headers: dict[str, str] | None = None) -> httpx.Response:
    task = {"type": "memory.put", "parameters": {"key": key, "value": key}}
    with cluster.api() as api:
        return api.post(f"/organism/execute/{ORGAN}", json=task, headers=headers)


def find(cluster: Cluster, key: str) -> httpx.Response:
    return cluster.execute(ORGAN, {"type": "memory.get", "parameters": {"key": key}})


def read_ready(cluster: Cluster) -> tuple[int, list[str]]:
    with cluster.api() as api:
        answer = api.get("/ready")
    return answer.status_code, answer.json()["reasons"]


def test_moved_away_it_takes_nothing_and_put_back_it_is_the_same(cluster: Cluster) -> None:
    path = cluster.home / "seedcore.db"
    assert put(cluster, "kept").status_code == 200
    path.rename(path.with_name("away"))
    try:
        refused = put(cluster, "lost")
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        status, reasons = read_ready(cluster)
        assert status == 503
        assert "its file seedcore.db was deleted or moved while in use; put it back" in reasons[0]
    finally:
        path.with_name("away").rename(path)
    wait_for("the store to find it again", lambda: put(cluster, "after").status_code == 200, 20)
    assert (find(cluster, "kept").status_code, find(cluster, "lost").status_code) == (200, 404)
    wait_for("the application to be ready", lambda: read_ready(cluster)[0] == 200, 30)


def test_in_another_one_what_ray_lists_is_recorded_anew(cluster: Cluster) -> None:
    path: Path = cluster.home / "seedcore.db"

    def is_listed() -> bool:
        return any(row["id"] == "recorded-anew" for row in cluster.get("/jobs", limit=500)["items"])

    assert put(cluster, "of-the-first").status_code == 200
    with cluster.api() as api:
        body = {"entrypoint": ["python", "-c", "print(1)"], "submission_id": "recorded-anew"}
        assert api.post("/jobs", json=body).status_code == 201
    wait_for("its end", lambda: cluster.get("/jobs/recorded-anew")["outcome"] == "succeeded")
    begun = subprocess.run(
        [sys.executable, "-m", "serve_app.database", "begin", "--yes"],
        env={**os.environ, "SEEDCORE_HOME": str(cluster.home), "SEEDCORE_DATABASE_URL": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    [aside] = list(path.parent.glob("seedcore.db.set-aside-*Z"))
    assert aside.name in begun.stdout
    try:
        wait_for("the new one to be written", lambda: put(cluster, "of-the-second").status_code == 200, 20)
        assert find(cluster, "of-the-first").status_code == 404
        wait_for("the job that Ray lists", is_listed, 30)
    finally:
        for suffix in ("-wal", "-shm"):
            log = aside.with_name(aside.name + suffix)
            if log.exists():
                log.rename(path.with_name(path.name + suffix))
            else:
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        aside.replace(path)
    wait_for("the first one", lambda: find(cluster, "of-the-first").status_code == 200, 30)
    wait_for("the application to be ready", lambda: read_ready(cluster)[0] == 200, 60)


def test_a_request_that_is_sent_again_is_done_once(cluster: Cluster) -> None:
    headers = {"Idempotency-Key": "put-once"}
    first, again = put(cluster, "once", headers), put(cluster, "once", headers)
    assert (first.status_code, again.status_code, again.text) == (200, 200, first.text)
    assert find(cluster, "once").json()["result"]["output"]["revision"] == 1
    other = put(cluster, "another", headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")

    body: dict[str, Any] = {"entrypoint": ["python", "-c", "print('once')"]}
    with cluster.api() as api:
        made = [api.post("/jobs", json=body, headers={"Idempotency-Key": "job-once"}) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201]
    assert made[0].json()["id"] == made[1].json()["id"]

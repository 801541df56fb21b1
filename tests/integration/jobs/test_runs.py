"""Jobs with one submission id after another, and with ids that no file can have, on a real cluster."""

from __future__ import annotations

import hashlib
import sys
from typing import Any
from urllib.parse import quote

import httpx
import psutil

from tests.integration.cluster import Cluster, kill, wait_for
from tests.integration.jobs.test_management import ask, events, over, submit

FINE = "import time; print('third run is fine', flush=True); time.sleep(4)"


def forget_in_ray(cluster: Cluster, id: str) -> None:
    """As somebody does who does not ask us."""
    assert httpx.delete(f"{cluster.dashboard_url}/api/jobs/{id}", timeout=30).json() == {"deleted": True}


def run_again(cluster: Cluster, id: str, code: str, before: str) -> dict[str, Any]:
    """Submit a job with an id that was given before, when the inspector has seen that it is another."""
    submit(cluster, sys.executable, "-c", code, submission_id=id)
    wait_for("the new run", lambda: cluster.get(f"/jobs/{id}")["started_at"] != before)
    return over(cluster, id)


def listed(cluster: Cluster, id: str) -> list[tuple[str, str, str]]:
    rows = cluster.get("/jobs", q=id, limit=50)["items"]
    return [(row["started_at"], row["outcome"], row["reason"]) for row in rows if row["id"] == id]


def test_each_run_with_one_id_is_a_job_of_its_own(cluster: Cluster) -> None:
    submit(cluster, sys.executable, "-c", "import fastshard", submission_id="nightly")
    first = over(cluster, "nightly")
    wait_for("its diagnosis", lambda: cluster.get("/jobs/nightly")["code"] == "app.import-error")
    place = f"/jobs/nightly@{first['started_at']}"
    forget_in_ray(cluster, "nightly")
    wait_for("the history has its log", lambda: cluster.get(place)["log_excerpt"])
    second = run_again(cluster, "nightly", "raise SystemExit(3)", first["started_at"])
    assert second["reason"] == "It failed with exit code 3; its log says nothing."
    log = cluster.get("/jobs/nightly/logs")
    assert [line for line in log["lines"] if "Running entrypoint" in line] == log["lines"][1:]
    assert (log["truncated"], log["source"].startswith("job-driver-nightly.log from byte ")) == (False, True)
    assert "fastshard" in "\n".join(cluster.get("/jobs/nightly/logs", all_runs="true")["lines"])
    diagnosis = wait_for("its diagnosis", lambda: cluster.get("/jobs/nightly/diagnosis")["diagnosis"])
    assert diagnosis["code"] != "app.import-error"
    assert "fastshard" not in str(diagnosis)
    retried = ask(cluster, "POST", "/jobs/nightly/retry", 201)
    assert retried["chance"] == "unknown"
    over(cluster, retried["id"])
    forget_in_ray(cluster, "nightly")

    # Another life of the inspector knows the third run as the store knows the two before.
    (actor,) = cluster.actors("JobInspector")
    process = psutil.Process(actor["pid"])
    kill(actor["pid"])
    process.wait(30)
    submit_when_back(cluster)
    with cluster.api() as api, api.stream("GET", "/jobs/nightly/logs", params={"follow": "true"}) as stream:
        told = [data for _, data, _ in events(stream.iter_lines())]
    assert [line for line in told if "fastshard" in line or "exit code" in line] == []
    assert "third run is fine" in told
    third = over(cluster, "nightly")
    assert (third["outcome"], third["log_excerpt"], third["diagnosis"]) == ("succeeded", None, None)
    assert third["timeline"][0]["event"] == "submitted"

    assert listed(cluster, "nightly") == [
        (third["started_at"], "succeeded", third["reason"]),
        (second["started_at"], "failed", second["reason"]),
        (first["started_at"], "failed", first["reason"]),
    ]
    past = cluster.get(place)
    assert (past["code"], past["exit_code"]) == ("app.import-error", 1)
    assert "fastshard" in past["log_excerpt"]
    assert "fastshard" in cluster.get(f"{place}/diagnosis")["diagnosis"]["sentence"] + str(past["diagnosis"])
    assert "fastshard" in "\n".join(cluster.get(f"{place}/logs")["lines"])
    # What is deleted here is this run alone, and Ray's watcher of it notes nothing anew.
    ask(cluster, "DELETE", "/jobs/nightly", 200)
    wait_for("it is gone", lambda: cluster.get("/jobs/nightly")["started_at"] == second["started_at"])
    assert len(listed(cluster, "nightly")) == 2
    answer = httpx.get(f"{cluster.dashboard_url}/api/jobs/nightly", timeout=30)
    assert answer.status_code == 404


def test_what_ray_notes_of_a_job_that_was_deleted_too_soon(cluster: Cluster) -> None:
    def delete_at_once() -> Any:
        submit(cluster, sys.executable, "-c", "pass", submission_id="hasty")
        place = f"{cluster.dashboard_url}/api/jobs/hasty"
        wait_for("its end", lambda: httpx.get(place, timeout=30).json()["status"] == "SUCCEEDED", period_s=0.02)
        forget_in_ray(cluster, "hasty")
        try:
            wait_for("it is noted again", lambda: httpx.get(place, timeout=30).status_code == 200, 4)
        except AssertionError:
            return None
        wait_for("its row", lambda: cluster.get("/jobs/hasty")["status"] == "FAILED")
        return cluster.get("/jobs/hasty")

    # Whether Ray's watcher had seen the end is chance; it looks once a second.
    row = wait_for("a deletion that comes too soon", delete_at_once)
    assert (row["outcome"], row["verdict"], row["rule"]) == ("ended_unknown", "OK", "deleted-noted-again")
    assert row["started_at"] is None
    ask(cluster, "DELETE", "/jobs/hasty", 200)
    wait_for("it is gone", lambda: all(started_at is not None for started_at, _, _ in listed(cluster, "hasty")))


def submit_when_back(cluster: Cluster) -> None:
    def try_to() -> bool:
        with cluster.api() as api:
            body = {"submission_id": "nightly", "entrypoint": [sys.executable, "-c", FINE]}
            return api.post("/jobs", json=body).status_code in (200, 201)

    wait_for("the inspector is back", try_to)
    wait_for("the third run", lambda: cluster.get("/jobs/nightly")["status"] in ("RUNNING", "SUCCEEDED"))


def test_ids_that_ray_notes_and_never_begins_with(cluster: Cluster) -> None:
    for id in ("team/etl 2026", "x" * 260):
        answer = httpx.post(
            f"{cluster.dashboard_url}/api/jobs/", json={"submission_id": id, "entrypoint": "true"}, timeout=60
        )
        assert answer.status_code == 500
        place = f"/jobs/{quote(id, safe='')}"
        row = wait_for("it is seen", lambda place=place: cluster.get(place))
        assert (row["status"], row["rule"], row["verdict"]) == ("PENDING", "pending-never-starts", "WARN")
        assert row["reason"].startswith("Ray refused it after it had noted it (its log file cannot be made: ")
        assert cluster.get(f"/jobs/~{hash_of(id)}@{row['session']}")["id"] == id
        told = cluster.get(f"{place}/diagnosis")
        assert told["stillness"]["sentence"] == row["reason"]
        assert ask(cluster, "GET", f"{place}/logs", 404)["code"] == "no_driver_log"
        assert ask(cluster, "POST", f"{place}/stop", 409)["code"] == "never_starts"
        assert ask(cluster, "DELETE", place, 409)["code"] == "never_starts"
        found = [each for each in cluster.get("/jobs/findings")["items"] if each["subject_id"] == id]
        assert found == []


def hash_of(id: str) -> str:
    return hashlib.sha256(id.encode()).hexdigest()


def test_the_reason_is_the_true_last_line(cluster: Cluster) -> None:
    code = (
        'import sys\nfor i in range(12): print(\'{"step":%d,"msg":"%s"}\' % (i, "y" * 600))\n'
        'print("FATAL: the licence server said no"); sys.exit(4)'
    )
    submit(cluster, sys.executable, "-c", code, submission_id="longline")
    row = over(cluster, "longline")
    assert row["reason"] == "It failed with exit code 4; the last line of its log: FATAL: the licence server said no"

"""Jobs that go in circles on a real cluster: found unasked in half a minute, told on their page, and still known when
they are stopped. Each kind of circle with its innocent twin: `tests/zoo`.
"""

from __future__ import annotations

import shlex
import time
from typing import Any

import httpx

from tests.integration.cluster import Cluster, wait_for

BEGIN = "import os, ray, tempfile, time\nray.init(log_to_driver=False)\n"
RAISES = f"""{BEGIN}
@ray.remote(num_cpus=0, max_retries=-1, retry_exceptions=True)
def clean(n):
    time.sleep(1)
    import no_such_package_of_ours
ray.get(clean.remote(3))
"""
EXITS = f"""{BEGIN}
@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0)
class Counter:
    def count(self): os._exit(3)
counter = Counter.remote()
while True:
    try: ray.get(counter.count.remote())
    except ray.exceptions.RayError: time.sleep(1)
"""
# Ray's list names the driver that joined last, and that one rests.
RESTS = f"{BEGIN}time.sleep(600)"
ENTRYPOINTS = {
    "circle-raises": f"python -c {shlex.quote(RAISES)}",
    "circle-exits": f"python -c {shlex.quote(EXITS)}",
    "circle-first": f"python -c {shlex.quote(RAISES)} & sleep 3; python -c {shlex.quote(RESTS)}; wait",
}
WANTED = {
    "circle-raises": ("BAD", "circling", "app.import-error"),
    "circle-exits": ("BAD", "circling", "actor.died"),
    "circle-first": ("BAD", "circling", "app.import-error"),
}
# The rounds come each 20 s; what the finding waits for beside is one look.
FOUND_WITHIN_S = 30.0


def submit(cluster: Cluster, id: str) -> None:
    body = {"submission_id": id, "entrypoint": ENTRYPOINTS[id]}
    httpx.post(f"{cluster.dashboard_url}/api/jobs/", json=body, timeout=30).raise_for_status()


def list_own(cluster: Cluster, table: str, id: str) -> list[dict[str, Any]]:
    """Rows of one of Ray's tables that are the job's, whichever of its drivers they are of."""
    job = cluster.get(f"/jobs/{id}")
    rows: list[dict[str, Any]] = []
    for job_id in {job["job_id"], *(each["job_id"] for each in job["drivers"])} - {None}:
        query = {"detail": "1", "limit": "1000", "filter_keys": "job_id", "filter_predicates": "="}
        query["filter_values"] = job_id
        answer = httpx.get(f"{cluster.dashboard_url}/api/v0/{table}", params=query, timeout=30).json()
        rows += answer["data"]["result"]["result"]
    return rows


def third_failure_at(cluster: Cluster, id: str) -> float | None:
    """When the third attempt of a task failed, by Ray's own table; of an actor, when it was seen restarted three times.

    Calls that come while an actor is being restarted fail, too, and are no restarts.
    """
    if id == "circle-exits":
        restarts = [int(row["num_restarts"]) for row in list_own(cluster, "actors", id)]
        return time.time() if restarts and max(restarts) >= 3 else None
    failed = [row["end_time_ms"] for row in list_own(cluster, "tasks", id) if row["state"] == "FAILED"]
    return sorted(failed)[2] / 1000 if len(failed) > 2 else None


def judged(cluster: Cluster, id: str) -> tuple[str, str, str | None]:
    row = cluster.get(f"/jobs/{id}")
    return row["verdict"], row["rule"], row["code"]


def firing(cluster: Cluster) -> dict[str, str]:
    items = cluster.get("/alerts", rule="circling-job", state="firing")["items"]
    return {item["subject_id"]: item["severity"] for item in items if str(item["subject_id"]).startswith("circle-")}


def test_circles(cluster: Cluster) -> None:
    for id in ENTRYPOINTS:
        submit(cluster, id)
    failed_at: dict[str, float] = {}
    found_after_s: dict[str, float] = {}

    def found() -> bool:
        for id in ENTRYPOINTS.keys() - failed_at.keys():
            if (at := third_failure_at(cluster, id)) is not None:
                failed_at[id] = at
        for id in (WANTED.keys() & failed_at.keys()) - found_after_s.keys():
            if judged(cluster, id) == WANTED[id]:
                found_after_s[id] = time.time() - failed_at[id]
        return len(found_after_s) == len(WANTED) and len(failed_at) == len(ENTRYPOINTS)

    wait_for("what goes in circles", found, 180)
    wait_for("an alert of each", lambda: len(firing(cluster)) == len(WANTED), 30)
    print("found after the third failure:", {id: f"{after_s:.1f} s" for id, after_s in found_after_s.items()})
    assert max(found_after_s.values()) < FOUND_WITHIN_S
    assert firing(cluster) == dict.fromkeys(WANTED, "critical")
    check_page(cluster)
    check_after_stop(cluster)


def check_page(cluster: Cluster) -> None:
    """What the job's own page says of it."""
    job: dict[str, Any] = cluster.get("/jobs/circle-raises")
    assert job["reason"].startswith("It goes in circles: task clean has failed ")
    assert "ModuleNotFoundError: No module named 'no_such_package_of_ours'" in job["reason"]
    (task,) = [each for each in job["unfinished"]["items"] if each["name"] == "clean"]
    assert (task["what"], job["unfinished"]["total"]) == ("task", 1)
    actor: dict[str, Any] = cluster.get("/jobs/circle-exits")
    assert [each["name"] for each in actor["unfinished"]["items"] if each["what"] == "actor"] == ["Counter"]
    stillness = cluster.get("/jobs/circle-raises/diagnosis")["stillness"]
    assert (stillness["state"], stillness["code"]) == ("circling", "app.import-error")


def check_after_stop(cluster: Cluster) -> None:
    for id in ENTRYPOINTS:
        with cluster.api() as api:
            api.post(f"/jobs/{id}/stop", json={"wait_s": 20})
    wait_for("the stop", lambda: cluster.get("/jobs/circle-raises")["outcome"] == "stopped", 60)
    job = cluster.get("/jobs/circle-raises")
    assert "; before it was stopped, task clean had failed " in job["reason"]
    assert (job["verdict"], job["code"]) == ("OK", "app.import-error")
    assert [each["source"] for each in job["evidence"] if each["rule"] == "circle"] == ["task table"]
    wait_for("no alert of them", lambda: firing(cluster) == {}, 120)

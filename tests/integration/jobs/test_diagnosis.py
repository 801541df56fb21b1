"""Why real jobs failed, through the API, also after the inspector died; and nothing of healthy ones."""

from __future__ import annotations

import shlex
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.integration.cluster import Cluster, kill, wait_for
from tests.integration.organs.test_redeploy import application, config, deploy

IN_TASK = """
import ray
ray.init(log_to_driver=False)
@ray.remote(num_cpus=0)
def load():
    import no_such_package_of_ours
ray.get(load.remote())
"""
KILLED_WORKER = """
import os, signal, ray
ray.init(log_to_driver=False)
@ray.remote(num_cpus=0, max_retries=0)
def work():
    os.kill(os.getpid(), signal.SIGKILL)
ray.get(work.remote())
"""
MENDED = """
import os, ray, tempfile
ray.init(log_to_driver=False)
@ray.remote(num_cpus=0, max_retries=3, retry_exceptions=True)
def work(path):
    if not os.path.exists(path):
        open(path, 'w').close()
        raise RuntimeError('the first attempt fails')
with tempfile.TemporaryDirectory() as folder:
    ray.get(work.remote(os.path.join(folder, 'attempt')))
print('ERROR: this word alone is no failure; Traceback (most recent call last) neither')
print('done')
"""


def submit(cluster: Cluster, id: str, entrypoint: str) -> None:
    body = {"submission_id": id, "entrypoint": entrypoint}
    httpx.post(f"{cluster.dashboard_url}/api/jobs/", json=body, timeout=30).raise_for_status()


def python(code: str) -> str:
    return f"python -c {shlex.quote(code)}"


def ended(cluster: Cluster, id: str, outcome: str) -> None:
    wait_for(f"the end of {id}", lambda: cluster.get(f"/jobs/{id}")["outcome"] == outcome, 90)


def kept(cluster: Cluster, id: str) -> dict[str, Any]:
    """What was made without being asked."""

    def diagnosis() -> Any:
        return cluster.get(f"/jobs/{id}")["diagnosis"]

    found: dict[str, Any] = wait_for(f"the diagnosis of {id}", diagnosis, 60)
    return found


FAILING = [
    ("why-import", python(IN_TASK), {"app.import-error"}, "no_such_package_of_ours"),
    ("why-127", "no_such_program_of_ours --now", {"app.entrypoint-not-found"}, "no_such_program_of_ours"),
    ("why-killed", "sh -c 'kill -9 $$'", {"memory.process-killed"}, "driver_exit_code"),
    ("why-worker", python(KILLED_WORKER), {"node.worker-crashed", "memory.process-killed"}, ""),
]


@pytest.mark.parametrize(("id", "entrypoint", "codes", "quoted"), FAILING, ids=[each[0] for each in FAILING])
def test_a_failed_job_is_diagnosed_without_being_asked(
    cluster: Cluster, id: str, entrypoint: str, codes: set[str], quoted: str
) -> None:
    submit(cluster, id, entrypoint)
    ended(cluster, id, "failed")
    found = kept(cluster, id)
    assert found["code"] in codes, found
    assert found["unavailable"] == []
    assert quoted in found["evidence"][0]["quote"]
    assert found["advice"] != []
    answer = cluster.get(f"/jobs/{id}/diagnosis")
    assert (answer["id"], answer["outcome"], answer["diagnosis"], answer["stillness"]) == (id, "failed", found, None)
    assert cluster.get(f"/jobs/{id}")["code"] == found["code"]
    rows = {row["id"]: row["code"] for row in cluster.get("/jobs", q=id)["items"]}
    assert rows[id] == found["code"]
    summary = cluster.get("/jobs/summary", window="5m")
    assert found["code"] in [each["cause"] for each in summary["failures_by_cause"]]
    assert found["code"] in str(cluster.get("/report")["findings"])


def test_a_healthy_job_has_no_code(cluster: Cluster) -> None:
    submit(cluster, "why-healthy", python(MENDED))
    ended(cluster, "why-healthy", "succeeded")
    assert cluster.get("/jobs/why-healthy")["diagnosis"] is None
    answer = cluster.get("/jobs/why-healthy/diagnosis")
    assert (answer["outcome"], answer["diagnosis"]["code"]) == ("succeeded", None)


def test_a_job_that_runs_has_no_diagnosis(cluster: Cluster) -> None:
    submit(cluster, "why-runs", "sleep 600")
    try:
        ended(cluster, "why-runs", "running")
        answer = cluster.get("/jobs/why-runs/diagnosis")
        assert (answer["outcome"], answer["diagnosis"]) == ("running", None)
    finally:
        httpx.post(f"{cluster.dashboard_url}/api/jobs/why-runs/stop", timeout=30)


def test_a_driver_that_was_started_by_hand(cluster: Cluster) -> None:
    done = cluster.run_driver(IN_TASK.replace("ray.init(", "ray.init(namespace='why-by-hand', "))
    assert done.returncode == 1

    def failed() -> Any:
        rows = cluster.get("/jobs", outcome="failed", limit=20)["items"]
        return next(row for row in rows if row["type"] == "DRIVER")["id"]

    id = wait_for("its row", failed, 60)
    found = kept(cluster, id)
    assert found["code"] == "app.import-error"
    assert found["unavailable"] == ["The driver's output: Ray keeps none of a driver that was started by hand."]


def test_an_organ_says_it_in_words(cluster: Cluster) -> None:
    task = {"type": "job.diagnose", "parameters": {"id": "why-127"}, "timeout_s": 40}
    answer = cluster.execute("cognitive_organ_1", task)
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"]["output"]["diagnosis"]["code"] == "app.entrypoint-not-found"


def test_what_is_not_there_is_a_problem(cluster: Cluster) -> None:
    with cluster.api() as api:
        answer = api.get("/jobs/no-such-job/diagnosis")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


def test_a_diagnosis_outlives_the_inspector(cluster: Cluster) -> None:
    before = kept(cluster, "why-import")
    (actor,) = cluster.actors("JobInspector")
    kill(int(actor["pid"]))

    def again() -> Any:
        return cluster.actors("JobInspector")[0]["pid"] != actor["pid"] and cluster.get("/jobs/why-import")

    found = wait_for("another inspector", again, 90)
    assert (found["code"], found["diagnosis"]) == (before["code"], before)
    codes = {row["id"]: row["code"] for row in cluster.get("/jobs", q="why-")["items"]}
    assert codes["why-127"] == cluster.get(f"/jobs/{quote('why-127')}/diagnosis")["diagnosis"]["code"]


def test_an_organ_that_does_not_start_says_why(cluster: Cluster) -> None:
    wanted = config(cluster)
    wanted["applications"][0]["args"]["organs"].append({"id": "broken_organ", "type": "Utility"})
    # What can be refused ends no replica; this ends the process itself.
    skills = {"skills": ["tests.unit.organs.fatal_skill:Fatal"]}
    wanted["applications"][0]["deployments"].append({"name": "broken_organ", "num_replicas": 1, "user_config": skills})
    assert deploy(cluster, wanted).status_code == 200
    try:

        def reason() -> Any:
            found = cluster.organ("broken_organ")["diagnosis"]
            assert found is not None
            assert "DEPLOY_FAILED: The deployment failed to start" in str(found["evidence"]), found
            return found

        found = wait_for("why it does not start", reason, timeout_s=150)
        assert (found["code"], found["certainty"]) == ("serve.constructor-failed", "certain")

        def others() -> bool:
            organs = [organ for organ in cluster.get("/organism/status")["data"] if organ["organ_id"] != "broken_organ"]
            return [organ["diagnosis"] for organ in organs if organ["status"] == "ready"] == [None] * 3

        wait_for("that the others are as before", others, timeout_s=60)
        assert found["code"] in str(cluster.get("/report")["findings"])
    finally:
        assert deploy(cluster, config(cluster)).status_code == 200
        wait_for("the first application", lambda: application(cluster)["status"] == "RUNNING", timeout_s=90)

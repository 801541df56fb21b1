"""The truth about jobs on a real cluster: how drivers ended, what Ray hides, and that looking makes no job."""

from __future__ import annotations

import signal
import subprocess
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.integration.cluster import Cluster, wait_for

CONNECT = "import ray; ray.init(job_config=ray.job_config.JobConfig(metadata={{'case': {case!r}}})); "


def code(case: str, what: str) -> str:
    return CONNECT.format(case=case) + what


def row_of(cluster: Cluster, case: str) -> dict[str, Any]:
    """The row of the driver that has this case in its metadata."""
    items = cluster.get("/jobs", q=case, limit=500)["items"]
    found: dict[str, Any] = next(row for row in items if row["metadata"].get("case") == case)
    return found


def ended(cluster: Cluster, case: str) -> dict[str, Any]:
    """Its row, once it is neither running nor known to have ended without its worker row."""

    def look() -> dict[str, Any] | None:
        row = row_of(cluster, case)
        if row["outcome"] == "running":
            return None
        rules = [each["rule"] for each in cluster.get(f"/jobs/{row['id']}")["evidence"]]
        return None if "worker-row-missing" in rules else row

    found: dict[str, Any] = wait_for(f"the end of {case}", look)
    return found


@pytest.mark.parametrize(
    ("case", "what", "exit_code", "outcome", "verdict", "rule"),
    [
        ("falls off its end", "pass", 0, "ended_unknown", "UNKNOWN", "driver-clean-exit"),
        ("exits with 3", "raise SystemExit(3)", 3, "ended_unknown", "UNKNOWN", "driver-clean-exit"),
        ("raises", "{}['no such key']", 1, "failed", "BAD", "driver-exception"),
        (
            "raises through a task",
            "ray.get(ray.remote(num_cpus=0, max_retries=0)(lambda: 1 / 0).remote())",
            1,
            "failed",
            "BAD",
            "driver-exception",
        ),
        ("leaves at once", "import os; os._exit(1)", 1, "failed", "BAD", "driver-killed"),
        ("is killed", "import os; os.kill(os.getpid(), 9)", -9, "failed", "BAD", "driver-killed"),
    ],
)
def test_how_a_driver_ended(
    cluster: Cluster, case: str, what: str, exit_code: int, outcome: str, verdict: str, rule: str
) -> None:
    done = cluster.run_driver(code(case, what))
    assert done.returncode == exit_code, done.stderr
    row = ended(cluster, case)
    assert (row["kind"], row["type"], row["status"]) == ("user", "DRIVER", "SUCCEEDED"), "Ray's word for all of them"
    assert (row["outcome"], row["verdict"]) == (outcome, verdict)
    found = cluster.get(f"/jobs/{row['id']}")
    assert rule in [each["rule"] for each in found["evidence"]]


def test_where_an_uncaught_exception_was(cluster: Cluster) -> None:
    """The adapter of Ray's private names answers, and only what Ray keeps: the frames, not the exception."""
    cluster.run_driver(
        code("shows its frames", "exec(compile('def work():\\n    1 / 0\\nwork()', 'made_up.py', 'exec'))")
    )
    found = cluster.get(f"/jobs/{ended(cluster, 'shows its frames')['id']}")
    assert 'File "made_up.py", line 2, in work' in found["driver"]["exception_frames"]
    assert "ZeroDivisionError" not in found["driver"]["exception_frames"]


def test_a_running_driver_has_its_actors_and_tasks_and_then_is_killed(cluster: Cluster) -> None:
    what = (
        "held = ray.remote(num_cpus=0)(type('Held', (), {'go': lambda self: 1})).remote(); "
        "ray.get(held.go.remote()); import time; time.sleep(600)"
    )
    with cluster.spawn_driver(code("goes on", what)) as process:

        def with_actor() -> dict[str, Any] | None:
            row: dict[str, Any] = cluster.get(f"/jobs/{row_of(cluster, 'goes on')['id']}")
            return row if row["actors"]["total"] and (row["tasks"] or {}).get("total") else None

        found = wait_for("its actor and tasks", with_actor)
        assert (found["outcome"], found["verdict"], found["driver"]["pid"]) == ("running", "OK", process.pid)
        assert [actor["class_name"] for actor in found["actors"]["items"]] == ["Held"]
        assert [task["name"] for task in found["tasks"]["by_name"]]
        process.send_signal(signal.SIGKILL)
    assert ended(cluster, "goes on")["outcome"] == "failed"


def test_an_exception_at_a_prompt_that_is_left_in_order_is_no_failure(cluster: Cluster) -> None:
    subprocess.run(
        [cluster.python, "-i"],
        input=f"{code('is a prompt', 'pass')}\n1 / 0\nexit()\n",
        env=cluster.driver_env,
        cwd=cluster.home,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    row = ended(cluster, "is a prompt")
    assert (row["outcome"], row["verdict"]) == ("ended_unknown", "UNKNOWN")


def test_the_server_and_the_head_are_there_though_ray_lists_neither(cluster: Cluster) -> None:
    (server,) = cluster.get("/jobs", kind="application-server")["items"]
    assert (server["outcome"], server["verdict"], server["hidden"]) == ("running", "OK", True)
    assert "seedcore" in server["entrypoint"]
    (head,) = cluster.get("/jobs", kind="cluster-initialization")["items"]
    assert (head["outcome"], head["verdict"], head["derived"]) == ("succeeded", "OK", True)
    assert cluster.get(f"/jobs/{quote(head['id'], safe='')}")["id"] == head["id"]
    current = cluster.get("/jobs/current")
    assert (current["job_id"], current["kind"]) == (server["job_id"], "application-server")
    assert server["job_id"] not in [job["job_id"] for job in cluster.jobs()]


def test_submissions_by_their_exit_code_and_without_their_secrets(cluster: Cluster) -> None:
    def submit(id: str, entrypoint: str, **metadata: str) -> None:
        body = {"submission_id": id, "entrypoint": entrypoint, "metadata": metadata}
        httpx.post(f"{cluster.dashboard_url}/api/jobs/", json=body, timeout=30).raise_for_status()

    submit("live-good", "TOKEN=canary-in-entrypoint python -c pass", api_key="canary-in-metadata")
    submit("live-bad", "python -c \"import sys; sys.exit('no configuration')\"")
    submit("live-stopped", "sleep 600")
    wait_for("it to run", lambda: cluster.get("/jobs/live-stopped")["outcome"] == "running")
    httpx.post(f"{cluster.dashboard_url}/api/jobs/live-stopped/stop", timeout=30).raise_for_status()
    wanted = {"live-good": ("succeeded", "OK"), "live-bad": ("failed", "BAD"), "live-stopped": ("stopped", "OK")}

    def seen() -> dict[str, tuple[str, str]]:
        items = cluster.get("/jobs", q="live-")["items"]
        return {row["id"]: (row["outcome"], row["verdict"]) for row in items if row["id"] in wanted}

    wait_for("all three", lambda: seen() == wanted)
    assert cluster.get("/jobs/live-bad")["reason"] == (
        "It failed with exit code 1; the last line of its log: no configuration"
    )
    with cluster.api() as api:
        assert "canary" not in api.get("/jobs/live-good").text


def test_looking_makes_no_job(cluster: Cluster) -> None:
    """Every GET of the API document, a hundred times."""
    id = cluster.get("/jobs/current")["job_id"]
    paths = [path for path, methods in cluster.get("/openapi.json")["paths"].items() if "get" in methods]
    assert len(paths) >= 18
    looked_at = [path.replace("{id}", id) for path in paths if path not in ("/jobs/{id}/logs", "/jobs/{id}/stacks")]

    def jobs() -> set[str]:
        """Also the hidden ones, by the worker table."""
        params = {
            "detail": "1",
            "limit": "10000",
            "filter_keys": "worker_type",
            "filter_predicates": "=",
            "filter_values": "DRIVER",
        }
        rows = httpx.get(f"{cluster.dashboard_url}/api/v0/workers", params=params, timeout=30).json()
        listed = {job["submission_id"] or job["job_id"] for job in cluster.jobs()}
        return listed | {row["worker_id"][:8] for row in rows["data"]["result"]["result"]}

    before = jobs()
    with cluster.api() as api:
        for path in looked_at:
            assert {api.get(path).status_code for _ in range(100)} == {200}, path
        # A driver has no log: the answer is a 404, and no job either.
        assert {api.get(f"/jobs/{id}/logs").status_code for _ in range(100)} == {404}
        # `make up` switches Ray's profiling endpoint on.
        assert {api.get(f"/jobs/{id}/stacks").status_code for _ in range(20)} == {200}
    assert jobs() == before


def test_pages_cover_the_list(cluster: Cluster) -> None:
    every = [row["id"] for row in cluster.get("/jobs", limit=500)["items"]]
    seen, cursor = [], {}
    while True:
        page = cluster.get("/jobs", limit=2, **cursor)
        seen += [row["id"] for row in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen[-len(every) :] == every
    with cluster.api() as api:
        assert api.get("/jobs", params={"cursor": "made-up"}).status_code == 422
        assert api.get("/jobs/no-such-job").status_code == 404


def test_nodes_actors_and_resources(cluster: Cluster) -> None:
    (node,) = cluster.get("/cluster/nodes")["items"]
    assert (node["state"], node["is_head"]) == ("ALIVE", True)
    actors = cluster.get("/cluster/actors", state="ALIVE", limit=500)["items"]
    assert {"ServeController"} <= {actor["class_name"] for actor in actors}
    resources = cluster.get("/cluster/resources")
    assert resources["total"]["CPU"] >= resources["available"].get("CPU", 0) > 0
    status = cluster.get("/ray/status")
    assert (status["ray_configured"], status["ray_available"], status["cluster_info"]["nodes"]) == (True, True, 1)
    assert (status["versions"]["mixed"], status["degraded"]) == (False, [])
    assert {each["code_version"] for each in status["versions"]["replicas"]} == {status["versions"]["expected"]}

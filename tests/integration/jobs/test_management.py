"""Jobs submitted, stopped, retried and deleted through the API on a real cluster, and their logs, however long."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.integration.cluster import Cluster, wait_for

MIB = 2**20
STUBBORN = """
import os, pathlib, signal, sys, time
import ray
ray.init()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(600)
"""


def submit(cluster: Cluster, *words: str, status: int = 201, **body: Any) -> dict[str, Any]:
    with cluster.api() as api:
        answer = api.post("/jobs", json={"entrypoint": list(words), **body})
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def ask(cluster: Cluster, method: str, path: str, status: int, **body: Any) -> dict[str, Any]:
    with cluster.api() as api:
        answer = api.request(method, path, json=body or None)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def over(cluster: Cluster, id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        row: dict[str, Any] = cluster.get(f"/jobs/{id}")
        return row if row["outcome"] not in ("pending", "running") else None

    found: dict[str, Any] = wait_for(f"the end of {id}", look)
    return found


def raw(cluster: Cluster, id: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{cluster.dashboard_url}/api/jobs/{id}", timeout=30).json()
    return found


def log_of(cluster: Cluster, id: str) -> Path:
    return cluster.logs / f"job-driver-{id}.log"


def events(lines: Iterator[str]) -> Iterator[tuple[str, str, str | None]]:
    """Server-sent events as (event, data, id)."""
    event, data, id = "message", None, None
    for line in lines:
        if not line:
            if data is not None:
                yield event, data, id
            event, data, id = "message", None, None
        elif line.startswith("event: "):
            event = line[7:]
        elif line.startswith("data: "):
            data = line[6:]
        elif line.startswith("id: "):
            id = line[4:]


def inspector(cluster: Cluster) -> psutil.Process:
    (actor,) = cluster.actors("JobInspector")
    return psutil.Process(actor["pid"])


def rss_mib(process: psutil.Process) -> float:
    return process.memory_info().rss / MIB


def runs(pid: int) -> bool:
    """Whether a process does anything: one that nobody has buried yet (a container without an init) does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_submit_good_duplicate_conflict_and_bad(cluster: Cluster) -> None:
    body = {
        "submission_id": "managed-good",
        "runtime_env": {"env_vars": {"API_TOKEN": "canary-of-env"}},
        "num_cpus": 0.01,
        "metadata": {"seedcore.owner": "me", "seedcore.kind": "report"},
    }
    words = [
        sys.executable,
        "-c",
        "import os; print('password=canary-of-log', len(os.environ['API_TOKEN']))",
        "a 'b'; c",
    ]
    made = submit(cluster, *words, **body)
    assert made == {"id": "managed-good", "submission_id": "managed-good", "state": "PENDING", "created": True}
    again = submit(cluster, *words, status=200, **body)
    assert (again["id"], again["created"]) == ("managed-good", False)
    assert submit(cluster, "true", status=409, submission_id="managed-good")["code"] == "id_taken"
    row = over(cluster, "managed-good")
    assert (row["outcome"], row["kind"], row["scheduled_by"]) == ("succeeded", "report", "SeedCore API")
    assert json.loads(row["metadata"]["seedcore.resources"]) == {"num_cpus": 0.01}
    log = cluster.get("/jobs/managed-good/logs", lines=1)
    assert log["lines"] == ["password=[redacted] 13"]
    with cluster.api() as api:
        text = api.get("/jobs/managed-good/logs", params={"format": "text"})
        assert "canary" not in text.text + api.get("/jobs/managed-good").text
        assert text.headers["content-type"] == "text/plain; charset=utf-8"
    for bad, code in (
        ({"entrypoint": "echo hello"}, "invalid_input"),
        ({"entrypoint": ["true"], "shell": True}, "invalid_input"),
        ({"entrypoint": ["true"], "submission_id": "0a000000"}, "invalid_input"),
        ({"entrypoint": ["true"], "metadata": {"seedcore.managed_by": "me"}}, "invalid_input"),
        ({"entrypoint": ["true"], "runtime_env": {"pip": ["x"]}}, "runtime_env_not_allowed"),
        ({"entrypoint": ["true"], "working_dir": "/etc"}, "working_dir_not_allowed"),
    ):
        with cluster.api() as api:
            refused = api.post("/jobs", json=bad)
        assert (refused.status_code, refused.json()["code"]) == (422 if code == "invalid_input" else 403, code)


@pytest.mark.parametrize("role", ["reader", "executor", "nobody"])
def test_operators_only(cluster: Cluster, role: str) -> None:
    with cluster.api(role) as api:
        for method, path in (
            ("POST", "/jobs"),
            ("POST", "/jobs/x/stop"),
            ("POST", "/jobs/x/retry"),
            ("DELETE", "/jobs/x"),
        ):
            assert api.request(method, path, json={}).status_code == (401 if role == "nobody" else 403)


def test_stop_of_a_process_that_ignores_the_first_signal(cluster: Cluster) -> None:
    told = cluster.home / "stubborn.pid"
    submit(cluster, sys.executable, "-c", STUBBORN, str(told), submission_id="managed-stubborn")
    pid = int(wait_for("its pid", lambda: told.exists() and told.read_text()))
    early = ask(cluster, "POST", "/jobs/managed-stubborn/stop", 202, wait_s=0)
    assert (early["stopped"], early["status"]) == (False, "RUNNING")
    done = ask(cluster, "POST", "/jobs/managed-stubborn/stop", 200, wait_s=20)
    print(json.dumps(done["steps"], indent=1))
    assert not runs(pid), "the API said that the driver is gone"
    assert (done["stopped"], done["driver_gone"], done["status"]) == (True, True, "STOPPED")
    again = ask(cluster, "POST", "/jobs/managed-stubborn/stop", 200)
    assert (again["already"], again["driver_gone"]) == (True, True)
    assert [each["by_force"] for each in (early, done, again)] == [None, True, True]
    assert "by force (SIGKILL): it had not ended 3 s after SIGTERM" in again["sentence"]
    wait_for("the detail to say so", lambda: "by force" in cluster.get("/jobs/managed-stubborn")["reason"])


def test_stop_of_what_never_connects_to_ray(cluster: Cluster) -> None:
    submit(cluster, "sleep", "600", submission_id="managed-sleep")
    wait_for("it to run", lambda: raw(cluster, "managed-sleep")["status"] == "RUNNING")
    done = ask(cluster, "POST", "/jobs/managed-sleep/stop", 200)
    assert (done["stopped"], done["driver_gone"], done["status"]) == (True, None, "STOPPED")
    assert "never connected" in done["sentence"]
    assert done["by_force"] is False


def test_how_long_a_stop_waits_is_the_jobs_own(cluster: Cluster) -> None:
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    grace = {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "1"}}
    submit(cluster, sys.executable, "-c", deaf, submission_id="managed-deaf", runtime_env=grace)
    wait_for("it to be deaf", lambda: "deaf" in cluster.get("/jobs/managed-deaf/logs")["lines"])
    done = ask(cluster, "POST", "/jobs/managed-deaf/stop", 200)
    assert (done["by_force"], done["status"]) == (True, "STOPPED")
    assert done["steps"][0]["what"] == "Ray's supervisor was told: SIGTERM now, SIGKILL after 1 s."


def test_a_plain_driver_is_not_managed(cluster: Cluster) -> None:
    with cluster.spawn_driver(
        "import ray; ray.init(); print('up', flush=True); import time; time.sleep(600)"
    ) as process:
        row = wait_for("its row", lambda: next(
            row for row in cluster.get("/jobs", limit=500)["items"]
            if row["type"] == "DRIVER" and row["outcome"] == "running" and row["kind"] == "user"
            and cluster.get(f"/jobs/{row['id']}")["driver"]["pid"] == process.pid
        ))  # fmt: skip
        stop = ask(cluster, "POST", f"/jobs/{row['id']}/stop", 409)
        assert (stop["code"], stop["pid"], stop["node_id"]) == ("not_a_submission", process.pid, row["node_id"])
        assert ask(cluster, "POST", f"/jobs/{row['id']}/retry", 409)["code"] == "not_a_submission"
        assert ask(cluster, "DELETE", f"/jobs/{row['id']}", 409)["code"] == "not_a_submission"
        assert ask(cluster, "GET", f"/jobs/{row['id']}/logs", 404)["code"] == "no_driver_log"
        assert process.poll() is None
        process.kill()


def test_retry(cluster: Cluster) -> None:
    submit(cluster, sys.executable, "-c", "import no_such_module", submission_id="managed-permanent")
    assert over(cluster, "managed-permanent")["outcome"] == "failed"
    wait_for("its diagnosis", lambda: cluster.get("/jobs/managed-permanent")["code"] == "app.import-error")
    refused = ask(cluster, "POST", "/jobs/managed-permanent/retry", 409)
    reason = "app.import-error: a module that is missing or broken: no_such_module"
    assert (refused["code"], refused["reason"]) == ("permanent_failure", reason)
    forced = ask(cluster, "POST", "/jobs/managed-permanent/retry", 201, force=True)
    assert (forced["id"], forced["attempt"]) == ("managed-permanent-retry-1", 1)

    body = {"runtime_env": {"env_vars": {"API_TOKEN": "canary-of-retry"}}, "num_cpus": 0.02}
    code = "import os, signal; print(os.environ['API_TOKEN'][:6]); os.kill(os.getpid(), signal.SIGKILL)"
    submit(cluster, sys.executable, "-c", code, submission_id="managed-killed", **body)
    assert over(cluster, "managed-killed")["outcome"] == "failed"
    made = ask(cluster, "POST", "/jobs/managed-killed/retry", 201)
    assert (made["id"], made["chance"]) == ("managed-killed-retry-1", "transient")
    over(cluster, "managed-killed-retry-1")
    first, second = raw(cluster, "managed-killed"), raw(cluster, "managed-killed-retry-1")
    assert [first[key] for key in ("entrypoint", "runtime_env")] == [
        second[key] for key in ("entrypoint", "runtime_env")
    ]
    assert second["metadata"]["seedcore.retry_of"] == "managed-killed"
    assert second["metadata"]["seedcore.resources"] == first["metadata"]["seedcore.resources"]
    assert "canary" in cluster.get("/jobs/managed-killed-retry-1/logs")["lines"]
    assert ask(cluster, "POST", "/jobs/managed-killed/retry", 409)["code"] == "already_retried"
    assert ask(cluster, "POST", "/jobs/managed-killed-retry-1/retry", 201)["id"] == "managed-killed-retry-2"
    assert ask(cluster, "POST", "/jobs/managed-good/retry", 409)["code"] == "succeeded"


def test_delete(cluster: Cluster) -> None:
    submit(cluster, "sleep", "600", submission_id="managed-delete", metadata={"seedcore.kind": "deletable"})
    wait_for("it to run", lambda: raw(cluster, "managed-delete")["status"] == "RUNNING")
    assert ask(cluster, "DELETE", "/jobs/managed-delete", 409)["code"] == "still_on_its_way"
    assert ask(cluster, "POST", "/jobs/managed-delete/retry", 409)["code"] == "still_on_its_way"
    ask(cluster, "POST", "/jobs/managed-delete/stop", 200)
    wait_for(
        "it to be counted", lambda: cluster.get("/jobs/summary", window="1h")["by_kind"]["deletable"]["ended"] == 1
    )
    deleted = ask(cluster, "DELETE", "/jobs/managed-delete", 200)
    assert (deleted["deleted"], "no list, figure or rate has it any more" in deleted["sentence"]) == (True, True)
    assert "deletable" not in cluster.get("/jobs/summary", window="1h")["by_kind"]
    assert httpx.get(f"{cluster.dashboard_url}/api/jobs/managed-delete", timeout=30).status_code == 404
    assert ask(cluster, "POST", "/jobs/managed-delete/stop", 404)["code"] in ("job_not_found", "not_found")


def test_a_log_of_gigabytes_costs_no_memory_here(cluster: Cluster) -> None:
    submit(cluster, "true", submission_id="managed-large")
    over(cluster, "managed-large")
    before_small = cluster.get("/jobs/managed-large/logs")
    process = inspector(cluster)
    before = rss_mib(process)
    with log_of(cluster, "managed-large").open("r+b") as log:
        # 200 MB of lines, then a hole up to 5 GB, which is one line without an end, then lines again.
        log.seek(0, 2)
        block = b"".join(b"line %07d of many, with some words in it\n" % number for number in range(25_000))
        for _ in range(200 * MIB // len(block)):
            log.write(block)
        log.seek(5 * 1024 * MIB)
        log.write(b"\nalmost last\nlast api_key=canary-of-tail\n")
    began = time.monotonic()
    tail = cluster.get("/jobs/managed-large/logs", lines=2)
    took_s = time.monotonic() - began
    assert tail["lines"] == ["almost last", "last api_key=[redacted]"]
    assert (tail["truncated"], tail["size_bytes"] > 5 * 1024 * MIB) == (True, True)
    many = cluster.get("/jobs/managed-large/logs", lines=10_000)
    assert many["lines"][-2:] == tail["lines"]
    grown = rss_mib(process) - before
    print(f"5 GB log: tail of 2 lines in {took_s:.2f} s, the inspector grew by {grown:.1f} MiB")
    assert grown < 50
    assert took_s < 5
    assert before_small["truncated"] is False


def test_a_job_is_there_as_soon_as_it_was_taken(cluster: Cluster) -> None:
    """Whatever moment of the inspector's period it was taken in."""
    with cluster.api() as api:
        found = []
        for number in range(6):
            id = f"managed-prompt-{number}"
            assert api.post("/jobs", json={"entrypoint": ["true"], "submission_id": id}).status_code == 201
            found.append(api.get(f"/jobs/{id}").status_code)
    assert found == [200] * 6


def test_follow_to_the_end_and_resume(cluster: Cluster) -> None:
    code = (
        "import time\nfor number in range(8):\n    print('tick', number, 'token=canary-of-follow', flush=True);"
        " time.sleep(0.5)\nprint('no line end', end='')"
    )
    submit(cluster, sys.executable, "-c", code, submission_id="managed-follow")
    with cluster.api("reader") as api, api.stream("GET", "/jobs/managed-follow/logs?follow=true") as answer:
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/event-stream")
        seen = list(events(answer.iter_lines()))
    ticks = [data for event, data, _ in seen if event == "message" and data.startswith("tick")]
    assert ticks == [f"tick {number} token=[redacted]" for number in range(8)]
    assert [data for event, data, _ in seen if event == "message"][-1] == "no line end"
    event, data, _ = seen[-1]
    end = json.loads(data)
    assert (event, end["reason"], end["outcome"]) == ("end", "ended", "succeeded")
    third = next(id for _, data, id in seen if data.startswith("tick 3"))
    with cluster.api("reader") as api:
        answer = api.get("/jobs/managed-follow/logs?follow=true", headers={"Last-Event-ID": str(third)})
    resumed = [data for event, data, _ in events(iter(answer.text.splitlines())) if data.startswith("tick")]
    assert resumed == ticks[4:]
    with cluster.api("reader") as api:
        last = max(int(id) for _, _, id in seen if id is not None)
        answer = api.get("/jobs/managed-follow/logs?follow=true", headers={"Last-Event-ID": str(last)})
    assert (answer.status_code, answer.text) == (204, "")


def test_followers_are_bounded_and_free_their_place(cluster: Cluster) -> None:
    submit(cluster, "sleep", "600", submission_id="managed-watched")
    wait_for("it to run", lambda: raw(cluster, "managed-watched")["status"] == "RUNNING")
    path = "/jobs/managed-watched/logs?follow=true"
    # Six of one token, two of another: that is all there are.
    clients = [cluster.api(role) for role in ["reader"] * 6 + ["executor"] * 2]
    streams = [client.stream("GET", path) for client in clients]
    answers = [stream.__enter__() for stream in streams]
    assert [answer.status_code for answer in answers] == [200] * 8
    # Kept: httpx closes a response whose iterator nobody holds.
    lines = [answer.iter_lines() for answer in answers]
    assert [next(each) for each in lines] == ["retry: 5000"] * 8
    with cluster.api("reader") as api:
        refused = api.get(path).json()
        assert (refused["code"], refused["used"], refused["limit"]) == ("too_many_streams", 6, 6)
        with cluster.api("executor") as other:
            assert other.get(path).json()["code"] == "too_busy"
        for answer, client in zip(answers, clients, strict=True):
            answer.close()
            client.close()
        began = time.monotonic()

        def free() -> bool:
            with api.stream("GET", path) as answer:
                return answer.status_code == 200

        wait_for("a free place", free, timeout_s=15)
        print(f"a follower's place was free {time.monotonic() - began:.1f} s after it went away")
    ask(cluster, "POST", "/jobs/managed-watched/stop", 200)


def test_a_head_of_a_followed_log_holds_neither_a_place_nor_a_connection(cluster: Cluster) -> None:
    submit(cluster, "sleep", "600", submission_id="managed-headed")
    wait_for("it to run", lambda: raw(cluster, "managed-headed")["status"] == "RUNNING")
    path = "/jobs/managed-headed/logs?follow=true"

    def look(_: int) -> tuple[int, str]:
        # Each on a connection of its own, and then another request on it.
        with cluster.api("reader") as api:
            answer = api.head(path, timeout=10)
            assert api.get("/health", timeout=10).json() == {"status": "alive"}
            return answer.status_code, answer.headers["content-type"].split(";")[0]

    with ThreadPoolExecutor(6) as pool:  # as many as one token may have at once
        assert list(pool.map(look, range(24))) == [(200, "text/event-stream")] * 24
    with cluster.api("reader") as api:
        with api.stream("GET", path, timeout=10) as answer:
            assert (answer.status_code, next(answer.iter_lines())) == (200, "retry: 5000")
        assert [api.get("/jobs?limit=1", timeout=8).status_code for _ in range(30)] == [200] * 30
    ask(cluster, "POST", "/jobs/managed-headed/stop", 200)

"""Kinds, waiting, leftovers, history and events on the real cluster."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.integration.cluster import Cluster, wait_for


def submit(cluster: Cluster, id: str, entrypoint: str, **more: Any) -> None:
    body = {"submission_id": id, "entrypoint": entrypoint, **more}
    httpx.post(f"{cluster.dashboard_url}/api/jobs/", json=body, timeout=30).raise_for_status()


def stop(cluster: Cluster, id: str) -> None:
    httpx.post(f"{cluster.dashboard_url}/api/jobs/{id}/stop", timeout=30)


def judged(cluster: Cluster, id: str) -> tuple[str, str, str]:
    row = cluster.get(f"/jobs/{quote(id, safe='')}")
    return row["outcome"], row["verdict"], row["rule"]


@contextmanager
def stopped_after(cluster: Cluster, *ids: str) -> Iterator[None]:
    try:
        yield
    finally:
        for id in ids:
            stop(cluster, id)


def test_why_a_job_waits(cluster: Cluster) -> None:
    with stopped_after(cluster, "wait-forever", "wait-holder", "wait-busy"):
        submit(cluster, "wait-forever", "sleep 600", entrypoint_resources={"unobtainium": 1})
        wait_for(
            "the reason", lambda: judged(cluster, "wait-forever") == ("pending", "WARN", "pending-infeasible-yet"), 30
        )
        row = cluster.get("/jobs/wait-forever")
        assert row["reason"].startswith("It needs 1 unobtainium, which no node of this cluster has; so far for ")
        total = cluster.get("/cluster/resources")["total"]["CPU"]
        submit(cluster, "wait-holder", "sleep 600", entrypoint_num_cpus=total - 1)
        wait_for("the holder", lambda: judged(cluster, "wait-holder")[0] == "running", 60)
        submit(cluster, "wait-busy", "sleep 600", entrypoint_num_cpus=total - 1)

        def waits() -> bool:
            row = cluster.get("/jobs/wait-busy")
            return row["outcome"] == "pending" and row["reason"].startswith(f"It waits for {total - 1:g} CPU; free")

        wait_for("the reason", waits, 30)
        assert [each["source"] for each in cluster.get("/jobs/wait-busy")["evidence"]] == [
            "job list",
            "job list",
            "resources",
            "expectation",
        ]


@pytest.mark.parametrize(
    ("id", "entrypoint", "metadata", "wanted"),
    [
        # A kind of ours is no matter of saying.
        ("kind-claimed", "false", {"seedcore.kind": "observer"}, ("failed", "BAD", "failed")),
        ("kind-declared", "sh -c true declared-service", {}, ("succeeded", "BAD", "server-ended")),
        ("kind-late", "sleep 600", {"seedcore.deadline_s": "1"}, ("running", "BAD", "past-deadline")),
        ("kind-unread-file", "cat /no/such/file", {}, ("failed", "BAD", "failed")),
    ],
)
def test_a_job_is_judged_by_what_it_is(
    cluster: Cluster, id: str, entrypoint: str, metadata: dict[str, str], wanted: tuple[str, str, str]
) -> None:
    with stopped_after(cluster, id):
        submit(cluster, id, entrypoint, metadata=metadata)
        wait_for(f"the verdict on {id}", lambda: judged(cluster, id) == wanted, 60)


def test_the_history_has_the_transitions_and_the_end_of_the_log(cluster: Cluster) -> None:
    submit(cluster, "past-failed", "python -c \"print('before'); raise SystemExit('no table named token=canary-7')\"")
    wait_for("the end", lambda: judged(cluster, "past-failed")[0] == "failed", 60)

    def timeline() -> list[str]:
        return [each["event"] for each in cluster.get("/jobs/past-failed")["timeline"] if each["source"] == "history"]

    assert wait_for("the history", timeline)[-1] == "judged failed: BAD (failed)"
    tail = cluster.get("/jobs/past-failed/logs")
    assert tail["lines"][-1] == "no table named token=[redacted]"
    assert "past-failed" in [row["id"] for row in cluster.get("/jobs", q="past-failed")["items"]]
    summary = cluster.get("/jobs/summary", window="5m")
    assert summary["jobs"]["failed"] >= 1
    assert "exit code 1" in [each["cause"] for each in summary["failures_by_cause"]]


def test_what_a_dead_driver_left_is_found(cluster: Cluster) -> None:
    done = cluster.run_driver(
        "import ray; ray.init(namespace='tests'); "
        "ray.remote(num_cpus=0)(type('Left', (), {'ping': lambda self: 1}))"
        ".options(name='left-behind', lifetime='detached').remote()"
        "; actor = ray.get_actor('left-behind'); ray.get(actor.ping.remote())"
    )
    assert done.returncode == 0, done.stderr
    try:

        def left() -> list[str]:
            items = cluster.get("/cluster/leftovers")["items"]
            return [each["sentence"] for each in items if "left-behind" in each["sentence"]]

        (sentence,) = wait_for("the leftover", left, 120)
        assert sentence == "It is over, and 1 of its actors live on: left-behind."
    finally:
        cluster.run_driver("import ray; ray.init(namespace='tests'); ray.kill(ray.get_actor('left-behind'))")
    wait_for("it to be gone", lambda: not left(), 60)


def test_ray_pushes_what_happens(cluster: Cluster) -> None:
    before = cluster.get("/ray/status")["events"]
    with cluster.spawn_driver("import ray, time; ray.init(); print('up', flush=True); time.sleep(600)") as process:
        assert process.stdout is not None
        while "up" not in process.stdout.readline():
            pass
        wait_for("an event", lambda: cluster.get("/ray/status")["events"]["last_at"] != before["last_at"], 30)
        process.send_signal(signal.SIGKILL)
    assert cluster.get("/ray/status")["events"]["not_understood"] == 0
    with httpx.Client(base_url=cluster.http_url) as stranger:
        assert stranger.post("/events/not-the-key-at-all", json=[]).status_code == 404


def test_how_it_came_up_and_who_manages_what(cluster: Cluster) -> None:
    steps = {step["step"]: step for step in cluster.get("/jobs/lifecycle")["steps"]}
    steps.pop("deployed-again", None)  # other tests deploy
    assert {name: step["state"] for name, step in steps.items()} == dict.fromkeys(
        ("head-up", "serve-controller", "application-server", "application", "initialization", "ready"), "done"
    )
    after = [steps[name]["after_s"] for name in ("head-up", "serve-controller", "application-server", "ready")]
    assert after == sorted(after)
    with cluster.api() as api:
        # The newest jobs are drawn, and other tests have run many.
        asked = api.post("/organism/initialize", json={"force": True})
        assert asked.status_code == 202, asked.text
        job = f"/jobs/{asked.json()['submission_id']}"
        wait_for("another initialization", lambda: cluster.get(job)["outcome"] == "succeeded")
        text = api.get("/jobs/hierarchy", params={"format": "text"}).text
        drawn = api.get("/jobs/hierarchy", params={"format": "mermaid"}).text
    assert "organ cognitive_organ_1: healthy  [Serve: deployment of seedcore]" in text
    assert "[metadata: seedcore.scheduled_by = OrganismManager, seedcore.kind = coa-initialization]" in text
    assert drawn.startswith("flowchart LR\n")

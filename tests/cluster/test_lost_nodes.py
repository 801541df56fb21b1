"""Nodes, supervisors and drivers that are killed: what Ray says of them, and what is judged."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import psutil
import pytest

from serve_app.cluster.dashboard import DashboardClient
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.models import JobRow, Snapshot
from serve_app.jobs.reading.snapshot import collect
from tests.cluster.nodes import Node, Nodes, head, wait_for


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with head() as started:
        yield started


def look(nodes: Nodes) -> tuple[Snapshot, dict[str, JobRow]]:
    async def once() -> Snapshot:
        client = DashboardClient(nodes.dashboard_url, 10)
        try:
            return await collect(client, datetime.now(UTC))
        finally:
            await client.close()

    snapshot = asyncio.run(once())
    return snapshot, {row.id: row for row in judge(snapshot, snapshot.taken_at)}


def judged(nodes: Nodes, id: str) -> tuple[str, str, str]:
    row = look(nodes)[1][id]
    return row.outcome.value, row.verdict.value, row.rule


def test_a_job_is_lost_with_its_worker_node(nodes: Nodes) -> None:
    worker = nodes.add_worker(other=1)
    wait_for("the worker node", lambda: len([row for row in nodes.rows("nodes") if row["state"] == "ALIVE"]) == 2)
    code = "import ray, time; ray.init(); print('up', flush=True); time.sleep(600)"
    nodes.submit("on-worker", f'{sys.executable} -c "{code}"', entrypoint_resources={"other": 1})
    wait_for("it to run", lambda: look(nodes)[1]["on-worker"].job_id is not None)
    assert judged(nodes, "on-worker") == ("running", "OK", "running")
    node_id = look(nodes)[1]["on-worker"].node_id
    worker.kill()
    wait_for("the verdict", lambda: judged(nodes, "on-worker") == ("lost", "BAD", "failed"))
    row = look(nodes)[1]["on-worker"]
    assert row.reason.startswith(f"It was lost with its node {str(node_id)[:12]}")
    assert judged(nodes, f"node:{node_id}") == ("lost", "WARN", "worker-died")


def test_a_worker_node_that_is_stopped_in_order_has_left(nodes: Nodes) -> None:
    before = {row["node_id"] for row in nodes.rows("nodes")}
    worker = nodes.add_worker(third=1)
    (node_id,) = wait_for("the node", lambda: {row["node_id"] for row in nodes.rows("nodes")} - before)
    assert judged(nodes, f"node:{node_id}") == ("running", "OK", "worker-up")
    _raylet(worker).send_signal(signal.SIGTERM)
    wait_for("the verdict", lambda: judged(nodes, f"node:{node_id}")[0] != "running")
    assert judged(nodes, f"node:{node_id}") == ("stopped", "OK", "worker-left")
    worker.kill()


def test_a_killed_supervisor_takes_its_driver_along(nodes: Nodes) -> None:
    code = "import ray, time; ray.init(); print('up', flush=True); time.sleep(600)"
    nodes.submit("no-supervisor", f'{sys.executable} -c "{code}"')
    wait_for("it to run", lambda: look(nodes)[1]["no-supervisor"].job_id is not None)
    (supervisor,) = [row for row in nodes.rows("actors") if row["name"] == "_ray_internal_job_actor_no-supervisor"]
    os.kill(supervisor["pid"], signal.SIGKILL)
    wait_for("the verdict", lambda: judged(nodes, "no-supervisor") == ("failed", "BAD", "failed"))


def test_of_a_driver_that_outlives_its_supervisor_the_status_is_unreliable(nodes: Nodes) -> None:
    code = "import ray, time; ray.init(); print('up', flush=True); time.sleep(600)"
    # Outside of the process group that Ray kills with the supervisor.
    nodes.submit("outlives", f'setsid --wait {sys.executable} -c "{code}"')
    wait_for("it to run", lambda: look(nodes)[1]["outlives"].job_id is not None)
    (supervisor,) = [row for row in nodes.rows("actors") if row["name"] == "_ray_internal_job_actor_outlives"]
    os.kill(supervisor["pid"], signal.SIGKILL)
    wait_for("Ray's word", lambda: look(nodes)[1]["outlives"].status == "FAILED")
    assert judged(nodes, "outlives") == ("running", "WARN", "job.status-unreliable")
    (driver,) = [row for row in nodes.rows("workers") if row["worker_id"].startswith(_job_id(nodes, "outlives"))]
    os.kill(driver["pid"], signal.SIGKILL)
    wait_for("the verdict", lambda: judged(nodes, "outlives") == ("failed", "BAD", "failed"))


def test_a_killed_driver_of_a_submission_has_failed(nodes: Nodes) -> None:
    code = "import os; os.kill(os.getpid(), 9)"
    nodes.submit("kills-itself", f'{sys.executable} -c "{code}"')
    wait_for("the verdict", lambda: judged(nodes, "kills-itself") == ("failed", "BAD", "failed"))
    # The shell around the command turns the signal into 128 and its number.
    assert look(nodes)[1]["kills-itself"].reason.startswith("It failed with exit code 137")


def _job_id(nodes: Nodes, id: str) -> str:
    return look(nodes)[1][id].job_id or "none"


def _raylet(node: Node) -> psutil.Process:
    return next(process for process in node.processes() if process.name() == "raylet")

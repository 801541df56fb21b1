"""Ray's rows as they were recorded, and as they never should be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.jobs.progress.looks.rows import (
    parse_actor_details,
    parse_by_job,
    parse_gets,
    parse_held,
    parse_node_use,
)
from serve_app.jobs.progress.looks.tables import ActorDetail, NodeProcesses, ProcessUse
from serve_app.jobs.progress.models import HeldReference
from serve_app.jobs.progress.rows import parse_tasks
from tests.unit.jobs.progress.examples import at
from tests.unit.jobs.progress.test_rows import TASK

# As Ray 2.60 answers ``GET /nodes/{id}`` (recorded, shortened): a worker of a job, its driver, an agent of Ray's own.
WORKER = {
    "pid": 23803, "createTime": 1795799426.19, "cpuPercent": 0.2, "jobId": "01000000", "language": "PYTHON",
    "cpuTimes": {"user": 0.39, "system": 0.11, "childrenUser": 0.25, "childrenSystem": 0.25},
    "cmdline": ["ray::A.ask", "", ""], "memoryInfo": {"rss": 93663232.0}, "gpuMemoryUsage": 0, "gpuUtilization": 0,
    "coreWorkerStats": [
        {
            "workerType": "WORKER", "port": "18312", "numExecutedTasks": 3, "numRunningTasks": "1",
            "numPendingTasks": 1, "taskQueueLength": 1, "jobId": "01000000", "pid": 23803,
        },
    ],
}  # fmt: skip
DRIVER = {
    **WORKER, "pid": 23265, "cmdline": ["python", "prog.py"],
    "coreWorkerStats": [
        {"workerType": "DRIVER", "port": "14721", "numExecutedTasks": 0, "numRunningTasks": "0", "jobId": "01000000"},
    ],
}  # fmt: skip
AGENT = {**WORKER, "pid": 23130, "jobId": "ffff", "cmdline": ["ray::RuntimeEnvAgent"], "coreWorkerStats": []}
# By shape from ray/dashboard/modules/reporter/reporter_agent.py and gpu_providers.py: no GPU was here to record.
ON_GPU = {**WORKER, "pid": 5, "gpuMemoryUsage": 20480, "gpuUtilization": 97}
HOLDS_GPU = {**WORKER, "pid": 6, "gpuMemoryUsage": 20480, "gpuUtilization": 0}
DETAIL = {
    "now": at(0).timestamp(),
    "workers": [WORKER, DRIVER, AGENT, ON_GPU, HOLDS_GPU],
    "loadAvg": [[3.98, 3.27, 3.84], [1.99, 1.64, 1.92]],
    "raylet": {"nodeManagerAddress": "192.0.2.2", "metricsExportPort": 38749, "sessionDir": "/tmp/ray/session_1"},
}


def test_processes_of_a_node() -> None:
    used: dict[str, Any] = {
        "job_id": "01000000", "used_s": 1.0, "cores": 0.002, "finished": 2, "running": 1, "port": 18312,
        "rss_bytes": 93663232,
    }  # fmt: skip
    driver = {"finished": 0, "running": 0, "port": 14721, "is_driver": True}
    agent = {"job_id": "ffff", "finished": None, "running": None, "port": None}
    assert parse_node_use("n", DETAIL) == NodeProcesses(
        "n",
        at(0),
        (
            ProcessUse(23803, **used),
            ProcessUse(23265, **{**used, **driver}),
            ProcessUse(23130, **{**used, **agent}),
            ProcessUse(5, **{**used, "gpu": 0.97}),
            ProcessUse(6, **{**used, "gpu": 0.0}),
        ),
        "/tmp/ray/session_1",
        "http://192.0.2.2:38749/metrics",
        1.99,
    )


@pytest.mark.parametrize("value", [None, [], [[1.0]], [[1.0], []], [[1.0], ["x"]], "x", [1, 2]])
def test_a_node_that_does_not_say_how_many_want_its_cores(value: Any) -> None:
    node = parse_node_use("n", {**DETAIL, "loadAvg": value})
    assert node is not None
    assert node.load == 0.0


@pytest.mark.parametrize("detail", [None, {}, {"workers": []}, {"workers": [7, {}, {"pid": 0}]}, 7, "x"])
def test_a_node_of_which_nothing_is_told(detail: Any) -> None:
    assert parse_node_use("n", detail) is None


def test_a_node_without_an_address_has_no_figures() -> None:
    use = parse_node_use("n", {"workers": [WORKER]})
    assert use is not None
    assert (use.metrics_url, use.session_dir, use.measured_at) == ("", "", None)
    six = parse_node_use("n", {**DETAIL, "raylet": {"nodeManagerAddress": "2001:db8::1", "metricsExportPort": 9}})
    assert six is not None
    assert six.metrics_url == "http://[2001:db8::1]:9/metrics"


LINE = (
    'ray_tasks{{Component="core_worker",IsRetry="{retry}",JobId="{job}",Name="{name}",NodeAddress="192.0.2.2",'
    'SessionName="session_1",Source="{source}",State="{state}",Version="2.60.0",otel_scope_name="ray"}} {value}'
)


def figure(
    name: str, state: str, value: str, *, job: str = "01000000", source: str = "executor", retry: int = 0
) -> str:
    return LINE.format(name=name, state=state, value=value, job=job, source=source, retry=retry)


def test_who_is_in_ray_get() -> None:
    text = "\n".join(
        (
            "# HELP ray_tasks Current number of tasks currently in a particular state.",
            figure("A.ask", "RUNNING_IN_RAY_GET", "2.0"),
            figure("A.ask", "RUNNING_IN_RAY_WAIT", "1.0", retry=1),
            figure("A.ask", "RUNNING", "5.0"),
            figure("outer", "RUNNING_IN_RAY_GET", "1.0", job="05000000"),
            figure("none", "RUNNING_IN_RAY_GET", "0.0"),
            figure("owned", "RUNNING_IN_RAY_GET", "3.0", job=""),
            "ray_nodes 7",
        )
    )
    assert parse_gets(text) == {"01000000": {"A.ask": 3}, "05000000": {"outer": 1}}
    assert parse_gets("") == {}


def test_who_holds_which_result() -> None:
    rows = [
        {"object_id": TASK["task_id"] + "01000000", "pid": 7, "type": "DRIVER"},
        {"object_id": TASK["task_id"] + "02000000", "pid": 8, "type": "WORKER"},
        # A handle of an actor is no result.
        {"object_id": "f" * 16 + "625ac9912dbed084c1120000010000000100000001000000", "pid": 7, "type": "DRIVER"},
        {"object_id": "", "pid": 7},
        {"object_id": "ab", "pid": 0},
        7,
    ]
    assert parse_held(rows) == (HeldReference(7, TASK["task_id"]), HeldReference(8, TASK["task_id"]))


ACTOR = {
    "actor_id": "625ac9912dbed084c112000001000000", "class_name": "A", "state": "RESTARTING", "job_id": "01000000",
    "name": "", "node_id": "n", "pid": 23831, "required_resources": {"GPU": 1.0}, "placement_group_id": None,
    "num_restarts": "4",
}  # fmt: skip


def test_actors_that_are_not_dead() -> None:
    rows = [ACTOR, {**ACTOR, "state": "DEAD"}, {**ACTOR, "actor_id": ""}, 7]
    assert parse_actor_details(rows) == (
        ActorDetail(ACTOR["actor_id"], "A", "", "RESTARTING", "01000000", "n", 23831, 4, {"GPU": 1.0}),
    )


def test_rows_are_divided_among_jobs() -> None:
    rows = [TASK, {**TASK, "job_id": "04000000"}, {**TASK, "job_id": None}, 7]
    found = parse_by_job(rows, "job_id", parse_tasks)
    assert {job_id: len(own) for job_id, own in found.items()} == {"03000000": 1, "04000000": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*WORKER, *ACTOR, "raylet"]), inner),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_no_row_raises(value: Any) -> None:
    parse_node_use("n", {"workers": [value], "raylet": value, "now": value})
    parse_node_use("n", value)
    parse_actor_details([value, {**ACTOR, "required_resources": value, "num_restarts": value}])
    parse_held([value, {"object_id": value, "pid": value}])
    parse_by_job([value], "job_id", parse_tasks)

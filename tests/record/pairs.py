"""``pairs``: jobs that run beside each other, of which one causes what Ray writes into the logs of all.

Three heads, each for a minute or three: one for requests that no node can fulfill; one whose limit of memory is a
little above what is used, and that gives up on a process that does not start after eight seconds; and one that soon
misses a node, for a second node that is killed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from tests.corpus.scrubbing import scrubber
from tests.record.cluster import Cluster
from tests.record.nodes import add_node, head, wait

RECORDED = Path(__file__).parents[1] / "unit" / "jobs" / "diagnosis" / "recorded"
_NO_PYTHON = "/opt/none/bin/python"
# Above what is used: less than `_EATS` takes, and more than what else runs here may take meanwhile.
_ROOM_BYTES = 3_500_000_000
_ENDED = ("FAILED", "SUCCEEDED", "STOPPED")
_BEGIN = "import ray, sys, time\nray.init(address='auto'{more})\n"
_ELSEWHERE = f", runtime_env={{'py_executable': '{_NO_PYTHON}'}}"
_SLOW = "@ray.remote(num_cpus=0.1)\ndef slow():\n    time.sleep(300)\nray.get(slow.remote(), timeout=25)\n"
_FAILS = (
    "@ray.remote(num_cpus=0.1)\ndef f():\n    time.sleep({seconds})\n    raise ValueError('no label')\n"
    "ray.get(f.remote())\n"
)
_EATS = (
    "@ray.remote(max_retries={retries}, num_cpus=0.5)\ndef shard():\n    kept = []\n    for _ in range(40):\n"
    "        kept.append(bytearray(150_000_000))\n        time.sleep(0.15)\nray.get(shard.remote())\n"
)
PROGRAMS = {
    "asks": "@ray.remote(num_cpus=64)\ndef big(): pass\nray.get(big.remote())\n",
    "hears": _SLOW,
    "asksgroup": (
        "from ray.util.placement_group import placement_group\n"
        "ray.get(placement_group([{'CPU': 1, 'fpga': 2}]).ready(), timeout=30)\n"
    ),
    "hearsgroup": _SLOW,
    "eats": _EATS.format(retries=1),
    "sits": (
        "@ray.remote(num_cpus=0.1)\ndef calm():\n    time.sleep(60)\n    raise ValueError('no label in row 7')\n"
        "ray.get(calm.remote())\n"
    ),
    "eatsonce": _EATS.format(retries=0),
    "uv-3": "@ray.remote(num_cpus=0.1)\ndef f(): return 1\nprint(ray.get(f.remote(), timeout=240))\n",
    "uv-4": "@ray.remote(num_cpus=0.1)\nclass A:\n    def f(self): return 1\nray.get(A.remote().f.remote())\n",
    "uv-ok": "time.sleep(80)\nraise ValueError('no label in row 7')\n",
    "crashes": (
        "import os\n@ray.remote(num_cpus=0.1, max_retries=0)\ndef f(): os.kill(os.getpid(), 9)\nray.get(f.remote())\n"
    ),
    "spills": "kept = [ray.put(bytes(30_000_000)) for _ in range(6)]\ntime.sleep(20)\nraise ValueError('no label')\n",
    "calm": _FAILS.format(seconds=30),
    "far": (
        "@ray.remote(num_cpus=0, resources={'far': 1}, max_retries=0)\ndef f(): time.sleep(300)\nray.get(f.remote())\n"
    ),
    "near": _FAILS.format(seconds=90),
}
_COLUMNS = {
    "tasks": (
        "task_id attempt_number name state job_id type error_type error_message required_resources node_id worker_id "
        "worker_pid end_time_ms runtime_env_info placement_group_id"
    ),
    "actors": (
        "actor_id class_name state job_id node_id pid required_resources serialized_runtime_env death_cause address"
    ),
    "placement_groups": "placement_group_id name creator_job_id state bundles",
    "workers": "worker_id worker_type exit_type exit_detail node_id ip pid end_time_ms",
    "row": (
        "submission_id job_id status message error_type driver_exit_code driver_node_id start_time end_time entrypoint "
        "runtime_env"
    ),
}
_BAD_ENDS = ("SYSTEM_ERROR", "USER_ERROR", "NODE_OUT_OF_MEMORY")


def record() -> None:
    """Record all of them; what is in the tests' values changes with it."""
    record_requests()
    record_memory()
    record_nodes()


def record_requests() -> None:
    """What no node can fulfill."""
    with head() as cluster:
        _run(cluster, "asks", "hears", stop_after="hears")
        _run(cluster, "asksgroup", "hearsgroup")


def record_memory() -> None:
    """What is killed for memory, and what cannot be started."""
    memory = psutil.virtual_memory()
    limit = (memory.total - memory.available + _ROOM_BYTES) / memory.total
    env = {"RAY_memory_usage_threshold": f"{limit:.3f}", "RAY_worker_register_timeout_seconds": "8"}
    with head(env) as cluster:
        _submit(cluster, "eats")
        _submit(cluster, "sits")
        log = cluster.directory / "t" / "session_latest" / "logs" / "job-driver-eats.log"
        wait(lambda: log.exists() and log.read_text().count("failed due to oom") >= 4, "four kills", 180)
        cluster.stop("eats")
        _write(cluster, "eats", "sits")
        _run(cluster, "eatsonce")
        cluster.submit("uv-1", "echo hi", runtime_env={"py_executable": _NO_PYTHON})
        for case in ("uv-3", "uv-4", "uv-ok"):
            _submit(cluster, case, "" if case == "uv-ok" else _ELSEWHERE)
        _write(cluster, "uv-1", "uv-3", "uv-4", "uv-ok")


def record_nodes() -> None:
    """Workers and nodes that are killed, and a store that spills."""
    with head({"RAY_health_check_period_ms": "1000", "RAY_health_check_failure_threshold": "3"}) as cluster:
        node = add_node(cluster, "127.0.0.2", {"far": 1})
        for case in ("far", "near"):
            _submit(cluster, case)
        _run(cluster, "crashes", "spills", "calm")
        for process in node:
            process.kill()
        _write(cluster, "far", "near")


def _run(cluster: Cluster, *cases: str, stop_after: str | None = None) -> None:
    for case in cases:
        _submit(cluster, case)
    if stop_after is not None:
        wait(lambda: cluster.has_status(stop_after, *_ENDED), f"the end of {stop_after}", 120)
        for case in cases:
            if case != stop_after:
                cluster.stop(case)
    _write(cluster, *cases)


def _submit(cluster: Cluster, case: str, more: str = "") -> None:
    program = cluster.directory / f"{case}.py"
    program.write_text(_BEGIN.format(more=more) + PROGRAMS[case])
    cluster.submit(case, f"{sys.executable} {program}")


def _write(cluster: Cluster, *cases: str) -> None:
    for case in cases:
        wait(lambda case=case: cluster.has_status(case, *_ENDED), f"the end of {case}", 300)  # type: ignore[misc]
    # Ray's tables follow by seconds.
    time.sleep(4)
    scrub = scrubber(cluster.directory)
    for case in cases:
        text = json.dumps(_describe(cluster, case), indent=1).encode()
        path = RECORDED / f"{case}.json"
        path.write_bytes(scrub(text) + b"\n")
        print(f"{path.name}: {path.stat().st_size} bytes")


def _describe(cluster: Cluster, case: str) -> dict[str, Any]:
    row = cluster.get(f"/api/jobs/{case}")
    job_id = row["job_id"] or "none"
    logs = cluster.directory / "t" / "session_latest" / "logs"
    log, errors = logs / f"job-driver-{case}.log", logs / "raylet.err"
    mine = {"tasks": "job_id", "actors": "job_id", "placement_groups": "creator_job_id"}
    tables = {
        table: [_keep(each, table) for each in cluster.list_rows(table) if each[column] == job_id]
        for table, column in mine.items()
    }
    workers = [
        _keep(each, "workers")
        for each in cluster.list_rows("workers")
        if each["exit_type"] in _BAD_ENDS or (each["worker_type"] == "DRIVER" and each["worker_id"].startswith(job_id))
    ]
    return {
        "row": _keep(row, "row"),
        "log": log.read_text() if log.exists() else None,
        "raylet.err": errors.read_text()[-4_000:] if case.startswith("uv") else None,
        **tables,
        "workers": workers,
    }


def _keep(row: dict[str, Any], table: str) -> dict[str, Any]:
    return {name: row.get(name) for name in _COLUMNS[table].split()}

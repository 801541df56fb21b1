"""A dashboard that is made up: so many running jobs, each with a driver, an actor and a task that goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web

NODE = "32e39817145914392f82992a9d9df2f57728e0fc870ae7eb41177f92"
Rows = list[dict[str, Any]]


class MadeUp:
    """Ray's answers about ``count`` jobs that began one a second before ``now_s``."""

    def __init__(self, count: int, now_s: float) -> None:
        self._jobs = [_make_job(number, now_s - count + number) for number in range(count)]
        self._tables: Mapping[str, Rows] = {
            "workers": [_make_driver(job) for job in self._jobs] + [_make_worker(job) for job in self._jobs],
            "actors": [_make_actor(job) for job in self._jobs],
            "tasks": [task for job in self._jobs for task in _make_tasks(job)],
            "nodes": [_make_node()],
            "placement_groups": [],
            "objects": [],
        }
        self._asked = 0
        self._job_list = json.dumps(self._jobs).encode()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One question; 404 for what is not made up."""
        path = request.path
        if path == "/api/jobs/":
            return web.Response(body=self._job_list, content_type="application/json")
        if path == "/api/serve/applications/":
            return web.json_response({})
        if path == "/nodes":
            return web.json_response({"result": True, "data": {"summary": [_make_use()]}})
        if path == f"/nodes/{NODE}":
            return web.json_response({"result": True, "data": {"detail": self._describe_node()}})
        if path == "/api/v0/tasks/summarize":
            return web.json_response(_wrap({"node_id_to_summary": {"cluster": {"summary": {}}}}))
        table = self._tables.get(path.removeprefix("/api/v0/"))
        if table is not None:
            return web.json_response(_wrap(_select(table, request.query.getall("filter_keys", []), request)))
        for job in self._jobs if path.startswith("/api/jobs/") else ():
            if path.removeprefix("/api/jobs/") == job["submission_id"]:
                return web.json_response(job)
        return web.json_response({"result": False, "msg": "nothing there"}, status=404)

    def _describe_node(self) -> dict[str, Any]:
        """Its processes, of which each has used the processor a little more than when it was asked before."""
        self._asked += 1
        workers = [
            _describe_process(row, 1.0 + self._asked / 10)
            for row in self._tables["workers"]
            if row["worker_type"] == "WORKER"
        ]
        return {**_make_use(), "workers": workers, "now": time.time()}


def _describe_process(row: dict[str, Any], used_s: float) -> dict[str, Any]:
    core = {"workerType": "WORKER", "numExecutedTasks": 1, "numRunningTasks": 1, "port": 0, "jobId": row["job_id"]}
    return {
        "pid": row["pid"], "jobId": row["job_id"], "cmdline": ["ray::part"], "status": "running", "cpuPercent": 1.0,
        "createTime": row["start_time_ms"] / 1000, "cpuTimes": {"user": used_s, "system": 0.1},
        "memoryInfo": {"rss": 90_000_000}, "coreWorkerStats": [core],
    }  # fmt: skip


def _select(rows: Rows, keys: list[str], request: web.Request) -> Rows:
    predicates, values = (request.query.getall(f"filter_{name}", []) for name in ("predicates", "values"))
    for key, predicate, value in zip(keys, predicates, values, strict=True):
        rows = [row for row in rows if (str(row.get(key)).lower() == value.lower()) is (predicate == "=")]
    return rows[: int(request.query.get("limit", "100"))]


def _wrap(result: Any) -> dict[str, Any]:
    total = len(result) if isinstance(result, list) else 1
    told = {
        "total": total, "num_after_truncation": total, "num_filtered": total, "result": result,
        "partial_failure_warning": "", "warnings": None,
    }  # fmt: skip
    return {"result": True, "msg": "", "data": {"result": told}}


def _make_job(number: int, began_s: float) -> dict[str, Any]:
    began_ms = round(began_s * 1000)
    return {
        "type": "SUBMISSION", "job_id": f"{number + 2:08x}", "submission_id": f"raysubmit_{number:016x}",
        "driver_info": {"id": f"{number + 2:08x}", "node_ip_address": "192.0.2.1", "pid": str(10_000 + number)},
        "status": "RUNNING", "entrypoint": f"python /srv/train.py --seed {number}", "message": "Job is running.",
        "error_type": None, "start_time": began_ms, "end_time": None, "metadata": {}, "runtime_env": {},
        "driver_agent_http_address": "http://192.0.2.1:52365", "driver_node_id": NODE, "driver_exit_code": None,
    }  # fmt: skip


def _make_driver(job: dict[str, Any]) -> dict[str, Any]:
    return {
        "worker_id": f"{job['job_id']}{'f' * 48}", "worker_type": "DRIVER", "is_alive": True,
        "pid": int(job["driver_info"]["pid"]), "node_id": NODE, "ip": "192.0.2.1",
        "start_time_ms": job["start_time"], "end_time_ms": 0, "exit_type": None, "exit_detail": None,
        "job_id": job["job_id"],
    }  # fmt: skip


def _make_worker(job: dict[str, Any]) -> dict[str, Any]:
    return {
        **_make_driver(job), "worker_id": f"{job['job_id']}{'a' * 48}", "worker_type": "WORKER",
        "pid": int(job["driver_info"]["pid"]) + 20_000,
    }  # fmt: skip


def _make_actor(job: dict[str, Any]) -> dict[str, Any]:
    return {
        "actor_id": f"{'b' * 24}{job['job_id']}", "class_name": "Keeper", "state": "ALIVE", "job_id": job["job_id"],
        "name": "", "node_id": NODE, "pid": int(job["driver_info"]["pid"]) + 20_000, "ray_namespace": "",
        "death_cause": None,
        "is_detached": False, "num_restarts": "0", "required_resources": {}, "placement_group_id": None,
        "serialized_runtime_env": "{}", "repr_name": "",
    }  # fmt: skip


def _make_tasks(job: dict[str, Any]) -> Rows:
    common = {
        "job_id": job["job_id"], "type": "NORMAL_TASK", "attempt_number": 0, "actor_id": None, "node_id": NODE,
        "required_resources": {}, "placement_group_id": None, "error_type": None, "error_message": None,
        "worker_id": f"{job['job_id']}{'a' * 48}", "worker_pid": int(job["driver_info"]["pid"]) + 20_000,
        "parent_task_id": None, "creation_time_ms": job["start_time"], "start_time_ms": job["start_time"] + 100,
        "end_time_ms": None, "func_or_class_name": "part", "events": [],
    }  # fmt: skip
    states = ("FINISHED", "RUNNING")
    return [
        {**common, "task_id": f"{place}{'c' * 39}{job['job_id']}", "name": "part", "state": state}
        for place, state in enumerate(states)
    ]


def _make_node() -> dict[str, Any]:
    return {
        "node_id": NODE, "node_ip": "192.0.2.1", "is_head_node": True, "state": "ALIVE", "state_message": None,
        "node_name": "192.0.2.1", "resources_total": {"CPU": 2000.0}, "labels": {}, "start_time_ms": 1,
        "end_time_ms": 0,
    }  # fmt: skip


def _make_use() -> dict[str, Any]:
    return {
        "ip": "192.0.2.1", "hostname": "made-up", "cpu": 12.0, "cpus": [2000, 2000],
        "mem": [64e9, 32e9, 50.0, 32e9], "raylet": {"nodeId": NODE, "state": "ALIVE", "isHeadNode": True},
        "disk": {"/": {"total": 1e12, "used": 1e11, "free": 9e11, "percent": 10.0}}, "gpus": [], "workers": [],
        "networkSpeed": [0.0, 0.0],
    }  # fmt: skip

"""Record what a real Ray tells after faults: ``python -m tests.record_faults``.

A head and a worker node on this machine; a job loses its node, another its supervisor, others wait, are stopped, tried
again or leave something behind. Written as by ``tests/record``, to ``recorded/ray-<version>-faults/``.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from typing import Any

import httpx

from tests.cluster.nodes import Nodes, head, wait_for
from tests.record.answers import ENDPOINTS, OUT, save

FAULTS = OUT.with_name(f"{OUT.name}-faults")
WAITING = (
    "/api/v0/actors",
    {
        "detail": "True",
        "limit": "10000",
        "filter_keys": "state",
        "filter_predicates": "=",
        "filter_values": "PENDING_CREATION",
    },
)
CONNECT = (
    "import os, time, ray; "
    "config = ray.job_config.JobConfig(metadata={{'case': {case!r}}}); "
    "ray.init(address={address!r}, namespace='recorded', job_config=config); "
)
DRIVERS = {
    "driver-failed-tasks": (
        "task = ray.remote(num_cpus=0, max_retries=0)(lambda n: 1 // n); "
        "refs = [task.remote(n) for n in (0, 0, 1)]; "
        "ray.wait(refs, num_returns=3); ray.get(refs[2]); time.sleep(2)"
    ),
    "driver-leaves-actor": (
        "left = ray.remote(num_cpus=0)(type('Left', (), {'ping': lambda self: 1}))"
        ".options(name='left-behind', lifetime='detached').remote(); ray.get(left.ping.remote())"
    ),
}
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


def main() -> None:
    """Record, print the size."""
    with head() as nodes:
        make(nodes)
        FAULTS.mkdir(parents=True, exist_ok=True)
        questions = {**ENDPOINTS, "waiting": WAITING}
        size = sum(
            save(name, ask(nodes, path, params), nodes.directory, FAULTS) for name, (path, params) in questions.items()
        )
        size += save("tasks", tasks_of(nodes, "driver-failed-tasks"), nodes.directory, FAULTS)
    print(f"{FAULTS}: {size} bytes")


def make(nodes: Nodes) -> None:
    """Every case, so that in the end all that can be told of each is there."""
    worker = nodes.add_worker(other=2)
    wait_for("the worker", lambda: len([row for row in nodes.rows("nodes") if row["state"] == "ALIVE"]) == 2)
    sleeper = f"{shlex.quote(sys.executable)} -c {shlex.quote(code(nodes, 'x') + 'time.sleep(600)')}"
    submit(nodes, "on-lost-node", sleeper, entrypoint_resources={"other": 1})
    submit(nodes, "supervisor-killed", sleeper)
    submit(nodes, "stubborn-stopped", f"{shlex.quote(sys.executable)} -c {shlex.quote(STUBBORN)}")
    submit(nodes, "server-ended", "true", {"seedcore.kind": "application-server"})
    submit(nodes, "first-attempt", "false")
    for case in ("on-lost-node", "supervisor-killed"):
        wait_for(case, lambda case=case: job(nodes, case)["job_id"])
    wait_for("stubborn", lambda: job(nodes, "stubborn-stopped")["status"] == "RUNNING")
    for case, what in DRIVERS.items():
        command = [sys.executable, "-c", code(nodes, case) + what]
        print(case, subprocess.run(command, env=nodes.env, cwd=nodes.directory, timeout=120, check=False).returncode)
    wait_for("the first attempt", lambda: job(nodes, "first-attempt")["status"] == "FAILED")
    submit(nodes, "second-attempt", "true", {"seedcore.retry_of": "first-attempt"})
    time.sleep(2)
    httpx.post(f"{nodes.dashboard_url}/api/jobs/stubborn-stopped/stop", timeout=30).raise_for_status()
    (supervisor,) = [row for row in nodes.rows("actors") if row["name"] == "_ray_internal_job_actor_supervisor-killed"]
    os.kill(supervisor["pid"], signal.SIGKILL)
    worker.kill()
    wait_for("the dead node", lambda: any(row["state"] == "DEAD" for row in nodes.rows("nodes")))
    submit(nodes, "holds-cpus", "sleep 600", entrypoint_num_cpus=2)
    wait_for("the holder", lambda: job(nodes, "holds-cpus")["status"] == "RUNNING")
    submit(nodes, "waits-for-nothing", "sleep 600", entrypoint_resources={"unobtainium": 1})
    submit(nodes, "waits-for-cpus", "sleep 600", entrypoint_num_cpus=2)
    for case in ("on-lost-node", "supervisor-killed", "stubborn-stopped", "server-ended", "second-attempt"):
        wait_for(case, lambda case=case: job(nodes, case)["status"] in ("FAILED", "STOPPED", "SUCCEEDED"))
    time.sleep(5)  # the worker table is written last


def submit(nodes: Nodes, case: str, entrypoint: str, metadata: dict[str, str] | None = None, **more: Any) -> None:
    """A submission whose id is the case."""
    nodes.submit(case, entrypoint, metadata={"case": case, **(metadata or {})}, **more)


def job(nodes: Nodes, case: str) -> Any:
    """Ray's row of a submission."""
    return ask(nodes, f"/api/jobs/{case}", {})


def tasks_of(nodes: Nodes, case: str) -> Any:
    """Summary of the tasks of a driver."""
    row = next(row for row in ask(nodes, "/api/jobs/", {}) if (row.get("metadata") or {}).get("case") == case)
    asked = {
        "filter_keys": "job_id",
        "filter_predicates": "=",
        "filter_values": row["job_id"],
        "summary_by": "func_name",
    }
    return ask(nodes, "/api/v0/tasks/summarize", asked)


def ask(nodes: Nodes, path: str, params: dict[str, str]) -> Any:
    """JSON of a GET."""
    answer = httpx.get(f"{nodes.dashboard_url}{path}", params=params, timeout=60)
    answer.raise_for_status()
    return answer.json()


def code(nodes: Nodes, case: str) -> str:
    """Python that connects as this case."""
    return CONNECT.format(address=nodes.address, case=case)


if __name__ == "__main__":
    main()

"""Jobs of every kind, and what makes the organism, its alerts and its history have something to tell."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.integration.cluster import ROOT, Cluster, wait_for

BEGIN = "import os, sys, time, ray; ray.init(); "
ORGAN = "actuator_organ_1"
# More kinds of ended jobs than a report lists.
KINDS = [f"kind-{number:02}" for number in range(22)]
TASK_FAILS = (
    BEGIN + "f = ray.remote(num_cpus=0, max_retries=0)(lambda: {}['no such key']); print('begin', flush=True); "
    "ray.get(f.remote())"
)
ACTORS = (
    BEGIN + "Kept = type('Kept', (), {'ask': lambda self: 1}); "
    "kept = [ray.remote(num_cpus=0.01)(Kept).options(name=f'kept-{n}', namespace='kept').remote() for n in range(2)]; "
    "ray.get([each.ask.remote() for each in kept]); ray.get(ray.remote(num_cpus=0)(lambda: 1).remote());"
)
LEFTOVER = (
    BEGIN + "kept = ray.remote(num_cpus=0)(type('Leftover', (), {'ask': lambda self: 1}))"
    ".options(name='leftover', namespace='left', lifetime='detached').remote(); ray.get(kept.ask.remote())"
)
HANGS = (
    BEGIN + "made = ray.remote(num_cpus=0, resources={'nowhere': 1})(lambda: 1).remote(); "
    "ray.get(ray.remote(num_cpus=0)(lambda refs: ray.get(refs[0])).remote([made]))"
)
HIDES = "import subprocess; subprocess.call([sys.executable, '-c', 'import ray; ray.init(); 1 / 0'])"
CIRCLES = (
    BEGIN
    + "clean = ray.remote(num_cpus=0, max_retries=-1, retry_exceptions=True)(lambda: time.sleep(0.5) or {}['x']); "
    "ray.get(clean.remote())"
)
SUBMISSIONS: dict[str, dict[str, Any]] = {
    "ok": {"code": BEGIN + "print('done')", "metadata": {"team": "reports", "seedcore.owner": "data-team"}},
    "exit-3": {"code": BEGIN + "print('begin', flush=True); sys.exit(3)"},
    "no-module": {"code": "import no_such_module_of_ours"},
    "no-module-2": {"code": "import no_such_module_of_ours"},
    "no-file": {"code": "open('/no/such/file')"},
    "task-fails": {"code": TASK_FAILS},
    "no-function": {"code": BEGIN + "ray.get(ray.remote(num_cpus=0)(abs).remote(1))"},
    "hides-it": {"code": HIDES},
    "declared": {"code": "print('done')", "metadata": {"seedcore.kind": "nightly"}},
    "killed": {"code": BEGIN + "os.kill(os.getpid(), 9)"},
    "attempt-1": {"code": "sys.exit(1)", "metadata": {"job_name": "report", "attempt": "1"}},
    "attempt-2": {"code": "1", "metadata": {"job_name": "report", "attempt": "2"}},
}
LASTING: dict[str, dict[str, Any]] = {
    "busy": {"code": ACTORS + " time.sleep(900)"},
    "hangs": {"code": HANGS},
    "circles": {"code": CIRCLES},
    "overdue": {"code": "import time; time.sleep(900)", "metadata": {"seedcore.deadline_s": "1"}},
    "waits": {"code": "1", "resources": {"unobtainium": 1}},
}


def configure(home: Path) -> Path:
    """The shipped configuration with what there is to record: management, a kind, quick and easy alerts."""
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    application = config["applications"][0]
    application["args"]["job_management"] = {"enabled": True}
    nightly = {
        "name": "nightly",
        "match": {"metadata": {"seedcore.kind": "nightly"}},
        "purpose": "Makes the report of the night.",
        "owner": "data-team",
        "must_end": True,
        "expected_duration_s": 60,
        "deadline_s": 600,
        "every_h": 0.01,
        "allowed_failures": 1,
    }
    alerts = {
        "period_s": 0.5,
        "cpu_ratio": 0.001,
        "job_failure_minimum": 1,
        "hold_s": 1,
        "resolve_hold_s": 1,
        "holds": [{"rule": "organ-not-responding", "hold_s": 1, "resolve_hold_s": 1}],
        "silences": [{"rule": "memory-high", "reason": "expected while it is recorded"}],
        "memory_ratio": 0.001,
    }
    inspector = {"kinds": [nightly], "poll_period_s": 1, "motion_period_s": 2, "quiet_limit_s": 20}
    application["deployments"] += [
        {"name": "JobInspector", "user_config": inspector},
        {"name": "Alerts", "user_config": alerts},
    ]
    path = home / "asked.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def submit(cluster: Cluster, id: str, code: str, **body: Any) -> None:
    """A submission in Python by the product's own API, which is not kept."""
    with cluster.api() as api:
        answer = api.post("/jobs", json={"entrypoint": python(code), "submission_id": id, **body})
    if answer.status_code != 201:
        raise SystemExit(f"{id}: {answer.text}")


def python(code: str) -> list[str]:
    """A program as the words of an entrypoint."""
    return [sys.executable, "-c", f"import sys; {code}"]


def submit_all(cluster: Cluster) -> None:
    """Everything that ends, and everything that lasts, until it has done so."""
    for id, body in {**SUBMISSIONS, **LASTING}.items():
        submit(cluster, id, **body)
    wait_for("the ends", lambda: all(outcome(cluster, id) not in ("pending", "running") for id in SUBMISSIONS), 240)
    wait_for("the driver", lambda: cluster.get("/jobs/busy")["job_id"], 120)
    wait_for("the other driver", lambda: cluster.get("/jobs/hangs")["job_id"], 120)
    wait_for("the circle", lambda: cluster.get("/jobs/circles")["rule"] == "circling", 120)
    wait_for("what it waits for", lambda: (cluster.get("/jobs/hangs")["motion"] or {}).get("waits_for"), 120)


def submit_kinds(cluster: Cluster) -> None:
    """A quick job of each of many kinds."""
    for kind in KINDS:
        line = shlex.join(["sh", "-c", "true"])
        body = {"submission_id": f"of-{kind}", "entrypoint": line, "metadata": {"seedcore.kind": kind}}
        httpx.post(f"{cluster.dashboard_url}/api/jobs/", json=body, timeout=60).raise_for_status()
    wait_for("the kinds", lambda: all(outcome(cluster, f"of-{kind}") == "succeeded" for kind in KINDS), 240)


def run_drivers(cluster: Cluster) -> None:
    """Drivers alone: one that leaves an actor, and one that ends with an exception."""
    cluster.run_driver(LEFTOVER)
    cluster.run_driver(BEGIN + "{}['no such key']")


def outcome(cluster: Cluster, id: str) -> str:
    """What became of a job."""
    return str(cluster.get(f"/jobs/{id}")["outcome"])


def delete_from_ray(cluster: Cluster, id: str) -> None:
    """Have Ray forget a job behind the product's back, so that only the history knows it."""
    httpx.delete(f"{cluster.dashboard_url}/api/jobs/{id}", timeout=60).raise_for_status()

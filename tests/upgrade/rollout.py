"""One version running, with a history, alerts and agents that remember; another deployed over it, while callers ask.

make upgrade                   over a variation of these sources, as CI does
make upgrade FROM=9652b36      over a commit of this repository
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.integration.cluster import ROOT, TOKENS, UP_TIMEOUT_S, Cluster, wait_for
from tests.upgrade.checkout import edit, place_commit, place_tree
from tests.upgrade.load import Load

FROM = os.environ.get("UPGRADE_FROM") or None
RECORDED = Path(__file__).parent / "recorded" / "9652b36"
SEEN: list[str] = []
"""What the run was and what it found; printed at its end."""
ORGANS = ("cognitive_organ_1", "actuator_organ_1", "utility_organ_1")
READ = ("/jobs", "/health", "/ready", "/alerts", "/alerts/history", "/organism/status", "/ray/status", "/report")
APPLICATION = "seedcore"
DATABASE_JOB = "submission-exit-3"
SLOW = "utility_organ_1"
# Longer than it takes a replica to start, and shorter than Serve waits for one to end.
SLOW_S = 12
_PAUSE_S = 0.3
_TASKS_BEFORE = 3


@dataclass(frozen=True)
class Moment:
    """The application at one moment, as its API and Serve tell it."""

    replicas: dict[str, set[str]]
    """Ids of the running replicas by deployment, as Serve has them."""
    agents: dict[str, dict[str, Any]]
    jobs: dict[str, dict[str, Any]]
    """Jobs that had ended, by session and id."""
    alerts: dict[str, dict[str, Any]]
    past_alerts: set[str]
    versions: dict[str, Any] | None


@dataclass
class Rollout:
    """What happened."""

    before: Moment
    after: Moment
    load: Load
    said: str
    """What the second `make up` printed."""
    took_s: float
    submitted: dict[str, str] = field(default_factory=dict)
    """Jobs given to Ray while the version was replaced: what became of them."""


def place_old(checkout: Path) -> None:
    """The version that runs first."""
    if FROM is not None:
        place_commit(checkout, FROM)
        return
    place_tree(checkout)
    edit(checkout, "serve_app/__init__.py", '__version__ = "', '__version__ = "0.0.9.')


def write_configuration(home: Path, checkout: Path) -> Path:
    """The one that the old version ships, with an alert that fires at once and on, and a history that is kept."""
    config = yaml.safe_load((checkout / "serve_config.yaml").read_text())
    application = config["applications"][0]
    application["args"]["job_management"] = {"enabled": True}
    held = [{"rule": "memory-high", "hold_s": 0, "resolve_hold_s": 86_400}]
    application["deployments"] += [
        {"name": "Alerts", "user_config": {"period_s": 0.5, "memory_ratio": 0.001, "holds": held}},
        {"name": "JobInspector", "user_config": {"kept_days": 3660}},
    ]
    for each in application["deployments"]:
        if each["name"] == SLOW:
            each["user_config"] = {**(each.get("user_config") or {}), "skills": ["slow_skill:Wait"]}
    shutil.copy2(ROOT / "tests/integration/organs/own_skill.py", checkout / "slow_skill.py")
    path = home / "asked.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def unpack_database(home: Path) -> None:
    """Jobs of an earlier cluster, alerts, memories: as commit 9652b36 left them."""
    home.mkdir(exist_ok=True)
    (home / "seedcore.db").write_bytes(gzip.decompress((RECORDED / "seedcore.db.gz").read_bytes()))


def roll_out(cluster: Cluster, checkout: Path) -> Rollout:
    """Put the new version into the checkout and run `make up` again, under load; everything is looked at around it."""
    _live_a_little(cluster)
    before = look(cluster)
    load = _begin_load(cluster)
    try:
        time.sleep(2)
        place_tree(checkout)
        # Ray's own list has them; that our history has them too is for the new version to see to.
        submitted = {"ends-meanwhile": _submit(cluster, "ends-meanwhile", "sleep 4; exit 5")}
        submitted["runs-on"] = _submit(cluster, "runs-on", "sleep 600")
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "serve_app.local.up"],
            env=cluster.env, cwd=checkout, timeout=UP_TIMEOUT_S, check=False, capture_output=True, text=True,
        )  # fmt: skip
        took_s = time.monotonic() - began
        assert done.returncode == 0, done.stdout + done.stderr
        time.sleep(2)
    finally:
        load.stop()
    outcomes = {id: _find_outcome(cluster, id) for id in submitted}
    # Not all of it there is for the test of it to say, with the numbers.
    with contextlib.suppress(AssertionError):
        wait_for("the agents' last checkpoint", lambda: _is_written(cluster, load, before), timeout_s=60)
    return Rollout(before, look(cluster), load, done.stdout, took_s, outcomes)


def look(cluster: Cluster) -> Moment:
    """See ``Moment``."""
    details = httpx.get(f"{cluster.dashboard_url}/api/serve/applications/", timeout=10).json()
    deployments = details["applications"][APPLICATION]["deployments"]
    jobs = cluster.get("/jobs", limit=500)["items"]
    return Moment(
        replicas={
            name: {replica["replica_id"] for replica in each["replicas"] if replica["state"] == "RUNNING"}
            for name, each in deployments.items()
        },
        agents={agent["agent_id"]: agent for agent in _list_agents(cluster)},
        jobs={f"{row['session']}/{row['id']}": row for row in jobs if row["ended_at"] is not None},
        alerts={row["id"]: row for row in cluster.get("/alerts", limit=500)["items"]},
        past_alerts={row["id"] for row in cluster.get("/alerts/history", limit=500)["items"]},
        versions=cluster.get("/ray/status").get("versions"),
    )


def count_done(load: Load, organ_id: str) -> int:
    """Tasks of an organ whose callers were told that they are done."""
    return sum(200 <= each.status < 300 for each in load.answers if each.what.split()[0] == organ_id)


def _live_a_little(cluster: Cluster) -> None:
    """A job that succeeds, one that fails, an alert, and tasks for organs whose agents know what they did before."""
    wait_for("the agents' state of the database", lambda: _are_restored(cluster))
    known = _count_processed(cluster)
    for id, entrypoint in (("succeeds", "exit 0"), ("fails", "exit 3")):
        _submit(cluster, id, entrypoint)
    for organ_id in ORGANS:
        for _ in range(_TASKS_BEFORE):
            assert cluster.execute(organ_id, {"type": "test_task"}).status_code == 200
    # The manager tells what it saw a moment ago.
    lived = {agent_id: count + _TASKS_BEFORE for agent_id, count in known.items()}
    wait_for("the agents' count", lambda: _count_processed(cluster) == lived)
    wait_for("an alert", lambda: [row for row in cluster.get("/alerts")["items"] if row["subject"] != "node-1"])
    for id, outcome in (("succeeds", "succeeded"), ("fails", "failed"), (DATABASE_JOB, "failed")):
        wait_for(f"{id} in the history", partial(_has_outcome, cluster, id, outcome))


def _are_restored(cluster: Cluster) -> bool:
    agents = _list_agents(cluster)
    return len(agents) == len(ORGANS) and all(agent["restored"] for agent in agents)


def _count_processed(cluster: Cluster) -> dict[str, int]:
    return {agent["agent_id"]: agent["tasks_processed"] for agent in _list_agents(cluster)}


def _list_agents(cluster: Cluster) -> list[dict[str, Any]]:
    return [agent for organ in cluster.get("/organism/status")["data"] for agent in organ["agents"]]


def _submit(cluster: Cluster, id: str, entrypoint: str) -> str:
    body = {"submission_id": id, "entrypoint": entrypoint}
    httpx.post(f"{cluster.dashboard_url}/api/jobs/", json=body, timeout=60).raise_for_status()
    return id


def _has_outcome(cluster: Cluster, id: str, outcome: str) -> bool:
    return _find_outcome(cluster, id) == outcome


def _find_outcome(cluster: Cluster, id: str) -> str:
    return str(cluster.get(f"/jobs/{id}")["outcome"])


def _begin_load(cluster: Cluster) -> Load:
    load = Load(cluster.http_url, {"Authorization": f"Bearer {TOKENS['operator']}"})
    for path in READ:
        load.ask(path, _get(path), _PAUSE_S)
    for organ_id in ORGANS:
        load.ask(organ_id, _execute(organ_id, {"type": "test_task"}), _PAUSE_S)
    load.ask("utility_organ_1 put", _put, _PAUSE_S)
    # By turns, so that at any moment one has half of its time to go.
    for what, first_s in ((f"{SLOW} slow", SLOW_S), (f"{SLOW} slow too", SLOW_S / 2)):
        load.ask(what, _wait(first_s), 0)
    load.ask("submit", _submit_job, 5.0)
    return load


def _get(path: str) -> Callable[[httpx.Client, int], httpx.Response]:
    return lambda client, number: client.get(path)


def _execute(organ_id: str, task: dict[str, Any]) -> Callable[[httpx.Client, int], httpx.Response]:
    return lambda client, number: client.post(f"/organism/execute/{organ_id}", json=task)


def _wait(first_s: float) -> Callable[[httpx.Client, int], httpx.Response]:
    def ask(client: httpx.Client, number: int) -> httpx.Response:
        task = {"type": "test.wait", "parameters": {"seconds": SLOW_S if number else first_s}}
        return client.post(f"/organism/execute/{SLOW}", json=task)

    return ask


def _put(client: httpx.Client, number: int) -> httpx.Response:
    task = {"type": "memory.put", "parameters": {"key": f"load-{number}", "value": number}}
    return client.post("/organism/execute/utility_organ_1", json=task)


def _submit_job(client: httpx.Client, number: int) -> httpx.Response:
    return client.post("/jobs", json={"submission_id": f"load-{number}", "entrypoint": ["true"]})


def _is_written(cluster: Cluster, load: Load, before: Moment) -> bool:
    """Whether each agent knows of all the tasks that were done."""
    agents = look(cluster).agents
    return all(
        agents[f"{organ_id}_agent_0"]["tasks_processed"]
        >= before.agents[f"{organ_id}_agent_0"]["tasks_processed"] + count_done(load, organ_id)
        for organ_id in ORGANS
    )

"""Organs that scale, sleep, or cannot be placed: it touches them alone, and is told by Serve's own numbers."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.integration.cluster import RECOVERIES, ROOT, Cluster, wait_for
from tests.integration.organs.test_redeploy import application, config, deploy

SLEEPER = "actuator_organ_1"
SCALED = "utility_organ_1"
# No other test has had it: an organism that was initialized once needs it no more.
FOURTH = {"id": "utility_organ_9", "type": "Utility", "description": "More than any node can hold."}
# More than any machine has on which this runs.
HUGE_CPUS = 6_400
NEEDS = f"utility_organ_9 needs {HUGE_CPUS} CPU for each replica; the most that a node has is "
# Skills that need nothing but their agent: what waits for the store waits for its successor.
PLAIN = {"cognitive_organ_1": "task.plan", "actuator_organ_1": "task.preview"}
# When every organ was stopped before its successor was started, callers waited for 7 to 10 s. 1 s is what is wanted; on
# two cores, which start all replicas at once, 1.8 to 3.9 s were measured.
MOST_WAIT_S = 6.0


@pytest.fixture(scope="module", autouse=True)
def _leave_it_as_it_was(cluster: Cluster) -> Iterator[None]:
    yield
    _up(cluster, cluster.env)
    assert deploy(cluster, config(cluster)).status_code == 200
    wait_for("the first application", lambda: application(cluster)["status"] == "RUNNING", timeout_s=90)


def _replicas(cluster: Cluster) -> dict[str, set[str]]:
    """Ids of the running replicas by deployment."""
    return {
        name: {each["replica_id"] for each in deployment["replicas"] if each["state"] == "RUNNING"}
        for name, deployment in application(cluster)["deployments"].items()
    }


def _change(cluster: Cluster, name: str, **changes: Any) -> None:
    """Deploy what runs with other options for one deployment, as `serve deploy` would."""
    wanted = config(cluster)
    entry = next(each for each in wanted["applications"][0]["deployments"] if each["name"] == name)
    entry.update(changes)
    assert deploy(cluster, wanted).status_code == 200


def _agents(cluster: Cluster, organ_id: str) -> list[str]:
    found: list[str] = cluster.organ(organ_id)["agent_ids"]
    return found


def _up(cluster: Cluster, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "serve_app.local.up"]
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


class _Callers:
    """One for each organ, who asks over and over, and how long each answer took."""

    def __init__(self, cluster: Cluster) -> None:
        self.answers: list[tuple[str, int, float]] = []
        self._cluster = cluster
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=each) for each in PLAIN.items()]

    def __enter__(self) -> _Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def _ask(self, organ_id: str, skill: str) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                status = self._cluster.execute(organ_id, {"type": skill, "timeout_s": 20}).status_code
            except httpx.HTTPError:
                status = 0
            self.answers.append((organ_id, status, time.monotonic() - began))
            time.sleep(0.05)

    def require_served(self, what: str) -> None:
        longest_s = max(took_s for _, _, took_s in self.answers)
        RECOVERIES.append(f"{what}: {len(self.answers)} tasks of others, the longest {longest_s:.2f} s")
        assert {status for _, status, _ in self.answers} == {200}
        assert longest_s < MOST_WAIT_S


@pytest.mark.parametrize("scaling", [{"min_replicas": 2, "max_replicas": 2}, {"min_replicas": 1, "max_replicas": 3}])
def test_scaling_touches_that_organ_alone(cluster: Cluster, scaling: dict[str, int]) -> None:
    before = _replicas(cluster)
    _change(cluster, SCALED, autoscaling_config=scaling)
    least = scaling["min_replicas"]
    ids = [f"{SCALED}_agent_{rank}" for rank in range(least)]
    wait_for("its agents", lambda: _agents(cluster, SCALED)[:least] == ids, timeout_s=50)
    wait_for("the end of the step", lambda: application(cluster)["status"] == "RUNNING", timeout_s=50)
    after = _replicas(cluster)
    assert before.pop(SCALED) & after.pop(SCALED)
    assert after == before


def test_an_organ_that_sleeps_is_well_and_is_not_woken_by_being_looked_at(cluster: Cluster) -> None:
    def work() -> None:
        answer = cluster.execute(SLEEPER, {"type": "task.preview", "timeout_s": 60})
        assert (answer.status_code, answer.json()["result"]["agent_id"]) == (200, f"{SLEEPER}_agent_0")

    def done() -> int:
        return int(cluster.organ(SLEEPER)["agents"][0]["tasks_processed"])

    work()
    before = wait_for("its count", done)
    scaling = {"min_replicas": 0, "initial_replicas": 0, "max_replicas": 1, "downscale_to_zero_delay_s": 3}
    _change(cluster, SLEEPER, autoscaling_config=scaling)
    wait_for("its sleep", lambda: cluster.organ(SLEEPER)["status"] == "asleep" and not _replicas(cluster)[SLEEPER])
    ends = time.monotonic() + 12
    while time.monotonic() < ends:
        organ, ready = cluster.organ(SLEEPER), httpx.get(f"{cluster.http_url}/ready", timeout=20)
        assert (organ["status"], organ["desired_agent_count"], organ["last_probe"]) == ("asleep", 0, None)
        assert organ["message"] == "Scaled to zero, as configured. A task wakes it."
        assert ready.status_code == 200
        assert ready.json()["checks"][SLEEPER] == "asleep"
        assert _replicas(cluster)[SLEEPER] == set()
        time.sleep(1)
    told = cluster.get("/alerts", rule="organ-not-responding")["items"]
    assert [each for each in told if each["subject"] == SLEEPER] == []
    # Its name and what it remembers outlive its sleep.
    work()
    wait_for("what it remembers", lambda: done() > before)
    _change(cluster, SLEEPER, autoscaling_config={"min_replicas": 1, "max_replicas": 1})


def test_an_organ_that_no_node_can_hold_ends_up_with_what_it_needs_and_no_other_waits(
    cluster: Cluster, tmp_path: Path
) -> None:
    wanted = yaml.safe_load(Path(cluster.env["SEEDCORE_CONFIG"]).read_text())
    wanted["applications"][0]["args"]["organs"].append(FOURTH)
    entry = {"name": FOURTH["id"], "num_replicas": 1, "ray_actor_options": {"num_cpus": HUGE_CPUS}}
    wanted["applications"][0]["deployments"].append(entry)
    path = tmp_path / "with_a_fourth.yaml"
    path.write_text(yaml.safe_dump(wanted))
    with _Callers(cluster) as callers:
        began = time.monotonic()
        ended = _up(cluster, {**cluster.env, "SEEDCORE_CONFIG": str(path)})
        took_s = time.monotonic() - began
    callers.require_served("an organ added")
    assert ended.returncode == 1
    assert f"This cannot run here: {NEEDS}" in ended.stderr
    assert took_s < 100


def test_it_is_told_wherever_somebody_looks(cluster: Cluster) -> None:
    def check(what: str, said: Callable[[], str]) -> None:
        def look() -> bool:
            text = said()
            assert NEEDS in text, text
            return True

        wait_for(what, look, timeout_s=50)

    check("the status", lambda: str(cluster.organ(FOURTH["id"])["message"]))
    assert cluster.organ(FOURTH["id"])["status"] == "unplaceable"
    answer = cluster.execute(FOURTH["id"], {"type": "cluster.nodes", "timeout_s": 1})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert NEEDS in answer.json()["detail"]
    ready = httpx.get(f"{cluster.http_url}/ready", timeout=20)
    assert ready.status_code == 503
    assert any(NEEDS in reason for reason in ready.json()["reasons"])
    check("an alert", lambda: str(cluster.get("/alerts", rule="organ-not-responding")["items"]))
    found = cluster.get("/report", format="json")["findings"]
    assert "BAD" in {each["verdict"] for each in found if NEEDS in each["sentence"]}
    check("the initialization", lambda: str(cluster.get("/organism/status")["initialization"]["sentence"]))


def test_while_it_is_removed_no_other_waits(cluster: Cluster) -> None:
    with _Callers(cluster) as callers:
        ended = _up(cluster, cluster.env)
    callers.require_served("an organ removed")
    assert ended.returncode == 0, ended.stderr
    assert FOURTH["id"] not in _replicas(cluster)

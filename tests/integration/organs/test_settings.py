"""Wrong live settings in a running cluster: everything works on with those of before, and it is told; replicas that are
killed meanwhile begin with them, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.cluster import Cluster, kill, wait_for
from tests.integration.organs.test_redeploy import application, config, deploy, pids

ORGAN = "utility_organ_1"
WAIT = {"type": "test.wait", "parameters": {"seconds": 0}}
WRONG: dict[str, dict[str, Any]] = {
    "Ingress": {"task_timeout_s": "x"},
    "OrganismManager": {"reconcile_period_s": -1},
    "JobInspector": {"kinds": "none"},
    "Alerts": {"period_s": "often"},
    "Store": {"size": 5},
    ORGAN: {"smoothing": "very"},
}


def with_settings(cluster: Cluster, **settings: dict[str, Any]) -> dict[str, Any]:
    """What is deployed, with these as ``user_config`` of deployments."""
    wanted = config(cluster)
    deployments = wanted["applications"][0].setdefault("deployments", [])
    for name, user_config in settings.items():
        found = next((each for each in deployments if each["name"] == name), None)
        if found is None:
            deployments.append(found := {"name": name})
        found["user_config"] = user_config
    return wanted


def read_ready(cluster: Cluster) -> dict[str, Any]:
    with cluster.api() as api:
        answer = api.get("/ready")
    assert answer.status_code == 200, answer.text[:500]
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(autouse=True)
def _leave_it_as_it_was(cluster: Cluster) -> Iterator[None]:
    yield
    assert deploy(cluster, config(cluster)).status_code == 200
    wait_for("the first application", lambda: application(cluster)["status"] == "RUNNING", timeout_s=90)


def test_wrong_settings_change_nothing_are_told_and_end_with_good_ones(cluster: Cluster) -> None:
    good = {ORGAN: {"skills": ["tests.integration.organs.own_skill:Wait"]}}
    assert deploy(cluster, with_settings(cluster, **good)).status_code == 200
    wait_for("the user's skill", lambda: cluster.execute(ORGAN, WAIT).status_code == 200)
    before = pids(cluster)

    assert deploy(cluster, with_settings(cluster, **WRONG)).status_code == 200

    def find_told() -> bool:
        now = read_ready(cluster)
        keys = {name: f"{name} refused its settings: user_config.{next(iter(wrong))}" for name, wrong in WRONG.items()}
        missing = [name for name, words in keys.items() if words not in " ".join(now["reasons"])]
        assert missing == [], missing
        return bool(now["status"] == "degraded" and now["checks"]["settings"] == "refused")

    wait_for("that each refusal is told", find_told, timeout_s=40)
    assert pids(cluster) == before, "no organ was restarted"
    assert cluster.execute(ORGAN, WAIT).status_code == 200
    assert [cluster.get(path) is not None for path in ("/jobs", "/alerts", "/organism/status")] == [True] * 3
    alerts = wait_for(
        "the alerts", lambda: cluster.get("/alerts", rule="refused-setting", state="firing")["items"], timeout_s=30
    )
    assert {each["subject_type"] for each in alerts} == {"deployment"}
    assert "refused-setting" in {each["rule"] for each in cluster.get("/jobs/findings")["items"]}
    assert "refused its settings" in str(cluster.get("/report", format="json")["findings"])

    # Whoever starts meanwhile is given the same, and begins with the last good ones.
    agent = f"{ORGAN}_agent_0"
    kill(before[agent])
    wait_for("another agent", lambda: pids(cluster)[agent] != before[agent], timeout_s=40)
    wait_for("the user's skill there", lambda: cluster.execute(ORGAN, WAIT).status_code == 200)
    (ingress,) = cluster.actors("#Ingress#")
    kill(ingress["pid"])
    wait_for("the ingress", lambda: read_ready(cluster)["status"] == "degraded", timeout_s=40)

    assert deploy(cluster, with_settings(cluster, **good)).status_code == 200
    wait_for("that nothing is refused", lambda: read_ready(cluster)["checks"]["settings"] == "ok", timeout_s=40)
    assert cluster.execute(ORGAN, WAIT).status_code == 200

"""A config edit and nothing else: a fourth organ, a user's skill, a full queue; and what must not restart for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import yaml

from tests.integration.cluster import Cluster, wait_for

FOURTH = {"id": "utility_organ_2", "type": "Utility", "description": "A second pair of hands."}


def config(cluster: Cluster) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((cluster.home / "serve_config.yaml").read_text())
    return loaded


def deploy(cluster: Cluster, wanted: dict[str, Any]) -> httpx.Response:
    return httpx.put(f"{cluster.dashboard_url}/api/serve/applications/", json=wanted, timeout=60)


def application(cluster: Cluster) -> dict[str, Any]:
    answer = httpx.get(f"{cluster.dashboard_url}/api/serve/applications/", timeout=10)
    found: dict[str, Any] = answer.json()["applications"]["seedcore"]
    return found


def pids(cluster: Cluster) -> dict[str, int]:
    organs = cluster.get("/organism/status")["data"]
    return {agent["agent_id"]: agent["pid"] for organ in organs for agent in organ["agents"]}


@pytest.fixture(scope="module", autouse=True)
def _leave_it_as_it_was(cluster: Cluster) -> Iterator[None]:
    """Whatever comes after these tests finds the application that `up` deployed."""
    yield
    assert deploy(cluster, config(cluster)).status_code == 200
    wait_for("the first application", lambda: application(cluster)["status"] == "RUNNING", timeout_s=90)


def test_user_config_changes_behaviour_without_a_restart(cluster: Cluster) -> None:
    before = pids(cluster)
    wanted = config(cluster)
    deployments = {each["name"]: each for each in wanted["applications"][0]["deployments"]}
    skills = ["tests.integration.organs.own_skill:Wait"]
    deployments["utility_organ_1"]["user_config"] = {"skills": skills, "history_limit": 7}
    assert deploy(cluster, wanted).status_code == 200

    def taken_up() -> bool:
        answer = cluster.execute("utility_organ_1", {"type": "test.wait", "parameters": {"seconds": 0}})
        return answer.status_code == 200

    wait_for("the user's skill", taken_up)
    assert pids(cluster) == before


def test_a_fourth_organ_is_a_config_edit_and_the_queue_is_bounded(cluster: Cluster) -> None:
    before = pids(cluster)
    initialized_by = cluster.get("/organism/status")["initialization"]["submission_id"]
    wanted = config(cluster)
    wanted["applications"][0]["args"]["organs"].append(FOURTH)
    wanted["applications"][0]["deployments"].append(
        {
            "name": "utility_organ_2",
            "num_replicas": 1,
            "max_ongoing_requests": 1,
            "max_queued_requests": 2,
            "user_config": {"skills": ["tests.integration.organs.own_skill:Wait"]},
        }
    )
    assert deploy(cluster, wanted).status_code == 200
    wait_for("the fourth organ", lambda: "utility_organ_2_agent_0" in pids(cluster), timeout_s=120)

    def initialized_again() -> bool:
        now = cluster.get("/organism/status")["initialization"]
        return bool(now["state"] == "succeeded" and now["submission_id"] != initialized_by)

    wait_for("an initialization that covers the fourth organ", initialized_again, timeout_s=120)
    assert len(before) == 3

    task = {"type": "test.wait", "parameters": {"seconds": 2.0}}
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: cluster.execute("utility_organ_2", task), range(12)))
    statuses = sorted({answer.status_code for answer in answers})
    assert statuses == [200, 429], statuses
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["code"] == "too_busy"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"organs": []}, "organs"),
        ({"organs": [FOURTH, FOURTH]}, "given twice"),
        ({"organs": [{**FOURTH, "type": "Utilty"}]}, "Utility"),
        ({"organs": [FOURTH], "organz": 1}, "organz"),
    ],
)
def test_a_bad_config_is_refused_and_the_old_application_serves_on(
    cluster: Cluster, change: dict[str, Any], words: str
) -> None:
    wanted = config(cluster)
    wanted["applications"][0]["args"] = change
    wanted["applications"][0]["deployments"] = []
    assert deploy(cluster, wanted).status_code == 200

    def refused() -> str:
        now = application(cluster)
        assert now["status"] == "DEPLOY_FAILED", now["status"]
        return str(now["message"])

    message = wait_for("the refusal", refused, timeout_s=60)
    assert words in message
    assert cluster.execute("utility_organ_1", {"type": "cluster.nodes"}).status_code == 200


def test_log_lines_are_json_with_action_and_request_id(cluster: Cluster) -> None:
    lines = [
        json.loads(line)
        for path in (cluster.logs / "serve").glob("replica_seedcore_*.log")
        for line in path.read_text().splitlines()
    ]
    actions = {line["action"] for line in lines if "action" in line}
    assert {"agent_claimed", "initialization_submitted", "ingress_configured"} <= actions

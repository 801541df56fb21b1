"""The routes of alerts, and what a configuration says about them before it is deployed."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app import main
from serve_app.check.configuration import check_config
from serve_app.errors import Unavailable
from tests.unit.fakes import AS_OF, served

PAGE = {"items": [{"id": "a"}], "next_cursor": "c", "as_of": AS_OF, "degraded": ["x"]}


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/alerts", ("alerts", {"limit": 100})),
        (
            "/alerts?rule=stuck-job&severity=critical&state=pending&limit=5&cursor=c",
            (
                "alerts",
                {"rule": "stuck-job", "severity": "critical", "state": "pending", "limit": 5, "cursor": "c"},
            ),
        ),
        ("/alerts/history", ("alert_history", {"limit": 100})),
        (
            "/alerts/history?state=resolved&since=2026-01-01T00:00:00%2B02:00",
            ("alert_history", {"state": "resolved", "since": "2026-01-01T00:00:00+02:00", "limit": 100}),
        ),
    ],
)
async def test_filters_are_passed_on_and_the_answer_is_as_it_came(path: str, asked: tuple[str, Any]) -> None:
    api = served(alerts=PAGE, alert_history=PAGE)
    async with api.client() as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.json()) == (200, PAGE)
    assert api.part.asked == [asked]


@pytest.mark.parametrize(
    "path",
    [
        "/alerts?rule=no-such",
        "/alerts?state=resolved",
        "/alerts?severity=bad",
        "/alerts?since=2026-01-01T00:00:00Z",
        "/alerts?limit=501",
        "/alerts/history?state=pending",
        "/alerts/history?since=yesterday",
        "/alerts/history?since=2026",
        "/alerts/history?since=0001-01-01T00:00:00%2B05:00",
        "/alerts/history?subject=job",
    ],
)
async def test_a_filter_that_means_nothing_is_refused(path: str) -> None:
    api = served()
    async with api.client() as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"], api.part.asked) == (422, "invalid_input", [])


async def test_without_the_part_it_says_so() -> None:
    async with served(alerts=Unavailable("Alerts has no running replica.")).client() as client:
        answer = await client.get("/alerts")
    assert (answer.status_code, answer.json()["detail"]) == (503, "Alerts has no running replica.")


def test_the_graph_has_one_alerts_that_knows_its_three_parts() -> None:
    ingress = main.build({"organs": [{"id": "utility_organ_1", "type": "Utility"}]})._bound_deployment
    alerts = ingress.init_args[5]._bound_deployment
    assert alerts.name == "Alerts"
    assert [each._bound_deployment.name for each in alerts.init_args] == ["OrganismManager", "JobInspector", "Store"]
    assert alerts.num_replicas == 1


CONFIG = """http_options: {host: 127.0.0.1}
applications:
  - name: seedcore
    route_prefix: /
    import_path: serve_app.main:build
    args:
      organs: [{id: utility_organ_1, type: Utility}]
    deployments:
      - name: Alerts
        DEPLOYMENT
"""


@pytest.mark.parametrize(
    ("deployment", "problems"),
    [
        ("user_config: {cpu_ratio: 0.9, disabled: [api-slow]}", []),
        ("num_replicas: 2", ["got 2; expected 1; there is one Alerts, always"]),
        ("user_config: {cpu_ratoi: 0.9}", ["cpu_ratio"]),
        ("user_config: {webhooks: [{name: a, url: 'http://u:hunter2@x/'}]}", ["must hold no user or password"]),
    ],
)
def test_its_configuration_is_checked(deployment: str, problems: list[str]) -> None:
    found = [each.render() for each in check_config(CONFIG.replace("DEPLOYMENT", deployment), "c.yaml", {})]
    assert len(found) == len(problems)
    assert all(problem in text for problem, text in zip(problems, found, strict=True))
    assert not any("hunter2" in text for text in found)

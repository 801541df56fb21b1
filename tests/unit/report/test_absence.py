"""Where no report can be had: what is there instead, and the next step."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.parts import ALL
from serve_app.report.absence import Absence, describe_absence

URL, DASHBOARD = "http://127.0.0.1:8000", "http://127.0.0.1:8265"
DEPLOY = "python -m serve_app.deploy serve_config.yaml -a http://127.0.0.1:8265"
RUNS = {"actor_id": "ab"}


def ours(status: str, **more: Any) -> dict[str, Any]:
    config = {"name": "seedcore", "import_path": "serve_app.main:build"}
    return {"seedcore": {"status": status, "route_prefix": "/", "deployed_app_config": config, **more}}


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({}, Absence("Ray runs, and Serve does not: nothing is deployed.", f"`{DEPLOY}` deploys SeedCore.")),
        (
            {"controller_info": {}, "applications": {}},
            Absence("Ray runs, and Serve does not: nothing is deployed.", f"`{DEPLOY}` deploys SeedCore."),
        ),
        (
            {"controller_info": RUNS, "applications": {}},
            Absence("Serve runs, and nothing is deployed.", f"`{DEPLOY}` deploys SeedCore."),
        ),
        (
            {
                "controller_info": RUNS,
                "applications": {"hello": {"status": "RUNNING"}, "b\x1b[2J": {"status": "DEPLOY_FAILED"}, "c": 5},
            },
            Absence(
                "Something else is deployed here (b, DEPLOY_FAILED; c, None; hello, RUNNING); SeedCore is not.",
                f"`{DEPLOY}` deploys it beside that; `serve deploy` of a file without it deletes it.",
            ),
        ),
        (
            {"controller_info": RUNS, "applications": {f"a{number}": {"status": "RUNNING"} for number in range(7)}},
            Absence(
                "Something else is deployed here (a0, RUNNING; a1, RUNNING; a2, RUNNING; a3, RUNNING; a4, RUNNING and "
                "2 more); SeedCore is not.",
                f"`{DEPLOY}` deploys it beside that; `serve deploy` of a file without it deletes it.",
            ),
        ),
        (
            {
                "controller_info": RUNS,
                "applications": ours(
                    "DEPLOY_FAILED",
                    message="Traceback (most recent call last):\n  x\nValueError: organ id a is given twice\n",
                ),
            },
            Absence(
                "SeedCore (seedcore) is deployed, and DEPLOY_FAILED: ValueError: organ id a is given twice",
                f"Mend the cause, then `{DEPLOY}`.",
            ),
        ),
        (
            # What went wrong stands with the deployment.
            {
                "controller_info": RUNS,
                "applications": ours(
                    "DEPLOY_FAILED",
                    message="Failed to update the deployments ['Ingress'].",
                    deployments={
                        "Ingress": {
                            "status": "DEPLOY_FAILED",
                            "message": "It failed:\nTraceback (most recent call last):\nKeyError: 'token=abcdefgh1'",
                        }
                    },
                ),
            },
            Absence(
                "SeedCore (seedcore) is deployed, and DEPLOY_FAILED: Failed to update the deployments ['Ingress']. "
                "Ingress: It failed: … KeyError: 'token=[redacted]'",
                f"Mend the cause, then `{DEPLOY}`.",
            ),
        ),
        (
            {"controller_info": RUNS, "applications": ours("DEPLOYING")},
            Absence("SeedCore (seedcore) is deployed, and DEPLOYING.", "Ask again in some seconds."),
        ),
        (
            {"controller_info": RUNS, "applications": ours("DELETING")},
            Absence("SeedCore (seedcore) is deployed, and DELETING.", "Ask again in some seconds."),
        ),
        (
            {"controller_info": RUNS, "http_options": {"port": 8001}, "applications": ours("RUNNING")},
            Absence("SeedCore (seedcore) runs, and Serve listens elsewhere.", "Ask with --url http://127.0.0.1:8001."),
        ),
        (
            {"controller_info": RUNS, "http_options": {"port": 8000}, "applications": ours("RUNNING")},
            Absence(
                "Serve says that SeedCore (seedcore) runs.",
                "Ask again in some seconds; if it stays so, look at the proxies of Serve at http://127.0.0.1:8265.",
            ),
        ),
        (
            # Deployed by `serve.run`, which leaves no configuration.
            {
                "controller_info": RUNS,
                "applications": {
                    "mine": {
                        "status": "DEPLOYING",
                        "deployments": {name: {} for name in (*ALL, "utility_organ_1")},
                    }
                },
            },
            Absence("SeedCore (mine) is deployed, and DEPLOYING.", "Ask again in some seconds."),
        ),
    ],
)
def test_what_is_there_instead(details: dict[str, Any], expected: Absence) -> None:
    assert describe_absence(details, URL, DASHBOARD) == expected

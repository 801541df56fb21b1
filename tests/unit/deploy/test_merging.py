"""What is sent to Serve, beside other people's applications."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.deploy import merging
from serve_app.settings import IngressConfig

OURS: dict[str, Any] = {"http_options": {"port": 8000}, "applications": [{"name": "seedcore"}]}
OTHER = {"name": "other", "import_path": "o:app"}
DETAILS: dict[str, Any] = {
    "proxy_location": "HeadOnly",
    "http_options": {"host": "127.0.0.1", "port": 9000},
    "grpc_options": {},
    "applications": {
        "seedcore": {"source": "declarative", "deployed_app_config": {"name": "seedcore"}},
        "other": {"source": "declarative", "deployed_app_config": OTHER},
        "by_hand": {"source": "imperative", "deployed_app_config": {"name": "by_hand"}},
    },
}


def test_other_applications_are_kept() -> None:
    assert merging.merge(OURS, DETAILS) == {**OURS, "applications": [{"name": "seedcore"}, OTHER]}
    assert merging.list_remaining(DETAILS, without=["seedcore"]) == {
        "proxy_location": "HeadOnly",
        "http_options": {"host": "127.0.0.1", "port": 9000},
        "applications": [OTHER],
    }


def application(status: str = "RUNNING", **more: Any) -> dict[str, Any]:
    return {
        "seedcore": {"status": status, "source": "declarative", "deployed_app_config": {"name": "seedcore", **more}}
    }


LONG = {"call_timeout_s": 60.0}


@pytest.mark.parametrize(
    ("given", "deployments"),
    [
        ({}, [{"name": "Ingress", "user_config": LONG}]),
        ({"deployments": [{"name": "Store"}]}, [{"name": "Store"}, {"name": "Ingress", "user_config": LONG}]),
        (
            {"deployments": [{"name": "Ingress", "num_replicas": 2, "user_config": {"task_timeout_s": 9}}]},
            [{"name": "Ingress", "num_replicas": 2, "user_config": {"task_timeout_s": 9, **LONG}}],
        ),
    ],
)
def test_callers_are_given_time_and_nothing_else_is_changed(
    given: dict[str, Any], deployments: list[dict[str, Any]]
) -> None:
    others = {"other": DETAILS["applications"]["other"]}
    details = {**DETAILS, "applications": {**application(args={"organs": []}, **given), **others}}
    assert merging.build_patient_config(details, "seedcore") == {
        "proxy_location": "HeadOnly",
        "http_options": {"host": "127.0.0.1", "port": 9000},
        "applications": [{"name": "seedcore", "args": {"organs": []}, "deployments": deployments}, OTHER],
    }
    IngressConfig.model_validate(LONG)


@pytest.mark.parametrize(
    "applications", [{}, application("DEPLOYING"), {"seedcore": {"status": "RUNNING", "deployed_app_config": None}}]
)
def test_callers_of_what_does_not_run_need_no_time(applications: dict[str, Any]) -> None:
    assert merging.build_patient_config({**DETAILS, "applications": applications}, "seedcore") is None

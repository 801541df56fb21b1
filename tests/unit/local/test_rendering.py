"""The configuration as it is deployed, beside other people's applications."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from organs.version import read_version
from serve_app.local import rendering
from serve_app.local.wanted import CHECKOUT, FLAGS_FILE
from serve_app.settings import IngressConfig

OURS = {"http_options": {"port": 8000}, "applications": [{"name": "seedcore"}]}
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "http_options: {host: h, port: 1}\nproxy_location: P",
            {"http_options": {"host": "h", "port": 9}, "proxy_location": "P"},
        ),
        ("proxy_location: P", {"proxy_location": "P", "http_options": {"port": 9}}),
        ("http_options:\n", {"http_options": {"port": 9}}),
    ],
)
def test_only_the_port_differs(text: str, expected: dict[str, Any]) -> None:
    assert rendering.render(text, 9) == expected


def test_other_applications_are_kept() -> None:
    assert rendering.add_others(OURS, DETAILS) == {**OURS, "applications": [{"name": "seedcore"}, OTHER]}
    assert rendering.list_remaining(DETAILS, without=["seedcore"]) == {
        "proxy_location": "HeadOnly",
        "http_options": {"host": "127.0.0.1", "port": 9000},
        "applications": [OTHER],
    }


def test_fingerprint_is_of_the_content() -> None:
    assert rendering.compute_sha256({"a": 1, "b": 2}) == rendering.compute_sha256({"b": 2, "a": 1})
    assert rendering.compute_sha256({"a": 1}) != rendering.compute_sha256({"a": 2})


def test_written_file_is_the_configuration(tmp_path: Path) -> None:
    assert yaml.safe_load(rendering.write(tmp_path, OURS).read_text()) == OURS


def test_prints_change_with_what_they_are_of() -> None:
    before = rendering.compute_prints(CHECKOUT, FLAGS_FILE, {"SEEDCORE_HOME": "/h"})
    assert (
        rendering.compute_prints(CHECKOUT, FLAGS_FILE, {"SEEDCORE_HOME": "/h", "SEEDCORE_CONFIG": "x", "OTHER": "y"})
        == before
    )
    changed = rendering.compute_prints(CHECKOUT, FLAGS_FILE, {"SEEDCORE_HOME": "/other"})
    assert [name for name in before if before[name] != changed[name]] == ["a SEEDCORE_ variable"]


def test_the_code_has_its_version_among_the_prints() -> None:
    assert rendering.compute_prints(CHECKOUT, FLAGS_FILE, {})[rendering.CODE] == read_version(CHECKOUT)


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
    assert rendering.build_patient_config(details, "seedcore") == {
        "proxy_location": "HeadOnly",
        "http_options": {"host": "127.0.0.1", "port": 9000},
        "applications": [{"name": "seedcore", "args": {"organs": []}, "deployments": deployments}, OTHER],
    }
    IngressConfig.model_validate(LONG)


@pytest.mark.parametrize(
    "applications", [{}, application("DEPLOYING"), {"seedcore": {"status": "RUNNING", "deployed_app_config": None}}]
)
def test_callers_of_what_does_not_run_need_no_time(applications: dict[str, Any]) -> None:
    assert rendering.build_patient_config({**DETAILS, "applications": applications}, "seedcore") is None

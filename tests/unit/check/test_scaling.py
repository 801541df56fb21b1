"""What is deployed carries an autoscaling configuration for each organ, so that scaling one restarts no other."""

from __future__ import annotations

from typing import Any

import pytest
from ray.serve._private.config import DeploymentConfig
from ray.serve._private.deploy_utils import get_app_code_version
from ray.serve._private.version import DeploymentVersion
from ray.serve.schema import ServeDeploySchema

from serve_app.check.rules import IMPORT_PATH
from serve_app.check.scaling import list_unscaled, render_scaling

ONE = {"min_replicas": 1, "max_replicas": 1}


def config(*deployments: dict[str, Any], import_path: str = IMPORT_PATH) -> dict[str, Any]:
    args = {"organs": [{"id": name, "type": "Utility"} for name in ("a", "b")]}
    app = {"name": "seedcore", "import_path": import_path, "args": args, "deployments": list(deployments)}
    return {"http_options": {"host": "127.0.0.1"}, "applications": [app]}


def render(*deployments: dict[str, Any]) -> list[dict[str, Any]]:
    rendered: list[dict[str, Any]] = render_scaling(config(*deployments))["applications"][0]["deployments"]
    return rendered


def code_version(*deployments: dict[str, Any]) -> str:
    """As Ray has it of what is deployed."""
    (app,) = ServeDeploySchema.model_validate(render_scaling(config(*deployments))).applications
    return get_app_code_version(app)


@pytest.mark.parametrize(
    ("given", "rendered"),
    [
        ({"name": "a", "num_replicas": 3}, {"name": "a", "autoscaling_config": {"min_replicas": 3, "max_replicas": 3}}),
        ({"name": "a"}, {"name": "a", "autoscaling_config": ONE}),
        ({"name": "a", "num_replicas": None}, {"name": "a", "autoscaling_config": ONE}),
        (
            {"name": "a", "num_replicas": 1, "user_config": {"smoothing": 0.5}},
            {"name": "a", "autoscaling_config": ONE, "user_config": {"smoothing": 0.5}},
        ),
        (
            {"name": "a", "autoscaling_config": {"min_replicas": 0, "max_replicas": 2}},
            {"name": "a", "autoscaling_config": {"min_replicas": 0, "max_replicas": 2}},
        ),
        ({"name": "a", "num_replicas": "auto"}, {"name": "a", "num_replicas": "auto", "autoscaling_config": {}}),
    ],
)
def test_a_fixed_number_is_the_least_and_the_most(given: dict[str, Any], rendered: dict[str, Any]) -> None:
    assert render(given) == [rendered, {"name": "b", "autoscaling_config": ONE}]
    assert render(*render(given)) == render(given)


def test_the_others_stay_as_they_are() -> None:
    ingress = {"name": "Ingress", "num_replicas": 2}
    assert render(ingress, {"name": "b"})[0] == ingress
    foreign = config({"name": "a", "num_replicas": 2}, import_path="shop:app")
    assert render_scaling(foreign) == foreign
    bare = config()
    del bare["applications"][0]["deployments"]
    assert render_scaling(bare) == render_scaling(config())


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "a", "num_replicas": 3},
        {"name": "a", "num_replicas": "auto"},
        {"name": "a", "autoscaling_config": {"min_replicas": 0, "initial_replicas": 0, "max_replicas": 4}},
        {"name": "a", "user_config": {"smoothing": 0.5}, "max_ongoing_requests": 3},
    ],
)
def test_scaling_an_organ_is_no_new_code_for_ray(changed: dict[str, Any]) -> None:
    assert code_version(changed) == code_version() == code_version({"name": "b", "num_replicas": 1})


def test_what_ray_counts_as_new_code() -> None:
    """By this, a file without them, deployed as it is, restarts everything with its first autoscaling configuration."""
    plain, scaled = config({"name": "a"}), config({"name": "a", "autoscaling_config": ONE})
    versions = [
        get_app_code_version(ServeDeploySchema.model_validate(each).applications[0]) for each in (plain, scaled)
    ]
    assert versions[0] != versions[1]


def test_no_replica_restarts_for_another_scaling() -> None:
    wide = {"min_replicas": 0, "initial_replicas": 0, "max_replicas": 4}
    one, other = (
        DeploymentVersion("the code", DeploymentConfig.model_validate({"autoscaling_config": each}), {"num_cpus": 1})
        for each in (ONE, wide)
    )
    assert not one.requires_actor_restart(other)


def test_who_has_none_of_its_own() -> None:
    assert list_unscaled(config({"name": "b", "autoscaling_config": ONE})["applications"][0]) == ["a"]

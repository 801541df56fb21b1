"""An autoscaling configuration for every organ in what is deployed, so that scaling one touches that one alone.

Serve restarts all deployments of an application when its code version changes, and into that goes, beside ``args``, the
list of all deployments' autoscaling *policies* (``get_app_code_version``, ray/serve/_private/deploy_utils.py): not what
they say, but how many deployments have one. Where every organ always has one, the list stays the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serve_app.check.rules import IMPORT_PATH


def render_scaling(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with an autoscaling configuration for each organ; ``config`` has passed ``check_config``.

    A fixed number becomes the least and the most. An organ without an entry gets one.
    """
    applications = [
        {**app, "deployments": _scale_all(app)} if app.get("import_path") == IMPORT_PATH else app
        for app in config["applications"]
    ]
    return {**config, "applications": applications}


def list_unscaled(app: Mapping[str, Any]) -> list[str]:
    """Organs of an application that have no autoscaling configuration of their own, in the order of ``args``."""
    scaled = {each["name"] for each in app.get("deployments") or () if each.get("autoscaling_config") is not None}
    return [name for name in _list_organs(app) if name not in scaled]


def _scale_all(app: Mapping[str, Any]) -> list[dict[str, Any]]:
    organs = _list_organs(app)
    given: Sequence[dict[str, Any]] = app.get("deployments") or []
    scaled = [_scale(each) if each["name"] in organs else each for each in given]
    named = {each["name"] for each in given}
    return [*scaled, *(_scale({"name": name}) for name in organs if name not in named)]


def _scale(deployment: dict[str, Any]) -> dict[str, Any]:
    count = deployment.get("num_replicas")
    if deployment.get("autoscaling_config") is not None:
        return deployment
    if count == "auto":
        # Serve fills in what it means by that.
        return {**deployment, "autoscaling_config": {}}
    fixed = 1 if count is None else count
    scaling = {"min_replicas": fixed, "max_replicas": fixed}
    kept = {key: value for key, value in deployment.items() if key not in ("num_replicas", "autoscaling_config")}
    return {"name": kept.pop("name"), "autoscaling_config": scaling, **kept}


def _list_organs(app: Mapping[str, Any]) -> list[str]:
    return [str(organ["id"]) for organ in (app.get("args") or {}).get("organs") or ()]

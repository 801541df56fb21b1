"""What is sent to Serve so that everybody else's applications stay as they are. Pure.

A PUT replaces all declared applications: Serve deletes those that it leaves out (``ServeController.apply_config``,
ray/serve/_private/controller.py). Deployed imperatively (``serve.run``) they stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from serve_app.parts import IMPORT_PATH, INGRESS

# The most that `call_timeout_s` may be (``IngressConfig``).
LONGEST_CALL_S = 60.0
_OF_ALL = ("logging_config", "tracing_config")


def merge(config: Mapping[str, Any], details: Mapping[str, Any], *, replaced: Iterable[str] = ()) -> dict[str, Any]:
    """``config`` and the applications that others declared on this cluster, but those in ``replaced``.

    Where others are, what counts for all of Serve is left as it is: the capacity that was asked for, and logging and
    tracing, which would reach into their replicas. Our applications get the file's logging for themselves.
    """
    ours = {app.get("name") for app in config["applications"]}
    others = list_declared(details, without=ours | set(replaced))
    kept = {} if details.get("target_capacity") is None else {"target_capacity": details["target_capacity"]}
    # Serve writes it into each application that has none, and so it shall not look like a change the next time.
    own_logging = {} if config.get("logging_config") is None else {"logging_config": config["logging_config"]}
    applications = [{**own_logging, **app} for app in config["applications"]]
    if not others:
        return {**kept, **config, "applications": applications}
    left = {key: value for key, value in config.items() if key not in _OF_ALL}
    return {**kept, **left, "applications": [*applications, *others]}


def list_declared(details: Mapping[str, Any], without: Iterable[str | None]) -> list[dict[str, Any]]:
    """Configurations of the applications that came by REST or `serve deploy`, except the named ones."""
    left_out = set(without)
    return [
        app["deployed_app_config"]
        for name, app in details.get("applications", {}).items()
        if name not in left_out and app.get("source") == "declarative" and app.get("deployed_app_config")
    ]


def find_declared(details: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """The configuration of one application that came by REST or `serve deploy`."""
    app = details.get("applications", {}).get(name) or {}
    found: dict[str, Any] | None = app.get("deployed_app_config") if app.get("source") == "declarative" else None
    return found


def list_declared_names(details: Mapping[str, Any]) -> list[str]:
    """Names of what a PUT that leaves it out deletes."""
    return [str(name) for name, app in details.get("applications", {}).items() if app.get("source") == "declarative"]


def list_remaining(details: Mapping[str, Any], without: Iterable[str]) -> dict[str, Any]:
    """The configuration that keeps Serve and everyone's declared applications as they are, except the named ones."""
    names = ("proxy_location", "http_options", "grpc_options", "target_capacity")
    kept = {key: details[key] for key in names if details.get(key) not in (None, {})}
    return {**kept, "applications": list_declared(details, without)}


def list_ours(applications: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the applications, as a file or Serve has their configuration, that are this one."""
    return [str(app.get("name")) for app in applications if app.get("import_path") == IMPORT_PATH]


def find_clash(config: Mapping[str, Any], names: Iterable[str]) -> tuple[str, str, str] | None:
    """One of the named applications, another one, and the route that both want: Serve refuses all of them then."""
    own = set(names)
    routes = {app.get("name"): app.get("route_prefix", "/") for app in config["applications"]}
    for name, route in routes.items():
        other = next((each for each in routes if each != name and routes[each] == route and route is not None), None)
        if name in own and other is not None:
            return str(name), str(other), str(route)
    return None


def build_patient_config(details: Mapping[str, Any], app: str) -> dict[str, Any] | None:
    """What is deployed, but for how long our ingress waits for a part: as long as one may be away that is replaced.

    None unless the application runs and was declared. Callers then wait some seconds, where they would be told that a
    part did not answer in time. Serve takes this up without a restart (``IngressConfig.call_timeout_s``).
    """
    found = details.get("applications", {}).get(app) or {}
    if found.get("status") != "RUNNING" or not found.get("deployed_app_config"):
        return None
    config = list_remaining(details, without=())
    applications = [_make_patient(each) if each["name"] == app else each for each in config["applications"]]
    return {**config, "applications": applications}


def _make_patient(app: Mapping[str, Any]) -> dict[str, Any]:
    deployments = [dict(each) for each in app.get("deployments") or []]
    ingress = next((each for each in deployments if each["name"] == INGRESS), None)
    if ingress is None:
        ingress = {"name": INGRESS}
        deployments.append(ingress)
    ingress["user_config"] = {**(ingress.get("user_config") or {}), "call_timeout_s": LONGEST_CALL_S}
    return {**app, "deployments": deployments}

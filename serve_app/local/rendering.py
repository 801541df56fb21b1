"""The configuration as it is deployed: the file of the repository with the HTTP port of this copy, and what changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from organs.version import read_version
from serve_app.hidden.private_file import write_private_text
from serve_app.parts import INGRESS

RENDERED = "serve_config.yaml"
CODE = "the code"
# The most that `call_timeout_s` may be (``IngressConfig``).
LONGEST_CALL_S = 60.0
# Read by `make up` itself at each run, so the head has nothing to take over.
_OF_UP = {"SEEDCORE_CONFIG", "SEEDCORE_UP_TIMEOUT_S"}


def render(text: str, http_port: int) -> dict[str, Any]:
    """The configuration with ``http_options.port`` replaced; ``text`` has passed ``serve_app.check``."""
    config: dict[str, Any] = yaml.safe_load(text)
    return {**config, "http_options": {**(config.get("http_options") or {}), "port": http_port}}


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


def add_others(config: dict[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
    """Add the applications that others declared on this cluster: Serve deletes declared ones that a PUT leaves out
    (``ServeController.apply_config``, ray/serve/_private/controller.py)."""
    ours = {app.get("name") for app in config["applications"]}
    return {**config, "applications": [*config["applications"], *list_declared(details, without=ours)]}


def list_declared(details: Mapping[str, Any], without: Iterable[str | None]) -> list[dict[str, Any]]:
    """Configurations of the applications that came by REST or `serve deploy`, except the named ones."""
    left_out = set(without)
    return [
        app["deployed_app_config"]
        for name, app in details.get("applications", {}).items()
        if name not in left_out and app.get("source") == "declarative" and app.get("deployed_app_config")
    ]


def list_remaining(details: Mapping[str, Any], without: Iterable[str]) -> dict[str, Any]:
    """The configuration that keeps Serve and everyone's declared applications as they are, except the named ones."""
    kept = {key: details[key] for key in ("proxy_location", "http_options", "grpc_options") if details.get(key)}
    return {**kept, "applications": list_declared(details, without)}


def compute_sha256(config: Mapping[str, Any]) -> str:
    """Fingerprint of a configuration's content: order of keys and comments do not count."""
    return hashlib.sha256(yaml.safe_dump(dict(config), sort_keys=True).encode()).hexdigest()


def write(home: Path, config: Mapping[str, Any]) -> Path:
    """Write the rendered configuration into the home and return its path."""
    path = home / RENDERED
    write_private_text(
        path,
        "# Written by `make up` at each start; edit the file in the repository instead.\n"
        + yaml.safe_dump(dict(config), sort_keys=False),
    )
    return path


def compute_prints(checkout: Path, flags_file: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Fingerprints of the code, and of what a running head cannot take over: Serve's flags and the environment."""
    settings = sorted((name, environ[name]) for name in environ if name.startswith("SEEDCORE_") and name not in _OF_UP)
    return {
        CODE: read_version(checkout),
        "deploy/serve.env": hashlib.sha256(flags_file.read_bytes()).hexdigest(),
        "a SEEDCORE_ variable": hashlib.sha256(repr(settings).encode()).hexdigest(),
    }


def _make_patient(app: Mapping[str, Any]) -> dict[str, Any]:
    deployments = [dict(each) for each in app.get("deployments") or []]
    ingress = next((each for each in deployments if each["name"] == INGRESS), None)
    if ingress is None:
        ingress = {"name": INGRESS}
        deployments.append(ingress)
    ingress["user_config"] = {**(ingress.get("user_config") or {}), "call_timeout_s": LONGEST_CALL_S}
    return {**app, "deployments": deployments}

"""The configuration as it is deployed: the file of the repository with the HTTP port of this copy, and what changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from organs.version import read_version
from serve_app.env import is_variable
from serve_app.hidden.private_file import write_private_text
from serve_app.redaction import is_secret_pair

RENDERED = "serve_config.yaml"
CODE = "the code"
# Read by `make up` itself at each run, so the head has nothing to take over.
_OF_UP = {"SEEDCORE_CONFIG", "SEEDCORE_UP_TIMEOUT_S"}


def render(text: str, http_port: int) -> dict[str, Any]:
    """The configuration with ``http_options.port`` replaced; ``text`` has passed ``serve_app.check``."""
    config: dict[str, Any] = yaml.safe_load(text)
    return {**config, "http_options": {**(config.get("http_options") or {}), "port": http_port}}


def list_named_variables(config: Mapping[str, Any], environ: Mapping[str, str]) -> frozenset[str]:
    """Variables of this environment that webhooks name as their token, and that can be nothing else by their name."""
    named = {
        webhook.get("token_env")
        for app in config["applications"]
        for deployment in app.get("deployments") or ()
        for webhook in (deployment.get("user_config") or {}).get("webhooks") or ()
    }
    return frozenset(
        name for name in named if is_variable(name) and environ.get(name) and is_secret_pair(name, environ[name])
    )


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

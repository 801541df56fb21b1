"""A configuration as it is deployed: with the version of the code, and an autoscaling configuration for each organ.

With the version Serve replaces every replica when the code is another; ``scaling`` says what the other is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serve_app.check.rules import IMPORT_PATH
from serve_app.check.scaling import render_scaling


def stamp(config: Mapping[str, Any], code_version: str) -> dict[str, Any]:
    """What is deployed of a configuration that has passed ``check_config``; other applications stay as they are."""
    applications = [
        {**app, "args": {**(app.get("args") or {}), "code_version": code_version}}
        if app.get("import_path") == IMPORT_PATH
        else app
        for app in config["applications"]
    ]
    return render_scaling({**config, "applications": applications})

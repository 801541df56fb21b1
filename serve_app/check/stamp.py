"""The version of the code in a configuration, so that Serve replaces every replica when the code is another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serve_app.parts import IMPORT_PATH


def stamp(config: Mapping[str, Any], code_version: str) -> dict[str, Any]:
    """The configuration with ``args.code_version`` in our applications; ``config`` has passed ``check_config``."""
    applications = [
        {**app, "args": {**(app.get("args") or {}), "code_version": code_version}}
        if app.get("import_path") == IMPORT_PATH
        else app
        for app in config["applications"]
    ]
    return {**config, "applications": applications}

"""What a configuration is deployed with: the version of the code, so that Serve replaces every replica when the code is
another, and what it says of ``http_options``, which Serve ignores where it runs already, and tells nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serve_app.parts import IMPORT_PATH
from serve_app.settings import DeployedHttp


def stamp(config: Mapping[str, Any], code_version: str) -> dict[str, Any]:
    """The configuration with these two in ``args`` of our applications; ``config`` has passed ``check_config``."""
    given = config.get("http_options") or {}
    http = {name: given[name] for name in DeployedHttp.model_fields if given.get(name) is not None}
    filled_in = {"code_version": code_version, **({"deployed_http": http} if http else {})}
    applications = [
        {**app, "args": {**(app.get("args") or {}), **filled_in}} if app.get("import_path") == IMPORT_PATH else app
        for app in config["applications"]
    ]
    return {**config, "applications": applications}

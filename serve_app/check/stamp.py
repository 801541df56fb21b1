"""What a configuration is deployed with: the version of the code, what it says of ``http_options``, and an autoscaling
configuration for each organ.

With the version Serve replaces every replica when the code is another; options Serve ignores where it runs already, and
tells nobody; ``scaling`` says what the last is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serve_app.check.scaling import render_scaling
from serve_app.parts import IMPORT_PATH
from serve_app.settings import DeployedHttp


def stamp(config: Mapping[str, Any], code_version: str) -> dict[str, Any]:
    """What is deployed of a configuration that has passed ``check_config``; other applications stay as they are."""
    given = config.get("http_options") or {}
    http = {name: given[name] for name in DeployedHttp.model_fields if given.get(name) is not None}
    filled_in = {"code_version": code_version, **({"deployed_http": http} if http else {})}
    applications = [
        {**app, "args": {**(app.get("args") or {}), **filled_in}} if app.get("import_path") == IMPORT_PATH else app
        for app in config["applications"]
    ]
    return render_scaling({**config, "applications": applications})

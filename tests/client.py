"""A Python client made from the published schema, as a user of the API would make one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openapi_python_client import generate
from openapi_python_client.config import Config, ConfigFile, MetaType

NAME = "seedcore_client"


def generate_client(document: Mapping[str, Any], directory: Path) -> Path:
    """The package ``NAME`` in a directory; raises when anything of the document is not understood."""
    source = directory / "openapi.json"
    source.write_text(json.dumps(document))
    # Its hooks would tidy the code with tools of their own choice.
    options = ConfigFile(post_hooks=[])
    config = Config.from_sources(options, MetaType.NONE, source, "utf-8", False, directory / NAME)
    faults = [f"{fault.header} {fault.detail}" for fault in generate(config=config)]
    if faults:
        raise AssertionError("\n".join(faults))
    return directory / NAME

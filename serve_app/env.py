"""What comes from the environment: addresses, places and secrets, each once with what it is for.

Secrets come from here or from a file, never from ``serve_config.yaml``: Serve logs application arguments.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from serve_app.strict import StrictModel


class Env(StrictModel):
    """Settings from the environment: addresses, places and secrets."""

    database_url: str | None = Field(
        default=None, description="SQLAlchemy URL of the store; none means SQLite in the home."
    )
    home: Path = Field(description="Directory of all state on disk.")
    dashboard_url: str | None = Field(default=None, description="Ray dashboard, when it is not where Ray says.")
    reader_token: str | None = Field(default=None, repr=False, description="Bearer token of the reader role.")
    executor_token: str | None = Field(default=None, repr=False, description="Bearer token of the executor role.")
    operator_token: str | None = Field(default=None, repr=False, description="Bearer token of the operator role.")
    tokens_file: Path | None = Field(default=None, description="YAML file with a list of tokens for each role.")
    events_key: str | None = Field(
        default=None,
        repr=False,
        min_length=16,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="Secret part of the address to which Ray pushes events (`POST /events/{key}`).",
    )
    llm_base_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s@]+$",
        description="OpenAI-compatible API (with `/v1`) that may put a diagnosis into words; without it ours are used.",
    )
    llm_model: str | None = Field(default=None, max_length=200, description="The model asked there (`default`).")
    llm_api_key: str | None = Field(default=None, repr=False, description="Bearer token for it.")
    otlp_endpoint: str | None = Field(default=None, description="OTLP/HTTP collector; without it no span is exported.")

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Env:
        """Read ``SEEDCORE_*`` variables; an empty one counts as unset."""
        values = {name: environ.get(get_variable(name)) or None for name in cls.model_fields}
        values["home"] = values["home"] or _find_default_home(environ)
        return cls.model_validate(values)


def get_variable(field: str) -> str:
    """Name of the environment variable of a field of ``Env``."""
    return f"SEEDCORE_{field.upper()}"


def _find_default_home(environ: Mapping[str, str]) -> str:
    state = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return str(Path(state) / "seedcore")

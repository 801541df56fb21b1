"""What comes from the environment: addresses, places and secrets, each once with what it is for.

Secrets come from a file, or from here, where every job of the cluster inherits them; never from
``serve_config.yaml``: Serve logs application arguments.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import ConfigDict, Field

from serve_app.hidden.private_file import SecretFileRefused, read_private_text
from serve_app.strict import StrictModel

# What `make up` keeps out of Ray's environment. Not the events key, which is part of the address that Ray is given.
SECRET_FIELDS = ("database_url", "reader_token", "executor_token", "operator_token", "llm_api_key")
_PREFIX = "SEEDCORE_"
# Of the file of secrets: a variable that a webhook's `token_env` names.
_NAMED = re.compile(r"[A-Z_][A-Z0-9_]{0,127}")


class Env(StrictModel):
    """Settings from the environment: addresses, places and secrets."""

    # A message of what is wrong must not quote a secret.
    model_config = ConfigDict(hide_input_in_errors=True)

    database_url: str | None = Field(
        default=None, repr=False, description="SQLAlchemy URL of the store; none means SQLite in the home."
    )
    home: Path = Field(description="Directory of all state on disk.")
    dashboard_url: str | None = Field(default=None, description="Ray dashboard, when it is not where Ray says.")
    reader_token: str | None = Field(default=None, repr=False, description="Bearer token of the reader role.")
    executor_token: str | None = Field(default=None, repr=False, description="Bearer token of the executor role.")
    operator_token: str | None = Field(default=None, repr=False, description="Bearer token of the operator role.")
    tokens_file: Path | None = Field(
        default=None, description="YAML file with tokens by name, or a list of them for each role; see Access."
    )
    secrets_file: Path | None = Field(
        default=None,
        description="YAML file, of the owner alone (0600), with those of the settings here that are secret, in small "
        "letters without `SEEDCORE_`, and what a webhook's `token_env` names: jobs do not inherit what stands there.",
    )
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
        """Read ``SEEDCORE_*`` variables; an empty one counts as unset, and one that is set wins over the secrets file.

        Raises ``SecretFileRefused``.
        """
        values = {name: environ.get(get_variable(name)) or None for name in cls.model_fields}
        if path := values["secrets_file"]:
            kept = read_secrets_file(Path(path))
            values.update({name: kept[name] for name in SECRET_FIELDS if name in kept and not values[name]})
        values["home"] = values["home"] or _find_default_home(environ)
        return cls.model_validate(values)


def read_secrets_file(path: Path) -> dict[str, str]:
    """What a file with secrets holds, by the fields of ``Env``, or by the variable that a webhook's `token_env` names.

    Raises ``SecretFileRefused``.
    """
    source = get_variable("secrets_file")
    text = read_private_text(path, source)
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise SecretFileRefused(f"{source}: {path} is not YAML.") from None
    known = ", ".join(SECRET_FIELDS)
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(name in SECRET_FIELDS or is_variable(name) for name in content):
        raise SecretFileRefused(
            f"{source}: expected a mapping of {known} (in small letters, without {_PREFIX}), or of variables in "
            f"capitals that webhooks name, in {path}."
        )
    if not all(isinstance(value, str) for value in content.values()):
        raise SecretFileRefused(f"{source}: a value in {path} is not a text.")
    return {str(name): value for name, value in content.items() if value}


def find_named_secret(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """The secret that a variable names: of the environment, or else of the file of secrets, under that name or as the
    setting of that variable; empty: there is none. Raises ``SecretFileRefused``.
    """
    if value := environ.get(name, "").strip():
        return value
    path = environ.get(get_variable("secrets_file"))
    kept = read_secrets_file(Path(path)) if path else {}
    field = next((each for each in SECRET_FIELDS if get_variable(each) == name), name)
    return kept.get(field, "").strip()


def is_variable(name: object) -> bool:
    """Whether the file of secrets may have something under this name: a variable in capitals, and none of a setting,
    which has a name of its own there."""
    return isinstance(name, str) and _NAMED.fullmatch(name) is not None and not name.startswith(_PREFIX)


def get_variable(field: str) -> str:
    """Name of the environment variable of a field of ``Env``."""
    return f"{_PREFIX}{field.upper()}"


def _find_default_home(environ: Mapping[str, str]) -> str:
    state = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return str(Path(state) / "seedcore")

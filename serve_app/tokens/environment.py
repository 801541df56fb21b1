"""What of this process's environment is secret: hidden wherever texts are shown, and told where jobs inherit it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from serve_app.env import SECRET_FIELDS, Env, get_variable, read_secrets_file
from serve_app.hidden.held import hold
from serve_app.hidden.private_file import SecretFileRefused, find_wide_mode
from serve_app.redaction import is_secret_pair
from serve_app.tokens.entries import TokensInvalid, read_token_entries

# Where Ray keeps the token of RAY_AUTH_MODE=token (ray/_private/authentication/authentication_token_setup.py).
_RAY_TOKEN, _RAY_TOKEN_PATH, _RAY_TOKEN_FILE = "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", ".ray/auth_token"
_MOST_RAY_TOKEN_BYTES = 4_096
# Its address holds the events key.
_EVENTS_ADDRESS = "RAY_DASHBOARD_AGGREGATOR_AGENT_EVENTS_EXPORT_ADDR"


def hold_environment(env: Env, environ: Mapping[str, str] = os.environ) -> None:
    """Hide from now on what this process was given in clear: tokens, keys, the password of the database, Ray's token,
    and every variable whose name is that of a secret."""
    hold(_list_secrets(env, environ))


def list_exposures(env: Env, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """What jobs of this cluster can read and need not: a sentence for each, without the secret."""
    told = [
        f"{get_variable(field)} stands in the environment of the Ray nodes, which every job inherits."
        for field in SECRET_FIELDS
        if (value := environ.get(get_variable(field))) and (field != "database_url" or find_password(value))
    ]
    for field in ("secrets_file", "tokens_file"):
        path: Path | None = getattr(env, field)
        if path is not None and (mode := find_wide_mode(path)):
            told.append(f"The file of {get_variable(field)} may be read by others than its owner (mode {mode}).")
    return tuple(told)


def find_password(url: str) -> str | None:
    """The password in the URL of a database; None where it has none, or cannot be read."""
    try:
        return unquote(urlsplit(url).password or "") or None
    except ValueError:
        return None


def _list_secrets(env: Env, environ: Mapping[str, str]) -> Iterator[str]:
    for value in (env.events_key, env.llm_api_key, env.reader_token, env.executor_token, env.operator_token):
        yield value or ""
    if env.database_url and (password := find_password(env.database_url)):
        yield from (env.database_url, password, urlsplit(env.database_url).password or "")
    with contextlib.suppress(TokensInvalid):  # who uses them says it; what can be held is held
        yield from (entry.token or "" for entry in read_token_entries(env))
    if env.secrets_file is not None:
        with contextlib.suppress(SecretFileRefused):  # as above
            yield from read_secrets_file(env.secrets_file).values()
    yield environ.get(_EVENTS_ADDRESS, "")
    yield from (value for name, value in environ.items() if is_secret_pair(name, value) and not _is_place(value))
    yield _read_ray_token(environ)


def _is_place(value: str) -> bool:
    """Whether a variable under a secret's name tells where the secret is (`GOOGLE_APPLICATION_CREDENTIALS`)."""
    try:
        return value.startswith("/") and Path(value).exists()
    except (OSError, ValueError):
        return False


def _read_ray_token(environ: Mapping[str, str]) -> str:
    if token := environ.get(_RAY_TOKEN, "").strip():
        return token
    path = Path(environ.get(_RAY_TOKEN_PATH) or Path(environ.get("HOME") or "/nowhere") / _RAY_TOKEN_FILE)
    try:
        with path.open(errors="replace") as file:
            return file.read(_MOST_RAY_TOKEN_BYTES).strip()
    except OSError:
        return ""

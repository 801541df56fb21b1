"""Ray's own token, for who asks a Ray from outside of it: the command lines of this application.

The places and their order are those of Ray 2.60 (src/ray/rpc/authentication/authentication_token_loader.cc, and
``ray get-auth-token`` of ray/scripts/scripts.py): ``RAY_AUTH_TOKEN``, the file that ``RAY_AUTH_TOKEN_PATH`` names,
``~/.ray/auth_token``. It is sent where ``RAY_AUTH_MODE=token`` is set, as Ray's own command lines do. What runs in the
cluster asks Ray for the header (``private.build_dashboard_headers``).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

MODE, TOKEN, TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
_TOKEN_MODE = "token"  # noqa: S105 the name of a mode
# As many bytes as Ray takes (authentication_token_generator.py).
_TOKEN_BYTES = 32
_MOST_BYTES = 16_384


class TokenRefused(Exception):
    """A Ray asks for its token, and what was sent is none or another. ``next_step`` says what is missing."""

    def __init__(self, cause: str, next_step: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.next_step = next_step


def is_token_mode(environ: Mapping[str, str]) -> bool:
    """Whether a Ray that is started, or asked, with this environment asks for the token, or is sent it."""
    return environ.get(MODE, "").lower() == _TOKEN_MODE


def find_token(environ: Mapping[str, str]) -> str | None:
    """The token that this environment has, or None. What a named file lacks is not looked for elsewhere."""
    if given := environ.get(TOKEN, "").strip():
        return given
    if named := environ.get(TOKEN_PATH):
        return _read(Path(named))
    return _read(find_default_path(environ))


def find_default_path(environ: Mapping[str, str]) -> Path:
    """Where Ray keeps the token of a user."""
    home = environ.get("HOME")
    return (Path(home) if home else Path.home()) / ".ray" / "auth_token"


def build_headers(environ: Mapping[str, str]) -> dict[str, str]:
    """The header that a Ray in token mode asks for; empty without that mode, or without a token."""
    token = find_token(environ) if is_token_mode(environ) else None
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def provide_token(environ: Mapping[str, str]) -> Path | None:
    """Make the token of a head that is to be started, where there is none; the file that was written, or None.

    ``ray start`` refuses to, and ``ray get-auth-token --generate`` does it; here nobody else may read it. Raises
    ``TokenRefused`` when ``RAY_AUTH_TOKEN_PATH`` names a file that has none: Ray looks nowhere else then, either.
    """
    if not is_token_mode(environ) or find_token(environ) is not None:
        return None
    if named := environ.get(TOKEN_PATH):
        raise TokenRefused(
            f"{TOKEN_PATH} names {named}, which cannot be read or is empty.",
            f"Write a token into it, or unset {TOKEN_PATH} for {find_default_path(environ)}.",
        )
    path = find_default_path(environ)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # It is not there, or it is empty; a link is not followed to where somebody else wants it.
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(_TOKEN_BYTES))
    return path


def explain_refusal(url: str, status: int, environ: Mapping[str, str]) -> TokenRefused:
    """Why a Ray in token mode refused (``status`` 401 or 403), and what to set; never with the token."""
    places = f"{TOKEN}, the file that {TOKEN_PATH} names, or {find_default_path(environ)}"
    if not is_token_mode(environ):
        have = "; the token is there" if find_token(environ) else f", and have its token in {places}"
        return TokenRefused(
            f"The Ray at {url} asks for its token, and {MODE} is not set to token here.", f"Set {MODE}=token{have}."
        )
    if find_token(environ) is None:
        return TokenRefused(
            f"The Ray at {url} asks for its token, and there is none here.", f"Have its token in {places}."
        )
    return TokenRefused(
        f"The Ray at {url} refused the token (HTTP {status}): it has another one.",
        f"Have the token of that Ray, as `ray get-auth-token` prints it there, in {places}.",
    )


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if text and text.isprintable() else None

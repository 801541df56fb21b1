"""The form of tokens that this application makes: known at sight, so that it is redacted wherever it is met."""

from __future__ import annotations

import re
import secrets
import string
import zlib

PREFIX = "sct_"
_ALPHABET = string.digits + string.ascii_letters
# 32 characters of 62 are 190 bits: nothing that is guessed, so a plain hash of it tells nothing.
_SECRET_CHARS = 32
_CHECK_CHARS = 6
TOKEN_PATTERN = re.compile(rf"(?<![0-9A-Za-z]){PREFIX}[0-9A-Za-z]{{{_SECRET_CHARS + _CHECK_CHARS}}}")


def create_token() -> str:
    """A new token: the prefix, 32 random characters and 6 that are computed from these."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_CHARS))
    return f"{PREFIX}{body}{_compute_check(body)}"


def is_own_form(token: str) -> bool:
    """Whether it is a token that was made here and not mistyped: the last characters agree with the others."""
    if not TOKEN_PATTERN.fullmatch(token):
        return False
    body = token[len(PREFIX) : -_CHECK_CHARS]
    return token.endswith(_compute_check(body))


def _compute_check(body: str) -> str:
    rest, written = zlib.crc32(body.encode()), ""
    for _ in range(_CHECK_CHARS):
        rest, digit = divmod(rest, len(_ALPHABET))
        written = _ALPHABET[digit] + written
    return written

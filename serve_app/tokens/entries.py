"""The tokens that are configured: from the environment, the file with secrets, and the file with tokens.

A file with tokens has, by name, ``{role, token}``, where ``token`` is the token or, as the command of this package
writes it, ``sha256:`` and the hash of one. The older form, a list of tokens by role, stays; those are named after their
role.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import yaml

from serve_app.env import Env, get_variable
from serve_app.hidden.private_file import MOST_BYTES

SHORTEST_TOKEN = 16
HASH_PREFIX = "sha256:"
# What a header can carry as it is: others would be read, and then never match.
_SENDABLE = re.compile(r"[\x21-\x7e]*")
_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Role(IntEnum):
    """What a caller may do; each role includes the lower ones."""

    READER = 1
    EXECUTOR = 2
    OPERATOR = 3


ROLES = {role.name.lower(): role for role in Role}


class TokensInvalid(ValueError):
    """The configured tokens are not acceptable; the sentence names the place, never the token."""


@dataclass(frozen=True)
class TokenEntry:
    """One token. ``token``: in clear, None where only its hash is kept; ``source`` says where it stands."""

    source: str
    name: str
    role: Role
    digest: bytes
    token: str | None = None

    def __repr__(self) -> str:
        return f"TokenEntry({self.name!r}, {self.role.name})"


def read_token_entries(env: Env) -> list[TokenEntry]:
    """All tokens that are configured; raises ``TokensInvalid``."""
    given = {Role.READER: env.reader_token, Role.EXECUTOR: env.executor_token, Role.OPERATOR: env.operator_token}
    entries = [
        _build_entry(get_variable(f"{role.name.lower()}_token"), role.name.lower(), role, token)
        for role, token in given.items()
        if token
    ]
    if env.tokens_file is not None:
        source = get_variable("tokens_file")
        entries += parse_tokens(read_tokens_file(env.tokens_file, source), source)
    return entries


def read_tokens_file(path: Path, source: str) -> Any:
    """What a file with tokens holds, before it is understood; raises ``TokensInvalid``.

    Others may read it, which is told (``environment.list_exposures``), since it may hold hashes alone; who may write it
    gives roles.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            raw = file.read(MOST_BYTES + 1)
        text = raw.decode()
    except (OSError, UnicodeDecodeError):
        raise TokensInvalid(f"{source}: the file cannot be read.") from None
    if mode & stat.S_IWOTH:
        raise TokensInvalid(f"{source}: others may write the file (mode {mode:04o}); run `chmod 600` on it.")
    if len(raw) > MOST_BYTES:
        raise TokensInvalid(f"{source}: the file has more than {MOST_BYTES} bytes.")
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise TokensInvalid(f"{source}: the file is not YAML.") from None


def parse_tokens(content: Any, source: str) -> list[TokenEntry]:
    """The tokens of such a file; raises ``TokensInvalid``."""
    if not isinstance(content, dict):
        raise TokensInvalid(f"{source}: expected {_describe_forms()}.")
    return [entry for name, value in content.items() for entry in _parse_named(name, value, source)]


def compute_digest(token: str) -> bytes:
    """What is kept of a token, and compared."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def is_token_name(name: object) -> bool:
    """Whether a token may be named so: it stands in logs and answers."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def _parse_named(name: Any, value: Any, source: str) -> Iterator[TokenEntry]:
    if isinstance(value, dict):
        if not is_token_name(name):
            raise TokensInvalid(f"{source}: a name is not of letters, digits, dots, hyphens and underscores (64).")
        if set(value) != {"role", "token"} or not all(isinstance(each, str) for each in value.values()):
            raise TokensInvalid(f"{source}: {name} is not of the form {{role: …, token: …}}.")
        if value["role"] not in ROLES:
            raise TokensInvalid(f"{source}: {name} has a role that is none of {', '.join(ROLES)}.")
        yield _build_entry(source, name, ROLES[value["role"]], value["token"])
        return
    if name not in ROLES:
        raise TokensInvalid(f"{source}: expected {_describe_forms()}.")
    if not isinstance(value, list) or not all(isinstance(token, str) for token in value):
        raise TokensInvalid(f"{source}: {name} is not a list of strings.")
    for token in value:
        yield _build_entry(source, name, ROLES[name], token)


def _describe_forms() -> str:
    return f"a mapping of {', '.join(ROLES)} to lists of tokens, or of names to {{role, token}}"


def _build_entry(source: str, name: str, role: Role, token: str) -> TokenEntry:
    if token.startswith(HASH_PREFIX):
        kept = token.removeprefix(HASH_PREFIX)
        if not _HASH.fullmatch(kept):
            raise TokensInvalid(f"{source}: the hash of {name} is not {HASH_PREFIX} and 64 hexadecimal digits.")
        return TokenEntry(source, name, role, bytes.fromhex(kept))
    if len(token) < SHORTEST_TOKEN:
        raise TokensInvalid(f"{source}: a token has fewer than {SHORTEST_TOKEN} characters.")
    if not _SENDABLE.fullmatch(token):
        raise TokensInvalid(f"{source}: a token has a space, a line end or a character that is not ASCII.")
    return TokenEntry(source, name, role, compute_digest(token), token)

"""Who may do what: roles, tokens, and the address on which the API may be open without tokens."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from dataclasses import dataclass
from enum import IntEnum

import yaml

from serve_app.env import Env, get_variable

SHORTEST_TOKEN = 16
# What a header can carry as it is: others would be read, and then never match.
_SENDABLE = re.compile(r"[\x21-\x7e]*")


class Role(IntEnum):
    """What a caller may do; each role includes the lower ones."""

    READER = 1
    EXECUTOR = 2
    OPERATOR = 3


class TokensInvalid(ValueError):
    """The configured tokens are not acceptable; the sentence names the place, never the token."""


class OpenAddress(ValueError):
    """The API would be reachable from other machines without any token.

    Its name stands before its sentence in Serve's message, and must not be taken for that of a secret.
    """


@dataclass(frozen=True)
class Tokens:
    """The configured tokens, as digests."""

    entries: tuple[tuple[bytes, Role], ...] = ()

    @classmethod
    def load(cls, env: Env) -> Tokens:
        """Read tokens from the environment and from the tokens file; raises ``TokensInvalid``."""
        found: dict[bytes, Role] = {}
        for source, role, token in (*_read_environment(env), *_read_file(env)):
            if len(token) < SHORTEST_TOKEN:
                raise TokensInvalid(f"{source}: a token has fewer than {SHORTEST_TOKEN} characters.")
            if not _SENDABLE.fullmatch(token):
                raise TokensInvalid(f"{source}: a token has a space, a line end or a character that is not ASCII.")
            digest = _compute_digest(token)
            if found.setdefault(digest, role) is not role:
                raise TokensInvalid(f"{source}: the same token is given to two roles.")
        return cls(tuple(found.items()))

    @property
    def configured(self) -> bool:
        """Whether there is any token."""
        return bool(self.entries)

    def find_role(self, token: str | None) -> Role | None:
        """Role of a bearer token; every entry is compared, in constant time."""
        if token is None:
            return None
        digest, role = _compute_digest(token), None
        for known, its_role in self.entries:
            if hmac.compare_digest(known, digest):
                role = its_role
        return role

    def __repr__(self) -> str:
        return f"Tokens({len(self.entries)})"


def require_safe_address(host: str | None, tokens: Tokens, deployed: str | None = None) -> None:
    """Raise ``OpenAddress`` when ``host`` can be reached from elsewhere, or is not known, and there is no token.

    ``deployed`` is the address that the deployed file names: Serve keeps the one that it was started with.
    """
    if tokens.configured or (host is not None and is_loopback(host)):
        return
    reach, keeps = "which other machines can reach", "it keeps the one that it was started with until it is shut down"
    if host is None:
        where = "Serve listens on an address that could not be learned"
    elif deployed is not None and is_loopback(deployed):
        where = f"Serve runs here already with host {host}, {reach}, though the file says {deployed}"
    else:
        where = f"Serve runs here with host {host}, {reach}"
    raise OpenAddress(
        f"{where}; and no token is configured. Set "
        f"{get_variable('operator_token')} (and {get_variable('reader_token')}, {get_variable('executor_token')} or "
        f"{get_variable('tokens_file')}) in the environment of the Ray nodes, or have Serve "
        f"started with http_options.host 127.0.0.1 ({keeps})."
    )


def is_loopback(host: str) -> bool:
    """Whether an address, or the name localhost, means this machine alone."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _read_environment(env: Env) -> list[tuple[str, Role, str]]:
    given = {Role.READER: env.reader_token, Role.EXECUTOR: env.executor_token, Role.OPERATOR: env.operator_token}
    return [(get_variable(f"{role.name.lower()}_token"), role, token) for role, token in given.items() if token]


def _read_file(env: Env) -> list[tuple[str, Role, str]]:
    if env.tokens_file is None:
        return []
    source = get_variable("tokens_file")
    try:
        content = yaml.safe_load(env.tokens_file.read_text())
    except (OSError, UnicodeDecodeError):
        raise TokensInvalid(f"{source}: the file cannot be read.") from None
    except yaml.YAMLError:
        raise TokensInvalid(f"{source}: the file is not YAML.") from None
    names = {role.name.lower(): role for role in Role}
    if not isinstance(content, dict) or not set(content) <= set(names):
        raise TokensInvalid(f"{source}: expected a mapping of {', '.join(names)} to lists of tokens.")
    rows = []
    for name, tokens in content.items():
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            raise TokensInvalid(f"{source}: {name} is not a list of strings.")
        rows += [(source, names[name], token) for token in tokens]
    return rows


def _compute_digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

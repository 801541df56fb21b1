"""Who may call, and from where the API may be reached."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from serve_app.env import Env, get_variable
from serve_app.tokens.entries import Role as Role
from serve_app.tokens.entries import TokensInvalid as TokensInvalid
from serve_app.tokens.entries import compute_digest, read_token_entries

log = logging.getLogger("ray.serve.seedcore")

FILE_LOOK_PERIOD_S = 2.0
# A long file takes a part of a second, in which nothing is answered.
_AGAIN_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class TokenOwner:
    """Who calls: the name of the token, and what it may do."""

    name: str
    role: Role


class OpenAddress(ValueError):
    """The API would be reachable from other machines without any token.

    Its name stands before its sentence in Serve's message, and must not be taken for that of a secret.
    """


@dataclass(frozen=True)
class Tokens:
    """The configured tokens, as digests."""

    entries: tuple[tuple[bytes, TokenOwner], ...] = ()

    @classmethod
    def load(cls, env: Env) -> Tokens:
        """Read tokens from the environment and from files; raises ``TokensInvalid``."""
        found: dict[bytes, TokenOwner] = {}
        for entry in read_token_entries(env):
            before = found.setdefault(entry.digest, TokenOwner(entry.name, entry.role))
            if before.role is not entry.role:
                raise TokensInvalid(f"{entry.source}: the same token is given to two roles.")
            if before.name != entry.name:
                raise TokensInvalid(f"{entry.source}: the same token has two names.")
        return cls(tuple(found.items()))

    @property
    def configured(self) -> bool:
        """Whether there is any token."""
        return bool(self.entries)

    @property
    def current(self) -> Tokens:
        """Those that count now: these. See ``LiveTokens``."""
        return self

    def find_caller(self, token: str | None) -> TokenOwner | None:
        """Who has a bearer token; every entry is compared, in constant time."""
        if token is None:
            return None
        digest, caller = compute_digest(token), None
        for known, its_caller in self.entries:
            if hmac.compare_digest(known, digest):
                caller = its_caller
        return caller

    def find_role(self, token: str | None) -> Role | None:
        """Role of a bearer token."""
        caller = self.find_caller(token)
        return None if caller is None else caller.role

    def __repr__(self) -> str:
        return f"Tokens({len(self.entries)})"


class TokenSource(Protocol):
    """What tells the tokens that count now."""

    @property
    def current(self) -> Tokens: ...


class LiveTokens:
    """Tokens that are read again when one of their files has changed, which is looked at every few seconds at most.

    What cannot be read, or would leave none where there were some, changes nothing: the last good ones stay in force.
    """

    def __init__(
        self,
        load: Callable[[], Tokens],
        files: Sequence[Path],
        clock: Callable[[], float] = time.monotonic,
        period_s: float = FILE_LOOK_PERIOD_S,
    ) -> None:
        """Read them; raises what ``load`` raises."""
        self._load, self._files, self._clock, self._period_s = load, tuple(files), clock, period_s
        # Before reading: what changes meanwhile is read again.
        self._seen = _describe_files(self._files)
        self._tokens = load()
        self._looked_s = clock()
        # Why they could not be read again, as it was told last.
        self._failure, self._failed_s = "", 0.0

    @property
    def current(self) -> Tokens:
        """Those that count now."""
        if self._files and self._clock() - self._looked_s >= self._period_s:
            self._looked_s = self._clock()
            seen = _describe_files(self._files)
            # What could not be read is tried again though it looks the same: not every fault is one of the file.
            if seen != self._seen or (self._failure and self._clock() - self._failed_s >= _AGAIN_AFTER_S):
                self._seen = seen
                self._renew()
        return self._tokens

    def _renew(self) -> None:
        try:
            tokens = self._load()
        except ValueError as error:  # TokensInvalid, SecretFileRefused: their sentences hold no secret
            self._note_failure(str(error))
            return
        if self._tokens.configured and not tokens.configured:
            self._note_failure("the files have none")
            return
        self._tokens, self._failure = tokens, ""
        log.info("tokens read again", extra={"action": "tokens_read", "count": len(tokens.entries)})

    def _note_failure(self, failure: str) -> None:
        if failure != self._failure:
            log.error("tokens stay as they were: %s", failure, extra={"action": "tokens_not_read"})
        self._failure, self._failed_s = failure, self._clock()


def _describe_files(files: Sequence[Path]) -> list[tuple[int, ...] | None]:
    return [_describe_file(file) for file in files]


def _describe_file(file: Path) -> tuple[int, ...] | None:
    try:
        told = file.stat()
    except OSError:
        return None
    # The last changes with mode and owner, too.
    return told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns


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

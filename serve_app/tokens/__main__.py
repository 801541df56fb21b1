"""Makes, lists and revokes tokens: ``python -m serve_app.tokens new NAME ROLE``.

The file keeps the hash of a token; the token itself is printed once, by this process, and kept nowhere. A running
application reads the file again within seconds.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from serve_app.env import get_variable
from serve_app.hidden.private_file import narrow_mode, write_private_text
from serve_app.hidden.token_form import create_token
from serve_app.tokens.entries import (
    HASH_PREFIX,
    ROLES,
    TokensInvalid,
    compute_digest,
    is_token_name,
    parse_tokens,
    read_tokens_file,
)

_VARIABLE = get_variable("tokens_file")
_AT_ONCE = "a running application knows within seconds."
# Without any token it would answer whoever asks on its own machine (``api.access.LiveTokens``).
_WITH_THE_NEXT = (
    "it was the last one in the file: an application that has no other token keeps it until it has one, so make "
    "another now (`new NAME ROLE`)."
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; exit code 0 when it is done, 1 with a sentence when not."""
    parsed = _parse_arguments(arguments)
    place = parsed.file or os.environ.get(_VARIABLE)
    if not place:
        print(f"Which file? Set {_VARIABLE}, or give --file.", file=sys.stderr)
        return 1
    path = Path(place)
    try:
        if parsed.command == "new":
            print(add_token(path, parsed.name, parsed.role))
            print(
                f"{parsed.name} is in {path}, as a hash; this was the only time that its token is shown.",
                file=sys.stderr,
            )
        elif parsed.command == "revoke":
            left = remove_token(path, parsed.name)
            print(f"{parsed.name} is revoked; {_AT_ONCE if left else _WITH_THE_NEXT}", file=sys.stderr)
        else:
            for entry in parse_tokens(_read_content(path), str(path)):
                kept = "hash" if entry.token is None else "in clear"
                print(f"{entry.name}  {entry.role.name.lower()}  {kept}")
    except (TokensInvalid, OSError) as error:
        print(str(error) if isinstance(error, TokensInvalid) else f"{path}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


def add_token(path: Path, name: str, role: str) -> str:
    """Add a token to the file, which is made when it is not there; the token. Raises ``TokensInvalid``, ``OSError``."""
    if not is_token_name(name):
        raise TokensInvalid(f"{name[:64]!r} is no name: 1 to 64 letters, digits, dots, hyphens and underscores.")
    with _lock(path):
        content = _read_content(path)
        if name in content:
            raise TokensInvalid(f"{name} is in {path} already; revoke it first, or choose another name.")
        token = create_token()
        content[name] = {"role": role, "token": f"{HASH_PREFIX}{compute_digest(token).hex()}"}
        _write_content(path, content)
    return token


def remove_token(path: Path, name: str) -> int:
    """Take a name out of the file; how many are left. Raises ``TokensInvalid`` when it is not there, ``OSError``."""
    with _lock(path):
        content = _read_content(path)
        if name not in content:
            raise TokensInvalid(f"{name[:64]} is not in {path}.")
        del content[name]
        _write_content(path, content)
    return len(content)


def _read_content(path: Path) -> dict[Any, Any]:
    if not path.exists():
        return {}
    content = read_tokens_file(path, str(path)) or {}
    parse_tokens(content, str(path))
    return dict(content)


def _write_content(path: Path, content: dict[Any, Any]) -> None:
    write_private_text(path, yaml.safe_dump(content, sort_keys=True))


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """One change at a time; the lock stands beside the file, which is replaced."""
    beside = path.with_name(f".{path.name}.lock")
    with beside.open("w") as lock:
        narrow_mode(beside)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m serve_app.tokens", description="Make, list and revoke tokens.")
    parser.add_argument("--file", help=f"the file with tokens; without it, that of {_VARIABLE}")
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("new", help="make a token, print it once, and keep its hash")
    new.add_argument("name", help="who it is for")
    new.add_argument("role", choices=list(ROLES))
    revoke = commands.add_parser("revoke", help="take a token away")
    revoke.add_argument("name")
    commands.add_parser("list", help="names and roles")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())

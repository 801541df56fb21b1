"""``python -m serve_app.database list|begin|back``: the SQLite database of the home, and its copies.

``list`` says which file it is, at which revision, and which copies there are; ``begin`` sets it aside and begins an
empty one; ``back [COPY]`` puts a copy in its place, by default the newest that was made before a migration. Nothing is
ever written over: what was there keeps a name that is told. Works on the database in ``SEEDCORE_HOME`` (``.seedcore``
of the checkout for what `make up` runs), or on that of ``SEEDCORE_DATABASE_URL``. An application that runs goes on
with what is there then, and records anew what Ray still lists.
Exit codes: 0 done, 1 not done because nobody agreed (``--yes`` agrees), 2 it cannot be done.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from serve_app.env import Env, get_variable
from serve_app.hidden.private_file import SecretFileRefused
from serve_app.redaction import strip_controls
from serve_app.store.engine import find_sqlite_file
from serve_app.store.errors import StoreUnavailable
from serve_app.store.files.beginning import read_beginning
from serve_app.store.files.copies import list_copies
from serve_app.store.files.exchange import begin_anew, find_backup, go_back
from serve_app.store.files.newer import count_writes_since, render_counts
from serve_app.store.migrate import preview_opening


def main(argv: Sequence[str] | None = None) -> int:
    """Do one of the three; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m serve_app.database", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="which database this is, and which copies there are")
    begin = commands.add_parser("begin", help="set it aside and begin an empty one")
    back = commands.add_parser("back", help="put a copy in its place")
    back.add_argument("copy", nargs="?", help="name of the copy; the newest before a migration")
    for each in (begin, back):
        each.add_argument("--yes", action="store_true", help="agree to what is said")
    arguments = parser.parse_args(argv)
    try:
        env = Env.read()
        path = find_sqlite_file(env)
        if path is None:
            raise StoreUnavailable(
                f"The database of {get_variable('database_url')} is a PostgreSQL: its own tools (pg_dump, pg_restore) "
                "copy it and put it back."
            )
        print(f"database: {strip_controls(str(path))}", file=sys.stderr)
        if arguments.command == "list":
            return _list(env, path)
        if arguments.command == "begin":
            return _begin(path, agreed=arguments.yes)
        return _go_back(path, arguments.copy, agreed=arguments.yes)
    except (StoreUnavailable, SecretFileRefused, OSError, sqlite3.Error) as error:
        print(f"error: {strip_controls(getattr(error, 'detail', None) or str(error))}", file=sys.stderr)
        return 2


def _list(env: Env, path: Path) -> int:
    begun = read_beginning(path)
    print("There never was one." if begun is None else f"A database since {strip_controls(begun)}.")
    code = 0
    try:
        plan = asyncio.run(preview_opening(env))
        print(plan.describe() or f"It is whole, at revision {plan.have or 'none: it is made when it is first opened'}.")
    except StoreUnavailable as error:
        print(error.detail)
        code = 2
    for copy in list_copies(path):
        print(f"{strip_controls(copy.name)}  {copy.stat().st_size} bytes")
    return code


def _begin(path: Path, *, agreed: bool) -> int:
    if not _agree(f"{path.name} is set aside, and an empty database begins.", agreed=agreed):
        return 1
    name = begin_anew(path, datetime.now(UTC))
    print("An empty database begins." if name is None else f"What was there is {name.name} now; an empty one begins.")
    return 0


def _go_back(path: Path, named: str | None, *, agreed: bool) -> int:
    copy = find_backup(path, named)
    if copy is None:
        what = "copy that was made before a migration" if named is None else f"copy {strip_controls(named)}"
        raise StoreUnavailable(f"There is no {what} beside {path.name}; `list` names those that there are.")
    left = render_counts(count_writes_since(path, copy, datetime.now(UTC))) if path.is_file() else "no writes"
    said = (
        f"{copy.name} takes the place of {path.name}, which keeps a name of its own. It leaves behind {left}. The "
        "version of the application that made it must run: a newer one migrates it again."
    )
    if not _agree(said, agreed=agreed):
        return 1
    name = go_back(path, copy, datetime.now(UTC))
    kept = "" if name is None else f" The newer one is {name.name} now."
    print(f"{copy.name} is {path.name} now.{kept}")
    return 0


def _agree(said: str, *, agreed: bool) -> bool:
    print(said)
    if agreed:
        return True
    if not sys.stdin.isatty():
        print("error: nobody is there to agree; say --yes", file=sys.stderr)
        return False
    return input("Go on? [y/N] ").strip().lower() in ("y", "yes")


if __name__ == "__main__":
    raise SystemExit(main())

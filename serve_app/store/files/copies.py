"""Copies of a SQLite database, and files that were set aside: each under a name that is new, for the owner alone.

A copy is made through SQLite's backup API, so it is consistent whatever is written meanwhile. Its name says of which
file, why, in which version and when: ``seedcore.db.before-0009-of-0008-20261128T112233Z``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import aiosqlite

from serve_app.store.errors import StoreUnavailable

# Copies that were made before a migration; what a person set aside is never deleted.
KEPT_BACKUPS = 5
_BACKUP = "before"
RESCUED = "rescued"
SET_ASIDE = "set-aside"
# What SQLite keeps beside a database; without them it lacks what was written last.
_LOG = "-wal"
_BESIDE = (_LOG, "-shm")
_PAGES_AT_ONCE = 4_096
_UNNAMEABLE = re.compile(r"[^A-Za-z0-9._-]+")


def build_name(path: Path, word: str, now: datetime) -> Path:
    """A name beside the database that says what it is, and that nothing has yet."""
    stem = f"{path.name}.{_UNNAMEABLE.sub('-', word)}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    number, name = 1, path.with_name(stem)
    while os.path.lexists(name):
        number += 1
        name = path.with_name(f"{stem}-{number}")
    return name


def back_up(path: Path, now: datetime, *, have: str, target: str) -> Path:
    """Copy a database before it is brought from one revision to another; gives the copy. Blocks.

    Raises ``StoreUnavailable`` when it cannot be made: what cannot be gone back to is not begun.
    """
    name = build_name(path, f"{_BACKUP}-{target}-of-{have}", now)
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as source:
            copy_database(source, name)
    except (sqlite3.Error, OSError) as error:
        with contextlib.suppress(OSError):
            name.unlink()
        raise StoreUnavailable(
            f"The store is unavailable: its database {path} cannot be copied before it is migrated "
            f"({type(error).__name__}); free space beside it."
        ) from None
    for old in select_surplus(list_copies(path), KEPT_BACKUPS):
        with contextlib.suppress(OSError):
            old.unlink()
    return name


def copy_database(source: sqlite3.Connection, name: Path) -> None:
    """Write what a connection sees into a new file of mode 0600, on the disk when this returns. Blocks."""
    with contextlib.closing(_make_copy(name)) as copy:
        source.backup(copy, pages=_PAGES_AT_ONCE)
        _end_copy(copy)


async def copy_open_database(source: aiosqlite.Connection, name: Path) -> None:
    """The same through a connection that is open already, in its thread: its file may have no name any more."""
    with contextlib.closing(_make_copy(name)) as copy:
        await source.backup(copy, pages=_PAGES_AT_ONCE, sleep=0)
        await asyncio.to_thread(_end_copy, copy)


def _make_copy(name: Path) -> sqlite3.Connection:
    os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return sqlite3.connect(name, check_same_thread=False)


def _end_copy(copy: sqlite3.Connection) -> None:
    """A copy is one file: it has no log of its own that could be left behind."""
    copy.execute("PRAGMA journal_mode = DELETE")


def set_aside(path: Path, word: str, now: datetime) -> Path:
    """Give the database, with what SQLite keeps beside it, a new name; raises ``OSError``."""
    name = build_name(path, word, now)
    move_log(path, name)
    if os.path.lexists(path):
        path.rename(name)
    return name


def move_log(path: Path, name: Path) -> Path | None:
    """Let SQLite's log of one database be that of another; gives its new name, None where there was none."""
    moved = None
    for suffix in _BESIDE:
        beside = path.with_name(path.name + suffix)
        if os.path.lexists(beside):
            after = name.with_name(name.name + suffix)
            beside.rename(after)
            moved = after if suffix == _LOG else moved
    return moved


def list_copies(path: Path) -> list[Path]:
    """Copies and what was set aside of a database, the oldest first by the time in their names."""
    pattern = re.compile(re.escape(path.name) + r"\.[A-Za-z0-9._-]+-(\d{8}T\d{6}Z)(-\d+)?")
    with contextlib.suppress(OSError):
        found = ((pattern.fullmatch(each.name), each) for each in path.parent.iterdir())
        return [each for _, each in sorted((match[1], each) for match, each in found if match is not None)]
    return []


def select_surplus(copies: Iterable[Path], kept: int) -> list[Path]:
    """Of the copies before migrations all but the newest; nothing that a person set aside, and nothing rescued."""
    backups = [each for each in copies if f".{_BACKUP}-" in each.name]
    return backups[: max(0, len(backups) - kept)]

"""Another database in the place of the present one: an empty one, or a copy. What was there keeps a name. Blocks."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from datetime import datetime
from pathlib import Path

from serve_app.store.files.beginning import begin_file, get_begun_path
from serve_app.store.files.copies import SET_ASIDE, build_name, copy_database, list_copies, set_aside

NEWER = "newer"
_BACKUP = ".before-"


def begin_anew(path: Path, now: datetime) -> Path | None:
    """Set aside what is there, under the name that this gives, and begin an empty database. Raises ``OSError``."""
    there = any(os.path.lexists(each) for each in (path, path.with_name(f"{path.name}-wal")))
    name = set_aside(path, SET_ASIDE, now) if there else None
    with contextlib.suppress(FileNotFoundError):
        get_begun_path(path).unlink()
    begin_file(path)
    return name


def find_backup(path: Path, named: str | None) -> Path | None:
    """The copy that is meant: by its name beside the database, or the newest that was made before a migration."""
    copies = list_copies(path)
    if named is not None:
        return next((each for each in copies if each.name == Path(named).name), None)
    return next((each for each in reversed(copies) if _BACKUP in each.name), None)


def go_back(path: Path, copy: Path, now: datetime) -> Path | None:
    """Put a copy in the place of the database, which keeps the name that this gives, with all that is in it.

    The copy stays where it is. Raises ``OSError`` and ``sqlite3.Error``, and then nothing has changed.
    """
    fresh = build_name(path, "fresh", now)
    try:
        with contextlib.closing(sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro", uri=True)) as source:
            copy_database(source, fresh)
    except (OSError, sqlite3.Error):
        fresh.unlink(missing_ok=True)
        raise
    there = any(os.path.lexists(each) for each in (path, path.with_name(f"{path.name}-wal")))
    name = set_aside(path, NEWER, now) if there else None
    fresh.rename(path)
    return name

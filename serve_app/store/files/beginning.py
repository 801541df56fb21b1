"""That a home has had a database: without this word, one that was deleted would begin anew and empty, and say nothing.

The word is a small file beside the database, ``seedcore.db.begun``.
"""

from __future__ import annotations

import contextlib
import os
from datetime import datetime
from pathlib import Path

from organs.times import format_time
from serve_app.store.errors import StoreUnavailable
from serve_app.store.files.copies import list_copies
from serve_app.store.files.guard import COMMAND, FileMark, describe_absence, read_mark

_MOST_CHARS = 200
_BEFORE = "some time ago"


def get_begun_path(path: Path) -> Path:
    """Where it stands that there was a database."""
    return path.with_name(f"{path.name}.begun")


def begin_file(path: Path) -> None:
    """Make an empty file, for the owner alone, where there never was a database. Raises as ``require_begun``."""
    if require_begun(path) is None:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def require_begun(path: Path) -> FileMark | None:
    """The file of a database, None where there never was one.

    Raises ``StoreUnavailable`` when there was one that is gone or emptied, or when something else stands there; and
    ``OSError``.
    """
    now = read_mark(path)
    begun = read_beginning(path)
    if now is not None and not now.is_file:
        raise StoreUnavailable(f"The store is unavailable: {describe_absence(path, now)}.")
    if begun is not None and (now is None or now.size_bytes == 0):
        copies = list_copies(path)
        newest = f" (the newest copy is {copies[-1].name})" if copies else ""
        what = "gone" if now is None else "empty"
        raise StoreUnavailable(
            f"The store is unavailable: {path.name} has been a database since {begun}, and is {what}; put it back"
            f"{newest}, or begin anew by `{COMMAND} begin`."
        )
    return now


def note_beginning(path: Path, now: datetime) -> None:
    """Keep that there is a database, unless that is kept already. A home that takes no file is no reason to fail."""
    with contextlib.suppress(OSError), get_begun_path(path).open("x", encoding="utf-8") as out:
        os.fchmod(out.fileno(), 0o600)
        out.write(format_time(now) + "\n")


def read_beginning(path: Path) -> str | None:
    """Since when there is a database, as it was kept; None where none was."""
    try:
        with get_begun_path(path).open(encoding="utf-8", errors="replace") as source:
            return source.readline(_MOST_CHARS).strip() or _BEFORE
    except OSError:
        # A version that did not keep it leaves the log of its database, unless it ended well.
        return _BEFORE if os.path.lexists(path.with_name(f"{path.name}-wal")) else None

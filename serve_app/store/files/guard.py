"""Is the file at the path still the one that is open, and has nobody else written it? A database that was deleted or
replaced takes every write, and nobody reads it again.

SQLite looks at its file by descriptor, so it notices none of this. The path is looked at before each transaction and
after each commit: a ``stat`` and 100 bytes, some microseconds. Sentences name the file and not where it is, since
``GET /ready`` is answered to everyone.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from serve_app.store.errors import StoreUnavailable

COMMAND = "python -m serve_app.database"
# https://www.sqlite.org/fileformat2.html, 1.3: the counter of changes and the id of the application, big-endian.
_HEADER_BYTES = 100
_MAGIC = b"SQLite format 3\0"
_COUNTER = slice(24, 28)
_APPLICATION_ID = slice(68, 72)

# What the first bytes say against those that were seen last.
HeaderChange = Literal["same", "later", "earlier", "another", "no database"]


@dataclass(frozen=True, slots=True)
class FileMark:
    """What tells one file from another, and whether somebody wrote it. ``links``: under how many names it is."""

    device: int
    inode: int
    size_bytes: int
    modified_ns: int
    is_file: bool
    links: int


def read_mark(path: Path) -> FileMark | None:
    """The mark of what is at the path, None for nothing; raises ``OSError`` when that cannot be told."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _build_mark(found)


def describe_absence(path: Path, now: FileMark | None) -> str:
    """Why there is no file that could be opened, and what to do."""
    if now is None:
        return f"there is no file {path.name}; put the database back, or begin anew by `{COMMAND} begin`"
    return f"something that is no file stands in the place of {path.name}; move it away and put the database back"


def describe_change(
    path: Path, opened: FileMark, now: FileMark | None, *, largest_bytes: int, rescued: Path | None
) -> str | None:
    """What became of the file that is open, and what to do; None while it is the same and whole.

    ``rescued``: the copy of what a file that is gone had held.
    """
    if now is None:
        copy = "" if rescued is None else f", or the copy of what it held, {rescued.name}, under its name"
        return (
            f"its file {path.name} was deleted or moved while in use; put it back{copy}, or begin anew by "
            f"`{COMMAND} begin`"
        )
    if not now.is_file:
        return describe_absence(path, now)
    if (now.device, now.inode) != (opened.device, opened.inode):
        return f"its file {path.name} was replaced while in use; what is there now is opened, ask again"
    if now.size_bytes < largest_bytes:
        return (
            f"its file {path.name} was cut short by another program while in use; put a whole one back "
            f"(`{COMMAND} list` names the copies)"
        )
    return None


def compare_headers(before: bytes, now: bytes) -> HeaderChange:
    """What the first bytes of a file say against those that were there before."""
    if now[: len(_MAGIC)] != _MAGIC:
        return "no database"
    if now == before or not before:
        return "same"
    if now[_APPLICATION_ID] != before[_APPLICATION_ID]:
        return "another"
    return "later" if now[_COUNTER] >= before[_COUNTER] else "earlier"


class FileGuard:
    """Holds the file that was opened, so that its inode is given to no other, and compares it with the path.

    ``outdated``: there is another file, or another content, now, which is to be opened instead. ``foreign``: of that
    content SQLite's log knows nothing: it must not be written into it. ``is_gone``: nothing is at the path.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outdated = self.foreign = self.is_gone = False
        self.rescued: Path | None = None
        self._descriptor: int | None = None
        self._opened: FileMark | None = None
        self._largest_bytes = 0
        self._modified_ns: int | None = None
        self._header = b""
        self._log: tuple[int, int] | None = None

    def check(self) -> FileMark:
        """The mark of the file now; raises ``StoreUnavailable`` unless it is the one that was opened, and whole.

        The first call opens.
        """
        try:
            now = read_mark(self.path)
        except OSError:
            raise StoreUnavailable(f"The store is unavailable: {self.path.name} cannot be looked at.") from None
        if self._opened is None:
            self._hold(now)
        if self._opened is None:
            raise StoreUnavailable(f"The store is unavailable: {describe_absence(self.path, now)}.")
        change = describe_change(self.path, self._opened, now, largest_bytes=self._largest_bytes, rescued=self.rescued)
        self.is_gone = now is None
        if change is not None or now is None:
            # One that is gone may come back as it was, and is still open: nothing else is opened until then.
            self.outdated = self.outdated or now is not None
            self.foreign = self.foreign or (now is not None and now.inode == self._opened.inode)
            raise StoreUnavailable(f"The store is unavailable: {change}.")
        self._largest_bytes = max(self._largest_bytes, now.size_bytes)
        return now

    def compare(self) -> HeaderChange | None:
        """As ``check``; None when nobody wrote it since ``accept``, else what its first bytes say.

        Only for who holds the lock of the writer: checkpoints of this process write it, too.
        """
        now = self.check()
        if self._modified_ns is None or now.modified_ns == self._modified_ns:
            return None
        return compare_headers(self._header, self._read_header())

    def accept(self) -> None:
        """What stands in the file now is ours. Raises as ``check``."""
        now = self.check()
        self._log = self._log or self._find_log()
        if now.modified_ns != self._modified_ns:
            self._modified_ns, self._header = now.modified_ns, self._read_header()

    def refuse(self, *, foreign: bool) -> StoreUnavailable:
        """The error for a content that another program wrote; what is there is to be opened anew."""
        self.outdated, self.foreign = True, self.foreign or foreign
        return StoreUnavailable(
            f"The store is unavailable: its file {self.path.name} was written over by another program while in use; "
            f"it is opened if it is whole, else put a whole one back (`{COMMAND} list` names the copies)."
        )

    @property
    def left_log(self) -> bool:
        """Whether the log beside the path is that of the file that was opened, and another file is there now."""
        return self.outdated and self._log is not None and self._log == self._find_log()

    def describe_links(self) -> str | None:
        """What to do when the file has a second name; None while it has one."""
        now = read_mark(self.path)
        if now is None or not now.is_file or now.links < 2:
            return None
        return (
            f"the database {self.path.name} has {now.links} names (hard links), and who opens it by another one "
            "damages it; remove the others"
        )

    def close(self) -> None:
        """Let go; the next ``check`` opens what is there then.

        Only when no connection of this process is open: a closed descriptor ends all locks that it has on the file
        (https://www.sqlite.org/howtocorrupt.html, 2.2).
        """
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = self._opened = self._modified_ns = None
        self._largest_bytes, self._header, self._log = 0, b"", None

    def _hold(self, now: FileMark | None) -> None:
        if now is None or not now.is_file:
            return
        try:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            raise StoreUnavailable(
                f"The store is unavailable: {self.path.name} cannot be read; give its owner the right."
            ) from None
        self._opened = _build_mark(os.fstat(self._descriptor))
        self._modified_ns, self._header = self._opened.modified_ns, self._read_header()
        self._log = self._find_log()

    def _find_log(self) -> tuple[int, int] | None:
        log = read_mark(self.path.with_name(f"{self.path.name}-wal"))
        return None if log is None else (log.device, log.inode)

    def _read_header(self) -> bytes:
        try:
            return b"" if self._descriptor is None else os.pread(self._descriptor, _HEADER_BYTES, 0)
        except OSError:
            return b""


def _build_mark(found: os.stat_result) -> FileMark:
    is_file = stat.S_ISREG(found.st_mode)
    return FileMark(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, is_file, found.st_nlink)

"""The logs of one incident: those of a directory, or of an archive, bounded in number and in size. Reads files.

Nothing is unpacked to a disk, and of a member no more is read than is allowed, whatever it says of its own size.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO

MOST_FILES = 200
MOST_MEMBER_BYTES = 16_777_216
_MOST_ARCHIVE_BYTES = 268_435_456
_PIECE_BYTES = 1_048_576
_MOST_LOOKED_AT = 10_000
_ZIP, _TAR = (".zip",), (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_LOOK_BYTES = 4_096
_WIDE = (b"\xff\xfe", b"\xfe\xff")


def is_archive(name: str) -> bool:
    """Whether a file is an archive by its name."""
    return name.lower().endswith((*_ZIP, *_TAR)) and Path(name).is_file()


def list_files(name: str) -> list[Path]:
    """The files of a directory that may be logs, by name, at most ``MOST_FILES``; of a file itself. Links are not
    followed. Raises ``OSError``.
    """
    place = Path(name)
    if not place.is_dir():
        return [place]
    found = sorted(
        each for each in islice(place.rglob("*"), _MOST_LOOKED_AT) if each.is_file() and not each.is_symlink()
    )
    return [each for each in found if _is_text(_read_first(each))][:MOST_FILES]


def read_archive(name: str) -> Iterator[tuple[str, list[bytes]]]:
    """Name and pieces of each member that may be a log; raises ``OSError``, and errors of archives."""
    left = _MOST_ARCHIVE_BYTES
    for member, file in islice(_open_members(name), MOST_FILES):
        pieces = _read_bounded(file, min(MOST_MEMBER_BYTES, left))
        left -= sum(len(piece) for piece in pieces)
        if pieces and _is_text(pieces[0][:_LOOK_BYTES]):
            yield member, pieces
        if left <= 0:
            return


def _open_members(name: str) -> Iterator[tuple[str, IO[bytes]]]:
    if name.lower().endswith(_ZIP):
        with zipfile.ZipFile(name) as packed:
            for each in packed.infolist()[:_MOST_LOOKED_AT]:
                if not each.is_dir():
                    with packed.open(each) as file:
                        yield each.filename, file
        return
    with tarfile.open(name) as archive:
        for member in islice(archive, _MOST_LOOKED_AT):
            opened = archive.extractfile(member) if member.isfile() else None
            if opened is not None:
                with opened as file:
                    yield member.name, file


def _read_bounded(file: IO[bytes], most_bytes: int) -> list[bytes]:
    pieces: list[bytes] = []
    left = most_bytes
    while left > 0 and (piece := file.read(min(_PIECE_BYTES, left))):
        pieces.append(piece)
        left -= len(piece)
    return pieces


def _read_first(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LOOK_BYTES)


def _is_text(first: bytes) -> bool:
    return bool(first.strip()) and (b"\0" not in first or first[:2] in _WIDE)

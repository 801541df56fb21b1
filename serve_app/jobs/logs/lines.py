"""Bytes of a log into lines that may be shown: redacted, cut, and in no more memory than one line may have. Pure.

A line that is cut at its beginning is not shown: what would name a secret in it may be in the part that is missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from serve_app.cluster.dashboard import Piece
from serve_app.jobs.judging.run_marks import find_run_begin
from serve_app.redaction import HEADLESS as HEADLESS
from serve_app.redaction import MAX_CHARS, REDACTED, redact

# What the redactor looks at, in the longest encoding.
MAX_LINE_BYTES = 100_000
_CUT = "… [cut]"
# A private key has many lines and no line tells of it but the first; one that never ends must not hide the whole log.
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")
_KEY_ENDS = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY")
_MOST_KEY_LINES = 400
# Where such a key may begin before a line of it: its lines are of 64 characters.
KEY_BYTES = 32_768
_OF_A_KEY = re.compile(r"[A-Za-z0-9+/=\s]{1,200}")


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line as it is shown. ``after`` is where the next begins in the file."""

    text: str
    after: int


@dataclass(frozen=True, slots=True)
class LastPiece:
    """The end of a log as far as it was read; ``whole``: it begins where the run does."""

    piece: Piece
    whole: bool


class LineCutter:
    """Takes bytes as they come, from byte ``start`` of the file on, and gives the lines that are complete."""

    def __init__(self, start: int, *, headless: bool = False, key_lines: int = 0, values: Sequence[str] = ()) -> None:
        """``headless``: the first line began before ``start``; ``key_lines``: see ``count_key_lines``; ``values`` are
        known to be secret."""
        self.read_to = start
        self._kept = bytearray()
        self._cut = False
        self._headless = headless
        self._key_lines = key_lines
        self._values = values

    def feed(self, data: bytes) -> list[ShownLine]:
        """Lines that end in ``data``."""
        lines, begin = [], 0
        while (end := data.find(b"\n", begin)) >= 0:
            self._keep(data, begin, end)
            self.read_to += end + 1 - begin
            lines.append(self._cut_line())
            begin = end + 1
        self._keep(data, begin, len(data))
        self.read_to += len(data) - begin
        return lines

    def flush(self) -> list[ShownLine]:
        """What is left when no more will come: a last line without an end."""
        return [self._cut_line()] if self._kept or self._headless else []

    def _keep(self, data: bytes, begin: int, end: int) -> None:
        room = MAX_LINE_BYTES - len(self._kept)
        self._kept += data[begin : min(end, begin + room)]
        self._cut = self._cut or end - begin > room

    def _cut_line(self) -> ShownLine:
        text = self._kept.decode(errors="replace")
        shown = HEADLESS if self._headless else self._render_text(text.removesuffix("\r"))
        self._kept.clear()
        self._cut = self._headless = False
        return ShownLine(shown, self.read_to)

    def _render_text(self, text: str) -> str:
        if self._key_lines:
            self._key_lines = 0 if _KEY_ENDS.search(text) else self._key_lines - 1
            return REDACTED
        if _KEY_BEGINS.search(text) and not _KEY_ENDS.search(text):
            self._key_lines = _MOST_KEY_LINES
        shown = redact(text, self._values)
        return f"{shown}{_CUT}" if self._cut or len(text) > MAX_CHARS else shown


def count_key_lines(data: bytes) -> int:
    """How many lines after this part of a log may be of a private key that begins in it and does not end."""
    text = data[-KEY_BYTES:].decode(errors="replace")
    begins = max((found.start() for found in _KEY_BEGINS.finditer(text)), default=None)
    if begins is None or _KEY_ENDS.search(text, begins):
        return 0
    return max(0, _MOST_KEY_LINES + 1 - text.count("\n", begins))


def cut_to_run(piece: Piece, submission_id: str | None) -> LastPiece:
    """The end of a file, without what is before the last run that begins in it; ``submission_id`` None: all of it."""
    begin = None if submission_id is None else find_run_begin(piece.data, submission_id)
    if begin is None:
        return LastPiece(piece, whole=False)
    return LastPiece(replace(piece, data=piece.data[begin:], start=piece.start + begin), whole=True)


def find_last_begin(piece: Piece, lines: int, *, whole: bool = False) -> tuple[int, bool]:
    """Where the last ``lines`` lines of a file begin, looking at its last piece; and whether in the midst of a line.

    ``whole``: nothing before the piece counts, which begins with a line then.
    """
    data = piece.data
    at = len(data) - data.endswith(b"\n")
    for _ in range(lines):
        at = data.rfind(b"\n", 0, at)
        if at < 0:
            break
    else:
        return piece.start + at + 1, False
    if whole or piece.start == 0:
        return piece.start, False
    # Fewer whole lines than asked for: what is before the first line end began in an earlier piece.
    first = data.find(b"\n")
    if first < 0 or first == len(data) - 1:
        return piece.start, True
    return piece.start + first + 1, False


def read_last_lines(
    piece: Piece, lines: int, *, whole: bool = False, values: Sequence[str] = ()
) -> tuple[list[str], int]:
    """The last lines of a file, as its last piece has them, and where they begin."""
    begin, headless = find_last_begin(piece, lines, whole=whole)
    before, rest = piece.data[: begin - piece.start], piece.data[begin - piece.start :]
    cutter = LineCutter(begin, headless=headless, key_lines=count_key_lines(before), values=values)
    found = cutter.feed(rest)
    shown = [line.text for line in (*found, *cutter.flush())]
    return _hide_headless_key(shown), begin


def _hide_headless_key(shown: list[str]) -> list[str]:
    """A key whose first line is before what was read shows itself by its last."""
    for place, text in enumerate(shown):
        if _KEY_BEGINS.search(text) or text == REDACTED:
            return shown
        if _KEY_ENDS.search(text):
            begin = place
            while begin > 0 and _OF_A_KEY.fullmatch(shown[begin - 1]):
                begin -= 1
            return [*shown[:begin], *[REDACTED] * (place - begin + 1), *shown[place + 1 :]]
    return shown

"""Lines that lost their shape: broken at a column, folded by YAML, or without the indentation of a traceback. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from serve_app.jobs.diagnosis.log.lines import split_prefix, strip_controls


@dataclass(frozen=True, slots=True)
class CleanedLine:
    """A line, and the first and the last line of the text, from 1, that it was made of."""

    text: str
    first: int
    last: int


_LEAST_COLUMN = 40
_LEAST_FULL = 2
_ALIKE_CHARS = 5
_DIGIT = re.compile(r"\d")
_MOST_JOINED = 200
_BEGINS = re.compile(
    r"\s{0,80}(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]|\d\d:\d\d:\d\d|\([^()\n]{1,120}(?:pid=\d|\))|Traceback \(most|File \"|"
    r"(?:INFO|WARNING|ERROR|DEBUG|CRITICAL|FATAL)\b|\[(?:rank)?\d|[-*=#]{3,}|[A-Za-z_][\w.]{0,80}(?:Error|Exception): )"
)
# Columns of a table, and the lines between them, are as wide as they are meant to be.
_TABLE = re.compile(r"\S {3,80}\S.{0,200}\S {3,80}\S|-{8}|={8}|\|.{1,200}\|")
_FOLDED = re.compile(r"(?P<indent>\s{0,40})(?:- )?[\w.'\"-]{1,80}:\s(?P<quote>['\"])")
_FRAME = re.compile(r'File "[^"\n]{1,400}", line \d{1,7}(?:, in \S|$)')
_RAISED = re.compile(
    r"(?:[A-Za-z_]\w*\.){0,8}[A-Z]\w{0,80}(?:Error|Exception|Interrupt|Exit|Warning|Died|Full)\b[:(]?|ray::"
)
_CARETS = re.compile(r"[\^~ ]{2,}$")


def unwrap(pieces: Sequence[CleanedLine]) -> Sequence[CleanedLine]:
    """Lines that a terminal, a mail or YAML broke, put together again."""
    column = _find_column(pieces)
    joined: list[CleanedLine] = []
    is_open = ""
    for number, piece in enumerate(pieces):
        before = pieces[number - 1] if number else None
        if before is not None and joined and joined[-1].last - joined[-1].first < _MOST_JOINED:
            gap = _find_gap(before.text, piece.text, column, is_open)
            if gap is not None:
                joined[-1] = _join(joined[-1], piece, gap)
                is_open = _follow_quote(is_open, piece.text)
                continue
        joined.append(piece)
        is_open = _open_quote(piece.text)
    return joined if len(joined) < len(pieces) else pieces


def _join(one: CleanedLine, two: CleanedLine, gap: str) -> CleanedLine:
    # Of a break at a column nothing is lost; of one between words, a blank.
    right = two.text.lstrip() if gap else two.text
    left = one.text.rstrip() if gap else one.text
    return CleanedLine(f"{left}{gap}{right}".rstrip() if gap else f"{left}{right}", one.first, two.last)


def _find_gap(before: str, text: str, column: int, is_open: str) -> str | None:
    """What was between two lines before they were broken; None where they are two lines."""
    if is_open and text.strip() and text[:1].isspace():
        return " "
    if not text.strip() or not before.strip() or _BEGINS.match(text):
        return None
    if column and len(before) == column and not before.endswith(" "):
        return None if _begin_alike(before, text) else ""
    return " " if _is_broken_sentence(before, text) else None


def _begin_alike(before: str, text: str) -> bool:
    """Whether a program wrote both in one form: rows of figures may well be of one width."""
    return _DIGIT.sub("0", before[:_ALIKE_CHARS]) == _DIGIT.sub("0", text[:_ALIKE_CHARS])


def _is_broken_sentence(before: str, text: str) -> bool:
    """Whether a line was broken between two words: it ends with the blank, and the next goes on in the sentence."""
    ends_open = before.endswith(" ") and not before.endswith("  ") and len(before) >= 20
    goes_on = (text[:1].islower() or text[:1] in "{([") and not _begin_alike(before, text)
    return ends_open and goes_on and before.rstrip()[-1:] not in ".:;)]}\\"


def _find_column(pieces: Sequence[CleanedLine]) -> int:
    """The width at which lines were broken, or 0: several are as long as the longest and go on where they end."""
    widths = Counter(len(piece.text) for piece in pieces if len(piece.text) >= _LEAST_COLUMN)
    if not widths:
        return 0
    longest = max(widths)
    full = [piece.text for piece in pieces if len(piece.text) == longest and not _TABLE.search(piece.text)]
    if len(full) < _LEAST_FULL or len(set(full)) < _LEAST_FULL:
        return 0
    broken = [text for text in full if text[-1:].isalnum() or text[-1:] in "_-/,\\([{<'\"="]
    return longest if len(broken) >= _LEAST_FULL else 0


def _open_quote(text: str) -> str:
    found = _FOLDED.match(text)
    if found is None:
        return ""
    return _follow_quote(found["quote"], text[found.end() :])


def _follow_quote(quote: str, text: str) -> str:
    """The quote that is open after this text; a doubled one, or an escaped one, does not close it."""
    if not quote:
        return ""
    plain = text.replace("''", "") if quote == "'" else text.replace('\\"', "")
    return "" if quote in plain else quote


def reindent(pieces: Sequence[CleanedLine]) -> Sequence[CleanedLine]:
    """A traceback whose lines all begin at the left, with the blanks that Python writes."""
    plain = [split_prefix(strip_controls(piece.text)).text if '"' in piece.text else "" for piece in pieces]
    frames = [number for number, text in enumerate(plain) if _FRAME.match(text)]
    if not frames:
        return pieces
    given = list(pieces)
    for number in frames:
        given[number] = _indent(pieces[number], "  ")
        after = number + 1
        if after < len(given) and _is_code(_read(pieces[after])):
            given[after] = _indent(pieces[after], "    ")
            if after + 1 < len(given) and _CARETS.fullmatch(_read(pieces[after + 1]).strip()):
                given[after + 1] = _indent(pieces[after + 1], "    ")
    return given


def _read(piece: CleanedLine) -> str:
    return split_prefix(strip_controls(piece.text)).text


def _is_code(text: str) -> bool:
    return bool(text.strip()) and not text[:1].isspace() and not _FRAME.match(text) and not _RAISED.match(text)


def _indent(piece: CleanedLine, blanks: str) -> CleanedLine:
    """The line with blanks after what others put before it."""
    text = strip_controls(piece.text)
    rest = split_prefix(text).text
    if not text.endswith(rest):
        return piece
    return replace(piece, text=f"{text[: len(text) - len(rest)]}{blanks}{rest}")

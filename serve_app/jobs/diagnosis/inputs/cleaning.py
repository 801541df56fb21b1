"""A log as its writer meant it, from an excerpt as people pass it on. Pure.

Each step takes lines and gives lines; a line knows which lines of the text it was made of, so that what is quoted is
always quoted as it stands in the text. An excerpt in which nothing was done to any line is left alone.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from serve_app.jobs.diagnosis.inputs.layout import CleanedLine, reindent, unwrap
from serve_app.jobs.diagnosis.log.lines import split_prefix

# At least so many of the lines with something in them begin alike, where that is what somebody put before each.
_MOST_OF_THEM = 0.6
_ENTITY = re.compile(r"&(?:gt|lt|quot|amp|apos|nbsp|#\d{1,5}|#x[0-9a-fA-F]{1,4});")
# Colours whose escape byte became text: `^[[36m`, `\u001b[36m`, `\033[0m`, `\x1b[2m`, `0[36m`.
_LOST_COLOUR = re.compile(r"(?:\^\[|\\u001[bB]|\\0?33|\\x1[bB]|\\e|#x1B|␛|�|0)\[\d{0,3}(?:;\d{1,3}){0,4}m")
# What word processors and forums make of the signs of a log.
_TYPOGRAPHIC = str.maketrans(
    {"\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'", "\u00a0": " ", "\u200b": None}
)
_QUOTED = re.compile(r"\s{0,8}(?:> ?){1,4}(?!>)")
_FENCE = re.compile(r"\s{0,8}(?:```|~~~)[\w-]{0,20}\s*$")
_MARGIN = re.compile(r"\s{0,4}\| ?")
_COMMENT = re.compile(r"\s{0,8}(?:#|//) ?")
_NUMBERED = re.compile(r"\s{0,8}(\d{1,6})(?:[:|.)]\s?|\s|$)")
# Tables of tools number their rows, too.
_ROWS = re.compile(r"^=+ List: |^Table\b.{0,60}:$|\b[A-Z]{2,20}_ID {2,}|\bJOBID\b|\bJobID\b")
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY = rf"(?:\d{{4}}[-/]\d\d[-/]\d\d|\d\d[-/]\d\d(?:[-/]\d{{2,4}})?|{_MONTH} [ \d]\d)"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z| ?[+-]\d\d:?\d\d| UTC)?"
_STAMP = re.compile(rf"\s{{0,4}}\[?(?:{_DAY}[T ]{_CLOCK}|{_CLOCK}|\d{{13}})\]?(?:[ \t]|$)")
# `Jan 02 03:04:05 host unit[12]: ` of journald, and the same with an ISO time.
_JOURNAL = re.compile(
    rf"{_DAY}[T ]{_CLOCK} (?!INFO|WARN|ERROR|DEBUG|CRIT|FATAL)[\w.-]{{1,80}} [\w./@-]{{1,80}}(?:\[\d{{1,8}}\])?: ?"
    # And what Airflow puts there.
    r"|\[\d{4}-\d\d-\d\d, ?[\d:.]{8,15} \w{1,5}\] \{[\w.]{1,80}:\d{1,6}\} [A-Z]{4,8} - ?"
)
_INNER = re.compile(r'\s{0,8}(?:Traceback \(most recent|File "[^"\n]{1,300}", line \d)|\s{4,}\S')
_LOGFMT = re.compile(r'(?:time|ts|level)=\S.{0,200}?\bmsg="((?:[^"\\]|\\.){1,20000})"')
_OUTPUT = re.compile(r'\s{0,40}"(?:cell_type|output_type)": ')
_JSON_TEXTS = ("log", "MESSAGE", "line", "message", "msg", "text", "event")
_JSON_MORE = ("exc_info", "exception", "traceback", "stack_trace", "stack", "error")
# A line that a traceback begins with; and before it what stands before all lines.
_PLACED = re.compile(r'(?:  File "[^"\n]{1,300}", line \d|Traceback \(most recent call last\))')
_MOST_BEFORE = 200
_NEARLY_ALL = 0.9
_MOST_FROM_ONE = 2_000


@dataclass(frozen=True, slots=True)
class Cleaned:
    """``pieces``: the lines of the log, each with the lines of the text that it was made of."""

    pieces: tuple[CleanedLine, ...]

    def build_text(self) -> str:
        return "\n".join(piece.text for piece in self.pieces)

    def find_origin(self, line: int) -> tuple[int, int]:
        """First and last line of the text, from 1, of which a line of the log was made."""
        piece = self.pieces[min(max(line, 1), len(self.pieces)) - 1]
        return piece.first, piece.last


def clean(text: str) -> Cleaned | None:
    """The excerpt as a log, or None where it is one as it stands."""
    before = tuple(CleanedLine(line.rstrip("\r"), number, number) for number, line in enumerate(text.split("\n"), 1))
    pieces: Sequence[CleanedLine] = before
    for step in _STEPS:
        pieces = step(pieces)
    same = len(pieces) == len(before) and all(one.text == two.text for one, two in zip(pieces, before, strict=True))
    return None if same or not pieces else Cleaned(tuple(pieces))


def _replace_texts(pieces: Sequence[CleanedLine]) -> Sequence[CleanedLine]:
    """Without entities, fences and colours that became text."""
    return [_replace_text(piece) for piece in pieces]


def _replace_text(piece: CleanedLine) -> CleanedLine:
    text = piece.text
    if "&" in text and _ENTITY.search(text):
        text = html.unescape(text).replace("\xa0", " ")
    if not text.isascii():
        text = text.translate(_TYPOGRAPHIC)
    if "m" in text and "[" in text:
        text = _LOST_COLOUR.sub("", text)
    if _FENCE.match(text):
        text = ""
    if text.count("`") <= 2 and (text.startswith("`") or text.endswith("`")):
        text = text.strip("`")
    return piece if text == piece.text else replace(piece, text=text)


def _open_json(pieces: Sequence[CleanedLine]) -> Sequence[CleanedLine]:
    """What Docker, journald, Loki and loggers put into one object a line."""
    if not _is_most(pieces, lambda text: text.lstrip().startswith("{") and text.rstrip().rstrip(",").endswith("}")):
        return pieces
    rows = [_read_object(piece.text) for piece in pieces]
    # Where all rows have one level, it is that of the stream, and tells nothing of a line.
    is_told = len({level for level, _ in filter(None, rows)}) > 1
    opened = [
        (piece, None if row is None else f"{row[0]} {row[1]}".lstrip() if is_told else row[1])
        for piece, row in zip(pieces, rows, strict=True)
    ]
    if sum(text is not None for _, text in opened) < _MOST_OF_THEM * sum(bool(piece.text.strip()) for piece in pieces):
        return pieces
    return [
        new for piece, text in opened for new in ([piece] if text is None else _split_into(piece, text.split("\n")))
    ]


def _read_object(text: str) -> tuple[str, str] | None:
    """The level and the text of a logger's row."""
    try:
        row = json.loads(text.strip().rstrip(","))
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    found = next((row[name] for name in _JSON_TEXTS if isinstance(row.get(name), str)), None)
    if found is None:
        return None
    more = [row[name] for name in _JSON_MORE if isinstance(row.get(name), str)]
    level = row.get("level") or row.get("levelname") or row.get("severity") or ""
    is_level = isinstance(level, str) and "stream" not in row
    return level if is_level else "", "\n".join([str(found).rstrip("\n"), *more])


def _open_notebook(pieces: Sequence[CleanedLine]) -> Sequence[CleanedLine]:
    """The strings of a notebook's file, one a line, as the outputs that they are."""
    if not any(_OUTPUT.match(piece.text) for piece in pieces):
        return pieces
    opened: list[CleanedLine] = []
    for piece in pieces:
        text = _read_string(piece.text)
        opened += [piece] if text is None else _split_into(piece, text.removesuffix("\n").split("\n"))
    return opened


def _read_string(text: str) -> str | None:
    written = text.strip().rstrip(",")
    if not (len(written) >= 2 and written.startswith('"') and written.endswith('"')):
        return None
    try:
        found = json.loads(written, strict=False)
    except ValueError:
        return None
    return found if isinstance(found, str) else None


def _open_logfmt(pieces: Sequence[CleanedLine]) -> Sequence[CleanedLine]:
    if not _is_most(pieces, lambda text: _LOGFMT.match(text) is not None):
        return pieces
    opened = [(piece, _LOGFMT.match(piece.text)) for piece in pieces]
    return [piece if found is None else replace(piece, text=found[1].replace('\\"', '"')) for piece, found in opened]


def _strip_quotes(pieces: Sequence[CleanedLine]) -> Sequence[CleanedLine]:
    """Without the mark of a quotation, in each run of lines that have it."""
    quoted = [piece.text.lstrip().startswith(">") and not piece.text.lstrip().startswith(">>>") for piece in pieces]
    runs = [
        here and ((number > 0 and quoted[number - 1]) or (number + 1 < len(quoted) and quoted[number + 1]))
        for number, here in enumerate(quoted)
    ]
    if not any(runs):
        return pieces
    return [
        replace(piece, text=_QUOTED.sub("", piece.text, count=1)) if run else piece
        for piece, run in zip(pieces, runs, strict=True)
    ]


def _strip_comments(pieces: Sequence[CleanedLine]) -> Sequence[CleanedLine]:
    if not _is_most(pieces, lambda text: text.lstrip().startswith(("# ", "// "))):
        return pieces
    return [replace(piece, text=_COMMENT.sub("", piece.text, count=1)) for piece in pieces]


def _strip_margins(pieces: Sequence[CleanedLine]) -> Sequence[CleanedLine]:
    """Without the bar that a table of a build server puts before each line; not of a group of exceptions."""
    if not _is_most(pieces, lambda text: _MARGIN.match(text) is not None) or any(
        "Exception Group" in piece.text or piece.text.rstrip().endswith("|") for piece in pieces
    ):
        return pieces
    return [replace(piece, text=_MARGIN.sub("", piece.text, count=1)) for piece in pieces]


def _strip_numbers(pieces: Sequence[CleanedLine]) -> Sequence[CleanedLine]:
    """Without the line numbers of an editor or a web page, which count on by one."""
    found = [_NUMBERED.match(piece.text) for piece in pieces if piece.text.strip()]
    numbers = [int(each[1]) for each in found if each is not None]
    if len(numbers) < 4 or len(numbers) < 0.8 * len(found):
        return pieces
    if sum(after - before == 1 for before, after in pairwise(numbers)) < 0.8 * (len(numbers) - 1):
        return pieces
    if any(_ROWS.search(piece.text) for piece in pieces):
        return pieces
    return [replace(piece, text=_NUMBERED.sub("", piece.text, count=1)) for piece in pieces]


def _strip_stamps(pieces: Sequence[CleanedLine]) -> Sequence[CleanedLine]:
    """Without the time that something outside put before each line, also before those within a traceback."""
    if _is_most(pieces, lambda text: _JOURNAL.match(text) is not None):
        return [replace(piece, text=_JOURNAL.sub("", piece.text, count=1)) for piece in pieces]
    if not _is_most(pieces, lambda text: _STAMP.match(text) is not None):
        return pieces
    rests = [piece.text[found.end() :] for piece in pieces if (found := _STAMP.match(piece.text)) is not None]
    if not any(rest.startswith("(") or _STAMP.match(rest) or _INNER.match(rest) for rest in rests):
        return pieces
    return [replace(piece, text=_STAMP.sub("", piece.text, count=1)) for piece in pieces]


def _strip_alike(pieces: Sequence[CleanedLine]) -> Sequence[CleanedLine]:
    """Without what some program put before each line, also before those of a traceback; numbers in it may differ.

    What Ray and engines put there, which tells the process, is left.
    """
    before = next(
        (piece.text[: found.start()] for piece in pieces if (found := _PLACED.search(piece.text)) is not None), ""
    )
    if not before.strip() or "pid=" in before or not split_prefix(before).text.strip():
        before = "0: "
    alike = re.compile(r"\d+".join(re.escape(part) for part in re.split(r"\d+", before[:_MOST_BEFORE])))
    written = [piece.text for piece in pieces if piece.text.strip()]
    count = sum(alike.match(text) is not None for text in written)
    if count < 2 or count < (_NEARLY_ALL if before == "0: " else _MOST_OF_THEM) * len(written):
        return pieces
    return [replace(piece, text=alike.sub("", piece.text, count=1)) for piece in pieces]


def _break_lines(pieces: Sequence[CleanedLine]) -> Sequence[CleanedLine]:
    """A message of several lines that was written as one, its line ends escaped."""
    if not any(_is_escaped(piece.text) for piece in pieces):
        return pieces
    broken: list[CleanedLine] = []
    for piece in pieces:
        if not _is_escaped(piece.text):
            broken.append(piece)
            continue
        text = piece.text.replace("\\\\n", "\\n").replace('\\\\"', '"').replace('\\"', '"').replace("\\t", "\t")
        broken += _split_into(piece, text.replace("\\'", "'").split("\\n"))
    return broken


def _is_escaped(text: str) -> bool:
    """Whether line ends were written as two signs; a path of Windows may hold some, too."""
    count = text.count("\\n")
    return count >= 4 or (count >= 2 and ("Traceback" in text or "ray::" in text or "Error" in text))


def _split_into(piece: CleanedLine, texts: Iterable[str]) -> list[CleanedLine]:
    return [replace(piece, text=text) for text in list(texts)[:_MOST_FROM_ONE]]


def _is_most(pieces: Sequence[CleanedLine], is_so: Callable[[str], bool]) -> bool:
    """Whether so it is of most lines with something in them, and of two at least."""
    written = [piece.text for piece in pieces if piece.text.strip()]
    count = sum(is_so(text) for text in written)
    return count >= 2 and count >= _MOST_OF_THEM * len(written)


_STEPS: tuple[Callable[[Sequence[CleanedLine]], Sequence[CleanedLine]], ...] = (
    _open_notebook,
    _replace_texts,
    _strip_quotes,
    _strip_comments,
    _strip_margins,
    _open_json,
    _open_logfmt,
    _strip_numbers,
    _strip_stamps,
    _strip_alike,
    _break_lines,
    unwrap,
    reindent,
)

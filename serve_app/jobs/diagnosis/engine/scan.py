"""Reading one source: what in it may tell why, in one pass, with bounded memory and in time linear in its size.

The whole text is searched for the fixed texts of all signatures at once; only their surroundings are looked at. Of what
is found very often the first and the last are kept, in each block and in all.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice

from serve_app.jobs.diagnosis.catalogue.catalogue import MARKS, TRACEBACK, Catalogue, ClueRole, Signature, matches_text
from serve_app.jobs.diagnosis.log.lines import LogLine, find_bounds, find_time, parse_line, quote_part
from serve_app.jobs.diagnosis.log.memory_kills import MemoryKill, read_kill
from serve_app.jobs.diagnosis.log.tracebacks import (
    HEAD,
    MOST_LINES,
    Traceback,
    add_frames,
    read_cut_exception,
    read_loose_exception,
    read_traceback,
)
from serve_app.jobs.diagnosis.models import SourceKind, TextSource

BLOCK_BYTES = 4 * 1_048_576
# A place is looked at when so much of what follows it is in memory: no traceback that is read is longer.
_AHEAD_BYTES = 262_144
_TRACEBACK_BYTES = 131_072
_TAIL_LINES = 300
_TAIL_BYTES = 131_072
# Of the places of one text in one block, the first and the last so many are looked at.
_FIRST_PLACES, _LAST_PLACES = 120, 40
_FIRST_KEPT, _LAST_KEPT = 6, 4
_MOST_TRACEBACKS = 120
_HEAD_NUMBER = MARKS.index(TRACEBACK)
_KILL_NUMBER = len(MARKS)
_MOST_KILLS = 500
# What a program says when it ends because of the error that it has just written.
_GIVES_UP = re.compile(
    r"\bCRITICAL\b|\bFATAL\b|[Ff]atal (?:error|signal)|[Ss]hutting down|[Ee]ngine (?:is )?dead|[Gg]iving up"
    r"|[Uu]nrecoverable"
    r"|(?:exit|return) code:? (?:-?[1-9]\d{0,4})\b|exit status [1-9]|[Aa]borting\b|will (?:now )?exit"
)
_AFTER_LINES = 8
_CUT_LINES = 12
_IGNORED = (b"Exception ignored in", b"The dashboard on node ")
_BEFORE_BYTES = 1_000
_ABOVE_BYTES = 8_192
_UTF_16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


@dataclass(frozen=True, slots=True)
class Hit:
    """A line that a signature means. ``stream``: which process wrote it; ``at``: when, in a form that sorts; ``text``:
    without prefixes and colours; ``quote``: what is shown of it, redacted.
    """

    signature: Signature
    line: int
    stream: str
    text: str
    quote: str
    at: str | None


@dataclass(frozen=True, slots=True)
class TailLine:
    """One of the last lines of a source."""

    number: int
    line: LogLine
    raw: bytes

    @property
    def quote(self) -> str:
        return quote_part(self.raw, 0)


@dataclass(frozen=True, slots=True)
class Scan:
    """What one source has. ``quotes`` (redacted) and ``times``: of lines of tracebacks; ``benign``: lines that only
    look bad; ``given_up``: first lines of tracebacks after which the program says that it ends;
    ``tail``: its last lines that are not empty; ``kills``: what Ray said when it killed for memory: whom, who took
    most, and which task it tries again, if any, and whether without end.
    """

    name: str
    kind: SourceKind
    hits: tuple[Hit, ...]
    tracebacks: tuple[Traceback, ...]
    quotes: dict[int, str]
    times: dict[int, str]
    benign: frozenset[int]
    given_up: frozenset[int]
    tail: tuple[TailLine, ...]
    kills: tuple[MemoryKill, ...] = ()


def scan(source: TextSource, catalogue: Catalogue) -> Scan:
    """Read the source to its end; bytes that are no text are read as replacement characters, never refused."""
    reader = _Reader(source.kind, catalogue)
    for block, until, is_last in _read_blocks(source):
        reader.read(block, until, is_last)
    return reader.build_scan(source)


def _read_blocks(source: TextSource) -> Iterator[tuple[bytes, int, bool]]:
    """Blocks that overlap: the block, up to where places in it are to be looked at, and whether it is the last."""
    kept = b""
    parts: list[bytes] = []
    size = 0
    for chunk in _split_pieces(source):
        parts.append(chunk)
        size += len(chunk)
        if size < BLOCK_BYTES:
            continue
        block = kept + b"".join(parts)
        parts, size = [], 0
        until = _find_line_begin(block, len(block) - _AHEAD_BYTES)
        yield block, until, False
        kept = block[until:]
    block = kept + b"".join(parts)
    yield block, len(block), True


def _split_pieces(source: TextSource) -> Iterator[bytes]:
    chunks = iter(source.chunks() if callable(source.chunks) else source.chunks)
    first = next(chunks, b"")
    encoding = _UTF_16.get(first[:2])
    decode = None if encoding is None else codecs.getincrementaldecoder(encoding)("replace").decode
    for chunk in chain([first], chunks):
        plain = chunk if decode is None else decode(chunk).encode("utf-8", "replace")
        yield from (plain[at : at + BLOCK_BYTES] for at in range(0, len(plain), BLOCK_BYTES))


def _find_line_begin(block: bytes, at: int) -> int:
    begin = block.rfind(b"\n", 0, max(at, 0)) + 1
    # A line that is longer than the block is cut.
    return begin if begin > 0 else max(at, 0)


@dataclass(slots=True)
class _Kept:
    """The first and the last hits of one signature."""

    first: list[Hit] = field(default_factory=list)
    last: deque[Hit] = field(default_factory=lambda: deque(maxlen=_LAST_KEPT))

    def add(self, hit: Hit) -> None:
        if len(self.first) < _FIRST_KEPT:
            self.first.append(hit)
        else:
            self.last.append(hit)


class _Reader:
    def __init__(self, kind: SourceKind, catalogue: Catalogue) -> None:
        self._kind = kind
        self._catalogue = catalogue
        self._lines_before = 0
        self._hits: dict[str, _Kept] = {}
        self._first: list[Traceback] = []
        self._last: deque[Traceback] = deque(maxlen=_MOST_TRACEBACKS)
        self._ends: dict[str, int] = {}
        self._quotes: dict[int, str] = {}
        self._times: dict[int, str] = {}
        self._benign: set[int] = set()
        self._given_up: set[int] = set()
        self._tail: tuple[TailLine, ...] = ()
        self._kills: list[MemoryKill] = []

    def read(self, block: bytes, until: int, is_last: bool) -> None:
        number_of_line, counted = self._lines_before + 1, 0
        for at, number in _choose_places(self._catalogue.find_places(block), until):
            number_of_line += block.count(b"\n", counted, at)
            counted = at
            if number == _HEAD_NUMBER:
                self._see_traceback(block, at, number_of_line)
            elif number == _KILL_NUMBER:
                self._see_kill(block, at, number_of_line)
            elif number < len(MARKS):
                self._see_exception(block, at, number_of_line)
            for signature in self._catalogue.list_signatures(number):
                self._see(signature, block, at, number_of_line)
        if is_last:
            self._tail = _read_tail(block, self._lines_before + 1)
            self._see_cut_end()
        self._lines_before += block.count(b"\n", 0, until)

    def build_scan(self, source: TextSource) -> Scan:
        hits = [hit for kept in self._hits.values() for hit in (*kept.first, *kept.last)]
        return Scan(
            source.name,
            source.kind,
            tuple(sorted((hit for hit in hits if hit.line not in self._benign), key=lambda hit: hit.line)),
            (*self._first, *self._last),
            self._quotes,
            self._times,
            frozenset(self._benign),
            frozenset(self._given_up),
            self._tail,
            tuple(self._kills),
        )

    def _see(self, signature: Signature, block: bytes, at: int, number: int) -> None:
        begin, end = find_bounds(block, at)
        line = parse_line(block[begin:end])
        if not matches_text(signature, line.text, self._kind, line.stream):
            return
        if signature.role is ClueRole.BENIGN:
            self._benign.add(number)
            return
        quote = quote_part(block[begin:end], at - begin)
        hit = Hit(signature, number, line.stream, line.text, quote, find_time(line.text))
        kept = self._hits.setdefault(signature.name, _Kept())
        if not any(each.line == number for each in kept.first[-1:]):
            kept.add(hit)

    def _see_kill(self, block: bytes, at: int, number: int) -> None:
        begin, end = find_bounds(block, at)
        if len(self._kills) >= _MOST_KILLS or any(each.line == number for each in self._kills[-1:]):
            return
        kill = read_kill((each, line.text) for each, line in _iterate_lines(block, begin, number))
        if kill is not None:
            self._kills.append(replace(kill, quote=quote_part(block[begin:end], at - begin)))

    def _see_traceback(self, block: bytes, at: int, number: int) -> None:
        begin, end = find_bounds(block, at, _TRACEBACK_BYTES)
        first = parse_line(block[begin:end])
        if number <= self._ends.get(first.stream, 0) or HEAD not in first.text:
            return
        traceback = read_traceback(_iterate_lines(block, begin, number))
        above = block[max(0, begin - _BEFORE_BYTES) : begin]
        told = above.rstrip()
        before = told.rpartition(b"\n")[2]
        if any(each in before for each in _IGNORED):
            # Python tells of what went wrong while it cleaned up, and goes on.
            self._ends[traceback.stream] = traceback.end
            self._benign.update(range(number - above.count(b"\n", len(told)), traceback.end + 1))
            return
        self._keep(traceback, block, begin, number)

    def _see_exception(self, block: bytes, at: int, number: int) -> None:
        begin, end = find_bounds(block, at)
        line = parse_line(block[begin:end])
        if number <= self._ends.get(line.stream, 0) or HEAD in line.text:
            return
        found = read_loose_exception(number, line)
        if found is not None:
            self._keep(add_frames(found, _iterate_above(block, begin)), block, begin, number)

    def _see_cut_end(self) -> None:
        """An exception that an excerpt does not tell any more, but the code that raises it."""
        last = self._tail[-_CUT_LINES:] if self._kind is SourceKind.FILE else ()
        found = read_cut_exception([(each.number, each.line) for each in last]) if last else None
        if found is not None and found.end > self._ends.get(found.stream, 0):
            self._last.append(found)
            self._quotes[found.end] = last[-1].quote

    def _keep(self, traceback: Traceback, block: bytes, begin: int, number: int) -> None:
        if len(self._ends) > 1_000:
            self._ends.clear()
        self._ends[traceback.stream] = traceback.end
        if len(self._first) < _MOST_TRACEBACKS:
            self._first.append(traceback)
        else:
            self._last.append(traceback)
        wanted = {raised.line for raised in traceback.raised} or {traceback.begin}
        for each, raw in _iterate_raw_lines(block, begin, number):
            if each in wanted:
                self._quotes[each] = quote_part(raw, 0)
            if each >= max(wanted):
                break
        after = (line for at, line in _iterate_lines(block, begin, number) if at > traceback.end)
        if any(_GIVES_UP.search(line.text[:300]) for line in islice(after, _AFTER_LINES)):
            self._given_up.add(traceback.begin)
        stamp = find_time(block[max(0, begin - 400) : begin + 400].decode("utf-8", "replace"))
        if stamp is not None:
            self._times[traceback.begin] = stamp


def _choose_places(places: dict[int, list[int]], until: int) -> list[tuple[int, int]]:
    chosen: list[tuple[int, int]] = []
    for number, all_of_it in places.items():
        here = [at for at in all_of_it if at < until] if all_of_it[-1] >= until else all_of_it
        if len(here) > _FIRST_PLACES + _LAST_PLACES:
            here = here[:_FIRST_PLACES] + here[-_LAST_PLACES:]
        chosen += [(at, number) for at in here]
    return sorted(chosen)


def _iterate_raw_lines(block: bytes, begin: int, number: int) -> Iterator[tuple[int, bytes]]:
    limit = min(len(block), begin + _TRACEBACK_BYTES)
    for _ in range(2 * MOST_LINES):
        if begin >= limit:
            return
        end = block.find(b"\n", begin, limit)
        end = limit if end < 0 else end
        yield number, block[begin:end].rstrip(b"\r")
        begin, number = end + 1, number + 1


def _iterate_lines(block: bytes, begin: int, number: int) -> Iterator[tuple[int, LogLine]]:
    for each, raw in _iterate_raw_lines(block, begin, number):
        # What a bar of progress has overwritten is no line of a traceback.
        yield each, parse_line(raw.rstrip(b"\r").rpartition(b"\r")[2])


def _iterate_above(block: bytes, begin: int) -> Iterator[str]:
    """The lines before this place, the nearest first, without what others put before them."""
    lines = block[max(0, begin - _ABOVE_BYTES) : begin].rstrip(b"\n").split(b"\n")
    # The first of them may be the end of a line.
    return (parse_line(raw).text for raw in reversed(lines[begin > _ABOVE_BYTES :]))


def _read_tail(block: bytes, first_number: int) -> tuple[TailLine, ...]:
    begin = _find_line_begin(block, len(block) - _TAIL_BYTES) if len(block) > _TAIL_BYTES else 0
    number = first_number + block.count(b"\n", 0, begin)
    rows = list(enumerate(block[begin:].split(b"\n"), number))[-_TAIL_LINES:]
    written = ((each, _strip_overwritten(raw)) for each, raw in rows if raw.strip())
    return tuple(TailLine(each, parse_line(raw), raw) for each, raw in written)


def _strip_overwritten(raw: bytes) -> bytes:
    """The end of a line, without what a bar of progress has overwritten."""
    return raw[-4_096:].rstrip(b"\r").rpartition(b"\r")[2]

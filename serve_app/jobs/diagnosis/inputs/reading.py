"""A text made ready to be searched: what it is, and where it is an excerpt, the log that it was. Reads the source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from serve_app.jobs.diagnosis.inputs.cleaning import Cleaned, clean
from serve_app.jobs.diagnosis.inputs.demands import find_impossible
from serve_app.jobs.diagnosis.inputs.kinds import find_kinds, is_table
from serve_app.jobs.diagnosis.inputs.marks import DRIVER_LOG, PROCESS_LOG
from serve_app.jobs.diagnosis.log.lines import quote_part, split_prefix, strip_controls
from serve_app.jobs.diagnosis.models import CauseStep, Diagnosis, EvidenceLine, SourceKind, TextSource
from serve_app.redaction import REDACTED

# What is larger was not passed on by hand: it is searched as it stands, and known by its begin.
EXCERPT_BYTES = 131_072
_BEGIN_BYTES = 8_192
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_OF_SOURCES: Mapping[SourceKind, tuple[str, ...]] = {
    SourceKind.DRIVER: (DRIVER_LOG,),
    SourceKind.WORKER: ("worker-log",),
    SourceKind.SYSTEM: (PROCESS_LOG,),
    SourceKind.SERVE: ("serve-log",),
}


@dataclass(frozen=True, slots=True)
class Input:
    """``source``: what is to be searched; ``kinds``: what it is, empty for no log that is known; ``cleaned``: how its
    lines come from those of the text, None where they are the same; ``lines``: those of the text then;
    ``impossible``: lines in which more is asked for than there is; ``is_table``: it says how things stand.
    """

    source: TextSource
    kinds: tuple[str, ...]
    cleaned: Cleaned | None = None
    lines: tuple[bytes, ...] = ()
    impossible: frozenset[int] = frozenset()
    is_table: bool = False

    @property
    def is_no_log(self) -> bool:
        """Whether it was handed over as a log and is none that is known."""
        return self.source.kind is SourceKind.FILE and not self.kinds


def read_input(source: TextSource) -> Input:
    """The source made ready; only a file that somebody sent may be something else than it is called."""
    if source.kind is not SourceKind.FILE:
        return Input(source, _OF_SOURCES.get(source.kind, ()))
    chunks = iter(source.chunks() if callable(source.chunks) else source.chunks)
    data, is_whole = _read_begin(chunks)
    if not is_whole or data[:2] in _WIDE:
        begin = data[:_BEGIN_BYTES].replace(b"\0", b"").decode("utf-8", "replace")
        kinds = find_kinds(begin.split("\n"))
        return Input(replace(source, chunks=chain([data], chunks)), kinds, is_table=is_table(kinds, begin.split("\n")))
    text = data.decode("utf-8", "replace")
    cleaned = clean(text)
    lines = text.split("\n") if cleaned is None else [piece.text for piece in cleaned.pieces]
    kinds = find_kinds([strip_controls(line) if "\x1b" in line or "[" in line else line for line in lines])
    impossible = find_impossible(lines) if "ray-status" in kinds else frozenset()
    if cleaned is None:
        return Input(replace(source, chunks=[data]), kinds, impossible=impossible, is_table=is_table(kinds, lines))
    made = cleaned.build_text().encode("utf-8", "replace")
    return Input(
        replace(source, chunks=[made]), kinds, cleaned, tuple(data.split(b"\n")), impossible, is_table(kinds, lines)
    )


def _read_begin(chunks: Iterator[bytes]) -> tuple[bytes, bool]:
    """The begin of the source, and whether that is all of it."""
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > EXCERPT_BYTES:
            return bytes(data), False
    return bytes(data), True


def list_kinds(inputs: Iterable[Input]) -> tuple[str, ...]:
    """What all texts are, each kind once."""
    return tuple(dict.fromkeys(kind for each in inputs for kind in each.kinds))


def restore_quotes(diagnosis: Diagnosis, inputs: Sequence[Input]) -> Diagnosis:
    """The diagnosis with each line of evidence as it stands in its text, by the number that it has there."""
    changed = {each.source.name: each for each in inputs if each.cleaned is not None}
    if not changed:
        return diagnosis

    def restore(line: EvidenceLine) -> EvidenceLine:
        found = changed.get(line.source)
        return line if found is None or line.line == 0 else _restore(line, found)

    def restore_step(step: CauseStep) -> CauseStep:
        return step if step.evidence is None else replace(step, evidence=restore(step.evidence))

    return replace(
        diagnosis,
        evidence=tuple(dict.fromkeys(restore(each) for each in diagnosis.evidence)),
        chain=tuple(restore_step(step) for step in diagnosis.chain),
        candidates=tuple(
            replace(each, evidence=tuple(restore(line) for line in each.evidence)) for each in diagnosis.candidates
        ),
    )


def _restore(line: EvidenceLine, found: Input) -> EvidenceLine:
    if found.cleaned is None:
        return line
    first, last = found.cleaned.find_origin(line.line)
    numbers = range(first, min(last, len(found.lines)) + 1)
    texts = {number: found.lines[number - 1].decode("utf-8", "replace") for number in numbers}
    exact = next((number for number, text in texts.items() if line.quote in text), None)
    if exact is not None or REDACTED in line.quote:
        return replace(line, line=exact or first)
    # Of a line that was broken, the part that has most of what is quoted.
    parts = {number: split_prefix(strip_controls(text)).text.strip() for number, text in texts.items()}
    within = [number for number, part in parts.items() if part and part in line.quote]
    number = max(within, key=lambda each: len(parts[each]), default=None)
    if number is None:
        number = max(texts, key=lambda each: _count_common(parts[each], line.quote), default=first)
    raw = found.lines[number - 1]
    at = raw.find(line.quote[:24].encode("utf-8", "replace"))
    return EvidenceLine(line.source, number, quote_part(raw, max(at, 0)))


def _count_common(part: str, quote: str) -> int:
    words = set(quote.split())
    return sum(len(word) for word in set(part.split()) if word in words)

"""What a diagnosis can find: causes, how each shows itself in a line of a log, and finding their fixed texts in bytes.

The texts are found by one pass of an Aho-Corasick automaton (``ahocorasick_rs``), so that signatures are not a cost;
only lines that hold one of them are looked at more closely, and a pattern is compiled when it is first needed. Data is
in ``codes/`` and ``signatures/``, put together in ``built_in``; a team's own in ``team``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from ahocorasick_rs import BytesAhoCorasick, Implementation

from serve_app.jobs.diagnosis.catalogue.broadcast import is_from_ray
from serve_app.jobs.diagnosis.catalogue.pattern import compile_pattern
from serve_app.jobs.diagnosis.log.lines import parse_line
from serve_app.jobs.diagnosis.log.memory_kills import KILL_TEXT
from serve_app.jobs.diagnosis.models import Certainty, CodeClass, SourceKind

DOCS = "https://docs.ray.io/en/latest/"
# Texts that the reader itself looks for, before the first text of a signature.
TRACEBACK = b"Traceback (most recent call last)"
MARKS: tuple[bytes, ...] = (
    TRACEBACK,
    b"Error",
    b"Exception",
    b"Interrupt",
    b"Exit: ",
    b"Invalid: ",
    b"ray.exceptions.",
)


@dataclass(frozen=True, slots=True)
class Code:
    """Why a job failed or does not move. ``title``: a noun phrase; ``sentence``: what happened; ``advice``: what to
    change, in the order in which to try it; ``docs``: a page that tells more, or empty.
    """

    code: str
    code_class: CodeClass
    title: str
    sentence: str
    advice: tuple[str, ...]
    docs: str = ""


class ClueRole(StrEnum):
    """How a line stands to the failure. A later role never outranks an earlier one."""

    CAUSE = "cause"  # says what went wrong first: nothing else explains it
    WRAPPER = "wrapper"  # a failure that carries another one: the inner one is the cause, if it can be seen
    SYMPTOM = "symptom"  # a consequence: look for what caused it
    WARNING = "warning"  # harmless in most jobs; a cause only where the job failed or hangs and nothing else tells why
    BENIGN = "benign"  # looks bad and is not: never a candidate, and no failure word in this line counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """``contains``: fixed texts, one of which is in the line (case counts; at least five characters: they are what is
    searched for in the whole log, so the rarer the better). ``pattern``: a regular expression that is then searched in
    that line, its colours and ``(name pid=…)`` prefix removed; ``unless``: one that must not be found in it. ``kinds``:
    sources in which it counts; empty for all; ``from_ray``: True where it counts only of a process of Ray (by the
    prefix of the line, or the source), False only of others. ``stands``: it says how something stands, which no line
    after it takes back. ``sentence``, ``advice`` and ``docs`` replace those of the
    code. ``matches``: at least two lines that it must find; ``near_misses``: at least one that it must not.
    """

    name: str
    code: str
    contains: tuple[str, ...]
    pattern: str = ""
    unless: str = ""
    role: ClueRole = ClueRole.CAUSE
    certainty: Certainty = Certainty.CERTAIN
    kinds: tuple[SourceKind, ...] = ()
    from_ray: bool | None = None
    stands: bool = False
    sentence: str = ""
    advice: tuple[str, ...] = ()
    docs: str = ""
    matches: tuple[str, ...]
    near_misses: tuple[str, ...]


class SignatureListError(ValueError):
    """The list of signatures is not one to diagnose with: nothing is in it, or a name is in it twice."""


class Catalogue:
    """Signatures and how to find them, with the codes that they stand for. Immutable; used by many threads.

    Raises ``SignatureListError`` when there are none, since every failure would then be an exception that nobody knows,
    and when two have one name, under which one of them would lose its hits.
    """

    def __init__(self, signatures: Iterable[Signature], codes: Mapping[str, Code]) -> None:
        self.signatures: Sequence[Signature] = tuple(signatures)
        _require_names_of_their_own(self.signatures)
        self.codes = codes

    @cached_property
    def _texts(self) -> dict[bytes, list[Signature]]:
        texts: dict[bytes, list[Signature]] = {mark: [] for mark in (*MARKS, KILL_TEXT)}
        for each in self.signatures:
            for text in each.contains:
                texts.setdefault(text.encode(), []).append(each)
        return texts

    @cached_property
    def _numbered(self) -> Sequence[Sequence[Signature]]:
        return tuple(tuple(each) for each in self._texts.values())

    @cached_property
    def _automaton(self) -> BytesAhoCorasick:
        return BytesAhoCorasick(list(self._texts), implementation=Implementation.DFA)

    def find_places(self, block: bytes) -> dict[int, list[int]]:
        """Where the texts are: number of the text (the first are ``MARKS``, then ``KILL_TEXT``) to its places in the
        block, in order.
        """
        found: dict[int, list[int]] = {}
        for number, begin, _ in self._automaton.find_matches_as_indexes(block, overlapping=True):
            if number in found:
                found[number].append(begin)
            else:
                found[number] = [begin]
        return found

    def list_signatures(self, number: int) -> Sequence[Signature]:
        """The signatures that have the text of this number."""
        return self._numbered[number]


def matches_line(signature: Signature, line: str) -> bool:
    """Whether the signature means this line, as it may stand in a log."""
    read = parse_line(line.encode("utf-8", "replace"))
    if not any(each in read.text for each in signature.contains):
        return False
    return matches_text(signature, read.text, SourceKind.FILE, read.stream)


def matches_text(signature: Signature, text: str, kind: SourceKind, stream: str = "") -> bool:
    """Whether a line that holds one of the signature's fixed texts, with this prefix, is one that it means."""
    if signature.from_ray is not None and signature.from_ray != (kind is SourceKind.SYSTEM or is_from_ray(stream)):
        return False
    if signature.kinds and kind not in signature.kinds and kind is not SourceKind.FILE:
        return False
    if signature.pattern and not compile_pattern(signature.pattern).is_in(text):
        return False
    return not signature.unless or not compile_pattern(signature.unless).is_in(text)


def _require_names_of_their_own(signatures: Sequence[Signature]) -> None:
    if not signatures:
        raise SignatureListError("there are no signatures to diagnose with")
    twice = [name for name, count in Counter(each.name for each in signatures).items() if count > 1]
    if twice:
        raise SignatureListError(f"signatures are listed twice: {', '.join(sorted(twice)[:5])}")

"""The signatures that are in use, and finding their fixed texts in bytes: all at once, so that rules are not a cost.

The texts are found by one pass of an Aho-Corasick automaton (``ahocorasick_rs``); only lines that hold one of them are
looked at more closely, and a pattern is compiled when it is first needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property

from ahocorasick_rs import BytesAhoCorasick, Implementation

from serve_app.jobs.diagnosis.catalogue.code import Code
from serve_app.jobs.diagnosis.catalogue.pattern import compile_pattern
from serve_app.jobs.diagnosis.catalogue.signature import Signature
from serve_app.jobs.diagnosis.catalogue.signatures import FAMILIES
from serve_app.jobs.diagnosis.catalogue.vocabulary import CODES
from serve_app.jobs.diagnosis.log.lines import parse_line
from serve_app.jobs.diagnosis.models import SourceKind

# Texts that the reader itself looks for, before the first text of a signature.
TRACEBACK = b"Traceback (most recent call last)"
MARKS: tuple[bytes, ...] = (TRACEBACK, b"Error", b"Exception", b"Interrupt", b"Exit: ", b"ray.exceptions.")


class SignatureListError(ValueError):
    """The list of signatures is not one to diagnose with: nothing is in it, or a name is in it twice."""


class Catalogue:
    """Signatures and how to find them. Immutable; one is made once and used by many threads.

    Raises ``SignatureListError`` when there are none, since every failure would then be an exception that nobody knows,
    and when two have one name, under which one of them would lose its hits.
    """

    def __init__(self, signatures: Iterable[Signature], codes: Mapping[str, Code] = CODES) -> None:
        self.signatures: Sequence[Signature] = tuple(signatures)
        _require_names_of_their_own(self.signatures)
        self.codes = codes

    @cached_property
    def _texts(self) -> dict[bytes, list[Signature]]:
        texts: dict[bytes, list[Signature]] = {mark: [] for mark in MARKS}
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
        """Where the texts are: number of the text (the first are ``MARKS``) to its places in the block, in order."""
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
    text = parse_line(line.encode("utf-8", "replace")).text
    return any(each in text for each in signature.contains) and matches_text(signature, text, SourceKind.FILE)


def matches_text(signature: Signature, text: str, kind: SourceKind) -> bool:
    """Whether a line that holds one of the signature's fixed texts is one that it means."""
    if signature.kinds and kind not in signature.kinds and kind is not SourceKind.FILE:
        return False
    if signature.pattern and not compile_pattern(signature.pattern).is_in(text):
        return False
    return not signature.unless or not compile_pattern(signature.unless).is_in(text)


@cache
def load_built_in() -> Catalogue:
    """The signatures of this version."""
    return Catalogue(join_families(FAMILIES))


def join_families(families: Iterable[Sequence[Signature]]) -> Sequence[Signature]:
    """The signatures of all files; raises ``SignatureListError`` for a file that has none."""
    signatures: list[Signature] = []
    for place, family in enumerate(families):
        if not family:
            raise SignatureListError(f"family {place} of the built-in signatures is empty")
        signatures += family
    return signatures


def _require_names_of_their_own(signatures: Sequence[Signature]) -> None:
    if not signatures:
        raise SignatureListError("there are no signatures to diagnose with")
    twice = [name for name, count in Counter(each.name for each in signatures).items() if count > 1]
    if twice:
        raise SignatureListError(f"signatures are listed twice: {', '.join(sorted(twice)[:5])}")

"""Scores of one way of looking at logs, over labelled items. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serve_app.jobs.diagnosis.catalogue.catalogue import Catalogue
from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from tests.accuracy.items import Item

NONE = "none"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of one item: a code, ``none`` or ``unknown``, and the lines that were shown for it."""

    item: Item
    code: str
    shown: tuple[str, ...]
    certainty: str | None = None

    @property
    def is_first_choice(self) -> bool:
        return self.code == self.item.primary

    @property
    def is_acceptable(self) -> bool:
        return self.is_first_choice or self.code in self.item.acceptable

    @property
    def shows_evidence(self) -> bool:
        """Whether a line that was shown has the words that tell the cause."""
        return any(self._tells(line) for line in self.shown)

    @property
    def shows_evidence_first(self) -> bool:
        """Whether the first of the lines that were shown has them."""
        return bool(self.shown) and self._tells(self.shown[0])

    def _tells(self, line: str) -> bool:
        wanted, shown = " ".join(self.item.evidence.split()), " ".join(line.split())
        return bool(wanted and shown) and (wanted in shown or shown in wanted)


@dataclass(frozen=True, slots=True)
class Scores:
    count: int
    top_1: float
    acceptable: float
    precision: float  # of the codes that were given, how many are acceptable
    recall: float  # of the failures with a known cause, how many got an acceptable code
    unknown_rate: float  # of the failures with a known cause, how many were called unknown
    honest: str  # where evidence is missing: how often `unknown` (or an acceptable answer) was said
    false_alarms: str  # diagnoses on healthy logs
    evidence: float  # of the failures whose label names a line, how often it was shown
    evidence_first: float  # and how often it was the first that was shown


def scores_of(answers: Sequence[Answer]) -> Scores:
    given = [each for each in answers if each.code not in (NONE, UNKNOWN)]
    failures = [each for each in answers if each.item.primary not in (NONE, UNKNOWN)]
    healthy = [each for each in answers if each.item.primary == NONE]
    open_ones = [each for each in answers if each.item.primary == UNKNOWN]
    alarms = sum(each.code != NONE and not each.is_acceptable for each in healthy)
    return Scores(
        len(answers),
        _ratio(sum(each.is_first_choice for each in answers), len(answers)),
        _ratio(sum(each.is_acceptable for each in answers), len(answers)),
        _ratio(sum(each.is_acceptable for each in given), len(given)),
        _ratio(sum(each.is_acceptable for each in failures), len(failures)),
        _ratio(sum(each.code == UNKNOWN for each in failures), len(failures)),
        f"{sum(each.is_acceptable for each in open_ones)}/{len(open_ones)}",
        f"{alarms}/{len(healthy)}",
        _ratio(sum(each.shows_evidence for each in failures), len(failures)),
        _ratio(sum(each.shows_evidence_first for each in failures), len(failures)),
    )


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many, and the Wilson interval of 95 % of that share."""

    part: int
    whole: int
    low: float
    high: float


_Z = 1.959964


def measure_share(part: int, whole: int) -> Share:
    """The share with its interval; that of nothing is unknown, from 0 to 1."""
    if whole == 0:
        return Share(0, 0, 0.0, 1.0)
    share = part / whole
    middle = share + _Z**2 / (2 * whole)
    spread = _Z * ((share * (1 - share) + _Z**2 / (4 * whole)) / whole) ** 0.5
    scale = 1 + _Z**2 / whole
    return Share(part, whole, max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale))


CERTAINTIES = ("certain", "likely", "possible")


def calibrate(answers: Sequence[Answer]) -> dict[str, tuple[Share, Share]]:
    """By certainty, of the codes that were given with it: how many are the label, and how many are accepted."""
    table = {}
    for certainty in CERTAINTIES:
        said = [each for each in answers if each.certainty == certainty]
        first = sum(each.is_first_choice for each in said)
        accepted = sum(each.is_acceptable for each in said)
        table[certainty] = measure_share(first, len(said)), measure_share(accepted, len(said))
    return table


def mistakes(answers: Sequence[Answer]) -> Counter[tuple[str, str]]:
    """The confusion table without its diagonal: (label, answer) to how often."""
    return Counter((each.item.primary, each.code) for each in answers if not each.is_first_choice)


def by_engine(catalogue: Catalogue) -> Callable[[Item], Answer]:
    def look(item: Item) -> Answer:
        diagnosis = diagnose(item.fields, item.sources(), catalogue)
        code = NONE if diagnosis.code is None else diagnosis.code
        certainty = None if diagnosis.certainty is None else str(diagnosis.certainty)
        return Answer(item, code, tuple(each.quote for each in diagnosis.evidence), certainty)

    return look


_SCARY = re.compile(r"(error|exception|fail)", re.IGNORECASE)


def by_scary_words(item: Item) -> Answer:
    """Baseline: lines with ``(error|exception|fail)`` among the last 100 of the log. It names no cause."""
    lines = tuple(line for line in _lines(item)[-100:] if _SCARY.search(line))
    return Answer(item, UNKNOWN if lines else NONE, lines)


def by_last_lines(item: Item) -> Answer:
    """Baseline: the last ten lines, which is what Ray itself keeps of a failed job."""
    return Answer(item, UNKNOWN, tuple(_lines(item)[-10:]))


def _lines(item: Item) -> list[str]:
    return item.texts[0][2].decode("utf-8", "replace").splitlines() if item.texts else []


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")

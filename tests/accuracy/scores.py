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

    @property
    def is_first_choice(self) -> bool:
        return self.code == self.item.primary

    @property
    def is_acceptable(self) -> bool:
        return self.is_first_choice or self.code in self.item.acceptable

    @property
    def shows_evidence(self) -> bool:
        """Whether a line that was shown has the words that tell the cause."""
        wanted = " ".join(self.item.evidence.split())
        return bool(wanted) and any(
            wanted in " ".join(line.split()) or " ".join(line.split()) in wanted for line in self.shown if line.strip()
        )


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
    evidence: float  # of the failures, how often the telling line was shown


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
    )


def mistakes(answers: Sequence[Answer]) -> Counter[tuple[str, str]]:
    """The confusion table without its diagonal: (label, answer) to how often."""
    return Counter((each.item.primary, each.code) for each in answers if not each.is_first_choice)


def by_engine(catalogue: Catalogue) -> Callable[[Item], Answer]:
    def look(item: Item) -> Answer:
        diagnosis = diagnose(item.fields, item.sources(), catalogue)
        code = NONE if diagnosis.code is None else diagnosis.code
        return Answer(item, code, tuple(each.quote for each in diagnosis.evidence))

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

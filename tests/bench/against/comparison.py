"""From measured figures to what is worse: medians, the noise of a row, and the verdict on it. Pure."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_PAIRS = 7
WORSE_BY = 0.05
"""So much may a row lose, as a share of the other commit's figure, whatever its noise."""
_DRAWS = 4_000
_CERTAINTY = 0.95


@dataclass(frozen=True, slots=True)
class Row:
    """One figure that is compared; ``more_is_better`` of rates, otherwise less is."""

    name: str
    unit: str
    more_is_better: bool = False


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of a row. ``worse_by`` and ``noise`` are shares of the other commit's figure; below 0 is better."""

    row: Row
    other: float
    ours: float
    worse_by: float
    noise: float

    @property
    def is_worse(self) -> bool:
        """Whether it lost more than its noise and more than 5 %."""
        return self.worse_by > max(self.noise, WORSE_BY)


def compare(row: Row, other: Sequence[float], again: Sequence[float], ours: Sequence[float]) -> Compared:
    """Compare figures that were taken side by side in rounds: the other commit's, the same again, and this one's.

    The change is the median over the rounds of the ratio within a round, so that a machine that grows slower counts
    for nothing. Raises ``ValueError`` for fewer than two rounds, for rounds that are not whole, and for figures of 0.
    """
    if not len(other) == len(again) == len(ours) >= 2:
        raise ValueError(f"{row.name}: {len(other)}, {len(again)} and {len(ours)} figures are no rounds")
    if min(*other, *again, *ours) <= 0:
        raise ValueError(f"{row.name}: a figure of 0 or less has no ratio")
    pairs = zip(ours, other, strict=True)
    ratios = [theirs / mine if row.more_is_better else mine / theirs for mine, theirs in pairs]
    noise = measure_noise([one / two for one, two in zip(again, other, strict=True)])
    return Compared(row, statistics.median(other), statistics.median(ours), statistics.median(ratios) - 1, noise)


def measure_noise(ratios: Sequence[float]) -> float:
    """How far the median of so many ratios is from 1 when both sides are the same: 95 of 100 are nearer.

    Drawn anew from the ratios of a commit to itself, each also upside down, since which of the two came first says
    nothing; the draws are the same in each run.
    """
    chance = random.Random(0)
    both = [*ratios, *(1 / each for each in ratios)]
    medians = (statistics.median(chance.choices(both, k=len(ratios))) for _ in range(_DRAWS))
    return sorted(max(each, 1 / each) - 1 for each in medians)[round(_CERTAINTY * _DRAWS) - 1]


def format_table(rows: Sequence[Compared], commit: str) -> str:
    """The rows for people, as a table of Markdown."""
    lines = [f"| row | unit | {commit} | here | worse by | noise | |", "|---|---|---:|---:|---:|---:|---|"]
    for each in rows:
        said = "WORSE" if each.is_worse else "better" if -each.worse_by > max(each.noise, WORSE_BY) else ""
        lines.append(
            f"| {each.row.name} | {each.row.unit} | {each.other:.4g} | {each.ours:.4g} "
            f"| {each.worse_by:+.1%} | {each.noise:.1%} | {said} |"
        )
    return "\n".join(lines)

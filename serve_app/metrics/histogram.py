"""A histogram of durations that merges exactly and tells quantiles with an error of at most a tenth.

Its buckets grow by a fifth each, from 0.1 ms to 120 s, so that the middle of a bucket is at most 9.6 % from anything in
it. Below, the error is at most 0.1 ms; above, the answer is the longest duration seen. Sums are whole nanoseconds:
adding floats in another order gives another sum, and merging must not depend on who reports first.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any, Self

SHORTEST_S = 0.0001
LONGEST_S = 120.0
GROWTH = 1.2

_STEPS = math.ceil(math.log(LONGEST_S / SHORTEST_S, GROWTH))
# The upper end of each bucket; one more bucket holds what is longer.
BOUNDS = (*(SHORTEST_S * GROWTH**step for step in range(_STEPS)), LONGEST_S)
_NS = 1_000_000_000


class Histogram:
    """Counts by bucket, few of which are ever used; the number, the sum and the maximum are exact."""

    __slots__ = ("count", "counts", "max_s", "total_ns")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.count = 0
        self.total_ns = 0
        self.max_s: float | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def observe(self, duration_s: float) -> None:
        """Count one duration; raises ``ValueError`` for what is none."""
        if not 0 <= duration_s < math.inf:
            raise ValueError(f"a duration of {duration_s} s")
        index = bisect_left(BOUNDS, duration_s)
        self.counts[index] = self.counts.get(index, 0) + 1
        self.count += 1
        self.total_ns += round(duration_s * _NS)
        if self.max_s is None or duration_s > self.max_s:
            self.max_s = duration_s

    def merge(self, other: Histogram) -> None:
        """Take in all that the other one counted."""
        for index, count in other.counts.items():
            self.counts[index] = self.counts.get(index, 0) + count
        self.count += other.count
        self.total_ns += other.total_ns
        if other.max_s is not None:
            self.max_s = other.max_s if self.max_s is None else max(self.max_s, other.max_s)

    def find_quantile(self, share: float) -> float | None:
        """The duration that ``share`` (0 to 1) of all do not exceed, in seconds; None when there is none."""
        if self.max_s is None:
            return None
        rank = max(1, math.ceil(share * self.count))
        if rank >= self.count:
            return self.max_s
        seen = 0
        for index in sorted(self.counts):
            seen += self.counts[index]
            if seen >= rank:
                return min(_compute_middle(index), self.max_s)
        return self.max_s

    def to_json(self) -> dict[str, Any]:
        """As JSON; ``from_json`` gives the same back."""
        counts = {str(index): self.counts[index] for index in sorted(self.counts)}
        return {"counts": counts, "total_ns": self.total_ns, "max_s": self.max_s}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Raises ``ValueError`` for what ``to_json`` does not give."""
        made = cls()
        try:
            made.counts = {int(index): _require_whole(count, 1) for index, count in value["counts"].items()}
            made.total_ns = _require_whole(value["total_ns"], 0)
            made.max_s = None if value["max_s"] is None else float(value["max_s"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a histogram ({type(error).__name__})") from None
        made.count = sum(made.counts.values())
        if not all(0 <= index <= len(BOUNDS) for index in made.counts) or (made.max_s is None) != (made.count == 0):
            raise ValueError("not a histogram of these buckets")
        if made.max_s is not None and not 0 <= made.max_s < math.inf:
            raise ValueError("not a histogram: its maximum is no duration")
        return made


def _compute_middle(index: int) -> float:
    """The geometric middle of a bucket: equally far, as a ratio, from both of its ends."""
    if index == 0:
        return SHORTEST_S
    return math.inf if index >= len(BOUNDS) else math.sqrt(BOUNDS[index - 1] * BOUNDS[index])


def _require_whole(value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"not a count: {value!r:.40}")
    return value

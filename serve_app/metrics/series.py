"""Figures by the minute, and after two hours by the half hour, for seven days; older ones are dropped.

A series has a name and a label, and in each bucket a row of gauges or a histogram. The bounds: a series has at most 150
minutes and 338 half hours (2 h and an unfinished half hour, 7 d and the ends), so at most 488 buckets. A row of six
gauges takes about 0.5 KB in a bucket, so 200 nodes take at most about 50 MB (and 15 MB more to remember what is not
saved while there is no store), three nodes less than 1 MB. Minutes for a whole day would take four times that, only to
move the far end of the 24 h window by less than half an hour.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from serve_app.metrics.histogram import Histogram
from serve_app.queries.windows import LONGEST_WINDOW_S
from serve_app.schemas.summary import GaugeSpread

Json = dict[str, Any]

MINUTE_S = 60
HALF_HOUR_S = 1_800
FINE_FOR_S = 2 * 3_600
KEPT_FOR_S = LONGEST_WINDOW_S
# How old the latest value may be to be called the present one.
NOW_S = 120

_CELLS = 4
_DIGITS = 6


class Gauges:
    """A bucket with one row of gauges: of each its sum, count, maximum and last value, None where nothing was seen."""

    __slots__ = ("_cells", "_names")

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._cells = array("d", [0.0, 0.0, -math.inf, math.nan] * len(names))

    def observe(self, values: Mapping[str, float | None]) -> None:
        """Take in a value of each gauge that has one."""
        for at, name in enumerate(self._names):
            value = values.get(name)
            if value is not None and math.isfinite(value):
                self._add(at * _CELLS, value, 1.0, value, value)

    def merge(self, later: Gauges) -> None:
        """Take in what a later bucket saw."""
        mine, other = self._cells, later._cells
        for at in range(0, len(mine), _CELLS):
            if count := other[at + 1]:
                mine[at] += other[at]
                mine[at + 1] += count
                if other[at + 2] > mine[at + 2]:
                    mine[at + 2] = other[at + 2]
                mine[at + 3] = other[at + 3]

    def read(self, name: str) -> tuple[float, float, float, float] | None:
        """Sum, count, maximum and last value of a gauge; None when there is none."""
        at = self._names.index(name) * _CELLS
        total, count, highest, last = self._cells[at : at + _CELLS]
        return (total, count, highest, last) if count else None

    def to_json(self) -> Json:
        """As JSON, by name."""
        return {name: list(read) for name in self._names if (read := self.read(name)) is not None}

    @classmethod
    def from_json(cls, names: tuple[str, ...], value: Mapping[str, Any]) -> Gauges:
        """Unknown names are left out; raises ``ValueError`` for what ``to_json`` does not give."""
        made = cls(names)
        try:
            for at, name in enumerate(names):
                if name in value:
                    total, count, highest, last = (float(each) for each in value[name])
                    if not all(map(math.isfinite, (total, count, highest, last))) or count < 1:
                        raise ValueError("not a gauge")
                    made._add(at * _CELLS, total, count, highest, last)
        except TypeError:
            raise ValueError("not a row of gauges") from None
        return made

    def _add(self, at: int, total: float, count: float, highest: float, last: float) -> None:
        cells = self._cells
        cells[at] += total
        cells[at + 1] += count
        cells[at + 2] = max(cells[at + 2], highest)
        cells[at + 3] = last


Bucket = TypeVar("Bucket", Gauges, Histogram)
Key = tuple[str, str, int, int]
"""Name, label, width and start (seconds since 1970) of a bucket."""


@dataclass(slots=True)
class _Line:
    """The buckets of one series by width and start."""

    minutes: dict[int, Any] = field(default_factory=dict)
    half_hours: dict[int, Any] = field(default_factory=dict)

    def get_buckets(self, width_s: int) -> dict[int, Any]:
        return self.minutes if width_s == MINUTE_S else self.half_hours


class SeriesStore:
    """All series of this process. Times are seconds since 1970 and are handed in."""

    def __init__(self, gauges: Mapping[str, tuple[str, ...]], histograms: Sequence[str]) -> None:
        """``gauges`` has the names of each row of gauges; no other series can be made."""
        self._gauges = dict(gauges)
        self._histograms = frozenset(histograms)
        self._lines: dict[tuple[str, str], _Line] = {}
        self._changed: dict[Key, int] = {}
        self._changes = 0
        self._rolled_at = 0

    def observe_gauges(self, name: str, label: str, values: Mapping[str, float | None], now_s: float) -> None:
        """Take in one row of values, in the minute of ``now_s``."""
        start = _start(now_s, MINUTE_S)
        line = self._get_line(name, label)
        bucket = line.minutes.get(start)
        if bucket is None:
            bucket = line.minutes[start] = Gauges(self._gauges[name])
        bucket.observe(values)
        self._note_change((name, label, MINUTE_S, start))

    def observe_histogram(self, name: str, label: str, histogram: Histogram, now_s: float) -> None:
        """Merge durations into the minute of ``now_s``."""
        start = _start(now_s, MINUTE_S)
        self._get_line(name, label).minutes.setdefault(start, Histogram()).merge(histogram)
        self._note_change((name, label, MINUTE_S, start))

    def list_labels(self, name: str) -> list[str]:
        """Labels of a name, sorted."""
        return sorted(label for known, label in self._lines if known == name)

    def forget(self, name: str, label: str) -> None:
        """Drop a series."""
        self._lines.pop((name, label), None)
        self._changed = {key: at for key, at in self._changed.items() if key[:2] != (name, label)}

    def read_gauges(self, name: str, label: str, window_s: float, now_s: float) -> dict[str, GaugeSpread]:
        """Of each gauge ``{"now", "mean", "max"}`` over a window: rounded up to whole buckets, None without a value."""
        whole, present = Gauges(self._gauges[name]), Gauges(self._gauges[name])
        for start, bucket in sorted(self._iterate_window(name, label, window_s, now_s), key=lambda pair: pair[0]):
            whole.merge(bucket)
            if now_s - start <= NOW_S:
                present.merge(bucket)
        return {gauge: _render_gauge(whole.read(gauge), present.read(gauge)) for gauge in self._gauges[name]}

    def read_histogram(self, name: str, label: str, window_s: float, now_s: float) -> Histogram:
        """All durations of a window, rounded up to whole buckets."""
        merged = Histogram()
        for _, bucket in self._iterate_window(name, label, window_s, now_s):
            merged.merge(bucket)
        return merged

    def roll(self, now_s: float) -> None:
        """Once a minute: old minutes become half hours, what is too old goes, and series that are empty with it."""
        if _start(now_s, MINUTE_S) == self._rolled_at:
            return
        self._rolled_at = _start(now_s, MINUTE_S)
        fine_from = _start(now_s - FINE_FOR_S, HALF_HOUR_S)
        for (name, label), line in list(self._lines.items()):
            for start in sorted(start for start in line.minutes if start < fine_from):
                self._coarsen(name, label, line, start)
            # A clock that was set back must not leave figures that never grow old.
            for width_s in (MINUTE_S, HALF_HOUR_S):
                kept = line.get_buckets(width_s)
                for start in [at for at in kept if at + width_s <= now_s - KEPT_FOR_S or at > now_s + HALF_HOUR_S]:
                    del kept[start]
                    self._changed.pop((name, label, width_s, start), None)
            if not line.minutes and not line.half_hours:
                del self._lines[name, label]

    def list_changed(self, limit: int) -> dict[Key, int]:
        """Buckets that ``unmark`` has not seen in their present state, those that changed first first."""
        return dict(list(self._changed.items())[:limit])

    def unmark(self, saved: Mapping[Key, int]) -> None:
        """What ``list_changed`` gave is saved; what has changed since is still to be saved."""
        for key, change in saved.items():
            if self._changed.get(key) == change:
                del self._changed[key]

    def to_json(self, key: Key) -> Json | None:
        """A bucket as JSON."""
        name, label, width_s, start = key
        line = self._lines.get((name, label))
        bucket = None if line is None else line.get_buckets(width_s).get(start)
        return None if bucket is None else bucket.to_json()

    def restore(self, key: Key, value: Mapping[str, Any]) -> None:
        """Put a bucket of an earlier process under what this one has seen; raises ``ValueError``."""
        name, label, width_s, start = key
        if width_s not in (MINUTE_S, HALF_HOUR_S) or start % width_s:
            raise ValueError("no such bucket")
        bucket: Any
        if name in self._gauges:
            bucket = Gauges.from_json(self._gauges[name], value)
        elif name in self._histograms:
            bucket = Histogram.from_json(value)
        else:
            raise ValueError("no such series")
        kept = self._get_line(name, label).get_buckets(width_s)
        if start in kept:
            bucket.merge(kept[start])
            self._note_change(key)
        kept[start] = bucket

    def settle(self) -> None:
        """After all was restored: minutes that an earlier process had rolled up already go."""
        for (name, label), line in self._lines.items():
            for start in [at for at in line.minutes if _start(at, HALF_HOUR_S) in line.half_hours]:
                del line.minutes[start]
                self._changed.pop((name, label, MINUTE_S, start), None)

    def _get_line(self, name: str, label: str) -> _Line:
        line = self._lines.get((name, label))
        if line is None:
            if name not in self._gauges and name not in self._histograms:
                raise KeyError(name)
            line = self._lines[name, label] = _Line()
        return line

    def _note_change(self, key: Key) -> None:
        self._changes += 1
        self._changed[key] = self._changes

    def _coarsen(self, name: str, label: str, line: _Line, start: int) -> None:
        minute = line.minutes.pop(start)
        self._changed.pop((name, label, MINUTE_S, start), None)
        wide = _start(start, HALF_HOUR_S)
        if wide in line.half_hours:
            line.half_hours[wide].merge(minute)
        else:
            line.half_hours[wide] = minute
        self._note_change((name, label, HALF_HOUR_S, wide))

    def _iterate_window(self, name: str, label: str, window_s: float, now_s: float) -> Iterator[tuple[int, Any]]:
        line = self._lines.get((name, label))
        if line is not None:
            for width_s in (HALF_HOUR_S, MINUTE_S):
                for start, bucket in line.get_buckets(width_s).items():
                    if now_s - window_s < start + width_s and start <= now_s:
                        yield start, bucket


def _start(at_s: float, width_s: int) -> int:
    return int(at_s // width_s) * width_s


def _render_gauge(read: tuple[float, ...] | None, present: tuple[float, ...] | None) -> GaugeSpread:
    if read is None:
        return {"now": None, "mean": None, "max": None}
    total, count, highest, _ = read
    return {
        "now": None if present is None else round(present[3], _DIGITS),
        "mean": round(total / count, _DIGITS),
        "max": round(highest, _DIGITS),
    }

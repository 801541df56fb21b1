"""The picture of jobs over time: numbers in, shapes out. Pure; whoever draws gives the shapes their looks.

Times are seconds since 1970, lengths are units of the picture. A row for each job, the newest on top.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

MAX_BARS = 60
WIDTH = 960.0
LEFT = 230.0
_RIGHT = 18.0
_ROW = 20.0
_BAR = 12.0
_TOP = 24.0
_BOTTOM = 6.0
_THINNEST = 3.0
_ARROW = 8.0
_MOST_TICKS = 7
# With so many jobs, the oldest tenth may not squeeze the others into a corner.
_MANY = 10
_SHOWN_SHARE = 0.9
_STEPS_S = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200,
    86_400, 172_800, 604_800, 1_209_600, 2_592_000, 7_776_000, 31_536_000,
)  # fmt: skip


@dataclass(frozen=True)
class Span:
    """When a job ran; ``end_s`` None: it still runs."""

    start_s: float
    end_s: float | None


@dataclass(frozen=True)
class Bar:
    """A job in the picture. ``index``: of its span. ``arrow``: points of an open end; ``cut``: it began earlier."""

    index: int
    x: float
    y: float
    width: float
    height: float
    cut: bool
    arrow: str


@dataclass(frozen=True)
class Tick:
    """A time on the axis."""

    x: float
    label: str


@dataclass(frozen=True)
class Picture:
    """Shapes, and how many spans have none because there were too many, or because they ended before its begin."""

    width: float
    height: float
    begin_s: float
    end_s: float
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    not_drawn: int


def draw(spans: Sequence[Span], now_s: float) -> Picture:
    """The newest ``MAX_BARS`` of the spans, from the start of the oldest of them to now."""
    order = sorted(range(len(spans)), key=lambda index: -spans[index].start_s)[:MAX_BARS]
    begin_s, end_s = _find_extent([spans[index] for index in order], now_s)
    seen = [index for index in order if _find_end(spans[index], now_s) >= begin_s]
    bars = tuple(_build_bar(index, spans[index], row, begin_s, end_s) for row, index in enumerate(seen))
    height = _TOP + _ROW * len(seen) + _BOTTOM
    return Picture(WIDTH, height, begin_s, end_s, bars, _build_ticks(begin_s, end_s), len(spans) - len(seen))


def _find_extent(spans: Sequence[Span], now_s: float) -> tuple[float, float]:
    """From when to when; never empty, and a clock that is ahead of ours makes it longer."""
    starts = sorted((span.start_s for span in spans), reverse=True)
    oldest = math.ceil(_SHOWN_SHARE * len(starts)) if len(starts) >= _MANY else len(starts)
    begin_s = starts[oldest - 1] if starts else now_s - 60
    end_s = max([now_s, *(_find_end(span, now_s) for span in spans)])
    return (begin_s, end_s) if end_s - begin_s >= 1 else (begin_s, begin_s + 1)


def _find_end(span: Span, now_s: float) -> float:
    return max(span.start_s, now_s if span.end_s is None else span.end_s)


def _build_bar(index: int, span: Span, row: int, begin_s: float, end_s: float) -> Bar:
    right = WIDTH - _RIGHT
    running = span.end_s is None
    x = _compute_x(max(span.start_s, begin_s), begin_s, end_s)
    to = right if running else _compute_x(_find_end(span, end_s), begin_s, end_s)
    x = min(x, right - _THINNEST)
    y = _TOP + row * _ROW + (_ROW - _BAR) / 2
    arrow = f"{right:g},{y:g} {right + _ARROW:g},{y + _BAR / 2:g} {right:g},{y + _BAR:g}" if running else ""
    width = round(max(to - x, _THINNEST), 2)
    return Bar(index, x, y, width, _BAR, span.start_s < begin_s, arrow)


def _compute_x(time_s: float, begin_s: float, end_s: float) -> float:
    share = (time_s - begin_s) / (end_s - begin_s)
    return round(LEFT + share * (WIDTH - _RIGHT - LEFT), 2)


def _build_ticks(begin_s: float, end_s: float) -> tuple[Tick, ...]:
    length_s = end_s - begin_s
    step_s = next((step for step in _STEPS_S if length_s / step <= _MOST_TICKS), None)
    if step_s is None:
        step_s = math.ceil(length_s / _MOST_TICKS)
    first = math.ceil(begin_s / step_s)
    last = math.floor(end_s / step_s)
    dated = _format_day(begin_s) != _format_day(end_s)
    return tuple(
        Tick(_compute_x(place * step_s, begin_s, end_s), _format_label(place * step_s, step_s, dated))
        for place in range(first, last + 1)
    )


def _format_day(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d}"


def _format_label(time_s: float, step_s: float, dated: bool) -> str:
    time = datetime.fromtimestamp(time_s, UTC)
    if step_s >= 86_400:
        return f"{time:%Y-%m-%d}"
    clock = f"{time:%H:%M:%S}" if step_s < 60 else f"{time:%H:%M}"
    return f"{time:%m-%d} {clock}" if dated else clock

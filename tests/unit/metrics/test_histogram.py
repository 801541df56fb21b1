"""Merging loses nothing and depends on no order; a quantile is as near as it says."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.metrics.histogram import BOUNDS, LONGEST_S, SHORTEST_S, Histogram

DURATIONS = st.lists(st.floats(min_value=0, max_value=200, allow_nan=False), max_size=60)
KNOWN = st.lists(st.floats(min_value=SHORTEST_S, max_value=LONGEST_S, allow_nan=False), min_size=1, max_size=200)


def of(durations: list[float]) -> Histogram:
    made = Histogram()
    for duration_s in durations:
        made.observe(duration_s)
    return made


def merged(*parts: Histogram) -> Histogram:
    made = Histogram()
    for part in parts:
        made.merge(part)
    return made


@given(DURATIONS, DURATIONS, DURATIONS)
def test_merging_depends_on_no_order(a: list[float], b: list[float], c: list[float]) -> None:
    one, two, three = of(a), of(b), of(c)
    assert (
        merged(merged(one, two), three) == merged(one, merged(two, three)) == merged(three, one, two) == of(a + b + c)
    )
    assert merged(one, two, three).count == len(a + b + c)


@given(KNOWN, st.floats(min_value=0, max_value=1))
def test_a_quantile_is_within_a_tenth(durations: list[float], share: float) -> None:
    exact = sorted(durations)[max(1, math.ceil(share * len(durations))) - 1]
    told = of(durations).find_quantile(share)
    assert told is not None
    assert abs(told - exact) <= 0.1 * exact
    assert of(durations).find_quantile(1.0) == max(durations)


@given(DURATIONS)
def test_json_gives_the_same_back(durations: list[float]) -> None:
    made = of(durations)
    assert Histogram.from_json(json.loads(json.dumps(made.to_json()))) == made


@pytest.mark.parametrize(
    ("durations", "quantiles"),
    [
        ([], (None, None, None)),
        ([0.0], (0.0, 0.0, 0.0)),
        ([0.00005, 0.2], (SHORTEST_S, 0.2, 0.2)),
        ([3600.0, 7200.0], (7200.0, 7200.0, 7200.0)),  # beyond the buckets only the maximum is known
    ],
)
def test_the_ends(durations: list[float], quantiles: tuple[float | None, ...]) -> None:
    assert tuple(of(durations).find_quantile(share) for share in (0.5, 0.95, 0.99)) == quantiles


def test_the_buckets() -> None:
    assert (BOUNDS[0], BOUNDS[-1], list(BOUNDS)) == (SHORTEST_S, LONGEST_S, sorted(set(BOUNDS)))
    assert len(BOUNDS) == 78


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, -math.inf])
def test_what_is_no_duration(value: float) -> None:
    with pytest.raises(ValueError, match="a duration of"):
        Histogram().observe(value)


GOOD: dict[str, Any] = {"counts": {"3": 2}, "total_ns": 5, "max_s": 0.1}


@pytest.mark.parametrize(
    "value",
    [
        {},
        {**GOOD, "counts": []},
        {**GOOD, "counts": {"x": 1}},
        {**GOOD, "counts": {"3": 0}},
        {**GOOD, "counts": {"3": True}},
        {**GOOD, "counts": {"99": 1}},
        {**GOOD, "counts": {"-1": 1}},
        {**GOOD, "counts": {}},
        {**GOOD, "total_ns": "5"},
        {**GOOD, "max_s": None},
        {**GOOD, "max_s": math.nan},
        {**GOOD, "max_s": "long"},
    ],
)
def test_what_is_no_histogram(value: Any) -> None:
    assert Histogram.from_json(GOOD).count == 2
    with pytest.raises(ValueError, match=r"not a|could not convert|invalid literal"):
        Histogram.from_json(value)

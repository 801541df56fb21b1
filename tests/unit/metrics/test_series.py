"""Buckets by the minute and the half hour: windows, roll-up, bounds, and what a restart brings back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serve_app.metrics.histogram import Histogram
from serve_app.metrics.series import FINE_FOR_S, HALF_HOUR_S, KEPT_FOR_S, MINUTE_S, Gauges, SeriesStore
from serve_app.queries.windows import WINDOWS_S

NOON = 1_767_268_800  # 2026-01-01T12:00:00Z
DAY = 86_400
NAMES = ("cpu", "memory")


def store() -> SeriesStore:
    return SeriesStore({"node": NAMES}, ["responses"])


def told(made: SeriesStore, window: str, now_s: float) -> Any:
    return made.read_gauges("node", "a", WINDOWS_S[window], now_s)["cpu"]


def durations(*values: float) -> Histogram:
    made = Histogram()
    for value in values:
        made.observe(value)
    return made


def every_bucket(made: SeriesStore) -> dict[Any, Any]:
    return {
        (name, label, width_s, start): bucket.to_json()
        for (name, label), line in made._lines.items()
        for width_s in (60, 1800)
        for start, bucket in line.get_buckets(width_s).items()
    }


def test_windows_of_a_gauge() -> None:
    made = store()
    for at_s, value in ((-7200, 0.9), (-1800, 0.5), (-240, 0.3), (-2, 0.1)):
        made.observe_gauges("node", "a", {"cpu": value, "memory": None}, NOON + at_s)
    assert [told(made, window, NOON) for window in WINDOWS_S] == [
        {"now": 0.1, "mean": 0.2, "max": 0.3},
        {"now": 0.1, "mean": 0.3, "max": 0.5},
        {"now": 0.1, "mean": 0.45, "max": 0.9},
        {"now": 0.1, "mean": 0.45, "max": 0.9},
    ]
    assert told(made, "5m", NOON + 61)["now"] is None  # the present is not what was two minutes ago
    assert made.read_gauges("node", "a", 300, NOON)["memory"] == {"now": None, "mean": None, "max": None}
    assert made.read_gauges("node", "none", 300, NOON)["cpu"] == {"now": None, "mean": None, "max": None}


def test_windows_of_durations() -> None:
    made = store()
    for at_s, value in ((-4000, 3.0), (-600, 2.0), (-10, 1.0), (-5, 1.0)):
        made.observe_histogram("responses", "jobs", durations(value), NOON + at_s)
    found = [made.read_histogram("responses", "jobs", length_s, NOON) for length_s in WINDOWS_S.values()]
    assert [(each.count, each.max_s) for each in found] == [(2, 1.0), (3, 2.0), (4, 3.0), (4, 3.0)]


def test_no_other_series_can_be_made() -> None:
    for observe in (
        lambda: store().observe_gauges("other", "a", {}, NOON),
        lambda: store().observe_histogram("other", "a", Histogram(), NOON),
    ):
        with pytest.raises(KeyError):
            observe()


def test_rolling_up_loses_nothing_and_is_bounded() -> None:
    made = store()
    most = (FINE_FOR_S + HALF_HOUR_S) // MINUTE_S + KEPT_FOR_S // HALF_HOUR_S + 2
    for minute in range(0, 9 * DAY, 60):
        made.observe_gauges("node", "a", {"cpu": (minute // 60) % 100 / 100}, NOON + minute)
        made.observe_histogram("responses", "jobs", durations(0.5), NOON + minute)
        made.roll(NOON + minute)
        if minute % 3600 == 0:
            assert max(len(line.minutes) + len(line.half_hours) for line in made._lines.values()) <= most
    end = NOON + 9 * DAY
    line = made._lines["node", "a"]
    assert (len(line.minutes), len(line.half_hours)) == (150, 332)
    assert min(line.half_hours) + 1800 > end - 60 - KEPT_FOR_S
    assert max(line.half_hours) + 1800 == min(line.minutes)
    assert min(line.minutes) <= end - FINE_FOR_S
    week = made.read_histogram("responses", "jobs", WINDOWS_S["7d"], end)
    assert week.count == 7 * 24 * 60
    assert told(made, "24h", end) == {"now": 0.59, "mean": 0.492222, "max": 0.99}


def test_what_is_too_old_goes_with_its_series() -> None:
    made = store()
    made.observe_gauges("node", "a", {"cpu": 1}, NOON)
    made.observe_gauges("node", "b", {"cpu": 1}, NOON + DAY)
    made.roll(NOON + KEPT_FOR_S + 1800)
    assert (made.list_labels("node"), made.list_labels("responses")) == (["b"], [])
    assert [key[1] for key in made.list_changed(10)] == ["b"]


def test_a_clock_set_back_leaves_nothing_in_the_future() -> None:
    made = store()
    made.observe_gauges("node", "a", {"cpu": 1}, NOON + DAY)
    made.observe_gauges("node", "a", {"cpu": 0.5}, NOON)
    assert told(made, "7d", NOON) == {"now": 0.5, "mean": 0.5, "max": 0.5}
    made.roll(NOON)
    assert [key[3] for key in every_bucket(made)] == [NOON]


def test_what_changed_is_told_until_it_is_saved() -> None:
    made = store()
    made.observe_gauges("node", "a", {"cpu": 1}, NOON)
    made.observe_histogram("responses", "jobs", durations(1), NOON)
    offered = made.list_changed(1)
    assert list(offered) == [("node", "a", 60, NOON)]
    made.observe_gauges("node", "a", {"cpu": 0}, NOON)  # while it was being saved
    made.unmark(offered)
    assert set(made.list_changed(10)) == {("node", "a", 60, NOON), ("responses", "jobs", 60, NOON)}
    made.unmark(made.list_changed(10))
    assert made.list_changed(10) == {}
    made.forget("node", "a")
    assert made.to_json(("node", "a", 60, NOON)) is None


def test_a_restart_goes_on_where_it_was() -> None:
    before = store()
    for minute in range(0, DAY, 60):
        before.observe_gauges("node", "a", {"cpu": minute % 7 / 10, "memory": 0.5}, NOON + minute)
        before.observe_histogram("responses", "jobs", durations(minute % 5 / 10), NOON + minute)
        before.roll(NOON + minute)
    after = store()
    for key, value in every_bucket(before).items():
        after.restore(key, json.loads(json.dumps(value)))
    after.settle()
    assert every_bucket(after) == every_bucket(before)
    assert after.list_changed(10) == {}


def test_what_was_seen_before_the_restore_stays() -> None:
    made = store()
    made.observe_gauges("node", "a", {"cpu": 0.2}, NOON)
    made.restore(("node", "a", 60, NOON), {"cpu": [0.8, 1, 0.8, 0.8]})
    assert told(made, "5m", NOON) == {"now": 0.2, "mean": 0.5, "max": 0.8}
    # Saved under two widths: the half hour counts.
    made.restore(("node", "a", 60, NOON - 7200), {"cpu": [1, 1, 1, 1]})
    made.restore(("node", "a", 1800, NOON - 7200), {"cpu": [1, 1, 1, 1]})
    made.settle()
    assert [key[2:] for key in every_bucket(made)] == [(60, NOON), (1800, NOON - 7200)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("other", "a", 60, NOON), {}),
        (("node", "a", 30, NOON), {}),
        (("node", "a", 60, NOON + 1), {}),
        (("node", "a", 60, NOON), {"cpu": [1, 0, 1, 1]}),
        (("node", "a", 60, NOON), {"cpu": [1, 1]}),
        (("node", "a", 60, NOON), {"cpu": None}),
        (("node", "a", 60, NOON), {"cpu": ["nan", 1, 1, 1]}),
        (("responses", "jobs", 60, NOON), {"counts": 1}),
    ],
)
def test_what_cannot_be_restored(key: Any, value: Any) -> None:
    made = store()
    with pytest.raises(ValueError, match=r"not|no such"):
        made.restore(key, value)
    assert every_bucket(made) == {}


def test_gauges_that_a_later_version_knows_are_left_out() -> None:
    assert Gauges.from_json(NAMES, {"cpu": [1, 2, 1, 0], "heat": [1, 1, 1, 1]}).to_json() == {"cpu": [1, 2, 1, 0]}

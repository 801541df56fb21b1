"""When a row is worse than on the other commit: medians, the noise of the row, and the verdict."""

from __future__ import annotations

import pytest

from tests.bench.against.comparison import Compared, Row, compare, format_table, measure_noise

TIME, RATE = Row("a look", "ms"), Row("hot path", "requests/s", more_is_better=True)
SAME = [100.0, 101.0, 99.0, 100.0, 100.0, 101.0, 99.0]
AGAIN = [101.0, 100.0, 100.0, 99.0, 100.0, 100.0, 100.0]


def scale(values: list[float], factor: float) -> list[float]:
    return [value * factor for value in values]


@pytest.mark.parametrize(
    ("row", "factor", "worse"),
    [
        (TIME, 1.0, False),
        (TIME, 1.04, False),
        (TIME, 1.06, True),
        (TIME, 0.5, False),
        # Of a rate, less is worse.
        (RATE, 1.06, False),
        (RATE, 0.96, False),
        (RATE, 0.94, True),
    ],
)
def test_a_quiet_row_is_worse_by_more_than_five_percent(row: Row, factor: float, worse: bool) -> None:
    found = compare(row, SAME, AGAIN, scale(SAME, factor))
    assert found.is_worse is worse
    assert (found.other, round(found.ours, 6)) == (100.0, round(100 * factor, 6))
    expected = 1 / factor - 1 if row.more_is_better else factor - 1
    assert found.worse_by == pytest.approx(expected)


def test_a_noisy_row_is_worse_by_more_than_its_noise() -> None:
    wild = [100.0, 140.0, 80.0, 120.0, 70.0, 130.0, 100.0]
    other = [110.0, 90.0, 120.0, 100.0, 100.0, 80.0, 90.0]
    found = compare(TIME, other, wild, scale(other, 1.1))
    assert found.noise > 0.1
    assert not found.is_worse
    assert compare(TIME, other, wild, scale(other, 2.0)).is_worse


def test_a_machine_that_grows_slower_counts_for_nothing() -> None:
    drift = [100.0 * 1.2**number for number in range(7)]
    found = compare(TIME, drift, drift, drift)
    assert (found.worse_by, found.noise, found.is_worse) == (0.0, 0.0, False)


def test_noise_is_the_same_in_both_directions_and_in_each_run() -> None:
    ratios = [1.0, 1.1, 0.95, 1.02, 1.0, 0.9, 1.01]
    assert measure_noise(ratios) == measure_noise(ratios)
    assert measure_noise([1.0] * 7) == 0.0
    assert 0.01 < measure_noise(ratios) < 0.15
    # More rounds tell more.
    assert measure_noise(ratios * 4) < measure_noise(ratios)


@pytest.mark.parametrize(
    ("other", "again", "ours"),
    [([1.0], [1.0], [1.0]), ([1.0, 2.0], [1.0], [1.0, 2.0]), ([1.0, 0.0], [1.0, 1.0], [1.0, 1.0])],
)
def test_what_is_no_measurement_is_refused(other: list[float], again: list[float], ours: list[float]) -> None:
    with pytest.raises(ValueError, match="a look"):
        compare(TIME, other, again, ours)


def test_the_table_says_which_row_is_worse() -> None:
    rows = [
        Compared(TIME, 100.0, 110.0, 0.1, 0.02), Compared(RATE, 400.0, 500.0, -0.2, 0.03),
        Compared(TIME, 100.0, 110.0, 0.1, 0.12), Compared(TIME, 100.0, 104.0, 0.04, 0.01),
    ]  # fmt: skip
    assert format_table(rows, "abc1234").splitlines() == [
        "| row | unit | abc1234 | here | worse by | noise | |",
        "|---|---|---:|---:|---:|---:|---|",
        "| a look | ms | 100 | 110 | +10.0% | 2.0% | WORSE |",
        "| hot path | requests/s | 400 | 500 | -20.0% | 3.0% | better |",
        "| a look | ms | 100 | 110 | +10.0% | 12.0% |  |",
        "| a look | ms | 100 | 104 | +4.0% | 1.0% |  |",
    ]

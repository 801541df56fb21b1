"""The one form of a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from organs import times as times_of_organs
from organs.times import format_exactly, format_time, parse_exactly

EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("time", "shown", "exact"),
    [
        (datetime(2026, 1, 1, 12, tzinfo=UTC), "2026-01-01T12:00:00.000+00:00", "2026-01-01T12:00:00+00:00"),
        (
            datetime(2026, 1, 1, 12, 0, 0, 999_999, UTC),
            "2026-01-01T12:00:00.999+00:00",
            "2026-01-01T12:00:00.999999+00:00",
        ),
        (
            datetime(2026, 1, 1, 14, 0, 0, 5_000, EAST),
            "2026-01-01T12:00:00.005+00:00",
            "2026-01-01T14:00:00.005000+02:00",
        ),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999+00:00", "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_a_time_has_one_form(time: datetime, shown: str, exact: str) -> None:
    assert (format_time(time), times_of_organs.format_time(time)) == (shown, shown)
    assert format_exactly(time) == exact
    assert parse_exactly(exact) == time
    assert datetime.fromisoformat(exact) == time


def test_no_time_is_no_text() -> None:
    assert (format_time(None), format_exactly(None), parse_exactly(None)) == (None, None, None)

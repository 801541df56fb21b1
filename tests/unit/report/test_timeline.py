"""The picture of jobs over time: every number of it, in tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from serve_app.report.timeline import LEFT, MAX_BARS, WIDTH, Bar, Span, draw

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
RIGHT = WIDTH - 18


@pytest.mark.parametrize(
    ("spans", "bars"),
    [
        ([], ()),
        ([Span(NOON - 100, NOON)], (Bar(0, LEFT, 28, RIGHT - LEFT, 12, False, ""),)),
        (
            [Span(NOON - 100, NOON - 50), Span(NOON - 25, None)],
            (
                Bar(1, 764, 28, 178, 12, False, "942,28 950,34 942,40"),
                Bar(0, LEFT, 48, 356, 12, False, ""),
            ),
        ),
        # An end before the start, or a start that is not over: the thinnest bar, within the picture.
        ([Span(NOON - 100, NOON - 500)], (Bar(0, LEFT, 28, 3, 12, False, ""),)),
        (
            [Span(NOON + 100, None), Span(NOON - 100, NOON)],
            (Bar(0, RIGHT - 3, 28, 3, 12, False, "942,28 950,34 942,40"), Bar(1, LEFT, 48, 356, 12, False, "")),
        ),
        # All at one moment.
        ([Span(NOON, NOON)], (Bar(0, LEFT, 28, 3, 12, False, ""),)),
    ],
)
def test_bars(spans: list[Span], bars: tuple[Bar, ...]) -> None:
    picture = draw(spans, NOON)
    assert (picture.bars, picture.not_drawn) == (bars, 0)
    assert (picture.width, picture.height) == (WIDTH, 30 + 20 * len(bars))


def test_the_oldest_does_not_squeeze_the_others() -> None:
    recent = [Span(NOON - 10 * place, NOON - 10 * place + 5) for place in range(1, 19)]
    picture = draw([*recent, Span(NOON - 900_000, NOON - 800_000), Span(NOON - 1_000_000, None)], NOON)
    assert (picture.begin_s, picture.end_s, picture.not_drawn) == (NOON - 180, NOON, 1)
    assert picture.bars[-1] == Bar(19, LEFT, 24 + 18 * 20 + 4, RIGHT - LEFT, 12, True, "942,388 950,394 942,400")
    assert [bar.cut for bar in picture.bars[:-1]] == [False] * 18


def test_a_picture_has_a_limit() -> None:
    picture = draw([Span(NOON - place, NOON) for place in range(200)], NOON)
    assert (len(picture.bars), picture.not_drawn) == (MAX_BARS, 140)
    assert [bar.index for bar in picture.bars] == list(range(MAX_BARS))


@pytest.mark.parametrize(
    ("length_s", "labels"),
    [
        (1, ["11:59:59", "12:00:00"]),
        (60, ["11:59:00", "11:59:10", "11:59:20", "11:59:30", "11:59:40", "11:59:50", "12:00:00"]),
        (100, ["11:58:30", "11:58:45", "11:59:00", "11:59:15", "11:59:30", "11:59:45", "12:00:00"]),
        (3600, ["11:00", "11:10", "11:20", "11:30", "11:40", "11:50", "12:00"]),
        (36_000, ["02:00", "04:00", "06:00", "08:00", "10:00", "12:00"]),
        (86_400, ["12-31 12:00", "12-31 18:00", "01-01 00:00", "01-01 06:00", "01-01 12:00"]),
        (400_000, ["2025-12-28", "2025-12-29", "2025-12-30", "2025-12-31", "2026-01-01"]),
    ],
)
def test_ticks_are_round_times(length_s: int, labels: list[str]) -> None:
    ticks = draw([Span(NOON - length_s, NOON)], NOON).ticks
    assert [tick.label for tick in ticks] == labels
    assert all(LEFT <= tick.x <= RIGHT for tick in ticks)


@pytest.mark.parametrize("first", [datetime.min, datetime(1, 1, 2), datetime(1970, 1, 1)])
def test_any_time_has_a_place(first: datetime) -> None:
    start_s = first.replace(tzinfo=UTC).timestamp()
    picture = draw([Span(start_s, None), Span(start_s, start_s)], NOON)
    assert 1 <= len(picture.ticks) <= 8
    assert all(LEFT <= bar.x <= bar.x + bar.width <= RIGHT for bar in picture.bars)

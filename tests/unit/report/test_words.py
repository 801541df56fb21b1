"""Numbers and times as people read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from serve_app.report.words import byte_rate, clock, duration, latency, percent, plain, whole

NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("say", "value", "said"),
    [
        (duration, 0, "0.0 s"),
        (duration, 119.94, "119.9 s"),
        (duration, 120, "2 min"),
        (duration, 7200, "2.0 h"),
        (duration, 172_799, "48.0 h"),
        (duration, 172_800, "2.0 d"),
        (duration, -5, "-5.0 s"),
        (latency, 0.0004, "0 ms"),
        (latency, 0.25, "250 ms"),
        (latency, 1, "1.0 s"),
        (percent, 0.051, "5.1 %"),
        (percent, 1, "100.0 %"),
        (byte_rate, 999, "999 B/s"),
        (byte_rate, 1500, "1.5 kB/s"),
        (byte_rate, 2.5e6, "2.5 MB/s"),
        (byte_rate, 1e12, "1000.0 GB/s"),
        (whole, 1234, "1234"),
        (clock, "2026-01-01T12:00:00.5+02:00", "2026-01-01 10:00:00"),
        (clock, "2026-01-01T12:00:00Z", "2026-01-01 12:00:00"),
        (clock, "2026-01-01T12:00:00", "-"),
        (clock, "0001-01-01T00:00:00+14:00", "-"),
        (clock, "soon", "-"),
        (clock, None, "-"),
        (plain, None, "-"),
        (plain, " a\n\tb \x1b[2Jc\u202e", "a b c"),
        (plain, 5, "5"),
        *((say, value, "-") for say in (duration, latency, percent, byte_rate, whole) for value in (None, "5", True)),
        *((say, value, "-") for say in (duration, latency, percent, byte_rate, whole) for value in (NAN, INFINITE)),
    ],
)
def test_words(say: Callable[[Any], str], value: Any, said: str) -> None:
    assert say(value) == said


@pytest.mark.parametrize(("longest", "said"), [(3, "ab…"), (4, "abcd"), (1, "a…")])
def test_what_is_long_is_cut(longest: int, said: str) -> None:
    assert plain("abcd", longest) == said

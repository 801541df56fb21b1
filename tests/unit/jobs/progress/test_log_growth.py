"""Who wrote what a log has grown by."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from serve_app.jobs.progress.log_growth import MOST_BYTES, measure_growth
from serve_app.jobs.progress.models import LogFacts

THEN, NOW = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 13, tzinfo=UTC)
MODIFIED = "Thu, 01 Jan 2026 13:00:00 GMT"
BEFORE = LogFacts(100, THEN, 7)
# As they come: coloured on a terminal, and then not.
SCALER = (
    b"\x1b[33m(autoscaler +1m3s)\x1b[0m Error: No available node types can fulfill resource request {'GPU': 4.0}.\n"
)
RAYLET = b"(raylet) Warning: The following resource request cannot be scheduled right now\n"


@pytest.mark.parametrize(
    ("data", "by_ray"),
    [
        (SCALER, len(SCALER)),
        (SCALER + RAYLET + b"\n", len(SCALER + RAYLET) + 1),
        (b"(raylet, ip=10.0.0.7) Spilled 2000 MiB\n", 39),
        (b"epoch 7\n", 0),
        (SCALER + b"epoch 7\n", len(SCALER)),
        # A worker of the program, and words that begin alike.
        (b"(train pid=7) epoch 7\n", 0),
        (b"(autoscalers) ready\n", 0),
        (b"my (raylet) died\n", 0),
        (b"\xff\xfe\n", 0),
    ],
)
def test_what_came_since(data: bytes, by_ray: int) -> None:
    at = THEN if by_ray == len(data) else NOW
    assert measure_growth(BEFORE, data, 100 + len(data), MODIFIED) == LogFacts(100 + len(data), at, 7 + by_ray)


def test_the_first_look_and_no_growth() -> None:
    assert measure_growth(None, b"x", 100, MODIFIED) == LogFacts(100, NOW)
    assert measure_growth(BEFORE, b"", 100, None) == BEFORE


def test_what_was_not_read_whole_is_the_programs() -> None:
    part = (SCALER * 9_999)[:MOST_BYTES]
    assert measure_growth(BEFORE, part, 100 + MOST_BYTES + 1, MODIFIED) == LogFacts(101 + MOST_BYTES, NOW, 7)
    # Cut, or another file.
    assert measure_growth(BEFORE, b"", 60, None) == LogFacts(60, None, 7)

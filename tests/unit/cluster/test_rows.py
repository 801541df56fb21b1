"""Fields of Ray's rows: none raises, whatever is there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.cluster.rows import (
    read_amount,
    read_amounts,
    read_id,
    read_number,
    read_text,
    read_time_ms,
    read_time_s,
    restore_id,
)

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
AT_MS = 1_767_323_045_678


@pytest.mark.parametrize(
    ("value", "amount", "number", "text", "time_ms", "time_s"),
    [
        (None, None, None, None, None, None),
        (True, None, None, None, None, None),
        ("", None, None, None, None, None),
        ("a\x1b[1m\nb", None, None, "a\nb", None, None),
        (str(AT_MS), None, AT_MS, str(AT_MS), AT, None),
        (AT_MS, float(AT_MS), AT_MS, None, AT, None),
        (AT_MS / 1000, AT_MS / 1000, AT_MS // 1000, None, datetime(1970, 1, 21, 10, 55, 23, 45_000, UTC), AT),
        (0, 0.0, 0, None, None, None),
        (-1.5, -1.5, -1, None, None, None),
        (10**400, None, 10**400, None, None, None),
        (float("nan"), None, None, None, None, None),
        (float("inf"), None, None, None, None, None),
        ([1], None, None, None, None, None),
    ],
)
def test_a_field(value: Any, amount: Any, number: Any, text: Any, time_ms: Any, time_s: Any) -> None:
    read = (read_amount(value), read_number(value), read_text(value), read_time_ms(value), read_time_s(value))
    assert read == (amount, number, text, time_ms, time_s)


def test_amounts() -> None:
    assert read_amounts({"CPU": 1, "GPU": "no", "x\ny": 0.5, "bool": True}) == {"CPU": 1.0, "x\ny": 0.5}
    assert read_amounts([1]) == {}


@pytest.mark.parametrize(
    ("id", "shown"),
    [
        ("nightly-1", "nightly-1"),
        ("a b/c\\d é", "a b/c\\d é"),
        ("night\nly", "night\\u{a}ly"),
        ("\x1b[31mred", "\\u{1b}[31mred"),
        ("of\u202eright", "of\\u{202e}right"),
        # What looks like an escaped one is another id.
        ("night\\u{a}ly", "night\\u{5c}u{a}ly"),
        ("\ud800", "\\u{d800}"),
    ],
)
def test_an_id_with_control_characters_stays_an_id_of_its_own(id: str, shown: str) -> None:
    assert read_id(id) == shown
    assert restore_id(shown) == id


@given(st.text(max_size=12), st.text(max_size=12))
def test_no_two_ids_become_one(one: str, other: str) -> None:
    assert (read_id(one) == read_id(other)) is (one == other)
    assert read_id(one) is None or restore_id(read_id(one) or "") == one


@pytest.mark.parametrize("value", [None, 5, "", []])
def test_what_is_no_id(value: Any) -> None:
    assert read_id(value) is None

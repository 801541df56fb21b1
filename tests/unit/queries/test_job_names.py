"""What jobs are called: runs with one id are told apart, and every id can be asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.queries.job_names import (
    MAX_KEY_CHARS,
    build_key,
    build_place_name,
    build_view_key,
    count_us,
    format_run,
    hash_id,
    is_file_name,
    parse_run,
    parse_run_key,
    quote_id,
    shorten_id,
)

AT = datetime(2026, 1, 1, 12, 0, 0, 7_000, tzinfo=UTC)
MS = 1767268800007


def test_keys() -> None:
    assert build_key("s1", "nightly", count_us(AT), is_submission=True) == f"s1/nightly@{MS}"
    assert build_key("s1", "01000000", count_us(AT), is_submission=False) == "s1/01000000"
    assert build_key("s1", "nightly", None, is_submission=True) == "s1/nightly"
    assert parse_run_key(f"s1/a/b@c@{MS}") == ("s1/a/b@c", MS)
    assert (parse_run_key("s1/01000000"), parse_run_key("s1/a@b")) == (None, None)
    long = build_key("s1", "x" * 700, count_us(AT), is_submission=True)
    assert long == f"s1/{hash_id('x' * 700)}@{MS}"
    assert len(build_key("s" * 40, "x" * 545, count_us(AT), is_submission=True)) == MAX_KEY_CHARS
    shown = {
        "session": "s1",
        "id": "nightly",
        "submission_id": "nightly",
        "started_at": "2026-01-01T12:00:00.007+00:00",
    }
    assert build_view_key(shown) == f"s1/nightly@{MS}"
    assert build_view_key({**shown, "submission_id": None}) == "s1/nightly"
    assert build_view_key({**shown, "started_at": None}) == "s1/nightly"
    assert build_view_key({**shown, "started_at": "soon"}) == "s1/nightly"


def test_runs() -> None:
    assert format_run("a@b", "s1", AT) == "a@b@2026-01-01T12:00:00.007+00:00"
    assert format_run("a", "s1", None) == "a@s1"
    assert parse_run("a@b@2026-01-01T12:00:00.007+00:00") == ("a@b", MS)
    assert parse_run("a@2026-01-01T13:00:00.007+01:00") == ("a", MS)
    assert parse_run("a@2026-01-01T12:00:00.007Z") == ("a", MS)
    for other in (
        "a",
        "a@s1",
        "a@session_2026-01-01_12-00-00_1_1",
        "a@2026-01-01T12:00:00",
        "a@2026-01-01",
        "@",
        "a@T",
    ):
        assert parse_run(other) is None
    assert parse_run("@2026-01-01T12:00:00Z") is None


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2100, 1, 1)), st.integers(-12, 12))
def test_a_run_is_found_by_the_time_that_is_shown(at: datetime, hours: int) -> None:
    at = at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=timezone(timedelta(hours=hours)))
    assert parse_run(format_run("a", "", at)) == ("a", count_us(at) // 1000)


@pytest.mark.parametrize(
    ("id", "wanted"),
    [
        ("nightly-1", "nightly-1"),
        ("node:ab", "node:ab"),
        ("team/etl 2026", "team%2Fetl%202026"),
        ("50%", "50%25"),
        ("a@b", "a%40b"),
        ("x" * 260, "x" * 260),
        ("\u5fd7" * 40, f"{hash_id(chr(0x5FD7) * 40)}@s1"),
        ("x" * 400, f"{hash_id('x' * 400)}@s1"),
        ("\ud800", "%3F"),
    ],
)
def test_addresses(id: str, wanted: str) -> None:
    assert quote_id(id, "s1") == wanted


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_an_address_is_the_id_or_its_hash(id: str) -> None:
    place = quote_id(id, "s1")
    assert unquote(place) == id or place == build_place_name(id, "s1")
    assert not set(place) & set("/ ?#")


def test_short_forms() -> None:
    assert shorten_id("x" * 80) == "x" * 80
    one, other = shorten_id("x" * 81), shorten_id("x" * 82)
    assert (len(one), one[:41], one == other) == (50, "x" * 40 + "…", False)


@pytest.mark.parametrize(
    ("id", "wanted"),
    [
        ("x" * 240, True),
        ("x" * 241, False),
        ("\u00e9" * 120, True),
        ("\u00e9" * 121, False),
        ("a/b", False),
        ("a b", True),
    ],
)
def test_ids_that_the_name_of_a_log_holds(id: str, wanted: bool) -> None:
    assert is_file_name(id) is wanted

"""Known values are found in one pass, however they are written, and nothing else is."""

from __future__ import annotations

import base64
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.hidden.held import hide_held, hide_held_in_bytes, hold, is_worth_hiding, release
from serve_app.hidden.matcher import REDACTED, ValueMatcher
from serve_app.redaction import redact, redact_end

VALUE = "pa$$ w0rd/of+the&database"
R = REDACTED


@pytest.mark.parametrize(
    "written",
    [
        VALUE,
        quote(VALUE, safe=""),
        quote(VALUE),
        quote(VALUE, safe="").lower().replace("w0rd", "w0rd"),
        "".join(f"%{byte:02x}" for byte in VALUE.encode()),
        "".join(f"%{byte:02X}" for byte in VALUE.encode()),
        *(base64.b64encode(b"x" * before + VALUE.encode() + b"y" * 7).decode() for before in range(6)),
        *(base64.urlsafe_b64encode(b"\xff" * before + VALUE.encode() + b"\xff").decode() for before in range(3)),
        *(base64.b64encode(b"user:"[:size] + VALUE.encode()).decode() for size in range(6)),
    ],
)
def test_a_value_is_hidden_however_it_is_written(written: str) -> None:
    hold([VALUE])
    assert R in hide_held(f"before {written} after")
    shown = redact(f"before {written} after")
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    # Of base64, what belongs to the neighbours alone may stay.
    assert len(shown) <= len("before  after") + len(R) + 24
    assert R in redact_end(f"before {written} after")
    assert R.encode() in hide_held_in_bytes(f"before {written} after".encode())
    release()
    assert hide_held(written) == written


@given(st.binary(max_size=9), st.binary(max_size=9))
def test_no_place_in_base64_is_missed(before: bytes, after: bytes) -> None:
    matcher = ValueMatcher([VALUE])
    assert R in matcher.hide(base64.b64encode(before + VALUE.encode() + after).decode())


def test_values_that_overlap_are_hidden_together() -> None:
    matcher = ValueMatcher(["abcdefgh1", "gh1234567", "cdef"])
    assert matcher.hide("xabcdefgh1234567x") == f"x{R}x"
    assert matcher.hide("cdefcdef") == f"{R}{R}"
    assert ValueMatcher([]).hide("abc") == "abc"
    assert ValueMatcher(["", "abc"]).hide("aabcc") == f"a{R}c"


@pytest.mark.parametrize(
    ("value", "worth"),
    [
        ("postgres", False),
        ("seven77", False),
        ("12345678", False),
        ("password1", True),
        ("correcthorsebatterystaple", True),
        ("operator-token-012345", True),
    ],
)
def test_what_would_tear_holes_is_left_out(value: str, worth: bool) -> None:
    assert is_worth_hiding(value) is worth
    hold([value])
    assert hide_held(f"a {value} b") == (f"a {R} b" if worth else f"a {value} b")
    release()


def test_a_line_that_was_cut_in_the_midst_of_a_value() -> None:
    matcher = ValueMatcher(["canary-0123456789", "cana"])
    line = "x" * 190
    assert matcher.hide_at_cut(f"{line} canary-01") == f"{line} {R}"
    assert matcher.hide_at_cut(f"{line} can") == f"{line} can"
    assert matcher.hide_at_cut("it ends in canary-01") == "it ends in canary-01"


def test_a_value_is_found_as_each_writer_of_urls_encodes_it() -> None:
    value = "p'a(s)s! w*o+r@d/1"
    written = (
        # encodeURIComponent of browsers and Node, SQLAlchemy, Python's two ways
        "p'a(s)s!%20w*o%2Br%40d%2F1", "p%27a%28s%29s%21 w%2Ao+r%40d%2F1",
        quote(value, safe=""), quote_plus(value), quote(value),
    )  # fmt: skip
    matcher = ValueMatcher([value])
    assert [each for each in written if matcher.hide(f"a {each} b") != "a [redacted] b"] == []

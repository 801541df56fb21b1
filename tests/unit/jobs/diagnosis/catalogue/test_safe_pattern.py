from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.jobs.diagnosis.catalogue.safe_pattern import require_safe


@pytest.mark.parametrize(
    "pattern",
    [
        r"No module named '([\w.]+)'",
        r"a.*b.*c",
        r"(?:[a-z]+\.)+[A-Z]",
        r"\w+\s+\w+",
        r"exit code (?:-?\d+|None)",
        r"foo(?!bar)\s+\d{1,3}",
        r"(?:x|y|zz)*",
        r"(?:\w+\s)+:",
        "",
    ],
)
def test_patterns_whose_time_is_bounded(pattern: str) -> None:
    require_safe(pattern)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(a+)+$", "repeats a repetition"),
        (r"(?:a{0,60}){0,8}", "repeats a repetition"),
        (r"(\s*a?)*", "repeats a repetition"),
        (r"(?:\w+\s?)+:", "repeats a repetition"),
        (r"(a|ab)*c", "begin alike"),
        (r"(ab|abab)*c", "begin alike"),
        (r"(?:\w\w|\d)+x", "begin alike"),
        (r".*.*x", "side by side"),
        (r"\d+\w+x", "side by side"),
        (r"\s*x?\s*y", "side by side"),
        (r"a.*b.*c.*d.*e", "more than 3 open"),
        (r"(\w+)\1", "refers back"),
        (r"(", "no regular expression"),
        ("a" * 501, "501 characters"),
    ],
)
def test_patterns_that_can_take_for_ever_are_refused(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        require_safe(pattern)


_PIECES = st.sampled_from(["a", "b", ".", "\\w", "\\s", "(?:", ")", "*", "+", "?", "|", "[ab]", "{0,50}", "x"])


@given(st.lists(_PIECES, max_size=9).map("".join), st.text("abx ", min_size=1, max_size=4))
def test_what_is_accepted_ends_soon_on_a_line_that_nearly_matches(pattern: str, unit: str) -> None:
    try:
        require_safe(pattern)
    except ValueError:
        return
    line = (unit * 400)[:400] + "!"
    began = time.process_time()
    re.compile(pattern + "$").search(line)
    # Not a measure of speed: what backtracks for ever takes longer than anybody waits.
    assert time.process_time() - began < 20

from __future__ import annotations

import re
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from serve_app.jobs.diagnosis.catalogue.pattern import PatternError, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "line", "is_found"),
    [
        (r"No module named '([\w.]+)'", "No module named 'a.b'", True),
        (r"exit code (?:-?\d+|None)$", "exit code -9", True),
        (r"exit code (?:-?\d+|None)$", "exit code -9.", False),
        (r"^by \d{1,3} s\b", "by 12 s", True),
        (r"(?i)FEHLER in über", "fehler in ÜBER", True),
        (r"a.b", "a→b", True),
        (r"a.b", "a\ud800b", True),
        (r"(?:a+)+$", "aab", False),
        ("", "anything", True),
        # Of ASCII alone, in which RE2 and Python differ.
        (r"^\w+$", "Prüfung", False),
        (r"\bÜbung", "eine Übung", False),
        (r"^\d$", "٣", False),
    ],
)
def test_a_pattern_is_found_anywhere_in_a_line(pattern: str, line: str, is_found: bool) -> None:
    assert compile_pattern(pattern).is_in(line) is is_found


_AROUND = "; RE2 does not look around: write what must not be in the line as `unless:`"


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        (r"code (?!0)", rf"the pattern 'code (?!0)' cannot be compiled: invalid perl operator: (?!{_AROUND}"),
        (r"(?<!re)try", rf"the pattern '(?<!re)try' cannot be compiled: invalid perl operator: (?<!{_AROUND}"),
        (r"a(?=b)", rf"the pattern 'a(?=b)' cannot be compiled: invalid perl operator: (?={_AROUND}"),
        (r"(\w+)\1", r"the pattern '(\\w+)\\1' cannot be compiled: invalid escape sequence: \1"),
        (r"(?>a)", "the pattern '(?>a)' cannot be compiled: invalid perl operator: (?>"),
        (r"é(", "the pattern 'é(' cannot be compiled: missing ): é("),
        (
            r"a{0,1001}",
            "the pattern 'a{0,1001}' cannot be compiled: invalid repetition size: {0,1001}; RE2 repeats at most 1000 "
            "times",
        ),
        (
            r"\u20ac",
            r"the pattern '\\u20ac' cannot be compiled: invalid escape sequence: \u; write `\x{20AC}`, or the "
            r"character itself, instead of `\u20ac`",
        ),
        (
            r"a\Z",
            r"the pattern 'a\\Z' cannot be compiled: invalid escape sequence: \Z; write `\z` instead of `\Z`",
        ),
        (
            r"(?ix)a b",
            "the pattern '(?ix)a b' cannot be compiled: invalid perl operator: (?ix; write it without the spaces and "
            "comments that `(?x)` allows",
        ),
        (
            ".{0,999}" * 7,
            f"the pattern '{'.{0,999}' * 7}' cannot be compiled: pattern too large - compile failed",
        ),
        (r"a{,9}b", "the pattern repeats without a least number; write `{0,9}` instead of `{,9}`"),
        *(
            (pattern, "the pattern repeats without a least number; write `{0,9}` instead of `{,9}`")
            for pattern in (r"a\\{,5}b", "[ab]{,5}", "a{,}b", r"[^]\]a]{,5}", "[[:alpha:]]{,5}")
        ),
        ("\ud800", "the pattern has half a character in it (a surrogate)"),
        ("a" * 501, "the pattern has 501 characters; 500 are allowed"),
    ],
)
def test_what_cannot_be_searched_for_in_bounded_time_is_refused(pattern: str, sentence: str) -> None:
    with pytest.raises(PatternError) as refused:
        compile_pattern(pattern)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("pattern", "found", "not_found"),
    [
        ("^[{,5}]$", ["{", ",", "5", "}"], ["a", "{,5}"]),
        ("^[]{,5}]$", ["]", "{"], ["a"]),
        (r"^a\{,5}b$", ["a{,5}b"], ["aab"]),
        (r"^\x{20AC}\z", ["€"], ["€a"]),
    ],
)
def test_what_only_looks_like_a_repetition_is_none(pattern: str, found: list[str], not_found: list[str]) -> None:
    compiled = compile_pattern(pattern)
    assert [compiled.is_in(line) for line in (*found, *not_found)] == [True] * len(found) + [False] * len(not_found)


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a*)*b", "(a|ab|a)*c", "(?:a?){30}a{30}b", "a{0,999}a{0,999}a{0,999}b", ".{0,999}x.{0,999}y.{0,99}z"],
)
@pytest.mark.parametrize("unit", ["a", "axy", "aé"])
def test_a_hostile_line_is_searched_in_bounded_time(pattern: str, unit: str) -> None:
    compiled = compile_pattern(pattern)
    line = (unit * 2_700)[:2_700] + "!"
    began = time.process_time()
    assert not compiled.is_in(line)
    # Not a measure of speed: what tries all ways one after the other takes longer than anybody waits.
    assert time.process_time() - began < 10


def test_nothing_is_written_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PatternError):
        compile_pattern("(?!a)b(")
    # More states than may be kept at once, which RE2 would tell of.
    assert not compile_pattern("(?:[ab]{0,30}c?){0,30}x").is_in("abcab" * 2_000)
    assert capfd.readouterr() == ("", "")


_PIECES = st.sampled_from(
    [
        *r"abZ1 .^$()*+?|{x",
        *(r"\w", r"\W", r"\s", r"\S", r"\d", r"\b", r"\.", r"\n", r"\x41", r"[\w-]", "\\\\", r"\{", "[{,5}]"),
        *("(?:", "(?P<n>", "*?", "[ab]", "[^a]", "{0,3}", "{2}", "{2,}", "{,2}"),
    ]
)


@given(st.lists(_PIECES, max_size=7).map("".join), st.text("abZ1 _-x.A{}", min_size=1, max_size=12))
def test_what_is_accepted_means_what_it_means_to_python(pattern: str, line: str) -> None:
    try:
        expected = re.search(pattern, line) is not None
    except re.error:
        assume(False)
    try:
        assert compile_pattern(pattern).is_in(line) is expected
    except PatternError:
        assume(False)

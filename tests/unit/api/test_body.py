"""Strict JSON, by itself: the edges of each rule, and whatever Hypothesis thinks of."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.api.body import parse_strict_json
from serve_app.errors import InvalidInput, MalformedBody


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"1", 1),
        (b' {"a": [true, null, -0.5, "x"]} \n', {"a": [True, None, -0.5, "x"]}),
        (b'{"a": 1, "a": 2}', {"a": 2}),  # as nearly all parsers have it
        (b'"\\ud83d\\ude00"', "\U0001f600"),  # a pair of surrogates is a character
        (b'"\\\\u0000"', "\\u0000"),  # six characters, none of them NUL
        (b"1.7976931348623157e308", 1.7976931348623157e308),
        (b"[" * 64 + b"]" * 64, json.loads("[" * 64 + "]" * 64)),
    ],
)
def test_accepted(raw: bytes, value: Any) -> None:
    assert parse_strict_json(raw) == value


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"[" * 65 + b"]" * 65, "The body nests more than 64 levels deep."),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "The body nests more than 64 levels deep."),
        (b'["\\u0000"]', "The body has a NUL character in a string."),
        (b'{"\\u0000": 1}', "The body has a NUL character in a string."),
        (b"[1e400]", "The body has a number that is too large."),
        (b"-1e400", "The body has a number that is too large."),
    ],
)
def test_refused_with_a_sentence(raw: bytes, sentence: str) -> None:
    with pytest.raises(MalformedBody) as refused:
        parse_strict_json(raw)
    assert refused.value.detail == sentence


@pytest.mark.parametrize(
    "raw",
    [
        b"{", b"}", b"{} {}", b"[1,]", b"{'a': 1}", b"{a: 1}", b"// x\n1", b"NaN", b"-Infinity", b"nan",
        b"01", b"+1", b"1.", b"1" * 5000, "{}".encode("utf-16"),
        b"\xef\xbb\xbf{}", b'"\x00"', b'"\n"', b'"\xff"', b'"\xed\xa0\x80"', b'"\\ud800"',
        b'"\\udc00\\ud800"', b'{"\\ud800": 1}',
    ],
)  # fmt: skip
def test_refused_at_a_position(raw: bytes) -> None:
    with pytest.raises(MalformedBody, match=r"^The body is not JSON: .* at line \d+ column \d+\.$"):
        parse_strict_json(raw)


@pytest.mark.parametrize("raw", [b"", b" ", b"\n\t\r "])
def test_nothing_is_not_malformed_but_missing(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_strict_json(raw)


def test_the_content_is_not_quoted() -> None:
    for raw in (b'{"secret-word": secret-word}', b'"secret-word', b'["secret-word", 1e400]', b"secret-word"):
        with pytest.raises(MalformedBody) as refused:
            parse_strict_json(raw)
        assert "secret" not in refused.value.detail


@given(st.binary(max_size=300))
def test_bytes_are_parsed_or_refused(raw: bytes) -> None:
    try:
        value = parse_strict_json(raw)
    except (MalformedBody, InvalidInput):
        return
    assert value == json.loads(raw)


PLAIN = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text() | st.floats()
TREES = st.recursive(PLAIN, lambda each: st.lists(each) | st.dictionaries(st.text(), each), max_leaves=20)


@given(TREES)
def test_what_passes_can_be_written_again(value: Any) -> None:
    """No parser, database or log after us meets what it cannot hold."""
    try:
        parsed = parse_strict_json(json.dumps(value).encode())
    except MalformedBody:
        return
    text = json.dumps(parsed, allow_nan=False, ensure_ascii=False)
    assert "\\u0000" not in text.replace("\\\\", "")
    assert text.encode()
    assert not isinstance(parsed, float) or math.isfinite(parsed)

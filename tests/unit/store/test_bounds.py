"""What may enter the store, and how memories are made findable."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.errors import InvalidInput
from serve_app.jobs.history import archive
from serve_app.store.bounds import MAX_ID_CHARS, encode, make_storable, require_name
from serve_app.store.dialect import fold
from serve_app.store.memories import build_searchable_text, require_tags

DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("value", "ascii_only", "text"),
    [
        ({"a": [1, None]}, False, '{"a":[1,null]}'),
        ("é\0", False, '"é\\u0000"'),
        ("é\ud800", True, '"\\u00e9\\ud800"'),
    ],
)
def test_encoded(value: Any, ascii_only: bool, text: str) -> None:
    assert encode("value", value, max_bytes=100, ascii_only=ascii_only) == text


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("x" * 9, "value takes 11 bytes as JSON, the limit is 10."),
        ("é" * 5, "value takes 12 bytes as JSON, the limit is 10."),
        (float("inf"), "value is not JSON: it holds a number or an object that JSON does not know."),
        (10**5000, "value is not JSON: it holds a number or an object that JSON does not know."),
        ({1, 2}, "value is not JSON: it holds a number or an object that JSON does not know."),
        ("\ud800", "value contains a lone surrogate, which is no character."),
        (DEEP, "value is nested too deeply."),
    ],
    ids=["long", "long-in-bytes", "infinity", "huge-number", "set", "surrogate", "deep"],
)
def test_refused(value: Any, sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        encode("value", value, max_bytes=10)
    assert refused.value.detail == sentence


def test_names() -> None:
    assert require_name("key", "é" * 256) == "é" * 256
    for bad in ("", "x" * 257, "a\0", "\udc80"):
        with pytest.raises(InvalidInput):
            require_name("key", bad)


def test_tags_keep_their_order_and_come_once() -> None:
    assert require_tags(["b", "a", "b"]) == ["b", "a"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("Text", "key\ntext"),
        (None, "key\nnull"),
        ({"Name": ["One", 2, 1.5, True], "b": {}}, "key\nname\none\n2\n1.5\ntrue\nb"),
        ([[["deep"], "er"]], "key\ndeep\ner"),
        ([], "key"),
    ],
)
def test_searchable(value: Any, words: str) -> None:
    assert build_searchable_text("Key", value) == words


@given(st.text())
def test_a_text_is_found_by_itself_in_any_case(text: str) -> None:
    assert fold(text) == fold(fold(text))
    assert fold(text) in build_searchable_text("key", text)


@given(st.text(st.characters(codec=None)))
def test_any_sentence_can_be_recorded(text: str) -> None:
    said = make_storable(text, 20)
    assert "\0" not in said
    assert len(said) <= 20
    said.encode()


def test_the_archive_asks_for_no_longer_name_than_the_store_can_have() -> None:
    assert archive.MAX_NAME_CHARS == MAX_ID_CHARS

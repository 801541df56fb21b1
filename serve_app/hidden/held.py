"""What this process holds in clear: hidden in every text that is shown, besides what a text's own job was given.

Each deployment and command says so once, when it has read its environment (``hold_environment`` in
``tokens.environment``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from serve_app.hidden.matcher import ValueMatcher, list_written_forms

# What is shorter, or a plain word, would tear holes into texts that have nothing to do with it.
LEAST_CHARS = 8
LEAST_WORD_CHARS = 16
_WORD = re.compile(r"[A-Za-z]+|\d+")


class _Held:
    """The values and their matcher, replaced together."""

    def __init__(self) -> None:
        self.values: frozenset[str] = frozenset()
        self.matcher = ValueMatcher(())


_held = _Held()


def hold(values: Iterable[str]) -> None:
    """Hide these from now on, besides what is hidden already; see ``is_worth_hiding`` for what is left out."""
    new = frozenset(filter(is_worth_hiding, values)) - _held.values
    if new:
        values_now = _held.values | new
        _held.matcher = ValueMatcher(_list_all_forms(values_now))
        _held.values = values_now


def release() -> None:
    """Hide nothing any more; for tests."""
    _held.values, _held.matcher = frozenset(), ValueMatcher(())


def hide_held(text: str) -> str:
    """The text without what this process holds."""
    return _held.matcher.hide(text)


def _list_all_forms(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(form for value in sorted(values) for form in list_written_forms(value)))


def hide_held_in_bytes(data: bytes) -> bytes:
    """The same of a text in UTF-8."""
    return _held.matcher.hide_in_bytes(data)


def is_worth_hiding(value: str) -> bool:
    """Not what has fewer than 8 characters, nor a word of letters or digits alone with fewer than 16."""
    return len(value) >= (LEAST_WORD_CHARS if _WORD.fullmatch(value) else LEAST_CHARS)

"""Known secret values in a text, in whatever form they are written there: found in one pass, and replaced.

A value is also looked for as Python, JSON and a URL would write it, and as it stands within something that was encoded
in base64. Not in other forms: who prints a secret backwards or in hexadecimal shows it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from html import escape
from urllib.parse import quote, quote_plus

from ahocorasick_rs import AhoCorasick, BytesAhoCorasick

REDACTED = "[redacted]"
# What is shorter in base64 stands in texts by chance, so a value of fewer than 7 bytes is not looked for.
_LEAST_BASE64_CHARS = 8
# Lines are cut at 200 characters and more; of what is shorter, the end is its end.
_LEAST_CUT_CHARS = 150
_LEAST_BEGINNING_CHARS = 4
# A job has few variables; of one with hundreds the longest values are looked for in encoded form, too.
_MOST_ENCODED = 100
_MOST_MATCHERS = 128
# What ``encodeURIComponent`` leaves as it is (ECMA-262, 19.2.6.4), and SQLAlchemy in a password (engine/url.py).
_LEFT_BY_BROWSERS, _LEFT_BY_SQLALCHEMY = "!*'()", " +"


class ValueMatcher:
    """Finds any of these values, as they are or encoded; made once for the same ones (``get_matcher``)."""

    def __init__(self, values: Sequence[str]) -> None:
        encoded = (form for value in values[:_MOST_ENCODED] for form in list_encoded_forms(value))
        forms = tuple(dict.fromkeys(form for form in (*values, *encoded) if form))
        self._in_text = AhoCorasick(forms) if forms else None
        self._in_bytes = BytesAhoCorasick([form.encode(errors="replace") for form in forms]) if forms else None
        self.longest_bytes = max((len(form.encode(errors="replace")) for form in forms), default=0)
        self._longest = max(map(len, values), default=0)
        self._by_beginning: dict[str, list[str]] = {}
        for value in values:
            if len(value) > _LEAST_BEGINNING_CHARS:
                self._by_beginning.setdefault(value[:_LEAST_BEGINNING_CHARS], []).append(value)

    def hide(self, text: str) -> str:
        """The text with each of these values replaced; those that overlap are replaced together."""
        if self._in_text is None or not (found := self._in_text.find_matches_as_indexes(text, overlapping=True)):
            return text
        parts, done = [], 0
        for begin, end in _join_spans((begin, end) for _, begin, end in found):
            parts += [text[done:begin], REDACTED]
            done = end
        return "".join([*parts, text[done:]])

    def hide_in_bytes(self, data: bytes) -> bytes:
        """The same of a piece of a file in UTF-8."""
        if self._in_bytes is None or not (found := self._in_bytes.find_matches_as_indexes(data, overlapping=True)):
            return data
        parts, done = list[bytes](), 0
        for begin, end in _join_spans((begin, end) for _, begin, end in found):
            parts += [data[done:begin], REDACTED.encode()]
            done = end
        return b"".join([*parts, data[done:]])

    def hide_at_cut(self, text: str) -> str:
        """The same of a line that was cut and may end with the beginning of a value."""
        if len(text) < _LEAST_CUT_CHARS:
            return text
        # The first place from which the rest is a beginning is the longest beginning.
        for at in range(max(0, len(text) - self._longest + 1), len(text) - _LEAST_BEGINNING_CHARS + 1):
            likely = self._by_beginning.get(text[at : at + _LEAST_BEGINNING_CHARS])
            if likely and any(value.startswith(text[at:]) for value in likely):
                return f"{text[:at]}{REDACTED}"
        return text


@lru_cache(maxsize=_MOST_MATCHERS)
def get_matcher(values: tuple[str, ...]) -> ValueMatcher:
    """The matcher of these values."""
    return ValueMatcher(values)


def list_written_forms(text: str) -> tuple[str, ...]:
    """A value as it is, and as it is written in a program's text, in JSON, in HTML and in a URL."""
    plain = repr(text)[1:-1], json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], escape(text)
    return text, *plain, quote(text, safe=""), quote_plus(text)


def list_encoded_forms(text: str) -> tuple[str, ...]:
    """A value as it may stand in a URL, with any of its characters encoded that may be, and within base64."""
    return tuple(dict.fromkeys((*_list_percent_forms(text), *_list_base64_forms(text))))


def _list_percent_forms(text: str) -> Iterable[str]:
    quoted = (*(quote(text, safe=safe) for safe in ("", "/", _LEFT_BY_BROWSERS, _LEFT_BY_SQLALCHEMY)), quote_plus(text))
    every = "".join(f"%{byte:02X}" for byte in text.encode(errors="replace"))
    for form in (*quoted, every):
        yield form
        # RFC 3986, 2.1: small and capital digits mean the same.
        yield _lower_escapes(form)


def _lower_escapes(form: str) -> str:
    head, *rest = form.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in rest)])


def _list_base64_forms(text: str) -> Iterable[str]:
    """What of its base64 is the same whatever stands before and after it, for each place in a group of three bytes."""
    raw = text.encode(errors="replace")
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        # The first and last character may also hold bits of the neighbours.
        begin = -(-before * 8 // 6)
        end = (before + len(raw)) * 8 // 6
        kept = encoded[begin:end]
        if len(kept) >= _LEAST_BASE64_CHARS:
            yield kept
            yield kept.replace("+", "-").replace("/", "_")


def _join_spans(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Places without overlaps, in their order. Those that only touch stay two: both are told."""
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if joined and begin < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined

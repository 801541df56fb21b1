"""Filtering and paging over rows in memory. Pure.

A page goes on after the last row that was given, not after a number of rows: jobs that start meanwhile neither shift
nor repeat anything.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from serve_app.errors import InvalidInput
from serve_app.jobs.history.records import searched
from serve_app.jobs.judging.judge import sort_key
from serve_app.jobs.models import JobRow, Outcome, Verdict

T = TypeVar("T")
Key = tuple[int, str]

DEFAULT_LIMIT = 100
MAX_LIMIT = 500
_MAX_TEXT = 256
_MAX_CURSOR = 1024
_MOST_MICROSECONDS = 2**62
_CHOICES = {"outcome": frozenset(Outcome), "verdict": frozenset(Verdict)}
_FIELDS = {"kind", "status", "outcome", "verdict", "since", "until", "q", "limit", "cursor"}


@dataclass(frozen=True, slots=True)
class JobQuery:
    """What is asked for. Empty sets and None mean any."""

    kinds: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()
    verdicts: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    limit: int = DEFAULT_LIMIT
    after: Key | None = None

    @classmethod
    def parse(cls, query: Mapping[str, Any]) -> JobQuery:
        """From the names of the HTTP query; a list, or commas, give alternatives. Raises ``InvalidInput``."""
        unknown = sorted(set(query) - _FIELDS)
        if unknown:
            raise _invalid(unknown[0], f"is not a filter; filters are {', '.join(sorted(_FIELDS))}")
        return cls(
            kinds=_words(query, "kind"),
            statuses=frozenset(word.upper() for word in _words(query, "status")),
            outcomes=_words(query, "outcome"),
            verdicts=_words(query, "verdict"),
            since=_time(query, "since"),
            until=_time(query, "until"),
            text=_text(query, "q").casefold(),
            limit=limit_of(query),
            after=cursor_of(query),
        )

    def matches(self, row: JobRow) -> bool:
        """Whether a row is asked for, the page aside."""
        wanted = (self.kinds, self.statuses, self.outcomes, self.verdicts)
        values = (row.kind, row.status, row.outcome, row.verdict)
        if any(some and value not in some for some, value in zip(wanted, values, strict=True)):
            return False
        if self.since is not None and (row.started_at is None or row.started_at < self.since):
            return False
        if self.until is not None and (row.started_at is None or row.started_at >= self.until):
            return False
        return not self.text or any(self.text in text.casefold() for text in searched(row))


def select(rows: Iterable[JobRow], query: JobQuery) -> tuple[list[JobRow], str | None]:
    """The page of rows (which come newest first), and the cursor of the next."""
    return page([row for row in rows if query.matches(row)], sort_key, query.limit, query.after)


def page(rows: Sequence[T], key: Callable[[T], Key], limit: int, after: Key | None) -> tuple[list[T], str | None]:
    """A page of rows that are sorted by ``key``, falling."""
    rest = rows if after is None else [row for row in rows if key(row) < after]
    taken = list(rest[:limit])
    return taken, cursor_after(key(taken[-1])) if len(rest) > limit else None


def limit_of(query: Mapping[str, Any]) -> int:
    """The length of a page, 1 to 500; 100 when none is given. Raises ``InvalidInput``."""
    limit = query.get("limit")
    if limit is None:
        return DEFAULT_LIMIT
    try:
        number = int(limit) if isinstance(limit, int | str) and not isinstance(limit, bool) else 0
    except ValueError:
        number = 0
    if not 1 <= number <= MAX_LIMIT:
        raise _invalid("limit", f"must be a number from 1 to {MAX_LIMIT}")
    return number


def cursor_of(query: Mapping[str, Any]) -> Key | None:
    """The place after which a page begins. Raises ``InvalidInput`` for anything that no page gave."""
    cursor = query.get("cursor")
    if cursor is None:
        return None
    try:
        if not isinstance(cursor, str) or len(cursor) > _MAX_CURSOR:
            raise ValueError(cursor)
        number, name = json.loads(base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True))
        # Neither database takes a longer number, nor both a text with NUL or half a character.
        if type(number) is not int or abs(number) > _MOST_MICROSECONDS or type(name) is not str:
            raise ValueError(cursor)
        if not is_storable(name):
            raise ValueError(cursor)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise _invalid("cursor", "is not one that a page gave") from None
    return number, name


def cursor_after(key: Key) -> str:
    """The cursor of the page that begins after this place."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode()


def _words(query: Mapping[str, Any], name: str) -> frozenset[str]:
    given = query.get(name)
    if given is None:
        return frozenset()
    if isinstance(given, str):
        given = given.split(",")
    if not isinstance(given, list | tuple | set | frozenset) or not all(isinstance(word, str) for word in given):
        raise _invalid(name, "must be a text")
    words = frozenset(word.strip() for word in given if word.strip())
    if len(words) > 50 or any(len(word) > _MAX_TEXT for word in words):
        raise _invalid(name, "is too long")
    if not all(map(is_storable, words)):
        raise _invalid(name, "holds a character that no text can have")
    choices = _CHOICES.get(name)
    if choices is not None and not words <= choices:
        raise _invalid(name, f"must be one of {', '.join(sorted(choices))}")
    return words


def _text(query: Mapping[str, Any], name: str) -> str:
    text = query.get(name)
    if text is None:
        return ""
    if not isinstance(text, str) or len(text) > _MAX_TEXT:
        raise _invalid(name, f"must be a text of at most {_MAX_TEXT} characters")
    if not is_storable(text):
        raise _invalid(name, "holds a character that no text can have")
    return text


def is_storable(text: str) -> bool:
    """Without NUL, which PostgreSQL refuses, and lone surrogates, which UTF-8 does not have."""
    return "\0" not in text and text.encode(errors="replace").decode() == text


def _time(query: Mapping[str, Any], name: str) -> datetime | None:
    value = query.get(name)
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise _invalid(name, "must be an RFC 3339 time") from None
    if time is None:
        return None
    if not isinstance(time, datetime) or time.tzinfo is None:
        raise _invalid(name, "must be an RFC 3339 time with its offset, as 2026-01-31T12:00:00Z")
    return time


def _invalid(name: str, why: str) -> InvalidInput:
    return InvalidInput(f"{name} {why}.", errors=[{"loc": ["query", name], "msg": why}])

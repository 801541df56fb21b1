"""Filtering over rows in memory. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from serve_app.jobs.history.records import list_searched
from serve_app.jobs.judging.judge import get_sort_key
from serve_app.jobs.models import JobOutcome, JobRow, Verdict
from serve_app.jobs.queries import JobsQuery
from serve_app.queries.paging import DEFAULT_LIMIT, Key, cut_page, is_storable, read_cursor, read_limit, refuse_filter

_MAX_TEXT = 256
_CHOICES = {"outcome": frozenset(JobOutcome), "verdict": frozenset(Verdict)}
_FIELDS = frozenset(JobsQuery.model_fields)


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
            raise refuse_filter(unknown[0], f"is not a filter; filters are {', '.join(sorted(_FIELDS))}")
        return cls(
            kinds=_parse_words(query, "kind"),
            statuses=frozenset(word.upper() for word in _parse_words(query, "status")),
            outcomes=_parse_words(query, "outcome"),
            verdicts=_parse_words(query, "verdict"),
            since=_parse_time(query, "since"),
            until=_parse_time(query, "until"),
            text=_parse_text(query, "q").casefold(),
            limit=read_limit(query.get("limit")),
            after=read_cursor(query.get("cursor")),
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
        return not self.text or any(self.text in text.casefold() for text in list_searched(row))


def select(rows: Iterable[JobRow], query: JobQuery) -> tuple[list[JobRow], str | None]:
    """The page of rows (which come newest first), and the cursor of the next."""
    return cut_page([row for row in rows if query.matches(row)], get_sort_key, query.limit, query.after)


def _parse_words(query: Mapping[str, Any], name: str) -> frozenset[str]:
    given = query.get(name)
    if given is None:
        return frozenset()
    if isinstance(given, str):
        given = given.split(",")
    if not isinstance(given, list | tuple | set | frozenset) or not all(isinstance(word, str) for word in given):
        raise refuse_filter(name, "must be a text")
    words = frozenset(word.strip() for word in given if word.strip())
    if len(words) > 50 or any(len(word) > _MAX_TEXT for word in words):
        raise refuse_filter(name, "is too long")
    if not all(map(is_storable, words)):
        raise refuse_filter(name, "holds a character that no text can have")
    choices = _CHOICES.get(name)
    if choices is not None and not words <= choices:
        raise refuse_filter(name, f"must be one of {', '.join(sorted(choices))}")
    return words


def _parse_text(query: Mapping[str, Any], name: str) -> str:
    text = query.get(name)
    if text is None:
        return ""
    if not isinstance(text, str) or len(text) > _MAX_TEXT:
        raise refuse_filter(name, f"must be a text of at most {_MAX_TEXT} characters")
    if not is_storable(text):
        raise refuse_filter(name, "holds a character that no text can have")
    return text


def _parse_time(query: Mapping[str, Any], name: str) -> datetime | None:
    value = query.get(name)
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise refuse_filter(name, "must be an RFC 3339 time") from None
    if time is None:
        return None
    if not isinstance(time, datetime) or time.tzinfo is None:
        raise refuse_filter(name, "must be an RFC 3339 time with its offset, as 2026-01-31T12:00:00Z")
    return time

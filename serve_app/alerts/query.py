"""What may be asked of the lists of alerts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from serve_app.alerts.models import Alert, from_microseconds, microseconds
from serve_app.alerts.settings import Rule
from serve_app.errors import InvalidInput
from serve_app.jobs.history.query import Key, cursor_of, limit_of, page
from serve_app.times import format_exactly

Json = dict[str, Any]

_CHOICES = {"rule": tuple(rule.value for rule in Rule), "severity": ("warning", "critical")}
ACTIVE_STATES = ("pending", "firing")
PAST_STATES = ("firing", "resolved")


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Filters by name, and the page. ``since`` is only asked of the history."""

    filters: Mapping[str, str]
    since: datetime | None
    limit: int
    after: Key | None

    @classmethod
    def parse(cls, query: Mapping[str, Any], states: Sequence[str], *, since: bool) -> AlertQuery:
        """From the names of the HTTP query. Raises ``InvalidInput``."""
        choices = {**_CHOICES, "state": tuple(states)}
        known = [*choices, *(["since"] if since else []), "limit", "cursor"]
        unknown = sorted(set(query) - set(known))
        if unknown:
            raise _invalid(unknown[0], f"is not a filter; filters are {', '.join(known)}")
        filters = {name: query[name] for name in choices if query.get(name) is not None}
        for name, value in filters.items():
            if value not in choices[name]:
                raise _invalid(name, f"must be one of {', '.join(choices[name])}")
        return cls(filters, _time(query.get("since")), limit_of(query), cursor_of(query))

    def for_store(self) -> dict[str, Any]:
        """As ``Store.alert_history`` takes it. Raises ``InvalidInput`` for a cursor that no page gave."""
        before = None
        if self.after is not None:
            try:
                before = [format_exactly(from_microseconds(self.after[0])), self.after[1]]
            except OverflowError:
                raise _invalid("cursor", "is not one that a page gave") from None
        since = format_exactly(self.since)
        return {**self.filters, "since": since, "before": before, "limit": self.limit}


def active_page(alerts: Iterable[Alert], query: AlertQuery) -> tuple[list[Alert], str | None]:
    """A page of active alerts, the newest first, and the cursor of the next."""
    wanted = [alert for alert in alerts if all(getattr(alert, name) == value for name, value in query.filters.items())]
    wanted.sort(key=_active_key, reverse=True)
    return page(wanted, _active_key, query.limit, query.after)


def past_page(rows: Sequence[Json], query: AlertQuery) -> tuple[list[Json], str | None]:
    """A page of what the store gave, which is one more than asked for when there are more. Rows stay as they are:
    alerts of a rule that this version does not have are history, too.
    """
    return page(rows, _past_key, query.limit, None)


def _active_key(alert: Alert) -> Key:
    return microseconds(alert.pending_since), alert.id


def _past_key(row: Json) -> Key:
    return microseconds(datetime.fromisoformat(row["firing_since"])), row["id"]


def _time(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise _invalid("since", "must be an RFC 3339 time with its offset, as 2026-01-31T12:00:00Z")
    return time


def _invalid(name: str, why: str) -> InvalidInput:
    return InvalidInput(f"{name} {why}.", errors=[{"loc": ["query", name], "msg": why}])

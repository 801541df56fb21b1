"""What may be asked of the lists of alerts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from organs.times import format_exactly
from serve_app.alerts.models import Alert, count_microseconds, parse_microseconds
from serve_app.alerts.settings import Rule
from serve_app.queries.paging import DEFAULT_LIMIT, Key, cut_page, read_cursor, refuse_filter
from serve_app.queries.query import Cursor, Limit, Time
from serve_app.strict import StrictModel

Json = dict[str, Any]


class AlertFilters(StrictModel):
    """What both lists have in common."""

    rule: Rule | None = Field(default=None, description="For example `stuck-job`.")
    severity: Literal["warning", "critical"] | None = Field(default=None, description="How bad it is.")
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None

    @property
    def after(self) -> Key | None:
        """The place after which the page begins. Raises ``InvalidInput`` for a cursor that no page gave."""
        return read_cursor(self.cursor)

    @property
    def filters(self) -> dict[str, str]:
        """Fields of an alert, and what they shall be."""
        return self.model_dump(mode="json", include={"rule", "severity", "state"}, exclude_none=True)


class AlertsQuery(AlertFilters):
    """Filters of the active alerts."""

    state: Literal["pending", "firing"] | None = Field(
        default=None, description="Pending ones have not held for long enough yet."
    )


class HistoryQuery(AlertFilters):
    """Filters of the history."""

    state: Literal["firing", "resolved"] | None = Field(default=None, description="Whether it is over.")
    since: Time | None = Field(default=None, description="Fired at or after (RFC 3339).")

    def for_store(self) -> dict[str, Any]:
        """As ``Store.alert_history`` takes it. Raises ``InvalidInput`` for a cursor that no page gave."""
        before, after = None, self.after
        if after is not None:
            try:
                before = [format_exactly(parse_microseconds(after[0])), after[1]]
            except OverflowError:
                raise refuse_filter("cursor", "is not one that a page gave") from None
        since = format_exactly(self.since)
        return {**self.filters, "since": since, "before": before, "limit": self.limit}


def select_active_page(alerts: Iterable[Alert], query: AlertsQuery) -> tuple[list[Alert], str | None]:
    """A page of active alerts, the newest first, and the cursor of the next."""
    filters = query.filters.items()
    wanted = [alert for alert in alerts if all(getattr(alert, name) == value for name, value in filters)]
    wanted.sort(key=_get_active_key, reverse=True)
    return cut_page(wanted, _get_active_key, query.limit, query.after)


def select_past_page(rows: Sequence[Json], query: HistoryQuery) -> tuple[list[Json], str | None]:
    """A page of what the store gave, which is one more than asked for when there are more. Rows stay as they are:
    alerts of a rule that this version does not have are history, too.
    """
    return cut_page(rows, _get_past_key, query.limit, None)


def _get_active_key(alert: Alert) -> Key:
    return count_microseconds(alert.pending_since), alert.id


def _get_past_key(row: Json) -> Key:
    return count_microseconds(datetime.fromisoformat(row["firing_since"])), row["id"]

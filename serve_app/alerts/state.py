"""The alerts in memory, and what of them the store does not have yet. No input or output, no clock of its own.

The store may be away at any time, also at the start: judging goes on, and what it changed waits here until it is
written, an alert always together with what is to be told of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from serve_app.alerts.conditions import judge
from serve_app.alerts.lifecycle import adopt, advance_alerts
from serve_app.alerts.models import Alert, Event
from serve_app.alerts.notifications import build_outbox
from serve_app.alerts.settings import AlertsConfig, Rule

Json = dict[str, Any]

MAX_UNSAVED = 5_000
_BATCH = 200


@dataclass(frozen=True, slots=True)
class Batch:
    """What is written in one transaction."""

    changed: tuple[Alert, ...]
    dropped: tuple[str, ...]
    outbox: tuple[Json, ...]

    def __bool__(self) -> bool:
        return bool(self.changed or self.dropped)


class AlertsState:
    """Active alerts, and changes that wait for the store."""

    def __init__(self) -> None:
        self.active: tuple[Alert, ...] = ()
        self.note: str | None = None
        self.looked_at: datetime | None = None
        self.unknown: frozenset[str] = frozenset()
        self.lost = 0
        # In the order in which they changed, by id of the alert.
        self._changed: dict[str, Alert] = {}
        self._dropped: dict[str, None] = {}
        self._outbox: dict[str, list[Json]] = {}

    @property
    def unsaved(self) -> int:
        """Alerts of which the store does not have the latest."""
        return len(self._changed) + len(self._dropped)

    def load(self, rows: Iterable[Mapping[str, Any]], now: datetime) -> None:
        """Go on with the alerts of the store; raises nothing for a rule of another version, which it leaves alone."""
        known = {rule.value for rule in Rule}
        stored = [Alert.from_json(row) for row in rows if row["rule"] in known]
        adopted = adopt(stored, self.active, now)
        self.active = adopted.active
        gone = {alert.id for alert in adopted.dropped}
        for alert in adopted.dropped:
            self._forget(alert.id)
        for alert in adopted.active:
            # What was to be told under the id of an alert that is not there any more is told anew.
            if rows_left := [row for row in self._outbox.pop(alert.id, ()) if row["alert_id"] not in gone]:
                self._outbox[alert.id] = rows_left
        for alert in adopted.resolved:
            self._changed[alert.id] = alert

    def look(
        self, inputs: Mapping[str, Any] | None, organism: Mapping[str, Any] | None, config: AlertsConfig, now: datetime
    ) -> list[Event]:
        """Judge once, and note what has changed."""
        judged = judge(inputs, organism, config, now)
        stepped = advance_alerts(self.active, judged.conditions, judged.unknown, config, now, judged.session)
        before = {alert.id: alert.select_lasting() for alert in self.active}
        carriers: dict[str, str] = {}
        for alert in (*stepped.active, *stepped.resolved):
            if before.get(alert.id) != alert.select_lasting():
                self._changed.pop(alert.id, None)
                self._changed[alert.id] = alert
                if alert.told is not None:
                    carriers[alert.told.id] = alert.id
        for alert in stepped.dropped:
            self._forget(alert.id)
            self._dropped[alert.id] = None
        for row in build_outbox(stepped.events, config.webhooks):
            # It is written with an alert of its message that has changed by what is told.
            self._outbox.setdefault(carriers[row["alert_id"]], []).append(row)
        self.active, self.note, self.looked_at = stepped.active, stepped.note, now
        self.unknown = frozenset(gap.rule.value for gap in judged.unknown)
        self._drop_oldest()
        return list(stepped.events)

    def take_batch(self) -> Batch:
        """The oldest changes, as many as one transaction takes, and what began the messages that they are told in."""
        chosen = {alert.id: alert for alert in tuple(self._changed.values())[:_BATCH]}
        rows = tuple(row for alert_id in chosen for row in self._outbox.get(alert_id, ()))
        begun = {row["alert_id"]: self._changed[row["alert_id"]] for row in rows if row["alert_id"] in self._changed}
        # What they are told of themselves goes with them, too.
        rows += tuple(row for alert_id in begun.keys() - chosen.keys() for row in self._outbox.get(alert_id, ()))
        changed = tuple((chosen | begun).values())
        return Batch(changed, tuple(self._dropped)[:_BATCH], rows)

    def confirm_saved(self, batch: Batch) -> None:
        """What is in the store needs no waiting any more."""
        for alert in batch.changed:
            if self._changed.get(alert.id) is alert:
                self._forget(alert.id)
        for alert_id in batch.dropped:
            self._dropped.pop(alert_id, None)

    def _forget(self, alert_id: str) -> None:
        self._changed.pop(alert_id, None)
        self._outbox.pop(alert_id, None)

    def _drop_oldest(self) -> None:
        """With the store away for very long, the oldest of what is over goes first; active alerts stay."""
        while len(self._dropped) > MAX_UNSAVED:
            self._dropped.pop(next(iter(self._dropped)))
        # More is, or will be, told under the ids of these.
        kept = {alert.told.id for alert in self.active if alert.told is not None}
        for alert_id, rows in self._outbox.items():
            kept.update(row["alert_id"] for row in rows if row.get("alert_id", alert_id) != alert_id)
        over = [
            alert_id for alert_id, alert in self._changed.items() if alert.state == "resolved" and alert_id not in kept
        ]
        for alert_id in over[: max(0, len(self._changed) - MAX_UNSAVED)]:
            self._forget(alert_id)
            self.lost += 1

"""What webhooks are told, and when it is tried again. Pure.

The outbox holds what happened, not the body of a request: the body is made when it is sent, because an Alertmanager
wants to know until when an alert holds, seen from then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from organs.times import format_exactly, format_time
from serve_app.alerts.models import Alert, Event
from serve_app.alerts.settings import AlertsConfig, Webhook

Json = dict[str, Any]

_SOURCE = "seedcore-serve"
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 900.0
_MOST_DOUBLINGS = 10
_JITTER_SHARE = 0.2
# An alert that nobody repeats ends by itself, as Prometheus has it: four times the period of repetition.
_PERIODS_VALID = 4


def build_outbox(events: Iterable[Event], webhooks: Sequence[Webhook]) -> list[Json]:
    """Rows of the outbox, for each webhook that wants the event. The same event always has the same id."""
    rows = []
    for event in events:
        for webhook in webhooks:
            if event.kind == "fired" or webhook.send_resolved:
                name = f"{event.alert.id}-{event.kind}"
                payload = {"event": event.kind, "id": name, "at": format_time(event.at), "alert": event.alert.render()}
                rows.append(
                    {
                        "id": f"{name}-{webhook.name}",
                        "alert_id": event.alert.id,
                        "webhook": webhook.name,
                        "payload": payload,
                        "created_at": format_exactly(event.at),
                    }
                )
    return rows


def build_body(webhook: Webhook, payload: Json, config: AlertsConfig, now: datetime) -> Json | list[Json]:
    """The body of the request for one row of the outbox."""
    if webhook.format == "json":
        return {"source": _SOURCE, **payload}
    return [_render_for_alertmanager(payload["event"], payload["alert"], config, now)]


def list_repeated(alerts: Iterable[Alert], config: AlertsConfig, now: datetime) -> list[Json]:
    """What still fires and was told, once more, for an Alertmanager; it keeps nothing over its restarts."""
    firing = (alert for alert in alerts if alert.state == "firing" and alert.notified and alert.silenced_by is None)
    return [_render_for_alertmanager("fired", alert.render(), config, now) for alert in firing]


def plan_attempt(
    attempts: int, created_at: datetime, config: AlertsConfig, now: datetime, jitter: float
) -> datetime | None:
    """When to try again after ``attempts`` failures: 5 s doubling to 15 min, less up to a fifth of it, by ``jitter``
    from 0 to 1. None: it is given up, because it would be too late then.
    """
    pause_s = min(_FIRST_PAUSE_S * 2 ** min(max(attempts, 1) - 1, _MOST_DOUBLINGS), _LONGEST_PAUSE_S)
    again = now + timedelta(seconds=pause_s * (1 - _JITTER_SHARE * jitter))
    return None if again > created_at + timedelta(hours=config.give_up_after_h) else again


def _render_for_alertmanager(
    kind: Literal["fired", "resolved"], alert: Mapping[str, Any], config: AlertsConfig, now: datetime
) -> Json:
    """One alert of Alertmanager's API v2, ``postableAlerts``; its labels say which one it is."""
    valid_until = format_time(now + timedelta(seconds=_PERIODS_VALID * config.resend_s))
    return {
        "labels": {
            "alertname": alert["rule"],
            "severity": alert["severity"],
            "subject": alert["subject"],
            "source": _SOURCE,
        },
        "annotations": {
            name: text
            for name, text in (
                ("summary", alert["sentence"]),
                ("description", alert["action"]),
                ("value", _format_number(alert["value"])),
                ("threshold", _format_number(alert["threshold"])),
            )
            if text
        },
        "startsAt": alert["firing_since"],
        "endsAt": alert["resolved_at"] if kind == "resolved" else valid_until,
    }


def _format_number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"

"""What webhooks are told. Pure.

The outbox holds what happened, not the body of a request: the body is made when it is sent, because an Alertmanager
wants to know until when an alert holds, seen from then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from organs.times import format_exactly, format_time
from serve_app.alerts.grouping import choose_speaker, group_members, name_subjects
from serve_app.alerts.models import Alert, Event, EventKind
from serve_app.alerts.settings import AlertsConfig, Webhook

Json = dict[str, Any]

_SOURCE = "seedcore-serve"
_NAMES_SAID = 5
# An alert that nobody repeats ends by itself, as Prometheus has it: four times the period of repetition.
_PERIODS_VALID = 4


def build_outbox(events: Iterable[Event], webhooks: Sequence[Webhook]) -> list[Json]:
    """Rows of the outbox, for each webhook that wants the event. The same event always has the same id.

    They go under the id of the alert that began the message, so that they are told in their order.
    """
    rows = []
    for event in events:
        told, subjects = event.alert.told, list(event.subjects or (event.alert.subject,))
        # What a message had in all only grows, so no two of its updates have the same.
        name = f"{event.message}-{event.kind}" + (f"-{told.size}" if told and event.kind == "updated" else "")
        payload = {
            "event": event.kind,
            "id": name,
            "at": format_time(event.at),
            "reason": None if told is None else told.reason,
            "count": event.count,
            "subjects": subjects,
            "summary": _summarize(event.kind, event.count, subjects, event.alert.sentence),
            "alert": event.alert.render(),
        }
        for webhook in webhooks:
            if event.kind != "resolved" or webhook.send_resolved:
                rows.append(
                    {
                        "id": f"{name}-{webhook.name}",
                        "alert_id": event.message,
                        "webhook": webhook.name,
                        "payload": payload | ({} if told is None else {"label": told.subject}),
                        "created_at": format_exactly(event.at),
                    }
                )
    return rows


def build_body(webhook: Webhook, payload: Json, config: AlertsConfig, now: datetime) -> Json | list[Json]:
    """The body of the request for one row of the outbox, which an older version may have written."""
    if webhook.format == "json":
        return {"source": _SOURCE, **{name: value for name, value in payload.items() if name != "label"}}
    return [_render_for_alertmanager(payload, config, now)]


def list_repeated(alerts: Iterable[Alert], config: AlertsConfig, now: datetime) -> list[Json]:
    """What still fires and was told, once more, for an Alertmanager; it keeps nothing over its restarts."""
    repeated = []
    for members in group_members(alerts).values():
        speaker, subjects = choose_speaker(members), list(name_subjects(members))
        payload = {
            "event": "fired",
            "count": len(members),
            "subjects": subjects,
            "summary": _summarize("fired", len(members), subjects, speaker.sentence),
            "alert": speaker.render(),
        }
        payload |= {} if speaker.told is None else {"label": speaker.told.subject}
        repeated.append(_render_for_alertmanager(payload, config, now))
    return repeated


def _summarize(kind: EventKind, count: int, subjects: Sequence[str], sentence: str) -> str:
    """What is told, in one sentence, of one or of many."""
    if count == 1:
        return f"It is over: {sentence}" if kind == "resolved" else sentence
    names = ", ".join(subjects[:_NAMES_SAID])
    more = f" and {count - min(len(subjects), _NAMES_SAID)} more" if count > min(len(subjects), _NAMES_SAID) else ""
    return f"{count} {'are over' if kind == 'resolved' else 'alike'} ({names}{more}): {sentence}"


def _render_for_alertmanager(payload: Mapping[str, Any], config: AlertsConfig, now: datetime) -> Json:
    """One alert of Alertmanager's API v2, ``postableAlerts``; its labels say which one it is.

    They stay the same as long as a message is open, so the subject is the one that it was first about.
    """
    alert, count = payload["alert"], payload.get("count", 1)
    valid_until = format_time(now + timedelta(seconds=_PERIODS_VALID * config.resend_s))
    many = {"count": str(count), "subjects": ", ".join(payload.get("subjects", ()))} if count > 1 else {}
    return {
        "labels": {
            "alertname": alert["rule"],
            "severity": alert["severity"],
            "subject": payload.get("label", alert["subject"]),
            "source": _SOURCE,
        },
        "annotations": {
            name: text
            for name, text in (
                ("summary", payload["summary"] if count > 1 else alert["sentence"]),
                ("description", alert["action"]),
                ("value", _format_number(alert["value"])),
                ("threshold", _format_number(alert["threshold"])),
                *many.items(),
            )
            if text
        },
        "startsAt": alert["firing_since"],
        "endsAt": alert["resolved_at"] if payload["event"] == "resolved" else valid_until,
    }


def _format_number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"

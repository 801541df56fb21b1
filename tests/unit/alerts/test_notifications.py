"""What is told, in which words, and when it is tried again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from serve_app.alerts.models import Alert, Event
from serve_app.alerts.notifications import build_body, build_outbox, list_repeated, plan_attempt
from serve_app.alerts.settings import AlertsConfig, Rule, Webhook
from tests.unit.alerts.parts import CONFIG, NOON, alert, at

JSON = Webhook(name="json", url="http://x/")
MANAGER = Webhook(name="manager", url="http://x/api/v2/alerts", format="alertmanager")
QUIET = Webhook(name="quiet", url="http://x/", send_resolved=False)

FIRES = alert(Rule.CPU_HIGH, "n1", value=0.9, threshold=0.8, severity="warning")
OVER = alert(Rule.CPU_HIGH, "n1", value=0.9, threshold=0.8, severity="warning", state="resolved", resolved_at=at(90))


def view(of: Alert, **changes: Any) -> dict[str, Any]:
    return {
        "id": of.id,
        "rule": "cpu-high",
        "subject": "n1",
        "severity": "warning",
        "state": "firing",
        "sentence": "It hangs.",
        "action": "Stop it.",
        "value": 0.9,
        "threshold": 0.8,
        "pending_since": "2026-01-01T12:00:00.000+00:00",
        "firing_since": "2026-01-01T12:00:00.000+00:00",
        "resolved_at": None,
        "silenced_by": None,
        "subject_type": None,
        "subject_id": None,
        "session": None,
        "silenced": False,
        **changes,
    }


def test_the_outbox_has_a_row_for_each_who_wants_it() -> None:
    rows = build_outbox([Event("fired", FIRES, NOON), Event("resolved", OVER, at(90))], [JSON, QUIET])
    assert [row["id"] for row in rows] == [
        f"{FIRES.id}-fired-json",
        f"{FIRES.id}-fired-quiet",
        f"{FIRES.id}-resolved-json",
    ]
    assert rows[0] == {
        "id": f"{FIRES.id}-fired-json",
        "alert_id": FIRES.id,
        "webhook": "json",
        "payload": {
            "event": "fired",
            "id": f"{FIRES.id}-fired",
            "at": "2026-01-01T12:00:00.000+00:00",
            "alert": view(FIRES),
        },
        "created_at": "2026-01-01T12:00:00+00:00",
    }


def payload(event: Event) -> dict[str, Any]:
    told: dict[str, Any] = build_outbox([event], [JSON])[0]["payload"]
    return told


def test_plain_json() -> None:
    assert build_body(JSON, payload(Event("resolved", OVER, at(90))), CONFIG, at(100)) == {
        "source": "seedcore-serve",
        "event": "resolved",
        "id": f"{OVER.id}-resolved",
        "at": "2026-01-01T12:01:30.000+00:00",
        "alert": view(OVER, state="resolved", resolved_at="2026-01-01T12:01:30.000+00:00"),
    }


LABELS = {"alertname": "cpu-high", "severity": "warning", "subject": "n1", "source": "seedcore-serve"}
ANNOTATIONS = {"summary": "It hangs.", "description": "Stop it.", "value": "0.9", "threshold": "0.8"}


def test_alertmanager() -> None:
    """It holds for four periods of repetition from when it is sent, however old the event is."""
    fired = build_body(MANAGER, payload(Event("fired", FIRES, NOON)), CONFIG, at(3600))
    assert fired == [
        {
            "labels": LABELS,
            "annotations": ANNOTATIONS,
            "startsAt": "2026-01-01T12:00:00.000+00:00",
            "endsAt": "2026-01-01T13:04:00.000+00:00",
        }
    ]
    over = build_body(MANAGER, payload(Event("resolved", OVER, at(90))), CONFIG, at(3600))
    assert over == [
        {
            "labels": LABELS,
            "annotations": ANNOTATIONS,
            "startsAt": "2026-01-01T12:00:00.000+00:00",
            "endsAt": "2026-01-01T12:01:30.000+00:00",
        }
    ]


def test_what_nothing_is_measured_of_has_no_numbers() -> None:
    said = build_body(MANAGER, payload(Event("fired", alert(), NOON)), CONFIG, NOON)
    assert isinstance(said, list)
    assert said[0]["annotations"] == {"summary": "It hangs.", "description": "Stop it."}


def test_only_what_was_told_is_repeated() -> None:
    alerts = [
        alert(),
        alert(subject="nobody knows", notified=False),
        alert(subject="silenced since", silenced_by="why"),
        alert(subject="pending", state="pending", notified=False),
    ]
    said = list_repeated(alerts, AlertsConfig(resend_s=30), at(10))
    assert [(each["labels"]["subject"], each["endsAt"]) for each in said] == [("job", "2026-01-01T12:02:10.000+00:00")]


def test_the_pauses_double_up_to_a_quarter_of_an_hour() -> None:
    pauses = [plan_attempt(attempts, NOON, CONFIG, NOON, 0.0) for attempts in range(1, 12)]
    assert [(each - NOON).total_seconds() for each in pauses if each] == [
        5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900,
    ]  # fmt: skip
    assert plan_attempt(10**9, NOON, CONFIG, NOON, 1.0) == at(720)


def test_there_is_an_end() -> None:
    config, now, attempts = AlertsConfig(give_up_after_h=1), NOON, 0
    while now is not None:
        attempts += 1
        last, now = now, plan_attempt(attempts, NOON, config, now, 0.5)  # type: ignore[assignment]
    assert attempts == 12
    assert NOON + timedelta(minutes=45) < last <= NOON + timedelta(hours=1)

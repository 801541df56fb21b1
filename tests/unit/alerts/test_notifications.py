"""What is told, in which words, and when it is tried again."""

from __future__ import annotations

from typing import Any

from serve_app.alerts.models import Alert, Event, Told
from serve_app.alerts.notifications import build_body, build_outbox, list_repeated
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
        "reason": None,
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
            "reason": None,
            "count": 1,
            "subjects": ["n1"],
            "summary": "It hangs.",
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
        "reason": None,
        "count": 1,
        "subjects": ["n1"],
        "summary": "It is over: It hangs.",
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


def test_a_message_of_many_names_some_and_says_how_many() -> None:
    """Its labels are those that it began with, so that an Alertmanager knows it again."""
    told = Told("first-1", "pending-infeasible: GPU", "job a", NOON, 150, 150)
    speaker = alert(subject="job b", reason="pending-infeasible: GPU", told=told)
    names = tuple(f"job {number}" for number in range(10))
    cases = [
        (
            "fired",
            "first-1-fired-json",
            "150 alike (job 0, job 1, job 2, job 3, job 4 and 145 more): It hangs.",
        ),
        (
            "updated",
            "first-1-updated-150-json",
            "150 alike (job 0, job 1, job 2, job 3, job 4 and 145 more): It hangs.",
        ),
        (
            "resolved",
            "first-1-resolved-json",
            "150 are over (job 0, job 1, job 2, job 3, job 4 and 145 more): It hangs.",
        ),
    ]
    for kind, id, summary in cases:
        (row,) = build_outbox([Event(kind, speaker, NOON, 150, names)], [JSON])  # type: ignore[arg-type]
        assert (row["id"], row["alert_id"]) == (id, "first-1")
        body = build_body(JSON, row["payload"], CONFIG, NOON)
        assert isinstance(body, dict)
        assert body | {"alert": None} == {
            "source": "seedcore-serve",
            "event": kind,
            "id": id.removesuffix("-json"),
            "at": "2026-01-01T12:00:00.000+00:00",
            "reason": "pending-infeasible: GPU",
            "count": 150,
            "subjects": list(names),
            "summary": summary,
            "alert": None,
        }
        (said,) = build_body(MANAGER, row["payload"], CONFIG, NOON)
        assert said["labels"] == {
            "alertname": "stuck-job",
            "severity": "critical",
            "subject": "job a",
            "source": "seedcore-serve",
        }
        assert said["annotations"] == {
            "summary": summary,
            "description": "Stop it.",
            "count": "150",
            "subjects": ", ".join(names),
        }


def test_what_an_older_version_left_in_the_outbox_is_told_as_it_was() -> None:
    old = {"event": "fired", "id": "x-fired", "at": "2026-01-01T12:00:00.000+00:00", "alert": view(FIRES)}
    assert build_body(JSON, old, CONFIG, NOON) == {"source": "seedcore-serve", **old}
    (said,) = build_body(MANAGER, old, CONFIG, NOON)
    assert (said["labels"], said["annotations"]) == (LABELS, ANNOTATIONS)


def test_many_are_repeated_as_one() -> None:
    told = Told("first-1", "why", "job 0")
    many = [alert(subject=f"job {number}", firing_since=at(number), told=told) for number in range(3)]
    (said,) = list_repeated([*many, alert(subject="silent", silenced_by="known", told=told)], CONFIG, NOON)
    assert said["labels"]["subject"] == "job 0"
    assert said["annotations"]["summary"] == "3 alike (job 2, job 1, job 0): It hangs."

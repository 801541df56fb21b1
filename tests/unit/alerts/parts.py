"""What the tests of alerts share: answers of other parts, conditions and alerts, a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from serve_app.alerts.models import Alert, Condition, compute_alert_id, compute_fingerprint
from serve_app.alerts.settings import AlertsConfig, Rule

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CONFIG = AlertsConfig()


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def inputs(**changes: Any) -> dict[str, Any]:
    """``JobInspector.alert_inputs`` when all is well."""
    return {
        "as_of": NOON.isoformat(),
        "degraded": [],
        "windows": {"5m": {"ended": 0, "failed": 0}, "1h": {"ended": 100, "failed": 1}},
        "nodes": [{"node_id": "n1", "ip": "10.0.0.1", "cpu_ratio": 0.2, "memory_ratio": 0.3}],
        "responses": {"5m": {"count": 100, "p95_s": 0.1}},
        "findings": [],
        "unknown_findings": [],
        "unknown_subjects": {},
        **changes,
    }


def organism(status: str = "ready", **changes: Any) -> dict[str, Any]:
    """``OrganismManager.status`` with one organ."""
    organ = {"organ_id": "utility_organ_1", "status": status, "message": "No agent answered.", "agent_count": 0}
    return {"organs": [{**organ, **changes}], "initialization": {}, "as_of": NOON.isoformat()}


def finding(rule: str = "stuck-job", subject: str = "raysubmit_1", verdict: str = "BAD", **changes: Any) -> Any:
    return {
        "rule": rule,
        "subject": subject,
        "subject_type": "job",
        "subject_id": subject,
        "session": "session_1",
        "verdict": verdict,
        "sentence": "It has printed nothing for 2 h.",
        "action": "Stop it.",
        **changes,
    }


def condition(rule: Rule = Rule.STUCK_JOB, subject: str = "job", **changes: Any) -> Condition:
    values: dict[str, Any] = {"severity": "critical", "sentence": "It hangs.", "action": "Stop it.", **changes}
    return Condition(rule, subject, **values)


def alert(rule: Rule = Rule.STUCK_JOB, subject: str = "job", **changes: Any) -> Alert:
    """One that fires since noon and was told."""
    fingerprint = compute_fingerprint(rule, subject)
    values: dict[str, Any] = {
        "id": compute_alert_id(fingerprint, changes.get("pending_since", NOON)),
        "fingerprint": fingerprint,
        "rule": rule,
        "subject": subject,
        "severity": "critical",
        "state": "firing",
        "sentence": "It hangs.",
        "action": "Stop it.",
        "value": None,
        "threshold": None,
        "pending_since": NOON,
        "firing_since": NOON,
        "notified": True,
        **changes,
    }
    return Alert(**values)

"""The decision of ``/ready``, by itself."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.readiness import Part, Readiness, judge_readiness
from tests.unit.fakes import initialization, organ

STORE, JOBS = Part({"backend": "sqlite"}), Part({"degraded": []})
ALERTS, FINDINGS = Part({"items": []}), Part({"items": []})
FINE = {"store": "ok", "organism_manager": "ok", "job_inspector": "ok", "alerts": "ok", "settings": "ok"}


def organism(*organs: Any, state: Any = None) -> Part:
    return Part({"organs": organs or [organ("a", "Utility")], "initialization": state or initialization()})


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((STORE, organism(), JOBS), Readiness("ready", (), {**FINE, "a": "ready", "initialization": "succeeded"})),
        (
            (Part(None, "No."), Part(None, "Gone."), Part(None)),  # what blocks comes first
            Readiness(
                "not_ready",
                ("store: No.", "organism manager: Gone.", "job inspector: no answer"),
                {**FINE, "store": "No.", "organism_manager": "Gone.", "job_inspector": "no answer"},
            ),
        ),
        (
            (STORE, organism(organ("a", "Utility", status="degraded", message="1 of 2.", desired_agent_count=2)), JOBS),
            Readiness("degraded", ("a: 1 of 2.",), {**FINE, "a": "degraded", "initialization": "succeeded"}),
        ),
        # It is meant to sleep, and a task to it is answered.
        (
            (STORE, organism(organ("a", "Utility", status="asleep", message="Zero.", agent_count=0)), JOBS),
            Readiness("ready", (), {**FINE, "a": "asleep", "initialization": "succeeded"}),
        ),
        (
            (STORE, organism(organ("a", "Utility", status="waking", message="It wakes.", agent_count=0)), JOBS),
            Readiness("degraded", ("a: It wakes.",), {**FINE, "a": "waking", "initialization": "succeeded"}),
        ),
        (
            (STORE, organism(organ("a", "Utility", status="unplaceable", message="64 CPU.", agent_count=0)), JOBS),
            Readiness("not_ready", ("a: 64 CPU.",), {**FINE, "a": "unplaceable", "initialization": "succeeded"}),
        ),
        (
            (
                STORE,
                organism(
                    organ("a", "Utility", status="degraded", message="1 of 2."),
                    organ("b", "Utility", status="not_responding", message="None.", agent_count=0),
                ),
                Part({"degraded": ["tasks: slow"]}),
            ),
            Readiness(
                "not_ready",
                ("b: None.", "a: 1 of 2.", "job inspector: tasks: slow"),
                {
                    **FINE,
                    "job_inspector": "degraded",
                    "a": "degraded",
                    "b": "not_responding",
                    "initialization": "succeeded",
                },
            ),
        ),
    ],
)
def test_readiness(parts: tuple[Part, Part, Part], expected: Readiness) -> None:
    assert judge_readiness(*parts, ALERTS, FINDINGS) == expected
    assert expected.http_status == (503 if expected.status == "not_ready" else 200)


@pytest.mark.parametrize("state", ["running", "failed", "due", "waiting_for_person"])
@pytest.mark.parametrize(("before", "status"), [(False, "not_ready"), (True, "degraded")])
def test_initialization_blocks_until_it_has_succeeded_once(state: str, before: bool, status: str) -> None:
    organs = organism(state=initialization(state, sentence="Why.", succeeded_before=before))
    now = judge_readiness(STORE, organs, JOBS, ALERTS, FINDINGS)
    assert (now.status, now.reasons, now.checks["initialization"]) == (status, ("initialization: Why.",), state)


RECEIVER = {"name": "ops", "sentence": "ops answered 503.", "action": "See why it refuses."}


@pytest.mark.parametrize(
    ("alerts", "reasons", "checks"),
    [
        (Part(None, "Alerts has no running replica."), ("alerts: Alerts has no running replica.",), {
            "alerts": "Alerts has no running replica.",
        }),
        (Part({"receivers": []}), (), {}),
        # Alerts are judged, but somebody does not hear of them.
        (
            Part({"receivers": [RECEIVER], "degraded": []}),
            ("receiver ops: ops answered 503. See why it refuses.",),
            {"receiver ops": "failing"},
        ),
    ],
)  # fmt: skip
def test_alerts_of_which_somebody_does_not_hear(alerts: Part, reasons: tuple[str, ...], checks: dict[str, str]) -> None:
    now = judge_readiness(STORE, organism(), JOBS, alerts, FINDINGS)
    assert (now.status, now.reasons, now.http_status) == ("degraded" if reasons else "ready", reasons, 200)
    assert now.checks == {**FINE, "a": "ready", "initialization": "succeeded", **checks}


def found(rule: str, subject_type: str, name: str) -> dict[str, Any]:
    return {"rule": rule, "subject_type": subject_type, "subject": f"{subject_type} {name}", "sentence": "Why."}


@pytest.mark.parametrize(
    ("alerts", "findings", "reasons", "checks"),
    [
        (Part(None, "Alerts has no running replica."), FINDINGS, ("alerts: Alerts has no running replica.",), {
            "alerts": "Alerts has no running replica.",
        }),
        (
            ALERTS,
            Part({"items": [found("refused-setting", "deployment", "Ingress"), found("stuck-job", "job", "a")]}),
            ("deployment Ingress: Why.",),
            {"settings": "refused"},
        ),
        (
            ALERTS,
            Part({"items": [found("application-troubled", "application", "seedcore")]}),
            ("application seedcore: Why.",),
            {"application seedcore": "troubled"},
        ),
        (ALERTS, Part({"items": [found("other-application-troubled", "application", "shop")]}), (), {}),
        (ALERTS, Part(None, "JobInspector has no running replica."), (), {"settings": "not known"}),
    ],
)  # fmt: skip
def test_every_deployment_counts(
    alerts: Part, findings: Part, reasons: tuple[str, ...], checks: dict[str, str]
) -> None:
    now = judge_readiness(STORE, organism(), JOBS, alerts, findings)
    assert (now.reasons, now.http_status) == (reasons, 200)
    assert now.status == ("degraded" if reasons else "ready")
    assert now.checks == {**FINE, "a": "ready", "initialization": "succeeded", **checks}

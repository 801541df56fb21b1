"""One fact is one line, with the number that alerts tell; a receiver that fails is told by itself."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.readiness import Part
from serve_app.report import Parts, ReportFinding, build_report, parse_report
from serve_app.report.html import render_html
from serve_app.report.text import render_markdown, render_text
from tests.unit.fakes import job, summary
from tests.unit.report.test_content import EARLY, alert, items, judged
from tests.unit.report.test_report import NOW, report

WHY = "pending-infeasible: GPU"
WAY_OUT = "Add a node that has 1 GPU, or submit it anew asking for less."
RECEIVER = {
    "name": "ops",
    "sentence": "ops answered 503.",
    "action": "See in what it answered why it refuses.",
    "failing_since": EARLY,
    "failures": 4,
    "next_at": "2026-01-01T12:00:40.000+00:00",
}


def wait_s(number: int) -> str:
    return f"It needs {1 + number % 3} GPU, which no node of this cluster has; so far for {70 + number} s."


def fires(number: int, **changes: Any) -> dict[str, Any]:
    return alert(
        "stuck-job", f"job j{number:03}", severity="critical", sentence=wait_s(number), action=WAY_OUT, reason=WHY,
        firing_since=f"2026-01-01T11:{number % 60:02}:00Z", **changes,
    )  # fmt: skip


def found(number: int, reason: str | None = WHY) -> dict[str, Any]:
    told = judged("stuck-job", f"job j{number:03}", "BAD", wait_s(number))
    return {**told, "action": WAY_OUT, "reason": reason}


def row(number: int) -> dict[str, Any]:
    return job(
        f"j{number:03}", verdict="BAD", outcome="pending", rule="pending-infeasible", reason=wait_s(number),
        started_at=EARLY, ended_at=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("alerts", "judged_too", "rows"), [(150, 150, 100), (100, 150, 100), (150, 0, 0), (0, 150, 100), (150, 150, 0)]
)
def test_150_jobs_that_wait_for_one_thing_are_one_line(alerts: int, judged_too: int, rows: int) -> None:
    """Whichever of them the lists have: the alerts, what the judge found, and the newest jobs."""
    made = report(
        jobs=items(*(row(number) for number in range(rows)), next_cursor="c" if rows else None),
        findings=items(*(found(number) for number in range(judged_too))),
        alerts=items(*(fires(number) for number in range(alerts))),
        summary=Part(summary(counts={"total": 150, "by_verdict": {"BAD": 150}})),
    )
    (told,) = made.findings
    assert (told.verdict, told.subject, told.count) == ("BAD", "150 jobs (stuck-job)", 150)
    assert told.action == WAY_OUT
    assert len(told.examples) == 5
    assert made.more.get("alerts", 0) == max(0, alerts - 100)


def test_jobs_that_no_alert_speaks_of_are_still_counted() -> None:
    made = report(
        jobs=items(*(row(number) for number in range(100)), next_cursor="c"),
        alerts=items(*(fires(number) for number in range(120))),
        summary=Part(summary(counts={"total": 500, "by_verdict": {"BAD": 150}})),
    )
    assert [(each.subject, each.sentence) for each in made.findings[1:]] == [
        ("older jobs", "30 with the verdict BAD are older than those in this report.")
    ]


def test_other_reasons_are_other_lines_and_what_has_none_is_told_as_before() -> None:
    made = report(
        findings=items(found(1), found(2), found(3, "pending-infeasible: TPU"), found(4, None), found(5, None)),
    )
    assert [(each.subject, each.count) for each in made.findings] == [
        ("2 jobs (stuck-job)", 2),
        ("job j003", 1),
        ("job j004", 1),
        ("job j005", 1),
    ]


def test_a_receiver_that_fails_is_no_gap_of_observation() -> None:
    made = report(alerts=items(receivers=[RECEIVER]))
    assert made.findings == (
        ReportFinding(
            "WARN",
            "receiver of alerts ops",
            "ops answered 503. It has not taken what it is told since 2026-01-01 10:00:00 UTC (4 attempts).",
            "See in what it answered why it refuses.",
            EARLY,
        ),
    )
    assert (made.degraded, made.receivers) == ((), [RECEIVER])
    for shown in (render_text(made), render_markdown(made), render_html(made)):
        assert "Receivers of alerts that fail" in shown
        assert "Look at the Ray dashboard" not in shown
    fine = report()
    for shown in (render_text(fine), render_markdown(fine), render_html(fine)):
        assert "Receivers" not in shown


def test_an_older_application_tells_nothing_of_receivers() -> None:
    told = dict(report().to_json())
    del told["receivers"]  # type: ignore[misc]
    assert parse_report(told).receivers == []


def test_all_that_there_can_be_is_asked_for() -> None:
    made = build_report(Parts(alerts=items(*(fires(number) for number in range(500)))), "1h", NOW)
    assert [each.count for each in made.findings if each.subject.endswith("(stuck-job)")] == [500]


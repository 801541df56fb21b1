"""What the report concludes from its parts: whole values, each row one cluster."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.readiness import Part
from serve_app.report import Parts, ReportFinding, build_report
from serve_app.report.alike import MAX_EXAMPLES
from serve_app.report.content import (
    MAX_CAUSES,
    MAX_FINDINGS,
    MAX_KINDS,
    MAX_NODES,
    MAX_ORGANS,
    MAX_REASONS,
    MAX_STEPS,
)
from serve_app.report.findings import build_job_links
from tests.unit.fakes import AS_OF, initialization, job, organ, summary
from tests.unit.report.test_report import NOW, report

EARLY, LATE = "2026-01-01T10:00:00+00:00", "2026-01-01T13:30:00+02:00"


def subject_facts(rule: str, subject: str) -> dict[str, Any]:
    """What an alert or a finding is about, as facts beside its words."""
    words = subject.split(" ")
    if len(words) == 2:
        return {"subject_type": words[0], "subject_id": words[1], "session": None}
    return {"subject_type": "organ" if rule.startswith("organ") else None, "subject_id": subject, "session": None}


def alert(rule: str, subject: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"{rule} {subject}",
        "rule": rule,
        "subject": subject,
        **subject_facts(rule, subject),
        "severity": "warning",
        "state": "firing",
        "sentence": f"{subject} is over.",
        "action": "Mend it.",
        "firing_since": EARLY,
        "silenced": False,
        **changes,
    }


def judged(rule: str, subject: str, verdict: str = "WARN", sentence: str = "So it is.") -> dict[str, Any]:
    facts = subject_facts(rule, subject)
    return {"rule": rule, "subject": subject, **facts, "verdict": verdict, "sentence": sentence, "action": "Do it."}


def items(*rows: Any, **changes: Any) -> Part:
    return Part({"items": list(rows), "next_cursor": None, "degraded": [], **changes})


def failed(job_id: str, reason: str = "It failed.", **changes: Any) -> dict[str, Any]:
    return job(job_id, verdict="BAD", outcome="failed", rule="failed", reason=reason, **changes)


def test_nothing_known() -> None:
    made = build_report(Parts(), "1h", NOW)
    names = ("organism", "jobs", "nodes", "resources", "summary", "lifecycle", "findings", "alerts")
    reasons = tuple(f"{name}: It was not asked." for name in names)
    action = "Do what it says; where that is nothing, look at the Ray dashboard. Ask again in a minute."
    assert made.to_json() == {
        "verdict": "UNKNOWN",
        "as_of": AS_OF,
        "window": "1h",
        "findings": tuple(
            {
                "verdict": "UNKNOWN", "subject": "observation", "sentence": reason, "action": action,
                "at": None, "count": 1, "examples": (), "cause": None,
            }
            for reason in reasons
        ),
        "cluster": {},
        "nodes": [],
        "organs": [],
        "initialization": {},
        "lifecycle": [],
        "jobs": [],
        "more_jobs": False,
        "metrics": {},
        "alerts": [],
        "more_alerts": False,
        "receivers": [],
        "more": {},
        "degraded": reasons,
    }  # fmt: skip


def test_all_fine() -> None:
    row = job("01000000", verdict="OK")
    step = {"step": "ready", "title": "Ready", "state": "done"}
    silenced = alert("high-cpu", "node n1", silenced=True)
    made = report(row, lifecycle=Part({"steps": [step], "degraded": []}), alerts=items(silenced))
    known = summary()
    names = ("jobs", "duration_s", "by_kind", "failures_by_cause", "utilisation", "responses", "counts")
    assert made.to_json() == {
        "verdict": "OK",
        "as_of": AS_OF,
        "window": "1h",
        "findings": (),
        "cluster": {"total": {"CPU": 2.0}, "available": {"CPU": 1.5}},
        "nodes": [{"node_id": "n1", "state": "ALIVE"}],
        "organs": [organ("a", "Utility")],
        "initialization": initialization(),
        "lifecycle": [step],
        "jobs": [row],
        "more_jobs": False,
        "metrics": {name: known[name] for name in names},
        "alerts": [silenced],
        "more_alerts": False,
        "receivers": [],
        "more": {},
        "degraded": (),
    }


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        # BAD before WARN before UNKNOWN; within that what fires, then what many depend on, then single jobs.
        (
            {
                "jobs": items(failed("05", ended_at=LATE), job("04", verdict="WARN"), job("03")),
                "organism": Part(
                    {
                        "organs": [organ("a", "Utility", status="not_responding"), organ("b", "Utility")],
                        "initialization": initialization("failed"),
                    }
                ),
                "alerts": items(
                    alert("high-cpu", "node n1"),
                    alert("failure-rate", "jobs", severity="critical"),
                    alert("new-word", "x", severity="a new word"),
                ),
                "findings": items(judged("leftover-actors", "job 04")),
            },
            [
                ("BAD", "jobs"), ("BAD", "a"), ("BAD", "job 05"),
                ("WARN", "initialization"), ("WARN", "node n1"), ("WARN", "job 04"), ("WARN", "job 04"),
                ("UNKNOWN", "x"), ("UNKNOWN", "job 03"),
            ],
        ),
        # Newest first, whatever the time zone, those without a time last.
        (
            {
                "jobs": items(
                    failed("01", "a", ended_at=EARLY), failed("02", "b", ended_at=LATE), failed("03", "c"),
                    failed("04", "d", started_at="2026-01-01T12:00:00Z"), failed("05", "e", ended_at="yesterday"),
                )
            },
            [("BAD", f"job {each}") for each in ("04", "02", "01", "03", "05")],
        ),
        # What is not firing, or silenced, is no finding.
        (
            {
                "alerts": items(
                    alert("a", "x", state="pending"), alert("a", "y", silenced=True), alert("a", "z", state="resolved")
                )
            },
            [],
        ),
        # The same trouble, told by the alert, the judge and the row: once, as bad as the worst says.
        (
            {
                "alerts": items(alert("stuck-job", "job 02")),
                "findings": items(judged("stuck-job", "job 02", "BAD"), judged("past-deadline", "job 03")),
                "jobs": items(failed("02"), job("03", verdict="OK")),
            },
            [("BAD", "job 02"), ("WARN", "job 03")],
        ),
        # So of one that goes in circles.
        (
            {
                "alerts": items(alert("circling-job", "job 02", severity="critical")),
                "findings": items(judged("circling-job", "job 02", "BAD"), judged("circling-job", "job 03")),
                "jobs": items(job("02", verdict="BAD", outcome="running"), job("03", verdict="WARN")),
            },
            [("BAD", "job 02"), ("WARN", "job 03")],
        ),
        # An alert on an organ says it better than the organ's row.
        (
            {
                "alerts": items(alert("organ-down", "a", severity="critical")),
                "organism": Part(
                    {"organs": [organ("a", "U", status="not_responding")], "initialization": initialization()}
                ),
            },
            [("BAD", "a")],
        ),
        # Another trouble of the same job is another finding.
        (
            {"findings": items(judged("leftover-actors", "job 02")), "jobs": items(failed("02"))},
            [("BAD", "job 02"), ("WARN", "job 02")],
        ),
        # Dead nodes together, living ones not at all.
        (
            {"nodes": items(*({"node_id": f"n{each}", "state": "DEAD"} for each in range(3)), {"state": "ALIVE"})},
            [("WARN", "3 nodes")],
        ),
        # Older jobs that the page does not have.
        (
            {
                "jobs": items(failed("02"), next_cursor="c"),
                "summary": Part(summary(counts={"total": 9, "by_verdict": {"BAD": 4, "OK": 5, "WARN": None}})),
            },
            [("BAD", "job 02"), ("BAD", "older jobs")],
        ),
        # A page that is the last has all that there are, whatever an older count says.
        (
            {"jobs": items(failed("02")), "summary": Part(summary(counts={"by_verdict": {"BAD": 4}}))},
            [("BAD", "job 02")],
        ),
        # The same reason from several parts is one.
        (
            {
                name: items(degraded=["Workers: slow."]) for name in ("jobs", "findings", "nodes")
            },
            [("UNKNOWN", "observation")],
        ),
    ],
)  # fmt: skip
def test_order(parts: dict[str, Part], expected: list[tuple[str, str]]) -> None:
    made = report(**parts)
    assert [(each.verdict, each.subject) for each in made.findings] == expected
    assert made.verdict == (expected[0][0] if expected else "OK")


@pytest.mark.parametrize(
    ("told", "rows", "expected"),
    [
        # Job ids begin anew with each session.
        (
            judged("stuck-job", "job 02") | {"session": "new"},
            [failed("02", session="new"), failed("02", "It was killed.", session="old")],
            [("BAD", "job 02", "So it is."), ("BAD", "job 02", "It was killed.")],
        ),
        # An alert of before sessions were kept does not know its own: its job is told of once.
        (
            alert("stuck-job", "job 02"),
            [failed("02", session="new")],
            [("BAD", "job 02", "job 02 is over.")],
        ),
        # Words alone join nothing: neither a job that is called like an organ, nor one whose facts are not told.
        (
            alert("organ-not-responding", "a"),
            [failed("a")],
            [("BAD", "job a", "It failed."), ("WARN", "a", "a is over.")],
        ),
        (
            alert("stuck-job", "job 02", subject_type=None, subject_id=None),
            [failed("02")],
            [("BAD", "job 02", "It failed."), ("WARN", "job 02", "job 02 is over.")],
        ),
        # Nor does the subject's text: what it is about is a fact.
        (
            alert("stuck-job", "some job", subject_type="job", subject_id="02"),
            [failed("02")],
            [("BAD", "some job", "some job is over.")],
        ),
    ],
)
def test_what_is_told_is_joined_with_its_row_by_facts(
    told: dict[str, Any], rows: list[dict[str, Any]], expected: list[tuple[str, str, str]]
) -> None:
    part = "alerts" if "severity" in told else "findings"
    made = report(jobs=items(*rows), **{part: items(told)})
    assert [(each.verdict, each.subject, each.sentence) for each in made.findings] == expected


@pytest.mark.parametrize("rule", ["stuck-job", "past-deadline", "circling-job"])
def test_alert_finding_and_row_of_one_job_are_told_once(rule: str) -> None:
    long = "x" * 260
    row = job(long, verdict="WARN", outcome="pending", reason="It waits.", session="s")
    # The store keeps as much of an id.
    told = alert(rule, f"job {long}", subject_type="job", subject_id=long[:256], session="s")
    found = judged(rule, f"job {long}") | {"subject_type": "job", "subject_id": long, "session": "s"}
    (finding,) = report(jobs=items(row), alerts=items(told), findings=items(found)).findings
    assert (finding.verdict, finding.sentence, finding.count) == ("WARN", f"job {long} is over.", 1)


@pytest.mark.parametrize("part", ["alerts", "findings"])
def test_a_failure_is_told_though_a_later_run_with_its_id_has_an_alert(part: str) -> None:
    said = {"subject_type": "job", "subject_id": "nightly", "session": "s"}
    told = (alert if part == "alerts" else judged)("stuck-job", "job nightly") | said
    later = job("nightly", verdict="WARN", outcome="running", reason="It hangs.", session="s", started_at=AS_OF)
    before = failed("nightly", session="s", started_at=EARLY)
    for rows in ([later, before], [before, later]):
        made = report(jobs=items(*rows), **{part: items(told)})
        assert [(each.verdict, each.subject, each.sentence) for each in made.findings] == [
            ("BAD", f"job nightly@{EARLY}", "It failed."),
            ("WARN", "job nightly", told["sentence"]),
        ]


def test_each_of_many_is_named_by_what_leads_to_it() -> None:
    rows = [failed("nightly", started_at=EARLY), failed("other", started_at=EARLY)]
    (finding,) = report(jobs=items(*rows, job("nightly", verdict="OK", started_at=AS_OF))).findings
    assert (finding.count, sorted(finding.examples)) == (2, [f"nightly@{EARLY}", "other"])


def test_an_alert_that_does_not_know_its_session_says_what_the_judge_says() -> None:
    told = judged("stuck-job", "job 02") | {"session": "new"}
    row = failed("02", session="new")
    for session, count in ((None, 1), ("new", 1), ("old", 2)):
        made = report(
            jobs=items(row), findings=items(told), alerts=items(alert("stuck-job", "job 02", session=session))
        )
        assert len(made.findings) == count, session


@pytest.mark.parametrize(
    ("reasons", "counts"),
    [
        (["It failed.", "It failed."], [2]),
        (["Lost raysubmit_a1B2 at 0x7f3a, 123456 left.", "Lost raysubmit_c3D4 at 0x1b2c, 999999 left."], [2]),
        (["Running for 125.5 s; expected 60 s.", "Running for 7 s; expected 60 s."], [2]),
        (["It failed with exit code 1.", "It failed with exit code 137."], [1, 1]),
        (["It failed.", "It was killed."], [1, 1]),
        (["x" * 700 + "a", "x" * 700 + "b"], [2]),
    ],
)
def test_the_same_cause_is_one_finding(reasons: list[str], counts: list[int]) -> None:
    made = report(*(failed(f"{place:02}", reason) for place, reason in enumerate(reasons)))
    assert [each.count for each in made.findings] == counts


@pytest.mark.parametrize(
    ("ended_at", "verdict"),
    [
        ("2025-12-31T13:00:00+00:00", "BAD"),
        # More than a day ago: listed, and no longer something to do.
        ("2025-12-31T09:00:00+00:00", "OK"),
        (None, "BAD"),
        ("yesterday", "BAD"),
    ],
)
def test_old_failures_are_history(ended_at: str | None, verdict: str) -> None:
    made = report(failed("01", ended_at=ended_at))
    assert (made.verdict, len(made.jobs)) == (verdict, 1)


def test_many_that_failed_alike() -> None:
    rows = [
        failed(f"{place:02}", f"It died; log raysubmit_{place}a.", ended_at=f"2026-01-01T11:{place:02}:00Z")
        for place in range(8)
    ]
    assert report(*rows, failed("90", "Other.", kind="nightly", ended_at=EARLY)).findings == (
        ReportFinding(
            "BAD",
            "8 user jobs",
            "It died; log raysubmit_7a.",
            "Read its log, mend the cause, run it again. Evidence: GET /jobs/07.",
            "2026-01-01T11:07:00Z",
            8,
            ("07", "06", "05", "04", "03"),
        ),
        ReportFinding(
            "BAD", "job 90", "Other.", "Read its log, mend the cause, run it again. Evidence: GET /jobs/90.", EARLY
        ),
    )
    assert MAX_EXAMPLES == 5


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({"outcome": "running"}, "Evidence: GET /jobs/02."),
        ({"outcome": "running", "action": "Nothing to do."}, "Evidence: GET /jobs/02."),
        ({"outcome": "failed"}, "Read its log, mend the cause, run it again. Evidence: GET /jobs/02."),
        ({"outcome": "failed", "action": "Call Ann."}, "Call Ann. Evidence: GET /jobs/02."),
        ({"outcome": "a new word"}, "Evidence: GET /jobs/02."),
    ],
)
def test_an_action_is_the_rows_own_and_never_to_do_nothing(changes: dict[str, Any], action: str) -> None:
    assert [each.action for each in report(job("02", verdict="WARN", **changes)).findings] == [action]


def test_every_list_has_a_limit_and_says_so() -> None:
    many = range(150)
    made = report(
        *(failed(str(place), "abcdefghijklmnopqrst"[place % 20] + "x" * (place // 20)) for place in range(100)),
        jobs=items(
            *(failed(f"j{place}", "x" * place) for place in range(100)),
            next_cursor="c",
            degraded=[f"reason {place}" for place in many],
        ),
        organism=Part({"organs": [organ(f"o{place}", "Utility") for place in many]}),
        nodes=items(*({"node_id": f"n{place}", "state": "ALIVE"} for place in many)),
        lifecycle=Part({"steps": [{"step": str(place)} for place in many]}),
        summary=Part(
            summary(
                by_kind={str(place): {} for place in many},
                failures_by_cause=[{"cause": str(place), "count": 1} for place in many],
                utilisation={"reason": None, "nodes": [{"node_id": str(place)} for place in many]},
                counts={"total": 400, "by_verdict": {"BAD": 100}},
            )
        ),
        alerts=items(*(alert(f"r{place}", "s", state="pending") for place in many), next_cursor="c"),
    )
    assert (len(made.findings), len(made.organs), len(made.nodes)) == (MAX_FINDINGS, MAX_ORGANS, MAX_NODES)
    assert (len(made.lifecycle), len(made.degraded)) == (MAX_STEPS, MAX_REASONS)
    assert (len(made.metrics["by_kind"]), len(made.metrics["failures_by_cause"])) == (MAX_KINDS, MAX_CAUSES)
    assert dict(made.more) == {
        "jobs": 300,
        "findings": 100 + 150 - MAX_FINDINGS,
        "nodes": 150 - MAX_NODES,
        "organs": 150 - MAX_ORGANS,
        "lifecycle": 150 - MAX_STEPS,
        "kinds": 150 - MAX_KINDS,
        "causes": 150 - MAX_CAUSES,
        "utilisation": 150 - MAX_NODES,
        "alerts": 50,
        "degraded": 150 - MAX_REASONS,
    }
    assert (made.more_jobs, made.more_alerts) == (True, True)


def test_alerts_that_fire_come_first() -> None:
    said = [
        alert("a", "1", state="pending", severity="critical"),
        alert("a", "2", silenced=True),
        alert("a", "3"),
        alert("a", "4", severity="critical"),
    ]
    assert [each["subject"] for each in report(alerts=items(*said)).alerts] == ["4", "3", "2", "1"]


def test_what_serve_says_of_an_application_is_told_once_with_its_next_step() -> None:
    server = {**failed("01000000", "It runs, but application seedcore is DEPLOY_FAILED: …"), "rule": "serve-unhealthy"}
    told = judged("application-troubled", "application seedcore", sentence="The application seedcore is DEPLOY_FAILED.")
    with_finding = build_report(Parts(jobs=items(server), findings=items(told)), "1h", NOW)
    without = build_report(Parts(jobs=items(server), findings=items()), "1h", NOW)
    subjects = [
        [each.subject for each in report.findings if "01000000" in each.subject or "seedcore" in each.subject]
        for report in (with_finding, without)
    ]
    assert subjects == [["application seedcore"], ["job 01000000"]]


def test_a_link_is_to_the_run_that_is_told() -> None:
    rows = [
        {"id": "nightly", "session": "s1", "started_at": "2026-01-01T12:00:00.000+00:00"},
        {"id": "other", "session": "s1", "started_at": "2026-01-01T11:00:00.000+00:00"},
        {"id": "nightly", "session": "s1", "started_at": "2026-01-01T10:00:00.000+00:00"},
        {"id": "a/b", "session": "s1", "started_at": "2026-01-01T09:00:00.000+00:00"},
        {"id": "a/b", "session": "s0", "started_at": "2026-01-01T08:00:00.000+00:00"},
        {"id": "other", "session": "s0", "started_at": None},
    ]
    assert build_job_links(rows, "s1") == [
        "/jobs/nightly",
        "/jobs/other",
        "/jobs/nightly@2026-01-01T10:00:00.000+00:00",
        "/jobs/a%2Fb",
        "/jobs/a%2Fb@s0",
        "/jobs/other@s0",
    ]

"""The diagnosis in the report: beside what it explains, in every rendering, and harmless."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serve_app.errors import Unavailable
from serve_app.jobs.diagnosis import models
from serve_app.readiness import Part
from serve_app.report import Report, parse_report
from serve_app.report.causes import UNKNOWN, Cause, build_cause
from serve_app.report.findings import build_job_links
from serve_app.report.html import render_html
from serve_app.report.text import render_markdown, render_text
from tests.unit.fakes import job, organ, served
from tests.unit.report.test_report import report

BRIEF: dict[str, Any] = {
    "code": "app.import-error",
    "title": "module not found",
    "certainty": "certain",
    "class": "permanent",
    "evidence": {"source": "job-driver-02.log", "line": 7, "quote": "No module named 'x'"},
    "advice": "Install x.",
}
CAUSE = Cause(
    "app.import-error", "module not found", "certain", "job-driver-02.log, line 7: No module named 'x'", "Install x."
)


def failed(id: str = "02", **changes: Any) -> dict[str, Any]:
    code = "app.import-error"
    return job(id, verdict="BAD", outcome="failed", reason="It failed.", session="s", code=code, **changes)


def diagnosed(*rows: dict[str, Any], **briefs: Any) -> Report:
    present = Part({"cluster_info": {"session": "s"}})
    return report(*rows, diagnoses=Part({"items": {f"s/{id}": brief for id, brief in briefs.items()}}), ray=present)


@pytest.mark.parametrize(
    ("brief", "wanted"),
    [
        (BRIEF, CAUSE),
        ({**BRIEF, "code": None}, None),
        (None, None),
        ("nonsense", None),
        ({"code": "unknown", "evidence": None}, Cause("unknown", "", "", "", "")),
        (
            {"code": "x", "evidence": {"source": "fields", "line": 0, "quote": "driver_exit_code=137\x1b"}},
            Cause("x", "", "", "fields: driver_exit_code=137", ""),
        ),
    ],
)
def test_a_cause_of_a_diagnosis(brief: Any, wanted: Cause | None) -> None:
    assert build_cause(brief) == wanted


def test_it_stands_beside_the_job() -> None:
    (finding,) = diagnosed(failed(), **{"02": BRIEF}).findings
    assert finding.cause == CAUSE
    assert finding.action.startswith("Install x. ")
    assert finding.action.endswith("Evidence: GET /jobs/02/diagnosis.")
    (finding,) = diagnosed(failed()).findings
    assert (finding.cause, finding.action.endswith("Evidence: GET /jobs/02.")) == (None, True)


def test_a_cause_that_is_not_known_is_not_explained_by_itself() -> None:
    evidence = {"source": "message", "line": 1, "quote": "Job entrypoint command failed with exit code 1,"}
    brief = {
        "code": UNKNOWN,
        "title": "not known",
        "certainty": None,
        "evidence": evidence,
        "advice": "Read the lines.",
    }
    made = diagnosed(failed(), **{"02": brief})
    assert made.findings[0].action == ("Read its log, mend the cause, run it again. Evidence: GET /jobs/02/diagnosis.")
    told = [line.strip() for line in render_text(made, width=200).splitlines()]
    assert [line for line in told if line.startswith(("Cause", "Evidence"))] == [
        "Cause: not known",
        "Evidence: message, line 1: Job entrypoint command failed with exit code 1",
    ]
    assert models.UNKNOWN == UNKNOWN


@pytest.mark.parametrize(
    ("session", "present", "link"),
    [
        ("s", "s", "/jobs/02"),
        ("s", "t", "/jobs/02@s"),
        ("s", None, "/jobs/02@s"),
        ("", "s", "/jobs/02"),
    ],
)
def test_a_link_names_the_session_of_a_job_that_is_not_of_this_one(
    session: str, present: str | None, link: str
) -> None:
    ray = Part({"cluster_info": {} if present is None else {"session": present}})
    (finding,) = report({**failed(), "session": session}, ray=ray).findings
    assert finding.action.endswith(f"Evidence: GET {link}.")
    assert build_job_links([{"id": "team/a b\u00e4?", "session": "s"}], "s") == ["/jobs/team%2Fa%20b%C3%A4%3F"]


def test_two_causes_are_two_findings_though_the_jobs_failed_alike() -> None:
    made = diagnosed(failed("02"), failed("03"), failed("04"), **{"02": BRIEF, "03": BRIEF, "04": {"code": "unknown"}})
    assert sorted((each.count, each.cause and each.cause.code) for each in made.findings) == [
        (1, "unknown"),
        (2, "app.import-error"),
    ]


def test_every_rendering_has_it() -> None:
    made = diagnosed(failed(), **{"02": BRIEF})
    words = ("app.import-error (certain): module not found", "job-driver-02.log, line 7: No module named", "Install x.")
    for text in (render_text(made, width=200), render_markdown(made), render_html(made)):
        assert [word for word in words if word not in text.replace("\\_", "_")] == []
    assert parse_report(json.loads(json.dumps(made.to_json()))) == made
    old = json.loads(json.dumps(made.to_json()))
    del old["findings"][0]["cause"]
    assert parse_report(old).findings[0].cause is None


def test_what_a_log_says_stays_text() -> None:
    quote = "</p><script>alert(1)</script>\x1b[2J| `x` " + "y" * 5_000
    hostile = {"code": "x", "title": quote, "evidence": {"source": quote, "line": 1, "quote": quote}, "advice": quote}
    made = diagnosed(failed(), **{"02": hostile})
    assert "<script>" not in render_html(made) + render_markdown(made)
    assert "\x1b" not in render_text(made)
    assert max(map(len, render_text(made, width=120).splitlines())) <= 170


def test_an_organ_that_is_not_ready_says_why() -> None:
    diagnosis = {**BRIEF, "evidence": [BRIEF["evidence"]], "advice": ["Install x.", "Or not."]}
    broken = organ("a", "Utility", status="not_responding", message="No agent answers.", diagnosis=diagnosis)
    (finding,) = report(organs=[broken]).findings
    assert (finding.subject, finding.cause, finding.action.split(" Read")[0]) == ("a", CAUSE, "Install x.")


@pytest.mark.parametrize(("code", "asked"), [("app.import-error", [("diagnoses", ["s/02"])]), (None, [])])
async def test_only_rows_that_have_a_code_are_asked_for(code: str | None, asked: list[Any]) -> None:
    rows = {"items": [{**failed(), "code": code}], "next_cursor": None, "degraded": []}
    api = served(list_jobs=rows, diagnoses={"items": {"s/02": BRIEF}})
    async with api.client() as client:
        made = (await client.get("/report")).json()
    assert [each for each in api.part.asked if each[0] == "diagnoses"] == asked
    assert (made["findings"][0]["cause"] is None) is (code is None)
    assert made["degraded"] == []


async def test_diagnoses_that_cannot_be_had_are_said() -> None:
    rows = {"items": [failed()], "next_cursor": None, "degraded": []}
    api = served(list_jobs=rows, diagnoses=Unavailable("Gone."))
    async with api.client() as client:
        made = (await client.get("/report")).json()
    assert made["degraded"] == ["diagnoses: Gone."]

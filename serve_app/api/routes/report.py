"""The report."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from serve_app.api.deps import Deps
from serve_app.api.part_answer import ask_part
from serve_app.api.routes.answers import (
    PROBLEMS,
    FromDeps,
    answer_json,
    answer_text,
    describe_problems,
    describe_text_answer,
)
from serve_app.queries.windows import DEFAULT_WINDOW, Window
from serve_app.readiness import Part
from serve_app.report import MAX_JOBS, Parts, build_report
from serve_app.report.content import ASKED_ALERTS
from serve_app.report.findings import get_row_key
from serve_app.report.html import CONTENT_SECURITY_POLICY, render_html
from serve_app.report.text import render_markdown, render_text
from serve_app.schemas.report import ReportAnswer
from serve_app.strict import StrictModel

router = APIRouter(tags=["report"], responses=PROBLEMS | describe_problems({422: "no such format or window"}))


class ReportQuery(StrictModel):
    """How the report shall look, and over what time its numbers shall be."""

    format: Literal["json", "markdown", "text", "html"] = Field(
        default="json", description="json, markdown, text, or html: one page for a browser or a printer."
    )
    window: Window = Field(default=DEFAULT_WINDOW, description="How far back its metrics go.")


@router.get(
    "/report",
    response_model=ReportAnswer,
    summary="What to know of this cluster, and what to do first",
    responses=describe_text_answer("text/markdown", "text/plain", "text/html"),
)
async def get_report(query: Annotated[ReportQuery, Query()], deps: FromDeps) -> Response:
    """Cluster, organs with a live probe, start-up, jobs with verdicts, metrics, alerts; findings in order of action."""
    organism, jobs, nodes, resources, summary, lifecycle, findings, alerts, ray = await asyncio.gather(
        ask_part(deps.organism.status()),
        ask_part(deps.jobs.list_jobs({"limit": MAX_JOBS})),
        ask_part(deps.jobs.cluster_nodes()),
        ask_part(deps.jobs.cluster_resources()),
        ask_part(deps.jobs.summary({"window": query.window})),
        ask_part(deps.jobs.lifecycle()),
        ask_part(deps.jobs.findings()),
        ask_part(deps.alerts.alerts({"limit": ASKED_ALERTS})),
        ask_part(deps.jobs.ray_status()),
    )
    diagnoses = await _gather_diagnoses(deps, jobs)
    parts = Parts(organism, jobs, nodes, resources, summary, lifecycle, findings, alerts, diagnoses, ray)
    made = build_report(parts, query.window, datetime.now(UTC), deps.exposures)
    if query.format == "json":
        return answer_json(made.to_json())
    if query.format == "markdown":
        return answer_text(render_markdown(made), "markdown")
    if query.format == "html":
        policy = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        return answer_text(render_html(made), "html", policy)
    return answer_text(render_text(made))


async def _gather_diagnoses(deps: Deps, jobs: Part) -> Part:
    """Of those rows that have a code: most jobs did not fail."""
    rows = (jobs.value or {}).get("items") or ()
    keys = [get_row_key(row) for row in rows if row.get("code")]
    return await ask_part(deps.jobs.diagnoses(keys)) if keys else Part({"items": {}})

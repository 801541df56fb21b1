"""The report."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from serve_app.asking import part_of
from serve_app.report import MAX_JOBS, build_report
from serve_app.report.text import render_markdown, render_text
from serve_app.routes.answers import PROBLEMS, FromDeps, json_answer, problems

router = APIRouter(tags=["report"], responses=PROBLEMS | problems({422: "no such format"}))


class ReportQuery(BaseModel):
    """How the report shall look."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["json", "markdown", "text"] = Field(default="json", description="json, markdown or text.")


@router.get("/report", summary="What to know of this cluster, and what to do first")
async def report(query: Annotated[ReportQuery, Query()], deps: FromDeps) -> Response:
    """Cluster, organs with a live probe, jobs with verdicts, and findings in the order in which to act."""
    parts = await asyncio.gather(
        part_of(deps.organism.status()),
        part_of(deps.jobs.list_jobs({"limit": MAX_JOBS})),
        part_of(deps.jobs.cluster_nodes()),
        part_of(deps.jobs.cluster_resources()),
    )
    made = build_report(*parts, now=datetime.now(UTC))
    if query.format == "json":
        return json_answer(made.to_json())
    if query.format == "markdown":
        return Response(render_markdown(made), media_type="text/markdown; charset=utf-8")
    return Response(render_text(made), media_type="text/plain; charset=utf-8")

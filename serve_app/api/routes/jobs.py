"""The jobs of the cluster, as they are."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from organs.times import format_exactly
from serve_app.api.routes.answers import (
    PROBLEMS,
    FromDeps,
    JobId,
    answer_json,
    answer_text,
    describe_problems,
    describe_text_answer,
)
from serve_app.jobs.queries import HierarchyQuery, JobsQuery
from serve_app.queries.windows import DEFAULT_WINDOW, Window
from serve_app.schemas.diagnosis import DiagnosisAnswer
from serve_app.schemas.findings import FindingsAnswer
from serve_app.schemas.hierarchy import HierarchyAnswer, LifecycleAnswer
from serve_app.schemas.jobs import CurrentJobAnswer, JobAnswer, JobPage
from serve_app.schemas.summary import JobsSummaryAnswer
from serve_app.strict import StrictModel

router = APIRouter(
    prefix="/jobs", tags=["jobs"], responses=PROBLEMS | describe_problems({422: "a filter means nothing"})
)


Words = Annotated[Literal["built-in", "model"], Query(description="Who puts it into words; a model if one is set.")]


class SummaryQuery(StrictModel):
    """Over what time."""

    window: Window = Field(default=DEFAULT_WINDOW, description="Back from now.")


@router.get("", response_model=JobPage, summary="All jobs, newest first")
async def list_jobs(query: Annotated[JobsQuery, Query()], deps: FromDeps) -> Response:
    """Each job with kind, outcome, verdict and the reason for it."""
    return answer_json(await deps.jobs.list_jobs(_render_plain(query)))


@router.get("/current", response_model=CurrentJobAnswer, summary="The job that this application runs in")
async def get_current_job(deps: FromDeps) -> Response:
    """Ray's own lists hide it."""
    return answer_json(await deps.jobs.current())


@router.get("/summary", response_model=JobsSummaryAnswer, summary="The five figures over a window")
async def summarize_jobs(query: Annotated[SummaryQuery, Query()], deps: FromDeps) -> Response:
    """Success rate, durations, error rate by cause, real utilisation, response times of this API."""
    return answer_json(await deps.jobs.summary(query.model_dump()))


@router.get(
    "/hierarchy",
    response_model=HierarchyAnswer,
    summary="Who schedules and manages what",
    responses=describe_text_answer("text/plain"),
)
async def get_hierarchy(query: Annotated[HierarchyQuery, Query()], deps: FromDeps) -> Response:
    """Orchestrator, service, job, driver, actors, organ, agents; every line with what proves its place."""
    answer = await deps.jobs.hierarchy(query.model_dump())
    if "text" in answer:
        return answer_text(answer["text"])
    return answer_json(answer)


@router.get("/lifecycle", response_model=LifecycleAnswer, summary="How this cluster came up")
async def get_lifecycle(deps: FromDeps) -> Response:
    """Head, Serve, application, initialization, ready, with times from records."""
    return answer_json(await deps.jobs.lifecycle())


@router.get("/findings", response_model=FindingsAnswer, summary="What is wrong beyond single verdicts")
async def list_findings(deps: FromDeps) -> Response:
    """Stuck, missing and overdue jobs, and actors that outlived their job."""
    return answer_json(await deps.jobs.findings())


@router.get(
    "/{id}/diagnosis",
    response_model=DiagnosisAnswer,
    summary="Why it failed, or whether it makes progress",
    responses=describe_problems(
        {404: "no such job", 429: "too many are being diagnosed", 504: "it takes long; ask again"}
    ),
)
async def get_diagnosis(id: JobId, deps: FromDeps, words: Words = "built-in") -> Response:
    """Code, certainty, evidence with file and line, and advice; from Ray's tables and the logs, which are read once."""
    return answer_json(await deps.jobs.diagnosis(id, words == "model"))


@router.get("/{id}", response_model=JobAnswer, summary="One job", responses=describe_problems({404: "no such job"}))
async def get_job(id: JobId, deps: FromDeps) -> Response:
    """By job id or submission id, with expectation, evidence, driver, timeline, actors and tasks."""
    return answer_json(await deps.jobs.get_job(id))


def _render_plain(query: JobsQuery) -> dict[str, str | int]:
    return {
        name: format_exactly(value) if isinstance(value, datetime) else value
        for name, value in query
        if value is not None
    }

"""The jobs of the cluster, as they are."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from serve_app.api.routes.answers import PROBLEMS, FromDeps, json_answer, problems
from serve_app.api.schemas import reference
from serve_app.strict import StrictModel

router = APIRouter(prefix="/jobs", tags=["jobs"], responses=PROBLEMS | problems({422: "a filter means nothing"}))


def _no_number(value: object) -> object:
    """``2026`` is meant as a year; as seconds since 1970, which a number would be, it would filter nothing."""
    if isinstance(value, str) and value.lstrip("+-").replace(".", "", 1).isdigit():
        raise PydanticCustomError("time", "Input should be an RFC 3339 time, as 2026-01-31T12:00:00Z")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_no_number)]
Words = Annotated[Literal["built-in", "model"], Query(description="Who puts it into words; a model if one is set.")]


class JobsQuery(StrictModel):
    """Filters of the list; one that does not exist is an error, since a misspelt filter would filter nothing."""

    kind: str | None = Field(default=None, max_length=64, description="For example `user`.")
    status: Literal["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED"] | None = Field(
        default=None, description="Ray's word."
    )
    outcome: Literal["pending", "running", "succeeded", "failed", "stopped", "ended_unknown", "lost"] | None = Field(
        default=None, description="What really happened."
    )
    verdict: Literal["OK", "WARN", "BAD", "UNKNOWN"] | None = Field(
        default=None, description="Whether that was expected."
    )
    since: Time | None = Field(default=None, description="Started at or after (RFC 3339).")
    until: Time | None = Field(default=None, description="Started before (RFC 3339).")
    q: str | None = Field(default=None, min_length=1, max_length=200, description="Text in id, entrypoint or metadata.")
    limit: int = Field(default=100, ge=1, le=500, description="Most rows in the answer.")
    cursor: str | None = Field(default=None, max_length=1024, description="`next_cursor` of the page before.")


class SummaryQuery(StrictModel):
    """Over what time."""

    window: Literal["5m", "1h", "24h", "7d"] = Field(default="1h", description="Back from now.")


class HierarchyQuery(StrictModel):
    """How the tree shall look."""

    format: Literal["json", "text", "mermaid"] = Field(default="json", description="json, an indented text, Mermaid.")


@router.get("", summary="All jobs, newest first")
async def list_jobs(query: Annotated[JobsQuery, Query()], deps: FromDeps) -> Response:
    """Each job with kind, outcome, verdict and the reason for it."""
    return json_answer(await deps.jobs.list_jobs(_plain(query)))


@router.get("/current", summary="The job that this application runs in")
async def current(deps: FromDeps) -> Response:
    """Ray's own lists hide it."""
    return json_answer(await deps.jobs.current())


@router.get("/summary", summary="The five figures over a window")
async def summary(query: Annotated[SummaryQuery, Query()], deps: FromDeps) -> Response:
    """Success rate, durations, error rate by cause, real utilisation, response times of this API."""
    return json_answer(await deps.jobs.summary(query.model_dump()))


@router.get("/hierarchy", summary="Who schedules and manages what")
async def hierarchy(query: Annotated[HierarchyQuery, Query()], deps: FromDeps) -> Response:
    """Orchestrator, service, job, driver, actors, organ, agents; every line with what proves its place."""
    answer = await deps.jobs.hierarchy(query.model_dump())
    if query.format == "json":
        return json_answer(answer)
    return Response(answer["text"], media_type="text/plain; charset=utf-8")


@router.get("/lifecycle", summary="How this cluster came up")
async def lifecycle(deps: FromDeps) -> Response:
    """Head, Serve, application, initialization, ready, with times from records."""
    return json_answer(await deps.jobs.lifecycle())


@router.get("/findings", summary="What is wrong beyond single verdicts")
async def findings(deps: FromDeps) -> Response:
    """Stuck, missing and overdue jobs, and actors that outlived their job."""
    return json_answer(await deps.jobs.findings())


@router.get(
    "/{id}/diagnosis",
    summary="Why it failed, or whether it makes progress",
    responses={
        200: {
            "description": "what is known",
            "content": {"application/json": {"schema": reference("DiagnosisAnswer")}},
        },
        **problems({404: "no such job", 429: "too many are being diagnosed", 504: "it takes long; ask again"}),
    },
)
async def diagnosis(id: str, deps: FromDeps, words: Words = "built-in") -> Response:
    """Code, certainty, evidence with file and line, and advice; from Ray's tables and the logs, which are read once."""
    return json_answer(await deps.jobs.diagnosis(id, words == "model"))


@router.get("/{id}", summary="One job", responses=problems({404: "no such job"}))
async def get_job(id: str, deps: FromDeps) -> Response:
    """By job id or submission id, with expectation, evidence, driver, timeline, actors and tasks."""
    return json_answer(await deps.jobs.get_job(id))


def _plain(query: JobsQuery) -> dict[str, object]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in query if value is not None
    }

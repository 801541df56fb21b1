"""What operators do to jobs: submit, stop, retry, delete. Off until the configuration turns it on."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from serve_app.api.body import parse_strict_json
from serve_app.api.openapi import refer_to
from serve_app.api.routes.answers import PROBLEMS, FromDeps, JobId, answer_json, describe_problems
from serve_app.jobs.actions.bodies import RetryBody, StopBody, SubmitBody, read
from serve_app.jobs.actions.rules import require_on
from serve_app.metrics.responses import excuse_wait
from serve_app.schemas.changes import DeleteAnswer, RetryAnswer, StopAnswer, SubmitAnswer


def require_switched_on(deps: FromDeps) -> None:
    """Raise ``Forbidden`` (``job_management_off``) until the configuration turns it on."""
    require_on(deps.management)


router = APIRouter(
    prefix="/jobs",
    tags=["job management"],
    dependencies=[Depends(require_switched_on)],
    responses=PROBLEMS
    | describe_problems(
        {
            403: "role, Host or Origin; `job_management_off`; or the configuration does not allow it",
            404: "no such job",
            409: "not in this state; the code says why",
            413: "body too large",
            415: "body compressed, or not said to be JSON",
            422: "not such a body",
            502: "Ray refused",
        }
    ),
)


def _describe_body(model: type, *, required: bool) -> dict[str, Any]:
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": refer_to(model)}}}}


@router.post(
    "",
    response_model=SubmitAnswer,
    summary="Submit a job",
    status_code=201,
    responses={
        200: {"description": "the same job was submitted before", "model": SubmitAnswer},
        **describe_problems({504: "`submission_unknown`"}),
    },
    openapi_extra=_describe_body(SubmitBody, required=True),
)
async def submit_job(request: Request, deps: FromDeps) -> Response:
    """201 with its id; 200 when the same id and body were submitted before; 409 when the id has another body."""
    done = await deps.jobs.submit_job(read(SubmitBody, parse_strict_json(await request.body())).model_dump())
    return answer_json(done, 201 if done["created"] else 200)


@router.post(
    "/{id}/stop",
    response_model=StopAnswer,
    summary="Stop a job",
    responses={202: {"description": "not over yet; `sentence` says how far it got", "model": StopAnswer}},
    openapi_extra=_describe_body(StopBody, required=False),
)
async def stop_job(id: JobId, request: Request, deps: FromDeps) -> Response:
    """200 when it is over and its driver is gone, as far as Ray can tell; 202 when that is not so yet."""
    raw = await request.body()
    wanted = read(StopBody, parse_strict_json(raw)) if raw.strip() else StopBody()
    excuse_wait(request.scope, wanted.wait_s)
    done = await deps.jobs.stop_job(id, wanted.wait_s)
    return answer_json(done, 200 if done["stopped"] else 202)


@router.post(
    "/{id}/retry",
    response_model=RetryAnswer,
    summary="Submit a job that ended once more",
    status_code=201,
    responses={
        200: {"description": "that retry exists already", "model": RetryAnswer},
        **describe_problems({504: "`submission_unknown`"}),
    },
    openapi_extra=_describe_body(RetryBody, required=False),
)
async def retry_job(id: JobId, request: Request, deps: FromDeps) -> Response:
    """A new submission, linked by metadata. 409 for what is on its way, succeeded, or would fail again."""
    raw = await request.body()
    wanted = read(RetryBody, parse_strict_json(raw)) if raw.strip() else RetryBody()
    done = await deps.jobs.retry_job(id, wanted.force)
    return answer_json(done, 201 if done["created"] else 200)


@router.delete("/{id}", response_model=DeleteAnswer, summary="Have Ray forget a job that is over")
async def delete_job(id: JobId, deps: FromDeps) -> Response:
    """Submissions only; Ray keeps drivers until it ends."""
    return answer_json(await deps.jobs.delete_job(id))

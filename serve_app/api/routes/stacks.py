"""Where the processes of running jobs are."""

from __future__ import annotations

from fastapi import APIRouter, Response

from serve_app.api.routes.answers import PROBLEMS, FromDeps, JobId, answer_json, describe_problems
from serve_app.schemas.logs import StacksAnswer

router = APIRouter(prefix="/jobs", tags=["jobs"], responses=PROBLEMS)


@router.get(
    "/{id}/stacks",
    response_model=StacksAnswer,
    summary="Where a running job is",
    responses=describe_problems(
        {
            404: "no such job",
            409: "`stacks_disabled`, `stacks_not_installed`, `stacks_unavailable`, `job_not_running`, "
            "`driver_not_known`, `driver_node_gone`",
            422: "not an id",
            429: "too many at once",
        }
    ),
)
async def get_stacks(id: JobId, deps: FromDeps) -> Response:
    """Python stacks of its driver, its workers and its actors, redacted and cut. Needs Ray's profiling endpoint and
    py-spy on the nodes; without them the answer says what is missing."""
    return answer_json(await deps.jobs.job_stacks(id))

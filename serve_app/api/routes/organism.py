"""The organism: what it is, its initialization, and tasks for its organs."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from organs.models import Task
from serve_app.api.body import InitializeBody, OldTask, parse_strict_json
from serve_app.api.idempotency import get_request_key
from serve_app.api.openapi import refer_to
from serve_app.api.routes.answers import (
    OF_BODIES,
    PROBLEMS,
    FromDeps,
    Responses,
    answer_json,
    describe_problems,
    get_deps,
)
from serve_app.api.tasks import execute_task, parse_task, select_organs
from serve_app.errors import InvalidInput, NotFound
from serve_app.schemas.organism import (
    InitializeAnswer,
    OrganismCounts,
    OrganismStatusAnswer,
    OrganismSummaryAnswer,
    TaskAnswer,
)

router = APIRouter(prefix="/organism", tags=["organism"], responses=PROBLEMS)

_TASK_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A task, or the old form.",
        "content": {
            "application/json": {
                "schema": {"anyOf": [refer_to(Task), refer_to(OldTask)]},
                "examples": {
                    "skill": {"value": {"type": "memory.put", "parameters": {"key": "greeting", "value": "hello"}}},
                    "plain word": {"value": {"type": "test_task", "description": "look around"}},
                    "old form": {"value": {"task_data": {"type": "test_task", "description": "look around"}}},
                },
            }
        },
    },
}
_TASK_ANSWERS: Responses = {
    200: {"description": "what the agent answered; the skill's own result is in `result.output`"},
    **OF_BODIES,
    **describe_problems(
        {
            404: "no such organ",
            422: "not a task, or no such skill",
            429: "the organ's queue is full",
            502: "the skill failed",
            504: "the deadline passed",
        }
    ),
}

_INITIALIZE = TypeAdapter(InitializeBody)


@router.get("/status", response_model=OrganismStatusAnswer, summary="Organs, agents, probes, initialization")
async def get_organism_status(deps: FromDeps) -> Response:
    """Each organ with its agents and its last end-to-end probe."""
    now = await deps.organism.status()
    answer: OrganismStatusAnswer = {
        "success": True,
        "data": now["organs"],
        "initialization": now["initialization"],
        "as_of": now["as_of"],
    }
    return answer_json(answer)


@router.get("/summary", response_model=OrganismSummaryAnswer, summary="The organism in numbers")
async def summarize_organism(deps: FromDeps) -> Response:
    """Numbers of organs and agents, and whether the organism is initialized."""
    now = await deps.organism.status()
    organs = now["organs"]
    content: OrganismCounts = {
        "initialized": now["initialization"]["state"] == "succeeded",
        "organ_count": len(organs),
        "total_agent_count": sum(organ["agent_count"] for organ in organs),
        "organs": {
            organ["organ_id"]: {
                "organ_type": organ["organ_type"],
                "status": organ["status"],
                "agent_count": organ["agent_count"],
                "desired_agent_count": organ["desired_agent_count"],
            }
            for organ in organs
        },
    }
    answer: OrganismSummaryAnswer = {"success": True, "summary": content, "as_of": now["as_of"]}
    return answer_json(answer)


@router.post(
    "/initialize",
    response_model=InitializeAnswer,
    summary="Run the initialization job if it is due",
    status_code=202,
    responses=OF_BODIES
    | describe_problems({422: "not such a body"})
    | {200: {"description": "nothing is due", "model": InitializeAnswer}},
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": refer_to(InitializeBody)}}}},
)
async def initialize_organism(request: Request, deps: FromDeps) -> Response:
    """202 with the job's submission id (the same while one runs); 200 when nothing is due, unless forced."""
    raw = await request.body()
    wanted = _validate_body(_INITIALIZE, parse_strict_json(raw)) if raw.strip() else InitializeBody()
    done = await deps.organism.initialize_once(wanted.force, get_request_key(request.scope))
    answer: InitializeAnswer = {"success": True, **done}
    return answer_json(answer, 200 if done["state"] == "initialized" else 202)


@router.post(
    "/execute",
    response_model=TaskAnswer,
    summary="A task for the organ that has the skill",
    responses=_TASK_ANSWERS,
    openapi_extra=_TASK_BODY,
)
async def execute_by_skill(request: Request) -> Response:
    """The task's type names a skill; an organ that has it is chosen."""
    deps = get_deps(request)
    task = parse_task(await request.body(), deps)
    candidates = select_organs(task["type"], await deps.organs.skills(), any_for_plain_words=False)
    return answer_json(await execute_task(deps, random.choice(candidates), task, request.scope))  # noqa: S311 - a choice between equals, no secret


@router.post(
    "/execute/random",
    response_model=TaskAnswer,
    summary="A task for any organ",
    responses=_TASK_ANSWERS,
    openapi_extra=_TASK_BODY,
)
async def execute_anywhere(request: Request) -> Response:
    """Any organ for a plain word; any organ that has the skill for a dotted type."""
    deps = get_deps(request)
    task = parse_task(await request.body(), deps)
    candidates = select_organs(task["type"], await deps.organs.skills(), any_for_plain_words=True)
    return answer_json(await execute_task(deps, random.choice(candidates), task, request.scope))  # noqa: S311 - a choice between equals, no secret


@router.post(
    "/execute/{organ_id}",
    response_model=TaskAnswer,
    summary="A task for this organ",
    responses=_TASK_ANSWERS,
    openapi_extra={
        **_TASK_BODY,
        "parameters": [{"name": "organ_id", "in": "path", "required": True, "schema": {"type": "string"}}],
    },
)
async def execute_on(request: Request) -> Response:
    """Serve's router chooses the agent. Organs that exist are answered before this is reached, in ``api.app``."""
    deps = get_deps(request)
    organ_id = request.path_params["organ_id"]
    if organ_id not in deps.organs.ids:
        raise NotFound(f"There is no organ {organ_id!r}; the organs are {', '.join(deps.organs.ids)}.")
    return answer_json(await execute_task(deps, organ_id, parse_task(await request.body(), deps), request.scope))


def _validate_body(adapter: TypeAdapter[InitializeBody], value: Any) -> InitializeBody:
    if not isinstance(value, Mapping) or set(value) - {"force"} or not isinstance(value.get("force", False), bool):
        raise InvalidInput('The body may be absent, or {"force": true}.')
    return adapter.validate_python(value)

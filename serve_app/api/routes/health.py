"""Alive, and ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from fastapi import APIRouter, Response

from serve_app.api.part_answer import ask_part
from serve_app.api.routes.answers import REFUSED, RETRY_AFTER, FromDeps, answer_json
from serve_app.errors import Unavailable
from serve_app.readiness import Part, judge_readiness
from serve_app.schemas.health import AliveAnswer, ReadyAnswer

router = APIRouter(tags=["health"], responses=REFUSED)


@router.get("/health", response_model=AliveAnswer, summary="Is this process alive?")
async def get_health() -> Response:
    """200 while the process can answer; touches nothing else."""
    answer: AliveAnswer = {"status": "alive"}
    return answer_json(answer)


@router.get(
    "/ready",
    response_model=ReadyAnswer,
    summary="Can this application do its work?",
    responses={503: {"description": "not ready", "model": ReadyAnswer, **RETRY_AFTER}},
)
async def get_readiness(deps: FromDeps) -> Response:
    """200 `ready` or `degraded`, 503 `not_ready`, with the reasons and a check for each part."""
    parts = await _gather(deps.store.ping(), deps.organism.status(), deps.jobs.ray_status())
    now = judge_readiness(*parts)
    body: ReadyAnswer = {"status": now.status, "reasons": list(now.reasons), "checks": dict(now.checks)}
    answer = answer_json(body, now.http_status)
    if now.status == "not_ready":
        answer.headers["Retry-After"] = str(Unavailable.retry_after_s)
    return answer


async def _gather(*calls: Awaitable[Mapping[str, Any]]) -> list[Part]:
    return list(await asyncio.gather(*(ask_part(call) for call in calls)))

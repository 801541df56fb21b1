"""Alive, and ready."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response

from serve_app.api.part_answer import ask_part
from serve_app.api.routes.answers import REFUSED, RETRY_AFTER, FromDeps, answer_json
from serve_app.errors import Unavailable
from serve_app.readiness import judge_readiness
from serve_app.schemas.health import AliveAnswer, ReadyAnswer

router = APIRouter(tags=["health"], responses=REFUSED)

_PATIENCE_S = 2.0


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
    now = judge_readiness(
        *await asyncio.gather(
            ask_part(deps.store.ping()),
            ask_part(deps.organism.status()),
            ask_part(deps.jobs.ray_status()),
            # They can only degrade it, and whoever asks for readiness has little time.
            ask_part(deps.alerts.alerts({"limit": 1}), _PATIENCE_S),
            ask_part(deps.jobs.deployment_troubles(), _PATIENCE_S),
        )
    )
    body: ReadyAnswer = {"status": now.status, "reasons": list(now.reasons), "checks": dict(now.checks)}
    answer = answer_json(body, now.http_status)
    if now.status == "not_ready":
        answer.headers["Retry-After"] = str(Unavailable.retry_after_s)
    return answer

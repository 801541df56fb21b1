"""Alive, and ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response

from serve_app.api.part_answer import part_of
from serve_app.api.routes.answers import REFUSED, FromDeps, json_answer
from serve_app.readiness import Part, readiness

router = APIRouter(tags=["health"], responses=REFUSED)


@router.get("/health", summary="Is this process alive?")
async def health() -> Response:
    """200 while the process can answer; touches nothing else."""
    return json_answer({"status": "alive"})


@router.get("/ready", summary="Can this application do its work?", responses={503: {"description": "not ready"}})
async def ready(deps: FromDeps) -> Response:
    """200 `ready` or `degraded`, 503 `not_ready`, with the reasons and a check for each part."""
    parts = await _gather(deps.store.ping(), deps.organism.status(), deps.jobs.ray_status())
    now = readiness(*parts)
    return json_answer(asdict(now), now.http_status)


async def _gather(*calls: Awaitable[dict[str, Any]]) -> list[Part]:
    return list(await asyncio.gather(*(part_of(call) for call in calls)))

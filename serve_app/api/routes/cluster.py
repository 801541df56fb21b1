"""What the cluster consists of."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Response

from serve_app.api.part_answer import ask_part
from serve_app.api.routes.answers import PROBLEMS, FromDeps, answer_json, describe_problems
from serve_app.jobs.queries import ActorsQuery
from serve_app.schemas.cluster import ActorPage, LeftoverPage, NodePage, RayStatusAnswer, ResourcesAnswer

router = APIRouter(tags=["cluster"], responses=PROBLEMS | describe_problems({422: "a filter means nothing"}))


@router.get("/ray/status", response_model=RayStatusAnswer, summary="Is Ray there, with what?")
async def get_ray_status(deps: FromDeps) -> Response:
    """Availability, version, nodes and resources; and which code each replica of this application runs.

    While one version replaces another the inspector may not know the question for the versions.
    """
    answer, versions = await asyncio.gather(deps.jobs.ray_status(), ask_part(deps.jobs.code_versions()))
    if versions.value is None:
        return answer_json({**answer, "degraded": [*answer["degraded"], f"versions: {versions.error}"]})
    return answer_json({**answer, "versions": versions.value})


@router.get("/cluster/resources", response_model=ResourcesAnswer, summary="Logical resources, in all and free")
async def get_resources(deps: FromDeps) -> Response:
    """As Ray counts them."""
    return answer_json(await deps.jobs.cluster_resources())


@router.get("/cluster/nodes", response_model=NodePage, summary="Nodes, dead ones too")
async def list_nodes(deps: FromDeps) -> Response:
    """Each with its state and resources."""
    return answer_json(await deps.jobs.cluster_nodes())


@router.get("/cluster/actors", response_model=ActorPage, summary="Actors")
async def list_actors(query: Annotated[ActorsQuery, Query()], deps: FromDeps) -> Response:
    """A page of actors, filtered."""
    return answer_json(await deps.jobs.cluster_actors(query.model_dump(exclude_none=True)))


@router.get("/cluster/leftovers", response_model=LeftoverPage, summary="Actors that outlived their job")
async def list_leftovers(deps: FromDeps) -> Response:
    """One entry for each job that left some."""
    return answer_json(await deps.jobs.cluster_leftovers())

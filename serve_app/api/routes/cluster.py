"""What the cluster consists of."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from serve_app.api.routes.answers import PROBLEMS, FromDeps, json_answer, problems
from serve_app.jobs.queries import ActorsQuery
from serve_app.schemas.cluster import ActorPage, LeftoverPage, NodePage, RayStatusAnswer, ResourcesAnswer

router = APIRouter(tags=["cluster"], responses=PROBLEMS | problems({422: "a filter means nothing"}))


@router.get("/ray/status", response_model=RayStatusAnswer, summary="Is Ray there, with what?")
async def get_ray_status(deps: FromDeps) -> Response:
    """Availability, version, nodes and resources; and which code each replica of this application runs."""
    return json_answer(await deps.jobs.ray_status(versions=True))


@router.get("/cluster/resources", response_model=ResourcesAnswer, summary="Logical resources, in all and free")
async def get_resources(deps: FromDeps) -> Response:
    """As Ray counts them."""
    return json_answer(await deps.jobs.cluster_resources())


@router.get("/cluster/nodes", response_model=NodePage, summary="Nodes, dead ones too")
async def list_nodes(deps: FromDeps) -> Response:
    """Each with its state and resources."""
    return json_answer(await deps.jobs.cluster_nodes())


@router.get("/cluster/actors", response_model=ActorPage, summary="Actors")
async def list_actors(query: Annotated[ActorsQuery, Query()], deps: FromDeps) -> Response:
    """A page of actors, filtered."""
    return json_answer(await deps.jobs.cluster_actors(query.model_dump(exclude_none=True)))


@router.get("/cluster/leftovers", response_model=LeftoverPage, summary="Actors that outlived their job")
async def list_leftovers(deps: FromDeps) -> Response:
    """One entry for each job that left some."""
    return json_answer(await deps.jobs.cluster_leftovers())

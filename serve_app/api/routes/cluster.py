"""What the cluster consists of."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from serve_app.api.routes.answers import PROBLEMS, FromDeps, json_answer, problems
from serve_app.strict import StrictModel

router = APIRouter(tags=["cluster"], responses=PROBLEMS | problems({422: "a filter means nothing"}))


class ActorsQuery(StrictModel):
    """Filters of the list of actors."""

    state: str | None = Field(default=None, max_length=64, description="For example `ALIVE` or `DEAD`.")
    job_id: str | None = Field(default=None, max_length=64)
    class_name: str | None = Field(default=None, max_length=256)
    limit: int = Field(default=100, ge=1, le=500, description="Most rows in the answer.")
    cursor: str | None = Field(default=None, max_length=1024, description="`next_cursor` of the page before.")


@router.get("/ray/status", summary="Is Ray there, with what?")
async def ray_status(deps: FromDeps) -> Response:
    """Availability, version, nodes and resources."""
    return json_answer(await deps.jobs.ray_status())


@router.get("/cluster/resources", summary="Logical resources, in all and free")
async def resources(deps: FromDeps) -> Response:
    """As Ray counts them."""
    return json_answer(await deps.jobs.cluster_resources())


@router.get("/cluster/nodes", summary="Nodes, dead ones too")
async def nodes(deps: FromDeps) -> Response:
    """Each with its state and resources."""
    return json_answer(await deps.jobs.cluster_nodes())


@router.get("/cluster/actors", summary="Actors")
async def actors(query: Annotated[ActorsQuery, Query()], deps: FromDeps) -> Response:
    """A page of actors, filtered."""
    return json_answer(await deps.jobs.cluster_actors(query.model_dump(exclude_none=True)))


@router.get("/cluster/leftovers", summary="Actors that outlived their job")
async def leftovers(deps: FromDeps) -> Response:
    """One entry for each job that left some."""
    return json_answer(await deps.jobs.cluster_leftovers())

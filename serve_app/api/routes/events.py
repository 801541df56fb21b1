"""Where Ray's own event export pushes to (``RAY_DASHBOARD_AGGREGATOR_AGENT_EVENTS_EXPORT_ADDR``)."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Body, Response
from pydantic import JsonValue, SkipValidation

from serve_app.api.body import refuse_deep
from serve_app.api.routes.answers import OF_PARTS, REFUSED, FromDeps, answer_json, describe_problems
from serve_app.env import get_variable
from serve_app.errors import Forbidden, NotFound
from serve_app.schemas.cluster import EventsAnswer

_REFUSED = REFUSED | OF_PARTS | describe_problems(
    {404: "not the key", 413: "body too large", 415: "body compressed, or not JSON", 422: "no list of events"}
)
router = APIRouter(prefix="/events", tags=["events"], responses=_REFUSED)

# Ray's events have 7 levels; pickle, which takes them to the inspector, fails at some 400.
MAX_DEPTH = 100
# It has been parsed as JSON: looking at each value again costs ten times as much.
Event = dict[str, SkipValidation[JsonValue]]


@router.post("/{key}", response_model=EventsAnswer, summary="Events of Ray")
async def take_events(key: str, events: Annotated[list[Event], Body(max_length=2_000)], deps: FromDeps) -> Response:
    """Ray cannot send a token, so the last part of the path is the secret that its address was given."""
    if deps.events_key is None:
        raise Forbidden(
            f"Events are not taken: set {get_variable('events_key')} in the environment of the Ray nodes, and Ray's "
            "RAY_DASHBOARD_AGGREGATOR_AGENT_EVENTS_EXPORT_ADDR to this address with that key.",
            code="events_off",
        )
    if not hmac.compare_digest(key.encode(errors="replace"), deps.events_key.encode()):
        raise NotFound("There is nothing here.")
    refuse_deep(events, MAX_DEPTH)
    return answer_json(await deps.jobs.take_events(events))

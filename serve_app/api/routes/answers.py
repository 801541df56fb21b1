"""How routes get their dependencies, give their answers, and say in OpenAPI what those are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, cast

from fastapi import Depends, Request, Response
from pydantic import BeforeValidator
from pydantic_core import to_json

from serve_app.api.deps import Deps
from serve_app.api.limits import STATE_KEY, Use
from serve_app.hidden.held import hide_held, hide_held_in_bytes
from serve_app.route_path import restore_slashes

Responses = dict[int | str, dict[str, Any]]

# What may be otherwise the next time: the errors of these have a time (``errors``).
_MAY_PASS = (429, 502, 503, 504)
RETRY_AFTER: dict[str, Any] = {
    "headers": {
        "Retry-After": {
            "description": "Seconds after which it makes sense to ask again.",
            "required": True,
            "schema": {"type": "integer", "minimum": 1},
        }
    }
}


def describe_problems(descriptions: Mapping[int, str]) -> Responses:
    """Problem documents that a route may answer, for the OpenAPI document."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": text, "content": content, **(RETRY_AFTER if status in _MAY_PASS else {})}
        for status, text in descriptions.items()
    }


def describe_text_answer(*media_types: str) -> Responses:
    """In what other form than JSON a route answers with 200, each a text."""
    return {200: {"content": {media_type: {"schema": {"type": "string"}} for media_type in media_types}}}


REFUSED = describe_problems({400: "not understood", 403: "role, Host or Origin"})
# What every route may answer that asks a part of the application through its handle (``cluster.handles``).
OF_PARTS = describe_problems(
    {
        429: "the queue of a part is full, or a limit of this token is reached; nothing was done",
        500: "a bug here or in a part; the log has it",
        503: "a part cannot answer now",
        507: "the disk of the database is full; nothing was stored",
        504: "a part did not answer in time; whether the work was done is not known",
    }
)
# What every route may answer that reads a body (``guard``, ``body``).
OF_BODIES = describe_problems(
    {
        400: "not understood, or not JSON",
        408: "the body did not arrive in time",
        413: "body too large",
        415: "body compressed, or not said to be JSON",
    }
)
PROBLEMS = REFUSED | OF_PARTS | describe_problems({401: "no valid token"})


def get_deps(request: Request) -> Deps:
    """The dependencies that the ingress handed to ``create_api``."""
    return cast(Deps, request.app.state.deps)


def get_use(request: Request) -> Use:
    """What this request has of its caller's limits."""
    return cast(Use, getattr(request.state, STATE_KEY))


# The id of a job in a path, whatever it holds: ``%2F`` is a slash of it (``route_path.keep_slashes_of_ids``).
JobId = Annotated[str, BeforeValidator(restore_slashes)]
FromDeps = Annotated[Deps, Depends(get_deps)]


def answer_json(content: object, status: int = 200) -> Response:
    """JSON as it is: what comes from handles is plain data already, so no model is built of it again.

    Names that others gave (of actors, of tasks) are no texts that are redacted; what we hold is hidden in them, too.
    """
    return Response(hide_held_in_bytes(to_json(content)), status, media_type="application/json")


def answer_text(text: str, kind: str = "plain", headers: Mapping[str, str] | None = None) -> Response:
    """A text for people; ``kind``: plain, markdown or html."""
    return Response(hide_held(text), media_type=f"text/{kind}; charset=utf-8", headers=headers)

"""How routes get their dependencies and give their answers."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import Depends, Request, Response
from pydantic_core import to_json

from serve_app.deps import Deps

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {"application/problem+json": {}}}
    for status, text in ((401, "no valid token"), (403, "role, Host or Origin"), (503, "a part cannot answer now"))
}


def deps_of(request: Request) -> Deps:
    """The dependencies that the ingress handed to ``create_api``."""
    return cast(Deps, request.app.state.deps)


FromDeps = Annotated[Deps, Depends(deps_of)]


def json_answer(content: Any, status: int = 200) -> Response:
    """JSON as it is: what comes from handles is plain data already, so no model is built of it again."""
    return Response(to_json(content), status, media_type="application/json")

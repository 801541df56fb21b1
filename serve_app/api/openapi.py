"""The OpenAPI document: FastAPI's own, completed by what its routes read and answer by hand, and by who may call what.

Answers stand in it as ``response_model`` of their routes, which answer by themselves: nothing is validated or copied
when a request is answered. The document is made when it is first asked for.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from organs.fields import NO_NUL
from organs.models import Task
from serve_app.api.body import MAX_DEPTH, InitializeBody, OldTask
from serve_app.api.guard import find_role_needed
from serve_app.api.idempotency import has_request_key
from serve_app.jobs.actions.bodies import RetryBody, StopBody, SubmitBody
from serve_app.schemas.logs import LogEnd
from serve_app.schemas.problems import Problem

_REFERENCE = "#/components/schemas/{model}"
_BODY_VALUE = "BodyValue"
# What no route names as its `response_model`: bodies that are read by hand, errors, and the last event of a stream.
_BY_HAND: tuple[Any, ...] = (Task, OldTask, InitializeBody, SubmitBody, StopBody, RetryBody, Problem, LogEnd)


def refer_to(model: type) -> dict[str, str]:
    """A schema of the document by its type: one of ``_BY_HAND``, or one that is somewhere a ``response_model``."""
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def get_operation_name(route: APIRoute) -> str:
    """The name of an operation in generated clients: that of its function."""
    return route.name


def build_openapi(api: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if api.openapi_schema is None:
        document = FastAPI.openapi(api)
        mode: Literal["validation"] = "validation"
        by_hand = [(model.__name__, mode, TypeAdapter(model)) for model in _BY_HAND]
        shapes = TypeAdapter.json_schemas(by_hand, ref_template=_REFERENCE)[1]["$defs"]
        components = document.setdefault("components", {})
        components["schemas"] = components.get("schemas", {}) | _say_what_bodies_hold(shapes)
        components["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "Needed when any token is configured."}
        }
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                _say_who(operation, method.upper(), path)
                if has_request_key(method.upper(), path):
                    _say_key(operation)
                _say_which(operation, api.state.deps.organs.ids)
    return api.openapi_schema or {}


def _say_what_bodies_hold(shapes: dict[str, Any]) -> dict[str, Any]:
    """The same schemas, in which any JSON is what ``parse_strict_json`` takes of it."""
    text = json.dumps(shapes).replace(_REFERENCE.format(model="JsonValue"), _REFERENCE.format(model=_BODY_VALUE))
    said: dict[str, Any] = json.loads(text)
    said.pop("JsonValue", None)
    value = {"$ref": _REFERENCE.format(model=_BODY_VALUE)}
    said[_BODY_VALUE] = {
        "title": _BODY_VALUE,
        "description": f"Any JSON, at most {MAX_DEPTH} levels deep in all, without NUL in a text.",
        # Each holds for its own type: makers of clients take no union that contains itself.
        **NO_NUL,
        "items": value,
        "additionalProperties": value,
        "propertyNames": NO_NUL,
    }
    return said


def _say_which(operation: dict[str, Any], organ_ids: tuple[str, ...]) -> None:
    for parameter in operation.get("parameters", ()):
        if parameter["name"] == "organ_id":
            parameter["schema"]["enum"] = list(organ_ids)


def _say_key(operation: dict[str, Any]) -> None:
    """The header of ``api.idempotency``, which no route declares, and what it may answer."""
    operation.setdefault("parameters", []).append(
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "The same request under the same key is answered as the first for 24 hours, and done once.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
        }
    )
    told = "; `idempotency_key_reused`, `idempotency_in_progress`, `idempotency_answer_not_kept`"
    problem = {"application/problem+json": {"schema": refer_to(Problem)}}
    conflict = operation["responses"].setdefault("409", {"description": "see the code", "content": problem})
    conflict["description"] += told


def _say_who(operation: dict[str, Any], method: str, path: str) -> None:
    """The same table that the guard asks, so that it cannot say something else."""
    role = find_role_needed(method, path)
    operation["x-role"] = "none" if role is None else role.name.lower()
    operation["security"] = [] if role is None else [{"token": []}]
    operation["description"] = f"{operation.get('description', '')}\n\nRole: {operation['x-role']}.".strip()

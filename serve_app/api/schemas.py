"""What the OpenAPI document says besides the routes: the shapes of bodies and answers, and who may call what."""

from __future__ import annotations

from typing import Any, Literal, get_type_hints

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model
from pydantic.json_schema import models_json_schema

from organs.models import Task, TaskResult
from serve_app.api.guard import role_needed
from serve_app.jobs.actions.bodies import RetryBody, StopBody, SubmitBody
from serve_app.jobs.diagnosis.words.schema import DiagnosisAnswer
from serve_app.strict import StrictModel

_REFERENCE = "#/components/schemas/{model}"
_FIELDS: dict[str, Any] = {name: (kind, ...) for name, kind in get_type_hints(TaskResult).items()}
_RESULT: Any = create_model("TaskResult", **_FIELDS)


class OldTask(BaseModel):
    """A task as old clients send it; keys that mean nothing here are left alone."""

    task_data: dict[str, JsonValue]


class TaskAnswer(BaseModel):
    """What came of a task."""

    success: Literal[True]
    organ_id: str
    task_id: str = Field(description="The caller's, or one that was made for it.")
    result: _RESULT


class InitializeBody(StrictModel):
    """May be absent."""

    force: bool = Field(default=False, description="Run the job even when nothing is due.")


class Problem(BaseModel):
    """RFC 9457, with `success` and `error` for old clients. A code may add members, as `errors` or `agent_id`."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="`urn:seedcore:problem:` and the code.")
    title: str
    status: int
    detail: str = Field(description="One sentence for people.")
    code: str = Field(description="For programs; it does not change.")
    success: Literal[False]
    error: str = Field(description="The same as `detail`.")
    errors: list[dict[str, JsonValue]] = Field(default=[], description="What is wrong, at most 20 of it.")
    request_id: str = Field(default="", description="As in the log, when the request has one.")


_MODELS: tuple[type[BaseModel], ...] = (
    *(Task, OldTask, TaskAnswer, InitializeBody),
    *(SubmitBody, StopBody, RetryBody, DiagnosisAnswer),
    Problem,
)


def reference(model: str) -> dict[str, str]:
    """A schema by its name in the document."""
    return {"$ref": _REFERENCE.format(model=model)}


def openapi(api: FastAPI) -> dict[str, Any]:
    """The document: FastAPI's own, completed once."""
    if api.openapi_schema is None:
        document = FastAPI.openapi(api)
        models: list[tuple[type[BaseModel], Literal["validation"]]] = [(model, "validation") for model in _MODELS]
        shapes = models_json_schema(models, ref_template=_REFERENCE)[1]["$defs"]
        components = document.setdefault("components", {})
        components["schemas"] = components.get("schemas", {}) | shapes
        components["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "Needed when any token is configured."}
        }
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                _say_who(operation, method.upper(), path)
    return api.openapi_schema or {}


def _say_who(operation: dict[str, Any], method: str, path: str) -> None:
    """The same table that the guard asks, so that it cannot say something else."""
    role = role_needed(method, path)
    operation["x-role"] = "none" if role is None else role.name.lower()
    operation["security"] = [] if role is None else [{"token": []}]
    operation["description"] = f"{operation.get('description', '')}\n\nRole: {operation['x-role']}.".strip()

"""Tasks between HTTP and the organs: from the bytes of a request to a message, from a reply to an answer or an error.

What both ways of executing have in common: the routes, and ``app.TaskEndpoint``.
"""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from starlette.types import Scope

from organs.errors import describe_wrong_values, list_wrong_values
from organs.models import Task, TaskMessage, TaskReply
from serve_app.api.body import parse_strict_json
from serve_app.api.deps import Deps
from serve_app.api.idempotency import get_request_key
from serve_app.errors import (
    AppError,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    InvalidInput,
    NotFound,
    TooBusy,
    Unavailable,
    UpstreamFailed,
)
from serve_app.schemas.organism import TaskAnswer
from serve_app.schemas.problems import ProblemPlace

_OLD_KEYS = ("type", "description", "parameters", "task_id", "timeout_s")
_ERRORS: dict[int, type[AppError]] = {
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: InvalidInput,
    429: TooBusy,
    503: Unavailable,
    504: DeadlineExceeded,
    507: Unavailable,
}


def parse_task(raw: bytes, deps: Deps) -> TaskMessage:
    """The task of a request body.

    Raises ``MalformedBody`` for what is no strict JSON, nests more than 64 levels deep, or holds NUL or a number too
    large, and ``InvalidInput`` for what is empty or no task.
    """
    return build_task(parse_strict_json(raw), uuid.uuid4().hex, deps.config.task_timeout_s)


async def execute_task(deps: Deps, organ_id: str, task: TaskMessage, scope: Scope) -> TaskAnswer:
    """Have an organ that exists do a task; raises the ``AppError`` that its reply stands for.

    ``scope`` is that of the request, whose key goes with the task.
    """
    reply = await deps.organs.execute(organ_id, {**task, "request": get_request_key(scope)})
    error = reply_error(reply)
    if error is not None:
        raise error
    return {"success": True, "organ_id": organ_id, "task_id": task["task_id"], "result": reply["result"]}


def build_task(body: Any, task_id: str, timeout_s: float) -> TaskMessage:
    """The message for an organ; raises ``InvalidInput``.

    The old form, ``{"task_data": {…}}``, may hold keys that mean nothing here; in the new form such a key is an error.
    """
    if not isinstance(body, dict):
        raise InvalidInput("The body must be a JSON object.")
    given = body
    if "task_data" in body:
        old = body["task_data"]
        if not isinstance(old, dict):
            raise InvalidInput("task_data must be a JSON object.")
        given = {key: old[key] for key in _OLD_KEYS if old.get(key) is not None}
    try:
        task = Task.model_validate(given)
    except ValidationError as error:
        errors = list_wrong_values(error)
        raise InvalidInput(describe_wrong_values(errors), errors=errors) from None
    return {
        "type": task.type,
        "description": task.description,
        "parameters": task.parameters,
        "task_id": task.task_id or task_id,
        "timeout_s": task.timeout_s or timeout_s,
    }


def select_organs(task_type: str, skills: Mapping[str, list[str]], *, any_for_plain_words: bool) -> list[str]:
    """Organs that can take a task; raises ``InvalidInput`` naming the nearest skills when there is none."""
    having = [organ_id for organ_id, names in skills.items() if task_type in names]
    if having:
        return having
    if any_for_plain_words and "." not in task_type:
        return list(skills)
    names = sorted({name for each in skills.values() for name in each})
    nearest = difflib.get_close_matches(task_type, names, n=3, cutoff=0.5) or names
    raise InvalidInput(
        f"No organ has the skill {task_type!r}; the nearest are {', '.join(nearest)}.", code="unknown_skill"
    )


def reply_error(reply: TaskReply) -> AppError | None:
    """The error that a reply stands for, if it does."""
    problem = reply.get("problem")
    if problem is None:
        return None
    members: dict[str, Any] = {"agent_id": reply["agent_id"]}
    if "errors" in problem:
        members["errors"] = [_read_place(each, problem["detail"]) for each in problem["errors"]]
    kind = _ERRORS.get(problem["status"], UpstreamFailed)
    return kind(problem["detail"], code=problem["code"], **members)


def _read_place(said: Any, otherwise: str) -> ProblemPlace:
    """Of what a skill named wrong, also one that users write: what the document has a field for, in its type."""
    given = said if isinstance(said, Mapping) else {}
    loc, msg, kind = given.get("loc"), given.get("msg"), given.get("type")
    place: ProblemPlace = {
        "loc": [part for part in loc if type(part) in (str, int)] if isinstance(loc, list | tuple) else [],
        "msg": msg if isinstance(msg, str) else otherwise,
    }
    if isinstance(kind, str):
        place["type"] = kind
    return place

"""Tasks between HTTP and the organs: from the bytes of a request to a message, from a reply to an answer or an error.

What both ways of executing have in common: the routes, and ``app.TaskEndpoint``.
"""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from organs.models import Task, TaskMessage, TaskReply
from serve_app.api.body import parse
from serve_app.api.deps import Deps
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

_OLD_KEYS = ("type", "description", "parameters", "task_id", "timeout_s")
_ERRORS: dict[int, type[AppError]] = {
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: InvalidInput,
    429: TooBusy,
    503: Unavailable,
    504: DeadlineExceeded,
}


def parse_task(raw: bytes, deps: Deps) -> TaskMessage:
    """The task of a request body; raises ``MalformedBody`` or ``InvalidInput``."""
    return build_task(parse(raw), uuid.uuid4().hex, deps.config.task_timeout_s)


async def execute_task(deps: Deps, organ_id: str, task: TaskMessage) -> TaskAnswer:
    """Have an organ that exists do a task; raises the ``AppError`` that its reply stands for."""
    reply = await deps.organs.execute(organ_id, task)
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
        raise _describe_invalid(error) from None
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
        members["errors"] = problem["errors"]
    kind = _ERRORS.get(problem["status"], UpstreamFailed)
    return kind(problem["detail"], code=problem["code"], **members)


def _describe_invalid(error: ValidationError) -> InvalidInput:
    errors = [
        {"loc": list(each["loc"]), "msg": each["msg"], "type": each["type"]}
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    where = ".".join(str(part) for part in errors[0]["loc"])
    return InvalidInput(f"{where}: {errors[0]['msg']}.", errors=errors)

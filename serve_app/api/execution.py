"""One task, from the bytes of a request to the content of an answer: what every way of executing has in common."""

from __future__ import annotations

import uuid

from organs.models import TaskMessage
from serve_app.api.body import parse
from serve_app.api.deps import Deps
from serve_app.api.tasks import build_task, reply_error
from serve_app.schemas.organism import TaskAnswer


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

"""Ray's rows of attempts as facts: the task table has one for each (``TaskState`` of ray/util/state/common.py).

None raises on a row of Ray's.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from serve_app.cluster.rows import read_number, read_object, read_text, read_time_ms
from serve_app.jobs.progress.circles.attempts import Attempt, Successes

_NAME_CHARS = 120
# Of Ray's message on memory both ends are needed: whom it killed, and behind all that it considered who took most.
_MESSAGE_CHARS = 8_000
# Ends that a program chose, or that are none (``ErrorType`` of src/ray/protobuf/common.proto).
NO_FAILURES = frozenset({"TASK_CANCELLED", "END_OF_STREAMING_GENERATOR", "OBJECT_IN_PLASMA"})
# Ray's sentence of tasks that had not ended when their job did (src/ray/gcs/gcs_task_manager.cc).
_ENDED_WITH_JOB = "Job finishes"
_CREATION = "ACTOR_CREATION_TASK"


def parse_attempts(rows: Iterable[Any]) -> tuple[Attempt, ...]:
    """Attempts that failed, of rows in the state FAILED with their details; what a program cancelled is left out."""
    found = []
    for row in rows:
        fields = read_object(row)
        task_id, job_id = read_text(fields.get("task_id")), read_text(fields.get("job_id"))
        error_type, message = read_text(fields.get("error_type")) or "", _parse_message(fields.get("error_message"))
        if not task_id or not job_id or error_type in NO_FAILURES:
            continue
        found.append(
            Attempt(
                job_id,
                task_id,
                read_number(fields.get("attempt_number")) or 0,
                (read_text(fields.get("name")) or read_text(fields.get("func_or_class_name")) or "")[:_NAME_CHARS],
                error_type,
                message,
                read_time_ms(fields.get("end_time_ms")),
                read_text(fields.get("actor_id")),
                read_number(fields.get("worker_pid")) or None,
                read_text(fields.get("node_id")),
                read_text(fields.get("worker_id")),
                message.startswith(_ENDED_WITH_JOB),
            )
        )
    return tuple(found)


def parse_successes(rows: Iterable[Any], matching: int) -> Successes:
    """Of rows in the state FINISHED with their details; that an actor came to be is no success of it."""
    listed, last, tasks = [], dict[str, datetime](), set[str]()
    known = [fields for row in rows if (fields := read_object(row))]
    for fields in known:
        task_id, ended_at = read_text(fields.get("task_id")) or "", read_time_ms(fields.get("end_time_ms"))
        if fields.get("type") == _CREATION:
            continue
        tasks.add(task_id)
        actor_id = read_text(fields.get("actor_id"))
        if ended_at is not None:
            listed.append((task_id, ended_at))
            if actor_id:
                last[actor_id] = max(ended_at, last.get(actor_id, ended_at))
    complete = matching <= len(known)
    return Successes(matching, frozenset(tasks), tuple(listed), last, complete, complete)


def _parse_message(value: Any) -> str:
    if not isinstance(value, str) or len(value) <= _MESSAGE_CHARS:
        return value if isinstance(value, str) else ""
    half = _MESSAGE_CHARS // 2
    return f"{value[:half]}\n{value[-half:]}"

"""Attempts of tasks that failed, actors with their restarts, and what succeeded: Ray's rows as facts, frozen.

Ray's task table has one row for each attempt (``TaskState`` of ray/util/state/common.py). None raises on any row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from serve_app.cluster.rows import read_number, read_object, read_text, read_time_ms

_NAME_CHARS = 120
_MESSAGE_CHARS = 8_000
# Ends that a program chose, or that are none (``ErrorType`` of src/ray/protobuf/common.proto).
NO_FAILURES = frozenset({"TASK_CANCELLED", "END_OF_STREAMING_GENERATOR", "OBJECT_IN_PLASMA"})
# Ray's sentence of tasks that had not ended when their job did (src/ray/gcs/gcs_task_manager.cc).
_ENDED_WITH_JOB = "Job finishes"
_CREATION = "ACTOR_CREATION_TASK"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a task that failed. ``number`` counts from 0; ``message``: Ray's words, cut and not redacted.

    ``cut_off``: it had not ended when its job did, which is no failure of its own.
    """

    job_id: str
    task_id: str
    number: int
    name: str
    error_type: str
    message: str = ""
    failed_at: datetime | None = None
    actor_id: str | None = None
    pid: int | None = None
    node_id: str | None = None
    worker_id: str | None = None
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class ActorTurns:
    """An actor that lives or is being restarted, and how often it was restarted for a failure."""

    job_id: str
    actor_id: str
    name: str
    state: str
    restarts: int
    pid: int | None = None
    node_id: str | None = None


@dataclass(frozen=True, slots=True)
class Successes:
    """Attempts of one job that succeeded, as far as Ray remembers: ``total``, and of those that were listed the tasks,
    when they ended, and when the last call of each actor did. ``complete``: all were listed; ``all_retried``: of those
    that had failed before, all.
    """

    total: int = 0
    tasks: Collection[str] = frozenset()
    ended_at: tuple[tuple[str, datetime], ...] = ()
    last_by_actor: Mapping[str, datetime] = field(default_factory=dict)
    complete: bool = True
    all_retried: bool = True


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
    return value[:_MESSAGE_CHARS] if isinstance(value, str) else ""

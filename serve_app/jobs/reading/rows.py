"""Ray's rows into facts: the only place that knows Ray's field names and their quirks.

Each converter names the Ray file it mirrors. None raises on a row of Ray's: what is missing or not understood leaves
the field empty, and for jobs a mark that says so, because a row that is dropped is a job that nobody sees.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from serve_app.jobs.models import (
    ActorFacts,
    ApplicationFacts,
    DeploymentFacts,
    DriverExit,
    JobFacts,
    JobType,
    NodeFacts,
    ReplicaFacts,
    ServeFacts,
    TaskCounts,
    WaitingActor,
)
from serve_app.outcomes import ENDED_STATUSES, STATUSES
from serve_app.redaction import printable, redact, redact_mapping

_ENTRYPOINT_CHARS = 2_000
_MESSAGE_CHARS = 4_000
_DETAIL_CHARS = 300
_ID_CHARS = 256
_METADATA_ENTRIES = 50
_JOB_ID_CHARS = 8
_LATEST_S = 1e11


def job_facts(row: Any, known: Mapping[str, JobFacts]) -> JobFacts:
    """``JobDetails`` of ray/dashboard/modules/job/pydantic_models.py, times in milliseconds, 0 or null for none.

    A job that had ended when ``known`` was made is taken from there: redacting is most of the cost of a look.
    """
    fields = row if isinstance(row, dict) else {}
    ended_at = _time(fields.get("end_time"))
    before = known.get(_id_of(fields))
    if (
        before is not None
        and (before.status, before.ended_at, before.job_id)
        == (fields.get("status"), ended_at, _text(fields.get("job_id")))
        and before.status in ENDED_STATUSES
    ):
        return before
    driver = fields.get("driver_info")
    driver = driver if isinstance(driver, dict) else {}
    submission_id, status = _text(fields.get("submission_id")), _text(fields.get("status")) or ""
    message = _text(fields.get("message"))
    return JobFacts(
        id=_id_of(fields) or f"unnamed-{hashlib.sha256(repr(row).encode(errors='replace')).hexdigest()[:12]}",
        type=JobType.SUBMISSION if submission_id else JobType.DRIVER,
        status=status[:_ID_CHARS],
        job_id=_text(fields.get("job_id")),
        submission_id=submission_id,
        entrypoint=redact(_text(fields.get("entrypoint")) or "")[:_ENTRYPOINT_CHARS],
        # Its end, because the log that Ray appends ends with what happened last.
        message=None if message is None else redact(message)[-_MESSAGE_CHARS:],
        error_type=_text(fields.get("error_type")),
        started_at=_time(fields.get("start_time")),
        ended_at=ended_at,
        metadata=_metadata(fields.get("metadata")),
        node_id=_text(fields.get("driver_node_id")),
        node_ip=_text(driver.get("node_ip_address")),
        pid=_number(driver.get("pid")),
        exit_code=_number(fields.get("driver_exit_code")),
        runtime_env_keys=_names(fields.get("runtime_env")),
        marks=tuple(_marks(row, fields, status)),
    )


def driver_exits(rows: Iterable[Any], known: Mapping[str, DriverExit] | None = None) -> dict[str, DriverExit]:
    """By job id, ``WorkerState`` of ray/util/state/common.py. A driver's worker id is its job id and then ``ff``.

    What had ended in ``known`` is taken from there, unless it was overwritten since; so is a row that says the same.
    """
    found: dict[str, DriverExit] = {}
    known = known or {}
    for row in rows:
        worker_id = _text(row.get("worker_id")) if isinstance(row, dict) else None
        if worker_id is None or row.get("worker_type", "DRIVER") != "DRIVER":
            continue
        job_id = worker_id[:_JOB_ID_CHARS]
        before = known.get(job_id)
        if before is not None and not before.is_alive and _says(row, before):
            found[job_id] = before
            continue
        detail = _text(row.get("exit_detail"))
        exit_row = DriverExit(
            job_id=job_id,
            is_alive=row.get("is_alive") is not False,
            exit_type=_text(row.get("exit_type")),
            exit_detail=None if detail is None else _exit_detail(detail),
            pid=_number(row.get("pid")) or 0,
            started_at=_time(row.get("start_time_ms")),
            ended_at=_time(row.get("end_time_ms")),
            node_id=_text(row.get("node_id")),
        )
        found[job_id] = before if before == exit_row else exit_row
    return found


def _says(row: Mapping[str, Any], before: DriverExit) -> bool:
    """Whether a row still says of a dead driver what it said: cheaper than reading it again."""
    same = row.get("exit_type") == before.exit_type and row.get("is_alive") is False
    return same and (row.get("pid") or 0) == before.pid


def node_facts(rows: Iterable[Any]) -> tuple[NodeFacts, ...]:
    """``NodeState`` of ray/util/state/common.py."""
    return tuple(
        NodeFacts(
            node_id=node_id,
            ip=_text(row.get("node_ip")) or "",
            is_head=row.get("is_head_node") is True,
            state=_text(row.get("state")) or "",
            message=None if not row.get("state_message") else redact(str(row["state_message"]))[:_DETAIL_CHARS],
            started_at=_time(row.get("start_time_ms")),
            ended_at=_time(row.get("end_time_ms")),
            resources={str(name): amount for name, amount in _items(row.get("resources_total")) if _is_amount(amount)},
            labels={str(name): str(value) for name, value in _items(row.get("labels"))},
        )
        for row in rows
        if isinstance(row, dict) and (node_id := _text(row.get("node_id")))
    )


def actor_facts(rows: Iterable[Any]) -> tuple[ActorFacts, ...]:
    """``ActorState`` of ray/util/state/common.py, without the details."""
    return tuple(
        ActorFacts(
            actor_id=actor_id,
            class_name=_text(row.get("class_name")) or "",
            name=_text(row.get("name")),
            state=_text(row.get("state")) or "",
            job_id=_text(row.get("job_id")) or "",
            namespace=_text(row.get("ray_namespace")) or "",
            node_id=_text(row.get("node_id")),
            pid=_number(row.get("pid")) or None,
        )
        for row in rows
        if isinstance(row, dict) and (actor_id := _text(row.get("actor_id")))
    )


def waiting_actors(rows: Iterable[Any]) -> tuple[WaitingActor, ...]:
    """``ActorState`` of ray/util/state/common.py with its details, of actors that are not placed."""
    return tuple(
        WaitingActor(
            actor_id=actor_id,
            name=_text(row.get("name")),
            class_name=_text(row.get("class_name")) or "",
            job_id=_text(row.get("job_id")) or "",
            state=_text(row.get("state")) or "",
            required={
                str(name): amount for name, amount in _items(row.get("required_resources")) if _is_amount(amount)
            },
        )
        for row in rows
        if isinstance(row, dict) and (actor_id := _text(row.get("actor_id")))
    )


def started_at_of(node_id: str | None, rows: Iterable[Any]) -> datetime | None:
    """When the worker process on this node began, from rows of the worker table."""
    same = (row for row in rows if isinstance(row, dict) and row.get("node_id") == node_id)
    return next((_time(row.get("start_time_ms")) for row in same), None)


def task_counts(answer: Any) -> TaskCounts:
    """``TaskSummaries`` of ray/util/state/common.py for one job; states are those of ``TaskStatus`` in common.proto."""
    by_name: Any = answer
    for key in ("result", "node_id_to_summary", "cluster", "summary"):
        by_name = by_name.get(key) if isinstance(by_name, dict) else None
    states: Counter[str] = Counter()
    for _, entry in _items(by_name):
        for state, count in _items(entry.get("state_counts") if isinstance(entry, dict) else None):
            states[str(state)] += _number(count) or 0
    total, failed, finished = sum(states.values()), states["FAILED"], states["FINISHED"]
    running = sum(count for state, count in states.items() if state.startswith("RUNNING"))
    return TaskCounts(total, failed, finished, total - failed - finished - running, running)


def serve_facts(details: Mapping[str, Any]) -> ServeFacts:
    """``ServeInstanceDetails`` of ray/serve/schema.py."""
    controller = details.get("controller_info")
    return ServeFacts(
        controller_actor_id=_text(controller.get("actor_id")) if isinstance(controller, dict) else None,
        applications=tuple(
            ApplicationFacts(
                name=str(name),
                status=_text(app.get("status")) or "",
                message=redact(_text(app.get("message")) or "")[:_MESSAGE_CHARS],
                deployments=tuple(
                    _deployment(str(deployment_name), deployment)
                    for deployment_name, deployment in _items(app.get("deployments"))
                    if isinstance(deployment, dict)
                ),
                deployed_at=_seconds(app.get("last_deployed_time_s")),
            )
            for name, app in _items(details.get("applications"))
            if isinstance(app, dict)
        ),
    )


def _deployment(name: str, deployment: Mapping[str, Any]) -> DeploymentFacts:
    replicas = deployment.get("replicas")
    return DeploymentFacts(
        name=name,
        status=_text(deployment.get("status")) or "",
        message=redact(_text(deployment.get("message")) or "")[:_MESSAGE_CHARS],
        target_num_replicas=_number(deployment.get("target_num_replicas")) or 0,
        replicas=tuple(
            ReplicaFacts(
                replica_id=_text(replica.get("replica_id")) or "",
                state=_text(replica.get("state")) or "",
                node_id=_text(replica.get("node_id")),
                pid=_number(replica.get("pid")),
            )
            for replica in (replicas if isinstance(replicas, list) else [])
            if isinstance(replica, dict)
        ),
    )


def _id_of(fields: Mapping[str, Any]) -> str:
    """A submission has no job id before it connects, so its own id is the one that stays."""
    return _text(fields.get("submission_id")) or _text(fields.get("job_id")) or ""


def _marks(row: Any, fields: Mapping[str, Any], status: str) -> Iterable[str]:
    if not isinstance(row, dict):
        yield "the row is not an object"
    elif not _id_of(fields):
        yield "the row has neither a job id nor a submission id"
    if status not in STATUSES:
        yield f"status {redact(status)[:_ID_CHARS] or '(missing)'} is not known"
    if _text(fields.get("type")) not in ("SUBMISSION", "DRIVER"):
        yield f"type {redact(str(fields.get('type')))[:_ID_CHARS]} is not known"
    for name in ("start_time", "end_time"):
        if fields.get(name) and _time(fields[name]) is None:
            yield f"{name} is not a time"


def _metadata(value: Any) -> dict[str, str]:
    pairs = list(_items(value))[:_METADATA_ENTRIES]
    return {
        name[:_ID_CHARS]: text[:_ENTRYPOINT_CHARS]
        for name, text in redact_mapping({str(name): str(text) for name, text in pairs}).items()
    }


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    return value.items() if isinstance(value, dict) else ()


def _text(value: Any) -> str | None:
    """Text without control characters: names and ids are whatever users made them, and end in people's terminals."""
    if not isinstance(value, str):
        return None
    return (value if value.isprintable() else printable(value)) or None


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(value: Any) -> int | None:
    """Ray writes 64-bit integers as text (protobuf to JSON)."""
    if isinstance(value, float) and math.isfinite(value):
        return int(value)
    try:
        return int(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
    except ValueError:
        return None


def _time(value: Any) -> datetime | None:
    milliseconds = _number(value)
    if milliseconds is None or milliseconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _seconds(value: Any) -> datetime | None:
    return _time(value * 1000) if _is_amount(value) and value < _LATEST_S else None


def _names(value: Any) -> tuple[str, ...]:
    """Keys without their values: a runtime environment is where people put secrets."""
    return tuple(sorted(printable(str(name))[:_ID_CHARS] for name, _ in list(_items(value))[:_METADATA_ENTRIES]))


@lru_cache(maxsize=512)
def _exit_detail(text: str) -> str:
    """Ray's exit details are few, repeated for thousands of workers, and go on with a page of common causes."""
    return redact(text.split(" Some common causes", 1)[0])[:_DETAIL_CHARS]

"""Ray's rows of a job's work into facts: tasks, actors, placement groups, references and processes.

None raises on a row of Ray's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from serve_app.cluster.rows import read_amount, read_amounts, read_items, read_list, read_number, read_text, read_time_s
from serve_app.jobs.progress.models import GroupFacts, HeldReference, ProcessorFacts, TaskFacts, UnplacedActor
from serve_app.redaction import redact

_NAME_CHARS = 120
# An object's id is the id of the task that makes it, and its number among the results.
_TASK_ID_CHARS = 48
_NOT_THERE = frozenset({"PENDING_CREATION", "RESTARTING", "DEPENDENCIES_UNREADY"})
_WAITING_GROUPS = frozenset({"PENDING", "PREPARED", "RESCHEDULING"})
_MOST_BUNDLES = 1_000


def parse_tasks(rows: Iterable[Any]) -> tuple[TaskFacts, ...]:
    """``TaskState`` of ray/util/state/common.py with its details."""
    return tuple(
        TaskFacts(
            task_id=task_id,
            name=_parse_name(row.get("name") or row.get("func_or_class_name")),
            type=_parse_text(row.get("type")),
            state=_parse_text(row.get("state")),
            attempt=read_number(row.get("attempt_number")) or 0,
            required=read_amounts(row.get("required_resources")),
            parent_id=_parse_text(row.get("parent_task_id")),
            actor_id=_parse_text(row.get("actor_id")),
            group_id=_parse_text(row.get("placement_group_id")),
            node_id=_parse_text(row.get("node_id")),
            pid=read_number(row.get("worker_pid")) or None,
            changed_at=_find_latest(row.get("events")),
            job_id=_parse_text(row.get("job_id")),
        )
        for row in rows
        if isinstance(row, dict) and (task_id := _parse_text(row.get("task_id")))
    )


def parse_unplaced_actors(rows: Iterable[Any]) -> tuple[UnplacedActor, ...]:
    """``ActorState`` of ray/util/state/common.py with its details: those that are neither alive nor dead."""
    return tuple(
        UnplacedActor(
            actor_id=actor_id,
            name=_parse_name(row.get("name") or row.get("class_name")),
            state=_parse_text(row.get("state")),
            required=read_amounts(row.get("required_resources")),
            group_id=_parse_text(row.get("placement_group_id")),
        )
        for row in rows
        if isinstance(row, dict)
        and (actor_id := _parse_text(row.get("actor_id")))
        and _parse_text(row.get("state")) in _NOT_THERE
    )


def parse_groups(rows: Iterable[Any]) -> tuple[GroupFacts, ...]:
    """``PlacementGroupState`` of ray/util/state/common.py with its details: those that wait."""
    return tuple(
        GroupFacts(
            group_id=group_id,
            name=_parse_name(row.get("name")),
            state=_parse_text(row.get("state")),
            bundles=tuple(
                read_amounts(bundle.get("unit_resources"))
                for bundle in read_list(row.get("bundles"))[:_MOST_BUNDLES]
                if isinstance(bundle, dict)
            ),
            scheduling=_parse_text(dict(read_items(row.get("stats"))).get("scheduling_state")),
        )
        for row in rows
        if isinstance(row, dict)
        and (group_id := _parse_text(row.get("placement_group_id")))
        and _parse_text(row.get("state")) in _WAITING_GROUPS
    )


def parse_references(rows: Iterable[Any], job_ids: tuple[str, ...]) -> tuple[HeldReference, ...]:
    """``ObjectState`` of ray/util/state/common.py: which workers have references to results of these jobs' tasks."""
    found = []
    for row in rows:
        fields = row if isinstance(row, dict) else {}
        producer, pid = _parse_text(fields.get("object_id"))[:_TASK_ID_CHARS], read_number(fields.get("pid"))
        if pid and fields.get("type") == "WORKER" and producer.endswith(job_ids):
            found.append(HeldReference(pid, producer))
    return tuple(found)


def parse_processor(details: Mapping[str, Any], pids: Mapping[str, Iterable[int]]) -> ProcessorFacts | None:
    """From ``GET /nodes/{id}`` of each node, the processes ``pids`` by node id; None when none of them is there.

    ray/dashboard/modules/node/datacenter.py: worker processes and drivers as psutil sees them, every 5 s at best.
    """
    measured, by_process, percent = [], {}, 0.0
    for node_id, wanted in pids.items():
        detail = details.get(node_id)
        detail = detail if isinstance(detail, dict) else {}
        numbers = set(wanted)
        for row in read_list(detail.get("workers")):
            pid = read_number(row.get("pid")) if isinstance(row, dict) else None
            times = (
                [read_amount(dict(read_items(row.get("cpuTimes"))).get(name)) for name in ("user", "system")]
                if pid
                else []
            )
            if pid in numbers and pid is not None and None not in times:
                by_process[(node_id, pid)] = sum(each for each in times if each is not None)
                percent += read_amount(row.get("cpuPercent")) or 0.0
        measured.append(read_time_s(detail.get("now")))
    if not by_process:
        return None
    known = [each for each in measured if each is not None]
    return ProcessorFacts(min(known, default=None), by_process, percent / 100)


def parse_written_at(header: str | None) -> datetime | None:
    """``Last-Modified`` of a file that a node's agent serves."""
    try:
        return None if header is None else parsedate_to_datetime(header)
    except ValueError:
        return None


def _find_latest(events: Any) -> datetime | None:
    times = [read_amount(event.get("created_ms")) for event in read_list(events) if isinstance(event, dict)]
    latest = max((each for each in times if each is not None), default=None)
    return None if latest is None else read_time_s(latest / 1000)


def _parse_text(value: Any) -> str:
    return (read_text(value) or "")[:_NAME_CHARS]


def _parse_name(value: Any) -> str:
    return redact(value)[:_NAME_CHARS] if isinstance(value, str) else ""

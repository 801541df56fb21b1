"""Ray's rows of a job's work into facts: tasks, actors, placement groups, references and processes.

The only place of the diagnosis that knows these fields. None raises on a row of Ray's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from serve_app.jobs.progress.models import GroupFacts, HeldReference, ProcessorFacts, TaskFacts, UnplacedActor
from serve_app.redaction import printable, redact

_NAME_CHARS = 120
# An object's id is the id of the task that makes it, and its number among the results.
_TASK_ID_CHARS = 48
_NOT_THERE = frozenset({"PENDING_CREATION", "RESTARTING", "DEPENDENCIES_UNREADY"})
_WAITING_GROUPS = frozenset({"PENDING", "PREPARED", "RESCHEDULING"})
_MOST_BUNDLES = 1_000


def state_counts(answer: Any) -> dict[str, int]:
    """``TaskSummaries`` of ray/util/state/common.py: how many tasks are in which state."""
    by_name: Any = answer
    for key in ("result", "node_id_to_summary", "cluster", "summary"):
        by_name = by_name.get(key) if isinstance(by_name, dict) else None
    states: Counter[str] = Counter()
    for _, entry in _items(by_name):
        for state, count in _items(entry.get("state_counts") if isinstance(entry, dict) else None):
            states[str(state)] += _number(count) or 0
    return dict(states)


def task_facts(rows: Iterable[Any]) -> tuple[TaskFacts, ...]:
    """``TaskState`` of ray/util/state/common.py with its details."""
    return tuple(
        TaskFacts(
            task_id=task_id,
            name=_name(row.get("name") or row.get("func_or_class_name")),
            type=_text(row.get("type")),
            state=_text(row.get("state")),
            attempt=_number(row.get("attempt_number")) or 0,
            required=_amounts(row.get("required_resources")),
            actor_id=_text(row.get("actor_id")),
            group_id=_text(row.get("placement_group_id")),
            node_id=_text(row.get("node_id")),
            pid=_number(row.get("worker_pid")) or None,
            changed_at=_latest(row.get("events")),
        )
        for row in rows
        if isinstance(row, dict) and (task_id := _text(row.get("task_id")))
    )


def unplaced_actors(rows: Iterable[Any]) -> tuple[UnplacedActor, ...]:
    """``ActorState`` of ray/util/state/common.py with its details: those that are neither alive nor dead."""
    return tuple(
        UnplacedActor(
            actor_id=actor_id,
            name=_name(row.get("name") or row.get("class_name")),
            state=_text(row.get("state")),
            required=_amounts(row.get("required_resources")),
            group_id=_text(row.get("placement_group_id")),
        )
        for row in rows
        if isinstance(row, dict) and (actor_id := _text(row.get("actor_id"))) and _text(row.get("state")) in _NOT_THERE
    )


def group_facts(rows: Iterable[Any]) -> tuple[GroupFacts, ...]:
    """``PlacementGroupState`` of ray/util/state/common.py with its details: those that wait."""
    return tuple(
        GroupFacts(
            group_id=group_id,
            name=_name(row.get("name")),
            state=_text(row.get("state")),
            bundles=tuple(
                _amounts(bundle.get("unit_resources"))
                for bundle in _list(row.get("bundles"))[:_MOST_BUNDLES]
                if isinstance(bundle, dict)
            ),
            scheduling=_text(dict(_items(row.get("stats"))).get("scheduling_state")),
        )
        for row in rows
        if isinstance(row, dict)
        and (group_id := _text(row.get("placement_group_id")))
        and _text(row.get("state")) in _WAITING_GROUPS
    )


def references_of(rows: Iterable[Any], job_id: str) -> tuple[HeldReference, ...]:
    """``ObjectState`` of ray/util/state/common.py: which workers have references to results of this job's tasks."""
    found = []
    for row in rows:
        fields = row if isinstance(row, dict) else {}
        producer, pid = _text(fields.get("object_id"))[:_TASK_ID_CHARS], _number(fields.get("pid"))
        if pid and fields.get("type") == "WORKER" and producer.endswith(job_id):
            found.append(HeldReference(pid, producer))
    return tuple(found)


def processor_facts(details: Mapping[str, Any], pids: Mapping[str, Iterable[int]]) -> ProcessorFacts | None:
    """From ``GET /nodes/{id}`` of each node, the processes ``pids`` by node id; None when none of them is there.

    ray/dashboard/modules/node/datacenter.py: worker processes and drivers as psutil sees them, every 5 s at best.
    """
    measured, by_process, percent = [], {}, 0.0
    for node_id, wanted in pids.items():
        detail = details.get(node_id)
        detail = detail if isinstance(detail, dict) else {}
        numbers = set(wanted)
        for row in _list(detail.get("workers")):
            pid = _number(row.get("pid")) if isinstance(row, dict) else None
            times = [_amount(dict(_items(row.get("cpuTimes"))).get(name)) for name in ("user", "system")] if pid else []
            if pid in numbers and pid is not None and None not in times:
                by_process[(node_id, pid)] = sum(each for each in times if each is not None)
                percent += _amount(row.get("cpuPercent")) or 0.0
        measured.append(_seconds(detail.get("now")))
    if not by_process:
        return None
    known = [each for each in measured if each is not None]
    return ProcessorFacts(min(known, default=None), by_process, percent / 100)


def written_at(header: str | None) -> datetime | None:
    """``Last-Modified`` of a file that a node's agent serves."""
    try:
        return None if header is None else parsedate_to_datetime(header)
    except ValueError:
        return None


def _latest(events: Any) -> datetime | None:
    times = [_amount(event.get("created_ms")) for event in _list(events) if isinstance(event, dict)]
    latest = max((each for each in times if each is not None), default=None)
    return None if latest is None else _seconds(latest / 1000)


def _amounts(value: Any) -> dict[str, float]:
    return {
        printable(str(name))[:_NAME_CHARS]: float(number)
        for name, amount in _items(value)
        if (number := _amount(amount)) is not None
    }


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    return value.items() if isinstance(value, dict) else ()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value[:_NAME_CHARS] if isinstance(value, str) else ""


def _name(value: Any) -> str:
    return redact(value)[:_NAME_CHARS] if isinstance(value, str) else ""


def _amount(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None


def _number(value: Any) -> int | None:
    try:
        return int(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        return None


def _seconds(value: Any) -> datetime | None:
    seconds = _amount(value)
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None

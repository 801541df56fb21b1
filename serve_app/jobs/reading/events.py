"""Events that Ray pushes, as the same facts that a look brings: what happened is known before the next look. Pure.

Field names are those of ray/core/generated/events_*_pb2.py as JSON: camel case, ids in base64, enumerations by name.
The poll stays the truth: an event that is lost, late or not understood is only something that is learned later.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import JsonValue

from serve_app.jobs.models import ActorFacts, DriverExit, JobFacts, JobType, Known, NodeFacts, Snapshot
from serve_app.redaction import redact, redact_mapping, strip_controls

# An event as Ray exports it, before anything of it is understood.
RayEvent = Mapping[str, JsonValue]

T = TypeVar("T")

MAX_EVENTS = 2_000
# What was pushed is in the tables that the next look reads; more than this is never needed.
MAX_KEPT = 20_000
_TEXT_CHARS = 2_000
_DRIVER_SUFFIX = "f" * 48
# An uncaught exception looks clean here, and only the worker table tells (seen on Ray 2.60): abnormal ends alone count.
_ABNORMAL = frozenset({"SYSTEM_ERROR", "NODE_OUT_OF_MEMORY"})
# Drivers of Ray's own, which its list hides; an event does not carry the namespace that tells.
_OF_RAY = ("ray-dashboard", "ray_dashboard")
SUBMISSION_KEY = "job_submission_id"


@dataclass
class Pushed:
    """What events told and no look has confirmed, by id, each with the time at which it came in."""

    jobs: dict[str, tuple[datetime, JobFacts]] = field(default_factory=dict)
    exits: dict[str, tuple[datetime, DriverExit]] = field(default_factory=dict)
    actors: dict[str, tuple[datetime, ActorFacts]] = field(default_factory=dict)
    nodes: dict[str, tuple[datetime, dict[str, Any]]] = field(default_factory=dict)
    latest_at: datetime | None = None
    not_understood: int = 0

    def take(self, events: Iterable[Any], now: datetime) -> int:
        """Take a batch; how many events told something. What is not understood is counted, and never raises."""
        told = 0
        for event in list(events)[:MAX_EVENTS]:
            handler = _HANDLERS.get(event.get("eventType")) if isinstance(event, dict) else None
            if handler is None:
                continue
            try:
                told += handler(self, event, now)
            except (KeyError, TypeError, ValueError, OverflowError, binascii.Error, AttributeError):
                self.not_understood += 1
        self.latest_at = now
        for kept in (self.jobs, self.exits, self.actors, self.nodes):
            _cut(kept)
        return told

    def forget_before(self, time: datetime, *, actors: datetime | None = None) -> None:
        """A look that began later has seen all this in Ray's tables; ``actors``: when those were last listed."""
        for kept in (self.jobs, self.exits, self.nodes):
            _drop(kept, time)
        _drop(self.actors, actors or time)


def apply_events(snapshot: Snapshot, pushed: Pushed) -> Snapshot:
    """The snapshot with what came in after it was taken."""
    return replace(
        snapshot,
        jobs=_join_section(snapshot.jobs, pushed.jobs, lambda job: job.id, _update_job),
        driver_exits=_join_exits(snapshot, pushed),
        actors=_join_section(snapshot.actors, pushed.actors, lambda actor: actor.actor_id, _update_actor),
        nodes=_join_nodes(snapshot, pushed),
    )


def _take_driver_definition(pushed: Pushed, event: Mapping[str, Any], now: datetime) -> int:
    told = event["driverJobDefinitionEvent"]
    job_id = _decode_id(told["jobId"])
    metadata = {str(name): str(text) for name, text in dict(told.get("config", {}).get("metadata") or {}).items()}
    entrypoint = redact(str(told.get("entrypoint") or ""))[:_TEXT_CHARS]
    if SUBMISSION_KEY in metadata or entrypoint.startswith(_OF_RAY):
        return 1
    before = pushed.jobs.get(job_id)
    pushed.jobs[job_id] = (
        now,
        replace(
            before[1] if before else _build_job(job_id),
            entrypoint=entrypoint,
            metadata=dict(list(redact_mapping(metadata).items())[:50]),
            pid=int(told.get("driverPid") or 0) or None,
            node_id=_decode_hex(told.get("driverNodeId")) or None,
        ),
    )
    return 1


def _take_driver_change(pushed: Pushed, event: Mapping[str, Any], now: datetime) -> int:
    told = event["driverJobLifecycleEvent"]
    job_id = _decode_id(told["jobId"])
    before = pushed.jobs.get(job_id)
    # Without a definition it may be a submission's driver, or one of Ray's own: it only says that something happened.
    if before is not None:
        job = before[1]
        for step in told["stateTransitions"]:
            at = _parse_time(step.get("timestamp"))
            if step["state"] == "CREATED":
                job = replace(job, started_at=at)
            elif step["state"] == "FINISHED":
                job = replace(job, status="SUCCEEDED", ended_at=at)
        pushed.jobs[job_id] = (now, job)
    return 1


def _take_worker_change(pushed: Pushed, event: Mapping[str, Any], now: datetime) -> int:
    told = event["workerLifecycleEvent"]
    worker_id = _decode_hex(told["workerId"])
    if not worker_id.endswith(_DRIVER_SUFFIX):
        return 0
    for step in told["stateTransitions"]:
        death = step.get("deathInfo") or {}
        if step["state"] == "DEAD" and death.get("exitType") in _ABNORMAL:
            job_id = worker_id[:8]
            detail = redact(str(death.get("exitDetail") or "").split(" Some common causes", 1)[0])[:300]
            row = DriverExit(
                job_id, False, death["exitType"], detail or None, 1, now, _parse_time(step.get("timestamp")), None
            )
            pushed.exits[job_id] = (now, row)
    return 1


def _take_actor_definition(pushed: Pushed, event: Mapping[str, Any], now: datetime) -> int:
    told = event["actorDefinitionEvent"]
    actor_id = _decode_id(told["actorId"])
    before = pushed.actors.get(actor_id)
    state = before[1] if before else None
    pushed.actors[actor_id] = (
        now,
        ActorFacts(
            actor_id=actor_id,
            class_name=strip_controls(str(told.get("className") or ""))[:256],
            name=strip_controls(str(told.get("name") or ""))[:256] or None,
            state=state.state if state else "DEPENDENCIES_UNREADY",
            job_id=_decode_hex(told["jobId"]),
            namespace=strip_controls(str(told.get("rayNamespace") or ""))[:256],
            node_id=state.node_id if state else None,
            pid=state.pid if state else None,
        ),
    )
    return 1


def _take_actor_change(pushed: Pushed, event: Mapping[str, Any], now: datetime) -> int:
    told = event["actorLifecycleEvent"]
    actor_id = _decode_id(told["actorId"])
    before = pushed.actors.get(actor_id)
    actor = before[1] if before else ActorFacts(actor_id, "", None, "", "", "", None, None)
    for step in told["stateTransitions"]:
        actor = replace(
            actor,
            state=str(step["state"]),
            node_id=_decode_hex(step.get("nodeId")) or actor.node_id,
            pid=int(step.get("pid") or 0) or actor.pid,
        )
    pushed.actors[actor_id] = (now, actor)
    return 1


def _take_node_change(pushed: Pushed, event: Mapping[str, Any], now: datetime) -> int:
    told = event["nodeLifecycleEvent"]
    node_id = _decode_id(told["nodeId"])
    for step in told["stateTransitions"]:
        death = step.get("deathInfo") or {}
        message = redact(str(death.get("reasonMessage") or ""))[:300]
        ended_at = _parse_time(step.get("timestamp")) if step["state"] == "DEAD" else None
        change = {"state": str(step["state"]), "ended_at": ended_at}
        pushed.nodes[node_id] = (now, {**change, **({"message": message} if message else {})})
    return 1


_HANDLERS: Mapping[Any, Callable[[Pushed, Mapping[str, Any], datetime], int]] = {
    "DRIVER_JOB_DEFINITION_EVENT": _take_driver_definition,
    "DRIVER_JOB_LIFECYCLE_EVENT": _take_driver_change,
    "WORKER_LIFECYCLE_EVENT": _take_worker_change,
    "ACTOR_DEFINITION_EVENT": _take_actor_definition,
    "ACTOR_LIFECYCLE_EVENT": _take_actor_change,
    "NODE_LIFECYCLE_EVENT": _take_node_change,
}


def _build_job(job_id: str) -> JobFacts:
    return JobFacts(id=job_id, type=JobType.DRIVER, status="RUNNING", job_id=job_id)


def _join_section(
    section: Any, pushed: Mapping[str, tuple[datetime, T]], key: Callable[[T], str], newer: Callable[[T, T], T]
) -> Any:
    """A section with what was pushed: rows that it has are brought up to date, others are added."""
    if not isinstance(section, Known) or not pushed:
        return section
    waiting = {id: row for id, (_, row) in pushed.items()}
    rows = [newer(row, waiting.pop(key(row))) if key(row) in waiting else row for row in section.value]
    return Known((*rows, *(row for row in waiting.values() if _is_whole(row))), section.note)


def _is_whole(row: Any) -> bool:
    """A change of an actor that was never defined to us tells too little to make a row of."""
    return not isinstance(row, ActorFacts) or bool(row.job_id)


def _update_job(row: JobFacts, pushed: JobFacts) -> JobFacts:
    if row.ended_at is not None or pushed.ended_at is None:
        return row
    return replace(row, status=pushed.status, ended_at=pushed.ended_at)


def _update_actor(row: ActorFacts, pushed: ActorFacts) -> ActorFacts:
    if row.state == "DEAD":
        return row
    return replace(row, state=pushed.state, node_id=pushed.node_id or row.node_id, pid=pushed.pid or row.pid)


def _join_exits(snapshot: Snapshot, pushed: Pushed) -> Any:
    if not isinstance(snapshot.driver_exits, Known) or not pushed.exits:
        return snapshot.driver_exits
    rows = dict(snapshot.driver_exits.value)
    for job_id, (_, row) in pushed.exits.items():
        before = rows.get(job_id)
        if before is None or before.is_alive:
            started = (before.pid, before.started_at, before.node_id) if before else (row.pid, row.started_at, None)
            rows[job_id] = replace(row, pid=started[0], started_at=started[1], node_id=started[2])
    return Known(rows, snapshot.driver_exits.note)


def _join_nodes(snapshot: Snapshot, pushed: Pushed) -> Any:
    if not isinstance(snapshot.nodes, Known) or not pushed.nodes:
        return snapshot.nodes
    return Known(
        tuple(_update_node(node, pushed.nodes.get(node.node_id)) for node in snapshot.nodes.value), snapshot.nodes.note
    )


def _update_node(node: NodeFacts, change: tuple[datetime, dict[str, Any]] | None) -> NodeFacts:
    return node if change is None or not node.alive else replace(node, **change[1])


def _decode_id(value: Any) -> str:
    """The id of what an event tells of; raises ``ValueError`` when it names none, which is no row of anything."""
    if not (id := _decode_hex(value)):
        raise ValueError("an event without an id")
    return id


def _decode_hex(value: Any) -> str:
    return base64.b64decode(str(value or ""), validate=True).hex()


def _parse_time(value: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _cut(kept: dict[str, Any]) -> None:
    for key in list(kept)[: max(0, len(kept) - MAX_KEPT)]:
        del kept[key]


def _drop(kept: dict[str, tuple[datetime, Any]], time: datetime) -> None:
    for key in [key for key, (at, _) in kept.items() if at < time]:
        del kept[key]

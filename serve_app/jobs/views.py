"""Rows and facts as the JSON that the API answers: plain dicts, times in RFC 3339, durations in seconds. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from organs.times import format_time
from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.judging.expectations import NOTHING, Expectation
from serve_app.jobs.judging.findings import Finding
from serve_app.jobs.judging.pending import Shortage
from serve_app.jobs.models import ActorFacts, DriverExit, JobFacts, JobRow, JobType, NodeFacts
from serve_app.jobs.serve_facts import ServeFacts, find_telling
from serve_app.redaction import redact

if TYPE_CHECKING:
    # It brings pydantic, which the report command can do without.
    from serve_app.schemas.cluster import ActorView, DeploymentView, NodeView, ShortageView
    from serve_app.schemas.findings import FindingView
    from serve_app.schemas.jobs import (
        ActorsOfJob,
        DriverRunView,
        DriverView,
        EvidenceView,
        ExpectationView,
        JobView,
        TasksOfJob,
        TimelineEvent,
        Transition,
    )
    from serve_app.schemas.summary import JobCounts

# The source of the last fact that an answer tells: what was judged.
EXPECTATION = "expectation"
MAX_ACTORS_OF_A_JOB = 100
MAX_TASK_NAMES = 50
MAX_DRIVERS_OF_A_JOB = 100


def render_row(row: JobRow) -> JobView:
    """A job row, as in lists."""
    return {
        "id": row.id,
        "job_id": row.job_id,
        "submission_id": row.submission_id,
        "type": row.type.value,
        "kind": row.kind,
        "entrypoint": row.entrypoint,
        "status": row.status,
        "error_type": row.error_type,
        "exit_code": row.exit_code,
        "outcome": row.outcome.value,
        "verdict": row.verdict.value,
        "reason": row.reason,
        "rule": row.rule,
        "scheduled_by": row.scheduled_by,
        "managed_by": row.managed_by,
        "started_at": format_time(row.started_at),
        "ended_at": format_time(row.ended_at),
        "duration_s": row.duration_s,
        "node_id": row.node_id,
        "metadata": dict(row.metadata),
        "derived": row.derived,
        "hidden": row.hidden,
        "session": row.session,
        "owner": row.owner,
        "action": row.action,
        # Why it failed: ``answers.jobs`` adds it from the diagnosis, or the store has it of a past job.
        "code": row.code,
        "quiet_since": None if row.motion is None else format_time(row.motion.quiet_since),
    }


def render_evidence(row: JobRow) -> list[EvidenceView]:
    """What the row's kind, outcome and verdict rest on, in that order."""
    facts: list[EvidenceView] = [{"rule": each.rule, "source": each.source, "fact": each.fact} for each in row.evidence]
    judged = f"{row.kind}, {row.outcome.value}: {row.verdict.value}"
    return [*facts, {"rule": row.rule, "source": EXPECTATION, "fact": judged}]


def render_expectation(row: JobView, expected: Expectation) -> ExpectationView:
    """What was expected of this kind of job, what the outcome means for it, and what to do."""
    meaning = next((each for outcome, each in expected.meanings.items() if outcome == row["outcome"]), None)
    return {
        "meaning": row["reason"] if meaning is None else meaning.sentence,
        # A row that an older version kept has no action.
        "action": row.get("action") or NOTHING,
        "purpose": expected.purpose,
        "must_end": expected.must_end,
        "usual_duration_s": None if expected.usual_duration_s is None else list(expected.usual_duration_s),
        "limit_s": expected.limit_s,
        "deadline_s": expected.deadline_s,
        "every_s": expected.every_s,
        "allowed_failures": expected.allowed_failures,
        "owner": expected.owner,
    }


def render_driver(job: JobFacts | None, row: JobRow, driver: DriverExit | None, frames: str | None) -> DriverView:
    """The driver process, as far as Ray tells; ``frames``: where its uncaught exception was."""
    pid = job.pid if job is not None and job.pid else driver.pid if driver is not None else None
    return {
        "job_id": row.job_id,
        "pid": pid or None,
        "node_ip": None if job is None else job.node_ip,
        "node_id": row.node_id,
        "alive": None if driver is None else driver.is_alive,
        "exit_type": None if driver is None else driver.exit_type,
        "exit_detail": None if driver is None else driver.exit_detail,
        "exception_frames": frames,
    }


def render_drivers(
    drivers: Iterable[DriverRun], exits: Mapping[str, DriverExit], frames: Mapping[str, str]
) -> list[DriverRunView]:
    """Each driver that an entrypoint connected; ``frames``: where uncaught exceptions were, by job id."""
    return [
        {
            "job_id": each.job_id,
            "pid": each.pid,
            "node_ip": each.node_ip,
            "node_id": each.node_id,
            "alive": not each.is_dead,
            "exit_type": None if (row := exits.get(each.job_id)) is None else row.exit_type,
            "exit_detail": None if row is None else row.exit_detail,
            "exception_frames": frames.get(each.job_id),
            "entrypoint": each.entrypoint,
            "started_at": format_time(each.started_at),
            "ended_at": format_time(each.ended_at),
            "by_exception": None if row is None else row.overwritten and not row.is_alive,
        }
        for each in list(drivers)[-MAX_DRIVERS_OF_A_JOB:]
    ]


def render_timeline(
    row: JobRow,
    driver: DriverExit | None,
    as_of: datetime,
    transitions: Iterable[Transition] = (),
    drivers: Sequence[DriverRun] = (),
) -> list[TimelineEvent]:
    """What is known to have happened, oldest first: what Ray recorded, and when this application judged anew.

    Of several ``drivers``, as a loop has them, each is told.
    """
    source = "node table" if row.type is JobType.NODE else "job list"
    events: list[tuple[datetime | None, str, str]] = [
        (row.started_at, "submitted" if row.submission_id else "started", source),
        (row.ended_at, row.outcome.value, source),
    ]
    if len(drivers) > 1:
        for each in drivers[-MAX_DRIVERS_OF_A_JOB:]:
            events.append((each.started_at, f"driver {each.job_id} connected", "job table"))
            events.append((each.ended_at, f"driver {each.job_id} ended", "job table"))
    elif driver is not None:
        events.append((driver.started_at, "driver connected", "worker table"))
        events.append((driver.ended_at, "driver ended", "worker table"))
    if row.ended_at is None and row.type is not JobType.NODE:
        events.append((as_of, f"seen {row.outcome.value}", source))
    for change in transitions:
        judged = f"judged {change['outcome']}: {change['verdict']} ({change['rule']})"
        events.append((datetime.fromisoformat(change["at"]), judged, "history"))
    known = sorted(((at, event, source) for at, event, source in events if at is not None), key=lambda each: each[0])
    return [{"at": format_time(at), "event": event, "source": source} for at, event, source in known]


def render_past_timeline(row: JobView, transitions: Iterable[Transition]) -> list[TimelineEvent]:
    """What the history knows to have happened to a job of an earlier session."""
    events: list[tuple[str | None, str, str]] = [
        (row["started_at"], "submitted" if row["submission_id"] else "started", "job list"),
        (row["ended_at"], row["outcome"], "job list"),
        *(
            (each["at"], f"judged {each['outcome']}: {each['verdict']} ({each['rule']})", "history")
            for each in transitions
        ),
    ]
    known = sorted(((at, event, source) for at, event, source in events if at is not None), key=lambda each: each[0])
    return [{"at": at, "event": event, "source": source} for at, event, source in known]


def render_actor(actor: ActorFacts) -> ActorView:
    """An actor, as in lists."""
    return {
        "actor_id": actor.actor_id,
        "class_name": actor.class_name,
        "name": actor.name,
        "state": actor.state,
        "job_id": actor.job_id,
        "namespace": actor.namespace,
        "node_id": actor.node_id,
        "pid": actor.pid,
    }


def render_actors(job_ids: Collection[str], actors: Iterable[ActorFacts]) -> ActorsOfJob:
    """The actors of a job, of each of its drivers, the living first, cut."""
    mine = [actor for actor in actors if actor.job_id in job_ids]
    mine.sort(key=lambda actor: (actor.state == "DEAD", actor.actor_id))
    shown = mine[:MAX_ACTORS_OF_A_JOB]
    return {"items": [render_actor(actor) for actor in shown], "total": len(mine), "truncated": len(shown) < len(mine)}


def render_tasks(answer: Mapping[str, Any]) -> TasksOfJob:
    """Tasks by name and state, the most frequent names (``TaskSummaries`` of ray/util/state/common.py)."""
    by_name: Any = answer
    for key in ("result", "node_id_to_summary", "cluster", "summary"):
        by_name = by_name.get(key) if isinstance(by_name, dict) else None
    names = [entry for entry in by_name.values() if isinstance(entry, dict)] if isinstance(by_name, dict) else []
    states: Counter[str] = Counter()
    for entry in names:
        states.update(_count_states(entry))
    names.sort(key=lambda entry: -sum(_count_states(entry).values()))
    return {
        "total": sum(states.values()),
        "by_state": dict(states),
        "by_name": [
            {
                "name": redact(str(entry.get("func_or_class_name"))),
                "type": entry.get("type"),
                "states": _count_states(entry),
            }
            for entry in names[:MAX_TASK_NAMES]
        ],
        "truncated": len(names) > MAX_TASK_NAMES,
    }


def merge_tasks(several: Sequence[TasksOfJob]) -> TasksOfJob:
    """The tasks of a job with several drivers, as one list."""
    if len(several) == 1:
        return several[0]
    states: Counter[str] = Counter()
    by_name: dict[tuple[str, str | None], Counter[str]] = {}
    for tasks in several:
        states.update(tasks["by_state"])
        for each in tasks["by_name"]:
            by_name.setdefault((each["name"], each["type"]), Counter()).update(each["states"])
    names = sorted(by_name.items(), key=lambda each: -sum(each[1].values()))
    return {
        "total": sum(states.values()),
        "by_state": dict(states),
        "by_name": [
            {"name": name, "type": kind, "states": dict(counts)} for (name, kind), counts in names[:MAX_TASK_NAMES]
        ],
        "truncated": len(names) > MAX_TASK_NAMES or any(tasks["truncated"] for tasks in several),
    }


def _count_states(entry: Mapping[str, Any]) -> dict[str, int]:
    states = entry.get("state_counts")
    pairs = states.items() if isinstance(states, dict) else ()
    return {str(name): count for name, count in pairs if type(count) is int}


def render_node(node: NodeFacts) -> NodeView:
    """A node, as in lists."""
    return {
        "node_id": node.node_id,
        "ip": node.ip,
        "is_head": node.is_head,
        "state": node.state,
        "message": node.message,
        "started_at": format_time(node.started_at),
        "ended_at": format_time(node.ended_at),
        "resources": dict(node.resources),
        "labels": dict(node.labels),
    }


def render_serve(
    serve: ServeFacts, application: str, shortages: Mapping[tuple[str, str], Shortage]
) -> dict[str, DeploymentView]:
    """The deployments of one application by name; what the organism is compared with."""
    return {
        deployment.name: {
            "status": deployment.status,
            "message": find_telling(deployment.message),
            "target_num_replicas": deployment.target_num_replicas,
            "running": sum(replica.state == "RUNNING" for replica in deployment.replicas),
            "least_replicas": deployment.least_replicas,
            "shortage": _render_shortage(shortages.get((app.name, deployment.name))),
            "replicas": [
                {"replica_id": each.replica_id, "state": each.state, "node_id": each.node_id, "pid": each.pid}
                for each in deployment.replicas
            ],
        }
        for app in serve.applications
        if app.name == application
        for deployment in app.deployments
    }


def _render_shortage(found: Shortage | None) -> ShortageView | None:
    return None if found is None else {"sentence": found.sentence, "hopeless": found.hopeless}


def render_finding(finding: Finding) -> FindingView:
    """A finding."""
    return {
        "rule": finding.rule,
        "subject": finding.subject,
        "subject_type": finding.subject_type,
        "subject_id": finding.subject_id,
        "session": finding.session,
        "reason": finding.reason,
        "verdict": finding.verdict.value,
        "sentence": finding.sentence,
        "action": finding.action,
    }


def render_counts(rows: Iterable[JobRow]) -> JobCounts:
    """Rows counted by kind, outcome and verdict."""
    every = list(rows)
    return {
        "total": len(every),
        "by_kind": dict(Counter(row.kind for row in every)),
        "by_outcome": dict(Counter(row.outcome.value for row in every)),
        "by_verdict": dict(Counter(row.verdict.value for row in every)),
    }

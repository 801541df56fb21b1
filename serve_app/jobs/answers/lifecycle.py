"""How this cluster came up: the guide's start-up sequence, with times from records. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from organs.times import format_time
from serve_app.jobs.judging.kinds import APPLICATION_SERVER, BY_SERVE, COA_INITIALIZATION
from serve_app.jobs.models import JobRow, Known, NodeFacts, Section, Snapshot
from serve_app.jobs.serve_facts import ApplicationFacts, ServeFacts
from serve_app.outcomes import OPEN_OUTCOMES, JobOutcome
from serve_app.schemas.hierarchy import LifecycleStep

_DONE, _RUNNING, _MISSING, _UNKNOWN = "done", "running", "missing", "unknown"
# One that is ill now was deployed all the same; of any other status it is not there.
_OF_STATUS = {"RUNNING": _DONE, "UNHEALTHY": _DONE, "DEPLOYING": _RUNNING}


class _Step(NamedTuple):
    step: str
    title: str
    source: str
    state: str
    at: datetime | None = None
    ended_at: datetime | None = None


def build_lifecycle(
    snapshot: Snapshot, rows: list[JobRow], application: str, controller_at: datetime | None
) -> list[LifecycleStep]:
    """The steps in their order; a time that no record tells is None. ``controller_at``: start of Serve's controller."""
    head = _find_head(snapshot.nodes)
    deployed = _check_application(snapshot.serve, application)
    ready = _check_ready(snapshot, rows, head)
    again = deployed.at is not None and ready.at is not None and deployed.at > ready.at
    steps = [
        _check_head(snapshot.nodes, head),
        _check_controller(snapshot, controller_at),
        _check_server(snapshot, rows),
        # Serve tells only when it was deployed last.
        _Step(deployed.step, deployed.title, deployed.source, _DONE) if again else deployed,
        _check_initialization(snapshot, rows, head),
        ready,
    ]
    if again:
        title = f"The application {application} was deployed anew"
        steps.append(_Step("deployed-again", title, deployed.source, deployed.state, deployed.at))
    began = head.started_at if head is not None else None
    return [_render_step(step, began) for step in steps]


def _find_head(nodes: Section[tuple[NodeFacts, ...]]) -> NodeFacts | None:
    heads = [node for node in nodes.value if node.is_head and node.alive] if isinstance(nodes, Known) else []
    return heads[0] if heads else None


def _check_head(nodes: Section[tuple[NodeFacts, ...]], head: NodeFacts | None) -> _Step:
    title = "The head node joined"
    if head is None:
        return _Step("head-up", title, "node table", _MISSING if isinstance(nodes, Known) else _UNKNOWN)
    return _Step("head-up", title, "node table", _DONE, head.started_at)


def _check_controller(snapshot: Snapshot, controller_at: datetime | None) -> _Step:
    title, source = "Serve's controller started", "actor table"
    if isinstance(snapshot.actors, Known):
        alive = any(actor.is_serve_controller and actor.state == "ALIVE" for actor in snapshot.actors.value)
        return _Step("serve-controller", title, source, _DONE if alive else _MISSING, controller_at)
    return _Step("serve-controller", title, source, _UNKNOWN, controller_at)


def _check_server(snapshot: Snapshot, rows: Iterable[JobRow]) -> _Step:
    title, source = "The job that serves started", "worker table"
    servers = [row for row in rows if row.kind == APPLICATION_SERVER and row.outcome is JobOutcome.RUNNING]
    # Other web servers may run beside Ray Serve.
    row = next((row for row in servers if row.kind_rule == BY_SERVE), None)
    row = row or next(iter(servers), None)
    if row is None:
        # A job that serves is known by its actors, and mostly hidden from the list.
        seen = isinstance(snapshot.actors, Known)
        return _Step("application-server", title, source, _describe_missing(snapshot) if seen else _UNKNOWN)
    return _Step("application-server", title, source, _DONE, row.started_at)


def _check_application(serve: Section[ServeFacts], name: str) -> _Step:
    title, source = f"The application {name} was deployed", "Serve"
    if not isinstance(serve, Known):
        return _Step("application", title, source, _UNKNOWN)
    app: ApplicationFacts | None = next((app for app in serve.value.applications if app.name == name), None)
    if app is None:
        return _Step("application", title, source, _MISSING)
    return _Step("application", title, source, _OF_STATUS.get(app.status, _MISSING), app.deployed_at)


def _describe_missing(snapshot: Snapshot) -> str:
    """What is not seen is missing only when there is a list in which it could stand."""
    return _MISSING if isinstance(snapshot.jobs, Known) else _UNKNOWN


def _check_initialization(snapshot: Snapshot, rows: Iterable[JobRow], head: NodeFacts | None) -> _Step:
    title, source = "The organism was initialized", "job list"
    runs = _list_runs(rows, head)
    if not runs:
        return _Step("initialization", title, source, _describe_missing(snapshot))
    run = next((row for row in reversed(runs) if row.outcome is JobOutcome.SUCCEEDED), runs[0])
    if run.outcome is JobOutcome.SUCCEEDED:
        return _Step("initialization", title, source, _DONE, run.started_at, run.ended_at)
    on_its_way = run.outcome in OPEN_OUTCOMES
    return _Step("initialization", title, source, _RUNNING if on_its_way else _MISSING, run.started_at, run.ended_at)


def _check_ready(snapshot: Snapshot, rows: Iterable[JobRow], head: NodeFacts | None) -> _Step:
    title, source = "Ready: the first initialization had succeeded", "job list"
    ended = [
        row.ended_at
        for row in _list_runs(rows, head)
        if row.outcome is JobOutcome.SUCCEEDED and row.ended_at is not None
    ]
    return _Step("ready", title, source, _DONE if ended else _describe_missing(snapshot), min(ended, default=None))


def _list_runs(rows: Iterable[JobRow], head: NodeFacts | None) -> list[JobRow]:
    """Initializations since this head is up, newest first."""
    since = head.started_at if head is not None else None
    return [
        row
        for row in rows
        if row.kind == COA_INITIALIZATION and (since is None or row.started_at is None or row.started_at >= since)
    ]


def _render_step(step: _Step, began: datetime | None) -> LifecycleStep:
    took = (step.ended_at - step.at).total_seconds() if step.at and step.ended_at else None
    after = (step.at - began).total_seconds() if step.at and began else None
    return {
        "step": step.step,
        "title": step.title,
        "at": format_time(step.at),
        "ended_at": format_time(step.ended_at),
        "duration_s": None if took is None else round(took, 3),
        "after_s": None if after is None else round(after, 3),
        "source": step.source,
        "state": step.state,
    }

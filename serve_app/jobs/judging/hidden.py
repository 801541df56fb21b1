"""Jobs that Ray's list leaves out: hidden drivers, found by their actors, and the start of the head. Pure.

Ray hides every driver in a namespace of its own (``get_driver_jobs`` in ray/dashboard/modules/job/utils.py), the one
that ``serve deploy`` works through among them (``tried.md``). ``ray start`` is no Ray job at all.
"""

from __future__ import annotations

from collections.abc import Iterable

from serve_app.jobs.judging.kinds import Owned
from serve_app.jobs.models import DriverExit, JobFacts, JobType, Known, NodeFacts, Snapshot

HEAD_START = "ray start --head"
WORKER_START = "ray start --address"
# A cluster that scales up and down for months remembers many nodes.
_MOST_DEAD_NODES = 200


def find_hidden_jobs(snapshot: Snapshot, listed: Iterable[JobFacts], owned: dict[str, Owned]) -> list[JobFacts]:
    """Jobs that own actors, or this application, and are not in the list. Without a list nothing is hidden."""
    if not isinstance(snapshot.jobs, Known):
        return []
    named = {job.job_id for job in listed}
    found = {*owned, *([snapshot.own_job_id] if snapshot.own_job_id else [])} - named - {""}
    exits = snapshot.driver_exits.value if isinstance(snapshot.driver_exits, Known) else {}
    # Of a list that was cut, what is missing need not be hidden.
    if snapshot.jobs.note is not None:
        found = {job_id for job_id in found if job_id == snapshot.own_job_id or _is_known(owned[job_id])}
    return [
        _build_hidden(job_id, exits.get(job_id), owned.get(job_id), _describe_served(snapshot))
        for job_id in sorted(found)
    ]


def list_head_starts(snapshot: Snapshot) -> list[JobFacts]:
    """One entry for each head node that the node table remembers."""
    nodes = snapshot.nodes.value if isinstance(snapshot.nodes, Known) else ()
    return [_build_head_start(node) for node in nodes if node.is_head]


def list_worker_nodes(snapshot: Snapshot) -> list[JobFacts]:
    """One entry for each worker node: the living, and those that died last."""
    nodes = snapshot.nodes.value if isinstance(snapshot.nodes, Known) else ()
    workers = [node for node in nodes if not node.is_head]
    dead = sorted((node for node in workers if not node.alive), key=_get_end_s, reverse=True)
    return [_build_worker(node) for node in (*(node for node in workers if node.alive), *dead[:_MOST_DEAD_NODES])]


def _is_known(owned: Owned) -> bool:
    return owned.serve_controllers > 0 or owned.of_ray > 0


def _build_hidden(job_id: str, driver: DriverExit | None, owned: Owned | None, served: str) -> JobFacts:
    alive = driver.is_alive if driver is not None else owned is None or owned.alive > 0
    return JobFacts(
        id=job_id,
        type=JobType.DRIVER,
        # The word that Ray would use if it listed the job.
        status="RUNNING" if alive else "SUCCEEDED",
        job_id=job_id,
        entrypoint=served if owned is None or owned.serve_alive else "",
        started_at=None if driver is None else driver.started_at,
        ended_at=None if driver is None or driver.is_alive else driver.ended_at,
        node_id=None if driver is None else driver.node_id,
        pid=None if driver is None else driver.pid or None,
        hidden=True,
    )


def _describe_served(snapshot: Snapshot) -> str:
    if not isinstance(snapshot.serve, Known) or not snapshot.serve.value.applications:
        return "Ray Serve"
    return f"Ray Serve: {', '.join(app.name for app in snapshot.serve.value.applications)}"


def _build_head_start(node: NodeFacts) -> JobFacts:
    return JobFacts(
        id=f"node:{node.node_id}",
        type=JobType.NODE,
        status="SUCCEEDED" if node.alive else node.state,
        entrypoint=HEAD_START,
        started_at=node.started_at,
        ended_at=None if node.alive else node.ended_at,
        node_id=node.node_id,
        node_ip=node.ip,
    )


def _get_end_s(node: NodeFacts) -> float:
    return node.ended_at.timestamp() if node.ended_at else 0.0


def _build_worker(node: NodeFacts) -> JobFacts:
    return JobFacts(
        id=f"node:{node.node_id}",
        type=JobType.NODE,
        status="RUNNING" if node.alive else node.state,
        entrypoint=WORKER_START,
        message=node.message,
        started_at=node.started_at,
        ended_at=None if node.alive else node.ended_at,
        node_id=node.node_id,
        node_ip=node.ip,
    )

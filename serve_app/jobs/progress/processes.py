"""Which processes are a job's: its driver, the workers of tasks that have begun, its actors. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from serve_app.jobs.models import ActorFacts, DriverExit, JobFacts, JobRow, Known, NodeFacts, Section, find_row
from serve_app.jobs.progress.models import DriverFacts, Look

Process = tuple[str, str, int]
UNCONNECTED = "it has not connected to Ray, which so knows neither tasks nor processes of it"
MOST_PROCESSES = 64


def build_driver(
    row: JobRow, facts: JobFacts | None, exit_row: DriverExit | None, nodes: Section[tuple[NodeFacts, ...]]
) -> DriverFacts:
    """The driver, as far as the job list and the worker table tell."""
    node_id = row.node_id or (exit_row.node_id if exit_row is not None else None)
    alive = {node.node_id: node.alive for node in nodes.value} if isinstance(nodes, Known) else {}
    listed = facts.pid if facts is not None else None
    return DriverFacts(
        pid=listed or (exit_row.pid or None if exit_row is not None else None),
        node_id=node_id,
        alive=None if exit_row is None else exit_row.is_alive,
        node_alive=find_row(alive, node_id),
        ended_at=None if exit_row is None else exit_row.ended_at,
    )


def list_processes(
    job_id: str | None, driver: DriverFacts, look: Look, actors: Section[tuple[ActorFacts, ...]]
) -> list[Process]:
    """Role, node and number of each, the driver first; none twice, and not more than ``MOST_PROCESSES``."""
    found: dict[tuple[str, int], str] = {}
    if driver.pid and driver.node_id and driver.alive is not False:
        found[(driver.node_id, driver.pid)] = "driver"
    for task in look.work.value.unfinished if isinstance(look.work, Known) else ():
        if task.pid and task.node_id:
            found.setdefault((task.node_id, task.pid), f"worker of {task.name}")
    for actor in actors.value if isinstance(actors, Known) else ():
        if actor.job_id == job_id and actor.state == "ALIVE" and actor.pid and actor.node_id:
            found.setdefault((actor.node_id, actor.pid), f"actor {actor.name or actor.class_name}")
    return [(role, node_id, pid) for (node_id, pid), role in found.items()][:MOST_PROCESSES]


def collect_pids(processes: Iterable[Process]) -> dict[str, list[int]]:
    """The same by node, in the order in which nodes come."""
    found: dict[str, list[int]] = {}
    for _, node_id, pid in processes:
        found.setdefault(node_id, []).append(pid)
    return found

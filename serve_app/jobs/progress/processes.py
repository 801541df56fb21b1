"""Which processes are a job's: its driver, the workers of tasks that have begun, its actors. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.models import ActorFacts, DriverExit, JobFacts, JobRow, Known, NodeFacts, Section, find_row
from serve_app.jobs.progress.models import DriverFacts, Look

Process = tuple[str, str, int]
UNCONNECTED = "it has not connected to Ray, which so knows neither tasks nor processes of it"
MOST_PROCESSES = 64


def build_driver(
    row: JobRow,
    facts: JobFacts | None,
    exit_row: DriverExit | None,
    nodes: Section[tuple[NodeFacts, ...]],
    runs: Sequence[DriverRun] = (),
) -> DriverFacts:
    """The driver, as far as the job list and the worker table tell, and Ray's table of the drivers of a submission."""
    node_id = row.node_id or (exit_row.node_id if exit_row is not None else None)
    nodes_alive = {node.node_id: node.alive for node in nodes.value} if isinstance(nodes, Known) else {}
    listed = facts.pid if facts is not None else None
    alive = None if exit_row is None else _is_alive(row, exit_row, runs)
    return DriverFacts(
        pid=listed or (exit_row.pid or None if exit_row is not None else None),
        node_id=node_id,
        alive=alive,
        node_alive=find_row(nodes_alive, node_id),
        ended_at=None if exit_row is None or alive else exit_row.ended_at,
    )


def _is_alive(row: JobRow, exit_row: DriverExit, runs: Sequence[DriverRun]) -> bool:
    """An exception overwrites the row of a driver, which a thread of it may outlive: no end of the process is proven.

    A plain driver runs as long as Ray says so. Of a submission it is the entrypoint that runs, and its driver may have
    left: whether it has, only the table of drivers tells.
    """
    if exit_row.is_alive or not exit_row.overwritten:
        return exit_row.is_alive
    known = next((each for each in runs if each.job_id == row.job_id), None)
    return row.submission_id is None if known is None else not known.is_dead


def list_processes(
    job_ids: Collection[str],
    driver: DriverFacts,
    look: Look,
    actors: Section[tuple[ActorFacts, ...]],
    further: Iterable[DriverRun] = (),
) -> list[Process]:
    """Role, node and number of each, the driver and ``further`` ones first; none twice, not over ``MOST_PROCESSES``.

    ``job_ids``: Ray's, of all its drivers: an actor may outlive the one that made it.
    """
    found: dict[tuple[str, int], str] = {}
    if driver.pid and driver.node_id and driver.alive is not False:
        found[(driver.node_id, driver.pid)] = "driver"
    for run in further:
        if run.pid and run.node_id:
            found.setdefault((run.node_id, run.pid), "driver")
    for task in look.work.value.unfinished if isinstance(look.work, Known) else ():
        if task.pid and task.node_id:
            found.setdefault((task.node_id, task.pid), f"worker of {task.name}")
    for actor in actors.value if isinstance(actors, Known) else ():
        if actor.job_id in job_ids and actor.state == "ALIVE" and actor.pid and actor.node_id:
            found.setdefault((actor.node_id, actor.pid), f"actor {actor.name or actor.class_name}")
    return [(role, node_id, pid) for (node_id, pid), role in found.items()][:MOST_PROCESSES]


def collect_pids(processes: Iterable[Process]) -> dict[str, list[int]]:
    """The same by node, in the order in which nodes come."""
    found: dict[str, list[int]] = {}
    for _, node_id, pid in processes:
        found.setdefault(node_id, []).append(pid)
    return found

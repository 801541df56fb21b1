"""Who schedules and manages what: orchestrator, service, job, driver, actors; application, organ, agents. Pure.

A tree in which every line below another says what proves that it belongs there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from serve_app.jobs.judging.kinds import (
    APPLICATION_SERVER,
    BY_SERVE,
    CLUSTER_INITIALIZATION,
    INTERNAL,
    KIND_KEY,
    WORKER_NODE,
)
from serve_app.jobs.models import ActorFacts, JobRow, JobType, Known, NodeFacts, Snapshot, find_row
from serve_app.jobs.serve_facts import ApplicationFacts
from serve_app.outcomes import OPEN_OUTCOMES
from serve_app.parts import MANAGER
from serve_app.queries.job_names import shorten_id
from serve_app.schemas.hierarchy import BranchView

MAX_JOBS = 60
MAX_ACTORS_OF_A_JOB = 10
MAX_DRIVERS_OF_A_JOB = 10
MAX_NODES = 50
MAX_AGENTS = 50
# A pod of KubeRay tells so by labels of its node; a plain machine has only Ray's own.
_KUBERAY_LABELS = ("ray.io/cluster", "ray.io/node-group")


@dataclass
class Branch:
    """One line of the tree. ``proof`` says why it hangs where it does; the root has none."""

    id: str
    type: str
    name: str
    proof: str | None = None
    state: str | None = None
    children: list[Branch] = field(default_factory=list)

    def add(self, branch: Branch) -> Branch:
        """Hang a branch below this one."""
        self.children.append(branch)
        return branch

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Branch]]:
        """This branch and all below it, in order."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)

    def to_json(self) -> BranchView:
        """As ``GET /jobs/hierarchy`` answers it."""
        return {
            "id": self.id,
            "type": self.type,
            "name": self.name,
            "proof": self.proof,
            "state": self.state,
            "children": [child.to_json() for child in self.children],
        }


def build_hierarchy(snapshot: Snapshot, rows: list[JobRow], application: str, parts: frozenset[str]) -> Branch:
    """The tree. ``parts`` are deployments of ``application`` that are no organs."""
    nodes = snapshot.nodes.value if isinstance(snapshot.nodes, Known) else ()
    # Worker nodes are drawn from the node table, the living first.
    rows = [row for row in rows if row.kind != WORKER_NODE]
    shown = _select_shown(rows)
    workers = sorted((node for node in nodes if not node.is_head), key=lambda node: not node.alive)
    root = _build_orchestrator(nodes)
    head = root.add(_build_head(nodes))
    serve = head.add(_build_serve(snapshot))
    jobs_api = head.add(Branch("service:jobs-api", "service", "Ray Jobs API", "job list: it answers on the head"))
    drivers = head.add(Branch("service:drivers", "service", "drivers that connected", "job list: rows of type DRIVER"))
    for node in workers[:MAX_NODES]:
        proof = "node table: not the head"
        root.add(Branch(f"node:{node.node_id}", "service", f"worker node {node.ip}", proof, node.state.lower()))
    manager = _build_applications(serve, snapshot, application, parts)
    actors = _collect_actors(snapshot)
    for row in shown:
        place = {"head": head, "serve": serve, "manager": manager or jobs_api, "api": jobs_api, "drivers": drivers}
        where, proof = _choose_place(row)
        job = place[where].add(
            Branch(f"job:{row.id}", "job", f"{shorten_id(row.id)} {row.kind}", proof, f"{row.outcome} {row.verdict}")
        )
        earlier = [each.job_id for each in snapshot.list_drivers(row.submission_id) if each.job_id != row.job_id]
        for job_id in earlier[-MAX_DRIVERS_OF_A_JOB:]:
            _add_driver(job, job_id, "job table", None, find_row(actors, job_id) or [])
        if not row.derived and row.job_id is not None:
            table = "job list" if not row.hidden else "actor table"
            _add_driver(job, row.job_id, table, row.outcome.value, find_row(actors, row.job_id) or [])
    left_out = len(rows) - len(shown)
    if left_out > 0:
        root.add(Branch("more", "note", f"{left_out} older jobs are not drawn: GET /jobs", "job list"))
    if len(workers) > MAX_NODES:
        more = f"{len(workers) - MAX_NODES} more worker nodes are not drawn: GET /cluster/nodes"
        root.add(Branch("more-nodes", "note", more, "node table"))
    return root


def _select_shown(rows: list[JobRow]) -> list[JobRow]:
    """Those on their way, then the newest."""
    going = [row for row in rows if row.outcome in OPEN_OUTCOMES]
    rest = [row for row in rows if row.outcome not in OPEN_OUTCOMES]
    kept = {row.id for row in [*going, *rest][:MAX_JOBS]}
    return [row for row in rows if row.id in kept]


def _build_orchestrator(nodes: Iterable[NodeFacts]) -> Branch:
    for node in nodes:
        for label in _KUBERAY_LABELS:
            if label in node.labels:
                name = f"KubeRay cluster {node.labels[label]}"
                return Branch("orchestrator", "orchestrator", name, f"node label {label}", None)
    return Branch("orchestrator", "orchestrator", "whoever ran `ray start`", None, None)


def _build_head(nodes: Iterable[NodeFacts]) -> Branch:
    node = next((node for node in nodes if node.is_head and node.alive), None)
    if node is None:
        return Branch("service:head", "service", "Ray head node", None, "not known")
    return Branch(f"node:{node.node_id}", "service", f"Ray head node {node.ip}", "node table: is_head_node", "alive")


def _build_serve(snapshot: Snapshot) -> Branch:
    if not isinstance(snapshot.serve, Known):
        return Branch("service:serve", "service", "Ray Serve", None, "not known")
    controller = snapshot.serve.value.controller_actor_id
    if controller is None:
        return Branch("service:serve", "service", "Ray Serve", "Serve: no controller", "does not run")
    return Branch("service:serve", "service", "Ray Serve", f"Serve: controller is actor {controller}", "runs")


def _build_applications(serve: Branch, snapshot: Snapshot, application: str, parts: frozenset[str]) -> Branch | None:
    """Hang applications, deployments and replicas; gives the organism manager's branch, which submits jobs."""
    manager = None
    apps = snapshot.serve.value.applications if isinstance(snapshot.serve, Known) else ()
    for app in apps[:MAX_NODES]:
        ours = app.name == application
        branch = serve.add(Branch(f"app:{app.name}", "application", app.name, "Serve: application", app.status.lower()))
        for deployment in _build_deployments(branch, app, parts if ours else frozenset(), ours):
            if ours and deployment.name == MANAGER:
                manager = deployment
    return manager


def _build_deployments(branch: Branch, app: ApplicationFacts, parts: frozenset[str], ours: bool) -> Iterator[Branch]:
    for deployment in app.deployments[:MAX_NODES]:
        organ = ours and deployment.name not in parts
        kind, of_it = ("organ", "agent") if organ else ("deployment", "replica")
        proof = f"Serve: deployment of {app.name}"
        each = branch.add(
            Branch(f"{kind}:{app.name}/{deployment.name}", kind, deployment.name, proof, deployment.status.lower())
        )
        for replica in deployment.replicas[:MAX_AGENTS]:
            where = f"pid {replica.pid}" if replica.pid else "not placed"
            name = f"{replica.replica_id} ({where})"
            proof = f"Serve: replica of {deployment.name}"
            each.add(Branch(f"{of_it}:{replica.replica_id}", of_it, name, proof, replica.state.lower()))
        yield each


def _choose_place(row: JobRow) -> tuple[str, str]:
    """Below which branch a job hangs, and why."""
    why = row.kind_evidence
    if row.kind in (CLUSTER_INITIALIZATION, INTERNAL):
        return "head", "node table" if why is None else why.fact
    if row.kind == APPLICATION_SERVER and why is not None and why.rule == BY_SERVE:
        return "serve", f"{why.source}: {why.fact}"
    if row.metadata.get("seedcore.scheduled_by") == MANAGER:
        return "manager", f"metadata: seedcore.scheduled_by = OrganismManager, {KIND_KEY} = {row.kind}"
    if row.type is JobType.SUBMISSION:
        return "api", "job list: it has a submission id"
    return "drivers", "job list: type DRIVER"


def _collect_actors(snapshot: Snapshot) -> dict[str, list[ActorFacts]]:
    found: dict[str, list[ActorFacts]] = {}
    for actor in snapshot.actors.value if isinstance(snapshot.actors, Known) else ():
        if not actor.is_serve and actor.state != "DEAD":
            found.setdefault(actor.job_id, []).append(actor)
    return found


def _add_driver(job: Branch, job_id: str, table: str, state: str | None, actors: list[ActorFacts]) -> None:
    driver = job.add(Branch(f"driver:{job_id}", "driver", f"driver of {job_id}", f"{table}: job id {job_id}", state))
    for actor in actors[:MAX_ACTORS_OF_A_JOB]:
        name = f"{actor.name or actor.class_name} ({actor.actor_id[:8]})"
        proof = f"actor table: job_id {actor.job_id}, namespace {actor.namespace}"
        driver.add(Branch(f"actor:{actor.actor_id}", "actor", name, proof, actor.state.lower()))
    if len(actors) > MAX_ACTORS_OF_A_JOB:
        more = f"{len(actors) - MAX_ACTORS_OF_A_JOB} more actors"
        driver.add(Branch(f"actors:{job_id}", "note", more, "actor table"))

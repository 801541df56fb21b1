"""One running job cut out of the tables of a round and the snapshot beside it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from serve_app.jobs.judging.kinds import BY_SERVE
from serve_app.jobs.judging.pending import SUPERVISOR_PREFIX
from serve_app.jobs.models import ActorFacts, JobFacts, JobRow, Known, Section, Snapshot, Unknown
from serve_app.jobs.motion import Motion
from serve_app.jobs.progress.circles.attempts import ActorTurns, Attempt
from serve_app.jobs.progress.circles.circles import JobTurns
from serve_app.jobs.progress.circles.seeker import Round
from serve_app.jobs.progress.looks.drivers import (
    find_living,
    fold_drivers,
    join_turns,
    list_driver_ids,
    list_further,
    name_drivers,
)
from serve_app.jobs.progress.looks.head import HeadSubject
from serve_app.jobs.progress.looks.tables import ActorDetail, NodeProcesses, ProcessUse, Tables
from serve_app.jobs.progress.looks.trail import MeasuredProcess, Signs, Trail
from serve_app.jobs.progress.looks.waits import Scene
from serve_app.jobs.progress.models import (
    DriverFacts,
    GroupFacts,
    HeldReference,
    LogFacts,
    Look,
    TaskFacts,
    UnplacedActor,
    WorkFacts,
)
from serve_app.jobs.progress.processes import build_driver
from serve_app.outcomes import OPEN_OUTCOMES, JobOutcome

_ALIVE = "ALIVE"
# What a process has for a job while it has none, or while it is too busy to say.
_NO_JOB = frozenset({"", "ffff", "ffffffff"})
_NO_LOG = Unknown("Ray keeps no log of a driver that was started by hand")


@dataclass(frozen=True, slots=True)
class Subject:
    """A running job: its row, and Ray's facts of it and of its driver."""

    row: JobRow
    facts: JobFacts | None
    driver: DriverFacts

    @property
    def joined(self) -> bool:
        """Whether it is connected to Ray, which so knows its tasks and processes."""
        return self.row.job_id is not None and not self.driver_left

    @property
    def driver_left(self) -> bool:
        """Whether it was, and its entrypoint goes on with something else (``train; upload``)."""
        return self.row.submission_id is not None and self.driver.alive is False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A snapshot and the tables of a round, by the ids under which jobs are found in them, made once for all jobs.

    ``names``: by the id of a further driver of a submission, the id that its row names; the tables have that one.
    """

    snapshot: Snapshot
    tables: Tables
    free: Section[Mapping[str, float]]
    processes: Mapping[str, tuple[MeasuredProcess, ...]]
    dead: Mapping[str, tuple[ActorDetail, ...]]
    supervisors: Mapping[str, ActorFacts]
    measured_at: Mapping[str, datetime]
    lost_nodes: frozenset[str]
    unmeasured: frozenset[str] = field(default_factory=frozenset)
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        snapshot: Snapshot,
        tables: Tables,
        free: Section[Mapping[str, float]],
        subjects: Iterable[Subject] = (),
    ) -> Surroundings:
        """Index both. ``subjects``: of their drivers it is known whose they are, even when they do not say so."""
        subjects = tuple(subjects)
        names = name_drivers(snapshot, (each.row for each in subjects))
        tables = fold_drivers(tables, names)
        owners = _find_owners(tables, subjects)
        processes: dict[str, list[MeasuredProcess]] = {}
        measured_at: dict[str, datetime] = {}
        unmeasured = set()
        for node_id, use in tables.uses.items():
            if isinstance(use, Unknown):
                unmeasured.add(node_id)
                continue
            if use.value.measured_at is not None:
                measured_at[node_id] = use.value.measured_at
            for each in use.value.processes:
                owner = owners.get((node_id, each.pid), each.job_id) if each.job_id in _NO_JOB else each.job_id
                measured = MeasuredProcess(node_id, use.value.measured_at, each, use.value.load)
                processes.setdefault(owner, []).append(measured)
        nodes = snapshot.nodes.value if isinstance(snapshot.nodes, Known) else ()
        actors = snapshot.actors.value if isinstance(snapshot.actors, Known) else ()
        dead: dict[str, list[ActorDetail]] = {}
        for actor in actors:
            if actor.state == "DEAD" and not actor.is_serve:
                dead.setdefault(names.get(actor.job_id, actor.job_id), []).append(_describe_dead(actor))
        return cls(
            snapshot,
            tables,
            free,
            {job_id: tuple(rows) for job_id, rows in processes.items()},
            {job_id: tuple(rows) for job_id, rows in dead.items()},
            {
                actor.name[len(SUPERVISOR_PREFIX) :]: actor
                for actor in actors
                if actor.name is not None and actor.name.startswith(SUPERVISOR_PREFIX) and actor.state == _ALIVE
            },
            measured_at,
            frozenset(node.node_id for node in nodes if not node.alive),
            frozenset(unmeasured),
            names,
        )

    def join_turns(self, row: JobRow, turns: Mapping[str, JobTurns]) -> JobTurns:
        """What goes in circles in any driver of a job."""
        return join_turns(turns, list_driver_ids(self.snapshot, row), self.names)


def list_subjects(snapshot: Snapshot, rows: Iterable[JobRow]) -> list[Subject]:
    """Of these rows, which run."""
    jobs = {job.id: job for job in snapshot.jobs.value} if isinstance(snapshot.jobs, Known) else {}
    subjects = []
    for row in rows:
        facts, exit_row = find_living(snapshot, row, jobs.get(row.id))
        runs = snapshot.list_drivers(row.submission_id)
        subjects.append(Subject(row, jobs.get(row.id), build_driver(row, facts, exit_row, snapshot.nodes, runs)))
    return subjects


def build_head_subject(subject: Subject, around: Surroundings, head_id: str | None, trail: Trail | None) -> HeadSubject:
    """What the head may tell of a job: of one that is elsewhere nothing."""
    row = subject.row
    here = head_id is not None and row.node_id == head_id
    supervisor = around.supervisors.get(row.submission_id or "")
    pids = [each.use.pid for each in _list_processes(subject, around) if each.node_id == head_id]
    if subject.driver.pid and subject.driver.node_id == head_id and subject.driver.pid not in pids:
        pids.append(subject.driver.pid)
    return HeadSubject(
        id=row.id,
        submission_id=row.submission_id if here else None,
        supervisor=supervisor.pid if supervisor is not None and supervisor.node_id == head_id else None,
        pids=tuple(pids),
        log=None if trail is None else trail.log,
    )


def build_signs(subject: Subject, around: Surroundings, log: Section[LogFacts] | None, tree_s: float | None) -> Signs:
    """What this round saw of it."""
    tables, job_id = around.tables, subject.row.job_id
    log = log if log is not None else _NO_LOG
    if job_id is None or subject.driver_left:
        return Signs(tables.at, log=log, tree_s=tree_s, joined=False)
    actors = tables.actors
    return Signs(
        tables.at,
        work=tables.list_unfinished(job_id),
        actors=actors if isinstance(actors, Unknown) else Known(actors.value.get(job_id, ()), actors.note),
        processes=_find_processes(subject, around),
        log=log,
        tree_s=tree_s,
    )


def build_look(subject: Subject, around: Surroundings) -> Look:
    """Where its work stands, for ``obstacles.take_stock``."""
    tables, job_id = around.tables, subject.row.job_id
    if job_id is None:
        return Look(tables.at, driver=Known(subject.driver))
    work = tables.list_unfinished(job_id)
    groups: Section[tuple[GroupFacts, ...]] = (
        tables.groups if isinstance(tables.groups, Unknown) else Known(tables.groups.value.get(job_id, ()))
    )
    return Look(
        tables.at,
        driver=Known(subject.driver),
        work=work if isinstance(work, Unknown) else Known(WorkFacts({}, work.value, work.note)),
        actors=tables.actors
        if isinstance(tables.actors, Unknown)
        else Known(_list_unplaced(_list_actors(subject, around))),
        groups=groups,
        references=tables.references,
        nodes=around.snapshot.nodes,
        free=around.free,
    )


def build_scene(subject: Subject, around: Surroundings) -> Scene | None:
    """Who waits for whom; None while its tasks are not known."""
    tables, job_id = around.tables, subject.row.job_id
    work = Unknown("") if job_id is None else tables.list_unfinished(job_id)
    if job_id is None or isinstance(work, Unknown):
        return None
    gets, pids = tables.gets, _list_pids(work.value)
    return Scene(
        tasks=work.value,
        actors=_list_actors(subject, around),
        dead=around.dead.get(job_id, ()),
        gets=gets if isinstance(gets, Unknown) else Known(gets.value.get(job_id, {})),
        references=_select_references(tables.references, pids),
        further_drivers=frozenset(each.pid for each in list_further(around.snapshot, subject.row) if each.pid),
        processes={(each.node_id, each.use.pid): each.use for each in _list_processes(subject, around)},
        measured_at=around.measured_at,
        lost_nodes=around.lost_nodes,
        partial=work.note is not None,
    )


def list_figure_urls(scene: Scene, uses: Mapping[str, Section[NodeProcesses]]) -> list[str]:
    """Where the agents of those nodes tell figures on which its tasks run."""
    nodes = dict.fromkeys(task.node_id for task in scene.tasks if task.node_id)
    found = (uses.get(node_id) for node_id in nodes)
    return [use.value.metrics_url for use in found if isinstance(use, Known)]


def list_ports_of_ray(uses: Mapping[str, Section[NodeProcesses]], node_id: str | None) -> tuple[set[int], set[int]]:
    """Where Ray itself listens in the processes of a node; and the processes of which it does not tell where."""
    use = uses.get(node_id or "")
    rows: Sequence[ProcessUse] = use.value.processes if isinstance(use, Known) else ()
    return {each.port for each in rows if each.port is not None}, {each.pid for each in rows if each.port is None}


def build_round(around: Surroundings, attempts: Sequence[Attempt], rows: Iterable[JobRow], now: datetime) -> Round:
    """What circles are sought in."""
    tables = around.tables
    actors = tables.actors.value if isinstance(tables.actors, Known) else None
    unfinished = None
    if isinstance(tables.unfinished, Known):
        unfinished = frozenset(task.task_id for own in tables.unfinished.value.values() for task in own)
    known = list(rows)
    ids = {row.id: list_driver_ids(around.snapshot, row) for row in known}
    running = frozenset(id for row in known if row.outcome in OPEN_OUTCOMES for id in ids[row.id])
    return Round(
        at=now,
        attempts=tuple(attempts),
        actors_cut=isinstance(tables.actors, Known) and tables.actors.note is not None,
        actors=None if actors is None else tuple(
            ActorTurns(each.job_id, each.actor_id, each.name or each.class_name, each.state, each.restarts, each.pid,
                       each.node_id or None)
            for own in actors.values()
            for each in own
        ),
        unfinished=unfinished,
        unlisted=frozenset(
            id for id in running if isinstance(tables.list_unfinished(around.names.get(id, id)), Unknown)
        ),
        running=running,
        ended={id: row.ended_at for row in known if row.ended_at is not None for id in ids[row.id]},
        owners={
            (each.node_id, each.use.pid): job_id for job_id, own in around.processes.items() for each in own
        },
    )  # fmt: skip


def list_further_circles(
    rows: Iterable[JobRow], turns: Mapping[str, JobTurns], around: Surroundings, now: datetime
) -> dict[str, Motion]:
    """Of jobs that are no subjects: what is known stays known when one has ended, and a service circles, too."""
    return {
        row.id: Motion(now, circles=own.circles, repaired=own.repaired)
        for row in rows
        if row.job_id is not None
        and (row.outcome not in OPEN_OUTCOMES or may_circle(row, around.snapshot.own_job_id))
        and (own := around.join_turns(row, turns)).circles
    }


def may_circle(row: JobRow, own_job_id: str | None) -> bool:
    """Whether it runs, and what fails of it is not replaced by Ray Serve: Serve's own job, and this application's."""
    if row.outcome is not JobOutcome.RUNNING or row.job_id is None or row.derived or row.hidden:
        return False
    return row.kind_rule != BY_SERVE and row.job_id != own_job_id


def _find_owners(tables: Tables, subjects: Iterable[Subject]) -> dict[tuple[str, int], str]:
    """Whose processes those are, by node and number, as other tables tell."""
    found = {
        (each.driver.node_id, each.driver.pid): each.row.job_id
        for each in subjects
        if each.row.job_id is not None and each.driver.node_id and each.driver.pid
    }
    actors = tables.actors.value if isinstance(tables.actors, Known) else {}
    tasks = tables.unfinished.value if isinstance(tables.unfinished, Known) else {}
    found |= {(each.node_id, each.pid): job_id for job_id, own in actors.items() for each in own if each.pid}
    found |= {(each.node_id, each.pid): job_id for job_id, own in tasks.items() for each in own if each.pid}
    return found


def _find_processes(subject: Subject, around: Surroundings) -> Section[tuple[MeasuredProcess, ...]]:
    """Unknown while the node of its driver is: what rests elsewhere does not tell of it."""
    if subject.driver.node_id in around.unmeasured:
        unknown = around.tables.uses.get(subject.driver.node_id or "")
        return unknown if isinstance(unknown, Unknown) else Unknown("its node was not measured")
    return Known(_list_processes(subject, around))


def _list_processes(subject: Subject, around: Surroundings) -> tuple[MeasuredProcess, ...]:
    return around.processes.get(subject.row.job_id or "", ())


def _list_actors(subject: Subject, around: Surroundings) -> tuple[ActorDetail, ...]:
    actors = around.tables.actors
    return actors.value.get(subject.row.job_id or "", ()) if isinstance(actors, Known) else ()


def _list_unplaced(actors: Iterable[ActorDetail]) -> tuple[UnplacedActor, ...]:
    return tuple(
        UnplacedActor(each.actor_id, each.name or each.class_name, each.state, each.required, each.group_id)
        for each in actors
        if each.state != _ALIVE
    )


def _describe_dead(actor: ActorFacts) -> ActorDetail:
    return ActorDetail(
        actor.actor_id, actor.class_name, actor.name or "", actor.state, actor.job_id, actor.node_id or "", actor.pid
    )


def _list_pids(tasks: Iterable[TaskFacts]) -> set[int]:
    return {task.pid for task in tasks if task.pid}


def _select_references(
    references: Section[tuple[HeldReference, ...]], pids: set[int]
) -> Section[tuple[HeldReference, ...]]:
    if isinstance(references, Unknown):
        return references
    return Known(tuple(each for each in references.value if each.pid in pids))

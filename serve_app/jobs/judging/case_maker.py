"""Makes the case of each job of a snapshot; what had ended is taken over from before. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.judging.case import NOTE_KEY, Case, JudgedCase, compute_age_s, find_series
from serve_app.jobs.judging.contradiction import (
    SETTLING,
    build_last,
    fill_joined,
    join_drivers,
    list_ends,
    weigh_drivers,
)
from serve_app.jobs.judging.expectations import Contracts, find_deadline_s, find_limit_s
from serve_app.jobs.judging.kinds import (
    BY_SERVE,
    CLUSTER_INITIALIZATION,
    WORKER_NODE,
    Owned,
    classify_job,
    count_owned,
    sum_owned,
)
from serve_app.jobs.judging.motion_rules import (
    Allowance,
    build_evidence,
    decide_motion,
    find_quiet_limit_s,
    find_worst,
    select_own_motion,
)
from serve_app.jobs.judging.outcome import ROW_MISSING, Conclusion, conclude_outcome
from serve_app.jobs.judging.pending import explain_waiting, find_starved
from serve_app.jobs.models import (
    DriverExit,
    Evidence,
    JobFacts,
    Known,
    NodeFacts,
    PastRuns,
    Section,
    Snapshot,
    TaskCounts,
    Unknown,
)
from serve_app.jobs.motion import Motion
from serve_app.jobs.serve_facts import ServeFacts, describe_trouble
from serve_app.outcomes import OPEN_OUTCOMES, JobOutcome

# Ray says of a node that left in order "Expected termination: …" (src/ray/gcs; seen on 2.60).
_LEFT = "Expected termination"
_NO_ACTORS = Owned()


@dataclass(frozen=True, slots=True)
class CaseMaker:
    """The sections of a snapshot by the ids under which jobs refer to them, and what is declared."""

    snapshot: Snapshot
    now: datetime
    contracts: Contracts
    past: Mapping[str, PastRuns]
    owned: dict[str, Owned] | None
    nodes: dict[str, NodeFacts]
    nodes_by_ip: dict[str, list[NodeFacts]]
    before: Mapping[str, JudgedCase]
    drivers: Mapping[str, tuple[DriverRun, ...]] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        snapshot: Snapshot,
        now: datetime,
        contracts: Contracts,
        past: Mapping[str, PastRuns],
        before: Mapping[str, JudgedCase],
    ) -> CaseMaker:
        """Index a snapshot once; cases of ``before`` whose ingredients are the same are taken over."""
        nodes = snapshot.nodes.value if isinstance(snapshot.nodes, Known) else ()
        by_ip: dict[str, list[NodeFacts]] = {}
        for node in nodes:
            by_ip.setdefault(node.ip, []).append(node)
        owned = count_owned(snapshot.actors.value) if isinstance(snapshot.actors, Known) else None
        drivers = snapshot.drivers.value if isinstance(snapshot.drivers, Known) else {}
        by_id = {node.node_id: node for node in nodes}
        return cls(snapshot, now, contracts, past, owned, by_id, by_ip, before, drivers)

    def judge_job(self, job: JobFacts) -> JudgedCase:
        """The case of a job that Ray lists, or hides."""
        # As ``find_row`` and ``find_exit``, in line: this runs for each of ten thousand jobs in each look.
        exits, job_id = self.snapshot.driver_exits, job.job_id
        exit_row = exits.value.get(job_id) if job_id and isinstance(exits, Known) else None
        exits_said = exits.note if isinstance(exits, Known) else exits
        node = self._find_node(job, exit_row)
        owned = None if self.owned is None else (self.owned.get(job_id) if job_id else None) or _NO_ACTORS
        ours = job_id is not None and job_id == self.snapshot.own_job_id
        tasks = self.snapshot.tasks.get(job_id) if job_id else None
        drivers = self.drivers.get(job.submission_id) if job.submission_id else None
        others: tuple[Any, ...] = ()
        if drivers and len(drivers) > 1:
            others = join_drivers(drivers, self.snapshot)
            owned = None if self.owned is None else sum_owned(self.owned.get(each.job_id) for each in drivers)
        motion = select_own_motion(self.snapshot.motions.get(job.id), job, drivers or (), self.now)
        circle = find_worst(motion)
        # What is said of the whole table matters only where it has no row.
        said = None if exit_row else exits_said
        made_of = (job, exit_row, said, node, owned, ours, tasks, drivers, others, self.contracts, circle)
        before = self.before.get(job.id)
        if before is not None and _stays(before) and before.made_of == self._fill_from_before(made_of, before.made_of):
            return before
        kind, kind_evidence = classify_job(job, owned, ours=ours, now=self.now, rules=self.contracts.rules)
        conclusion = conclude_outcome(job, Known(exit_row, exits.note) if isinstance(exits, Known) else exits, node)
        if job.submission_id and conclusion.outcome not in OPEN_OUTCOMES:
            first = drivers[0] if drivers and not others else build_last(job, exit_row)
            ends = list_ends(job, others, (first, exit_row, tasks), self.nodes)
            conclusion = weigh_drivers(job, conclusion, ends, self.now)
        if _has_just_ended(job, conclusion, self.now):
            conclusion = _conclude_ending(conclusion)
        of_serve = kind_evidence.rule == BY_SERVE
        # Serve replaces what fails of it by itself; what had circled and succeeded at last has come out of it.
        if of_serve or ours or conclusion.outcome in (JobOutcome.SUCCEEDED, JobOutcome.PENDING):
            circle = None
        # Whatever the tables say at this moment, the application that judges is being served.
        serving = ours or (owned.serve_alive > 0 if owned is not None else None)
        if of_serve and serving and conclusion.outcome not in OPEN_OUTCOMES:
            conclusion = _conclude_serving(conclusion)
        expectation, outcome = self.contracts.get_expectation(kind), conclusion.outcome
        waiting = None
        if outcome is JobOutcome.PENDING:
            waiting = explain_waiting(job, self.snapshot.waiting, self.snapshot.nodes, self.snapshot.free)
        elif outcome is JobOutcome.RUNNING:
            waiting = find_starved(job, self.snapshot.waiting, self.snapshot.nodes)
        return JudgedCase(
            self._add_motion(
                motion if outcome is JobOutcome.RUNNING else None,
                Case(
                    job=replace(job, node_id=job.node_id or (node.node_id if node else None)),
                    kind=kind,
                    expectation=expectation,
                    conclusion=conclusion,
                    limit_s=find_limit_s(job, expectation),
                    age_s=compute_age_s(job, outcome, self.now),
                    serving=serving if of_serve else None,
                    serve_problem=_describe_serve_problem(self.snapshot.serve) if of_serve else None,
                    deadline_s=find_deadline_s(job, expectation),
                    past=self.past.get(find_series(job, kind)) if outcome is JobOutcome.RUNNING else None,
                    waiting=waiting,
                    tasks=tasks,
                    circle=circle,
                    further_evidence=(
                        *(() if circle is None else (build_evidence(circle),)),
                        *(waiting.evidence if waiting else ()),
                        *_list_work_evidence(job, outcome, owned, tasks),
                    ),
                ),
            ),
            kind_evidence,
            made_of,
        )

    def _add_motion(self, motion: Motion | None, case: Case) -> Case:
        """With what is thought of whether it moves: no rule speaks before its quiet limit, nor where it may rest or
        only waits for a place; then it is stuck (proven), resting or unseen (``motion_rules``).
        """
        if motion is None:
            return case
        overdue = case.past_deadline or case.over_limit or case.unusually_long
        limit_s = find_quiet_limit_s(self.contracts.quiet_limit_s, case.past)
        allowance = Allowance(case.job.id, limit_s, overdue=overdue, serves=case.expectation.must_end is False)
        return replace(case, motion=decide_motion(motion, allowance, self.now))

    @staticmethod
    def _fill_from_before(made_of: tuple[Any, ...], before: tuple[Any, ...]) -> tuple[Any, ...]:
        """The ingredients, with what was told before where a source says nothing now.

        What proved how a job ended stays true when a table cannot be read for once, or Ray has dropped its row.
        """
        job, exit_row, said, node, owned, ours, tasks, drivers, others, contracts, circle = made_of
        _, row_before, said_before, node_before, owned_before, _, tasks_before, runs_before, others_before, _, turns = (
            before
        )
        silent = isinstance(said, Unknown) or (exit_row is None and row_before is not None)
        if silent and not isinstance(said_before, Unknown):
            exit_row, said = row_before, said_before
        owned = owned_before if owned is None else owned
        if drivers is None:
            drivers, others = runs_before, others_before
        elif others is not others_before and others != others_before:
            others = fill_joined(others, others_before)
        node, tasks, circle = node or node_before, tasks or tasks_before, circle or turns
        return job, exit_row, said, node, owned, ours, tasks, drivers, others, contracts, circle

    def judge_head(self, job: JobFacts) -> JudgedCase:
        """The case of a head's own start, which is no Ray job."""
        alive = job.status == "SUCCEEDED"
        fact = "the head node is alive" if alive else f"the head node is {job.status}"
        outcome = JobOutcome.SUCCEEDED if alive else JobOutcome.LOST
        return self._judge_node(job, CLUSTER_INITIALIZATION, outcome, fact, "a head node; its start is not a Ray job")

    def judge_worker(self, job: JobFacts) -> JudgedCase:
        """The case of a worker node, which is no Ray job."""
        if job.status == "RUNNING":
            outcome, fact = JobOutcome.RUNNING, "the node is alive"
        else:
            outcome = JobOutcome.STOPPED if (job.message or "").startswith(_LEFT) else JobOutcome.LOST
            fact = f"the node is {job.status}: {job.message or 'no reason is recorded'}"
        return self._judge_node(job, WORKER_NODE, outcome, fact, "a worker node; it is not a Ray job")

    def _judge_node(self, job: JobFacts, kind: str, outcome: JobOutcome, fact: str, why: str) -> JudgedCase:
        rule = "node-table"
        conclusion = Conclusion(
            outcome, (Evidence(rule, "node table", fact),), f"The node table says that {fact.rstrip('.')}.", rule
        )
        made_of = (job, outcome, self.contracts)
        before = self.before.get(job.id)
        if before is not None and _stays(before) and before.made_of == made_of:
            return before
        case = Case(
            job, kind, self.contracts.get_expectation(kind), conclusion, None, compute_age_s(job, outcome, self.now)
        )
        return JudgedCase(case, Evidence("kind-by-node", "node table", why), made_of)

    def _find_node(self, job: JobFacts, driver: DriverExit | None) -> NodeFacts | None:
        """By id where Ray tells one; by address only when no other node has had it."""
        for node_id in (job.node_id, driver.node_id if driver else None):
            if node_id in self.nodes:
                return self.nodes[node_id]
        same = self.nodes_by_ip.get(job.node_ip) if job.node_ip else None
        return same[0] if same is not None and len(same) == 1 else None


def _stays(judged: JudgedCase) -> bool:
    """Whether clock and cluster have no more say in it. Where no end is recorded, the clock still tells the kind."""
    case = judged.case
    return case.conclusion.outcome not in OPEN_OUTCOMES and case.serving is None and case.job.ended_at is not None


def _has_just_ended(job: JobFacts, conclusion: Conclusion, now: datetime) -> bool:
    """Ray closes a job's row up to some seconds before its driver's, which is the one that tells how it ended."""
    if conclusion.rule != ROW_MISSING or job.ended_at is None:
        return False
    return now - job.ended_at < SETTLING


def _conclude_ending(conclusion: Conclusion) -> Conclusion:
    sentence = "It has just ended; how is not recorded yet."
    return Conclusion(JobOutcome.RUNNING, conclusion.evidence, sentence, conclusion.rule)


def _conclude_serving(conclusion: Conclusion) -> Conclusion:
    """Serve's actors are detached: they outlive the driver that made them."""
    rule, sentence = "serve-outlives-driver", "Its driver ended; what it serves goes on."
    evidence = Evidence(rule, "actor table", "actors of Ray Serve that it owns are alive")
    return Conclusion(JobOutcome.RUNNING, (evidence, *conclusion.evidence), sentence, rule)


def _describe_serve_problem(serve: Section[ServeFacts]) -> str | None:
    apps = serve.value.applications if isinstance(serve, Known) else ()
    return next(filter(None, map(describe_trouble, apps)), None)


def _list_work_evidence(
    job: JobFacts, outcome: JobOutcome, owned: Owned | None, tasks: TaskCounts | None
) -> tuple[Evidence, ...]:
    """Where an end proves nothing: what is known of the work, and what its owner says."""
    if outcome is not JobOutcome.ENDED_UNKNOWN:
        return ()
    found = []
    if tasks is not None:
        fact = f"{tasks.finished} of {tasks.total} tasks finished, {tasks.failed} failed"
        found.append(Evidence("tasks-of-the-job", "task summary", fact))
    if owned is not None and owned.actors:
        fact = f"{owned.actors} actors, of which {owned.alive} are alive"
        found.append(Evidence("actors-of-the-job", "actor table", fact))
    if note := job.metadata.get(NOTE_KEY):
        found.append(Evidence("owner-note", "metadata", note))
    return tuple(found)

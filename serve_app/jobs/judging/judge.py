"""From facts to rows: kind, outcome, verdict and reason of every job, also of those that Ray's list leaves out.

Ray hides every driver in a namespace of its own (``get_driver_jobs`` in ray/dashboard/modules/job/utils.py), the one
that ``serve deploy`` works through among them: those are found by their actors. ``ray start`` is no Ray job at all, so
heads and worker nodes come from the node table. Pure; the clock is passed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from serve_app.jobs.judging.case import Case, JudgedCase, find_series
from serve_app.jobs.judging.case_maker import CaseMaker
from serve_app.jobs.judging.expectations import (
    BUILT_IN,
    NOTHING,
    READ_THE_LOG,
    READ_THE_OUTPUT,
    Contracts,
    find_manager,
    find_owner,
    find_scheduler,
)
from serve_app.jobs.judging.kinds import Owned, find_unproven_claim
from serve_app.jobs.judging.motion_rules import CIRCLING, IN_PART, MOTION_RULES, advise, choose_motion_action
from serve_app.jobs.judging.successors import add_successors
from serve_app.jobs.judging.verdicts import VerdictRule, decide_verdict
from serve_app.jobs.models import (
    DriverExit,
    Evidence,
    JobFacts,
    JobRow,
    JobType,
    Known,
    NodeFacts,
    PastRuns,
    Snapshot,
    Verdict,
)
from serve_app.outcomes import OPEN_OUTCOMES, JobOutcome
from serve_app.queries.job_names import build_place_name, count_us

HEAD_START = "ray start --head"
WORKER_START = "ray start --address"
# A cluster that scales up and down for months remembers many nodes.
_MOST_DEAD_NODES = 200


class Placed(NamedTuple):
    """A row, what it was made of, and its place among the others."""

    case: Case
    kind_evidence: Evidence
    row: JobRow
    place: tuple[int, str]

    def is_still_right(self, case: Case, kind_evidence: Evidence, session: str) -> bool:
        """Whether the same would be made of it now."""
        same = self.case is case or (self.case == case and self.kind_evidence == kind_evidence)
        return same and self.row.session == session


@dataclass
class Memo:
    """What the last judging found of jobs that had ended, so that the next need not find it again.

    It holds inputs beside each result and is used only where they are the same, or where a table that told one of them
    is silent now: apart from that, answers do not depend on it.
    """

    cases: dict[str, JudgedCase] = field(default_factory=dict)
    rows: dict[str, Placed] = field(default_factory=dict)


def judge(
    snapshot: Snapshot,
    now: datetime,
    contracts: Contracts = BUILT_IN,
    past: Mapping[str, PastRuns] | None = None,
    memo: Memo | None = None,
) -> list[JobRow]:
    """All jobs that can be known of, newest first. An ``Unknown`` section makes answers less certain, not fewer.

    ``past`` are earlier runs by series; without them nothing is unusual.
    """
    memo = Memo() if memo is None else memo
    maker = CaseMaker.build(snapshot, now, contracts, past or {}, memo.cases)
    listed = snapshot.jobs.value if isinstance(snapshot.jobs, Known) else ()
    jobs = [*listed, *find_hidden_jobs(snapshot, listed, maker.owned or {})]
    found = [
        *(maker.judge_job(job) for job in jobs),
        *(maker.judge_head(job) for job in list_head_starts(snapshot)),
        *(maker.judge_worker(job) for job in list_worker_nodes(snapshot)),
    ]
    memo.cases = {judged.case.job.id: judged for judged in found}
    placed = []
    for case, kind_evidence in add_successors([(judged.case, judged.kind_evidence) for judged in found]):
        before = memo.rows.get(case.job.id)
        if before is None or not before.is_still_right(case, kind_evidence, snapshot.session):
            row = _build_row(case, kind_evidence, snapshot.session)
            before = Placed(case, kind_evidence, row, get_sort_key(row))
        placed.append(before)
    memo.rows = {each.row.id: each for each in placed}
    placed.sort(key=attrgetter("place"), reverse=True)
    return [each.row for each in placed]


def get_sort_key(row: JobRow) -> tuple[int, str]:
    """Rows in the order of their start, in microseconds; those without one are the oldest.

    The key travels in cursors, so an id that is long or odd stands there as its hash. Ids of several sessions are the
    same, so the session is part of it.
    """
    name = build_place_name(row.id, row.session)
    return (-1 if row.started_at is None else count_us(row.started_at), name)


def _build_row(case: Case, kind_evidence: Evidence, session: str) -> JobRow:
    rule, sentence = decide_verdict(case)
    job, conclusion = case.job, case.conclusion
    on_its_way = conclusion.outcome in OPEN_OUTCOMES
    marks = tuple(Evidence("row-marked", "job list", mark) for mark in job.marks)
    claim = find_unproven_claim(job, case.kind)
    return JobRow(
        id=job.id,
        job_id=job.job_id,
        submission_id=job.submission_id,
        type=job.type,
        kind=case.kind,
        entrypoint=job.entrypoint,
        status=job.status,
        outcome=conclusion.outcome,
        verdict=rule.verdict,
        reason=sentence,
        rule=rule.name,
        scheduled_by=find_scheduler(job, case.expectation),
        managed_by=find_manager(job, case.expectation),
        started_at=job.started_at,
        ended_at=None if on_its_way else job.ended_at,
        duration_s=case.age_s,
        node_id=job.node_id,
        metadata=job.metadata,
        derived=job.type is JobType.NODE,
        hidden=job.hidden,
        evidence=(kind_evidence, *([claim] if claim else []), *conclusion.evidence, *case.further_evidence, *marks),
        session=session,
        series=find_series(job, case.kind),
        owner=find_owner(job, case.expectation),
        action=_choose_action(case, rule),
        error_type=job.error_type,
        exit_code=job.exit_code,
        kind_rule=kind_evidence.rule,
        outcome_rule=conclusion.rule,
        circle=case.circle,
        motion=case.motion,
        code=_choose_code(case, rule),
        lacks="" if case.waiting is None else case.waiting.lacks,
    )


def _choose_action(case: Case, rule: VerdictRule) -> str:
    if rule.name in (CIRCLING, IN_PART) and case.circle is not None:
        return advise(case.circle)
    if standing_still := choose_motion_action(rule.name, case.job.id):
        return standing_still
    if rule.verdict is Verdict.OK:
        return NOTHING
    if case.waiting is not None and case.waiting.action:
        return case.waiting.action
    meaning = case.expectation.meanings.get(case.conclusion.outcome)
    told = case.conclusion.action or (NOTHING if meaning is None else meaning.action)
    return READ_THE_OUTPUT if told == READ_THE_LOG and case.job.type is JobType.DRIVER else told


def _choose_code(case: Case, rule: VerdictRule) -> str | None:
    """Why a job ended its diagnosis says; of a circle, and of one that was stopped in it, judging knows it."""
    outcome = case.conclusion.outcome
    if case.circle is not None:
        is_told = outcome in OPEN_OUTCOMES or (outcome is JobOutcome.STOPPED and case.circle.is_explained)
        return case.circle.code if is_told else None
    return None if case.motion is None or rule.name not in MOTION_RULES else case.motion.code


def find_hidden_jobs(snapshot: Snapshot, listed: Iterable[JobFacts], owned: dict[str, Owned]) -> list[JobFacts]:
    """Jobs that own actors, or this application, and are not in the list. Without a list nothing is hidden."""
    if not isinstance(snapshot.jobs, Known):
        return []
    named = {job.job_id for job in listed}
    found = {*owned, *([snapshot.own_job_id] if snapshot.own_job_id else [])} - named - {""}
    if found:
        # A submission names its drivers, of which Ray's list shows the last.
        found -= {each.job_id for job in listed for each in snapshot.list_drivers(job.submission_id)}
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

"""From facts to rows: kind, outcome, verdict and reason of every job. Pure; the clock is passed in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from serve_app.jobs.expectations import expectation_of, limit_of, manager_of, scheduler_of
from serve_app.jobs.kinds import (
    APPLICATION_SERVER,
    BY_SERVE,
    CLUSTER_INITIALIZATION,
    COA_INITIALIZATION,
    Owned,
    kind_of,
    owned_by_job,
)
from serve_app.jobs.models import (
    DriverExit,
    Evidence,
    JobFacts,
    JobRow,
    JobType,
    Known,
    NodeFacts,
    Outcome,
    Section,
    ServeFacts,
    Snapshot,
    Unknown,
)
from serve_app.jobs.outcome import Conclusion, outcome_of
from serve_app.jobs.unlisted import head_starts, hidden_jobs
from serve_app.jobs.verdicts import Case, verdict_of

_SERVE_PROBLEMS = {"UNHEALTHY", "DEPLOY_FAILED"}
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.:\-]{1,200}")
_ON_ITS_WAY = {Outcome.PENDING, Outcome.RUNNING}


def judge(snapshot: Snapshot, now: datetime) -> list[JobRow]:
    """All jobs that can be known of, newest first. An ``Unknown`` section makes answers less certain, not fewer."""
    cluster = _Cluster.of(snapshot)
    listed = snapshot.jobs.value if isinstance(snapshot.jobs, Known) else ()
    jobs = [*listed, *hidden_jobs(snapshot, listed, cluster.owned or {})]
    cases = [*(_case(job, cluster, snapshot, now) for job in jobs), *(_head(job, now) for job in head_starts(snapshot))]
    rows = [_row(case, kind_evidence) for case, kind_evidence in _with_successors(cases)]
    return sorted(rows, key=sort_key, reverse=True)


def sort_key(row: JobRow) -> tuple[int, str]:
    """Rows in the order of their start, in microseconds; those without one are the oldest.

    The key travels in cursors, so an id that is long or odd stands there as its hash.
    """
    name = row.id if _PLAIN_ID.fullmatch(row.id) else f"~{hashlib.sha256(row.id.encode(errors='replace')).hexdigest()}"
    return (-1 if row.started_at is None else round(row.started_at.timestamp() * 1_000_000), name)


class _Cluster(NamedTuple):
    """The sections by the ids under which jobs refer to them."""

    owned: dict[str, Owned] | None
    nodes: dict[str, NodeFacts]
    nodes_by_ip: dict[str, list[NodeFacts]]

    @classmethod
    def of(cls, snapshot: Snapshot) -> _Cluster:
        nodes = snapshot.nodes.value if isinstance(snapshot.nodes, Known) else ()
        by_ip: dict[str, list[NodeFacts]] = {}
        for node in nodes:
            by_ip.setdefault(node.ip, []).append(node)
        owned = owned_by_job(snapshot.actors.value) if isinstance(snapshot.actors, Known) else None
        return cls(owned, {node.node_id: node for node in nodes}, by_ip)

    def owned_by(self, job: JobFacts) -> Owned | None:
        return None if self.owned is None else self.owned.get(job.job_id or "", Owned())

    def node_of(self, job: JobFacts, driver: DriverExit | None) -> NodeFacts | None:
        """By id where Ray tells one; by address only when no other node has had it."""
        for node_id in (job.node_id, driver.node_id if driver else None):
            if node_id in self.nodes:
                return self.nodes[node_id]
        same = self.nodes_by_ip.get(job.node_ip or "", [])
        return same[0] if len(same) == 1 else None


def _case(job: JobFacts, cluster: _Cluster, snapshot: Snapshot, now: datetime) -> tuple[Case, Evidence]:
    driver = _driver(job, snapshot.driver_exits)
    row = driver.value if isinstance(driver, Known) else None
    node = cluster.node_of(job, row)
    owned = cluster.owned_by(job)
    ours = job.job_id is not None and job.job_id == snapshot.own_job_id
    kind, kind_evidence = kind_of(job, owned, ours=ours, now=now)
    conclusion = outcome_of(job, driver, node)
    of_serve = kind_evidence.rule == BY_SERVE
    # Whatever the tables say at this moment, the application that judges is being served.
    serving = ours or (owned.serve_alive > 0 if owned is not None else None)
    if of_serve and serving and conclusion.outcome not in _ON_ITS_WAY:
        conclusion = _serves_on(conclusion)
    expectation = expectation_of(kind)
    return Case(
        job=replace(job, node_id=job.node_id or (node.node_id if node else None)),
        kind=kind,
        expectation=expectation,
        conclusion=conclusion,
        limit_s=limit_of(job, expectation),
        age_s=_age_s(job, conclusion.outcome, now),
        serving=serving if of_serve else None,
        serve_problem=_serve_problem(snapshot.serve) if of_serve else None,
    ), kind_evidence


def _driver(job: JobFacts, exits: Section[Mapping[str, DriverExit]]) -> Section[DriverExit | None]:
    if isinstance(exits, Unknown):
        return exits
    return Known(exits.value.get(job.job_id or ""), exits.note)


def _serves_on(conclusion: Conclusion) -> Conclusion:
    """Serve's actors are detached: they outlive the driver that made them."""
    evidence = Evidence("serve-outlives-driver", "actor table", "actors of Ray Serve that it owns are alive")
    return Conclusion(Outcome.RUNNING, (evidence, *conclusion.evidence), "Its driver ended; what it serves goes on.")


def _serve_problem(serve: Section[ServeFacts]) -> str | None:
    apps = serve.value.applications if isinstance(serve, Known) else ()
    for app in apps:
        if app.status in _SERVE_PROBLEMS:
            return f"application {app.name} is {app.status}: {app.message[:200] or 'no message'}"
    return None


def _head(job: JobFacts, now: datetime) -> tuple[Case, Evidence]:
    alive = job.status == "SUCCEEDED"
    fact = "the head node is alive" if alive else f"the head node is {job.status}"
    conclusion = Conclusion(
        Outcome.SUCCEEDED if alive else Outcome.LOST,
        (Evidence("node-table", "node table", fact),),
        f"The node table says that {fact}.",
    )
    expectation = expectation_of(CLUSTER_INITIALIZATION)
    kind_evidence = Evidence("kind-by-node", "node table", "a head node; its start is not a Ray job")
    age_s = _age_s(job, conclusion.outcome, now)
    return Case(job, CLUSTER_INITIALIZATION, expectation, conclusion, None, age_s), kind_evidence


def _with_successors(cases: list[tuple[Case, Evidence]]) -> Iterable[tuple[Case, Evidence]]:
    """Tell each case which later one of the same purpose made it good, or is about to."""
    repairs: dict[str, Case] = {}
    retries: dict[str, Case] = {}
    for case, kind_evidence in cases:
        purpose, good = _purpose(case, kind_evidence), _good(case)
        if purpose is not None and (good or case.conclusion.outcome in _ON_ITS_WAY):
            _keep_latest(repairs if good else retries, purpose, case)
    for case, kind_evidence in cases:
        purpose = _purpose(case, kind_evidence) or ""
        repaired_by, retried_by = _later(repairs.get(purpose), case), _later(retries.get(purpose), case)
        yield replace(case, repaired_by=repaired_by, retried_by=retried_by), kind_evidence


def _purpose(case: Case, kind_evidence: Evidence) -> str | None:
    """What only one job at a time is for; None for work of which there may be much."""
    if case.kind in (COA_INITIALIZATION, CLUSTER_INITIALIZATION):
        return case.kind
    if case.kind == APPLICATION_SERVER:
        name = case.job.metadata.get("job_name") or case.job.entrypoint
        return "serve" if kind_evidence.rule == BY_SERVE else f"server {name}"
    return None


def _good(case: Case) -> bool:
    if case.kind == APPLICATION_SERVER:
        return case.conclusion.outcome is Outcome.RUNNING and case.serving is not False
    return case.conclusion.outcome is Outcome.SUCCEEDED


def _keep_latest(latest: dict[str, Case], purpose: str, case: Case) -> None:
    before = latest.get(purpose)
    if before is None or _start(case) > _start(before):
        latest[purpose] = case


def _later(other: Case | None, case: Case) -> str | None:
    return other.job.id if other is not None and _start(other) > _start(case) else None


def _start(case: Case) -> float:
    return case.job.started_at.timestamp() if case.job.started_at else 0.0


def _age_s(job: JobFacts, outcome: Outcome, now: datetime) -> float | None:
    if job.started_at is None:
        return None
    ended_at = now if outcome in _ON_ITS_WAY else job.ended_at
    return None if ended_at is None else max(0.0, round((ended_at - job.started_at).total_seconds(), 3))


def _row(case: Case, kind_evidence: Evidence) -> JobRow:
    rule, sentence = verdict_of(case)
    job, outcome = case.job, case.conclusion.outcome
    marks = tuple(Evidence("row-marked", "job list", mark) for mark in job.marks)
    return JobRow(
        id=job.id,
        job_id=job.job_id,
        submission_id=job.submission_id,
        type=job.type,
        kind=case.kind,
        entrypoint=job.entrypoint,
        status=job.status,
        outcome=outcome,
        verdict=rule.verdict,
        reason=sentence,
        rule=rule.name,
        scheduled_by=scheduler_of(job, case.expectation),
        managed_by=manager_of(job, case.expectation),
        started_at=job.started_at,
        ended_at=None if outcome in _ON_ITS_WAY else job.ended_at,
        duration_s=case.age_s,
        node_id=job.node_id,
        metadata=job.metadata,
        derived=job.type is JobType.NODE,
        hidden=job.hidden,
        evidence=(kind_evidence, *case.conclusion.evidence, *marks),
    )

"""From facts to rows: kind, outcome, verdict and reason of every job. Pure; the clock is passed in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from serve_app.jobs.judging.case import CaseMaker, Judged, series_of
from serve_app.jobs.judging.expectations import BUILT_IN, NOTHING, Contracts, manager_of, owner_of, scheduler_of
from serve_app.jobs.judging.hidden import head_starts, hidden_jobs, worker_nodes
from serve_app.jobs.judging.successors import with_successors
from serve_app.jobs.judging.verdicts import Case, verdict_of
from serve_app.jobs.models import Evidence, JobRow, JobType, Known, PastRuns, Snapshot, Verdict
from serve_app.outcomes import OPEN_OUTCOMES

_PLAIN_ID = re.compile(r"[A-Za-z0-9_.:\-]{1,200}")


class Placed(NamedTuple):
    """A row, what it was made of, and its place among the others."""

    case: Case
    kind_evidence: Evidence
    row: JobRow
    place: tuple[int, str]

    def still(self, case: Case, kind_evidence: Evidence, session: str) -> bool:
        """Whether the same would be made of it now."""
        same = self.case is case or (self.case == case and self.kind_evidence == kind_evidence)
        return same and self.row.session == session


@dataclass
class Memo:
    """What the last judging found of jobs that had ended, so that the next need not find it again.

    It holds inputs beside each result and is used only where they are the same, or where a table that told one of them
    is silent now: apart from that, answers do not depend on it.
    """

    cases: dict[str, Judged] = field(default_factory=dict)
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
    maker = CaseMaker.of(snapshot, now, contracts, past or {}, memo.cases)
    listed = snapshot.jobs.value if isinstance(snapshot.jobs, Known) else ()
    jobs = [*listed, *hidden_jobs(snapshot, listed, maker.owned or {})]
    found = [
        *(maker.case(job) for job in jobs),
        *(maker.head(job) for job in head_starts(snapshot)),
        *(maker.worker(job) for job in worker_nodes(snapshot)),
    ]
    memo.cases = {judged.case.job.id: judged for judged in found}
    placed = []
    for case, kind_evidence in with_successors([(judged.case, judged.kind_evidence) for judged in found]):
        before = memo.rows.get(case.job.id)
        if before is None or not before.still(case, kind_evidence, snapshot.session):
            row = _row(case, kind_evidence, snapshot.session)
            before = Placed(case, kind_evidence, row, sort_key(row))
        placed.append(before)
    memo.rows = {each.row.id: each for each in placed}
    placed.sort(key=attrgetter("place"), reverse=True)
    return [each.row for each in placed]


def sort_key(row: JobRow) -> tuple[int, str]:
    """Rows in the order of their start, in microseconds; those without one are the oldest.

    The key travels in cursors, so an id that is long or odd stands there as its hash. Ids of several sessions are the
    same, so the session is part of it.
    """
    name = row.id if _PLAIN_ID.fullmatch(row.id) else f"~{hashlib.sha256(row.id.encode(errors='replace')).hexdigest()}"
    name = f"{name}@{row.session}" if row.session else name
    return (-1 if row.started_at is None else round(row.started_at.timestamp() * 1_000_000), name)


def _row(case: Case, kind_evidence: Evidence, session: str) -> JobRow:
    rule, sentence = verdict_of(case)
    job, conclusion = case.job, case.conclusion
    on_its_way = conclusion.outcome in OPEN_OUTCOMES
    marks = tuple(Evidence("row-marked", "job list", mark) for mark in job.marks)
    meaning = case.expectation.meanings.get(conclusion.outcome)
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
        scheduled_by=scheduler_of(job, case.expectation),
        managed_by=manager_of(job, case.expectation),
        started_at=job.started_at,
        ended_at=None if on_its_way else job.ended_at,
        duration_s=case.age_s,
        node_id=job.node_id,
        metadata=job.metadata,
        derived=job.type is JobType.NODE,
        hidden=job.hidden,
        evidence=(kind_evidence, *conclusion.evidence, *case.further_evidence, *marks),
        session=session,
        series=series_of(job, case.kind),
        owner=owner_of(job, case.expectation),
        action=NOTHING if meaning is None or rule.verdict is Verdict.OK else meaning.action,
        error_type=job.error_type,
        exit_code=job.exit_code,
        kind_rule=kind_evidence.rule,
        outcome_rule=conclusion.rule,
    )

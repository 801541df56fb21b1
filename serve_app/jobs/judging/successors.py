"""Which job made good what another did not: a later one of the same purpose, or a retry of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from serve_app.jobs.judging.case import Case
from serve_app.jobs.judging.kinds import APPLICATION_SERVER, BY_SERVE, CLUSTER_INITIALIZATION, COA_INITIALIZATION
from serve_app.jobs.models import Evidence
from serve_app.outcomes import BROKEN_OUTCOMES, OPEN_OUTCOMES, JobOutcome

RETRY_OF_KEY = "seedcore.retry_of"
_MOST_RETRIES = 100


def add_successors(cases: list[tuple[Case, Evidence]]) -> Iterable[tuple[Case, Evidence]]:
    """Tell each case which later one made it good or is about to, and how many failed in a row up to it.

    A case to which that adds nothing stays the same object.
    """
    repairs: dict[str, Case] = {}
    retries: dict[str, Case] = {}
    purposes = [_find_purpose(case, kind_evidence) for case, kind_evidence in cases]
    for (case, _), purpose in zip(cases, purposes, strict=True):
        good = purpose is not None and _is_good(case)
        if purpose is not None and (good or case.conclusion.outcome in OPEN_OUTCOMES):
            _keep_latest(repairs if good else retries, purpose, case)
    retried: dict[str, Case] = {}
    for case, _ in cases:
        if of := case.job.metadata.get(RETRY_OF_KEY):
            retried[of] = max(retried.get(of, case), case, key=_rate_promise)
    in_a_row = _count_failures_in_a_row(case for case, _ in cases)
    for (case, kind_evidence), purpose in zip(cases, purposes, strict=True):
        repaired_by = retried_by = None
        if purpose is not None:
            repaired_by, retried_by = _find_later(repairs.get(purpose), case), _find_later(retries.get(purpose), case)
        elif case.job.id in retried:
            repaired_by, retried_by = _find_last_retry(case, retried)
        failures = in_a_row.get(case.job.id, 0)
        if (repaired_by, retried_by, failures) != (case.repaired_by, case.retried_by, case.failures_in_a_row):
            case = replace(case, repaired_by=repaired_by, retried_by=retried_by, failures_in_a_row=failures)
        yield case, kind_evidence


def _find_purpose(case: Case, kind_evidence: Evidence) -> str | None:
    """What only one job at a time is for; None for work of which there may be much."""
    if case.kind in (COA_INITIALIZATION, CLUSTER_INITIALIZATION):
        return case.kind
    if case.family == APPLICATION_SERVER:
        name = case.job.metadata.get("job_name") or case.job.entrypoint
        return "serve" if kind_evidence.rule == BY_SERVE else f"{case.kind} {name}"
    return None


def _is_good(case: Case) -> bool:
    if case.family == APPLICATION_SERVER:
        return case.conclusion.outcome is JobOutcome.RUNNING and case.serving is not False
    return case.conclusion.outcome is JobOutcome.SUCCEEDED


def _keep_latest(latest: dict[str, Case], purpose: str, case: Case) -> None:
    before = latest.get(purpose)
    if before is None or _get_start_s(case) > _get_start_s(before):
        latest[purpose] = case


def _find_later(other: Case | None, case: Case) -> str | None:
    return other.job.id if other is not None and _get_start_s(other) > _get_start_s(case) else None


def _find_last_retry(case: Case, retried: dict[str, Case]) -> tuple[str | None, str | None]:
    """Follow the chain of retries to its end; metadata can claim a circle."""
    last = case
    for _ in range(_MOST_RETRIES):
        following = retried.get(last.job.id)
        if following is None or following is case:
            break
        last = following
    if last is case:
        return None, None
    if _is_good(last):
        return last.job.id, None
    return None, last.job.id if last.conclusion.outcome in OPEN_OUTCOMES else None


def _rate_promise(case: Case) -> tuple[bool, bool, float]:
    """Of several retries of one job, that which succeeded counts, or else that which may yet."""
    return _is_good(case), case.conclusion.outcome in OPEN_OUTCOMES, _get_start_s(case)


def _count_failures_in_a_row(cases: Iterable[Case]) -> dict[str, int]:
    """By job id, for kinds that allow some: this failure and those right before it."""
    by_kind: dict[str, list[Case]] = {}
    for case in cases:
        if case.expectation.allowed_failures and case.conclusion.outcome not in OPEN_OUTCOMES:
            by_kind.setdefault(case.kind, []).append(case)
    found: dict[str, int] = {}
    for same in by_kind.values():
        count = 0
        for case in sorted(same, key=_get_start_s):
            count = count + 1 if case.conclusion.outcome in BROKEN_OUTCOMES else 0
            if count:
                found[case.job.id] = count
    return found


def _get_start_s(case: Case) -> float:
    """When it began; of what is not known to have begun, that which is on its way is the newest."""
    if case.job.started_at is None:
        return math.inf if case.conclusion.outcome in OPEN_OUTCOMES else 0.0
    return case.job.started_at.timestamp()

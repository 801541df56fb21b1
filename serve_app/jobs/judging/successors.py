"""Which job made good what another did not: a later one of the same purpose or name, or a retry of it. Pure.

A name is declared: whoever gives two jobs one ``job_name`` says that they are the same work. Where none is, only what
looks the same in every respect and follows at once is taken for the next attempt, as a loop of a shell makes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from serve_app.jobs.judging.case import NAME_KEY, Case
from serve_app.jobs.judging.expectations import EXPECTATIONS
from serve_app.jobs.judging.kinds import APPLICATION_SERVER, BY_SERVE, CLUSTER_INITIALIZATION, COA_INITIALIZATION
from serve_app.jobs.models import Evidence, JobType
from serve_app.outcomes import BROKEN_OUTCOMES, OPEN_OUTCOMES, JobOutcome

RETRY_OF_KEY = "seedcore.retry_of"
# Longer after the end of one, the same command is another run of it.
NEXT_ATTEMPT_WITHIN = timedelta(minutes=2)
_MOST_RETRIES = 100
_NOT_DONE = BROKEN_OUTCOMES | {JobOutcome.CONTRADICTED}
_NOT_COUNTED = OPEN_OUTCOMES | {JobOutcome.CONTRADICTED}
_Found = tuple[str | None, str | None]
# Purposes by a name, which may have retries as well.
_NAMED = "named"


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
    retried = _find_retries([case for case, _ in cases])
    in_a_row = _count_failures_in_a_row(case for case, _ in cases)
    next_attempts = _find_next_attempts([case for case, _ in cases])
    some = bool(retried or next_attempts)
    for (case, kind_evidence), purpose in zip(cases, purposes, strict=True):
        repaired_by = retried_by = None
        if purpose is not None:
            repaired_by, retried_by = _find_later(repairs.get(purpose), case), _find_later(retries.get(purpose), case)
        # A purpose that only one job at a time has knows no retries.
        if some and repaired_by is None and retried_by is None and (purpose is None or purpose.startswith(_NAMED)):
            repaired_by, retried_by = _find_attempt(case, retried, next_attempts)
        failures = in_a_row.get(case.job.id, 0)
        if (repaired_by, retried_by, failures) != (case.repaired_by, case.retried_by, case.failures_in_a_row):
            case = replace(case, repaired_by=repaired_by, retried_by=retried_by, failures_in_a_row=failures)
        yield case, kind_evidence


def _find_retries(cases: list[Case]) -> dict[str, Case]:
    """By job id, the retry of it that counts. One that began before it is of an earlier run with its id."""
    retries = [(of, case) for case in cases if (of := case.job.metadata.get(RETRY_OF_KEY))]
    begun_s = {case.job.id: _get_start_s(case) for case in cases} if retries else {}
    retried: dict[str, Case] = {}
    for of, case in retries:
        if begun_s.get(of, math.inf) <= _get_start_s(case):
            retried[of] = max(retried.get(of, case), case, key=_rate_promise)
    return retried


def _find_purpose(case: Case, kind_evidence: Evidence) -> str | None:
    """What only one job at a time is for; None for work of which there may be much."""
    if case.kind in (COA_INITIALIZATION, CLUSTER_INITIALIZATION):
        return case.kind
    if case.family == APPLICATION_SERVER:
        name = case.job.metadata.get(NAME_KEY) or case.job.entrypoint
        return "serve" if kind_evidence.rule == BY_SERVE else f"{case.kind} {name}"
    if case.kind not in EXPECTATIONS and case.expectation.every_s is not None:
        # A kind of which a success is due every so often is one series.
        return f"{_NAMED} {case.kind}"
    declared = case.job.metadata.get(NAME_KEY)
    return f"{_NAMED} {case.kind} {declared}" if declared else None


def _find_next_attempts(cases: list[Case]) -> dict[str, _Found]:
    """By job id, who made it good or is about to, of submissions that were repeated word for word at once."""
    wanted = {_get_words(case) for case in cases if case.conclusion.outcome in _NOT_DONE and _may_be_repeated(case)}
    same: dict[tuple[str, ...], list[Case]] = {}
    for case in cases if wanted else ():
        if _may_be_repeated(case) and (words := _get_words(case)) in wanted:
            same.setdefault(words, []).append(case)
    found: dict[str, _Found] = {}
    for attempts in same.values():
        attempts.sort(key=_get_start_s)
        for case, following in reversed(_list_pairs(attempts)):
            if case.conclusion.outcome not in _NOT_DONE or not _follows_at_once(following, case):
                continue
            if _is_good(following):
                found[case.job.id] = (following.job.id, None)
            elif following.conclusion.outcome in OPEN_OUTCOMES:
                found[case.job.id] = (None, following.job.id)
            elif following.job.id in found:
                found[case.job.id] = found[following.job.id]
    return found


def _list_pairs(attempts: list[Case]) -> list[tuple[Case, Case]]:
    """Each with the one that began after it, but for those beside which another ran: a crowd is no loop."""
    pairs, busy_until_s = [], 0.0
    for case, following in pairwise(attempts):
        if busy_until_s <= _get_start_s(case):
            pairs.append((case, following))
        ended_at = case.job.ended_at
        busy_until_s = max(busy_until_s, math.inf if ended_at is None else ended_at.timestamp())
    return pairs


def _may_be_repeated(case: Case) -> bool:
    return case.job.type is JobType.SUBMISSION and bool(case.job.entrypoint) and NAME_KEY not in case.job.metadata


def _get_words(case: Case) -> tuple[str, ...]:
    """All that was said when it was submitted, but for its id."""
    job = case.job
    return (
        case.kind,
        job.entrypoint,
        job.environment,
        *sorted(f"{name}={text}" for name, text in job.metadata.items()),
    )


def _follows_at_once(case: Case, before: Case) -> bool:
    ended_at, started_at = before.job.ended_at, case.job.started_at
    return (
        ended_at is not None
        and started_at is not None
        and (timedelta(0) <= started_at - ended_at <= NEXT_ATTEMPT_WITHIN)
    )


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


def _find_attempt(case: Case, retried: dict[str, Case], next_attempts: dict[str, _Found]) -> _Found:
    """The end of its chain of retries, or else who did the same at once."""
    if case.job.id in retried:
        return _find_last_retry(case, retried)
    return next_attempts.get(case.job.id, (None, None))


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
        # What was contradicted may have failed or not: it neither counts nor begins a new count.
        if case.expectation.allowed_failures and case.conclusion.outcome not in _NOT_COUNTED:
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

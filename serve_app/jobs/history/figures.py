"""The guide's figures of jobs over a window: success rate, error rate, durations, causes of failure. Pure.

Counted are jobs that somebody wanted done: not Ray's own, not diagnostic clients, not nodes. A failure that a later
attempt made good is no failure; what ended without proof, or is contradicted, counts neither way.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from serve_app.jobs.diagnosis.models import UNKNOWN
from serve_app.jobs.judging.outcome import SUBMISSION_FAILED
from serve_app.jobs.models import JobRow, PastRuns
from serve_app.outcomes import BROKEN_OUTCOMES, MOST_AHEAD, NOT_COUNTED, TIMED_OUTCOMES, JobOutcome
from serve_app.queries.windows import DEFAULT_WINDOW, Window, require_window
from serve_app.schemas.summary import DurationQuantiles, EndedJobs, FiguresView, KindFigures

_MAX_KINDS = 50

Json = dict[str, Any]
CodeOf = Callable[[str], str | None]


def parse_window(query: Mapping[str, Any]) -> Window:
    """The window asked for; raises ``InvalidInput`` for any other than the four."""
    return require_window(query.get("window", DEFAULT_WINDOW))


def count_ended(rows: Iterable[JobRow], since: datetime, now: datetime, code_of: CodeOf = lambda key: None) -> Json:
    """What ``store.jobs.figures.count_ended`` tells, from rows in memory: for when there is no store.

    ``code_of`` tells the code of a job whose diagnosis was made, by its key.
    """
    ended = [row for row in rows if row.ended_at is not None and since <= row.ended_at <= now + MOST_AHEAD]
    counts = Counter((row.kind, row.outcome.value, row.verdict.value) for row in ended)
    causes: dict[str, list[str]] = {}
    for row in ended:
        cause = find_cause(row)
        if cause is not None and row.verdict != "OK" and row.kind not in NOT_COUNTED:
            code = code_of(row.key)
            causes.setdefault(cause if code in (None, UNKNOWN) else str(code), []).append(row.id)
    ranked = sorted(causes.items(), key=lambda each: (-len(each[1]), each[0]))[:20]
    return {
        "counts": [[*group, number] for group, number in counts.items()],
        "durations": [
            [row.kind, row.duration_s] for row in ended if row.outcome in TIMED_OUTCOMES and row.duration_s is not None
        ],
        "causes": [[cause, len(ids), max(ids)] for cause, ids in ranked],
    }


def find_cause(row: JobRow) -> str | None:
    """Why it failed, in a word that can be counted: the rule of its outcome, with what tells exits apart."""
    if row.outcome not in BROKEN_OUTCOMES:
        return None
    if row.outcome_rule != SUBMISSION_FAILED:
        return row.outcome_rule or None
    if row.exit_code is not None:
        return f"exit code {row.exit_code}"
    return "no error type" if not row.error_type else row.error_type.lower().replace("_", "-")


def compute_figures(told: Mapping[str, Any]) -> FiguresView:
    """``jobs``, ``duration_s``, ``by_kind`` and ``failures_by_cause`` of the summary."""
    counts = [each for each in told["counts"] if each[0] not in NOT_COUNTED]
    durations = [each for each in told["durations"] if each[0] not in NOT_COUNTED]
    kinds = sorted({kind for kind, *_ in counts})[:_MAX_KINDS]
    seconds = [duration for _, duration in durations]
    return {
        "jobs": _count_outcomes(counts),
        "duration_s": {"count": len(seconds), **_compute_spread(seconds), "max": max(seconds, default=None)},
        "by_kind": {kind: _compute_kind(kind, counts, durations) for kind in kinds},
        "failures_by_cause": [
            {"cause": cause, "count": number, "example": example} for cause, number, example in told["causes"]
        ],
    }


def parse_past_runs(told: Mapping[str, Any]) -> PastRuns:
    """Count, p99 and last times of a series, of what ``store.jobs.figures.list_past_runs`` tells: the judging calls
    longer than p99 unusual.
    """
    seconds = list(told["durations_s"])
    spread = _compute_spread(seconds)
    return PastRuns(
        count=len(seconds),
        p99_s=spread["p99"],
        last_started_at=_parse_time(told["last_started_us"]),
        last_succeeded_at=_parse_time(told["last_succeeded_us"]),
    )


def find_quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of all values does not exceed; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _count_outcomes(counts: Iterable[Sequence[Any]]) -> EndedJobs:
    by_outcome: Counter[str] = Counter()
    for _, outcome, verdict, number in counts:
        by_outcome[_classify(outcome, verdict)] += number
    succeeded = by_outcome[JobOutcome.SUCCEEDED]
    failed = by_outcome[JobOutcome.FAILED] + by_outcome[JobOutcome.LOST]
    proven = succeeded + failed
    return {
        "ended": sum(by_outcome.values()),
        "succeeded": succeeded,
        "failed": by_outcome[JobOutcome.FAILED],
        "lost": by_outcome[JobOutcome.LOST],
        "stopped": by_outcome[JobOutcome.STOPPED],
        "contradicted": by_outcome[JobOutcome.CONTRADICTED],
        "ended_unknown": by_outcome[JobOutcome.ENDED_UNKNOWN],
        "repaired": by_outcome["repaired"],
        "success_ratio": round(succeeded / proven, 6) if proven else None,
        "error_ratio": round(failed / proven, 6) if proven else None,
    }


def _classify(outcome: str, verdict: str) -> str:
    """A failure that was made good is none; an end that should not have been, as a server's, is no success."""
    if verdict == "OK" and outcome in BROKEN_OUTCOMES:
        return "repaired"
    return JobOutcome.FAILED if verdict == "BAD" and outcome == JobOutcome.SUCCEEDED else outcome


def _compute_kind(kind: str, counts: Iterable[Sequence[Any]], durations: Iterable[Sequence[Any]]) -> KindFigures:
    counted = _count_outcomes(each for each in counts if each[0] == kind)
    spread = _compute_spread([duration for each, duration in durations if each == kind])
    return {
        "ended": counted["ended"],
        "succeeded": counted["succeeded"],
        "failed": counted["failed"],
        "success_ratio": counted["success_ratio"],
        "p50_s": spread["p50"],
        "p95_s": spread["p95"],
        "p99_s": spread["p99"],
    }


def _compute_spread(seconds: Sequence[float]) -> DurationQuantiles:
    return {
        "p50": find_quantile(seconds, 0.5),
        "p95": find_quantile(seconds, 0.95),
        "p99": find_quantile(seconds, 0.99),
    }


def _parse_time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None or microseconds < 0 else datetime.fromtimestamp(microseconds / 1_000_000, UTC)

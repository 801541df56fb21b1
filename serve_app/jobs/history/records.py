"""A judged job as the store keeps it. Pure."""

from __future__ import annotations

from typing import Any

from serve_app.jobs import views
from serve_app.jobs.judging.judge import sort_key
from serve_app.jobs.judging.outcome import SUBMISSION_FAILED
from serve_app.jobs.models import JobRow
from serve_app.outcomes import BROKEN_OUTCOMES

_SEARCHED_CHARS = 8_000


def record_of(row: JobRow) -> dict[str, Any]:
    """All columns of ``store.jobs.save``, and as ``content`` the row and its evidence as the API shows them."""
    started_us, name = sort_key(row)
    return {
        "key": row.key,
        "session": row.session,
        "id": row.id,
        "job_id": row.job_id,
        "submission_id": row.submission_id,
        "kind": row.kind,
        "status": row.status,
        "outcome": row.outcome.value,
        "verdict": row.verdict.value,
        "rule": row.rule,
        "reason": row.reason,
        "duration_s": row.duration_s,
        "error_type": row.error_type,
        "exit_code": row.exit_code,
        "content": {"row": views.row_view(row), "evidence": views.evidence_view(row)},
        "series": row.series or row.kind,
        "cause": cause_of(row),
        "started_us": started_us,
        "name": name,
        "ended_us": None if row.ended_at is None else round(row.ended_at.timestamp() * 1_000_000),
        "searchable": "\n".join(searched(row))[:_SEARCHED_CHARS],
    }


def cause_of(row: JobRow) -> str | None:
    """Why it failed, in a word that can be counted: the rule of its outcome, with what tells exits apart."""
    if row.outcome not in BROKEN_OUTCOMES:
        return None
    if row.outcome_rule != SUBMISSION_FAILED:
        return row.outcome_rule or None
    if row.exit_code is not None:
        return f"exit code {row.exit_code}"
    return "no error type" if not row.error_type else row.error_type.lower().replace("_", "-")


def searched(row: JobRow) -> list[str]:
    """The texts that a search looks at."""
    pairs = [text for pair in row.metadata.items() for text in pair]
    return [row.id, row.job_id or "", row.entrypoint, *pairs]

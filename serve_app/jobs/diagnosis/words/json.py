"""A diagnosis as the API answers it and as the history keeps it: plain dicts, bounded. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from organs.times import format_time
from serve_app.jobs.diagnosis.models import Diagnosis, Fields, SourceKind, TextSource
from serve_app.jobs.judging.outcome import DRIVER_ENDED_BADLY

if TYPE_CHECKING:
    # It brings pydantic, which the report command can do without.
    from serve_app.schemas.diagnosis import BriefView, DiagnosisView, MadeDiagnosis, StillnessView
    from serve_app.schemas.jobs import KeptJob

# As many as the history takes of one.
MAX_CHARS = 60_000
# What may go, in this order, when a diagnosis is longer than is kept.
_FIRST_TO_GO: Final = ("candidates", "chain", "unavailable", "evidence", "advice")
_STATUSES = {"failed": "FAILED", "lost": "FAILED", "stopped": "STOPPED", "succeeded": "SUCCEEDED"}


def render_ended(id: str, outcome: str, diagnosis: Diagnosis, as_of: datetime) -> MadeDiagnosis:
    """What ``GET /jobs/{id}/diagnosis`` answers of a job that has ended."""
    view = diagnosis.render_json()
    answer = _answer(id, outcome, view, None, as_of)
    for name in _FIRST_TO_GO:
        if len(json.dumps(answer)) <= MAX_CHARS:
            break
        view[name] = view[name][:1] if name == "evidence" else []
    return answer


def render_unended(id: str, outcome: str, stillness: StillnessView | None, as_of: datetime) -> MadeDiagnosis:
    """The same of a job that waits or runs."""
    degraded = [] if stillness is not None else ["Whether it makes progress is not looked at."]
    return {**_answer(id, outcome, None, stillness, as_of), "degraded": degraded}


def render_brief(answer: Mapping[str, Any]) -> BriefView | None:
    """The diagnosis in a line or three: code, title, certainty, one line of evidence, the first advice."""
    diagnosis = answer.get("diagnosis") or {}
    if diagnosis.get("code") is None:
        return None
    evidence, advice = diagnosis.get("evidence") or [None], diagnosis.get("advice") or [None]
    return {
        "code": diagnosis["code"],
        "title": diagnosis.get("title"),
        "certainty": diagnosis.get("certainty"),
        "class": diagnosis.get("class"),
        "evidence": evidence[0],
        "advice": advice[0],
    }


def read_past_evidence(stored: KeptJob) -> tuple[Fields, list[TextSource], tuple[str, ...]]:
    """What the history still tells of a job's end, for the engine; and what is missing."""
    row = stored["row"]
    fields = Fields(
        status=_STATUSES.get(row["outcome"]),
        error_type=row["error_type"],
        driver_exit_code=row["exit_code"],
        type=row["type"],
        entrypoint=row["entrypoint"],
    )
    kept = stored["log_excerpt"]
    name = "kept end of the driver's log"
    sources = [_build_source(name, SourceKind.DRIVER, kept)] if kept else []
    sources += [
        _build_source("driver process", SourceKind.RAY, each["fact"])
        for each in stored["evidence"]
        if each["source"] == "worker table" and each["rule"] in DRIVER_ENDED_BADLY
    ]
    what = "of its driver's log only the last lines are left" if kept else "no log of it is left"
    return fields, sources, (f"It is of an earlier session of the cluster, or Ray has forgotten it: {what}.",)


def _build_source(name: str, kind: SourceKind, text: str) -> TextSource:
    return TextSource(name, kind, [text.encode("utf-8", "replace")])


def _answer(
    id: str, outcome: str, diagnosis: DiagnosisView | None, stillness: StillnessView | None, as_of: datetime
) -> MadeDiagnosis:
    return {
        "id": id,
        "outcome": str(outcome),
        "diagnosis": diagnosis,
        "stillness": stillness,
        "as_of": format_time(as_of),
        "degraded": [],
    }

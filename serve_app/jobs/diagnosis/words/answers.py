"""A diagnosis as the API answers it and as the history keeps it: plain dicts, bounded. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from organs.times import format_time
from serve_app.jobs.diagnosis.models import UNKNOWN, Diagnosis, DiagnosisState

if TYPE_CHECKING:
    # It brings pydantic, which the report command can do without.
    from serve_app.schemas.diagnosis import BriefView, DiagnosisView, MadeDiagnosis, StillnessView

# As many as the history takes of one.
MAX_CHARS = 60_000
# What may go, in this order, when a diagnosis is longer than is kept.
_FIRST_TO_GO: Final = ("candidates", "chain", "unavailable", "evidence", "advice")


def tell_contradiction(diagnosis: Diagnosis, reason: str, action: str) -> Diagnosis:
    """The diagnosis of a job whose end is contradicted: where its texts hold nothing that is wrong, what is said of
    that end and what to do.
    """
    if diagnosis.code is not None:
        return diagnosis
    return replace(diagnosis, title="what is known of its end does not agree", sentence=reason, advice=(action,))


def render_ended(id: str, outcome: str, diagnosis: Diagnosis, as_of: datetime) -> MadeDiagnosis:
    """What ``GET /jobs/{id}/diagnosis`` answers of a job that has ended."""
    view = diagnosis.render_json()
    answer = _answer(id, outcome, view, None, as_of)
    for name in _FIRST_TO_GO:
        if len(json.dumps(answer)) <= MAX_CHARS:
            break
        view[name] = view[name][:1] if name == "evidence" else []
    return answer


def render_unended(
    id: str, outcome: str, stillness: StillnessView | None, as_of: datetime, hopeless: Diagnosis | None = None
) -> MadeDiagnosis:
    """The same of a job that waits or runs. ``hopeless``: why it can never start."""
    degraded = [] if stillness is not None else ["Whether it makes progress is not looked at."]
    view = None if hopeless is None else hopeless.render_json()
    return {**_answer(id, outcome, view, stillness, as_of), "degraded": degraded}


def complete_kept(answer: MadeDiagnosis) -> MadeDiagnosis:
    """A diagnosis that an older version may have kept, with the fields that came later."""
    found = answer["diagnosis"]
    return answer if found is None or "state" in found else {**answer, "diagnosis": complete_view(found)}


def complete_view(found: DiagnosisView) -> DiagnosisView:
    """The same of what is in such an answer: its state as far as its code tells, and nothing of what was not kept."""
    state = {None: DiagnosisState.WELL, UNKNOWN: DiagnosisState.UNKNOWN}.get(found["code"], DiagnosisState.FAILED)
    added: dict[str, Any] = {"state": str(state), "read_as": [], "program": None}
    return cast("DiagnosisView", {**added, **found})


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

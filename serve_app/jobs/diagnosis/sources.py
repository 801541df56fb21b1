"""What diagnoses are made with, as their maker sees it: jobs of now and before, the store, progress, a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from serve_app.jobs.models import JobRow
from serve_app.jobs.reading.poll import Seen
from serve_app.schemas.diagnosis import DiagnosisView, ExplanationView, MadeDiagnosis, StillnessView
from serve_app.schemas.jobs import KeptJob


class JobFinder(Protocol):
    """Where jobs of this session are found, by job id, submission id or ``id@session``, with the look that they are in
    (``JobWatch``).
    """

    async def find(self, wanted: str) -> tuple[Seen, JobRow] | None: ...


class PastJobFinder(Protocol):
    """Where jobs are found that only the history knows, by ``id`` or ``id@session`` (``Archive``): as the store has
    them, since memory has nothing newer.
    """

    async def find(self, wanted: str) -> KeptJob | None: ...

    async def restore_judgement(self, row: JobRow) -> JobRow:
        """The row as lists have it: of a job that ended, with what contradicted Ray's word or went in circles
        before.
        """
        ...


class DiagnosisStore(Protocol):
    """Where diagnoses are kept, of jobs that it knows."""

    async def save_diagnosis(self, key: str, diagnosis: MadeDiagnosis) -> bool: ...

    async def diagnoses(self, keys: Sequence[str]) -> dict[str, MadeDiagnosis]: ...


class StillnessAnswer(Protocol):
    """Whether one job makes progress."""

    def render_json(self) -> StillnessView: ...


class StillnessJudge(Protocol):
    """What tells whether a job that has not ended makes progress, or why it waits."""

    async def judge(self, row: JobRow) -> StillnessAnswer: ...


class DiagnosisExplainer(Protocol):
    """What puts a diagnosis into words (``words.explanation``): its sentence, first evidence and first advice, unless
    ``by_model`` and a model is set and answers in time. Whatever goes wrong, ours are the answer.
    """

    async def explain(self, diagnosis: DiagnosisView, *, by_model: bool) -> ExplanationView: ...

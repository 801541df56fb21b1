"""`/jobs/findings`: what is wrong beyond the verdict on one job."""

from __future__ import annotations

from typing import Annotated

from typing_extensions import TypedDict

from organs.fields import allow_words, closed, describe
from serve_app.schemas.common import ObservedAnswer, VerdictWord

FindingSubjectWord = Annotated[str, allow_words("job", "kind", "deployment", "application")]


@closed
class FindingView(TypedDict):
    """Something that is wrong and is no single job's verdict, or that somebody should be told of."""

    rule: Annotated[str, describe("The rule that found it.", "stuck-job")]
    subject: Annotated[str, describe("What it is about, in words.", "job nightly-report-1")]
    subject_type: Annotated[FindingSubjectWord, describe("What it is about.", "job")]
    subject_id: Annotated[str, describe("The `id` of the job; the name of the rest.", "nightly-report-1")]
    session: Annotated[
        str | None, describe("Of a job: the life of the cluster it belongs to.", "session_2026-01-31_11-58-02_1_7")
    ]
    verdict: Annotated[VerdictWord, describe("How bad it is.", "WARN")]
    sentence: Annotated[str, describe("What is wrong.", "It runs for 3 h; such jobs take 10 min.")]
    action: Annotated[str, describe("What to do.", "See GET /jobs/nightly-report-1; stop it, or declare more time.")]


@closed
class FindingsAnswer(ObservedAnswer):
    """Stuck, missing and overdue jobs, and actors that outlived their job."""

    items: Annotated[list[FindingView], describe("The worst first, at most 200.")]

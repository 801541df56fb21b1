"""`/alerts` and `/alerts/history`: what is wrong now, and what was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NotRequired

from typing_extensions import TypedDict

from organs.fields import Time, allow_words, closed, describe, describe_time
from serve_app.schemas.common import ObservedAnswer, PagedAnswer
from serve_app.schemas.findings import FindingView

SeverityWord = Annotated[str, allow_words("warning", "critical")]
AlertSubjectWord = Annotated[str, allow_words("job", "kind", "deployment", "node", "organ", "cluster", "api")]
AlertStateWord = Annotated[str, allow_words("pending", "firing", "resolved")]


@closed
class AlertView(TypedDict):
    """A condition that holds (pending), has held long enough (firing) or no longer does (resolved)."""

    id: Annotated[str, describe("This occurrence; another when it happens again.", "3f1c9a0b7d2e4856-63a1f0c2b4e80")]
    rule: Annotated[str, describe("What it is about; the history may hold rules of other versions.", "stuck-job")]
    subject: Annotated[str, describe("What is wrong: a job, an organ, a node.", "job nightly-report-1")]
    subject_type: Annotated[
        AlertSubjectWord | None, describe("The same as a fact; null: of before it was kept, and not known.", "job")
    ]
    subject_id: Annotated[
        str | None, describe("Its `id` or name; null: the cluster and the API have none.", "nightly-report-1")
    ]
    session: Annotated[
        str | None, describe("Of a job: the life of the cluster it belongs to.", "session_2026-01-31_11-58-02_1_7")
    ]
    reason: Annotated[
        str | None,
        describe(
            "What all have in common that are wrong for one reason; those of a rule are told together. Null: none.",
            "pending-infeasible: GPU",
        ),
    ]
    severity: Annotated[SeverityWord, describe("How bad it is.", "warning")]
    state: Annotated[AlertStateWord, describe("How far it is.", "firing")]
    sentence: Annotated[str, describe("What is wrong.", "It runs for 3 h; such jobs take 10 min.")]
    action: Annotated[str, describe("What to do.", "See GET /jobs/nightly-report-1; stop it, or declare more time.")]
    value: Annotated[float | None, describe("What was measured; null: nothing is.", 0.93, unit="that of the rule")]
    threshold: Annotated[float | None, describe("Above which it is an alert.", 0.8, unit="that of the rule")]
    pending_since: Annotated[Time, describe_time("When it was first seen.")]
    firing_since: Annotated[Time | None, describe_time("When it had held long enough; null: not yet.")]
    resolved_at: Annotated[Time | None, describe_time("When it was over; null: it is not.")]
    silenced: Annotated[bool, describe("Whether nobody is told of it.", False)]
    silenced_by: Annotated[str | None, describe("The reason of the silence.", "maintenance until Monday")]


@closed
class ReceiverView(TypedDict):
    """A webhook that does not take what it is told."""

    name: Annotated[str, describe("Its name in the configuration.", "ops")]
    sentence: Annotated[str, describe("What came of the last attempt.", "ops answered 503.")]
    action: Annotated[str, describe("What to do.", "See why ops refuses it.")]
    failing_since: Annotated[Time, describe_time("When it first failed.")]
    failures: Annotated[int, describe("Attempts in a row that failed.", 3, unit="attempts")]
    next_at: Annotated[Time, describe_time("When it is tried again, if anything is to be told.")]


@closed
class AlertPage(PagedAnswer):
    """Alerts, the newest first."""

    items: Annotated[list[AlertView], describe("The alerts of this page.")]
    receivers: Annotated[list[ReceiverView], describe("Webhooks that fail now; alerts are judged all the same.")]


# What alerts are judged by, on its way from the inspector: not published.


class EndedInWindow(TypedDict):
    """Proven ends of jobs in a window; ``of_all``: with those that are not proven."""

    ended: int
    failed: int
    of_all: int


class JobAlertInputs(ObservedAnswer):
    """The jobs' part. A window that cannot be known is not there; of ``unknown_findings``, and by rule of
    ``unknown_subjects``, there may be more.
    """

    windows: dict[str, EndedInWindow]
    findings: list[FindingView]
    unknown_findings: list[str]
    unknown_subjects: Mapping[str, list[str]]
    # The life of the cluster that is looked at; an inspector of before does not tell it.
    session: NotRequired[str]


class NodeRatios(TypedDict):
    """How used a node is now; None: not known."""

    node_id: str
    ip: str
    cpu_ratio: float | None
    memory_ratio: float | None


class ResponseTimes(TypedDict):
    """How this API answered in a window."""

    count: int
    p95_s: float | None


class MeasuredAlertInputs(TypedDict):
    """What is measured beside the jobs; ``responses`` by window."""

    nodes: list[NodeRatios]
    responses: dict[str, ResponseTimes]


class AlertInputs(JobAlertInputs, MeasuredAlertInputs):
    """All of it."""

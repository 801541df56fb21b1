"""`/report` as JSON: what to know of this cluster, and what to do first."""

from __future__ import annotations

from typing import Annotated

from typing_extensions import TypedDict

from organs.fields import Time, closed, describe, describe_time
from serve_app.schemas.alerts import AlertView, ReceiverView
from serve_app.schemas.cluster import MeasuredNodeView, ResourcesAnswer
from serve_app.schemas.common import Nothing, VerdictWord, WindowWord
from serve_app.schemas.hierarchy import LifecycleStep
from serve_app.schemas.jobs import JobView
from serve_app.schemas.organism import DiagnosedOrganView, InitializationView
from serve_app.schemas.summary import (
    DurationSpread,
    EndedJobs,
    FailureCause,
    JobCounts,
    KindFigures,
    ResponsesView,
    UtilisationView,
)


@closed
class CauseView(TypedDict):
    """Why something failed, in so few words that a report has room for them."""

    code: Annotated[str, describe("The cause code.", "app.import-error")]
    title: Annotated[str, describe("The code in words.", "a module is missing")]
    certainty: Annotated[str, describe("How well the evidence carries the code; empty: not said.", "certain")]
    evidence: Annotated[
        str, describe("One line, with where it stands; empty: none.", "job-driver-a.log, line 12: ModuleNotFoundError")
    ]
    advice: Annotated[str, describe("What to change first; empty: none.", "Add the module to the environment.")]


@closed
class ReportFindingView(TypedDict):
    """Something a person should look at."""

    verdict: Annotated[VerdictWord, describe("How bad it is.", "BAD")]
    subject: Annotated[str, describe("What it is about.", "job nightly-report-1")]
    sentence: Annotated[str, describe("What is wrong.", "It failed.")]
    action: Annotated[str, describe("What to do.", "Evidence: GET /jobs/nightly-report-1/diagnosis.")]
    at: Annotated[Time | None, describe_time("When the newest of it began or ended; null: not known.")]
    count: Annotated[int, describe("So many alike.", 1, unit="findings")]
    examples: Annotated[list[str], describe("Names of some, where there are several.", ["nightly-report-1"])]
    cause: Annotated[CauseView | None, describe("What the diagnosis says, when one was made.")]


@closed
class ReportMetrics(TypedDict, total=False):
    """The summary of the window, its lists cut; what could not be had is not there."""

    jobs: Annotated[EndedJobs, describe("What became of jobs that ended.")]
    duration_s: Annotated[DurationSpread, describe("How long they took.", unit="s")]
    by_kind: Annotated[dict[str, KindFigures], describe("By kind, at most 20 kinds.")]
    failures_by_cause: Annotated[list[FailureCause], describe("Why they failed, at most 10 causes.")]
    utilisation: Annotated[UtilisationView, describe("How used the nodes are, at most 50.")]
    responses: Annotated[ResponsesView, describe("How this API answered.")]
    counts: Annotated[JobCounts, describe("What is there now, whatever the window.")]


@closed
class ReportAnswer(TypedDict):
    """Everything that a rendering of the report needs. Every list has a limit; `more` counts what was left out."""

    verdict: Annotated[VerdictWord, describe("The worst of the findings.", "OK")]
    as_of: Annotated[Time, describe_time("When it was made.")]
    window: Annotated[WindowWord, describe("How far back its metrics go.", "1h")]
    findings: Annotated[list[ReportFindingView], describe("In the order in which to act, at most 30.")]
    cluster: Annotated[ResourcesAnswer | Nothing, describe("Resources; empty: not known.")]
    nodes: Annotated[list[MeasuredNodeView], describe("Nodes, at most 50.")]
    organs: Annotated[list[DiagnosedOrganView], describe("Organs, at most 50.")]
    initialization: Annotated[InitializationView | Nothing, describe("Where it stands; empty: not known.")]
    lifecycle: Annotated[list[LifecycleStep], describe("How the cluster came up.")]
    jobs: Annotated[list[JobView], describe("The newest jobs, at most 100.")]
    more_jobs: Annotated[bool, describe("Whether there are more jobs, counted or not.", False)]
    metrics: Annotated[ReportMetrics, describe("The figures.")]
    alerts: Annotated[list[AlertView], describe("Active alerts, the worst first, at most 100.")]
    more_alerts: Annotated[bool, describe("Whether there are more alerts.", False)]
    receivers: Annotated[list[ReceiverView], describe("Webhooks that do not take what they are told.")]
    more: Annotated[
        dict[str, int], describe("How many each list leaves out, by its name.", {"jobs": 12}, unit="entries")
    ]
    degraded: Annotated[list[str], describe("What is not known, a sentence each.", ["alerts: no answer"])]

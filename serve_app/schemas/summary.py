"""`/jobs/summary`: the five figures over a window, and how used the nodes are."""

from __future__ import annotations

from typing import Annotated

from typing_extensions import TypedDict

from organs.fields import Time, closed, describe, describe_time
from serve_app.schemas.common import ObservedAnswer, OutcomeWord, VerdictWord, WindowWord


@closed
class EndedJobs(TypedDict):
    """Jobs that ended, by what became of them; Ray's own and diagnostic clients are not counted."""

    ended: Annotated[int, describe("All that ended.", 40, unit="jobs")]
    succeeded: Annotated[int, describe("Proven successes.", 36, unit="jobs")]
    failed: Annotated[int, describe("Proven failures.", 2, unit="jobs")]
    lost: Annotated[int, describe("Lost with their node or supervisor.", 0, unit="jobs")]
    stopped: Annotated[int, describe("Stopped on request.", 1, unit="jobs")]
    contradicted: Annotated[int, describe("What is known of their end does not agree.", 0, unit="jobs")]
    ended_unknown: Annotated[int, describe("Ended without proof of either.", 1, unit="jobs")]
    repaired: Annotated[int, describe("Failed, and a later attempt made it good.", 0, unit="jobs")]
    success_ratio: Annotated[
        float | None, describe("Successes among proven ends; null: none.", 0.947368, unit="ratio, 0 to 1")
    ]
    error_ratio: Annotated[
        float | None, describe("Failures among proven ends; null: none.", 0.052632, unit="ratio, 0 to 1")
    ]


@closed
class DurationQuantiles(TypedDict):
    """How long jobs took; null: none ended."""

    p50: Annotated[float | None, describe("Half took no longer.", 12.5, unit="s")]
    p95: Annotated[float | None, describe("95 of 100 took no longer.", 30.25, unit="s")]
    p99: Annotated[float | None, describe("99 of 100 took no longer.", 41.0, unit="s")]


@closed
class DurationSpread(DurationQuantiles):
    """How long jobs took that ended by themselves."""

    count: Annotated[int, describe("How many.", 36, unit="jobs")]
    max: Annotated[float | None, describe("The longest.", 41.0, unit="s")]


@closed
class KindFigures(TypedDict):
    """The figures of one kind of job."""

    ended: Annotated[int, describe("All that ended.", 20, unit="jobs")]
    succeeded: Annotated[int, describe("Proven successes.", 19, unit="jobs")]
    failed: Annotated[int, describe("Proven failures.", 1, unit="jobs")]
    success_ratio: Annotated[
        float | None, describe("Successes among proven ends; null: none.", 0.95, unit="ratio, 0 to 1")
    ]
    p50_s: Annotated[float | None, describe("Half took no longer.", 12.5, unit="s")]
    p95_s: Annotated[float | None, describe("95 of 100 took no longer.", 30.25, unit="s")]
    p99_s: Annotated[float | None, describe("99 of 100 took no longer.", 41.0, unit="s")]


@closed
class FailureCause(TypedDict):
    """Failures of one cause."""

    cause: Annotated[str, describe("The code of the diagnosis, or the rule of the outcome.", "app.import-error")]
    count: Annotated[int, describe("How many.", 2, unit="jobs")]
    example: Annotated[str, describe("The id of one of them.", "nightly-report-1")]


@closed
class GaugeSpread(TypedDict):
    """A measured value over the window; null: not measured."""

    now: Annotated[float | None, describe("At present.", 0.31, unit="that of the field it is in")]
    mean: Annotated[float | None, describe("On average.", 0.27, unit="that of the field it is in")]
    max: Annotated[float | None, describe("The highest.", 0.83, unit="that of the field it is in")]


@closed
class NodeUtilisation(TypedDict):
    """How used one node really is, as Ray's agent on it measures; reservations of tasks are not meant."""

    node_id: Annotated[str, describe("The node.", "6b7f0d1c2a3e4f5061728394a5b6c7d8e9f00112233445")]
    ip: Annotated[str, describe("Its address.", "192.0.2.1")]
    is_head: Annotated[bool, describe("Whether it is the head.", True)]
    cpu_ratio: Annotated[GaugeSpread, describe("Processors in use.", unit="ratio, 0 to 1")]
    memory_ratio: Annotated[GaugeSpread, describe("Memory in use.", unit="ratio, 0 to 1")]
    disk_ratio: Annotated[GaugeSpread, describe("The fullest disk.", unit="ratio, 0 to 1")]
    gpu_ratio: Annotated[GaugeSpread | None, describe("GPUs in use; null: it has none.", unit="ratio, 0 to 1")]
    network_receive_bytes_per_s: Annotated[GaugeSpread, describe("Received.", unit="bytes/s")]
    network_send_bytes_per_s: Annotated[GaugeSpread, describe("Sent.", unit="bytes/s")]


@closed
class UtilisationView(TypedDict):
    """How used the cluster and each of its living nodes are."""

    as_of: Annotated[Time | None, describe_time("When it was measured last; null: never.")]
    reason: Annotated[str | None, describe("Why something is not measured.", "The nodes have not been measured yet.")]
    cpu_ratio: Annotated[GaugeSpread, describe("Processors of all nodes in use.", unit="ratio, 0 to 1")]
    memory_ratio: Annotated[GaugeSpread, describe("Memory of all nodes in use.", unit="ratio, 0 to 1")]
    nodes: Annotated[list[NodeUtilisation], describe("Node by node, the head first, at most 200.")]


@closed
class ResponseQuantiles(TypedDict):
    """How fast this API answered; null: it did not answer."""

    p50_s: Annotated[float | None, describe("Half took no longer.", 0.004, unit="s")]
    p95_s: Annotated[float | None, describe("95 of 100 took no longer.", 0.011, unit="s")]
    p99_s: Annotated[float | None, describe("99 of 100 took no longer.", 0.04, unit="s")]


@closed
class ResponsesView(ResponseQuantiles):
    """How fast and how well this API answered; `/health` and `/ready` are not counted."""

    count: Annotated[int, describe("Answers.", 1200, unit="responses")]
    errors: Annotated[int, describe("Of them with a status of 500 or more.", 0, unit="responses")]
    max_s: Annotated[float | None, describe("The slowest.", 0.12, unit="s")]


@closed
class JobCounts(TypedDict):
    """All jobs that are known now."""

    total: Annotated[int, describe("How many.", 57, unit="jobs")]
    by_kind: Annotated[dict[str, int], describe("By kind.", {"user": 54}, unit="jobs")]
    by_outcome: Annotated[dict[OutcomeWord, int], describe("By outcome.", {"succeeded": 50}, unit="jobs")]
    by_verdict: Annotated[dict[VerdictWord, int], describe("By verdict.", {"OK": 55}, unit="jobs")]


@closed
class FiguresView(TypedDict):
    """Success rate, durations, and causes of failure over a window."""

    jobs: Annotated[EndedJobs, describe("What became of those that ended.")]
    duration_s: Annotated[DurationSpread, describe("How long they took.", unit="s")]
    by_kind: Annotated[dict[str, KindFigures], describe("The same by kind, at most 50 kinds.")]
    failures_by_cause: Annotated[list[FailureCause], describe("Why they failed, the most frequent first, at most 20.")]


@closed
class MeasuredView(TypedDict):
    """What is measured beside the jobs."""

    utilisation: Annotated[UtilisationView, describe("How used the nodes are.")]
    responses: Annotated[ResponsesView, describe("How this API answered.")]


@closed
class JobFiguresAnswer(FiguresView, ObservedAnswer):
    """The jobs' part of the summary."""

    window: Annotated[WindowWord, describe("Back from now.", "1h")]
    window_s: Annotated[int, describe("The same as a number.", 3600, unit="s")]
    counts: Annotated[JobCounts, describe("What is there now, whatever the window.")]


@closed
class JobsSummaryAnswer(JobFiguresAnswer, MeasuredView):
    """The five figures over a window."""

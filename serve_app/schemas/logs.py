"""`/jobs/{id}/logs` and `/jobs/{id}/stacks`: what a job wrote, and where its processes are."""

from __future__ import annotations

from typing import Annotated, NotRequired

from typing_extensions import TypedDict

from organs.fields import Time, closed, describe, describe_time
from serve_app.schemas.common import ObservedAnswer, OutcomeWord


@closed
class LogAnswer(TypedDict):
    """The last lines of a job's log, redacted."""

    id: Annotated[str, describe("The job.", "nightly-report-1")]
    submission_id: Annotated[str | None, describe("Its submission id.", "nightly-report-1")]
    status: Annotated[str, describe("Ray's word for the job.", "RUNNING")]
    node_id: Annotated[str | None, describe("The node that has the log.", "6b7f0d1c2a3e4f5061728394a5b6c7d8e9f001")]
    source: Annotated[
        str,
        describe(
            "The file and, after earlier runs with its id, the byte from which on it is this run's; or `history`.",
            "job-driver-nightly-report-1.log",
        ),
    ]
    lines: Annotated[list[str], describe("The lines, oldest first.", ["begin", "done"])]
    truncated: Annotated[bool, describe("Whether the log of this run began earlier.", False)]
    size_bytes: Annotated[int | None, describe("How long the whole log is; null: not known.", 1024, unit="bytes")]
    reason: Annotated[str | None, describe("Why there are no lines.", "No node has begun with it, so there is no log.")]
    as_of: Annotated[Time, describe_time("When it was read.")]


@closed
class LogEnd(TypedDict):
    """The last event of a followed log. After a failure it says no id."""

    id: NotRequired[Annotated[str, describe("The job.", "nightly-report-1")]]
    reason: Annotated[
        str, describe("Why it ends: `ended`, `log_gone`, `time_limit`, or the code of an error.", "ended")
    ]
    status: Annotated[str | None, describe("Ray's word for the job.", "SUCCEEDED")]
    outcome: Annotated[OutcomeWord | None, describe("What became of it, if that is concluded.", "succeeded")]
    sentence: Annotated[str, describe("The same in words.", "The job has ended, and this was all of its log.")]


class LogItem(TypedDict, total=False):
    """What a follower is told, on its way to the route that makes server-sent events of it."""

    lines: list[list[str | int]]
    """Text, and the byte after it."""
    skipped_bytes: int
    end: LogEnd
    at: int
    """With the end of an ended job: the byte after its log."""


@closed
class StackView(TypedDict):
    """Where one process is."""

    role: Annotated[str, describe("What the process is: driver, worker or actor.", "driver")]
    node_id: Annotated[str, describe("Its node.", "6b7f0d1c2a3e4f5061728394a5b6c7d8e9f00112233445")]
    pid: Annotated[int, describe("The process.", 4711, unit="process id")]
    place: Annotated[str | None, describe("The innermost frame of the program.", "main (report.py:7)")]
    stack: Annotated[
        list[str] | None, describe("All frames, redacted; null: `reason` says why.", ["main (report.py:7)"])
    ]
    reason: Annotated[str | None, describe("Why it could not be seen.", "the process has ended")]


@closed
class StacksAnswer(ObservedAnswer):
    """Python stacks of a running job, of one process in one moment each."""

    id: Annotated[str, describe("The job.", "nightly-report-1")]
    job_id: Annotated[str | None, describe("Ray's job id.", "01000000")]
    items: Annotated[list[StackView], describe("The processes, at most 8.")]
    total: Annotated[int, describe("How many it has.", 3, unit="processes")]
    truncated: Annotated[bool, describe("Whether not all are here.", False)]

"""What operators are answered: `POST /jobs`, `/jobs/{id}/stop`, `/jobs/{id}/retry`, `DELETE /jobs/{id}`."""

from __future__ import annotations

from typing import Annotated

from typing_extensions import TypedDict

from organs.fields import Time, allow_words, closed, describe, describe_time

ChanceWord = Annotated[str, allow_words("transient", "permanent", "unknown")]


@closed
class SubmitAnswer(TypedDict):
    """A job that was submitted, now or before."""

    id: Annotated[str, describe("The job.", "nightly-report-1")]
    submission_id: Annotated[str, describe("The same.", "nightly-report-1")]
    state: Annotated[str, describe("Ray's word for it.", "PENDING")]
    created: Annotated[bool, describe("False: the same was submitted before, and this is that job.", True)]


@closed
class RetryAnswer(SubmitAnswer):
    """Another attempt at a job that ended."""

    retry_of: Annotated[str, describe("The submission that is tried again.", "nightly-report-1")]
    attempt: Annotated[int, describe("Which attempt this is; the first retry is 1.", 1, unit="attempts")]
    chance: Annotated[ChanceWord, describe("Whether another attempt can help.", "transient")]
    reason: Annotated[str, describe("What that rests on.", "it was killed (exit code 137)")]


@closed
class StopStep(TypedDict):
    """What was seen while a job was stopped."""

    at: Annotated[Time, describe_time("When.")]
    what: Annotated[str, describe("What.", "Ray says STOPPED.")]


@closed
class StopAnswer(TypedDict):
    """How far a stop got."""

    id: Annotated[str, describe("The job.", "nightly-report-1")]
    submission_id: Annotated[str, describe("The same.", "nightly-report-1")]
    status: Annotated[str, describe("Ray's word for it; empty: Ray could not be asked.", "STOPPED")]
    stopped: Annotated[bool, describe("Whether it is over and its driver gone, as far as Ray can tell.", True)]
    already: Annotated[bool, describe("Whether it was over before.", False)]
    driver_gone: Annotated[bool | None, describe("Whether its driver is gone; null: not known.", True)]
    by_force: Annotated[
        bool | None, describe("Whether it was killed, because it did not end on SIGTERM; null: not known.", False)
    ]
    steps: Annotated[list[StopStep], describe("What was seen, oldest first.")]
    sentence: Annotated[str, describe("How far it got, in words.", "It is over (STOPPED), and its driver is gone.")]


@closed
class DeleteAnswer(TypedDict):
    """A job that was forgotten."""

    id: Annotated[str, describe("The job.", "nightly-report-1")]
    submission_id: Annotated[str | None, describe("Its submission id.", "nightly-report-1")]
    deleted: Annotated[bool, describe("Always true; everything else is an error.", True)]
    sentence: Annotated[str, describe("By whom it was forgotten, and what is left.", "Ray has forgotten it.")]

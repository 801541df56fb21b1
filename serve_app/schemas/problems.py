"""What every error looks like: RFC 9457, with what old clients look for."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from typing_extensions import TypedDict

from organs.fields import closed, describe


@closed
class ProblemPlace(TypedDict):
    """One thing that is wrong with a request."""

    loc: Annotated[
        list[str | int], describe("Where: the way to the value.", ["body", "parameters", "key"], unit="name or place")
    ]
    msg: Annotated[str, describe("What is wrong with it.", "Field required")]
    type: NotRequired[Annotated[str, describe("The same for programs.", "missing")]]


@closed
class Problem(TypedDict):
    """RFC 9457, with `success` and `error` for old clients. What is not required depends on the code."""

    type: Annotated[str, describe("`urn:seedcore:problem:` and the code.", "urn:seedcore:problem:job_not_found")]
    title: Annotated[str, describe("The kind of error.", "Not found")]
    status: Annotated[int, describe("That of the response.", 404, unit="HTTP status")]
    detail: Annotated[str, describe("One sentence for people.", "There is no job 'nightly'.")]
    code: Annotated[str, describe("For programs; it does not change.", "job_not_found")]
    success: Annotated[Literal[False], describe("Always false.", False)]
    error: Annotated[str, describe("The same as `detail`.", "There is no job 'nightly'.")]
    errors: NotRequired[Annotated[list[ProblemPlace], describe("What is wrong with the request, at most 20 of it.")]]
    errors_left_off: NotRequired[Annotated[int, describe("How many more there are.", 3, unit="errors")]]
    request_id: NotRequired[Annotated[str, describe("As in the log, when the request has one.", "5f0c8b7e")]]
    agent_id: NotRequired[Annotated[str, describe("The agent that refused or failed.", "utility_organ_1_agent_0")]]
    used: NotRequired[Annotated[int, describe("Of a limit: what is used.", 6, unit="requests, streams or bytes")]]
    limit: NotRequired[Annotated[int, describe("Of a limit: what there is.", 6, unit="requests, streams or bytes")]]
    submission_id: NotRequired[Annotated[str, describe("The job that it is about.", "nightly-report-1")]]
    node_id: NotRequired[Annotated[str | None, describe("Where its process is.", "6b7f0d1c2a3e4f5061728394")]]
    pid: NotRequired[Annotated[int | None, describe("Its process.", 4711, unit="process id")]]
    reason: NotRequired[Annotated[str, describe("Why a retry makes no sense.", "its log ends with ImportError")]]

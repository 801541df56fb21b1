"""`/jobs/hierarchy` and `/jobs/lifecycle`: who manages what, and how the cluster came up."""

from __future__ import annotations

from typing import Annotated, final

from typing_extensions import TypedDict

from organs.fields import Time, allow_words, closed, describe, describe_time
from serve_app.schemas.common import ObservedAnswer

StepStateWord = Annotated[str, allow_words("done", "running", "missing", "unknown")]


@closed
class BranchView(TypedDict):
    """One line of the tree, and those below it."""

    id: Annotated[str, describe("Its name in the tree.", "job:nightly-report-1")]
    type: Annotated[
        str, describe("What it is: orchestrator, service, job, driver, actor, organ, agent, and others.", "job")
    ]
    name: Annotated[str, describe("What people call it.", "nightly-report-1 user")]
    proof: Annotated[str | None, describe("What proves its place; the root has none.", "job list: type DRIVER")]
    state: Annotated[str | None, describe("How it stands.", "running OK")]
    children: Annotated[list[BranchView], describe("What hangs below it.")]


@final
@closed
class HierarchyAnswer(ObservedAnswer):
    """Who schedules and manages what."""

    root: Annotated[BranchView, describe("The orchestrator, and all below it.")]


@final
@closed
class HierarchyTextAnswer(ObservedAnswer):
    """The same as a text or a Mermaid diagram, on its way to the route that sends the text alone."""

    text: Annotated[str, describe("The tree.", "orchestrator whoever ran `ray start`\n")]


@closed
class LifecycleStep(TypedDict):
    """One step of the start-up."""

    step: Annotated[str, describe("Its name.", "head-up")]
    title: Annotated[str, describe("The step in words.", "The head node joined")]
    at: Annotated[Time | None, describe_time("When it was reached; null: no record tells.")]
    ended_at: Annotated[Time | None, describe_time("When it ended, of a step that takes time.")]
    duration_s: Annotated[float | None, describe("How long it took.", 3.2, unit="s")]
    after_s: Annotated[float | None, describe("How long after the head's start.", 12.0, unit="s")]
    source: Annotated[str, describe("What tells it.", "node table")]
    state: Annotated[StepStateWord, describe("How far it is.", "done")]


@closed
class LifecycleAnswer(ObservedAnswer):
    """How this cluster came up, with times from records."""

    steps: Annotated[list[LifecycleStep], describe("In their order.")]

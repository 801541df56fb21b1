"""`/organism/…`: organs and agents, the initialization, and what came of a task."""

from __future__ import annotations

from typing import Annotated

from typing_extensions import TypedDict

from organs.fields import Time, allow_words, closed, describe, describe_time
from organs.models import AgentStatus, OrganType, TaskResult
from serve_app.schemas.diagnosis import DiagnosisView

OrganStatusWord = Annotated[
    str,
    allow_words("ready", "asleep", "waking", "starting", "degraded", "unplaceable", "not_responding"),
]
InitializationWord = Annotated[str, allow_words("succeeded", "running", "failed", "due", "waiting_for_person")]
InitializeWord = Annotated[str, allow_words("submitted", "running", "initialized")]


@closed
class ProbeView(TypedDict):
    """The last end-to-end probe of an organ, through Serve's router as a task goes."""

    at: Annotated[Time, describe_time("When.")]
    ok: Annotated[bool, describe("Whether an agent answered.", True)]
    latency_s: Annotated[float | None, describe("How long it took; null: no answer.", 0.004, unit="s")]
    detail: Annotated[str, describe("Who answered, or why nobody did.", "utility_organ_1_agent_0 answered")]


@closed
class OrganView(TypedDict):
    """An organ: what Serve wants, which agents answered, and what the probe saw."""

    organ_id: Annotated[str, describe("Its id, and the name of its Serve deployment.", "utility_organ_1")]
    organ_type: Annotated[OrganType, describe("Which skills its agents have.", "Utility")]
    description: Annotated[str, describe("A sentence for people.", "Remembers.")]
    status: Annotated[OrganStatusWord, describe("Whether it does its work.", "ready")]
    message: Annotated[str, describe("The same in words.", "All agents answer.")]
    agent_count: Annotated[int, describe("Agents that answered.", 2, unit="agents")]
    desired_agent_count: Annotated[int | None, describe("Wanted; null: Serve does not say.", 2, unit="agents")]
    agent_ids: Annotated[list[str], describe("Who answered.", ["utility_organ_1_agent_0"])]
    agents: Annotated[list[AgentStatus], describe("Each one's account of itself, by rank.")]
    last_probe: Annotated[ProbeView | None, describe("The last probe.")]


@closed
class DiagnosedOrganView(OrganView):
    """An organ with why it is not ready."""

    diagnosis: Annotated[DiagnosisView | None, describe("Why it is not ready; null: it is, or nobody can tell.")]


@closed
class InitializationView(TypedDict):
    """Where the initialization of these organs on this head stands."""

    state: Annotated[InitializationWord, describe("How far it is.", "succeeded")]
    submission_id: Annotated[str | None, describe("The newest job of it.", "coa-initialization-20260131T120000-1f2e")]
    sentence: Annotated[str, describe("The same in words.", "3 organs answer.")]
    started_at: Annotated[Time | None, describe_time("When that job began.")]
    ended_at: Annotated[Time | None, describe_time("When it ended.")]
    attempts: Annotated[int, describe("How many jobs there were.", 1, unit="attempts")]
    succeeded_before: Annotated[bool, describe("Whether any succeeded, so that the organs are fit for work.", True)]


@closed
class OrganismStatus(TypedDict):
    """What the manager tells; the route names it anew for old clients. Not published by itself."""

    organs: list[DiagnosedOrganView]
    initialization: InitializationView
    as_of: Time


@closed
class OrganismStatusAnswer(TypedDict):
    """Each organ with its agents and its last probe."""

    success: Annotated[bool, describe("Always true; everything else is an error.", True)]
    data: Annotated[list[DiagnosedOrganView], describe("The organs, in the order of the configuration.")]
    initialization: Annotated[InitializationView, describe("Where initialization stands.")]
    as_of: Annotated[Time, describe_time("When they were asked.")]


@closed
class OrganCount(TypedDict):
    """An organ in numbers."""

    organ_type: Annotated[OrganType, describe("Which skills its agents have.", "Utility")]
    status: Annotated[OrganStatusWord, describe("Whether it does its work.", "ready")]
    agent_count: Annotated[int, describe("Agents that answered.", 2, unit="agents")]
    desired_agent_count: Annotated[int | None, describe("Wanted; null: Serve does not say.", 2, unit="agents")]


@closed
class OrganismCounts(TypedDict):
    """The organism in numbers."""

    initialized: Annotated[bool, describe("Whether the newest initialization succeeded.", True)]
    organ_count: Annotated[int, describe("Organs.", 3, unit="organs")]
    total_agent_count: Annotated[int, describe("Agents that answered.", 6, unit="agents")]
    organs: Annotated[dict[str, OrganCount], describe("By id of the organ.")]


@closed
class OrganismSummaryAnswer(TypedDict):
    """The organism in numbers, as old clients ask for it."""

    success: Annotated[bool, describe("Always true; everything else is an error.", True)]
    summary: Annotated[OrganismCounts, describe("The numbers.")]
    as_of: Annotated[Time, describe_time("When the organs were asked.")]


@closed
class InitializeDone(TypedDict):
    """What came of the wish to initialize. Not published by itself."""

    submission_id: Annotated[str | None, describe("The job of it.", "coa-initialization-20260131T120000-1f2e")]
    state: Annotated[InitializeWord, describe("What was done.", "submitted")]
    message: Annotated[str, describe("The same in words.", "Initialization was submitted.")]


@closed
class InitializeAnswer(InitializeDone):
    """The initialization job, or that nothing is due."""

    success: Annotated[bool, describe("Always true; everything else is an error.", True)]


@closed
class TaskAnswer(TypedDict):
    """What came of a task."""

    success: Annotated[bool, describe("Always true; everything else is an error.", True)]
    organ_id: Annotated[str, describe("The organ that did it.", "utility_organ_1")]
    task_id: Annotated[str, describe("The caller's, or one that was made for it.", "5f0c8b7e")]
    result: Annotated[TaskResult, describe("What the agent answered.")]

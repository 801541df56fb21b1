"""The words that ingress and organs share: tasks, answers, and what an organ may be configured to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator
from typing_extensions import TypedDict

from organs.fields import NO_NUL, Time, closed, describe, describe_time

OrganType = Literal["Cognitive", "Actuator", "Utility"]

MAX_TIMEOUT_S = 300.0
# No call through a handle is faster: a shorter time is a mistake, and would be answered with 504 whatever is done.
MIN_TIMEOUT_S = 0.001
ROLE_MIX = "mix of the roles E, S and O, for whoever reads its status; it decides nothing here."


class Task(BaseModel):
    """One request to an organ.

    ``type`` is a skill (``memory.put``) or a plain word (``test_task``), which goes to the organ's default skill.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(min_length=1, max_length=128, json_schema_extra=NO_NUL, examples=["memory.put", "test_task"])
    description: str = Field(default="", max_length=10_000, json_schema_extra=NO_NUL)
    parameters: dict[str, JsonValue] = Field(default_factory=dict, json_schema_extra={"propertyNames": NO_NUL})
    task_id: str | None = Field(default=None, min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._:\-]+$")
    timeout_s: float | None = Field(default=None, ge=MIN_TIMEOUT_S, le=MAX_TIMEOUT_S)


class TaskMessage(TypedDict):
    """A task on its way through a handle: a plain dict, because it is the cheapest thing to serialize (bench)."""

    type: str
    description: str
    parameters: dict[str, Any]
    task_id: str
    timeout_s: float
    # What tells a request that is sent again from another; an ingress of before does not give it.
    request: NotRequired[str]


@closed
class TaskResult(TypedDict):
    """What an agent answers."""

    agent_id: Annotated[str, describe("Who did it.", "utility_organ_1_agent_0")]
    task_processed: Annotated[bool, describe("Always true, for old clients.", True)]
    success: Annotated[bool, describe("Always true; a failure is an error.", True)]
    quality: Annotated[float, describe("How well it was done, by completeness and time.", 0.9, unit="ratio, 0 to 1")]
    capability_score: Annotated[float, describe("The agent's moving average of success.", 0.62, unit="ratio, 0 to 1")]
    mem_util: Annotated[float, describe("How full the agent's memory of tasks is.", 0.01, unit="ratio, 0 to 1")]
    skill: Annotated[str, describe("What did it.", "memory.put")]
    output: Annotated[JsonValue, describe("What the skill delivered: JSON of its own form.", {"stored": True})]
    duration_s: Annotated[float, describe("How long it took.", 0.004, unit="s")]


class TaskProblem(TypedDict):
    """Why a task was refused or failed: code, HTTP status and one sentence. Raised low, translated by the ingress."""

    code: str
    status: int
    detail: str
    errors: NotRequired[list[Mapping[str, Any]]]


class TaskReply(TypedDict):
    """Either ``result`` or ``problem``, never both: exceptions do not cross the handle for things a caller can mend."""

    agent_id: str
    result: NotRequired[TaskResult]
    problem: NotRequired[TaskProblem]


@closed
class AgentStatus(TypedDict):
    """One live replica's account of itself, as collected by broadcast."""

    agent_id: Annotated[str, describe("The organ and the rank.", "utility_organ_1_agent_0")]
    organ_id: Annotated[str, describe("Its organ.", "utility_organ_1")]
    organ_type: Annotated[str, describe("Its type, which decides its skills.", "Utility")]
    rank: Annotated[int, describe("Its number among the agents of the organ, from 0.", 0, unit="rank")]
    replica_id: Annotated[str, describe("Serve's id of the replica.", "k3x9q1")]
    node_id: Annotated[str, describe("Where it is.", "6b7f0d1c2a3e4f5061728394a5b6c7d8e9f00112233445")]
    pid: Annotated[int, describe("Its process.", 4713, unit="process id")]
    epoch: Annotated[int, describe("Fences its state: only the newest owner may write.", 3, unit="epoch")]
    restored: Annotated[bool, describe("Whether it went on from a state of before.", True)]
    fenced: Annotated[bool, describe("Whether another replica took its place.", False)]
    role_probabilities: Annotated[
        dict[str, float], describe(f"Its {ROLE_MIX}", {"E": 0.2, "S": 0.6, "O": 0.2}, unit="ratio, 0 to 1")
    ]
    capability_score: Annotated[float, describe("Moving average of its success.", 0.62, unit="ratio, 0 to 1")]
    quality_score: Annotated[float, describe("Moving average of its quality.", 0.8, unit="ratio, 0 to 1")]
    mem_util: Annotated[float, describe("How full its memory of tasks is.", 0.01, unit="ratio, 0 to 1")]
    tasks_processed: Annotated[int, describe("Tasks that it did.", 12, unit="tasks")]
    tasks_succeeded: Annotated[int, describe("Of them those that succeeded.", 12, unit="tasks")]
    started_at: Annotated[Time, describe_time("When the replica began.")]
    last_task_at: Annotated[Time | None, describe_time("When its last task ended; null: none yet.")]
    skills: Annotated[list[str], describe("What it can do.", ["memory.get", "memory.put"])]
    code_version: Annotated[str, describe("The code that it runs.", "0.1.0+3f9c2a51b7d0")]


class OrganSpec(BaseModel):
    """One organ that shall exist: an entry of ``args.organs`` in ``serve_config.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$", description="Name of the organ and of its Serve deployment.")
    type: OrganType = Field(description="Which organ class runs: Cognitive, Actuator or Utility.")
    description: str = Field(default="", max_length=500, description="One sentence for people.")


class OrganConfig(BaseModel):
    """How an organ behaves: its ``user_config`` in ``serve_config.yaml``, changed live by ``reconfigure``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    default_skill: str | None = Field(
        default=None, description="Skill for tasks whose type is a plain word; none means the type's own default."
    )
    skills: tuple[str, ...] = Field(
        default=(), max_length=50, description="Import paths (`package.module:Name`) of skills of your own."
    )
    role_probabilities: dict[Literal["E", "S", "O"], float] | None = Field(
        default=None, description=f"Agent's {ROLE_MIX} Sums to 1; none means the organ type's."
    )
    smoothing: float = Field(
        default=0.2, gt=0, le=1, description="Weight of the newest task in capability and quality averages."
    )
    history_limit: int = Field(
        default=100, ge=1, le=10_000, description="How many past tasks an agent remembers; the newest 250 outlive it."
    )
    checkpoint_period_s: float = Field(
        default=1.0, ge=0.1, le=60, description="At most this much agent history is lost when a replica is killed."
    )
    http_allowlist: tuple[str, ...] = Field(
        default=(), max_length=200, description="Host names that `http.get` may reach; empty refuses all."
    )
    http_max_bytes: int = Field(
        default=262_144, ge=1, le=4_000_000, description="Longest answer body that `http.get` returns."
    )

    @field_validator("role_probabilities")
    @classmethod
    def _is_a_distribution(cls, shares: dict[Any, float] | None) -> dict[Any, float] | None:
        if shares is not None and (min(shares.values(), default=0) < 0 or abs(sum(shares.values()) - 1.0) > 1e-6):
            raise ValueError("shares are from 0 to 1 and sum to 1")
        return shares

"""The words that ingress and organs share: tasks, answers, and what an organ may be configured to do."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

OrganType = Literal["Cognitive", "Actuator", "Utility"]

MAX_TIMEOUT_S = 300.0
ROLE_MIX = "mix of the roles E, S and O, for whoever reads its status; it decides nothing here."


class Task(BaseModel):
    """One request to an organ.

    ``type`` is a skill (``memory.put``) or a plain word (``test_task``), which goes to the organ's default skill.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(min_length=1, max_length=128)
    description: str = Field(default="", max_length=10_000)
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    task_id: str | None = Field(default=None, min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._:\-]+$")
    timeout_s: float | None = Field(default=None, gt=0, le=MAX_TIMEOUT_S)


class TaskMessage(TypedDict):
    """A task on its way through a handle: a plain dict, because it is the cheapest thing to serialize (bench)."""

    type: str
    description: str
    parameters: dict[str, Any]
    task_id: str
    timeout_s: float


class TaskResult(TypedDict):
    """What an agent answers. ``quality``, ``capability_score`` and ``mem_util`` are fractions from 0 to 1."""

    agent_id: str
    task_processed: bool
    success: bool
    quality: float
    capability_score: float
    mem_util: float
    skill: str
    output: Any
    duration_s: float


class TaskProblem(TypedDict):
    """Why a task was refused or failed: code, HTTP status and one sentence. Raised low, translated by the ingress."""

    code: str
    status: int
    detail: str
    errors: NotRequired[list[dict[str, Any]]]


class TaskReply(TypedDict):
    """Either ``result`` or ``problem``, never both: exceptions do not cross the handle for things a caller can mend."""

    agent_id: str
    result: NotRequired[TaskResult]
    problem: NotRequired[TaskProblem]


class AgentStatus(TypedDict):
    """One live replica's account of itself, as collected by broadcast."""

    agent_id: str
    organ_id: str
    organ_type: str
    rank: int
    replica_id: str
    node_id: str
    pid: int
    epoch: int
    restored: bool
    fenced: bool
    role_probabilities: Annotated[dict[str, float], Field(description=f"Its {ROLE_MIX}")]
    capability_score: float
    quality_score: float
    mem_util: float
    tasks_processed: int
    tasks_succeeded: int
    started_at: str
    last_task_at: str | None
    skills: list[str]


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

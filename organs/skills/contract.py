"""What a skill is: a name, an input model, and something that it does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel

from organs.errors import CodedError
from organs.models import OrganConfig, OrganSpec, OrganType

InputT = TypeVar("InputT", bound=BaseModel)


@dataclass(frozen=True)
class Outcome:
    """What a skill delivered. ``completeness`` is the measured fraction (0 to 1) of what was asked that is in it."""

    output: Any
    completeness: float = 1.0


@dataclass(frozen=True)
class SkillContext:
    """What a skill may use while it runs. ``deadline`` is a moment of ``time.monotonic``."""

    spec: OrganSpec
    agent_id: str
    config: OrganConfig
    peers: tuple[OrganSpec, ...]
    deadline: float
    ports: Any
    description: str = ""
    task_type: str = ""
    table: tuple[type[Skill[Any]], ...] = field(default=())
    raw_parameters: Mapping[str, Any] = field(default_factory=dict)
    request: str = ""
    """The same for a task that is given again, because its caller or a replica was lost; empty when not known."""


class Skill(ABC, Generic[InputT]):
    """One thing that an agent of some organ type can do. Subclass it, set the class attributes, write ``run``."""

    name: ClassVar[str]
    summary: ClassVar[str]
    organ_type: ClassVar[OrganType]
    keywords: ClassVar[tuple[str, ...]] = ()
    idempotent: ClassVar[bool] = False
    """Whether doing it twice is the same as once; only then a lost replica's task is given to another."""
    Input: ClassVar[type[BaseModel]]

    @abstractmethod
    async def run(self, input: InputT, context: SkillContext) -> Outcome:
        """Do it; raises ``SkillError``. Foreign exceptions are the agent's failure and reported as such."""


class SkillError(CodedError):
    """A skill cannot do what was asked. Carries a code, an HTTP status and one sentence for people."""

    code = "skill_failed"
    status = 502


class SkillInputError(SkillError):
    """The input is not acceptable. ``errors`` says where, one entry for each place: ``loc``, ``msg``, ``type``."""

    code, status = "invalid_input", 422

    def __init__(
        self, detail: str, *, code: str | None = None, errors: Sequence[Mapping[str, Any]] | None = None
    ) -> None:
        super().__init__(detail, code=code)
        self.errors = list(errors or ())


class SkillNotFound(SkillError):
    """What was asked for is not there."""

    code, status = "not_found", 404


class SkillRefused(SkillError):
    """The rules of this organ forbid it."""

    code, status = "refused", 403


class SkillUpstreamFailed(SkillError):
    """Something that was asked on the way failed."""

    code, status = "upstream_failed", 502


# The code of a ``SkillUnavailable`` when a replica is of another version, which does not have the question.
OTHER_VERSION = "other_version"


class SkillUnavailable(SkillError):
    """Something that was asked on the way is not there at the moment."""

    code, status = "unavailable", 503


class SkillOutOfSpace(SkillUnavailable):
    """Nothing can be stored until somebody frees space."""

    code, status = "store_full", 507


class SkillDeadline(SkillError):
    """The deadline passed."""

    code, status = "deadline_exceeded", 504

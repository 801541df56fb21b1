"""What the organism asks of the other deployments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from organs.models import AgentStatus
from serve_app.schemas.cluster import DeploymentView
from serve_app.schemas.diagnosis import DiagnosisView
from serve_app.schemas.health import StoreAnswer

Json = dict[str, Any]


class OrganReplica(Protocol):
    """An organ: through Serve's router some agent of it, or, collected, every agent."""

    async def ping(self) -> Json: ...

    async def status(self) -> AgentStatus: ...


class SelfTester(Protocol):
    """An organ, as the initialization job tests it."""

    async def self_test(self) -> Json:
        """One real task, the way tasks go: ``{"agent_id", "skill", "success", "duration_s", "detail"}``."""
        ...


class ServeObserver(Protocol):
    """The job inspector, as far as it knows Serve."""

    async def serve_details(self) -> dict[str, DeploymentView]:
        """The deployments of this application by name."""
        ...

    async def deployment_diagnosis(self, name: str, failed: bool) -> dict[str, DiagnosisView | None]:
        """Why a deployment does not start or answer: ``{"diagnosis": {...} | None}``."""
        ...


class RunHistory(Protocol):
    """The store, as far as it knows initializations."""

    async def latest_initialization(self, config_hash: str | None = None) -> Json | None: ...

    async def ping(self) -> StoreAnswer:
        """Whether it can be written."""
        ...


class RunRecord(Protocol):
    """The store, as the initialization job writes into it."""

    async def begin_initialization(self, submission_id: str, config_hash: str, force: bool = False) -> Json: ...

    async def record_initialization_step(
        self, submission_id: str, config_hash: str, organ_id: str, agent_ids: Sequence[str], self_test: Json
    ) -> None: ...

    async def finish_initialization(self, submission_id: str, succeeded: bool, sentence: str) -> None: ...


class Wishes(Protocol):
    """The organism manager, as the initialization job asks it."""

    async def wanted(self) -> Json:
        """What the job shall find: organs, the generation to record, its time limit."""
        ...

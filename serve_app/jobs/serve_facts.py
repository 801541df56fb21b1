"""What Serve says of itself, as facts: applications, their deployments and replicas. Frozen, standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ReplicaFacts:
    """One replica of a Serve deployment."""

    replica_id: str
    state: str
    node_id: str | None
    pid: int | None


@dataclass(frozen=True, slots=True)
class DeploymentFacts:
    """One Serve deployment."""

    name: str
    status: str
    message: str
    target_num_replicas: int
    replicas: tuple[ReplicaFacts, ...]


@dataclass(frozen=True, slots=True)
class ApplicationFacts:
    """One Serve application."""

    name: str
    status: str
    message: str
    deployments: tuple[DeploymentFacts, ...]
    deployed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ServeFacts:
    """What Serve says of itself; no controller means that Serve does not run."""

    controller_actor_id: str | None
    applications: tuple[ApplicationFacts, ...]

"""What Serve says of itself, as facts: applications, their deployments and replicas. Frozen, standard library only."""

from __future__ import annotations

from collections.abc import Mapping
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
    needs: tuple[Mapping[str, float], ...] = ()
    """Of each replica: what has to be on one node, several where it has a placement group."""
    least_replicas: int | None = None
    """Of one that scales by itself: how few it may have; 0 is one that may sleep."""


@dataclass(frozen=True, slots=True)
class AutoscalerFacts:
    """What Ray's autoscaler says: nodes on their way, how many of each type, and its error."""

    coming: Mapping[str, int]
    error: str | None


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

"""What Serve says of itself, as facts: applications, their deployments and replicas. Frozen, standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

# Statuses in which an application does not do all that was deployed (``ApplicationStatus`` of ray/serve/schema.py).
TROUBLED = ("UNHEALTHY", "DEPLOY_FAILED")
_TRACEBACK = "Traceback (most recent call last)"
# What pydantic says last tells nothing.
_NO_NEWS = "For further information visit"
_FIRST_CHARS, _LAST_CHARS = 300, 600
_MOST_BLAMED = 3


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


def find_telling(message: str) -> str:
    """A message of Serve in one line: how it begins, and its last line, since the error of a traceback stands there."""
    lines = [line for each in message.splitlines() if (line := each.strip()) and not line.startswith(_NO_NEWS)]
    if not lines:
        return ""
    last = _shorten(lines[-1], _LAST_CHARS)
    if len(lines) == 1 or _TRACEBACK in lines[0]:
        return last
    return f"{_shorten(lines[0], _FIRST_CHARS)} … {last}"


def describe_trouble(application: ApplicationFacts) -> str | None:
    """What Serve says of an application that is not well, with the deployments that are to blame; None when it is."""
    if application.status not in TROUBLED:
        return None
    blamed = [
        f"{each.name}: {find_telling(each.message)}"
        for each in application.deployments
        if each.status in TROUBLED and each.message
    ]
    said = " ".join(filter(None, [find_telling(application.message), *blamed[:_MOST_BLAMED]]))
    return f"application {application.name} is {application.status}: {said or 'no message'}"


def _shorten(line: str, most_chars: int) -> str:
    return line if len(line) <= most_chars else f"{line[: most_chars - 1]}…"

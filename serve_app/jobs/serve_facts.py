"""What Serve says of itself, as facts: applications, their deployments and replicas. Frozen, standard library only."""

from __future__ import annotations

from collections.abc import Iterable
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
class HttpFacts:
    """Options of Serve's proxies (``http_options``), in seconds where it is time; None: not said, or no limit."""

    host: str | None = None
    port: int | None = None
    request_timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class ServeFacts:
    """What Serve says of itself; no controller means that Serve does not run."""

    controller_actor_id: str | None
    applications: tuple[ApplicationFacts, ...]
    http: HttpFacts | None = None


def describe_ignored(deployed: HttpFacts | None, in_force: HttpFacts | None) -> str | None:
    """Where Serve has other options in force than those that were deployed, in a sentence; None where it has not.

    Serve keeps those that it was started with, whoever deploys later (``put_all_applications`` of
    ray/dashboard/modules/serve/serve_head.py). What the deployed file left out is not compared.
    """
    if deployed is None or in_force is None:
        return None
    pairs = [(name, getattr(deployed, name), getattr(in_force, name)) for name in HttpFacts.__slots__]
    other = [(name, wanted, found) for name, wanted, found in pairs if wanted is not None and wanted != found]
    if not other:
        return None
    now = _join(f"{name} {_say(found)}" for name, _, found in other)
    wanted = _join(f"{name} {_say(wanted)}" for name, wanted, _ in other)
    verb = "has" if len(other) == 1 else "have"
    return f"Serve runs here already with {now}; {wanted} of the deployed file {verb} no effect."


def _say(value: str | float | None) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else f"{value:g}"


def _join(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last

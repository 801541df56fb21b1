"""What Serve says of itself, as facts: applications, their deployments and replicas. Frozen, standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    return f"application {application.name} is {application.status}: {find_reason(application) or 'no message'}"


def find_reason(application: ApplicationFacts) -> str:
    """Why an application is not well: Serve's words on it, which may only name deployments, and on those."""
    blamed = [
        f"{each.name}: {find_telling(each.message)}"
        for each in application.deployments
        if each.status in TROUBLED and each.message
    ]
    return " ".join(filter(None, [find_telling(application.message), *blamed[:_MOST_BLAMED]]))


def _shorten(line: str, most_chars: int) -> str:
    return line if len(line) <= most_chars else f"{line[: most_chars - 1]}…"


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

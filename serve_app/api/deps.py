"""What routes ask, written once: the ingress makes clients of these Protocols, unit tests give fakes.

Every method raises an ``AppError`` when it cannot answer; none returns an error inside an answer. ``asked`` says what
is asked otherwise than with the usual deadline (``call_timeout_s``) and one more attempt when a replica is lost.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Protocol

from organs.models import TaskMessage, TaskReply
from organs.questions import asked
from serve_app.jobs.actions.settings import JobManagement
from serve_app.jobs.diagnosis.words.model import TIMEOUT_S
from serve_app.jobs.settings import LOG_HEARTBEAT_S
from serve_app.settings import IngressConfig

Json = dict[str, Any]

# Ray takes seconds for the first submission, and is asked several times for a change or a log.
_CHANGING_S = 30.0
_READING_S = 15.0
# Longer than the inspector's own deadline, so that its sentence arrives and not ours.
_DIAGNOSING_S = 35.0


class Organs(Protocol):
    """The organs behind their handles."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the organs, in the order of the configuration."""
        ...

    async def execute(self, organ_id: str, task: TaskMessage) -> TaskReply:
        """Run a task; raises ``TooBusy``, ``Unavailable`` or ``DeadlineExceeded``. ``organ_id`` exists."""
        ...

    async def skills(self) -> dict[str, list[str]]:
        """Skill names by organ id, as the organs themselves say; cached for some seconds."""
        ...


class Organism(Protocol):
    """The organism manager."""

    async def status(self) -> Json:
        """``{"organs": [organ…], "initialization": {...}, "as_of": str}`` with organs as in design section 5."""
        ...

    async def initialize(self, force: bool) -> Json:
        """``{"submission_id": str | None, "state": "submitted" | "running" | "initialized", "message": str}``."""
        ...


class Jobs(Protocol):
    """The job inspector."""

    async def list_jobs(self, query: Json) -> Json:
        """A page: ``{"items": [row…], "next_cursor": str | None, "as_of": str, "degraded": [reason…]}``."""
        ...

    async def get_job(self, job_or_submission_id: str) -> Json: ...

    @asked(more_s=lambda job_or_submission_id, by_model: _DIAGNOSING_S + by_model * TIMEOUT_S)
    async def diagnosis(self, job_or_submission_id: str, by_model: bool = False) -> Json: ...

    async def diagnoses(self, keys: list[str]) -> Json:
        """``{"items": {session/id: brief}}`` of those of the first 100 keys whose diagnosis was made."""
        ...

    async def current(self) -> Json: ...

    async def summary(self, query: Json) -> Json: ...

    async def hierarchy(self, query: Json) -> Json: ...

    async def lifecycle(self) -> Json: ...

    async def findings(self) -> Json: ...

    async def take_events(self, events: list[Json]) -> Json: ...

    async def ray_status(self) -> Json: ...

    async def cluster_resources(self) -> Json: ...

    async def cluster_nodes(self) -> Json: ...

    async def cluster_actors(self, query: Json) -> Json: ...

    async def cluster_leftovers(self) -> Json: ...

    async def record_responses(self, delta: Json) -> Json: ...

    # Changes are never asked twice: whether the first did it is not known.

    @asked(more_s=_CHANGING_S, retries=0)
    async def submit_job(self, body: Json) -> Json: ...

    @asked(more_s=lambda id, wait_s: wait_s + _CHANGING_S, retries=0)
    async def stop_job(self, id: str, wait_s: float) -> Json: ...

    @asked(more_s=_CHANGING_S, retries=0)
    async def retry_job(self, id: str, force: bool) -> Json: ...

    @asked(more_s=_CHANGING_S, retries=0)
    async def delete_job(self, id: str) -> Json: ...

    @asked(more_s=_READING_S)
    async def job_log(self, id: str, lines: int) -> Json: ...

    @asked(more_s=_READING_S)
    async def job_stacks(self, id: str) -> Json: ...

    @asked(more_s=LOG_HEARTBEAT_S + _READING_S)
    def follow_log(self, id: str, lines: int, after: int | None) -> AsyncGenerator[Json, None]:
        """Items as ``jobs.logs.Logs.follow`` has them; the first comes at once."""
        ...


class AlertList(Protocol):
    """The alerts."""

    async def alerts(self, query: Json) -> Json:
        """A page of active alerts: ``{"items": [alert…], "next_cursor", "as_of", "degraded"}``."""
        ...

    async def alert_history(self, query: Json) -> Json:
        """A page of alerts that have fired; raises ``Unavailable`` without the store."""
        ...


class StoreHealth(Protocol):
    """The store, as far as readiness asks."""

    async def ping(self) -> Json: ...


@dataclass
class Deps:
    """Everything the API needs; one object, so that its wiring can be read in one place.

    ``config`` is replaced as a whole when Serve reconfigures the ingress; handlers read it at each request.
    """

    organs: Organs
    organism: Organism
    jobs: Jobs
    store: StoreHealth
    alerts: AlertList
    config: IngressConfig
    events_key: str | None = None
    management: JobManagement = field(default_factory=JobManagement)

"""What routes need, as protocols: the ingress fills them with Serve handles, unit tests with fakes.

Every method raises an ``AppError`` when it cannot answer; none returns an error inside an answer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Protocol

from organs.models import TaskMessage, TaskReply
from serve_app.jobs.actions.settings import JobManagement
from serve_app.settings import IngressConfig

Json = dict[str, Any]


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

    async def submit_job(self, body: Json) -> Json: ...

    async def stop_job(self, id: str, wait_s: float) -> Json: ...

    async def retry_job(self, id: str, force: bool) -> Json: ...

    async def delete_job(self, id: str) -> Json: ...

    async def job_log(self, id: str, lines: int) -> Json: ...

    async def job_stacks(self, id: str) -> Json: ...

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

    async def active_counts(self) -> Json:
        """``{rule: {"pending": n, "firing": n}}``, every rule."""
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

"""What routes ask, written once: the ingress makes clients of these Protocols, unit tests give fakes.

Every method raises an ``AppError`` when it cannot answer; none returns an error inside an answer. ``asked`` says what
is asked otherwise than with the usual deadline (``call_timeout_s``) and one more attempt when a replica is lost.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import JsonValue

from organs.models import TaskMessage, TaskReply
from organs.questions import asked
from organs.version import ASKING_ALL_S
from serve_app.api.idempotency import RequestStore
from serve_app.jobs.actions.settings import JobManagement
from serve_app.jobs.diagnosis.words.explanation import TIMEOUT_S
from serve_app.jobs.reading.events import RayEvent
from serve_app.jobs.settings import LOG_HEARTBEAT_S
from serve_app.queries.query import PlainQuery
from serve_app.schemas.alerts import AlertPage
from serve_app.schemas.changes import DeleteAnswer, RetryAnswer, StopAnswer, SubmitAnswer
from serve_app.schemas.cluster import (
    ActorPage,
    CodeVersions,
    EventsAnswer,
    LeftoverPage,
    NodePage,
    RayStatusAnswer,
    ResourcesAnswer,
)
from serve_app.schemas.diagnosis import BriefsAnswer, DiagnosisAnswer
from serve_app.schemas.findings import FindingsAnswer
from serve_app.schemas.health import StoreAnswer
from serve_app.schemas.hierarchy import HierarchyAnswer, HierarchyTextAnswer, LifecycleAnswer
from serve_app.schemas.jobs import CurrentJobAnswer, JobAnswer, JobPage
from serve_app.schemas.logs import LogAnswer, LogItem, StacksAnswer
from serve_app.schemas.organism import InitializeDone, OrganismStatus
from serve_app.schemas.summary import JobsSummaryAnswer
from serve_app.settings import IngressConfig

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

    async def status(self) -> OrganismStatus: ...

    async def initialize_once(self, force: bool, request: str) -> InitializeDone:
        """The same request again submits no second job."""
        ...


class Jobs(Protocol):
    """The job inspector."""

    async def list_jobs(self, query: PlainQuery) -> JobPage: ...

    async def get_job(self, job_or_submission_id: str) -> JobAnswer: ...

    @asked(more_s=lambda job_or_submission_id, by_model: _DIAGNOSING_S + by_model * TIMEOUT_S)
    async def diagnosis(self, job_or_submission_id: str, by_model: bool = False) -> DiagnosisAnswer: ...

    async def diagnoses(self, keys: list[str]) -> BriefsAnswer:
        """By ``session/id``, of those of the first 100 keys whose diagnosis was made."""
        ...

    async def current(self) -> CurrentJobAnswer: ...

    async def summary(self, query: PlainQuery) -> JobsSummaryAnswer: ...

    async def hierarchy(self, query: PlainQuery) -> HierarchyAnswer | HierarchyTextAnswer: ...

    async def lifecycle(self) -> LifecycleAnswer: ...

    async def findings(self) -> FindingsAnswer: ...

    async def deployment_troubles(self) -> FindingsAnswer:
        """Those about deployments alone."""
        ...

    async def take_events(self, events: Sequence[RayEvent]) -> EventsAnswer: ...

    async def ray_status(self) -> RayStatusAnswer:
        """Whether Ray answers, with what, without ``versions``."""
        ...

    @asked(more_s=ASKING_ALL_S)
    async def code_versions(self) -> CodeVersions:
        """Which code each replica of this application runs: for that all of them are asked."""
        ...

    async def cluster_resources(self) -> ResourcesAnswer: ...

    async def cluster_nodes(self) -> NodePage: ...

    async def cluster_actors(self, query: PlainQuery) -> ActorPage: ...

    async def cluster_leftovers(self) -> LeftoverPage: ...

    async def record_responses(self, delta: Mapping[str, Any]) -> dict[str, bool]: ...

    # Changes are never asked twice: whether the first did it is not known.

    @asked(more_s=_CHANGING_S, retries=0)
    async def submit_job(self, body: Mapping[str, JsonValue]) -> SubmitAnswer: ...

    @asked(more_s=lambda id, wait_s: wait_s + _CHANGING_S, retries=0)
    async def stop_job(self, id: str, wait_s: float) -> StopAnswer: ...

    @asked(more_s=_CHANGING_S, retries=0)
    async def retry_job(self, id: str, force: bool) -> RetryAnswer: ...

    @asked(more_s=_CHANGING_S, retries=0)
    async def delete_job(self, id: str) -> DeleteAnswer: ...

    @asked(more_s=_READING_S)
    async def job_log(self, id: str, lines: int) -> LogAnswer: ...

    async def whole_log(self, id: str, lines: int) -> LogAnswer: ...

    @asked(more_s=_READING_S)
    async def job_stacks(self, id: str) -> StacksAnswer: ...

    @asked(more_s=LOG_HEARTBEAT_S + _READING_S)
    def follow_log(self, id: str, lines: int, after: int | None) -> AsyncGenerator[LogItem, None]:
        """Items as ``jobs.logs.logs.Logs.follow`` has them; the first comes at once."""
        ...


class AlertList(Protocol):
    """The alerts."""

    async def alerts(self, query: PlainQuery) -> AlertPage: ...

    async def alert_history(self, query: PlainQuery) -> AlertPage:
        """Raises ``Unavailable`` without the store."""
        ...


class StoreHealth(RequestStore, Protocol):
    """The store, as far as readiness asks, and the keys of requests."""

    async def ping(self) -> StoreAnswer: ...


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
    # What is secret and not kept from jobs: a sentence for each, for the report.
    exposures: tuple[str, ...] = ()
    management: JobManagement = field(default_factory=JobManagement)

    def get_config(self) -> IngressConfig:
        """The configuration as it is now."""
        return self.config

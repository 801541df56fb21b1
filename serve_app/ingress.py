"""The ingress deployment: it holds the handles and returns the API. Routes know nothing of Ray."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator
from typing import Any

import ray
from ray import serve
from ray.serve.handle import DeploymentHandle

from organs.models import OrganSpec, TaskMessage, TaskReply
from organs.skills.table import BUILT_IN
from serve_app.api.access import Tokens
from serve_app.api.app import create_api
from serve_app.api.deps import Deps, Json
from serve_app.cluster.handles import call, collect, stream
from serve_app.env import Env
from serve_app.errors import DeadlineExceeded, Unavailable
from serve_app.jobs.diagnosis.words.model import TIMEOUT_S
from serve_app.jobs.logs.logs import HEARTBEAT_S
from serve_app.metrics.responses import Delivery, ResponseMeter
from serve_app.settings import AppArgs, IngressConfig

log = logging.getLogger("ray.serve.seedcore")

# A plain word goes to a default skill, and those only look; a user's own skill is not repeated, whatever it says.
_REPEATABLE = frozenset(skill.name for skill in BUILT_IN if skill.idempotent)
_SKILLS_FRESH_FOR_S = 5.0
_LIVENESS_TIMEOUT_S = 1.0
# Ray takes seconds for the first submission, and is asked several times for a change or a log.
_CHANGING_S = 30.0
_READING_S = 15.0
# Longer than the inspector's own deadline, so that its sentence arrives and not ours.
_DIAGNOSING_S = 35.0


@serve.ingress()
class Ingress:
    """HTTP in, handle calls out. Serve calls ``__serve_build_asgi_app__`` once in every replica."""

    def __init__(
        self,
        args: AppArgs,
        organs: dict[str, DeploymentHandle],
        manager: DeploymentHandle,
        inspector: DeploymentHandle,
        store: DeploymentHandle,
        alerts: DeploymentHandle,
    ) -> None:
        self._args = args
        organism, jobs, storage = HandleOrganism(manager), HandleJobs(inspector), HandleStore(store)
        alert_list, handles = HandleAlerts(alerts), HandleOrgans(args.organs, organs)
        self._parts: tuple[_Part, ...] = (organism, jobs, storage, alert_list)
        self._deps = Deps(handles, organism, jobs, storage, alert_list, IngressConfig(), management=args.job_management)
        self._meter = ResponseMeter()
        self._delivery = Delivery(self._meter, uuid.uuid4().hex, jobs.record_responses)

    def __serve_build_asgi_app__(self) -> Any:
        env = Env.read()
        self._deps.events_key = env.events_key
        return create_api(self._deps, self._args, Tokens.load(env), _own_addresses(), self._meter)

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take a new ``user_config`` without a restart; raises when it is not acceptable, and Serve then says so."""
        config = IngressConfig.model_validate(user_config)
        self._deps.config = config
        for part in self._parts:
            part.timeout_s = config.call_timeout_s
        log.info("ingress configured", extra={"action": "ingress_configured", **config.model_dump()})

    async def check_health(self) -> None:
        """Liveness of the event loop only: a part that is down is readiness's business, not a reason to restart us.

        Here, because this is what Serve calls in our loop from the start: response times begin to be delivered.
        """
        self._delivery.start()

    async def __del__(self) -> None:
        """Serve awaits this when it stops the replica: the last response times."""
        delivery: Delivery | None = getattr(self, "_delivery", None)
        if delivery is not None:
            await delivery.close()


class HandleOrgans:
    """``deps.Organs`` over one handle for each organ."""

    def __init__(self, specs: tuple[OrganSpec, ...], handles: dict[str, DeploymentHandle]) -> None:
        self.ids = tuple(spec.id for spec in specs)
        self._specs = specs
        self._handles = handles
        self._execute = {organ_id: handle.execute for organ_id, handle in handles.items()}
        self._skills: dict[str, list[str]] = {}
        self._skills_at = float("-inf")

    async def execute(self, organ_id: str, task: TaskMessage) -> TaskReply:
        """Run a task on some agent of the organ; a lost replica is asked again only when that can do no harm."""
        repeatable = task["type"] in _REPEATABLE or "." not in task["type"]
        try:
            reply: TaskReply = await call(
                organ_id, self._execute[organ_id], task, timeout_s=task["timeout_s"], retries=1 if repeatable else 0
            )
        except DeadlineExceeded:
            await self._blame(organ_id)
            raise
        return reply

    async def skills(self) -> dict[str, list[str]]:
        """Skill names by organ id, as the live agents say; an organ without a live agent has its built-in ones."""
        if time.monotonic() - self._skills_at > _SKILLS_FRESH_FOR_S:
            known = {
                spec.id: sorted(skill.name for skill in BUILT_IN if skill.organ_type == spec.type)
                for spec in self._specs
            }
            answers = await asyncio.gather(
                *(
                    collect(spec.id, (self._handles[spec.id], "status"), timeout_s=_LIVENESS_TIMEOUT_S)
                    for spec in self._specs
                )
            )
            for spec, agents in zip(self._specs, answers, strict=True):
                if agents:
                    known[spec.id] = sorted({name for agent in agents for name in agent["skills"]})
            self._skills, self._skills_at = known, time.monotonic()
        return self._skills

    async def _blame(self, organ_id: str) -> None:
        """After a deadline: an organ without any live agent is unavailable, which is another answer than slow."""
        agents = await collect(organ_id, (self._handles[organ_id], "ping"), timeout_s=_LIVENESS_TIMEOUT_S)
        if not agents:
            raise Unavailable(f"{organ_id} has no agent that answers; Serve is replacing it.", code="organ_unavailable")


class _Part:
    """A single-replica deployment behind its handle, with one deadline for all calls."""

    name = ""

    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle
        self.timeout_s = IngressConfig().call_timeout_s

    async def _ask(self, method: str, *args: Any) -> Json:
        answer: Json = await call(self.name, getattr(self._handle, method), *args, timeout_s=self.timeout_s, retries=1)
        return answer


class HandleOrganism(_Part):
    """``deps.Organism`` over the manager's handle."""

    name = "OrganismManager"

    async def status(self) -> Json:
        return await self._ask("status")

    async def initialize(self, force: bool) -> Json:
        return await self._ask("initialize", force)


class HandleJobs(_Part):
    """``deps.Jobs`` over the inspector's handle."""

    name = "JobInspector"

    async def list_jobs(self, query: Json) -> Json:
        return await self._ask("list_jobs", query)

    async def get_job(self, job_or_submission_id: str) -> Json:
        return await self._ask("get_job", job_or_submission_id)

    async def diagnosis(self, job_or_submission_id: str, by_model: bool = False) -> Json:
        timeout_s = self.timeout_s + _DIAGNOSING_S + by_model * TIMEOUT_S
        asked = (self._handle.diagnosis, job_or_submission_id, by_model)
        answer: Json = await call(self.name, *asked, timeout_s=timeout_s, retries=1)
        return answer

    async def diagnoses(self, keys: list[str]) -> Json:
        return await self._ask("diagnoses", keys)

    async def current(self) -> Json:
        return await self._ask("current")

    async def summary(self, query: Json) -> Json:
        return await self._ask("summary", query)

    async def hierarchy(self, query: Json) -> Json:
        return await self._ask("hierarchy", query)

    async def lifecycle(self) -> Json:
        return await self._ask("lifecycle")

    async def findings(self) -> Json:
        return await self._ask("findings")

    async def take_events(self, events: list[Json]) -> Json:
        return await self._ask("take_events", events)

    async def ray_status(self) -> Json:
        return await self._ask("ray_status")

    async def cluster_resources(self) -> Json:
        return await self._ask("cluster_resources")

    async def cluster_nodes(self) -> Json:
        return await self._ask("cluster_nodes")

    async def cluster_actors(self, query: Json) -> Json:
        return await self._ask("cluster_actors", query)

    async def record_responses(self, delta: Json) -> Json:
        return await self._ask("record_responses", delta)

    async def cluster_leftovers(self) -> Json:
        return await self._ask("cluster_leftovers")

    async def submit_job(self, body: Json) -> Json:
        return await self._change("submit_job", body)

    async def stop_job(self, id: str, wait_s: float) -> Json:
        return await self._change("stop_job", id, wait_s, more_s=wait_s)

    async def retry_job(self, id: str, force: bool) -> Json:
        return await self._change("retry_job", id, force)

    async def delete_job(self, id: str) -> Json:
        return await self._change("delete_job", id)

    async def job_log(self, id: str, lines: int) -> Json:
        answer: Json = await call(
            self.name, self._handle.job_log, id, lines, timeout_s=self.timeout_s + _READING_S, retries=1
        )
        return answer

    async def job_stacks(self, id: str) -> Json:
        answer: Json = await call(
            self.name, self._handle.job_stacks, id, timeout_s=self.timeout_s + _READING_S, retries=1
        )
        return answer

    def follow_log(self, id: str, lines: int, after: int | None) -> AsyncGenerator[Json, None]:
        method = self._handle.options(stream=True).follow_log
        return stream(self.name, method, id, lines, after, item_timeout_s=HEARTBEAT_S + self.timeout_s + _READING_S)

    async def _change(self, method: str, *args: Any, more_s: float = 0.0) -> Json:
        """Never asked twice: whether the first did it is not known."""
        timeout_s = self.timeout_s + more_s + _CHANGING_S
        answer: Json = await call(self.name, getattr(self._handle, method), *args, timeout_s=timeout_s, retries=0)
        return answer


class HandleAlerts(_Part):
    """``deps.AlertList`` over the handle of the alerts."""

    name = "Alerts"

    async def alerts(self, query: Json) -> Json:
        return await self._ask("alerts", query)

    async def alert_history(self, query: Json) -> Json:
        return await self._ask("alert_history", query)

    async def active_counts(self) -> Json:
        return await self._ask("active_counts")


class HandleStore(_Part):
    """``deps.StoreHealth`` over the store's handle."""

    name = "Store"

    async def ping(self) -> Json:
        return await self._ask("ping")


def _own_addresses() -> frozenset[str]:
    """Addresses from which this node's own proxy reaches us: they count as loopback when no token is configured."""
    return frozenset({ray.util.get_node_ip_address()})

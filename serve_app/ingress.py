"""The ingress deployment: it holds the handles and returns the API. Routes know nothing of Ray."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import ray
from ray import serve
from ray.serve.handle import DeploymentHandle

from organs.live.settings import LiveSettings, SettingsStore
from organs.models import OrganSpec, TaskMessage, TaskReply
from organs.questions import asked
from organs.replica import Versioned
from organs.skills.table import BUILT_IN
from serve_app import parts
from serve_app.api.access import LiveTokens, Tokens
from serve_app.api.app import create_api
from serve_app.api.deps import AlertList, Deps, Jobs, Organism, StoreHealth
from serve_app.cluster.handles import collect, connect
from serve_app.env import Env
from serve_app.errors import AppError, DeadlineExceeded, NotTaken, Unavailable
from serve_app.metrics.responses import ResponseDelivery, ResponseMeter
from serve_app.organism.questions import OrganReplica
from serve_app.settings import AppArgs, IngressConfig
from serve_app.tokens.environment import hold_environment, list_exposures

P = TypeVar("P")

log = logging.getLogger("ray.serve.seedcore")

# A plain word goes to a default skill, and those only look; a user's own skill is not repeated, whatever it says.
_REPEATABLE = frozenset(skill.name for skill in BUILT_IN if skill.idempotent)
_SKILLS_FRESH_FOR_S = 5.0
_LIVENESS_TIMEOUT_S = 1.0
# Longer than the manager waits for a look that is under way.
_EXPLANATION_TIMEOUT_S = 2.5
# So long what the manager said of an organ that no node can hold is taken as it is; then it is asked again, so that of
# all who give it tasks only the first one waits for a deadline.
_UNPLACEABLE_FOR_S = 5.0
# Longer than the store's own deadline, so that its sentence arrives and not ours.
_STORE_TIMEOUT_S = 6.0


@serve.ingress()
class Ingress(Versioned):
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
        organism = self._connect(Organism, manager)
        self._deps = Deps(
            organs=HandleOrgans(args.organs, organs, organism),
            organism=organism,
            jobs=self._connect(Jobs, inspector),
            store=self._connect(StoreHealth, store),
            alerts=self._connect(AlertList, alerts),
            config=IngressConfig(),
            management=args.job_management,
        )
        keeper = connect(SettingsStore, store, timeout_s=_STORE_TIMEOUT_S, retries=1)
        self._settings = LiveSettings(parts.INGRESS, IngressConfig, IngressConfig.model_validate, keeper)
        self._meter = ResponseMeter()
        self._delivery = ResponseDelivery(self._meter, uuid.uuid4().hex, self._deps.jobs.record_responses)

    def __serve_build_asgi_app__(self) -> Any:
        env = Env.read()
        self._deps.events_key = env.events_key
        self._deps.exposures = list_exposures(env)
        files = [file for file in (env.tokens_file, env.secrets_file) if file is not None]
        tokens = LiveTokens(_load_tokens, files)
        return create_api(self._deps, self._args, tokens, _list_own_addresses(), self._meter)

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take a new ``user_config`` without a restart; the last good one stays when it is not acceptable."""
        config = await self._settings.take(user_config)
        self._deps.config = config
        log.info("ingress configured", extra={"action": "ingress_configured", **config.model_dump()})

    async def check_health(self) -> None:
        """Liveness of the event loop only: a part that is down is readiness's business, not a reason to restart us.

        Here, because this is what Serve calls in our loop from the start: response times begin to be delivered.
        """
        self._delivery.start()

    async def __del__(self) -> None:
        """Serve awaits this when it stops the replica: the last response times."""
        delivery: ResponseDelivery | None = getattr(self, "_delivery", None)
        if delivery is not None:
            await delivery.close()

    def _connect(self, protocol: Callable[..., P], handle: DeploymentHandle) -> P:
        """A client with the deadline that the configuration says at the time of the call."""
        return connect(protocol, handle, timeout_s=lambda: self._deps.config.call_timeout_s, retries=1)


class TaskRunner(Protocol):
    """An organ, as tasks are given to it: ``handle.execute.remote(task)``, answered within the task's ``timeout_s``."""

    @asked(more_s=lambda task: task["timeout_s"])
    async def execute(self, task: TaskMessage) -> TaskReply:
        """Run a task on some agent of it."""
        ...


class HandleOrgans:
    """``deps.Organs`` over one handle for each organ."""

    def __init__(self, specs: tuple[OrganSpec, ...], handles: dict[str, DeploymentHandle], organism: Organism) -> None:
        """``organism`` is asked only why an organ has no agent, when a task was not taken."""
        self.ids = tuple(spec.id for spec in specs)
        self._organism = organism
        self._specs = specs
        self._handles = handles
        # The deadline is the task's own.
        self._once, self._repeated = (
            {
                organ_id: connect(TaskRunner, handle, timeout_s=0.0, retries=retries)
                for organ_id, handle in handles.items()
            }
            for retries in (0, 1)
        )
        # When it was last learned that no node can hold an organ, and in which words.
        self._unplaceable: dict[str, tuple[float, str]] = {}
        self._skills: dict[str, list[str]] = {}
        self._skills_at = float("-inf")

    async def execute(self, organ_id: str, task: TaskMessage) -> TaskReply:
        """Run a task on some agent of the organ; a lost replica is asked again only when that can do no harm.

        Raises ``TooBusy`` when the organ's queue is full, ``Unavailable`` when no agent can answer (``ReplicaLost``:
        the one that had it died), ``DeadlineExceeded`` after the task's own time, ``PartFailed`` for a bug there.
        """
        if organ_id in self._unplaceable:
            await self._require_placeable(organ_id)
        repeatable = task["type"] in _REPEATABLE or "." not in task["type"]
        try:
            return await (self._repeated if repeatable else self._once)[organ_id].execute(task)
        except (DeadlineExceeded, NotTaken):
            await self._blame(organ_id)
            # The caller's own deadline, and there are agents: it was too short, not they too few.
            raise DeadlineExceeded(f"{organ_id} did not answer within {task['timeout_s']:g} s.") from None

    async def skills(self) -> dict[str, list[str]]:
        """Skill names by organ id, as the live agents say; an organ without a live agent, which may sleep, has those
        that its agents told last, or its built-in ones.
        """
        if time.monotonic() - self._skills_at > _SKILLS_FRESH_FOR_S:
            known = {
                spec.id: self._skills.get(spec.id)
                or sorted(skill.name for skill in BUILT_IN if skill.organ_type == spec.type)
                for spec in self._specs
            }
            answers = await asyncio.gather(
                *(
                    collect(self._handles[spec.id], OrganReplica.status, timeout_s=_LIVENESS_TIMEOUT_S)
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
        agents = await collect(self._handles[organ_id], OrganReplica.ping, timeout_s=_LIVENESS_TIMEOUT_S)
        if not agents:
            raise Unavailable(await self._explain_absence(organ_id), code="organ_unavailable")

    async def _require_placeable(self, organ_id: str) -> None:
        """Of an organ that no node could hold."""
        told_at, sentence = self._unplaceable[organ_id]
        if time.monotonic() - told_at >= _UNPLACEABLE_FOR_S:
            # Who comes while the manager is asked is told what was said last.
            kept = self._unplaceable[organ_id] = (time.monotonic(), sentence)
            sentence = await self._explain_absence(organ_id)
            if self._unplaceable.get(organ_id) is kept:
                del self._unplaceable[organ_id]
                return
        raise Unavailable(sentence, code="organ_unavailable")

    async def _explain_absence(self, organ_id: str) -> str:
        """Why no agent answers, as far as the manager has seen it."""
        try:
            async with asyncio.timeout(_EXPLANATION_TIMEOUT_S):
                organs = (await self._organism.status())["organs"]
        except (AppError, TimeoutError):
            organs = []
        seen = next((each for each in organs if each["organ_id"] == organ_id), None)
        if seen is not None and seen["status"] == "unplaceable":
            self._unplaceable[organ_id] = (time.monotonic(), seen["message"])
            return seen["message"]
        if seen is not None and seen["status"] in ("asleep", "waking", "starting"):
            return f"{organ_id} has no agent yet: {seen['message']}"
        return f"{organ_id} has no agent that answers; Serve is replacing it."


def _load_tokens() -> Tokens:
    """The tokens as they are configured now, which are hidden in texts from now on."""
    env = Env.read()
    tokens = Tokens.load(env)
    hold_environment(env)
    return tokens


def _list_own_addresses() -> frozenset[str]:
    """Addresses from which this node's own proxy reaches us: they count as loopback when no token is configured."""
    return frozenset({ray.util.get_node_ip_address()})

"""The only ways out of an organ: to the store, the job inspector, other organs, and Ray's own view of the cluster.

Each call has a deadline, and each failure becomes a ``SkillError`` with one sentence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import DeploymentStatus, ReplicaState

from organs.calls import Caller, CallFailure
from organs.errors import CodedError
from organs.live.settings import SettingsStore
from organs.memory import AgentStore
from organs.questions import asked
from organs.skills.contract import (
    OTHER_VERSION,
    SkillDeadline,
    SkillError,
    SkillInputError,
    SkillNotFound,
    SkillOutOfSpace,
    SkillUnavailable,
    SkillUpstreamFailed,
)

P = TypeVar("P")

CALL_TIMEOUT_S = 5.0
_REFUSALS: dict[int, type[SkillError]] = {
    404: SkillNotFound,
    422: SkillInputError,
    429: SkillUnavailable,
    503: SkillUnavailable,
    504: SkillDeadline,
    507: SkillOutOfSpace,
}


class StorePort(AgentStore, SettingsStore, Protocol):
    """The store: agents' states, what they shall remember for each other, and the settings of their organ."""

    async def put_memory(self, key: str, value: Any, tags: Sequence[str], agent_id: str | None) -> dict[str, Any]: ...

    async def put_memory_once(
        self, key: str, value: Any, tags: Sequence[str], agent_id: str | None, request: str
    ) -> dict[str, Any]: ...

    async def get_memory(self, key: str) -> dict[str, Any] | None: ...

    async def search_memory(self, query: str, tags: Sequence[str], limit: int) -> dict[str, Any]: ...


class JobsPort(Protocol):
    """The job inspector."""

    async def get_job(self, job_or_submission_id: str) -> dict[str, Any]: ...

    @asked(deadline="timeout_s")
    async def diagnosis(self, job_or_submission_id: str, timeout_s: float) -> dict[str, Any]:
        """Why a job failed; the first time, its logs are read for that."""
        ...


class OrganPort(Protocol):
    """Another organ."""

    @asked(deadline="timeout_s")
    async def ping(self, timeout_s: float) -> dict[str, Any]: ...


class OrgansPort:
    """The other organs, each through Serve's router."""

    def __init__(self) -> None:
        self._organs: dict[str, OrganPort] = {}

    async def probe(self, organ_id: str, timeout_s: float) -> dict[str, Any]:
        """A sign of life of some agent of the organ."""
        if organ_id not in self._organs:
            application = serve.get_replica_context().app_name
            self._organs[organ_id] = connect(OrganPort, serve.get_deployment_handle(organ_id, application))
        return await self._organs[organ_id].ping(timeout_s)


class ClusterPort:
    """Ray's public view of the cluster. Its calls block, so they run in a thread."""

    async def resources(self) -> dict[str, Any]:
        """Logical resources in all and free."""
        total, available = await asyncio.gather(
            _run_in_thread(ray.cluster_resources), _run_in_thread(ray.available_resources)
        )
        return {"total": total, "available": available}

    async def nodes(self) -> list[dict[str, Any]]:
        """Every node that Ray remembers, the dead ones too."""
        return [
            {
                "node_id": node["NodeID"],
                "alive": node["Alive"],
                "address": node["NodeManagerAddress"],
                "resources": node.get("Resources", {}),
            }
            for node in await _run_in_thread(ray.nodes)
        ]

    async def count_predecessors(self, rank: int, *, ending: bool = False) -> int:
        """Other replicas of the caller's deployment that Serve stops and that are not gone.

        ``ending``: the caller is stopped, too.

        One at least while the caller's rank is beyond the number of those that live: it gets the rank of a predecessor
        when that is gone. What the autoscaler wants does not matter for this. And one at least for every rank but the
        first while Serve updates the deployment: then one that runs beside its predecessor cannot be told from others.
        """
        try:
            return int(await _run_in_thread(lambda: _count_predecessors(rank, ending)))
        except (RayError, RayServeException):
            raise SkillUnavailable("Serve does not say which replicas there are.") from None


@dataclass(frozen=True)
class Ports:
    """All ways out, for skills."""

    store: StorePort
    jobs: JobsPort
    organs: OrgansPort
    cluster: ClusterPort

    @classmethod
    def open(cls, store: DeploymentHandle, jobs: DeploymentHandle) -> Ports:
        """The ways out of an organ that was given these handles."""
        return cls(connect(StorePort, store), connect(JobsPort, jobs), OrgansPort(), ClusterPort())


def connect(protocol: Callable[..., P], handle: DeploymentHandle) -> P:
    """A client of a deployment whose every failure is a ``SkillError``."""
    return _CALLER.connect(protocol, handle, timeout_s=CALL_TIMEOUT_S)


def _adopt(error: CodedError) -> SkillError:
    """What another part refused, as a skill says it."""
    return _REFUSALS.get(error.status, SkillUpstreamFailed)(error.detail)


_AWAY = (SkillUnavailable, "{part} has no replica that answers.")
_LATE = (SkillDeadline, "{part} did not answer within {timeout_s:.1f} s.")
_CALLER = Caller(
    {
        CallFailure.QUEUE_FULL: (SkillUnavailable, "The queue of {part} is full."),
        CallFailure.NO_REPLICA: _AWAY,
        CallFailure.CANCELLED: _AWAY,
        CallFailure.REPLICA_LOST: _AWAY,
        CallFailure.NOT_TAKEN: _AWAY,
        CallFailure.OTHER_VERSION: (partial(SkillUnavailable, code=OTHER_VERSION), _AWAY[1]),
        CallFailure.UNREADABLE: _AWAY,
        CallFailure.NO_ANSWER: _LATE,
        CallFailure.NO_ITEM: _LATE,
        CallFailure.BROKEN: (SkillUpstreamFailed, "{part} failed; its log has the reason."),
    },
    _adopt,
)


def _count_predecessors(rank: int, ending: bool) -> int:
    context = serve.get_replica_context()
    application = serve.status().applications.get(context.app_name)
    deployment = None if application is None else application.deployments.get(context.deployment)
    if deployment is None:
        return 0
    states = {ReplicaState(state): int(count) for state, count in deployment.replica_states.items()}
    stopped = states.pop(ReplicaState.STOPPING, 0)
    # A replica that is started before its predecessor stops (`max_surge_percent`) has a rank that is not its own until
    # the update is over (`_maybe_check_rank_consistency`, ray/serve/_private/deployment_state.py), and never the first.
    beside = rank > 0 and deployment.status == DeploymentStatus.UPDATING
    return max(stopped - int(ending), int(beside or rank >= max(1, sum(states.values()))))


async def _run_in_thread(function: Any) -> Any:
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return await asyncio.to_thread(function)
    except TimeoutError:
        raise SkillDeadline(f"Ray did not answer within {CALL_TIMEOUT_S:.0f} s.") from None

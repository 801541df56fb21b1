"""The only ways out of an organ: to the store, the job inspector, other organs, and Ray's own view of the cluster.

Each call has a deadline, and each failure becomes a ``SkillError`` with one sentence.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import ray
from ray import serve
from ray.exceptions import ActorUnavailableError, RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RequestCancelledError
from ray.serve.handle import DeploymentHandle

from organs.skills.contract import (
    SkillDeadline,
    SkillError,
    SkillInputError,
    SkillNotFound,
    SkillUnavailable,
    SkillUpstreamFailed,
)

log = logging.getLogger("ray.serve.seedcore")

CALL_TIMEOUT_S = 5.0
_REFUSALS: dict[int, type[SkillError]] = {
    404: SkillNotFound,
    422: SkillInputError,
    429: SkillUnavailable,
    503: SkillUnavailable,
    504: SkillDeadline,
}


class StorePort:
    """The store's deployment."""

    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle

    async def claim_agent(self, agent_id: str, organ_id: str, owner: str) -> dict[str, Any]:
        claimed: dict[str, Any] = await ask("Store", self._handle.claim_agent, agent_id, organ_id, owner)
        return claimed

    async def save_agent(self, agent_id: str, epoch: int, state: dict[str, Any]) -> str:
        return str(await ask("Store", self._handle.save_agent, agent_id, epoch, state))

    async def put_memory(self, key: str, value: Any, tags: list[str], agent_id: str) -> dict[str, Any]:
        put: dict[str, Any] = await ask("Store", self._handle.put_memory, key, value, tags, agent_id)
        return put

    async def get_memory(self, key: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = await ask("Store", self._handle.get_memory, key)
        return found

    async def search_memory(self, query: str, tags: list[str], limit: int) -> dict[str, Any]:
        found: dict[str, Any] = await ask("Store", self._handle.search_memory, query, tags, limit)
        return found


class JobsPort:
    """The job inspector's deployment."""

    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle

    async def get_job(self, job_id: str) -> dict[str, Any]:
        row: dict[str, Any] = await ask("JobInspector", self._handle.get_job, job_id)
        return row

    async def diagnosis(self, job_id: str, timeout_s: float) -> dict[str, Any]:
        """Why a job failed; the first time, its logs are read for that."""
        found: dict[str, Any] = await ask("JobInspector", self._handle.diagnosis, job_id, timeout_s=timeout_s)
        return found


class OrgansPort:
    """The other organs, each through Serve's router."""

    def __init__(self) -> None:
        self._handles: dict[str, DeploymentHandle] = {}

    async def probe(self, organ_id: str, timeout_s: float) -> dict[str, Any]:
        """A sign of life of some agent of the organ."""
        if organ_id not in self._handles:
            application = serve.get_replica_context().app_name
            self._handles[organ_id] = serve.get_deployment_handle(organ_id, application)
        answer: dict[str, Any] = await ask(organ_id, self._handles[organ_id].ping, timeout_s=timeout_s)
        return answer


class ClusterPort:
    """Ray's public view of the cluster. Its calls block, so they run in a thread."""

    async def resources(self) -> dict[str, Any]:
        """Logical resources in all and free."""
        total, available = await asyncio.gather(_threaded(ray.cluster_resources), _threaded(ray.available_resources))
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
            for node in await _threaded(ray.nodes)
        ]


@dataclass(frozen=True)
class Ports:
    """All ways out, for skills."""

    store: StorePort
    jobs: JobsPort
    organs: OrgansPort
    cluster: ClusterPort


async def ask(part: str, method: Any, *args: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
    """Call another deployment; raises ``SkillError``, whatever goes wrong there."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _once(part, method, args)
    except TimeoutError:
        raise SkillDeadline(f"{part} did not answer within {timeout_s:.1f} s.") from None


async def _once(part: str, method: Any, args: tuple[Any, ...]) -> Any:
    response = method.remote(*args)
    try:
        return await _awaited(response)
    except asyncio.CancelledError:
        # To cancel our waiting does not cancel the call (ray/serve/handle.py), and nobody will read its answer.
        response.cancel()
        raise
    except BackPressureError:
        raise SkillUnavailable(f"The queue of {part} is full.") from None
    except (DeploymentUnavailableError, RayActorError, ActorUnavailableError, RequestCancelledError):
        raise SkillUnavailable(f"{part} has no replica that answers.") from None
    except Exception as error:
        cause = error.cause if isinstance(error, RayTaskError) else error
        refusal = _refusal(cause)
        if refusal is None:
            log.exception("a part failed", extra={"action": "part_failed", "part": part})
            raise SkillUpstreamFailed(f"{part} failed; its log has the reason.") from None
        raise refusal from None


def _refusal(cause: object) -> SkillError | None:
    """Errors of other deployments are known by what they carry, since their classes belong to another package."""
    status, detail = getattr(cause, "status", None), getattr(cause, "detail", None)
    if not isinstance(status, int) or not isinstance(detail, str):
        return None
    return _REFUSALS.get(status, SkillUpstreamFailed)(detail)


async def _awaited(response: Awaitable[Any]) -> Any:
    return await response


async def _threaded(function: Any) -> Any:
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return await asyncio.to_thread(function)
    except TimeoutError:
        raise SkillDeadline(f"Ray did not answer within {CALL_TIMEOUT_S:.0f} s.") from None

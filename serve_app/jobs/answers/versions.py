"""Which code each replica of this application runs, and whether that is what was deployed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from organs.version import ReplicaVersion
from serve_app.jobs.serve_facts import DeploymentFacts, ServeFacts
from serve_app.schemas.cluster import CodeVersions, ReplicaCode

FRESH_FOR_S = 2.0
"""All replicas are asked at most that often, however many callers there are."""


class Versions:
    """Asks every replica, and compares with what was deployed."""

    def __init__(
        self,
        expected: str,
        application: str,
        ask: Callable[[str], Awaitable[list[ReplicaVersion]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``ask`` gives what the live replicas of a deployment say; those that cannot tell are left out."""
        self._expected = expected
        self._application = application
        self._ask = ask
        self._clock = clock
        self._lock = asyncio.Lock()
        self._answer: CodeVersions | None = None
        self._asked_at = float("-inf")

    async def tell(self, serve: ServeFacts | None) -> CodeVersions:
        """``{"expected", "mixed", "replicas": [...]}``; without Serve's own account of its replicas it has none."""
        async with self._lock:
            if self._answer is None or self._clock() - self._asked_at > FRESH_FOR_S:
                self._answer = await self._ask_all(serve)
                self._asked_at = self._clock()
            return self._answer

    async def _ask_all(self, serve: ServeFacts | None) -> CodeVersions:
        applications = serve.applications if serve is not None else ()
        deployments = [each for app in applications if app.name == self._application for each in app.deployments]
        answers = await asyncio.gather(*(self._ask(each.name) for each in deployments))
        replicas = [row for each, told in zip(deployments, answers, strict=True) for row in _list_replicas(each, told)]
        return {"expected": self._expected, "mixed": is_mixed(self._expected, replicas), "replicas": replicas}


def is_mixed(expected: str, replicas: list[ReplicaCode]) -> bool | None:
    """Whether some replica runs other code than was deployed; None when none is known to, and not all could tell."""
    told = {row["code_version"] for row in replicas if row["code_version"] is not None}
    if told - {expected}:
        return True
    silent = any(row["code_version"] is None and row["state"] == "RUNNING" for row in replicas)
    return None if silent or not told else False


def _list_replicas(deployment: DeploymentFacts, told: list[ReplicaVersion]) -> list[ReplicaCode]:
    """Replicas that answered, and those that Serve names besides: they start, end, or are too old to know it."""
    versions = {each["replica_id"]: each["code_version"] for each in told}
    states = {each.replica_id: each.state for each in deployment.replicas}
    return [
        {
            "deployment": deployment.name,
            "replica_id": replica_id,
            "state": states.get(replica_id, "RUNNING"),
            "code_version": versions.get(replica_id),
        }
        for replica_id in sorted({*versions, *states})
    ]

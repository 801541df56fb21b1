"""What a replica knows of the cluster that it runs in without asking the dashboard: public names of Ray, blocking."""

from __future__ import annotations

from typing import Protocol

import ray
from ray import serve

from organs.replica import Versioned
from organs.version import ReplicaVersion
from serve_app.cluster.handles import collect
from serve_app.cluster.private import agent_address, driver_exception_frames

_VERSIONS_TIMEOUT_S = 1.0

Resources = tuple[dict[str, float], dict[str, float]]


class Here(Protocol):
    """Where the inspector runs; unit tests have their own."""

    job_id: str | None
    application: str
    ray_version: str
    session: str

    def resources(self) -> Resources:
        """Total and available resources of the cluster; blocks."""
        ...

    def exception_frames(self) -> dict[str, str]:
        """Where uncaught exceptions of drivers were, by job id; blocks."""
        ...

    def agent_address(self, node_id: str) -> str | None:
        """URL of a node's agent, None when it has none; blocks, and raises ``UnknownRay``."""
        ...

    async def tell_versions(self, deployment: str) -> list[ReplicaVersion]:
        """The code that the live replicas of a deployment of this application run, as far as they can tell."""
        ...


class InReplica:
    """The replica's own runtime context."""

    def __init__(self) -> None:
        self.job_id: str | None = ray.get_runtime_context().get_job_id()
        self.application = serve.get_replica_context().app_name
        self.ray_version = ray.__version__
        self.session: str = ray.get_runtime_context().get_session_name()

    def resources(self) -> Resources:
        """From the GCS."""
        return dict(ray.cluster_resources()), dict(ray.available_resources())

    def exception_frames(self) -> dict[str, str]:
        """From the worker table of the GCS."""
        return driver_exception_frames()

    def agent_address(self, node_id: str) -> str | None:
        """From the key-value store of the GCS."""
        return agent_address(node_id)

    async def tell_versions(self, deployment: str) -> list[ReplicaVersion]:
        """From the replicas themselves."""
        handle = serve.get_deployment_handle(deployment, self.application)
        return await collect(deployment, handle, Versioned.tell_version, timeout_s=_VERSIONS_TIMEOUT_S)

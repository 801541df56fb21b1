"""What a replica knows of the cluster that it runs in without asking the dashboard: public names of Ray, blocking."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import ray
from ray import serve

from organs.replica import Versioned
from organs.version import ASKING_ALL_S, ReplicaVersion
from serve_app.cluster.handles import collect
from serve_app.cluster.private import UnknownRay, find_agent_address, list_exception_frames, list_submission_drivers
from serve_app.jobs.models import Unknown
from serve_app.jobs.reading.head_place import HeadPlace
from serve_app.jobs.reading.thread_call import ThreadCall

Resources = tuple[dict[str, float], dict[str, float]]


class Replica(Protocol):
    """Where the inspector runs; unit tests have their own."""

    job_id: str | None
    application: str
    ray_version: str
    session: str

    @property
    def place(self) -> HeadPlace | None:
        """Where the head of this session listens; None where that is not known."""
        return None

    def read_resources(self) -> Resources:
        """Total and available resources of the cluster; blocks."""
        ...

    def list_exception_frames(self) -> dict[str, str]:
        """Where uncaught exceptions of drivers were, by job id; blocks."""
        ...

    def list_submission_drivers(self) -> list[dict[str, Any]]:
        """Every driver that a submission connected, as ``reading.rows`` reads it; blocks."""
        ...

    def find_agent_address(self, node_id: str) -> str | None:
        """URL of a node's agent, None when it has none; blocks, and raises ``UnknownRay``."""
        ...

    async def tell_versions(self, deployment: str) -> list[ReplicaVersion]:
        """The code that the live replicas of a deployment of this application run, as far as they can tell."""
        ...


class RayReplica:
    """The replica's own runtime context."""

    def __init__(self) -> None:
        self.job_id: str | None = ray.get_runtime_context().get_job_id()
        self.application = serve.get_replica_context().app_name
        self.ray_version = ray.__version__
        self.session: str = ray.get_runtime_context().get_session_name()
        self._place = HeadPlace(_name_machine(), str(ray.get_runtime_context().gcs_address))
        self._handles: dict[str, ThreadCall] = {}

    @property
    def place(self) -> HeadPlace | None:
        """Where the GCS of this session listens, and on which machine the head is: the inspector runs there."""
        return self._place

    def read_resources(self) -> Resources:
        """From the GCS."""
        return dict(ray.cluster_resources()), dict(ray.available_resources())

    def list_exception_frames(self) -> dict[str, str]:
        """From the worker table of the GCS."""
        return list_exception_frames()

    def list_submission_drivers(self) -> list[dict[str, Any]]:
        """From the job table of the GCS; none of a Ray whose private names are not known."""
        try:
            return list_submission_drivers()
        except UnknownRay:
            return []

    def find_agent_address(self, node_id: str) -> str | None:
        """From the key-value store of the GCS."""
        return find_agent_address(node_id)

    async def tell_versions(self, deployment: str) -> list[ReplicaVersion]:
        """From the replicas themselves. None tells when Serve's controller does not give the handle in that time.

        It is asked for that without a deadline (ray/serve/_private/client.py), and raises ``KeyError`` for a
        deployment that has just been removed.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + ASKING_ALL_S
        if deployment not in self._handles:
            self._handles[deployment] = ThreadCall(partial(serve.get_deployment_handle, deployment, self.application))
        handle = await self._handles[deployment].get(ASKING_ALL_S)
        if isinstance(handle, Unknown):
            return []
        left_s = max(0.0, deadline - clock())
        return await collect(handle.value, Versioned.tell_version, timeout_s=left_s)


def _name_machine() -> str:
    """A name that no other machine has: by its own alone two containers of one image would be the same."""
    try:
        machine_id = Path("/etc/machine-id").read_text(encoding="ascii", errors="replace").strip()[:64]
    except OSError:
        machine_id = ""
    return f"{socket.gethostname()}/{machine_id}"

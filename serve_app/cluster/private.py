"""Private names of Ray. Each is used because no public one tells the same (seen on 2.60).

Besides this file only ``organs/private.py`` knows such names: of a call, which organs make as well. They are those of
Ray 2.60; another version is refused with a sentence rather than misread. A contract test holds them:
tests/unit/cluster/test_private.py (the names exist) and tests/integration/jobs/test_jobs.py (they answer).
All functions that are not ``async`` block and belong into a thread.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import ray
from ray.exceptions import RayError

from organs.private import KNOWN_VERSION, is_known_ray
from serve_app.env import get_variable

_RPC_TIMEOUT_S = 4.0


class UnknownRay(RuntimeError):
    """The installed Ray is not the one whose private names are known here."""


def find_dashboard_address() -> str | None:
    """URL of this cluster's dashboard, without a slash at the end; None when Ray cannot say now.

    ``SEEDCORE_DASHBOARD_URL`` wins. Otherwise the head's entry in the GCS key-value store (ray/dashboard/utils.py,
    ``ray_address_to_api_server_url``, which would try for 20 s). Raises ``UnknownRay``.
    """
    configured = os.environ.get(get_variable("dashboard_url"))
    if configured:
        return configured.rstrip("/")
    if not ray.is_initialized():
        return None
    require_known_ray()
    from ray._private import ray_constants
    from ray._private.worker import global_worker

    try:
        address = global_worker.gcs_client.internal_kv_get(
            ray_constants.DASHBOARD_ADDRESS.encode(), ray_constants.KV_NAMESPACE_DASHBOARD, timeout=_RPC_TIMEOUT_S
        )
    except RayError:
        return None
    return f"http://{address.decode()}" if address else None


def build_dashboard_headers() -> dict[str, str]:
    """The header that the dashboard asks for in token mode (``RAY_AUTH_MODE=token``); empty otherwise."""
    require_known_ray()
    from ray._private.authentication.http_token_authentication import get_auth_headers_if_auth_enabled

    return {str(name): str(value) for name, value in get_auth_headers_if_auth_enabled({}).items()}


def find_agent_address(node_id: str) -> str | None:
    """URL of the agent of a node, without a slash at the end; None when the GCS has none (ray/dashboard/agent.py).

    The state API tells no agent's address, and a job's row only that of its driver's node. Raises ``UnknownRay``.
    """
    require_known_ray()
    from ray._private import ray_constants
    from ray._private.worker import global_worker
    from ray.dashboard.consts import DASHBOARD_AGENT_ADDR_NODE_ID_PREFIX

    if not ray.is_initialized():
        return None
    key = f"{DASHBOARD_AGENT_ADDR_NODE_ID_PREFIX}{node_id}".encode()
    try:
        value = global_worker.gcs_client.internal_kv_get(
            key, ray_constants.KV_NAMESPACE_DASHBOARD, timeout=_RPC_TIMEOUT_S
        )
    except RayError:
        return None
    ip, port, _ = json.loads(value) if value else (None, -1, -1)
    return None if port < 0 else f"http://[{ip}]:{port}" if ":" in str(ip) else f"http://{ip}:{port}"


def list_exception_frames() -> dict[str, str]:
    """By job id, the stack frames that a driver's exception hook left in the worker table (ray/_private/worker.py).

    The frames say where, not what: neither the exception's type nor its text is there. The state API drops them.
    Raises ``ray.exceptions.RayError`` or ``UnknownRay``.
    """
    require_known_ray()
    from ray._private.state import state
    from ray.core.generated import common_pb2, gcs_pb2

    if not ray.is_initialized():
        return {}
    frames = {}
    for raw in state._connect_and_get_accessor().get_worker_table():
        row = gcs_pb2.WorkerTableData.FromString(raw)
        if row.worker_type == common_pb2.DRIVER and "exception" in row.worker_info:
            # The first four bytes of a driver's worker id are its job id.
            job_id = row.worker_address.worker_id[:4].hex()
            frames[job_id] = row.worker_info["exception"].decode(errors="replace")
    return frames


def list_submission_drivers() -> list[dict[str, Any]]:
    """Every driver that a submission's entrypoint connected, as plain values; times in milliseconds.

    Ray's job list shows the last one of each submission (ray/dashboard/modules/job/utils.py, ``get_driver_jobs``).
    Raises ``ray.exceptions.RayError`` or ``UnknownRay``.
    """
    require_known_ray()
    from ray._private.worker import global_worker

    if not ray.is_initialized():
        return []
    infos = global_worker.gcs_client.get_all_job_info(
        skip_submission_job_info_field=True, skip_is_running_tasks_field=True, timeout=_RPC_TIMEOUT_S
    )
    return [
        {
            "job_id": info.job_id.hex(),
            "submission_id": info.config.metadata["job_submission_id"],
            "entrypoint": info.entrypoint,
            "is_dead": info.is_dead,
            "pid": info.driver_pid,
            "node_id": info.driver_address.node_id.hex(),
            "node_ip": info.driver_address.ip_address,
            "start_time": info.start_time,
            "end_time": info.end_time,
        }
        for info in infos.values()
        if "job_submission_id" in info.config.metadata
    ]


def read_autoscaler_report() -> dict[str, Any] | None:
    """What an autoscaler of Ray's second kind says, in the form in which one of the first answers
    ``/api/cluster_status``, where the second writes nothing (``AutoscalingState``, ray/core/generated/autoscaler_pb2).

    None when Ray cannot say now, or is not one whose private names are known. Blocks.
    """
    from ray._private.worker import global_worker
    from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply

    if not ray.is_initialized() or not is_known_ray():
        return None
    try:
        raw = global_worker.gcs_client.get_cluster_status(timeout_s=_RPC_TIMEOUT_S)
    except RayError:
        return None
    state = GetClusterStatusReply.FromString(raw).autoscaling_state
    launches: dict[str, int] = {}
    for each in state.pending_instance_requests:
        launches[each.ray_node_type_name] = launches.get(each.ray_node_type_name, 0) + each.count
    newest = max(state.failed_instance_requests, key=lambda each: each.failed_ts, default=None)
    return {
        "autoscalingError": newest.reason if newest is not None else None,
        "clusterStatus": {
            "autoscalerReport": {
                "pendingLaunches": launches,
                "pendingNodes": [
                    [each.ip_address, each.ray_node_type_name, each.details] for each in state.pending_instances
                ],
            }
        },
    }


async def gather_answers(broadcast: Any, timeout_s: float) -> list[Any]:
    """What each replica answered to ``handle.broadcast`` in time; what failed or came late is left out.

    The public ``results_async`` waits for all and, when one replica hangs, gives nothing of the others
    (ray/serve/handle.py). Raises ``TimeoutError`` when Serve does not name the replicas, and what Serve raises then.
    """
    require_known_ray()
    clock = asyncio.get_running_loop().time
    deadline = clock() + timeout_s
    async with asyncio.timeout(timeout_s):
        replicas = await broadcast._fetch_replica_results_async()
    asked = [asyncio.ensure_future(replica.get_async()) for replica in replicas]
    try:
        if asked:
            await asyncio.wait(asked, timeout=max(0.0, deadline - clock()))
        ended = [each for each in asked if each.done() and not each.cancelled()]
        return [each.result() for each in ended if each.exception() is None]
    finally:
        for each in asked:
            each.cancel()


def require_known_ray() -> None:
    """Raise ``UnknownRay`` unless the installed Ray is one whose private names are known."""
    if not is_known_ray():
        raise UnknownRay(
            f"Ray {ray.__version__} is installed; this release knows Ray {KNOWN_VERSION}x. "
            "Install that version, or set SEEDCORE_DASHBOARD_URL and do without what only private names tell."
        )

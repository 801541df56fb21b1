"""The private names of Ray that one file uses: that they exist, and what happens where they do not."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from serve_app.cluster import private as ray_private


class Gcs:
    """A GCS client that holds one key."""

    def __init__(self, value: bytes | Exception | None, key: bytes = b"dashboard") -> None:
        self.value = value
        self.key = key

    def internal_kv_get(self, key: bytes, namespace: bytes, timeout: float) -> bytes | None:
        assert (key, namespace) == (self.key, b"dashboard")
        assert timeout > 0
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def connected(monkeypatch: pytest.MonkeyPatch, value: bytes | Exception | None, key: bytes = b"dashboard") -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr("ray._private.worker.global_worker", SimpleNamespace(gcs_client=Gcs(value, key)))


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (b"127.0.0.1:8265", "http://127.0.0.1:8265"),
        (None, None),
        (b"", None),
        (ray.exceptions.RpcError("no GCS", 14), None),
    ],
)
def test_the_address_comes_from_the_head(monkeypatch: pytest.MonkeyPatch, value: Any, wanted: str | None) -> None:
    connected(monkeypatch, value)
    assert ray_private.find_dashboard_address() == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (b'["10.0.0.7", 52365, 40001]', "http://10.0.0.7:52365"),
        (b'["fe80::1", 52365, 40001]', "http://[fe80::1]:52365"),
        (b'["10.0.0.7", -1, -1]', None),
        (None, None),
        (ray.exceptions.RpcError("no GCS", 14), None),
    ],
)
def test_the_agent_of_a_node(monkeypatch: pytest.MonkeyPatch, value: Any, wanted: str | None) -> None:
    connected(monkeypatch, value, b"DASHBOARD_AGENT_ADDR_NODE_ID_PREFIX:n1")
    assert ray_private.find_agent_address("n1") == wanted


def test_the_environment_wins_and_needs_no_private_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "__version__", "3.0.0")
    monkeypatch.setenv("SEEDCORE_DASHBOARD_URL", "http://elsewhere:1/")
    assert ray_private.find_dashboard_address() == "http://elsewhere:1"


def test_outside_a_cluster_there_is_none() -> None:
    assert ray_private.find_dashboard_address() is None
    assert ray_private.list_exception_frames() == {}
    assert ray_private.find_agent_address("n1") is None
    assert ray_private.list_submission_drivers() == []


@pytest.mark.parametrize(
    "name", ["build_dashboard_headers", "list_exception_frames", "list_submission_drivers", "require_known_ray"]
)
def test_another_ray_is_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(ray, "__version__", "2.61.0")
    with pytest.raises(ray_private.UnknownRay, match=r"Ray 2\.61\.0 is installed; this release knows Ray 2\.60\.x"):
        getattr(ray_private, name)()


def test_without_token_mode_there_is_no_header() -> None:
    assert ray_private.build_dashboard_headers() == {}


def test_frames_are_found_under_the_job_id(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.core.generated import common_pb2, gcs_pb2

    def row(worker_id: str, worker_type: int, **info: bytes) -> bytes:
        data = gcs_pb2.WorkerTableData(worker_type=worker_type, worker_info=info)
        data.worker_address.worker_id = bytes.fromhex(worker_id)
        raw: bytes = data.SerializeToString()
        return raw

    table = [
        row("0a000000" + "ff" * 24, common_pb2.DRIVER, exception=b'  File "x.py"\n'),
        row("0b000000" + "ff" * 24, common_pb2.DRIVER),
        row("0c000000" + "ff" * 24, common_pb2.WORKER, exception=b"not a driver"),
    ]
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    accessor = SimpleNamespace(get_worker_table=lambda: table)
    monkeypatch.setattr("ray._private.state.state", SimpleNamespace(_connect_and_get_accessor=lambda: accessor))
    assert ray_private.list_exception_frames() == {"0a000000": '  File "x.py"\n'}


def test_every_driver_of_a_submission_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.core.generated import gcs_pb2

    def row(job_id: str, **metadata: str) -> Any:
        data = gcs_pb2.JobTableData(job_id=bytes.fromhex(job_id), is_dead=True, driver_pid=77, start_time=1, end_time=2)
        data.entrypoint = "python a.py"
        data.driver_address.ip_address, data.driver_address.node_id = "10.0.0.7", bytes.fromhex("ab")
        data.config.metadata.update(metadata)
        return data

    class Gcs:
        def get_all_job_info(self, **wanted: Any) -> dict[Any, Any]:
            assert wanted.pop("timeout") > 0
            # Each of these would have the GCS ask others: the drivers themselves, or its key-value store.
            assert wanted == {"skip_submission_job_info_field": True, "skip_is_running_tasks_field": True}
            return {1: row("01000000"), 2: row("02000000", job_submission_id="s", job_name="s")}

    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr("ray._private.worker.global_worker", SimpleNamespace(gcs_client=Gcs()))
    assert ray_private.list_submission_drivers() == [
        {
            "job_id": "02000000", "submission_id": "s", "entrypoint": "python a.py", "is_dead": True, "pid": 77,
            "node_id": "ab", "node_ip": "10.0.0.7", "start_time": 1, "end_time": 2,
        }
    ]  # fmt: skip


def test_the_private_names_are_there() -> None:
    """A new Ray that renames one fails here, before it fails in a cluster."""
    from ray._private import ray_constants, state
    from ray._private.authentication.http_token_authentication import get_auth_headers_if_auth_enabled
    from ray._private.worker import connect, custom_excepthook
    from ray._raylet import GlobalStateAccessor, InnerGcsClient
    from ray.serve._private.replica_result import ReplicaResult
    from ray.serve.handle import DeploymentBroadcastResponse

    assert (ray_constants.DASHBOARD_ADDRESS, ray_constants.KV_NAMESPACE_DASHBOARD) == ("dashboard", b"dashboard")
    assert "worker.gcs_client = node.get_gcs_client()" in inspect.getsource(connect)
    assert callable(state.GlobalState._connect_and_get_accessor)
    assert callable(GlobalStateAccessor.get_worker_table)
    assert callable(InnerGcsClient.get_all_job_info)
    assert inspect.iscoroutinefunction(DeploymentBroadcastResponse._fetch_replica_results_async)
    assert inspect.iscoroutinefunction(ReplicaResult.get_async)
    assert get_auth_headers_if_auth_enabled({}) == {}
    # The sign of an uncaught exception rests on this hook writing a row with nothing but the exception.
    source = inspect.getsource(custom_excepthook)
    assert 'worker_info = {"exception": error_message}' in source
    assert "add_worker(worker_id, worker_type, worker_info)" in source


@pytest.mark.parametrize("answers", [True, False])
def test_an_autoscaler_of_the_second_kind_is_told_as_one_of_the_first(
    monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply

    reply = GetClusterStatusReply()
    state = reply.autoscaling_state
    for count in (1, 2):
        state.pending_instance_requests.add(ray_node_type_name="gpu", count=count)
    state.pending_instances.add(ray_node_type_name="big", ip_address="10.0.0.2", details="starting")
    state.failed_instance_requests.add(ray_node_type_name="gpu", reason="No quota.", failed_ts=2)
    state.failed_instance_requests.add(ray_node_type_name="gpu", reason="Older.", failed_ts=1)

    def get_cluster_status(timeout_s: float) -> bytes:
        if not answers:
            raise ray.exceptions.RpcError("no GCS", 14)
        return reply.SerializeToString()

    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    gcs = SimpleNamespace(get_cluster_status=get_cluster_status)
    monkeypatch.setattr("ray._private.worker.global_worker", SimpleNamespace(gcs_client=gcs))
    nodes = {"pendingLaunches": {"gpu": 3}, "pendingNodes": [["10.0.0.2", "big", "starting"]]}
    whole = {"autoscalingError": "No quota.", "clusterStatus": {"autoscalerReport": nodes}}
    assert ray_private.read_autoscaler_report() == (whole if answers else None)


def test_without_ray_no_autoscaler_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    assert ray_private.read_autoscaler_report() is None

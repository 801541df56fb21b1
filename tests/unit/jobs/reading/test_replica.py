"""The versions of the replicas, when Serve does not give the handle of their deployment, or does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray import serve
from ray.exceptions import GetTimeoutError
from ray.serve.exceptions import RayServeException

from serve_app.jobs.reading import replica
from serve_app.jobs.reading.replica import RayReplica

TOLD = {"replica_id": "a", "code_version": "new"}


class Handle:
    """Of a deployment with one replica."""

    def broadcast(self, name: str) -> Handle:
        assert name == "tell_version"
        return self

    async def _fetch_replica_results_async(self) -> list[Any]:
        return [self]

    async def get_async(self) -> Any:
        return TOLD


@pytest.fixture
def let_go() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def make_replica(monkeypatch: pytest.MonkeyPatch, find: Callable[[], Any]) -> RayReplica:
    """In a process that is none: with what Serve says when it is asked for a handle."""
    context = SimpleNamespace(
        get_job_id=lambda: "01000000", get_session_name=lambda: "session", gcs_address="127.0.0.1:6379"
    )
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    monkeypatch.setattr(serve, "get_replica_context", lambda: SimpleNamespace(app_name="seedcore"))

    def get_deployment_handle(name: str, application: str) -> Any:
        assert (name, application) == ("Store", "seedcore")
        return find()

    monkeypatch.setattr(serve, "get_deployment_handle", get_deployment_handle)
    return RayReplica()


async def test_from_the_replicas_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await make_replica(monkeypatch, Handle).tell_versions("Store") == [TOLD]


@pytest.mark.parametrize(
    "error",
    [KeyError("Store does not exist."), RayServeException("There is no Serve instance."), GetTimeoutError("No.")],
    ids=lambda error: type(error).__name__,
)
async def test_of_a_deployment_without_a_handle_nobody_tells(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may just have been removed, or Serve's controller may not answer."""

    def find() -> Any:
        raise error

    assert await make_replica(monkeypatch, find).tell_versions("Store") == []


async def test_a_controller_that_hangs_is_waited_for_in_one_thread_and_not_long(
    monkeypatch: pytest.MonkeyPatch, let_go: threading.Event
) -> None:
    monkeypatch.setattr(replica, "ASKING_ALL_S", 0.01)
    waiting: list[int] = []

    def find() -> Any:
        waiting.append(1)
        let_go.wait()
        return Handle()

    here = make_replica(monkeypatch, find)
    assert [await here.tell_versions("Store") for _ in range(3)] == [[], [], []]
    assert len(waiting) == 1
    let_go.set()
    monkeypatch.setattr(replica, "ASKING_ALL_S", 60)
    assert await here.tell_versions("Store") == [TOLD]

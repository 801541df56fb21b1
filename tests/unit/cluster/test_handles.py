"""Items of a generator behind a handle: deadlines, errors, and that nobody goes on for a reader who left."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import RayActorError
from ray.serve._private.common import DeploymentID
from ray.serve.exceptions import DeploymentUnavailableError, RayServeException

from serve_app.cluster.handles import _CALLER, call, collect
from serve_app.errors import AppError, ReplicaLost, TooBusy
from serve_app.organism.questions import OrganReplica


class Remote:
    """A method of a handle with ``stream=True``; it gives items, raises errors, and then waits forever."""

    def __init__(self, *items: Any, ends: bool = True) -> None:
        self.items = list(items)
        self.ends = ends
        self.cancelled = 0

    def remote(self, *args: Any) -> Remote:
        self.args = args
        return self

    async def __anext__(self) -> Any:
        if not self.items:
            if self.ends:
                raise StopAsyncIteration
            await asyncio.Event().wait()
        item = self.items.pop(0)
        if isinstance(item, Exception):
            raise item
        return item

    def cancel(self) -> None:
        self.cancelled += 1


class Replica:
    """What Serve holds of one replica that was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.cancelled = False

    async def get_async(self) -> Any:
        if self.answer is None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Broadcasting:
    """A handle whose ``broadcast`` reaches the replicas given, or fails as a whole."""

    def __init__(self, *replicas: Replica, failure: Exception | None = None, hangs: bool = False) -> None:
        self.replicas = list(replicas)
        self.failure = failure
        self.hangs = hangs

    def broadcast(self, name: str) -> Broadcasting:
        return self

    async def _fetch_replica_results_async(self) -> list[Replica]:
        if self.hangs:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure
        return self.replicas


async def test_one_replica_that_hangs_or_fails_hides_no_other() -> None:
    hanging = Replica(None)
    cancelled = Replica(asyncio.CancelledError())
    handle = Broadcasting(Replica("a"), hanging, Replica(ValueError("no")), cancelled, Replica("d"))
    assert await collect(handle, OrganReplica.status, timeout_s=0.01) == ["a", "d"]
    await asyncio.sleep(0)
    assert hanging.cancelled


@pytest.mark.parametrize(
    "handle",
    [
        Broadcasting(),
        Broadcasting(hangs=True),
        Broadcasting(failure=DeploymentUnavailableError(DeploymentID("a", "b"))),
    ],
)
async def test_nobody_answers(handle: Broadcasting) -> None:
    assert await collect(handle, OrganReplica.status, timeout_s=0.01) == []


async def test_all_items() -> None:
    remote = Remote(1, None, 3)
    assert [item async for item in _CALLER.stream("Part", remote, "a", item_timeout_s=1)] == [1, None, 3]
    assert (remote.args, remote.cancelled) == (("a",), 0)


async def test_a_reader_who_leaves_ends_it_there() -> None:
    remote = Remote(1, 2)
    items = _CALLER.stream("Part", remote, item_timeout_s=1)
    assert await anext(items) == 1
    await items.aclose()
    assert remote.cancelled == 1


async def test_a_reader_who_is_cancelled_ends_it_there() -> None:
    remote = Remote(ends=False)
    waiting = asyncio.ensure_future(anext(_CALLER.stream("Part", remote, item_timeout_s=60)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert remote.cancelled == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TooBusy("Full."), "too_busy"),
        (DeploymentUnavailableError(None), "unavailable"),  # type: ignore[arg-type]
        (KeyError("a bug"), "part_failed"),
    ],
)
async def test_errors_are_ours(error: Exception, code: str) -> None:
    remote = Remote(1, error)
    items = _CALLER.stream("Part", remote, item_timeout_s=1)
    assert await anext(items) == 1
    with pytest.raises(AppError) as raised:
        await anext(items)
    assert (raised.value.code, remote.cancelled) == (code, 1)


async def test_each_item_has_a_deadline() -> None:
    remote = Remote(1, ends=False)
    items = _CALLER.stream("Part", remote, item_timeout_s=0.01)
    assert await anext(items) == 1
    with pytest.raises(AppError) as raised:
        await anext(items)
    assert (raised.value.status, remote.cancelled) == (504, 1)


class Waiting:
    """A call that is not answered; ``_replica_result`` is None until one takes it (``organs.private.was_taken``)."""

    def __init__(self, taken: bool) -> None:
        self._replica_result = object() if taken else None
        self.by_reference = True
        self.cancelled = 0

    def remote(self, *args: Any) -> Waiting:
        return self

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.Event().wait().__await__()

    async def __anext__(self) -> Any:
        await asyncio.Event().wait()

    def cancel(self) -> None:
        self.cancelled += 1


NOT_TAKEN = (503, 2, "No replica of Part took the request within 0 s.")


@pytest.mark.parametrize(
    ("taken", "answer"), [(False, NOT_TAKEN), (True, (504, 2, "Part did not answer within 0 s."))]
)
async def test_a_call_that_no_replica_took_can_be_made_again(taken: bool, answer: tuple[Any, ...]) -> None:
    """So it is while a part is replaced: nothing was done, and soon somebody will be there."""
    method = Waiting(taken)
    with pytest.raises(AppError) as raised:
        await call("Part", method, timeout_s=0, retries=1)
    assert (raised.value.status, raised.value.retry_after_s, raised.value.detail) == answer
    assert method.cancelled == 1


async def test_what_a_lost_replica_had_taken_may_be_done_even_if_nobody_takes_it_again() -> None:
    class Lost(Waiting):
        def __await__(self) -> Generator[Any, None, Any]:
            raise RayActorError
            yield

    attempts = [Lost(taken=True), Waiting(taken=False)]
    method = SimpleNamespace(remote=lambda: attempts.pop(0))
    with pytest.raises(ReplicaLost, match="The replica of Part that had the request died"):
        await call("Part", method, timeout_s=0.01, retries=1)
    assert attempts == []


@pytest.mark.parametrize(("taken", "answer"), [(False, NOT_TAKEN), (True, (504, 2, "Part said nothing for 0 s."))])
async def test_a_stream_that_no_replica_took_can_be_asked_for_again(taken: bool, answer: tuple[Any, ...]) -> None:
    method = Waiting(taken)
    with pytest.raises(AppError) as raised:
        await anext(_CALLER.stream("Part", method, item_timeout_s=0))
    assert (raised.value.status, raised.value.retry_after_s, raised.value.detail) == answer
    assert method.cancelled == 1


async def test_a_replica_of_another_version_does_not_know_the_question() -> None:
    error = RayServeException("Tried to call a method 'new' that does not exist. Available methods: [].")
    with pytest.raises(AppError) as raised:
        await anext(_CALLER.stream("Part", Remote(error), item_timeout_s=1))
    assert (raised.value.status, raised.value.retry_after_s) == (503, 2)
    assert "runs another version" in raised.value.detail

"""What Ray tells of a call by private names, or by its own sentences: that it does so, with Ray's own classes."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray.serve._private.replica_result import gRPCReplicaResult
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentResponse, DeploymentResponseGenerator

from organs.private import KNOWN_VERSION, cancel_call, is_known_ray, lacks_method, was_taken


class Accepted:
    """What Serve holds of a replica that said that it takes a call, and does not answer."""

    cancelled = 0

    async def get_async(self) -> str:
        await asyncio.Event().wait()
        return ""

    async def __anext__(self) -> str:
        return await self.get_async()

    def cancel(self) -> None:
        self.cancelled += 1


class SilentCall:
    """A call of gRPC that was sent; its metadata come with its answer."""

    async def wait_for_connection(self) -> None:
        await asyncio.Event().wait()

    def add_done_callback(self, callback: Any) -> None: ...

    def cancel(self) -> None: ...


class Router:
    """Serve's, until a replica takes the call. ``reaches``: none, one that was sent it, or one that took it."""

    def __init__(self, reaches: str | None) -> None:
        self.reaches = reaches

    async def assign_request(self) -> Any:
        if self.reaches is None:
            await asyncio.Event().wait()
        if self.reaches == "sent":
            metadata: Any = SimpleNamespace(is_streaming=False, _on_separate_loop=False)
            await gRPCReplicaResult(SilentCall(), metadata, None, with_rejection=True).get_rejection_response()  # type: ignore[arg-type]
        return Accepted()


async def wait_for(kind: Any, reaches: str | None, by_reference: bool = False) -> tuple[Any, BaseException]:
    """A response of Ray's own, and what our waiting for it ended with."""
    metadata: Any = SimpleNamespace(
        request_id="r", is_streaming=kind is DeploymentResponseGenerator, _by_reference=by_reference
    )
    assignment = asyncio.ensure_future(Router(reaches).assign_request())
    response = kind(assignment, metadata, _is_router_running_in_separate_loop=False)
    with pytest.raises(TimeoutError) as raised:
        async with asyncio.timeout(0.01):
            await (anext(response) if kind is DeploymentResponseGenerator else response)
    return response, raised.value


@pytest.mark.parametrize("kind", [DeploymentResponse, DeploymentResponseGenerator])
@pytest.mark.parametrize(
    ("reaches", "by_reference", "taken"),
    [
        (None, True, False),
        ("taken", True, True),
        # Over gRPC a replica says only with its answer that it took the call.
        (None, False, False),
        ("sent", False, True),
        ("taken", False, True),
    ],
)
async def test_who_took_a_call_is_known(kind: Any, reaches: str | None, by_reference: bool, taken: bool) -> None:
    assert was_taken(*await wait_for(kind, reaches, by_reference)) is taken


@pytest.mark.parametrize("kind", [DeploymentResponse, DeploymentResponseGenerator])
@pytest.mark.parametrize("by_reference", [False, True])
async def test_a_call_that_is_taken_as_patience_ends_is_taken_and_cancelled(kind: Any, by_reference: bool) -> None:
    """In that turn of the loop, before who waits has seen it: Serve's own ``cancel`` would let it run on."""
    assignment: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    metadata: Any = SimpleNamespace(
        request_id="r", is_streaming=kind is DeploymentResponseGenerator, _by_reference=by_reference
    )
    response, taken = kind(assignment, metadata, _is_router_running_in_separate_loop=False), Accepted()

    async def wait() -> Any:
        return await (anext(response) if kind is DeploymentResponseGenerator else response)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    assignment.set_result(taken)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError) as raised:
        await waiting
    assert was_taken(response, raised.value)
    cancel_call(response)
    assert (was_taken(response, raised.value), taken.cancelled) == (True, 1)


async def test_a_call_that_was_not_taken_is_cancelled_in_the_router() -> None:
    assignment: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    metadata: Any = SimpleNamespace(request_id="r", is_streaming=False, _by_reference=True)
    response: Any = DeploymentResponse(assignment, metadata, _is_router_running_in_separate_loop=False)
    cancel_call(response)
    assert (assignment.cancelled(), was_taken(response, TimeoutError())) == (True, False)


async def test_what_is_not_known_counts_as_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the work was done is not known then."""
    response, late = await wait_for(DeploymentResponse, None)
    assert not was_taken(response, late)
    assert was_taken(response, TimeoutError("from elsewhere"))
    assert was_taken(object(), late)
    monkeypatch.setattr(ray, "__version__", "2.61.0")
    assert (is_known_ray(), was_taken(response, late)) == (False, True)


def test_the_names_are_there() -> None:
    """A new Ray that renames one fails here."""
    from ray.serve._private.router import AsyncioRouter

    assert inspect.iscoroutinefunction(AsyncioRouter.assign_request)
    source = inspect.getsource(AsyncioRouter._route_and_send_request_once)
    sent, accepted = source.index(".try_send_request("), source.index("await result.get_rejection_response()")
    assert source.index("._choose_replica_for_request(") < sent < accepted
    assert inspect.iscoroutinefunction(gRPCReplicaResult.get_rejection_response)


def test_the_installed_ray_is_the_known_one() -> None:
    assert is_known_ray()
    assert KNOWN_VERSION == "2.60."


def test_serve_says_that_a_method_is_missing() -> None:
    """A new Ray that says it in other words fails here."""
    from ray.serve._private.replica import UserCallableWrapper

    assert "Tried to call a method '{method_name}' " in inspect.getsource(UserCallableWrapper.get_user_method_info)
    said = "Tried to call a method 'new' that does not exist."
    told = [lacks_method(each) for each in (RayServeException(said), RayServeException("No."), ValueError(said), None)]
    assert told == [True, False, False, False]

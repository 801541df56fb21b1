"""What Ray tells of a call by private names, or by its own sentences: that it does so, with Ray's own classes."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentResponse, DeploymentResponseGenerator

from organs.private import KNOWN_VERSION, cancel_call, is_known_ray, lacks_method, was_taken


class Taken:
    """What Serve holds of a replica that took a call and does not answer."""

    cancelled = 0

    async def get_async(self) -> str:
        await asyncio.Event().wait()
        return ""

    async def __anext__(self) -> str:
        return await self.get_async()

    def cancel(self) -> None:
        self.cancelled += 1


async def wait_for(kind: Any, takes: bool) -> Any:
    """A response of Ray's own, whose router found a replica, or none, before our patience ended."""
    assignment: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    metadata = SimpleNamespace(request_id="r", is_streaming=kind is DeploymentResponseGenerator)
    response = kind(assignment, metadata, _is_router_running_in_separate_loop=False)
    if takes:
        assignment.set_result(Taken())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await (anext(response) if kind is DeploymentResponseGenerator else response)
    return response


@pytest.mark.parametrize("kind", [DeploymentResponse, DeploymentResponseGenerator])
@pytest.mark.parametrize("takes", [False, True])
async def test_who_took_a_call_is_known_to_the_response(kind: Any, takes: bool) -> None:
    assert was_taken(await wait_for(kind, takes)) is takes


@pytest.mark.parametrize("kind", [DeploymentResponse, DeploymentResponseGenerator])
async def test_a_call_that_is_taken_as_patience_ends_is_taken_and_cancelled(kind: Any) -> None:
    """In that turn of the loop, before who waits has seen it: Serve's own ``cancel`` would let it run on."""
    assignment: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    metadata = SimpleNamespace(request_id="r", is_streaming=kind is DeploymentResponseGenerator)
    response, taken = kind(assignment, metadata, _is_router_running_in_separate_loop=False), Taken()

    async def wait() -> Any:
        return await (anext(response) if kind is DeploymentResponseGenerator else response)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    assignment.set_result(taken)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert was_taken(response)
    cancel_call(response)
    assert (was_taken(response), taken.cancelled) == (True, 1)


async def test_a_call_that_was_not_taken_is_cancelled_in_the_router() -> None:
    assignment: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    metadata = SimpleNamespace(request_id="r", is_streaming=False)
    response: Any = DeploymentResponse(assignment, metadata, _is_router_running_in_separate_loop=False)
    cancel_call(response)
    assert (assignment.cancelled(), was_taken(response)) == (True, False)


def test_a_response_that_tells_nothing_counts_as_taken() -> None:
    assert was_taken(object())


async def test_of_another_ray_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then a call counts as taken: whether the work was done is not known."""
    response = await wait_for(DeploymentResponse, takes=False)
    monkeypatch.setattr(ray, "__version__", "2.61.0")
    assert (is_known_ray(), was_taken(response)) == (False, True)


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

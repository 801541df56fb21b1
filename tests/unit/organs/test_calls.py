"""Whether a call was taken, as Ray's own response tells it: the one private name that is read here."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from organs.calls import was_taken


async def test_who_took_a_call_is_known_to_the_response() -> None:
    """Of Ray's own response, whose router never finds a replica, and then does."""
    from ray.serve.handle import DeploymentResponse

    class Taken:
        async def get_async(self) -> str:
            await asyncio.Event().wait()
            return ""

        def cancel(self) -> None: ...

    for takes, wanted in ((False, False), (True, True)):
        assignment: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        metadata = SimpleNamespace(request_id="r", is_streaming=False)
        response = DeploymentResponse(assignment, metadata, _is_router_running_in_separate_loop=False)
        if takes:
            assignment.set_result(Taken())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await response
        assert was_taken(response) is wanted


def test_a_response_that_tells_nothing_counts_as_taken() -> None:
    assert was_taken(object())

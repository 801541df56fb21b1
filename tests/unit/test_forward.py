"""Methods that only hand on: made of marks, with the signature and the words of what they hand on to."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator
from operator import attrgetter
from typing import Any

import pytest

from serve_app.forward import forward, list_public, list_served, served


class Part:
    def __init__(self) -> None:
        self.closed = 0

    @served("cluster_nodes")
    async def nodes(self, limit: int = 5) -> list[int]:
        """The nodes."""
        return list(range(limit))

    @served("follow")
    async def follow(self, most: int) -> AsyncGenerator[int, None]:
        try:
            for item in range(most):
                yield item
        finally:
            self.closed += 1

    async def other(self) -> str:
        return "other"

    def plain(self) -> None: ...

    async def _private(self) -> None: ...


@forward(Part, through=attrgetter("_part"))
class Deployment:
    def __init__(self) -> None:
        self._part = Part()

    async def summary(self) -> int:
        return 1


async def opened(part: Part) -> Part:
    return part


@forward(Part, list_public(Part, but=["nodes"]), through=lambda replica: opened(replica._part))
class Opening(Deployment):
    """A part that is there only after a wait."""


async def test_what_is_marked_is_a_method_under_the_name_of_the_question() -> None:
    made: Any = Deployment()
    assert [await made.cluster_nodes(), await made.cluster_nodes(limit=2)] == [[0, 1, 2, 3, 4], [0, 1]]
    method = Deployment.cluster_nodes  # type: ignore[attr-defined]
    assert (method.__name__, method.__qualname__) == ("cluster_nodes", "Deployment.cluster_nodes")
    assert (method.__doc__, inspect.signature(method)) == ("The nodes.", inspect.signature(Part.nodes))
    assert inspect.iscoroutinefunction(method)
    assert not hasattr(Deployment, "other")


async def test_who_stops_reading_ends_the_part_s_generator() -> None:
    made: Any = Deployment()
    assert inspect.isasyncgenfunction(type(made).follow)
    assert [item async for item in made.follow(3)] == [0, 1, 2]
    items = made.follow(3)
    assert await anext(items) == 0
    await items.aclose()
    assert made._part.closed == 2


async def test_a_part_that_is_opened_first() -> None:
    made: Any = Opening()
    assert await made.other() == "other"


def test_what_is_forwarded() -> None:
    assert list_served(Part) == {"cluster_nodes": "nodes", "follow": "follow"}
    assert list_public(Part) == {"nodes": "nodes", "other": "other"}
    with pytest.raises(TypeError, match="Part has no anything"):
        list_public(Part, but=["anything"])


def test_nothing_and_twice_are_refused() -> None:
    with pytest.raises(TypeError, match="Deployment has nothing that is served"):
        forward(Deployment, through=attrgetter("_part"))
    with pytest.raises(TypeError, match="Deployment has two methods summary"):
        forward(Part, {"summary": "nodes"}, through=attrgetter("_part"))(Deployment)

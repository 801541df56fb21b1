"""`memory.put` carries what tells its request apart, and goes on with a store of the version before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from organs.models import OrganConfig, OrganSpec
from organs.skills.contract import OTHER_VERSION, SkillContext, SkillOutOfSpace, SkillUnavailable
from organs.skills.memory import MemoryPut, PutInput


class Store:
    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.asked: list[Any] = []

    async def put_memory_once(self, *given: Any) -> dict[str, Any]:
        if self.failure is not None:
            raise self.failure
        self.asked.append(("once", *given))
        return {"key": given[0]}

    async def put_memory(self, *given: Any) -> dict[str, Any]:
        self.asked.append(("plain", *given))
        return {"key": given[0]}


async def put(store: Store, request: str) -> None:
    spec = OrganSpec(id="utility_organ_1", type="Utility")
    ports = SimpleNamespace(store=store)
    context = SkillContext(spec, "agent", OrganConfig(), (), 0.0, ports, request=request)
    await MemoryPut().run(PutInput(key="k", value=1), context)


@pytest.mark.parametrize(
    ("request_key", "failure", "asked"),
    [
        ("own:1", None, ("once", "k", 1, [], "agent", "own:1")),
        ("", None, ("plain", "k", 1, [], "agent")),
        ("own:1", SkillUnavailable("Another version.", code=OTHER_VERSION), ("plain", "k", 1, [], "agent")),
    ],
)
async def test_put(request_key: str, failure: Exception | None, asked: Any) -> None:
    store = Store(failure)
    await put(store, request_key)
    assert store.asked == [asked]


@pytest.mark.parametrize("failure", [SkillUnavailable("Down."), SkillOutOfSpace("Full.")])
async def test_what_may_have_been_done_is_not_done_without_its_request(failure: SkillUnavailable) -> None:
    store = Store(failure)
    with pytest.raises(type(failure)):
        await put(store, "own:1")
    assert store.asked == []

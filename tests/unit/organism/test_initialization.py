"""What the initialization job does about an organ that sleeps, and one that no node can hold. Serve is not there."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from organs.models import OrganSpec
from serve_app.organism import initialization
from serve_app.organism.initialization import _Run

SPEC = OrganSpec(id="a", type="Utility")
NEEDS = "a needs 64 CPU for each replica; the most that a node has is 2"
SHORT = {"sentence": f"{NEEDS}.", "hopeless": True}


class Part:
    """Serve's account, the store and the organ in one: what was asked of them is noted."""

    def __init__(self, *told: dict[str, Any]) -> None:
        self.told = list(told)
        self.asked: list[str] = []

    async def serve_details(self) -> dict[str, Any]:
        return {"a": self.told[0] if len(self.told) == 1 else self.told.pop(0)}

    async def self_test(self) -> dict[str, Any]:
        self.asked.append("self_test")
        return {"agent_id": "a_agent_0", "skill": "s", "success": True, "duration_s": 0.1, "detail": "done"}

    async def record_initialization_step(self, *_: Any) -> None:
        self.asked.append("step")


async def run(monkeypatch: pytest.MonkeyPatch, part: Part, agents: list[dict[str, Any]], for_s: float) -> Any:
    async def collect(*_: Any, timeout_s: float) -> list[dict[str, Any]]:
        return agents

    monkeypatch.setattr(initialization.serve, "get_deployment_handle", lambda name, application: name)
    monkeypatch.setattr(initialization, "connect", lambda *_, **__: part)
    monkeypatch.setattr(initialization, "collect", collect)
    record: Any = part
    return await _Run("seedcore", "coa-1", "g", record, 1.0, time.monotonic() + for_s).run_organ(SPEC, None)


async def test_what_no_node_can_hold_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    part, began = Part({"target_num_replicas": 1, "shortage": SHORT}), time.monotonic()
    assert await run(monkeypatch, part, [], 60.0) == NEEDS
    assert time.monotonic() - began < 10
    assert part.asked == []


async def test_while_nodes_are_coming_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    agents: list[dict[str, Any]] = []
    slept: list[float] = []

    async def sleep(pause_s: float) -> None:
        slept.append(pause_s)
        agents.append({"agent_id": "a_agent_0", "organ_type": "Utility"})

    monkeypatch.setattr(initialization, "asyncio", SimpleNamespace(gather=asyncio.gather, sleep=sleep))
    coming = {"target_num_replicas": 1, "shortage": {**SHORT, "hopeless": False}}
    part = Part(coming, {"target_num_replicas": 1, "shortage": None})
    assert await run(monkeypatch, part, agents, 60.0) is None
    assert (len(slept), part.asked) == (1, ["self_test", "step"])
    # When its time is up, it says what is missing.
    assert await run(monkeypatch, Part(coming), [], 0.0) == NEEDS


@pytest.mark.parametrize("agents", [[], [{"agent_id": "a_agent_0", "organ_type": "Utility"}]])
async def test_who_sleeps_is_not_woken_for_a_test(
    monkeypatch: pytest.MonkeyPatch, agents: list[dict[str, Any]]
) -> None:
    part = Part({"target_num_replicas": 0, "shortage": None})
    assert await run(monkeypatch, part, agents, 60.0) is None
    assert part.asked == []

"""The inspector's measuring: asked on a period, kept, told to Prometheus, and alive when nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from serve_app.errors import InvalidInput, Unavailable
from serve_app.metrics.sampler import Sampler
from tests.unit.metrics.test_figures import delta, node

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class World:
    """A cluster with one node, a store, and Prometheus."""

    def __init__(self) -> None:
        self.failing: str | None = None
        self.published: list[Mapping[str, Any]] = []
        self.saved: list[dict[str, Any]] = []
        self.pauses: list[float] = []
        self.measuring = Sampler(
            self.list_node_use, self.observe, self, lambda: NOON, publish=self.published.append, pause=self.pause
        )

    async def list_node_use(self) -> list[Any]:
        if self.failing:
            raise Unavailable(self.failing)
        return [node("a", cpu=40)]

    async def observe(self) -> dict[str, Any]:
        return {"degraded": []}

    async def load_samples(self, since_s: int, after: list[Any] | None) -> dict[str, Any]:
        return {"items": [], "next": None}

    async def save_samples(self, rows: list[dict[str, Any]]) -> None:
        self.saved.extend(rows)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if seconds > 5 or (seconds == 5 and len(self.pauses) > 6):
            await asyncio.Event().wait()


async def test_what_is_measured_is_told_everywhere() -> None:
    world = World()
    await world.measuring.measure()
    ratios = [{"node_id": "a", "ip": "192.0.2.1", "cpu_ratio": 0.4, "memory_ratio": 0.25}]
    assert world.published == [{"degraded": [], "nodes": ratios, "responses": {}, "response_totals": {}}]
    assert world.measuring.take_responses(delta(1, jobs_2xx=[0.5])) == {"counted": True}
    assert world.measuring.take_responses(delta(1, jobs_2xx=[0.5])) == {"counted": False}
    assert world.measuring.collect_alert_inputs() == {"nodes": ratios, "responses": {"5m": {"count": 1, "p95_s": 0.5}}}
    shown = world.measuring.add_use({"items": [{"node_id": "a"}, {"node_id": "dead"}], "as_of": "now"})
    used = shown["items"][0]["utilisation"]
    assert (used["cpu_ratio"], used["memory_ratio"]) == (0.4, 0.25)
    assert (shown["items"][1]["utilisation"], shown["as_of"]) == (None, "now")
    told = world.measuring.summarize("1h")
    assert told["utilisation"]["cpu_ratio"] == {"now": 0.4, "mean": 0.4, "max": 0.4}
    assert told["responses"]["count"] == 1
    await world.measuring.measure()
    assert world.published[1]["response_totals"] == {"jobs 2xx": 1}
    with pytest.raises(InvalidInput):
        world.measuring.summarize("2h")


async def test_a_cluster_that_does_not_answer_is_still_told_of() -> None:
    world = World()
    world.failing = "Ray's dashboard cannot be reached."
    await world.measuring.measure()
    assert world.published[0]["nodes"] == []
    assert world.measuring.summarize("1h")["utilisation"]["reason"] == "Ray's dashboard cannot be reached."


async def test_a_question_that_takes_long_keeps_no_gauge_waiting() -> None:
    """Ray forgets one that it is not told for 20 s."""
    world = World()
    asked = asyncio.Event()

    async def hang() -> list[Any]:
        asked.set()
        await asyncio.Event().wait()
        return []

    world.measuring._node_use = hang
    world.measuring.start()
    await asked.wait()
    while len(world.published) < 3:
        await asyncio.sleep(0)
    assert [each["degraded"] for each in world.published[:3]] == [[], [], []]
    await world.measuring.close()


async def test_it_measures_on_a_period_and_saves_at_the_end() -> None:
    world = World()
    world.measuring.start()
    world.measuring.start()
    while len(world.pauses) <= 6:
        await asyncio.sleep(0)
    world.measuring.require_alive()
    assert {5.0, 2.0} <= set(world.pauses) <= {5.0, 2.0, 60.0}  # measured, restored, kept
    world.measuring.take_responses(delta(1, jobs_2xx=[0.5]))
    await world.measuring.close()
    assert {row["series"] for row in world.saved} == {"node", "cluster", "responses"}


@pytest.mark.parametrize("broken", ["observe", "load_samples"])
async def test_a_loop_that_ends_is_seen(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(World, broken, fails)
    world = World()
    world.measuring.start()
    for _ in range(20):
        await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="has ended"):
        world.measuring.require_alive()
    monkeypatch.undo()
    world.measuring._keeper = None
    await world.measuring.close()

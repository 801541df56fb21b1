"""The agent's state: what it is worth, that it comes back, and that only one replica writes it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from organs.agent import CHECKPOINTED, AgentState, TaskRecord, rate_quality
from organs.catalog import MAX_NAME_CHARACTERS
from organs.memory import SUCCESSION_S, AgentMemory
from organs.models import OrganConfig
from serve_app.store.agents import MAX_STATE_BYTES
from serve_app.store.bounds import encode
from tests.unit.organs.fakes import FakeStore

CONFIG = OrganConfig(smoothing=0.5, history_limit=3, checkpoint_period_s=1.0)


def record(success: bool = True, quality: float = 1.0, skill: str = "a.b") -> TaskRecord:
    return TaskRecord(skill, success, quality, 0.1, "2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("outcomes", "capability", "quality", "processed", "succeeded", "mem_util"),
    [
        ([], 0.5, 0.5, 0, 0, 0.0),
        ([(True, 1.0)], 0.75, 0.75, 1, 1, 1 / 3),
        ([(True, 0.5), (False, 0.0)], 0.375, 0.25, 2, 1, 2 / 3),
        ([(False, 0.0)] * 4, 0.03125, 0.03125, 4, 0, 1.0),
    ],
)
def test_averages_are_exponential(
    outcomes: list[tuple[bool, float]],
    capability: float,
    quality: float,
    processed: int,
    succeeded: int,
    mem_util: float,
) -> None:
    state = AgentState()
    for success, worth in outcomes:
        state = state.record(record(success, worth), smoothing=0.5, history_limit=3)
    assert (state.capability_score, state.quality_score) == (capability, quality)
    assert (state.tasks_processed, state.tasks_succeeded, state.compute_mem_util(3)) == (processed, succeeded, mem_util)
    assert len(state.history) <= 3


@pytest.mark.parametrize(
    ("success", "completeness", "duration_s", "quality"),
    [
        (True, 1.0, 0.0, 1.0),
        (True, 1.0, 5.0, 0.75),
        (True, 0.5, 5.0, 0.375),
        (True, 1.0, 10.0, 0.5),
        (True, 1.0, 99.0, 0.5),
        (True, 7.0, 0.0, 1.0),
        (False, 1.0, 0.0, 0.0),
    ],
)
def test_quality(success: bool, completeness: float, duration_s: float, quality: float) -> None:
    assert rate_quality(success, completeness, duration_s, allowed_s=10.0) == quality


def test_state_survives_json() -> None:
    state = AgentState().record(record(), smoothing=0.5, history_limit=3)
    assert AgentState.from_json(state.to_json()) == state
    assert AgentState.from_json({"format": 1, "a_later_key": 5}) == AgentState()


@pytest.mark.parametrize(
    "stored", [{"capability_score": "x"}, {"capability_score": 7}, {"history": [{}]}, {"history": 5}]
)
def test_a_corrupt_state_is_said_to_be_so(stored: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"understood|fraction|float"):
        AgentState.from_json(stored)


async def alone() -> int:
    return 0


def memory(store: FakeStore, owner: str = "r1") -> AgentMemory:
    return AgentMemory("u_agent_0", "u", owner, store, CONFIG)


def test_the_longest_history_fits_into_the_store() -> None:
    long = TaskRecord("n" * MAX_NAME_CHARACTERS, False, 0.123456, 299.123456, "2026-01-01T00:00:00.123456+00:00")
    state = AgentState(0.123456, 0.123456, 10**9, 10**9, (long,) * 10_000)
    assert encode("state", state.to_json(), max_bytes=MAX_STATE_BYTES, ascii_only=True)
    kept = AgentState.from_json(state.to_json())
    assert (kept.tasks_processed, kept.history) == (10**9, (long,) * CHECKPOINTED)


async def test_a_checkpoint_that_is_cancelled_is_made_again() -> None:
    store = FakeStore(gate=asyncio.Event())
    one = memory(store)
    await one.claim()
    one.record(record())
    on_its_way = asyncio.create_task(one.flush())
    await asyncio.sleep(0)
    on_its_way.cancel()
    await asyncio.wait((on_its_way,))
    assert store.agents["u_agent_0"]["state"] is None
    store.gate = None
    await one.flush()
    assert store.agents["u_agent_0"]["state"]["tasks_processed"] == 1


async def test_a_state_comes_back_to_the_next_owner() -> None:
    store = FakeStore()
    first = memory(store)
    assert await first.claim()
    first.record(record())
    assert await first.flush()
    second = memory(store, "r2")
    assert await second.claim()
    assert (second.state, second.epoch, second.restored) == (first.state, 2, True)


async def test_two_owners_never_both_write() -> None:
    store = FakeStore()
    old, new = memory(store), memory(store, "r2")
    await old.claim()
    await new.claim()
    for each in (old, new):
        each.record(record(success=each is new))
        await each.flush()
    assert (old.fenced, new.fenced) == (True, False)
    assert store.agents["u_agent_0"]["state"]["tasks_succeeded"] == 1
    old.record(record())
    await old.flush()
    assert store.saves == [("u_agent_0", 1), ("u_agent_0", 2)]


async def test_a_late_claim_adds_what_happened_meanwhile() -> None:
    store = FakeStore()
    before = memory(store)
    await before.claim()
    before.record(record())
    await before.flush()
    store.down = True
    after = memory(store, "r2")
    assert not await after.claim()
    after.record(record(success=False, quality=0.0))
    store.down = False
    assert await after.claim()
    assert (after.state.tasks_processed, after.state.tasks_succeeded, after.state.capability_score) == (2, 1, 0.375)
    assert [task.success for task in after.state.history] == [True, False]


async def test_every_task_counts_however_late_the_claim() -> None:
    """Of more than are remembered one by one, the number is."""
    store = FakeStore()
    before = memory(store)
    await before.claim()
    before.record(record())
    await before.flush()
    late, heir = memory(store, "r2"), memory(store, "r3")
    for number in range(5):
        late.record(record(success=number > 0))
    assert heir.inherit(late)
    heir.record(record())
    assert (heir.state.tasks_processed, heir.state.tasks_succeeded) == (6, 5)
    await heir.claim()
    assert (heir.state.tasks_processed, heir.state.tasks_succeeded) == (7, 6)
    assert not memory(store, "r4").inherit(heir)


async def test_a_corrupt_state_is_replaced() -> None:
    store = FakeStore(agents={"u_agent_0": {"epoch": 4, "state": {"history": 5}}})
    late = memory(store)
    late.record(record())
    assert await late.claim()
    assert (late.epoch, late.restored, late.state.tasks_processed) == (5, False, 1)


async def test_a_row_that_was_deleted_is_claimed_again() -> None:
    store = FakeStore()
    one = memory(store)
    await one.claim()
    store.agents.clear()
    one.record(record())
    await one.flush()
    assert one.epoch == 0
    assert await one.claim()
    assert await one.flush()
    assert store.agents["u_agent_0"]["state"]["tasks_processed"] == 1


async def test_keeping_waits_longer_while_the_store_is_down_and_writes_when_it_is_back() -> None:
    store = FakeStore(down=True)
    pauses: list[float] = []

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 7:
            store.down = False
        if len(pauses) == 9:
            raise asyncio.CancelledError

    one = AgentMemory("u_agent_0", "u", "r1", store, CONFIG, sleep)
    one.record(record())
    with pytest.raises(asyncio.CancelledError):
        await one.keep()
    assert pauses == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0, 1.0, 1.0]
    assert store.agents["u_agent_0"]["state"]["tasks_processed"] == 1


@pytest.mark.parametrize("claimed", [True, False])
async def test_at_its_end_an_agent_asks_until_the_store_is_there(claimed: bool) -> None:
    """A new version stops the store together with the agents."""
    store = FakeStore(down=not claimed)
    pauses: list[float] = []

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)
        store.down = len(pauses) < 4

    one = AgentMemory("u_agent_0", "u", "r1", store, CONFIG, sleep)
    assert await one.claim() is claimed
    one.record(record())
    store.down = True
    await one.finish(alone)
    assert pauses == [0.5] * 4
    assert store.agents["u_agent_0"]["state"]["tasks_processed"] == 1
    store.down = True
    await one.finish(alone)
    assert len(pauses) == 4


async def test_at_its_end_a_state_that_is_gone_is_written_anew_and_a_fenced_one_is_not() -> None:
    store = FakeStore()
    one, other = memory(store), memory(store, "r2")
    await one.claim()
    one.record(record())
    store.agents.clear()

    async def sleep(_: float) -> None:
        """The next try comes at once."""

    one._sleep = sleep
    await one.finish(alone)
    assert store.agents["u_agent_0"]["state"]["tasks_processed"] == 1
    await other.claim()
    one.record(record())
    await one.finish(alone)
    assert (one.fenced, store.agents["u_agent_0"]["state"]["tasks_processed"]) == (True, 1)


async def test_a_successor_that_is_stopped_before_its_predecessor_was_gone_waits_for_it() -> None:
    """A second deployment while the first still drains: the one that ends is not fenced."""
    store = FakeStore()
    old, new = memory(store), memory(store, "r2")
    await old.claim()
    for _ in range(4):
        old.record(record())
    new.succeed(alone).close()
    new.record(record())
    left = [1, 1, 0]

    async def count_predecessors() -> int:
        return left.pop(0)

    async def sleep(_: float) -> None:
        await old.finish(alone)

    new._sleep = sleep
    await new.finish(count_predecessors)
    assert (old.fenced, left, store.agents["u_agent_0"]["state"]["tasks_processed"]) == (False, [], 5)


async def test_keeping_ends_when_fenced() -> None:
    store = FakeStore()

    async def sleep(_: float) -> None:
        store.agents["u_agent_0"]["epoch"] = 99

    one = AgentMemory("u_agent_0", "u", "r1", store, CONFIG, sleep)
    await one.claim()
    one.record(record())
    await one.keep()
    assert one.fenced


async def test_the_successor_waits_until_the_predecessor_has_written_its_last() -> None:
    """Tasks that the old replica still ends, and those that the new one does meanwhile: none is lost."""
    store = FakeStore()
    old = memory(store)
    await old.claim()
    waits: list[float] = []
    new: AgentMemory

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            old.record(record())
            await old.flush()
        new.record(record(success=False))
        if len(waits) == 5:
            raise asyncio.CancelledError

    async def count_predecessors() -> int:
        return int(len(waits) < 3)

    new = AgentMemory("u_agent_0", "u", "r2", store, CONFIG, wait)
    with pytest.raises(asyncio.CancelledError):
        await new.succeed(count_predecessors)
    assert waits == [0.5, 0.5, 0.5, CONFIG.checkpoint_period_s, CONFIG.checkpoint_period_s]
    assert (old.fenced, new.epoch, new.restored) == (False, 2, True)
    assert (new.state.tasks_processed, new.state.tasks_succeeded) == (6, 1)


async def test_a_predecessor_that_does_not_end_is_waited_for_with_an_end() -> None:
    waited_s = 0.0
    store = FakeStore()

    async def wait(seconds: float) -> None:
        nonlocal waited_s
        waited_s += seconds
        if store.agents:
            raise asyncio.CancelledError

    async def count_predecessors() -> int:
        return 1

    new = AgentMemory("u_agent_0", "u", "r2", store, CONFIG, wait)
    with pytest.raises(asyncio.CancelledError):
        await new.succeed(count_predecessors)
    assert (waited_s, new.epoch) == (SUCCESSION_S + CONFIG.checkpoint_period_s, 1)

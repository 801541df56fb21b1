"""What is in force when settings are good, wrong, or wrong from the start; and what the store is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from organs.errors import CodedError
from organs.live import settings
from organs.live.mistakes import WrongSetting
from organs.live.settings import BEFORE, LAST_GOOD, NONE_BEFORE, NOT_ASKED, NOT_USABLE, LiveSettings


class Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    period_s: float = Field(default=5.0, gt=0, le=60)
    name: str = "a"


class Away(CodedError):
    status = 503


class TooLong(CodedError):
    status = 422


class QueueFull(CodedError):
    status = 429


class Store:
    """``failures`` are raised by the next calls, in turn."""

    def __init__(self, kept: dict[str, Any] | None = None) -> None:
        self.kept = kept
        self.refused: Any = None
        self.failures: list[CodedError] = []
        self.asked = 0
        self.names: set[tuple[str, str]] = set()

    async def last_settings(self, application: str, deployment: str) -> dict[str, Any] | None:
        self.asked += 1
        self._reach(application, deployment)
        return self.kept

    async def note_settings(self, application: str, deployment: str, accepted: Any, refused: Any) -> None:
        self._reach(application, deployment)
        self.kept = self.kept if accepted is None else accepted
        self.refused = refused

    def _reach(self, application: str, deployment: str) -> None:
        self.names.add((application, deployment))
        if self.failures:
            raise self.failures.pop(0)


def read(given: Mapping[str, Any]) -> Config:
    config = Config.model_validate(given)
    if config.name == "wrong":
        raise WrongSetting("name: there is no 'wrong'", "name")
    if config.name == "bug":
        raise ZeroDivisionError
    if config.name == "exit":
        raise SystemExit(1)
    return config


class World:
    def __init__(self, store: Store | None) -> None:
        self.paused: list[float] = []
        self.live = LiveSettings("Alerts", Config, read, store, self._sleep, lambda: "seedcore")

    async def _sleep(self, seconds: float) -> None:
        self.paused.append(seconds)
        await asyncio.sleep(0)

    async def take(self, given: Any) -> float:
        taken = await self.live.take(given)
        await self.live.settle()
        return taken.period_s


def wrong(key: str, got: str, expected: str, in_force: str) -> dict[str, Any]:
    return {"mistakes": [{"key": f"user_config{key}", "got": got, "expected": expected}], "in_force": in_force}


@pytest.mark.parametrize(
    ("given", "key", "got", "expected"),
    [
        ({"period_s": "x"}, ".period_s", "'x'", "a valid number, unable to parse string as a number"),
        ({"period_s": float("nan")}, ".period_s", "nan", "less than or equal to 60"),
        ({"period_s": float("inf")}, ".period_s", "inf", "less than or equal to 60"),
        ({"perod_s": 1}, ".perod_s", "an unknown key", "one of period_s, name (nearest: period_s)"),
        ("very", "", "'very'", "a valid dictionary or instance of Config"),
        (None, "", "None", "a valid dictionary or instance of Config"),
        ({"period_s": 10**5_000}, ".period_s", "a int that cannot be shown", "a valid number"),
        ({"name": "wrong"}, ".name", "'wrong'", "another value: name: there is no 'wrong'"),
        ({"name": "bug"}, "", "what cannot be read", "other settings: ZeroDivisionError; its log has more"),
        ({"name": "exit"}, "", "what cannot be read", "other settings: SystemExit; its log has more"),
    ],
)
async def test_what_is_not_acceptable_leaves_the_settings_of_before(
    given: Any, key: str, got: str, expected: str
) -> None:
    store = Store()
    world = World(store)
    assert await world.take({"period_s": 7}) == 7
    assert await world.take(given) == 7
    assert store.refused == wrong(key, got, expected, BEFORE) == world.live.refused
    assert (store.kept, store.asked, store.names) == ({"period_s": 7}, 0, {("seedcore", "Alerts")})
    assert await world.take({"period_s": 8}) == 8
    assert (store.kept, store.refused, world.live.refused) == ({"period_s": 8}, None, None)


@pytest.mark.parametrize(
    ("store", "period_s", "words"),
    [
        (Store({"period_s": 7}), 7, LAST_GOOD),
        (Store(), 5, NONE_BEFORE),
        (Store({"period_s": 7, "of_a_newer_version": 1}), 5, NOT_USABLE),
        (None, 5, NONE_BEFORE),
    ],
)
async def test_a_replica_that_starts_takes_the_last_good_ones(store: Store | None, period_s: float, words: str) -> None:
    world = World(store)
    assert await world.take({"period_s": -1}) == period_s
    assert world.live.refused == wrong(".period_s", "-1", "greater than 0", words)
    if store is not None:
        assert store.refused == world.live.refused


async def test_a_store_that_starts_at_the_same_time_is_asked_again() -> None:
    store = Store({"period_s": 7})
    store.failures = [Away("Not yet."), Away("Not yet.")]
    world = World(store)
    assert await world.take({"period_s": -1}) == 7
    assert (store.asked, world.paused) == (3, [1.0, 1.0])


async def test_where_the_store_cannot_be_asked_the_defaults_are_taken_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settings, "START_LIMIT_S", 0.02)
    store = Store({"period_s": 7})
    store.failures = [Away("No."), Away("No.")]

    async def wait(_: float) -> None:
        await asyncio.Event().wait()

    live = LiveSettings("Alerts", Config, read, store, wait, lambda: "seedcore")
    assert (await live.take({"period_s": -1})).period_s == 5
    assert live.refused == wrong(".period_s", "-1", "greater than 0", NOT_ASKED)
    assert store.asked == 1
    await live.close()


async def test_the_store_is_told_when_it_is_back_and_of_the_newest_alone() -> None:
    store = Store()
    store.failures = [Away("No.")] * 8
    world = World(store)
    await world.live.take({"period_s": 7})
    await world.live.take({"period_s": 8})
    await world.live.settle()
    assert (store.kept, world.paused) == ({"period_s": 8}, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0])


async def test_a_store_that_has_no_time_now_is_told_later() -> None:
    store = Store()
    store.failures = [QueueFull("Its queue is full.")]
    world = World(store)
    assert await world.take({"period_s": -1}) == 5
    assert (store.refused, world.paused) == (world.live.refused, [1.0])
    store.failures = [QueueFull("Its queue is full.")]
    assert await world.take({"period_s": 7}) == 7
    assert (store.kept, store.refused, world.paused) == ({"period_s": 7}, None, [1.0, 0.5])


async def test_what_the_store_will_never_take_is_not_sent_for_ever() -> None:
    store = Store()
    store.failures = [TooLong("Too long.")]
    world = World(store)
    assert await world.take({"period_s": 7}) == 7
    assert (store.kept, world.paused) == (None, [])


async def test_many_mistakes_are_cut() -> None:
    live = World(None).live
    await live.take({f"key_{number}": "x" * 5_000 for number in range(50)})
    assert live.refused is not None
    assert [each["key"] for each in live.refused["mistakes"]] == [f"user_config.key_{number}" for number in range(5)]

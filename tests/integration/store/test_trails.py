"""Trails of quiet jobs in the store, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from serve_app.errors import InvalidInput
from serve_app.store.store import Store
from serve_app.store.trails import MAX_TRAIL_BYTES, MAX_TRAILS

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(database: str, clock: Clock) -> AsyncIterator[Store]:
    opened = await Store.open(database, now=clock)
    yield opened
    await opened.close()


async def test_what_is_kept_is_replaced_whole_and_by_session(store: Store) -> None:
    assert await store.load_trails("s") == {}
    await store.save_trails("s", {"a": {"moved_at": 1.5, "odd": "\0\ud800"}, "b": {}})
    await store.save_trails("t", {"a": {"moved_at": 7.0}})
    assert await store.load_trails("s") == {"a": {"moved_at": 1.5, "odd": "\0\ud800"}, "b": {}}
    await store.save_trails("s", {"b": {"moved_at": 2.0}})
    assert await store.load_trails("s") == {"b": {"moved_at": 2.0}}
    await store.save_trails("s", {})
    assert (await store.load_trails("s"), await store.load_trails("t")) == ({}, {"a": {"moved_at": 7.0}})


async def test_sessions_that_are_over_are_forgotten(store: Store, clock: Clock) -> None:
    await store.save_trails("old", {"a": {}})
    clock.now += timedelta(hours=25)
    await store.save_trails("new", {"a": {}})
    assert (await store.load_trails("old"), await store.load_trails("new")) == ({}, {"a": {}})


async def test_bounds(store: Store) -> None:
    await store.save_trails("s", {f"j{number}": {"n": number} for number in range(MAX_TRAILS)})
    assert len(await store.load_trails("s")) == MAX_TRAILS
    with pytest.raises(InvalidInput):
        await store.save_trails("s", {f"j{number}": {} for number in range(MAX_TRAILS + 1)})
    with pytest.raises(InvalidInput):
        await store.save_trails("s", {"a": {"x": "y" * MAX_TRAIL_BYTES}})
    # An id that no table takes is left out; the others are kept.
    await store.save_trails("s", {"": {}, "x" * 601: {}, "a": {}})
    assert await store.load_trails("s") == {"a": {}}

"""Requests that may be sent again, sessions that are over, and an emptied database, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from serve_app.store.deployment import Opening
from serve_app.store.engine import create_engine
from serve_app.store.errors import StoreUnavailable
from serve_app.store.migrate import plan_upgrade
from serve_app.store.requests.answers import LEASE_S
from serve_app.store.store import Store

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


async def test_of_those_who_begin_at_once_one_does_it(store: Store, clock: Clock) -> None:
    told = await asyncio.gather(*(store.begin_request("key:1f", "body") for _ in range(8)))
    assert sorted(each["state"] for each in told) == ["new", *["running"] * 7]
    clock.now += timedelta(seconds=LEASE_S + 1)
    told = await asyncio.gather(*(store.begin_request("key:1f", "body") for _ in range(8)))
    assert sorted(each["state"] for each in told) == ["new", *["running"] * 7]
    await store.finish_request("key:1f", 201, "json\n{}")
    assert await store.begin_request("key:1f", "body") == {"state": "done", "status": 201, "answer": "json\n{}"}
    assert (await store.begin_request("key:1f", "other"))["state"] == "other"


async def test_of_those_who_put_at_once_one_counts(store: Store) -> None:
    told = await asyncio.gather(*(store.put_memory_once("k", 1, [], None, "own:10") for _ in range(8)))
    assert [each["created"] for each in told] == [True] * 8
    found = await store.get_memory("k")
    assert found is not None
    assert found["revision"] == 1


async def test_sessions_whose_head_is_gone_are_over(store: Store) -> None:
    for session in ("a", "b", "c"):
        await store.begin_session(session, f"machine {session}:1")
    assert await store.begin_session("d", "machine a:1") == ["a"]
    assert {each["session"] for each in await store.open_sessions("d")} == {"b", "c"}
    await store.end_gone_sessions(["b"])
    assert await store.open_sessions("d") == [{"session": "c", "place": "machine c:1"}]


async def test_what_opening_would_do_is_told_before(database: str) -> None:
    assert (await plan_upgrade(database)).have is None
    await (await Store.open(database)).close()
    plan = await plan_upgrade(database)
    assert (plan.have, plan.describe(), plan.has_way_back) == (plan.target, None, "sqlite" in database)


async def test_a_postgresql_that_was_emptied_is_begun_anew_and_is_another_one(database: str) -> None:
    if "sqlite" in database:
        pytest.skip("a file is emptied otherwise: tests/unit/store/test_lost_file.py")
    ticks = iter(range(0, 10_000, 60))
    opening = Opening(lambda: Store.open(database), lambda: float(next(ticks)))
    store = await opening.get_store()
    await store.ping()
    before = await store.opening()
    engine = create_engine(database)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        await connection.exec_driver_sql("CREATE SCHEMA public")
    await engine.dispose()
    with pytest.raises(StoreUnavailable, match="lacks a table"):
        await (await opening.get_store()).put_memory("lost", 1, [], None)
    again = await opening.get_store()
    assert (await again.put_memory("k", 1, [], None))["created"] is True
    assert await again.opening() != before
    await opening.close()

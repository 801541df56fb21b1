"""What is kept of requests that may be sent again, in a real SQLite file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from serve_app.store.requests import answers
from serve_app.store.store import Store
from serve_app.store.tables import requests

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NEW = {"state": "new", "status": None, "answer": None}
KEY = "key:1f"


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path}/store.db", now=clock)
    yield opened
    await opened.close()


async def test_one_request_is_begun_by_one(store: Store, clock: Clock) -> None:
    told = await asyncio.gather(*(store.begin_request(KEY, "body") for _ in range(8)))
    assert sorted(each["state"] for each in told) == ["new", *["running"] * 7]
    assert (await store.begin_request(KEY, "another body"))["state"] == "other"
    await store.finish_request(KEY, 200, "json\n{}")
    done = {"state": "done", "status": 200, "answer": "json\n{}"}
    assert await store.begin_request(KEY, "body") == done
    clock.now += timedelta(hours=23)
    assert await store.begin_request(KEY, "body") == done
    # The first answer stays.
    await store.finish_request(KEY, None, None)
    await store.finish_request(KEY, 500, "other")
    assert await store.begin_request(KEY, "body") == done


async def test_what_was_not_done_may_be_done(store: Store, clock: Clock) -> None:
    assert await store.begin_request(KEY, "body") == NEW
    await store.finish_request(KEY, None, None)
    assert await store.begin_request(KEY, "body") == NEW
    # A long one is at work as long as it says so.
    for _ in range(4):
        clock.now += timedelta(seconds=answers.LEASE_S - 1)
        await store.renew_request(KEY)
        assert (await store.begin_request(KEY, "body"))["state"] == "running"
    # Its replica died: nobody tells how it ended.
    clock.now += timedelta(seconds=answers.LEASE_S + 1)
    told = await asyncio.gather(*(store.begin_request(KEY, "body") for _ in range(4)))
    assert sorted(each["state"] for each in told) == ["new", "running", "running", "running"]


async def test_what_was_left_may_be_done_though_the_clock_was_set_back(store: Store, clock: Clock) -> None:
    assert await store.begin_request(KEY, "body") == NEW
    clock.now -= timedelta(seconds=answers.LEASE_S - 1)
    assert (await store.begin_request(KEY, "body"))["state"] == "running"
    clock.now -= timedelta(hours=1)
    assert await store.begin_request(KEY, "body") == NEW


async def test_a_memory_is_put_once_for_each_request(store: Store, clock: Clock) -> None:
    first = await store.put_memory_once("k", 1, [], "agent", "own:1")
    clock.now += timedelta(seconds=1)
    again = await asyncio.gather(*(store.put_memory_once("k", 1, [], "agent", "own:1") for _ in range(4)))
    assert again == [first] * 4
    found = await store.get_memory("k")
    assert found is not None
    assert (found["revision"], found["updated_at"]) == (1, first["updated_at"])
    await store.put_memory_once("k", 2, [], "agent", "own:2")
    found = await store.get_memory("k")
    assert found is not None
    assert (found["revision"], found["value"]) == (2, 2)


async def test_they_are_kept_for_a_day_and_not_without_number(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MOST_KEPT", 5)
    for number in range(9):
        clock.now += timedelta(seconds=1)
        await store.put_memory_once("k", number, [], None, f"own:{number}f")
    assert await count(store) == 9
    await store.begin_request("key:a", "body")
    await store.put_memory_once("k", 1, [], None, "own:00")
    assert await count(store) == 7, "five of its kind, itself, and the one of another kind"
    clock.now += timedelta(hours=1)
    await store.put_memory_once("k", 1, [], None, "own:20")
    assert await count(store) == 2
    clock.now += timedelta(hours=24)
    assert await store.begin_request("key:0", "body") == NEW
    assert await count(store) == 2, "the one of the other kind is looked at when its own come"


async def count(store: Store) -> int:
    statement = select(func.count()).select_from(requests)
    return int((await store._database.read(lambda connection: connection.execute(statement))).scalar_one())

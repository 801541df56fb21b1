"""A SQLite file that is deleted, replaced, written over or cut while it is open: nothing is acknowledged and lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from serve_app.readiness import Part, judge_readiness
from serve_app.store.deployment import Opening
from serve_app.store.errors import StoreUnavailable
from serve_app.store.files.exchange import begin_anew
from serve_app.store.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "seedcore.db"


class Clock:
    """Each look is a minute after the last, so that an opening that failed is tried again."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 60
        return self.now


@pytest.fixture
async def opening(path: Path) -> AsyncIterator[Opening]:
    made = Opening(partial(Store.open, f"sqlite:///{path}"), Clock())
    store = await made.get_store()
    await store.put_memory("kept", "x" * 20_000, [], None)
    yield made
    await made.close()


async def make_database(path: Path, key: str) -> None:
    store = await Store.open(f"sqlite:///{path}")
    await store.put_memory(key, key, [], None)
    await store.close()


async def refusal(opening: Opening) -> str:
    """The sentence with which writes and the ping are refused; reading, too."""
    for ask in (
        lambda store: store.put_memory("lost", 1, [], None),
        lambda store: store.ping(),
        lambda store: store.get_memory("kept"),
    ):
        with pytest.raises(StoreUnavailable) as refused:
            await ask(await opening.get_store())
    assert refused.value.status == 503
    return refused.value.detail


async def knows(opening: Opening, key: str) -> bool:
    for _ in range(3):
        try:
            return await (await opening.get_store()).get_memory(key) is not None
        except StoreUnavailable:
            continue
    raise AssertionError("the store does not come back")


async def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0)


async def test_a_deleted_file_is_no_place_to_write_and_what_it_held_is_copied(opening: Opening, path: Path) -> None:
    path.unlink()
    first = await refusal(opening)
    assert first == (
        "The store is unavailable: its file seedcore.db was deleted or moved while in use; put it back, or begin anew "
        "by `python -m serve_app.database begin`."
    )
    await wait_for(lambda: any("rescued" in each.name for each in path.parent.iterdir()))
    store = await opening.get_store()
    await wait_for(lambda: store._database._guard is not None and store._database._guard.rescued is not None)
    [copy] = [each for each in path.parent.iterdir() if "rescued" in each.name]
    assert copy.name in await refusal(opening)
    assert copy.stat().st_mode & 0o777 == 0o600
    copy.rename(path)
    assert await knows(opening, "kept")


async def test_a_file_that_was_moved_away_and_back_is_the_same(opening: Opening, path: Path) -> None:
    opened = await (await opening.get_store()).opening()
    path.rename(path.with_name("away"))
    await refusal(opening)
    path.with_name("away").rename(path)
    assert await knows(opening, "kept")
    assert await (await opening.get_store()).opening() == opened


async def test_another_file_in_its_place_is_opened_without_the_log_of_the_first(opening: Opening, path: Path) -> None:
    opened = await (await opening.get_store()).opening()
    await make_database(path.with_name("other.db"), "other")
    path.with_name("other.db").replace(path)
    assert await knows(opening, "other")
    assert not await knows(opening, "kept")
    assert await (await opening.get_store()).opening() != opened
    assert [each.name.endswith("-wal") for each in path.parent.iterdir() if "set-aside" in each.name].count(True) == 1


async def test_a_file_that_is_written_over_is_opened_as_it_is_now(opening: Opening, path: Path) -> None:
    await make_database(path.with_name("other.db"), "other")
    shutil.copyfile(path.with_name("other.db"), path)
    with pytest.raises(StoreUnavailable, match=r"seedcore\.db was (written over|cut short) by another program"):
        await (await opening.get_store()).put_memory("lost", 1, [], None)
    assert await knows(opening, "other")
    assert not await knows(opening, "kept")
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_write_of_another_process_that_uses_sqlite_is_no_harm(opening: Opening, path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (it)")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(FULL)")
    store = await opening.get_store()
    assert (await store.put_memory("mine", 1, [], None))["created"] is True
    assert await store.get_memory("kept") is not None


@pytest.mark.parametrize("left", [5_000, 0])
async def test_a_file_that_is_cut_is_refused_at_once_and_never_written_over(
    opening: Opening, path: Path, left: int
) -> None:
    os.truncate(path, left)
    cut = path.read_bytes()
    with pytest.raises(StoreUnavailable, match=r"seedcore\.db was cut short by another program while in use"):
        await (await opening.get_store()).ping()
    for _ in range(3):
        await refusal(opening)
    assert path.read_bytes() == cut
    path.unlink()
    await make_database(path.with_name("other.db"), "other")
    path.with_name("other.db").replace(path)
    assert await knows(opening, "other")


async def test_damaged_pages_are_noticed_by_the_next_write(opening: Opening, path: Path) -> None:
    store = await opening.get_store()
    await store._database.read(lambda connection: connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)"))
    with path.open("r+b") as file:
        file.seek(8_192)
        file.write(b"\xff" * 40_960)
    with pytest.raises(StoreUnavailable, match="is damaged, or is no database"):
        await store.put_memory("lost", 1, [], None)
    assert "is damaged" in await refusal(opening)


async def test_a_directory_in_its_place(opening: Opening, path: Path) -> None:
    path.unlink()
    path.mkdir()
    assert await refusal(opening) == (
        "The store is unavailable: something that is no file stands in the place of seedcore.db; move it away and put "
        "the database back."
    )


async def test_a_home_that_has_lost_its_database_says_so(path: Path) -> None:
    await make_database(path, "kept")
    path.rename(path.with_name("away"))
    with pytest.raises(StoreUnavailable, match=r"seedcore\.db has been a database since .*, and is gone; put it back"):
        await Store.open(f"sqlite:///{path}")
    assert not path.exists()
    path.with_name("away").rename(path)
    store = await Store.open(f"sqlite:///{path}")
    assert await store.get_memory("kept") is not None
    await store.close()


async def test_a_second_name_is_told(opening: Opening, path: Path) -> None:
    path.with_name("second.db").hardlink_to(path)
    answer = await (await opening.get_store()).ping()
    assert answer["note"] == (
        "the database seedcore.db has 2 names (hard links), and who opens it by another one damages it; remove the "
        "others"
    )
    fine = Part({"organs": [], "initialization": {"state": "succeeded"}})
    ready = judge_readiness(Part(answer), fine, Part({}), Part({}), Part({"items": []}))
    assert (ready.status, ready.reasons) == ("degraded", (f"store: {answer['note']}",))


async def test_a_database_that_was_emptied_is_another_one(opening: Opening, path: Path) -> None:
    store = await opening.get_store()
    await store.ping()
    before = await store.opening()
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM heartbeats")
        connection.execute("DELETE FROM memories")
    await store.ping()
    assert await store.opening() != before


async def test_the_file_is_for_its_owner_alone(opening: Opening, path: Path) -> None:
    names = ("seedcore.db", "seedcore.db-shm", "seedcore.db-wal", "seedcore.db.begun")
    found = {each.name: oct(each.stat().st_mode & 0o777) for each in path.parent.iterdir()}
    assert found == dict.fromkeys(names, "0o600")


async def test_an_empty_database_that_was_begun_before_the_first_question_is_opened_anew(path: Path) -> None:
    opening = Opening(partial(Store.open, f"sqlite:///{path}"), Clock())
    await opening.get_store()
    begin_anew(path, datetime.now(UTC))
    with pytest.raises(StoreUnavailable, match="the database lacks a table or a right that this version needs"):
        await (await opening.get_store()).put_memory("a", 1, [], None)
    await (await opening.get_store()).put_memory("a", 1, [], None)
    assert await knows(opening, "a")
    await opening.close()

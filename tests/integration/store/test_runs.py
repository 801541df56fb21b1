"""Several runs with one id: each is kept, told, moved and deleted by itself; also beside rows of older versions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from serve_app.errors import InvalidInput
from serve_app.queries.job_names import build_key, build_place_name, hash_id
from serve_app.store.engine import create_engine
from serve_app.store.store import Store
from serve_app.store.tables import job_transitions, jobs
from tests.integration.store.test_jobs import EVERYTHING, NOON, NOON_US, diagnosed, record

FIRST_MS, SECOND_MS = NOON_US // 1000, NOON_US // 1000 + 60_000
FIRST, SECOND = f"s1/nightly@{FIRST_MS}", f"s1/nightly@{SECOND_MS}"


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    opened = await Store.open(database, now=lambda: NOON + timedelta(hours=1))
    yield opened
    await opened.close()


def run(began_s: float, id: str = "nightly", *, session: str = "s1", **changes: Any) -> dict[str, Any]:
    key = build_key(session, id, NOON_US + round(began_s * 1_000_000), is_submission=True)
    name = build_place_name(id, session)
    return record(id, began_s=began_s, session=session, submission_id=id, key=key, name=name, **changes)


def failed(began_s: float) -> dict[str, Any]:
    return run(began_s, outcome="failed", verdict="BAD", rule="failed", status="FAILED")


async def test_runs_with_one_id_are_jobs_of_their_own(store: Store) -> None:
    await store.save_jobs("s1", [failed(0)])
    await store.save_log_excerpt(FIRST, "of the first")
    await store.save_diagnosis(FIRST, diagnosed("app.import"))
    await store.save_jobs("s1", [run(60)])
    listed = await store.list_jobs(EVERYTHING)
    assert [(each["key"], each["row"]["outcome"], each["row"]["code"]) for each in listed] == [
        (SECOND, "succeeded", None),
        (FIRST, "failed", "app.import"),
    ]
    told = await store.jobs_ended_since(NOON_US)
    assert sorted(told["counts"]) == [["user", "failed", "BAD", 1], ["user", "succeeded", "OK", 1]]
    newest = await store.find_job("nightly")
    assert newest is not None
    assert (newest["key"], newest["log_excerpt"], newest["diagnosis"]) == (SECOND, None, None)
    assert [each["outcome"] for each in newest["transitions"]] == ["succeeded"]
    found = await store.find_run("nightly", FIRST_MS)
    assert found is not None
    assert (found["key"], found["log_excerpt"]) == (FIRST, "of the first")
    assert [each["outcome"] for each in found["transitions"]] == ["failed"]
    assert await store.find_run("nightly", FIRST_MS + 1) is None
    assert list(await store.diagnoses([FIRST, SECOND])) == [FIRST]
    assert [line["key"] for line in await store.export_jobs("")] == [FIRST, SECOND]
    assert await store.delete_job(SECOND) is True
    again = await store.find_job("nightly")
    assert again is not None
    assert again["key"] == FIRST


async def test_an_older_inspector_is_told_of_open_jobs_by_the_keys_that_it_knows(store: Store) -> None:
    """It closes what it is told of and does not know; what it calls by such a key is no run's."""
    plain = record("01000000", took_s=None)
    await store.save_jobs("s1", [plain, run(0, took_s=None), run(60, took_s=None), run(0, "done")])
    assert sorted(await store.open_runs("s1")) == ["s1/01000000", FIRST, SECOND]
    assert await store.open_jobs("s1") == ["s1/01000000", "s1/nightly"]
    await store.close_unseen_jobs("s1", ["s1/nightly"])
    assert len(await store.open_runs("s1")) == 3


async def keep_as_before(store: Store, database: str, began_s: float) -> None:
    """A run as a version kept it that called it by its id alone."""
    await store.save_jobs("s1", [failed(began_s)])
    key = failed(began_s)["key"]
    await store.save_log_excerpt(key, "of before")
    await store.save_diagnosis(key, diagnosed("app.import"))
    engine = create_engine(database)
    async with engine.begin() as connection:
        await connection.execute(update(jobs).where(jobs.c.key == key).values(key="s1/nightly"))
        await connection.execute(update(job_transitions).where(job_transitions.c.key == key).values(key="s1/nightly"))
        if database.startswith("sqlite"):
            await connection.exec_driver_sql(f"UPDATE job_places SET key = 's1/nightly' WHERE key = '{key}'")
    await engine.dispose()


async def test_a_row_of_before_is_the_same_run(store: Store, database: str) -> None:
    await keep_as_before(store, database, 0)
    assert [each["key"] for each in await store.list_jobs(EVERYTHING)] == ["s1/nightly"]
    assert await store.diagnoses([FIRST]) == {FIRST: diagnosed("app.import")}
    assert await store.diagnoses([SECOND]) == {}
    # Ray lists it still, so this version writes it: it is there once, with all that was kept.
    await store.save_jobs("s1", [failed(0)])
    found = await store.find_job("nightly")
    assert found is not None
    assert (found["key"], found["log_excerpt"], found["diagnosis"]) == (FIRST, "of before", diagnosed("app.import"))
    assert [each["outcome"] for each in found["transitions"]] == ["failed"]
    assert [each["key"] for each in await store.list_jobs(EVERYTHING)] == [FIRST]
    # Searched as before.
    assert [each["key"] for each in await store.list_jobs({**EVERYTHING, "text": "nightly"})] == [FIRST]


async def test_a_row_of_before_that_was_another_run_stays(store: Store, database: str) -> None:
    await keep_as_before(store, database, 0)
    await store.save_jobs("s1", [run(60)])
    assert [each["key"] for each in await store.list_jobs(EVERYTHING)] == [SECOND, "s1/nightly"]
    first = await store.find_run("nightly", FIRST_MS)
    assert first is not None
    assert first["key"] == "s1/nightly"


async def test_lines_of_before_are_the_same_run(store: Store, database: str, tmp_path: Any) -> None:
    await store.save_jobs("s1", [failed(0), run(60)])
    lines = [json.dumps(line) for line in await store.export_jobs("")]
    old = [json.dumps({**json.loads(line), "key": "s1/nightly"}) for line in lines]
    other = await Store.open(f"sqlite:///{tmp_path}/other.db", now=lambda: NOON + timedelta(hours=1))
    try:
        assert await other.import_jobs(old) == 2
        assert await other.import_jobs(lines) == 0
        assert await other.export_jobs("") == await store.export_jobs("")
    finally:
        await other.close()
    # Where a row of before is, a line of it is no second one.
    await store.delete_job(FIRST)
    await store.delete_job(SECOND)
    await keep_as_before(store, database, 0)
    assert await store.import_jobs([old[0]]) == 0
    assert [each["key"] for each in await store.list_jobs(EVERYTHING)] == [FIRST]


async def test_an_older_inspector_may_write(store: Store) -> None:
    await store.save_jobs("s1", [{**failed(0), "key": "s1/nightly"}])
    await store.save_jobs("s1", [{**run(60), "key": "s1/nightly"}])
    assert [each["key"] for each in await store.list_jobs(EVERYTHING)] == [SECOND, FIRST]


@pytest.mark.parametrize("key", ["s1/nightly@1", "s2/nightly", f"s1/other@{FIRST_MS}", f"s1/nightly@{SECOND_MS}"])
async def test_a_line_under_the_key_of_another_is_refused(store: Store, key: str) -> None:
    await store.save_jobs("s1", [failed(0)])
    (line,) = await store.export_jobs("")
    with pytest.raises(InvalidInput, match="line 1 is no job: its key"):
        await store.import_jobs([json.dumps({**line, "key": key})])


@pytest.mark.parametrize("id", ["team/etl 2026", "x" * 260, "y" * 590, "z" * 2_000])
async def test_ids_that_are_odd_or_long(store: Store, id: str, tmp_path: Any) -> None:
    one = run(0, id)
    await store.save_jobs("s1", [one, run(1, id[:-1])])
    assert await store.save_log_excerpt(one["key"], "its end") is True
    assert await store.save_diagnosis(one["key"], diagnosed("app.import")) is True
    wanted = hash_id(id)
    found = await store.find_job(wanted, "s1")
    assert found is not None
    assert (found["key"], found["log_excerpt"]) == (one["key"], "its end")
    assert await store.find_job(wanted, "s2") is None
    if len(id) <= 600:
        by_id = await store.find_job(id)
        assert by_id is not None
        assert by_id["key"] == one["key"]
    lines = [json.dumps(line) for line in await store.export_jobs("")]
    other = await Store.open(f"sqlite:///{tmp_path}/other.db", now=lambda: datetime.now(UTC))
    try:
        assert await other.import_jobs(lines) == 2
        assert [json.dumps(line) for line in await other.export_jobs("")] == lines
    finally:
        await other.close()
    assert await store.delete_job(one["key"]) is True

"""Searching the history by text, on SQLite and on PostgreSQL alike: the index finds what reading all would find."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text as sql

from serve_app.errors import InvalidInput
from serve_app.store import migrate
from serve_app.store.dialect import fold
from serve_app.store.engine import create_engine
from serve_app.store.jobs import pages as job_pages
from serve_app.store.store import Store
from tests.integration.pg import PostgreSQL
from tests.integration.store.test_jobs import NOON_US, SECOND_US, Clock, record

Json = dict[str, Any]
OLD = "python Old.py"
NEW = "python New.py"


@pytest.fixture(autouse=True)
def _nothing_is_found_by_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """But three rows: what else is found, the index has."""
    monkeypatch.setattr(job_pages, "SCANNED", 3)


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    clock = Clock()
    opened = await Store.open(database, now=clock)
    # Newer than what is looked for, and more than are read.
    await opened.save_jobs("s9", [record(f"n{n}", session="s9", began_s=9_000 + n, searchable="-") for n in range(4)])
    yield opened
    await opened.close()


async def ids(store: Store, text: str, **asked: Any) -> list[str]:
    return [each["row"]["id"] for each in await store.list_jobs({"limit": 500, "text": text, **asked})]


async def test_a_written_job_is_found(store: Store) -> None:
    await store.save_jobs("s1", [record("a", searchable=OLD), record("b", began_s=1, searchable=NEW)])
    assert await ids(store, "OLD.py") == ["a"]
    assert await ids(store, "python ") == ["b", "a"]
    assert await ids(store, "old.pyx") == []


async def test_a_changed_job_is_found_by_what_it_is_now(store: Store) -> None:
    await store.save_jobs("s1", [record("a", took_s=None, searchable=OLD)])
    failed = {"kind": "tool", "status": "FAILED", "outcome": "failed", "verdict": "BAD"}
    await store.save_jobs("s1", [record("a", searchable=OLD, **failed)])
    # Two values of each: of one, an index of its own tells, and the search is not asked.
    assert await ids(store, "old.py", outcomes=["running", "lost"]) == []
    values = {
        "kinds": ["tool", "x"],
        "statuses": ["FAILED", "X"],
        "outcomes": ["failed", "lost"],
        "verdicts": ["BAD", "X"],
    }
    assert [await ids(store, "old.py", **{field: two}) for field, two in values.items()] == [["a"]] * 4
    await store.save_jobs("s1", [record("a", began_s=50, searchable=NEW, kind="nightly")])
    assert (await ids(store, "old.py"), await ids(store, "new.py", kinds=["nightly", "x"])) == ([], ["a"])
    since = NOON_US + 50 * SECOND_US
    assert (await ids(store, "new.py", since_us=since), await ids(store, "new.py", until_us=since)) == (["a"], [])


async def test_a_job_that_is_lost_is_found_as_lost(store: Store) -> None:
    await store.save_jobs("s1", [record("a", took_s=None, searchable=OLD)])
    await store.close_unseen_jobs("s1", ["s1/a"])
    assert await ids(store, "old.py", outcomes=["ended_unknown", "lost"]) == ["a"]


async def test_a_deleted_job_is_not_found_and_may_come_again(store: Store) -> None:
    await store.save_jobs("s1", [record("a", searchable=OLD), record("b", searchable=OLD)])
    assert await store.delete_job("s1/a") is True
    assert await ids(store, "old.py") == ["b"]
    await store.save_jobs("s1", [record("a", began_s=2, searchable=NEW)])
    assert (await ids(store, "old.py"), await ids(store, "new.py")) == (["b"], ["a"])


async def test_what_retention_forgets_is_not_found(store: Store) -> None:
    await store.save_jobs("s1", [record(f"j{n}", began_s=n, searchable=OLD) for n in range(10)])
    assert await store.forget_jobs(90, 6) == 8
    assert await ids(store, "old.py") == ["j9", "j8"]


async def test_imported_jobs_are_found(store: Store) -> None:
    await store.save_jobs("s1", [record("a", searchable=OLD)])
    lines = [json.dumps(each) for each in await store.export_jobs("")]
    await store.delete_job("s1/a")
    assert await store.import_jobs(lines) == 1
    assert await ids(store, "old.py") == ["a"]


async def test_jobs_from_before_the_index_are_found(database: str) -> None:
    """As a database of the revision before has them: the migration enters them."""
    await migrate.upgrade(database)
    engine = create_engine(database)
    away = {
        "sqlite": [
            *(f"DROP TRIGGER jobs_{each}" for each in ("entered", "removed", "moved", "judged")),
            "DROP TABLE job_search",
            "DROP TABLE job_places",
        ],
        "postgresql": ["DROP INDEX ix_jobs_search", "DROP FUNCTION seedcore_threes"],
    }
    later = [f"ALTER TABLE jobs DROP COLUMN {each}" for each in ("code", "diagnosis", "error_type", "exit_code")]
    later += [f"ALTER TABLE alerts DROP COLUMN {each}" for each in ("subject_type", "subject_id", "session")]
    later += [f"ALTER TABLE alerts DROP COLUMN {each}" for each in ("reason", "told")]
    later += [f"DROP TABLE {each}" for each in ("trails", "receivers", "requests", "settings")]
    later += ["ALTER TABLE sessions DROP COLUMN place"]
    async with engine.begin() as connection:
        for statement in (*away[engine.dialect.name], *later, "UPDATE alembic_version SET version_num = '0004'"):
            await connection.execute(sql(statement))
        columns = (
            "key, session, id, kind, series, status, outcome, verdict, rule, started_us, name, content, searchable, "
            "first_seen_at, updated_at"
        )
        for number in range(8):
            # Two of each time, and two that never began.
            values = {"key": f"s1/j{number}", "started_us": -1 if number < 2 else number // 2, "name": f"j{number}"}
            await connection.execute(
                sql(
                    f"INSERT INTO jobs ({columns}) VALUES (:key, 's1', :name, 'user', 'user', 'X', 'failed', 'BAD', "
                    """'r', :started_us, :name, '{"row": {"id": "' || :name || '"}}', 'old.py', """
                    "'2026-01-01 00:00:00.000000+00:00', '2026-01-01 00:00:00.000000+00:00')"
                    if engine.dialect.name == "sqlite"
                    else f"INSERT INTO jobs ({columns}) VALUES (:key, 's1', CAST(:name AS text), 'user', 'user', 'X', "
                    """'failed', 'BAD', 'r', :started_us, :name, '{"row": {"id": "' || :name || '"}}', 'old.py', """
                    "now(), now())"
                ),
                values,
            )
    await engine.dispose()
    opened = await Store.open(database)
    try:
        assert await ids(opened, "OLD.PY") == [f"j{number}" for number in reversed(range(8))]
        assert await ids(opened, "OLD.PY", limit=5) == [f"j{number}" for number in reversed(range(3, 8))]
        assert await opened.delete_job("s1/j7") is True
        assert await ids(opened, "OLD.PY", limit=2) == ["j6", "j5"]
    finally:
        await opened.close()


async def test_an_ordinary_owner_of_a_database_has_the_index(postgresql: PostgreSQL) -> None:
    postgresql.execute("CREATE ROLE ordinary LOGIN NOSUPERUSER PASSWORD 'of-the-tests'")
    postgresql.execute("CREATE DATABASE ordinary OWNER ordinary")
    url = postgresql.url("ordinary").replace(f"seedcore:{postgresql.password}", "ordinary:of-the-tests")
    store = await Store.open(url)
    try:
        await store.save_jobs("s1", [record(f"j{n}", began_s=n, searchable=NEW if n else OLD) for n in range(5)])
        assert await ids(store, "old.py") == ["j0"]
    finally:
        await store.close()
        postgresql.execute("DROP DATABASE ordinary")
        postgresql.execute("DROP ROLE ordinary")


HOSTILE = [
    '"',
    '""""',
    'a" OR text:b*',
    "old* NOT new",
    "NEAR(a b, 2)",
    "{text}: ^x",
    "%_%",
    "\\'); DROP TABLE jobs; --",
    "-- x",
    "AND AND",
    "   ",
    "()()",
    "a\nb\nc",
    "x" * 200,
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_text_is_data(store: Store, text: str) -> None:
    jobs = [record("a", searchable=f"before {text} after"), record("b", searchable="old new a b"), record("c")]
    await store.save_jobs("s1", jobs)
    assert await ids(store, text) == ["a"]


@pytest.mark.parametrize("text", ["a\0b", "abc\ud800"])
async def test_what_no_text_can_have_is_refused(store: Store, text: str) -> None:
    with pytest.raises(InvalidInput, match="text contains a"):
        await ids(store, text)


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("Grüße aus", "GRÜSSE"),
        ("你好世界", "你好世"),
        ("你好世界", "世界"),
        ("你好世界", "好"),
        ("\U0001f600\U0001f601\U0001f602!", "\U0001f601\U0001f602!"),
        ("e\u0301te\u0301s", "ÉTÉS"),
        ("İstanbul", "İSTANBUL"),
        ("aaaa", "aaa"),
        ("ab", "ab"),
        ("x", "X"),
    ],
)
async def test_it_is_folded_on_both_sides(store: Store, stored: str, asked: str) -> None:
    await store.save_jobs("s1", [record("a", searchable=stored), record("b", searchable="nothing of it")])
    assert [id for id in await ids(store, asked) if not id.startswith("n")] == ["a"]


async def test_it_finds_what_reading_all_would_find(store: Store) -> None:
    """Random texts, places, filters and pages, against the plain meaning of the question."""
    chance = random.Random(7)

    def words(longest: int) -> str:
        return "".join(chance.choices('abA "é%', k=chance.randint(1, longest)))

    jobs: dict[str, Json] = {}

    async def write(count: int) -> None:
        for _ in range(count):
            id = f"j{chance.randrange(150)}"
            # Many in one second, and at one time; some never began.
            began = {"started_us": -1} if chance.random() < 0.1 else {"began_s": chance.choice((0, 0.5, 1, 61, 3_600))}
            facets = {"kind": chance.choice(("user", "nightly", "tool")), "verdict": chance.choice(("OK", "BAD"))}
            jobs[id] = record(id, searchable=words(12), **began, **facets)
            await store.save_jobs("s1", [jobs[id]])

    def wanted(asked: Json) -> list[str]:
        found = [
            each
            for each in jobs.values()
            if fold(asked["text"]) in fold(each["searchable"])
            and (not asked["kinds"] or each["kind"] in asked["kinds"])
            and (not asked["verdicts"] or each["verdict"] in asked["verdicts"])
            and (asked["since_us"] is None or each["started_us"] >= asked["since_us"])
            and (asked["until_us"] is None or 0 <= each["started_us"] < asked["until_us"])
        ]
        return [each["id"] for each in sorted(found, key=lambda job: (job["started_us"], job["name"]), reverse=True)]

    for round in range(12):
        await write(30)
        for id in chance.sample(sorted(jobs), 5 if round % 3 == 2 else 0):
            assert await store.delete_job(f"s1/{id}") is True
            del jobs[id]
        for _ in range(15):
            window = [None if chance.random() < 0.7 else NOON_US + chance.choice((0, 1, 60, 61)) * SECOND_US]
            asked: Json = {
                "text": words(4),
                "kinds": chance.choice(([], [], ["user"], ["nightly", "user"])),
                "verdicts": chance.choice(([], [], ["BAD"], ["OK", "BAD"])),
                "since_us": window[0],
                "until_us": None if chance.random() < 0.7 else NOON_US + chance.choice((1, 61, 5_000)) * SECOND_US,
                "limit": chance.choice((1, 2, 7, 100)),
                "after": None,
            }
            found: list[str] = []
            for _ in itertools.count():
                page = await store.list_jobs(asked)
                found += [each["row"]["id"] for each in page]
                if len(page) < asked["limit"]:
                    break
                asked["after"] = (page[-1]["started_us"], page[-1]["name"])
            assert [id for id in found if not id.startswith("n")] == wanted(asked), asked

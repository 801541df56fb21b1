"""The store keeps its promises on SQLite and on PostgreSQL alike: each test runs on both, on a database of its own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.errors import Conflict, InvalidInput, NotFound
from serve_app.store.engine import create_engine
from serve_app.store.errors import StoreTooNew
from serve_app.store.store import Store
from serve_app.store.tables import metadata
from tests.integration.store.rows import count_failed_runs

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ticking() -> Callable[[], datetime]:
    """A clock that shows one second more each time it is read."""
    seconds = itertools.count()
    return lambda: NOON + timedelta(seconds=next(seconds))


def at(second: int) -> str:
    return f"2026-01-01T12:00:{second:02}.000+00:00"


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    opened = await Store.open(database, now=ticking())
    yield opened
    await opened.close()


@contextlib.asynccontextmanager
async def connected(database: str) -> AsyncIterator[AsyncConnection]:
    """A connection beside the store."""
    engine = create_engine(database)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


class TestAgents:
    async def test_each_claim_raises_the_epoch_and_keeps_the_state(self, store: Store) -> None:
        assert await store.claim_agent("organ_agent_0", "organ", "replica-a") == {"epoch": 1, "state": None}
        state = {"tasks": [1, 2.5, None, "Grüße 你好 \U0001f600"], "nul": "\0", "lone": "\ud800"}
        assert await store.save_agent("organ_agent_0", 1, state) == "saved"
        assert await store.claim_agent("organ_agent_0", "organ", "replica-b") == {"epoch": 2, "state": state}

    async def test_only_the_newest_claim_saves(self, store: Store) -> None:
        await store.claim_agent("a", "organ", "first")
        await store.claim_agent("a", "organ", "second")
        assert await store.save_agent("a", 1, {"by": "first"}) == "fenced"
        assert await store.save_agent("a", 2, {"by": "second"}) == "saved"
        assert await store.save_agent("a", 3, {"by": "nobody yet"}) == "fenced"
        assert await store.save_agent("b", 1, {}) == "missing"
        assert await store.claim_agent("a", "organ", "third") == {"epoch": 3, "state": {"by": "second"}}

    async def test_many_claims_at_once_get_epochs_of_their_own(self, store: Store) -> None:
        claims = await asyncio.gather(*(store.claim_agent("a", "organ", f"replica-{n}") for n in range(20)))
        assert sorted(claim["epoch"] for claim in claims) == list(range(1, 21))

    async def test_two_replicas_never_both_write(self, store: Store, database: str) -> None:
        """The loser writes on from a connection pool of its own while the winner claims and writes."""
        other = await Store.open(database)
        try:
            old = (await store.claim_agent("a", "organ", "old"))["epoch"]
            claimed = asyncio.Event()
            log: list[tuple[bool, str, str]] = []

            async def save(who: Store, name: str, epoch: int, number: int) -> None:
                after = claimed.is_set()
                log.append((after, name, await who.save_agent("a", epoch, {"by": name, "n": number})))
                await asyncio.sleep(random.random() / 1000)

            async def loser() -> None:
                for number in range(50):
                    await save(store, "old", old, number)

            async def winner() -> None:
                await asyncio.sleep(0.02)
                new = (await other.claim_agent("a", "organ", "new"))["epoch"]
                claimed.set()
                for number in range(50):
                    await save(other, "new", new, number)

            await asyncio.gather(loser(), winner())
            before = {outcome for after, name, outcome in log if name == "old" and not after}
            since = {outcome for after, name, outcome in log if name == "old" and after}
            assert {outcome for _, name, outcome in log if name == "new"} == {"saved"}
            assert before <= {"saved", "fenced"}
            assert since == {"fenced"}
            assert (await store.claim_agent("a", "organ", "third"))["state"] == {"by": "new", "n": 49}
        finally:
            await other.close()

    async def test_a_state_is_bounded(self, store: Store) -> None:
        await store.claim_agent("a", "organ", "r")
        assert await store.save_agent("a", 1, {"k": "x" * (65_536 - len('{"k":""}'))}) == "saved"
        with pytest.raises(InvalidInput, match="state takes 65537 bytes as JSON, the limit is 65536"):
            await store.save_agent("a", 1, {"k": "x" * (65_537 - len('{"k":""}'))})


SEARCHES: list[tuple[str, list[str], list[str]]] = [
    ("", [], ["wild", "deep", "street", "plain"]),  # newest first
    ("PLAIN", [], ["plain"]),  # keys, whatever the case
    ("HELLO wor", [], ["plain"]),
    ("strasse", [], ["street"]),  # case folding beyond ASCII
    ("ÉCOLE", [], ["street"]),  # an accent composed or not
    ("100%", [], ["wild"]),  # wildcards of LIKE are characters
    ("%", [], ["wild"]),
    ("0_", [], ["wild"]),
    ("_", [], ["wild"]),
    ("a\\b", [], ["wild"]),
    ("*", [], []),
    ("inner name", [], ["deep"]),  # names inside values
    ("42", [], ["deep"]),
    ('say "hi"', [], ["deep"]),  # words, not their JSON
    ("nothing like this", [], []),
    ("", ["red"], ["deep", "plain"]),
    ("", ["blue", "red"], ["deep"]),  # all the tags
    ("", ["re"], []),  # whole tags
    ("", ["Red"], ["wild"]),
    ("hello", ["red"], ["plain"]),
    ("hello", ["blue"], []),
]

REFUSED: list[tuple[str, Any, Any, str]] = [
    ("", 1, [], "key must have 1 to 256 characters, it has 0."),
    ("k" * 257, 1, [], "key must have 1 to 256 characters, it has 257."),
    ("a\0b", 1, [], "key contains a NUL character."),
    ("\ud800", 1, [], "key contains a lone surrogate, which is no character."),
    ("k", "x" * 262_143, [], "value takes 262145 bytes as JSON, the limit is 262144."),
    ("k", "é" * 131_072, [], "value takes 262146 bytes as JSON, the limit is 262144."),
    ("k", ["\0"], [], "value contains a NUL character."),
    ("k", {"\0": 1}, [], "value contains a NUL character."),
    ("k", "\udfff", [], "value contains a lone surrogate, which is no character."),
    ("k", float("nan"), [], "value is not JSON: it holds a number or an object that JSON does not know."),
    ("k", 1, ["a\nb"], "a tag must have 1 to 64 printable characters."),
    ("k", 1, ["a\0"], "a tag must have 1 to 64 printable characters."),
    ("k", 1, [""], "a tag must have 1 to 64 printable characters."),
    ("k", 1, ["t" * 65], "a tag must have 1 to 64 printable characters."),
    ("k", 1, "tag", "tags must be a list of at most 32 tags."),
    ("k", 1, [str(n) for n in range(33)], "tags must be a list of at most 32 tags."),
]


class TestMemories:
    async def test_put_get_and_replace(self, store: Store) -> None:
        value = {"text": "Grüße 你好 \U0001f600", "list": [1, 1.5, True, None], "quote": 'a "b" \\ c\n'}
        assert await store.put_memory("k", value, ["x", "y", "x"], "agent") == {
            "key": "k",
            "created": True,
            "updated_at": at(0),
        }
        assert await store.put_memory("k", [value], [], None) == {"key": "k", "created": False, "updated_at": at(1)}
        assert await store.get_memory("k") == {
            "key": "k",
            "value": [value],
            "tags": [],
            "agent_id": None,
            "revision": 2,
            "created_at": at(0),
            "updated_at": at(1),
        }
        assert await store.get_memory("K") is None

    async def test_every_json_value_comes_back(self, store: Store) -> None:
        values = [None, False, 0, "", [], {}, 12345678901234567890123, 1e-300, 2.0, "a" * 200_000, "☃", [[{"a": None}]]]
        for number, value in enumerate(values):
            await store.put_memory(str(number), value, [], None)
        memories = [await store.get_memory(str(number)) for number in range(len(values))]
        assert [(type(memory["value"]), memory["value"]) for memory in memories if memory] == [
            (type(value), value) for value in values
        ]

    async def test_puts_of_one_key_at_once_create_it_once(self, store: Store) -> None:
        puts = await asyncio.gather(*(store.put_memory("k", n, [], None) for n in range(20)))
        assert sorted(put["created"] for put in puts) == [False] * 19 + [True]
        memory = await store.get_memory("k")
        assert memory is not None
        assert memory["revision"] == 20

    async def test_search(self, store: Store) -> None:
        await store.put_memory("plain", "Hello World", ["red"], None)
        await store.put_memory("street", ["Königstraße", "e\u0301cole"], [], None)
        await store.put_memory("deep", {"inner name": {"n": [42, 'say "hi"']}}, ["red", "blue"], None)
        await store.put_memory("wild", "100%0_ a\\b", ["Red", "reddish"], None)
        answers = [await store.search_memory(query, tags, 10) for query, tags, _ in SEARCHES]
        found = [
            (query, tags, [item["key"] for item in answer["items"]])
            for (query, tags, _), answer in zip(SEARCHES, answers, strict=True)
        ]
        assert found == SEARCHES
        assert [answer["total"] for answer in answers] == [len(keys) for _, _, keys in SEARCHES]

    async def test_search_is_a_page_of_whole_memories(self, store: Store) -> None:
        for number in range(5):
            await store.put_memory(f"k{number}", number, ["t"], "agent")
        assert await store.search_memory("k", ["t"], 2) == {
            "items": [
                {
                    "key": f"k{n}",
                    "value": n,
                    "tags": ["t"],
                    "agent_id": "agent",
                    "revision": 1,
                    "created_at": at(n),
                    "updated_at": at(n),
                }
                for n in (4, 3)
            ],
            "total": 5,
        }

    async def test_an_answer_is_bounded(self, store: Store) -> None:
        for number in range(20):
            await store.put_memory(f"k{number}", "x" * 262_000, [], None)
        found = await store.search_memory("", [], 500)
        assert (len(found["items"]), found["total"]) == (16, 20)

    async def test_what_is_refused(self, store: Store) -> None:
        said = []
        for key, value, tags, _ in REFUSED:
            with pytest.raises(InvalidInput) as refused:
                await store.put_memory(key, value, tags, None)
            said.append(refused.value.detail)
        assert said == [sentence for *_, sentence in REFUSED]
        assert (await store.search_memory("", [], 1))["total"] == 0

    async def test_lists_have_a_limit(self, store: Store) -> None:
        for limit in (0, 501, -1):
            with pytest.raises(InvalidInput, match="limit must be 1 to 500"):
                await store.search_memory("", [], limit)

    async def test_a_query_cannot_be_long_or_hold_nul(self, store: Store) -> None:
        with pytest.raises(InvalidInput, match="query must have at most 1000 characters"):
            await store.search_memory("x" * 1001, [], 1)
        with pytest.raises(InvalidInput, match="query contains a NUL"):
            await store.search_memory("\0", [], 1)


TEST = {"skill": "organ.probe", "success": True, "duration_s": 0.01}


def step(submission_id: str, second: int) -> dict[str, Any]:
    return {"submission_id": submission_id, "agent_ids": ["o_agent_0"], "self_test": TEST, "done_at": at(second)}


class TestInitializations:
    async def test_a_run_from_begin_to_end(self, store: Store) -> None:
        assert await store.latest_initialization() is None
        assert await store.begin_initialization("run-1", "hash") == {"state": "fresh", "steps": {}}
        await store.record_initialization_step("run-1", "hash", "o", ["o_agent_0"], TEST)
        await store.finish_initialization("run-1", True, "All organs answer.")
        recorded = {
            "submission_id": "run-1",
            "config_hash": "hash",
            "state": "succeeded",
            "sentence": "All organs answer.",
            "started_at": at(0),
            "ended_at": at(2),
            "steps": {"o": step("run-1", 1)},
        }
        assert await store.latest_initialization() == recorded
        assert await store.latest_initialization("hash") == recorded
        assert await store.latest_initialization("other") is None

    async def test_twice_is_once(self, store: Store) -> None:
        await store.begin_initialization("run-1", "hash")
        for _ in range(2):
            await store.record_initialization_step("run-1", "hash", "o", ["o_agent_0"], TEST)
        assert await store.begin_initialization("run-1", "hash") == {"state": "same", "steps": {"o": step("run-1", 2)}}
        for _ in range(2):
            await store.finish_initialization("run-1", True, "Done.")
        again = {"state": "already_succeeded", "steps": {"o": step("run-1", 2)}}
        assert await store.begin_initialization("run-1", "hash") == again
        assert await store.begin_initialization("run-2", "hash") == again
        latest = await store.latest_initialization()
        assert latest is not None
        assert latest["submission_id"] == "run-1"

    async def test_a_killed_run_is_completed_by_the_next(self, store: Store) -> None:
        await store.begin_initialization("run-1", "hash")
        await store.record_initialization_step("run-1", "hash", "o", ["o_agent_0"], TEST)
        resumed = {"state": "resumed", "steps": {"o": step("run-1", 1)}}
        assert await store.begin_initialization("run-2", "hash") == resumed
        # the first one was only slow: it can do nothing more
        with pytest.raises(Conflict, match="run-1 is not the running initialization of hash"):
            await store.record_initialization_step("run-1", "hash", "p", [], TEST)
        with pytest.raises(Conflict, match=r"run-1 has ended already: failed \(superseded by run-2\)"):
            await store.finish_initialization("run-1", True, "Done.")
        with pytest.raises(Conflict, match=r"run-1 has ended already: failed \(superseded by run-2\)"):
            await store.begin_initialization("run-1", "hash")
        await store.finish_initialization("run-1", False, "Something else.")
        await store.finish_initialization("run-2", True, "Done.")
        assert await count_failed_runs(store, "hash") == 0

    async def test_force_forgets_what_was_done(self, store: Store) -> None:
        await store.begin_initialization("run-1", "hash")
        await store.record_initialization_step("run-1", "hash", "o", ["o_agent_0"], TEST)
        await store.finish_initialization("run-1", True, "Done.")
        assert await store.begin_initialization("run-2", "hash", True) == {"state": "fresh", "steps": {}}
        await store.finish_initialization("run-2", False, "o: no agent answered")
        # what counts is the latest run, not that some run once succeeded
        assert await store.begin_initialization("run-3", "hash") == {"state": "fresh", "steps": {}}

    async def test_another_configuration_is_another_matter(self, store: Store) -> None:
        await store.begin_initialization("run-1", "old")
        await store.record_initialization_step("run-1", "old", "o", ["o_agent_0"], TEST)
        assert await store.begin_initialization("run-2", "new") == {"state": "fresh", "steps": {}}
        with pytest.raises(Conflict, match="run-1 began for another configuration"):
            await store.begin_initialization("run-1", "new")
        await store.finish_initialization("run-1", True, "Done.")

    async def test_failures_are_counted_since_the_last_success(self, store: Store) -> None:
        counts = []
        for number, succeeded in enumerate([False, False, True, False]):
            await store.begin_initialization(f"run-{number}", "hash", True)
            await store.finish_initialization(f"run-{number}", succeeded, "Said so.")
            counts.append(await count_failed_runs(store, "hash"))
        assert counts == [1, 2, 0, 1]
        assert await count_failed_runs(store, "other") == 0

    async def test_runs_that_begin_at_once_leave_one_open(self, store: Store, database: str) -> None:
        other = await Store.open(database)
        begins = [each.begin_initialization(f"run-{n}-{n % 2}", "hash") for n, each in enumerate([store, other] * 20)]
        assert {begun["state"] for begun in await asyncio.gather(*begins)} == {"fresh"}
        assert await count_failed_runs(store, "hash") == 39
        await other.close()

    async def test_an_outcome_is_recorded_whatever_its_words(self, store: Store) -> None:
        with pytest.raises(NotFound, match="No initialization run-1 has begun"):
            await store.finish_initialization("run-1", True, "Done.")
        await store.begin_initialization("run-1", "hash")
        await store.finish_initialization("run-1", False, "\0\ud800" + "x" * 5000)
        latest = await store.latest_initialization()
        assert latest is not None
        assert latest["sentence"] == "\N{REPLACEMENT CHARACTER}?" + "x" * 3998


def _is_no_search_index(name: str | None, *_: Any) -> bool:
    """What each database has of its own, and SQLAlchemy no words for; test_job_search.py tests what it does."""
    return name not in ("job_places", "ix_jobs_search") and not str(name).startswith("job_search")


class TestMigrations:
    async def test_revisions_make_the_tables_of_the_code(self, store: Store, database: str) -> None:
        async with connected(database) as connection:
            differences = await connection.run_sync(
                lambda sync: compare_metadata(
                    MigrationContext.configure(sync, opts={"compare_type": True, "include_name": _is_no_search_index}),
                    metadata,
                )
            )
        assert differences == []

    async def test_no_name_sorts_by_a_locale(self, store: Store, database: str) -> None:
        """What Alembic does not compare: the collations of PostgreSQL."""
        if database.startswith("sqlite"):
            return
        async with connected(database) as connection:
            rows = await connection.exec_driver_sql(
                "SELECT table_name, column_name FROM information_schema.columns "
                "WHERE table_schema = 'public' AND collation_name = 'C'"
            )
            found = {(table, column) for table, column in rows}
            assert found == {
                (table.name, column.name)
                for table in metadata.tables.values()
                for column in table.columns
                if getattr(column.type.dialect_impl(connection.dialect), "collation", None) == "C"
            }
            assert ("memories", "key") in found

    async def test_opening_again_changes_nothing(self, store: Store, database: str) -> None:
        await store.put_memory("k", 1, [], None)
        again = await Store.open(database)
        assert await again.get_memory("k") == await store.get_memory("k")
        await again.close()

    async def test_a_newer_database_is_refused_and_left_alone(self, store: Store, database: str) -> None:
        async with connected(database) as connection:
            await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
            await connection.commit()
        with pytest.raises(StoreTooNew, match="The database is at revision 9999, which this version does not know"):
            await Store.open(database)
        async with connected(database) as connection:
            assert (await connection.exec_driver_sql("SELECT version_num FROM alembic_version")).scalar() == "9999"


async def test_ping(store: Store, database: str) -> None:
    answer = await store.ping()
    assert answer == {"backend": database.split(":")[0], "latency_s": answer["latency_s"]}
    assert 0 < answer["latency_s"] < 5


async def test_a_time_without_a_zone_is_refused(database: str) -> None:
    store = await Store.open(database, now=lambda: datetime(2026, 1, 1))
    with pytest.raises(Exception, match="a time without a zone cannot be stored"):
        await store.ping()
    await store.close()


async def test_every_zone_is_one_time(database: str) -> None:
    east = datetime.fromisoformat("2026-01-01T14:00:00.000001+02:00")
    store = await Store.open(database, now=lambda: east)
    assert (await store.put_memory("k", 1, [], None))["updated_at"] == "2026-01-01T12:00:00.000+00:00"
    memory = await store.get_memory("k")
    assert memory is not None
    assert memory["updated_at"] == "2026-01-01T12:00:00.000+00:00"
    await store.close()


def sample(label: str, width_s: int, starts_at: int, value: Any = 1) -> dict[str, Any]:
    return {"series": "node", "label": label, "width_s": width_s, "starts_at": starts_at, "payload": {"x": value}}


class TestSamples:
    NOON_S = int(NOON.timestamp())

    async def test_what_is_saved_is_replaced_and_loaded_in_pages(self, store: Store) -> None:
        rows = [sample(f"n{number:04}", 60, self.NOON_S) for number in range(1000)]
        await store.save_samples(rows)
        await store.save_samples([sample("n0000", 1800, self.NOON_S), sample("n0001", 60, self.NOON_S, 2)])
        first = await store.load_samples(self.NOON_S)
        second = await store.load_samples(self.NOON_S, first["next"])
        assert (len(first["items"]), len(second["items"]), second["next"]) == (1000, 1, None)
        wanted = [rows[0], sample("n0000", 1800, self.NOON_S), sample("n0001", 60, self.NOON_S, 2), *rows[2:]]
        assert first["items"] + second["items"] == wanted
        assert await store.load_samples(self.NOON_S + 1) == {"items": [], "next": None}

    async def test_the_last_of_the_same_bucket_counts(self, store: Store) -> None:
        await store.save_samples([sample("a", 60, self.NOON_S, 1), sample("a", 60, self.NOON_S, 2)])
        assert (await store.load_samples(0))["items"] == [sample("a", 60, self.NOON_S, 2)]
        await store.save_samples([])

    async def test_what_is_too_old_goes(self, store: Store) -> None:
        hours = (0, 2, 4, 7 * 24, 9 * 24)
        rows = [sample("a", width_s, self.NOON_S - hour * 3600) for hour in hours for width_s in (60, 1800)]
        await store.save_samples(rows)
        found = {(row["width_s"], (self.NOON_S - row["starts_at"]) // 3600) for row in await self.every(store)}
        assert found == {(60, 0), (60, 2), (1800, 0), (1800, 2), (1800, 4), (1800, 168)}

    async def test_what_is_no_sample(self, store: Store) -> None:
        good = sample("a", 60, self.NOON_S)
        for bad in (
            [good] * 1001,
            [{**good, "label": ""}],
            [{**good, "width_s": 0}],
            [{**good, "width_s": "60"}],
            [{**good, "starts_at": "noon"}],
            [{**good, "starts_at": 1e30}],
            [{**good, "payload": float("nan")}],
            [{**good, "payload": "x" * 20_000}],
        ):
            with pytest.raises(InvalidInput):
                await store.save_samples([good, *bad])
        with pytest.raises(InvalidInput):
            await store.load_samples(0, ["node"])
        assert await self.every(store) == []

    async def every(self, store: Store) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await store.load_samples(0))["items"]
        return items

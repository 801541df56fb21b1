"""Pages over memory and store together: every job once, in order, and each as it is now."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from serve_app.errors import Unavailable
from serve_app.jobs import views
from serve_app.jobs.archive import Archive
from serve_app.jobs.judge import judge, sort_key
from serve_app.jobs.models import JobRow, Outcome, Verdict
from serve_app.jobs.query import JobQuery
from tests.unit.jobs.test_judge import snapshot, submission

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def rows(count: int, session: str = "s1") -> list[JobRow]:
    jobs = [submission(f"j{number:03}", "SUCCEEDED", began=1_000 - number // 2) for number in range(count)]
    return [replace(row, session=session) for row in judge(snapshot(*jobs), NOW)]


class Store:
    """Rows as a store answers them, filtered and in order as SQL would."""

    def __init__(self, stored: Sequence[JobRow]) -> None:
        self.stored = stored
        self.away = False
        self.codes: dict[str, str] = {}
        self.excerpt: str | None = None

    async def list_jobs(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        if self.away:
            raise Unavailable("The store is unavailable: its disk is full.")
        query = JobQuery(
            kinds=frozenset(asked["kinds"]),
            outcomes=frozenset(asked["outcomes"]),
            verdicts=frozenset(asked["verdicts"]),
        )
        found = [row for row in self.stored if query.matches(row)]
        found = [row for row in found if asked["after"] is None or sort_key(row) < tuple(asked["after"])]
        found.sort(key=sort_key, reverse=True)
        return [
            {
                "key": row.key,
                "started_us": sort_key(row)[0],
                "name": sort_key(row)[1],
                "row": {**views.row_view(row), "code": self.codes.get(row.key)},
            }
            for row in found[: asked["limit"]]
        ]

    async def find_job(self, wanted: str, session: str | None) -> dict[str, Any] | None:
        same = [row for row in self.stored if row.id == wanted and session in (None, row.session)]
        return {"key": same[0].key, "log_excerpt": self.excerpt} if same else None

    async def job_transitions(self, key: str) -> list[dict[str, Any]]:
        return []

    async def jobs_ended_since(self, since_us: int, counts_only: bool) -> dict[str, Any]:
        if self.away:
            raise Unavailable("The store is unavailable: its disk is full.")
        return {"counts": [], "durations": [], "causes": []}

    async def delete_job(self, key: str) -> bool:
        return True


async def every(archive: Archive, memory: list[JobRow], unwritten: dict[str, JobRow], **asked: Any) -> list[Any]:
    by_key, cursor, found = {row.key: row for row in memory}, None, []
    for _ in range(200):
        query = JobQuery.parse({**asked, **({"cursor": cursor} if cursor else {})})
        items, cursor, missing = await archive.page(query, memory, by_key, unwritten)
        assert missing == []
        found += items
        if cursor is None:
            return found
    raise AssertionError("pages without end")


@pytest.mark.parametrize("seed", range(40))
async def test_pages_cover_memory_and_store_exactly_once(seed: int) -> None:
    chance = random.Random(seed)
    past, present = rows(chance.randrange(30), "s0"), rows(chance.randrange(1, 40))
    now = [_changed(row, chance) for row in present]
    memory = sorted(chance.sample(now, chance.randrange(1, len(now) + 1)), key=sort_key, reverse=True)
    in_memory = {row.key for row in memory}
    # What the store has is an older word, or none at all; what is only there is as it was.
    stored = [row for row in present if row.key not in in_memory or chance.random() < 0.7]
    unwritten = {row.key: row for row in memory if row not in stored}
    wanted = {row.key: row for row in (*past, *present, *memory)}
    archive, limit = Archive(Store([*past, *stored])), chance.randrange(1, 9)
    found = await every(archive, memory, unwritten, limit=limit)
    assert found == [views.row_view(row) for row in sorted(wanted.values(), key=sort_key, reverse=True)]
    bad = [row for row in wanted.values() if row.verdict is Verdict.BAD]
    found = await every(archive, memory, unwritten, limit=limit, verdict="BAD")
    assert found == [views.row_view(row) for row in sorted(bad, key=sort_key, reverse=True)]


def _changed(row: JobRow, chance: random.Random) -> JobRow:
    if chance.random() < 0.5:
        return row
    return replace(row, outcome=Outcome.FAILED, verdict=Verdict.BAD, rule="failed")


async def test_without_the_store_memory_answers_and_says_so() -> None:
    memory, store = rows(3), Store([])
    store.away = True
    archive = Archive(store)
    items, cursor, missing = await archive.page(JobQuery(limit=2), memory, {}, {})
    assert [item["id"] for item in items] == ["j002", "j001"]
    assert missing == ["history: The store is unavailable: its disk is full."]
    rest, _, _ = await archive.page(JobQuery.parse({"cursor": cursor}), memory, {}, {})
    assert [item["id"] for item in rest] == ["j000"]
    ended, missing = await archive.ended_since(NOW - timedelta(hours=1), memory)
    assert (ended["counts"], len(missing)) == ([["user", "succeeded", "OK", 3]], 1)


@pytest.mark.parametrize(
    ("wanted", "key"),
    [("j000", "s0/j000"), ("j000@s0", "s0/j000"), ("j000@s9", None), ("none", None), ("@s0", None), ("j000@", None)],
)
async def test_a_job_by_id_or_by_id_and_session(wanted: str, key: str | None) -> None:
    found = await Archive(Store(rows(1, "s0"))).find(wanted)
    assert (found and found["key"]) == key
    assert await Archive(None).find(wanted) is None


async def test_the_code_that_is_kept_stays_where_memory_has_newer_word() -> None:
    memory, store = rows(1), Store(rows(1))
    store.codes = {memory[0].key: "app.exception"}
    items, _, _ = await Archive(store).page(JobQuery(limit=2), memory, {row.key: row for row in memory}, {})
    assert [item["code"] for item in items] == ["app.exception"]


async def test_the_end_of_a_log_that_was_kept() -> None:
    (row,) = rows(1, "s0")
    store = Store([row])
    store.excerpt = "the end"
    assert await Archive(store).kept_log(row) == "the end"
    assert await Archive(Store([])).kept_log(row) is None
    assert await Archive(None).kept_log(row) is None

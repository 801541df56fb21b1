"""Pages that are made of the store and of what it does not have yet."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.jobs.archive import Archive
from serve_app.jobs.judge import judge
from serve_app.jobs.models import JobFacts, JobRow
from serve_app.jobs.query import JobQuery
from serve_app.jobs.records import record_of
from tests.unit.jobs.test_judge import NOW, snapshot, submission


class Shelf:
    """Stored rows; the filters of SQL are those of ``JobQuery`` here."""

    def __init__(self, rows: list[JobRow]) -> None:
        self.records = [record_of(row) for row in rows]
        self.asked: list[tuple[str, str | None]] = []

    async def find_job(self, wanted: str, session: str | None) -> None:
        self.asked.append((wanted, session))

    async def list_jobs(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        after, statuses = asked["after"], asked["statuses"]
        found = [
            {"key": each["key"], "started_us": each["started_us"], "name": each["name"], "row": each["content"]["row"]}
            for each in self.records
            if (after is None or (each["started_us"], each["name"]) < tuple(after))
            and (not statuses or each["status"] in statuses)
        ]
        return sorted(found, key=lambda each: (each["started_us"], each["name"]), reverse=True)[: asked["limit"]]


def rows_of(*jobs: JobFacts) -> list[JobRow]:
    return judge(snapshot(*jobs), NOW)


async def pages(stored: list[JobRow], unwritten: list[JobRow], query: dict[str, Any]) -> list[list[str]]:
    """All pages by the ids on them, as a client gets them who follows the cursors."""
    archive = Archive(Shelf(stored))  # type: ignore[arg-type]
    memory = {row.key: row for row in (*stored, *unwritten)}
    found: list[list[str]] = []
    cursor: str | None = None
    for _ in range(20):
        asked = JobQuery.parse({**query, "cursor": cursor})
        fresher = {row.key: row for row in unwritten}
        items, cursor, missing = await archive.page(asked, list(memory.values()), memory, fresher)
        assert missing == []
        found.append([item["id"] for item in items])
        if cursor is None:
            return found
    raise AssertionError("the pages have no end")


async def test_pages_hold_every_job_once() -> None:
    stored = rows_of(*(submission(f"j{number}", "SUCCEEDED", began=10 + number) for number in range(7)))
    assert await pages(stored, [], {"limit": 2}) == [["j0", "j1"], ["j2", "j3"], ["j4", "j5"], ["j6"]]
    assert await pages(stored, [], {"limit": 7}) == [["j0", "j1", "j2", "j3", "j4", "j5", "j6"]]


async def test_what_is_not_written_yet_is_in_its_place() -> None:
    stored = rows_of(*(submission(f"j{number}", "SUCCEEDED", began=10 + 2 * number) for number in range(4)))
    new = rows_of(*(submission(f"n{number}", "SUCCEEDED", began=11 + 2 * number) for number in range(4)))
    assert await pages(stored, new, {"limit": 3}) == [["j0", "n0", "j1"], ["n1", "j2", "n2"], ["j3", "n3"]]


async def test_what_changed_since_it_was_written_is_shown_once_as_it_is_now() -> None:
    stored = rows_of(submission("a", "RUNNING", began=10), submission("b", "PENDING", started_at=None))
    now = rows_of(submission("a", "FAILED", began=10), submission("b", "RUNNING", began=5))
    assert await pages(stored, now, {}) == [["b", "a"]]
    assert await pages(stored, now, {"limit": 1}) == [["b"], ["a"], []]
    assert await pages(stored, now, {"status": "RUNNING"}) == [["b"]]
    assert await pages(stored, now, {"status": "FAILED"}) == [["a"]]


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        ("a", [("a", None)]),
        ("a@s", [("a", "s"), ("a@s", None)]),
        ("a@", [("a@", None)]),
        ("@s", [("@s", None)]),
        ("", []),
        ("x" * 257, []),
        ("a\0b", []),
        ("a\ud800", []),
    ],
)
async def test_what_can_be_no_job_is_none(wanted: str, asked: list[tuple[str, str | None]]) -> None:
    shelf = Shelf([])
    assert await Archive(shelf).find(wanted) is None  # type: ignore[arg-type]
    assert shelf.asked == asked

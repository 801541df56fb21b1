"""Pages over store and memory together, and what is told when the store does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.errors import Unavailable
from serve_app.jobs import views
from serve_app.jobs.history import figures
from serve_app.jobs.history.archive import Archive, JobFilter
from serve_app.jobs.history.recorder import build_record
from serve_app.jobs.judging.judge import get_sort_key, judge
from serve_app.jobs.models import Evidence, JobRow, Verdict
from serve_app.jobs.motion import Motion
from serve_app.outcomes import JobOutcome
from serve_app.store.jobs import rows
from serve_app.store.store import Store as KeptStore
from tests.unit.jobs.judging.motion.test_circle_rules import CIRCLE
from tests.unit.jobs.judging.test_judge import NOW, ago, snapshot, submission

Json = dict[str, Any]
DOWN = Unavailable("The store does not answer.")
HISTORY_DOWN = ["history: The store does not answer."]


class Store:
    """The store's page, found and counted as ``store.jobs`` does, from records in a list."""

    def __init__(self, rows: Iterable[JobRow], failure: Exception | None = None) -> None:
        self.records = [build_record(row) for row in rows]
        self.failure = failure
        self.asked: list[Any] = []
        self.excerpt: str | None = None

    async def list_jobs(self, asked: Json) -> list[Json]:
        self._answer(asked)
        filters = {"kinds": "kind", "statuses": "status", "outcomes": "outcome", "verdicts": "verdict"}
        found = [
            record
            for record in self.records
            if all(not asked[name] or record[column] in asked[name] for name, column in filters.items())
            and (asked["since_us"] is None or record["started_us"] >= asked["since_us"])
            and (asked["until_us"] is None or 0 <= record["started_us"] < asked["until_us"])
            and asked["text"] in record["searchable"].casefold()
            and (asked["after"] is None or (record["started_us"], record["name"]) < tuple(asked["after"]))
        ]
        found.sort(key=lambda record: (record["started_us"], record["name"]), reverse=True)
        names = ("key", "started_us", "name")
        return [
            {
                **{name: record[name] for name in names},
                "row": record["content"]["row"],
                "circled": any(each["rule"] == "circle" for each in record["content"]["evidence"]),
            }
            for record in found[: asked["limit"]]
        ]

    async def find_run(self, id: str, started_ms: int) -> Json | None:
        self._answer((id, started_ms))
        for record in self.records:
            if record["id"] == id and record["started_us"] // 1000 == started_ms:
                return {"key": record["key"], "log_excerpt": self.excerpt}
        return None

    async def find_job(self, wanted: str, session: str | None = None) -> Json | None:
        self._answer((wanted, session))
        for record in self.records:
            if record["id"] == wanted and session in (None, record["session"]):
                return {"key": record["key"], "log_excerpt": self.excerpt, **record["content"]}
        return None

    async def job_transitions(self, key: str) -> list[Json]:
        self._answer(key)
        return [{"at": "then"}]

    async def jobs_ended_since(self, since_us: int, counts_only: bool) -> Json:
        self._answer(since_us)
        return {"counts": [], "durations": [], "causes": []}

    async def delete_job(self, key: str) -> bool:
        self._answer(f"delete {key}")
        return True

    def _answer(self, asked: Any) -> None:
        self.asked.append(asked)
        if self.failure is not None:
            raise self.failure


def row(id: str, *, began: float = 10, session: str = "s1", status: str = "SUCCEEDED", **changes: Any) -> JobRow:
    job = submission(id, status, began=began, took=min(began, 5))
    found = judge(replace(snapshot(job), session=session), NOW)[0]
    return replace(found, **changes)


def page(
    store: Store | None, memory: list[JobRow], unwritten: Iterable[JobRow] = (), **asked: Any
) -> tuple[list[str], str | None, list[str]]:
    """Ids with their outcome, the cursor of the next page, and what is missing."""
    query = JobFilter.parse(asked)
    by_key = {each.key: each for each in memory}
    waiting = {each.key: each for each in unwritten}
    items, cursor, missing = asyncio.run(Archive(store).list_page(query, memory, by_key, waiting))
    return [f"{each['id']} {each['outcome']}" for each in items], cursor, missing


OLD = row("old", began=900, session="s0")
FIRST, SECOND, THIRD = row("first", began=90), row("second", began=60), row("third", began=30)
RUNNING = row("second", began=60, status="RUNNING")
# A run is told by its start; a driver is the same job whenever it began.
MOVED = replace(SECOND, submission_id=None)
ALL = ["third succeeded", "second succeeded", "first succeeded", "old succeeded"]


@pytest.mark.parametrize(
    ("stored", "memory", "unwritten", "asked", "wanted"),
    [
        # What is stored is told, also of earlier sessions.
        ([OLD, FIRST, SECOND, THIRD], [], [], {}, ALL),
        ([OLD, FIRST, SECOND, THIRD], [THIRD, SECOND, FIRST], [], {}, ALL),
        # What is not stored yet is told too.
        ([OLD, FIRST], [THIRD, SECOND, FIRST], [THIRD, SECOND], {}, ALL),
        ([], [THIRD], [THIRD], {}, ["third succeeded"]),
        # Memory has the last word on what the store has of earlier.
        ([OLD, FIRST, RUNNING, THIRD], [THIRD, SECOND, FIRST], [SECOND], {}, ALL),
        ([OLD, FIRST, RUNNING, THIRD], [THIRD, SECOND, FIRST], [], {}, ALL),
        ([RUNNING], [SECOND], [SECOND], {"outcome": "running"}, []),
        ([RUNNING], [SECOND], [SECOND], {"outcome": "succeeded"}, ["second succeeded"]),
        # A row whose start became known later stands at its new place, once.
        ([replace(MOVED, started_at=None), FIRST], [MOVED, FIRST], [MOVED], {}, ALL[1:3]),
        # Filters hold for both.
        ([OLD, FIRST], [SECOND, FIRST], [SECOND], {"q": "second"}, ["second succeeded"]),
        ([OLD, FIRST], [THIRD, FIRST], [THIRD], {"until": ago(30).isoformat()}, ["first succeeded", "old succeeded"]),
        ([OLD, FIRST], [THIRD, FIRST], [THIRD], {"since": ago(30).isoformat()}, ["third succeeded"]),
    ],
)
def test_a_page_is_the_store_with_what_memory_knows_better(
    stored: list[JobRow], memory: list[JobRow], unwritten: list[JobRow], asked: Json, wanted: list[str]
) -> None:
    assert page(Store(stored), memory, unwritten, **asked) == (wanted, None, [])


def pages(stored: list[JobRow], unwritten: list[JobRow], **asked: Any) -> list[list[str]]:
    """All pages by the ids on them, as a client gets them who follows the cursors."""
    memory = sorted({each.key: each for each in (*stored, *unwritten)}.values(), key=get_sort_key, reverse=True)
    found: list[list[str]] = []
    cursor = None
    for _ in range(20):
        items, cursor, missing = page(Store(stored), memory, unwritten, **asked, cursor=cursor)
        assert missing == []
        found.append([item.split()[0] for item in items])
        if cursor is None:
            return found
    raise AssertionError("the pages have no end")


SEVEN = [row(f"j{number}", began=10 + 2 * number) for number in range(7)]
BETWEEN = [row(f"n{number}", began=11 + 2 * number) for number in range(4)]
BEFORE = [row("a", status="RUNNING"), row("b", status="PENDING", submission_id=None, started_at=None)]
AFTER = [row("a", status="FAILED"), row("b", status="RUNNING", submission_id=None, began=5)]


@pytest.mark.parametrize(
    ("stored", "unwritten", "asked", "wanted"),
    [
        (SEVEN, [], {"limit": 2}, [["j0", "j1"], ["j2", "j3"], ["j4", "j5"], ["j6"]]),
        # A page that ends with the list has no next.
        (SEVEN, [], {"limit": 7}, [["j0", "j1", "j2", "j3", "j4", "j5", "j6"]]),
        # What is not written yet is in its place.
        (SEVEN[:4], BETWEEN, {"limit": 3}, [["j0", "n0", "j1"], ["n1", "j2", "n2"], ["j3", "n3"]]),
        # What changed since it was written is shown once, as it is now.
        (BEFORE, AFTER, {}, [["b", "a"]]),
        (BEFORE, AFTER, {"limit": 1}, [["b"], ["a"], []]),
        (BEFORE, AFTER, {"status": "RUNNING"}, [["b"]]),
        (BEFORE, AFTER, {"status": "FAILED"}, [["a"]]),
    ],
)
def test_pages_hold_every_job_once(
    stored: list[JobRow], unwritten: list[JobRow], asked: Json, wanted: list[list[str]]
) -> None:
    assert pages(stored, unwritten, **asked) == wanted


PLACES = st.integers(min_value=0, max_value=6)
# Of each job: when it began, whether the store has it, whether as it was before, and whether memory has it.
JOBS = st.lists(st.tuples(PLACES, st.booleans(), st.booleans(), st.booleans()), max_size=25)


@settings(deadline=None)
@given(JOBS, st.integers(min_value=1, max_value=6), st.booleans())
def test_cursors_over_store_and_memory_cover_every_job_once(
    jobs: list[tuple[int, bool, bool, bool]], limit: int, filtered: bool
) -> None:
    stored, memory, unwritten, wanted = [], [], [], []
    for number, (began, is_stored, is_older, is_in_memory) in enumerate(jobs):
        now, before = (row(f"j{number}", began=10 + began, status=each) for each in ("SUCCEEDED", "RUNNING"))
        older = is_older and is_in_memory
        if is_stored:
            stored.append(before if older else now)
        if is_in_memory or not is_stored:
            memory.append(now)
            if older or not is_stored:
                unwritten.append(now)
        wanted.append(now)
    asked: Json = {"limit": limit, **({"outcome": "succeeded"} if filtered else {})}
    memory.sort(key=get_sort_key, reverse=True)
    found: list[str] = []
    cursor = None
    for _ in range(len(jobs) + 2):
        given = asked if cursor is None else {**asked, "cursor": cursor}
        items, cursor, missing = page(Store(stored), memory, unwritten, **given)
        assert (len(items) <= limit, missing) == (True, [])
        found += items
        if cursor is None:
            break
    assert cursor is None, "the pages end"
    newest = sorted(wanted, key=get_sort_key, reverse=True)
    assert found == [f"{each.id} succeeded" for each in newest]


def test_without_a_store_memory_is_all() -> None:
    assert page(None, [THIRD, SECOND], [THIRD]) == (ALL[:2], None, [])


def test_when_the_store_is_down_memory_answers_and_says_why() -> None:
    store = Store([OLD, FIRST], DOWN)
    assert page(store, [THIRD, SECOND], [THIRD]) == (ALL[:2], None, HISTORY_DOWN)
    items, cursor, _ = page(store, [THIRD, SECOND], limit=1)
    assert (items, page(store, [THIRD, SECOND], limit=1, cursor=cursor)[0]) == (ALL[:1], ALL[1:2])


async def test_what_is_written_while_the_store_is_read_is_told() -> None:
    waiting = {THIRD.key: THIRD}

    class Writing(Store):
        async def list_jobs(self, asked: Json) -> list[Json]:
            found = await super().list_jobs(asked)
            waiting.clear()
            return found

    items, _, _ = await Archive(Writing([FIRST])).list_page(JobFilter(), [THIRD, FIRST], {THIRD.key: THIRD}, waiting)
    assert [each["id"] for each in items] == ["third", "first"]


def test_what_the_store_is_asked_for() -> None:
    store = Store([])
    given = {"kind": "user", "status": "failed", "outcome": "lost", "verdict": "BAD", "q": "X", "limit": 7}
    page(store, [], **given, since=ago(1).isoformat(), until=NOW.isoformat())
    end_us = round(NOW.timestamp() * 1_000_000)
    assert store.asked == [
        {
            "kinds": ["user"],
            "statuses": ["FAILED"],
            "outcomes": ["lost"],
            "verdicts": ["BAD"],
            "since_us": end_us - 1_000_000,
            "until_us": end_us,
            "text": "x",
            "after": None,
            "limit": 8,
        }
    ]


BEGAN_MS = 1000 * int(ago(900).timestamp())
MARKED = row("a@b")
LITERALLY = [("old@2026-01-01T11:45:00.001Z", None)]


@pytest.mark.parametrize(
    ("wanted", "found", "asked"),
    [
        ("old", OLD.key, [("old", None)]),
        ("old@s0", OLD.key, [("old", "s0")]),
        (OLD.run, OLD.key, [("old", BEGAN_MS)]),
        ("old@2026-01-01T12:45:00+01:00", OLD.key, [("old", BEGAN_MS)]),
        (
            "old@2026-01-01T11:45:00.001Z",
            None,
            [("old", BEGAN_MS + 1), ("old", "2026-01-01T11:45:00.001Z"), *LITERALLY],
        ),
        # No time of a zone, so it may be a session.
        ("old@2026-01-01T11:45:00", None, [("old", "2026-01-01T11:45:00"), ("old@2026-01-01T11:45:00", None)]),
        ("old@s1", None, [("old", "s1"), ("old@s1", None)]),
        # An id may hold the mark itself.
        ("a@b", MARKED.key, [("a", "b"), ("a@b", None)]),
        ("a@b@s1", MARKED.key, [("a@b", "s1")]),
        (MARKED.run, MARKED.key, [("a@b", 1000 * int(ago(10).timestamp()))]),
        ("none@", None, [("none@", None)]),
        ("@s0", None, [("@s0", None)]),
        # What can be no id is not asked for.
        ("", None, []),
        ("x" * 601, None, []),
        ("a\0b", None, []),
        ("a\ud800", None, []),
    ],
)
async def test_one_job_by_id_or_by_id_and_session(wanted: str, found: str | None, asked: list[Any]) -> None:
    store = Store([OLD, MARKED])
    answer = await Archive(store).find(wanted)
    assert (None if answer is None else answer["key"], store.asked) == (found, asked)


async def test_a_job_cannot_be_looked_for_in_a_store_that_is_down_or_not_there() -> None:
    with pytest.raises(Unavailable):
        await Archive(Store([], DOWN)).find("old")
    assert await Archive(None).find("old") is None


async def test_a_job_is_let_go_before_it_is_deleted() -> None:
    store = Store([OLD])

    async def let_go(key: str) -> None:
        store.asked.append(f"let go {key}")

    assert await Archive(store, let_go).forget("s0/old") is True
    assert store.asked == ["let go s0/old", "delete s0/old"]
    assert await Archive(None).forget("s0/old") is False


async def test_transitions_are_of_the_store() -> None:
    assert await Archive(Store([])).list_transitions("s1/a") == ([{"at": "then"}], [])
    assert await Archive(Store([], DOWN)).list_transitions("s1/a") == ([], HISTORY_DOWN)
    assert await Archive(None).list_transitions("s1/a") == ([], [])


async def test_figures_are_of_the_store_or_else_of_memory() -> None:
    rows, since = [THIRD, FIRST], ago(100)
    store = Store([])
    assert await Archive(store).count_ended(since, NOW, rows) == ({"counts": [], "durations": [], "causes": []}, [])
    assert store.asked == [round(since.timestamp() * 1_000_000)]
    in_memory = figures.count_ended(rows, since, NOW)
    assert in_memory["counts"] == [["user", "succeeded", "OK", 2]]
    assert await Archive(Store([], DOWN)).count_ended(since, NOW, rows) == (in_memory, HISTORY_DOWN)
    assert await Archive(None).count_ended(since, NOW, rows) == (in_memory, [])


def test_a_stored_row_is_told_as_it_was_stored() -> None:
    past = replace(OLD, outcome=JobOutcome.LOST, verdict=Verdict.WARN, ended_at=OLD.started_at + timedelta(seconds=1))  # type: ignore[operator]
    items, _, _ = asyncio.run(Archive(Store([past])).list_page(JobFilter(), [], {}, {}))
    assert items == [views.render_row(past)]


async def test_the_code_that_is_kept_stays_where_memory_has_newer_word() -> None:
    store = Store([FIRST])
    store.records[0]["content"]["row"]["code"] = "app.exception"
    items, _, _ = await Archive(store).list_page(JobFilter(), [FIRST], {FIRST.key: FIRST}, {})
    assert [item["code"] for item in items] == ["app.exception"]


async def test_what_was_contradicted_stays_when_memory_knows_less() -> None:
    """After a restart Ray may have forgotten the tasks, and the row of the worker table, that told."""
    succeeded, other = judge(snapshot(submission("a", "SUCCEEDED"), submission("b", "SUCCEEDED", began=11)), NOW)
    doubted = replace(succeeded, outcome=JobOutcome.CONTRADICTED, verdict=Verdict.WARN, rule="contradicted-tasks")
    archive = Archive(Store([doubted, other]))
    memory = [succeeded, other]
    by_key = {row.key: row for row in memory}
    for query, wanted in (({}, ["contradicted", "succeeded"]), ({"outcome": "contradicted"}, ["contradicted"])):
        page, _, _ = await archive.list_page(JobFilter.parse(query), memory, by_key, {})
        assert [row["outcome"] for row in page] == wanted
    # Another job that was given its id is another job.
    again = replace(succeeded, started_at=ago(1))
    page, _, _ = await archive.list_page(JobFilter(), [again], {again.key: again}, {again.key: again})
    assert [row["outcome"] for row in page if row["id"] == "a"] == ["succeeded", "contradicted"]


async def test_what_was_contradicted_is_taken_back_when_a_later_driver_made_it_good() -> None:
    (succeeded,) = judge(snapshot(submission("a", "SUCCEEDED")), NOW)
    doubted = replace(succeeded, outcome=JobOutcome.CONTRADICTED, verdict=Verdict.WARN, rule="contradicted-driver")
    repaired = replace(succeeded, evidence=(Evidence("driver-repaired", "worker table", "it crashed"),))
    for kept, told, wanted in (
        (doubted, repaired, "succeeded"),
        (doubted, succeeded, "contradicted"),
        (replace(doubted, rule="contradicted-tasks"), repaired, "contradicted"),
    ):
        page, _, _ = await Archive(Store([kept])).list_page(JobFilter(), [told], {told.key: told}, {})
        assert [each["outcome"] for each in page] == [wanted]
        before = (kept.status, kept.outcome.value, kept.verdict.value, kept.rule)
        assert rows._knows_less(build_record(told), before) is (wanted == "contradicted")


async def test_one_job_is_told_as_lists_tell_it() -> None:
    (succeeded,) = judge(snapshot(submission("a", "SUCCEEDED")), NOW)
    told = (
        Evidence("exit-code-0", "job list", "exit code 0"),
        Evidence("contradicted-tasks", "task table", "3 failed"),
    )
    doubted = replace(
        succeeded, outcome=JobOutcome.CONTRADICTED, verdict=Verdict.WARN, rule="contradicted-tasks", reason="No.",
        action="Look.", code="app.x", evidence=told,
    )  # fmt: skip
    archive = Archive(Store([doubted]))
    assert await archive.restore_judgement(succeeded) == doubted
    assert await archive.restore_judgement(replace(succeeded, outcome=JobOutcome.FAILED)) == doubted
    for other in (
        replace(succeeded, started_at=ago(1)), replace(succeeded, status="FAILED"), replace(succeeded, id="b"),
        replace(succeeded, session="s"), replace(succeeded, outcome=JobOutcome.LOST),
    ):  # fmt: skip
        assert await archive.restore_judgement(other) is other
    for nothing in (Archive(None), Archive(Store([succeeded])), Archive(Store([doubted], DOWN))):
        assert await nothing.restore_judgement(succeeded) is succeeded


def list_circled(**changes: Any) -> tuple[JobRow, JobRow]:
    """A job that was stopped as its end was judged, with what it had done in circles; and after a restart."""
    seen = replace(snapshot(submission("a", "STOPPED", took=5, began=10, job_id=CIRCLE.job_id, **changes)), session="s")
    circled = replace(seen, motions={"a": Motion(NOW, circles=(CIRCLE,))})
    return judge(circled, NOW)[0], judge(seen, NOW)[0]


async def test_what_went_in_circles_before_a_job_ended_outlives_a_restart() -> None:
    kept, forgotten = list_circled()
    wanted = "It was stopped on request; before it was stopped, task shard had failed 4 times (memory.node-oom)."
    assert (kept.reason, kept.code, forgotten.reason) == (wanted, "memory.node-oom", "It was stopped on request.")
    archive = Archive(Store([kept]))
    (told,), _, _ = await archive.list_page(JobFilter(), [forgotten], {forgotten.key: forgotten}, {})
    assert (told["reason"], told["code"]) == (wanted, "memory.node-oom")
    restored = await archive.restore_judgement(forgotten)
    assert (restored.reason, restored.code, restored.evidence[-1].rule) == (wanted, "memory.node-oom", "circle")
    for other in (replace(forgotten, started_at=ago(1)), replace(forgotten, outcome=JobOutcome.RUNNING), kept):
        assert await archive.restore_judgement(other) is other


@pytest.mark.parametrize(
    ("before", "now", "wanted"),
    [
        # A row without a circle replaces none of the same end; one with another does, and another end.
        (list_circled()[0], list_circled()[1], ("stopped", True)),
        (list_circled()[1], list_circled()[0], ("stopped", True)),
        (replace(list_circled()[0], outcome=JobOutcome.RUNNING), list_circled()[1], ("stopped", False)),
        (
            replace(list_circled()[0], outcome=JobOutcome.RUNNING),
            replace(list_circled()[1], outcome=JobOutcome.RUNNING),
            ("running", False),
        ),
        (list_circled()[0], replace(list_circled()[1], outcome=JobOutcome.FAILED), ("failed", False)),
    ],
)
async def test_the_store_keeps_what_went_in_circles(
    tmp_path: Path, before: JobRow, now: JobRow, wanted: tuple[str, bool]
) -> None:
    store = await KeptStore.open(f"sqlite:///{tmp_path}/store.db", now=lambda: NOW)
    try:
        for each in (before, now):
            await store.save_jobs("s", [build_record(each)])
        kept = await store.find_job("a", "s")
        (listed,) = await store.list_jobs({"limit": 1})
    finally:
        await store.close()
    assert kept is not None
    assert (listed["row"]["outcome"], listed["circled"]) == wanted
    assert (kept["row"]["outcome"], any(each["rule"] == "circle" for each in kept["evidence"])) == wanted


async def test_the_end_of_a_log_that_was_kept() -> None:
    store = Store([OLD])
    store.excerpt = "the end"
    assert await Archive(store).read_kept_log(OLD) == "the end"
    assert store.asked == [("old", BEGAN_MS)]
    assert await Archive(store).read_kept_log(replace(OLD, started_at=ago(1))) is None, "it is of an earlier run"
    assert await Archive(store).read_kept_log(replace(OLD, submission_id=None)) == "the end"
    assert await Archive(Store([])).read_kept_log(OLD) is None
    assert await Archive(None).read_kept_log(OLD) is None

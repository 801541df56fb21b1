"""The history of jobs on SQLite and on PostgreSQL alike: each test runs on both, on a database of its own."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from serve_app import history
from serve_app.errors import InvalidInput
from serve_app.outcomes import NOT_COUNTED
from serve_app.store.engine import create_engine, get_writing_engine, hide_url
from serve_app.store.jobs.details import MAX_LOG_EXCERPT_CHARS
from serve_app.store.jobs.rows import MAX_CONTENT_CHARS, MAX_TRANSITIONS
from serve_app.store.store import Store
from serve_app.store.tables import job_transitions, jobs
from tests.integration.store.rows import count_outcomes

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOON_US = round(NOON.timestamp() * 1_000_000)
SECOND_US = 1_000_000
EVERYTHING: dict[str, Any] = {"limit": 500}


class Clock:
    """Stands still until it is moved."""

    now = NOON

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


def record(
    id: str, *, session: str = "s1", began_s: float = 0, took_s: float | None = 5, **changes: Any
) -> dict[str, Any]:
    """A job that began so many seconds after noon; ``took_s`` None: it runs."""
    outcome = "running" if took_s is None else "succeeded"
    values: dict[str, Any] = {
        "key": f"{session}/{id}",
        "session": session,
        "id": id,
        "job_id": None,
        "submission_id": None,
        "kind": "user",
        "series": "user:train",
        "status": outcome.upper(),
        "outcome": outcome,
        "verdict": "OK",
        "rule": outcome,
        "reason": f"It {outcome}.",
        "cause": None,
        "started_us": NOON_US + round(began_s * SECOND_US),
        "name": f"{id}@{session}",
        "ended_us": None if took_s is None else NOON_US + round((began_s + took_s) * SECOND_US),
        "duration_s": took_s,
        "searchable": f"{id}\npython Train.py",
        **changes,
    }
    row = {name: values[name] for name in ("id", "session", "kind", "status", "outcome", "verdict", "rule", "reason")}
    return {**values, "content": {"row": {**row, "entrypoint": "python Train.py", "metadata": {}}, "evidence": []}}


async def ids(store: Store, **asked: Any) -> list[str]:
    return [each["row"]["id"] for each in await store.list_jobs({**EVERYTHING, **asked})]


async def test_a_job_is_there_once_with_its_transitions(store: Store, clock: Clock) -> None:
    await store.save_jobs("s1", [record("a", took_s=None)])
    clock.now += timedelta(seconds=3)
    await store.save_jobs("s1", [record("a", took_s=None)])
    clock.now += timedelta(seconds=3)
    await store.save_jobs("s1", [record("a", outcome="failed", verdict="BAD", rule="failed", reason="It failed.")])
    found = await store.find_job("a")
    assert found is not None
    assert (found["row"]["outcome"], found["first_seen_at"]) == ("failed", "2026-01-01T12:00:00.000+00:00")
    assert found["transitions"] == [
        {
            "at": "2026-01-01T12:00:00.000+00:00",
            "status": "RUNNING",
            "outcome": "running",
            "verdict": "OK",
            "rule": "running",
            "reason": "It running.",
        },
        {
            "at": "2026-01-01T12:00:06.000+00:00",
            "status": "SUCCEEDED",
            "outcome": "failed",
            "verdict": "BAD",
            "rule": "failed",
            "reason": "It failed.",
        },
    ]
    assert await store.job_transitions("s1/a") == found["transitions"]
    assert await ids(store) == ["a"]


async def test_an_id_of_two_sessions_is_two_jobs(store: Store) -> None:
    await store.save_jobs("s1", [record("01000000", began_s=0)])
    await store.save_jobs("s2", [record("01000000", session="s2", began_s=9)])
    assert [each["key"] for each in await store.list_jobs(EVERYTHING)] == ["s2/01000000", "s1/01000000"]
    newest, older = await store.find_job("01000000"), await store.find_job("01000000", "s1")
    assert newest is not None
    assert older is not None
    assert (newest["key"], older["key"]) == ("s2/01000000", "s1/01000000")
    assert await store.find_job("01000000", "s3") is None


async def test_pages_cover_the_list_and_filters_hold(store: Store) -> None:
    made = [
        record(
            f"j{number:03}",
            began_s=number // 2,
            kind=("user", "nightly")[number % 2],
            outcome=("succeeded", "failed")[number % 3 == 0],
            verdict=("OK", "BAD")[number % 3 == 0],
        )
        for number in range(60)
    ]
    await store.save_jobs("s1", made)
    every = await ids(store)
    assert every == [
        each["id"] for each in sorted(made, key=lambda each: (each["started_us"], each["name"]), reverse=True)
    ]
    seen, after = [], None
    while True:
        page = await store.list_jobs({"limit": 7, "after": after})
        seen += [each["row"]["id"] for each in page]
        if len(page) < 7:
            break
        after = (page[-1]["started_us"], page[-1]["name"])
    assert seen == every
    wanted = {"kinds": ["nightly"], "outcomes": ["failed"], "verdicts": ["BAD", "WARN"]}
    assert await ids(store, **wanted) == [id for id in every if int(id[1:]) % 2 == 1 and int(id[1:]) % 3 == 0]
    between = {"since_us": NOON_US + 3 * SECOND_US, "until_us": NOON_US + 5 * SECOND_US}
    assert await ids(store, **between) == ["j009", "j008", "j007", "j006"]
    assert await ids(store, text="J05") == [f"j05{digit}" for digit in reversed(range(10))]
    assert await ids(store, text="TRAIN.PY", limit=1) == ["j059"]
    assert await ids(store, text="%") == []


async def test_a_job_without_a_start_is_the_oldest_and_not_in_a_window(store: Store) -> None:
    await store.save_jobs("s1", [record("none", started_us=-1), record("a")])
    assert await ids(store) == ["a", "none"]
    assert await ids(store, until_us=NOON_US + SECOND_US) == ["a"]


async def test_what_a_session_left_open_is_lost_when_nobody_sees_it_any_more(store: Store, clock: Clock) -> None:
    await store.save_jobs("s1", [record("a", took_s=None), record("b")])
    clock.now += timedelta(seconds=200)
    await store.save_jobs("s2", [record("c", session="s2", took_s=None)])
    assert await store.close_sessions("s2") == []
    clock.now += timedelta(seconds=200)
    await store.save_jobs("s2", [])
    assert await store.close_sessions("s2") == ["s1"]
    assert await store.close_sessions("s2") == []
    lost = await store.find_job("a")
    assert lost is not None
    assert (lost["row"]["outcome"], lost["row"]["verdict"], lost["row"]["rule"]) == ("lost", "WARN", "session-over")
    assert [each["outcome"] for each in lost["transitions"]] == ["running", "lost"]
    assert await ids(store, outcomes=["running"]) == ["c"]
    # It was only out of sight: the next look puts it right.
    await store.save_jobs("s1", [record("a", took_s=None)])
    assert await ids(store, outcomes=["running"]) == ["c", "a"]


async def test_what_was_lost_counts_as_ended_when_its_session_was_last_seen(store: Store, clock: Clock) -> None:
    await store.save_jobs("s1", [record("a", took_s=None)])
    clock.now += timedelta(hours=1)
    await store.save_jobs("s2", [])
    assert await store.close_sessions("s2") == ["s1"]
    assert (await store.jobs_ended_since(NOON_US))["counts"] == [["user", "lost", "WARN", 1]]
    assert (await store.jobs_ended_since(NOON_US))["causes"] == [["session-over", 1, "a"]]
    assert (await store.jobs_ended_since(NOON_US + 1))["counts"] == []


@pytest.mark.parametrize("content", ["[]", "{}", "no JSON", '{"row": [], "note": ' + "[" * 250 + "]" * 250 + "}"])
async def test_a_content_that_is_none_keeps_no_session_open_and_no_job_from_the_export(
    store: Store, clock: Clock, database: str, tmp_path: Path, content: str
) -> None:
    await store.save_jobs("s1", [record("a", took_s=None), record("b", took_s=None), record("c", took_s=None)])
    engine = create_engine(database)
    async with get_writing_engine(engine).begin() as connection:
        await connection.execute(update(jobs).where(jobs.c.id != "c").values(content=content))
    await engine.dispose()
    await store.close_unseen_jobs("s1", ["s1/b"])
    clock.now += timedelta(seconds=301)
    await store.save_jobs("s2", [])
    assert await store.close_sessions("s2") == ["s1"]
    judged = dict.fromkeys(("a", "c"), ("lost", "WARN", "session-over"))
    judged["b"] = ("ended_unknown", "UNKNOWN", "no-longer-listed")
    rows = {each["row"]["id"]: each["row"] for each in await store.list_jobs(EVERYTHING)}
    assert {id: (row["outcome"], row["verdict"], row["rule"]) for id, row in rows.items()} == judged
    assert rows["a"]["reason"] == rows["c"]["reason"] != rows["b"]["reason"] != ""
    # What was readable has stayed.
    assert (rows["a"]["entrypoint"], rows["c"]["entrypoint"]) == ("", "python Train.py")
    copy = await Store.open(f"sqlite:///{tmp_path}/other.db")
    try:
        assert await copy.import_jobs([json.dumps(line) for line in await store.export_jobs("")]) == 3
        assert await copy.list_jobs(EVERYTHING) == await store.list_jobs(EVERYTHING)
    finally:
        await copy.close()


async def test_what_a_session_left_open_that_was_shut_down_on_request_was_stopped(store: Store, clock: Clock) -> None:
    head = {"kind": "cluster-initialization", "status": "SUCCEEDED"}
    server = {"kind": "application-server", "took_s": None}
    await store.save_jobs("s1", [record("a", took_s=None), record("done"), record("node:h", **head)])
    await store.save_jobs("s2", [record("s", session="s2", **server), record("node:g", session="s2", **head)])
    clock.now += timedelta(minutes=2)
    assert [await store.end_session(name) for name in ("s1", "s1", "nobody")] == [True, False, False]
    # At once, and not only when nobody has seen it for long; the other one was killed.
    clock.now += timedelta(minutes=6)
    await store.save_jobs("s3", [])
    assert await store.close_sessions("s3") == ["s2"]
    told = {}
    for row in [each["row"] for each in await store.list_jobs(EVERYTHING)]:
        told[row["id"]] = tuple(row[name] for name in ("outcome", "verdict", "rule", "ended_at", "duration_s"))
    shut_down, last_seen = "2026-01-01T12:02:00.000+00:00", "2026-01-01T12:00:00.000+00:00"
    assert told == {
        "a": ("stopped", "OK", "session-shut-down", shut_down, 120.0),
        "done": ("succeeded", "OK", "succeeded", None, None),
        "node:h": ("succeeded", "OK", "session-shut-down", shut_down, None),
        "s": ("lost", "WARN", "session-over", last_seen, 0.0),
        "node:g": ("lost", "WARN", "session-over", last_seen, None),
    }
    reasons = {each["row"]["id"]: each["row"]["reason"] for each in await store.list_jobs(EVERYTHING)}
    assert reasons["a"] == "Its cluster (Ray session s1) was shut down on request, and it was stopped with it."
    assert reasons["node:h"] == f"The head came up; it was shut down on request at {shut_down}, and is gone."
    assert reasons["node:g"] == f"The head came up; it is gone, nobody has seen its session s2 since {last_seen}."
    counted = (await store.jobs_ended_since(NOON_US))["counts"]
    assert sorted(each for each in counted if each[0] not in NOT_COUNTED) == [
        ["application-server", "lost", "WARN", 1],
        ["user", "stopped", "OK", 1],
        ["user", "succeeded", "OK", 1],
    ]
    # It was not shut down after all: the next look puts it right, and nothing of it is kept.
    assert await store.save_jobs("s1", []) is True
    await store.save_jobs("s1", [record("a", took_s=None)])
    assert await ids(store, outcomes=["running"]) == ["a"]


async def test_the_end_of_serve_ends_its_job_and_no_other(store: Store, clock: Clock) -> None:
    server = {"kind": "application-server", "took_s": None, "submission_id": None}
    await store.save_jobs("s1", [record("user", took_s=None), record("01000000", **server)])
    await store.save_jobs("s1", [record("served", **{**server, "submission_id": "served"})])
    await store.save_jobs("s2", [record("01000000", session="s2", **server)])
    clock.now += timedelta(minutes=2)
    await store.end_serving("s1")
    found = await store.find_job("01000000", "s1")
    assert found is not None
    row = found["row"]
    assert [row[name] for name in ("outcome", "verdict", "rule", "reason", "ended_at")] == [
        "stopped", "OK", "server-shut-down", "Serve was shut down on request.", "2026-01-01T12:02:00.000+00:00",
    ]  # fmt: skip
    assert sorted(await ids(store, outcomes=["running"])) == ["01000000", "served", "user"]
    # It is deployed again.
    await store.save_jobs("s1", [record("01000000", **server)])
    assert sorted(await ids(store, outcomes=["running"])) == ["01000000", "01000000", "served", "user"]


async def test_who_writes_is_told_that_its_session_had_been_closed(store: Store, clock: Clock) -> None:
    assert await store.save_jobs("s1", [record("a", took_s=None)]) is False
    clock.now += timedelta(seconds=301)
    assert await store.save_jobs("s2", []) is False
    assert await store.close_sessions("s2") == ["s1"]
    assert await store.save_jobs("s1", []) is True
    assert await store.save_jobs("s1", [record("a", took_s=None)]) is False
    found = await store.find_job("a")
    assert found is not None
    assert [each["outcome"] for each in found["transitions"]] == ["running", "lost", "running"]
    assert await store.open_jobs("s1") == ["s1/a"]
    assert (await store.jobs_ended_since(0))["counts"] == []


async def test_a_window_ends_now_by_the_clock_of_the_store(store: Store, clock: Clock) -> None:
    failed = {"outcome": "failed", "verdict": "BAD", "rule": "failed", "cause": "exit code 1"}
    await store.save_jobs("s1", [record(f"j{took_s}", took_s=took_s, **failed) for took_s in (1, 59, 61, 86_400)])
    told = await store.jobs_ended_since(NOON_US)
    assert (told["counts"], [each[:2] for each in told["causes"]]) == (
        [["user", "failed", "BAD", 2]],
        [["exit code 1", 2]],
    )
    clock.now += timedelta(days=1)
    assert (await store.jobs_ended_since(NOON_US))["counts"] == [["user", "failed", "BAD", 4]]


async def test_a_transition_is_of_the_time_when_it_was_judged(store: Store, clock: Clock) -> None:
    clock.now += timedelta(minutes=10)
    await store.save_jobs("s1", [record("a", took_s=None, seen_us=NOON_US + SECOND_US)])
    await store.save_jobs("s1", [record("a", seen_us=NOON_US + 6 * SECOND_US)])
    # A clock that is ahead of the store's.
    await store.save_jobs("s1", [record("a", rule="other", seen_us=NOON_US + 3_600 * SECOND_US)])
    times = [each["at"] for each in await store.job_transitions("s1/a")]
    assert times == ["2026-01-01T12:00:01.000+00:00", "2026-01-01T12:00:06.000+00:00", "2026-01-01T12:10:00.000+00:00"]


async def test_what_was_proven_stays_when_ray_has_forgotten_it(store: Store) -> None:
    failed = {"outcome": "failed", "verdict": "BAD", "rule": "failed"}
    unknown = {"outcome": "ended_unknown", "verdict": "UNKNOWN", "rule": "ended-unknown"}
    await store.save_jobs("s1", [record("a", **failed), record("b", **unknown)])
    await store.save_jobs("s1", [record("a", **unknown), record("b", **failed)])
    assert await ids(store, outcomes=["failed"]) == ["b", "a"]
    assert [each["outcome"] for each in await store.job_transitions("s1/a")] == ["failed"]


async def test_what_was_contradicted_stays_when_the_tables_have_forgotten_it(store: Store) -> None:
    doubted = {"outcome": "contradicted", "verdict": "WARN", "rule": "contradicted-tasks", "status": "SUCCEEDED"}
    succeeded = {"outcome": "succeeded", "verdict": "OK", "rule": "succeeded", "status": "SUCCEEDED"}
    unknown = {"outcome": "ended_unknown", "verdict": "UNKNOWN", "rule": "ended-unknown", "status": "SUCCEEDED"}
    await store.save_jobs("s1", [record(id, **doubted) for id in "abcd"])
    stopped = {"outcome": "stopped", "verdict": "OK", "rule": "stopped", "status": "STOPPED"}
    later = [record("a", **succeeded), record("b", **unknown), record("c", **stopped)]
    # What was tried again, and made good, is doubted as before.
    await store.save_jobs("s1", [*later, record("d", **{**doubted, "verdict": "OK", "rule": "retry-succeeded"})])
    assert sorted(await ids(store, outcomes=["contradicted"])) == ["a", "b", "d"]
    assert [each["rule"] for each in await store.job_transitions("s1/d")] == ["contradicted-tasks", "retry-succeeded"]


async def test_what_ray_no_longer_lists_is_over(store: Store) -> None:
    await store.save_jobs("s1", [record("a", took_s=None), record("b", took_s=None)])
    assert sorted(await store.open_jobs("s1")) == ["s1/a", "s1/b"]
    await store.close_unseen_jobs("s1", ["s1/a"])
    await store.close_unseen_jobs("s2", ["s1/b"])
    assert await store.open_jobs("s1") == ["s1/b"]
    assert await ids(store, outcomes=["ended_unknown"]) == ["a"]


async def test_retention_by_age_and_by_count_spares_what_runs(store: Store, clock: Clock) -> None:
    made = [record(f"j{number}", began_s=number * 3600) for number in range(10)]
    await store.save_jobs("s1", [*made, record("server", began_s=-9, took_s=None)])
    clock.now += timedelta(hours=12)
    assert await store.forget_jobs(7 / 24, 1000) == 5
    assert await ids(store) == ["j9", "j8", "j7", "j6", "j5", "server"]
    assert await store.job_transitions("s1/j0") == []
    assert await store.forget_jobs(100, 2, batch=2) == 2
    assert await store.forget_jobs(100, 2) == 1
    assert await ids(store) == ["j9", "j8", "server"]


async def test_retention_by_age_takes_what_was_lost_too(store: Store, clock: Clock) -> None:
    await store.save_jobs("s1", [record("lost", took_s=None)])
    await store.save_jobs("s2", [record("gone", session="s2", took_s=None), record("runs", session="s2", took_s=None)])
    clock.now += timedelta(hours=1)
    await store.save_jobs("s2", [])
    assert await store.close_sessions("s2") == ["s1"]
    await store.close_unseen_jobs("s2", ["s2/gone"])
    clock.now += timedelta(days=1)
    assert await store.forget_jobs(2, 1000) == 0
    clock.now += timedelta(days=1, seconds=1)
    assert await store.forget_jobs(2, 1000) == 2
    assert await ids(store) == ["runs"]


async def test_figures(store: Store) -> None:
    bad = {"outcome": "failed", "verdict": "BAD", "rule": "failed", "cause": "exit code 1"}
    await store.save_jobs(
        "s1",
        [
            record("old", began_s=-999),
            *(record(f"good{number}", took_s=number + 1) for number in range(3)),
            record("bad1", **bad),
            record("bad2", **bad),
            record("repaired", **{**bad, "verdict": "OK"}),
            # Nobody wanted it done.
            record("tool", **{**bad, "kind": "observer"}),
            record("runs", took_s=None),
        ],
    )
    found = await store.jobs_ended_since(NOON_US, False)
    assert sorted(found["counts"]) == [
        ["observer", "failed", "BAD", 1],
        ["user", "failed", "BAD", 2],
        ["user", "failed", "OK", 1],
        ["user", "succeeded", "OK", 3],
    ]
    assert sorted(found["durations"]) == [["user", 1.0], ["user", 2.0], ["user", 3.0]]
    assert found["causes"] == [["exit code 1", 2, "bad2"]]
    assert await store.jobs_ended_since(NOON_US, True) == {"counts": found["counts"], "durations": [], "causes": []}
    runs = await store.past_runs(["user:train", "none"])
    assert sorted(runs["user:train"].pop("durations_s")) == [1.0, 2.0, 3.0, 5.0]
    assert runs == {
        "user:train": {"last_started_us": NOON_US, "last_succeeded_us": NOON_US + 3 * SECOND_US},
        "none": {"durations_s": [], "last_started_us": None, "last_succeeded_us": None},
    }
    counts = await count_outcomes(store)
    assert (sum(counts.values()), counts) == (9, {"failed": 4, "running": 1, "succeeded": 4})


async def test_who_does_not_say_what_is_not_counted_is_told_no_failures_of_internal_kinds(store: Store) -> None:
    bad = {"outcome": "failed", "verdict": "BAD", "rule": "failed", "cause": "exit code 1"}
    kinds = ["user", *NOT_COUNTED]
    await store.save_jobs("s1", [record(kind, kind=kind, **bad) for kind in kinds])
    # As an inspector of the version before asks.
    assert (await store.jobs_ended_since(NOON_US))["causes"] == [["exit code 1", 1, "user"]]


async def test_everything_is_bounded(store: Store) -> None:
    huge = record("huge")
    huge["content"] = {"row": {**huge["content"]["row"], "metadata": {"a": "x" * MAX_CONTENT_CHARS}}, "evidence": []}
    await store.save_jobs("s1", [huge])
    for number in range(MAX_TRANSITIONS + 5):
        await store.save_jobs("s1", [record("flaps", rule=f"rule-{number}")])
    await store.save_log_excerpt("s1/flaps", "early " + "x" * MAX_LOG_EXCERPT_CHARS + "the end \ud800\0")
    found, cut = await store.find_job("flaps"), await store.find_job("huge")
    assert found is not None
    assert cut is not None
    assert (len(found["transitions"]), found["transitions"][-1]["rule"]) == (
        MAX_TRANSITIONS,
        f"rule-{MAX_TRANSITIONS + 4}",
    )
    assert len(found["log_excerpt"]) <= MAX_LOG_EXCERPT_CHARS
    assert "the end" in found["log_excerpt"]
    assert "early" not in found["log_excerpt"]
    assert cut["row"]["metadata"] == {}
    assert await store.delete_job("s1/flaps") is True
    assert await store.delete_job("s1/flaps") is False


async def test_hostile_text_comes_back_or_is_made_storable(store: Store) -> None:
    texts = ["%_'\"\\;--", "\u202e\u0000", "\ud800", "Grüße 你好"]
    for number, text in enumerate(itertools.chain(texts)):
        await store.save_jobs("s1", [record(f"j{number}", series=f"user:{text}", searchable=text, reason=text)])
    assert len(await ids(store)) == len(texts)
    assert await ids(store, text="grüße") == ["j3"]


async def test_export_and_import_between_databases(
    store: Store, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await store.save_jobs("s1", [record(f"j{number:03}") for number in range(450)])
    await store.save_jobs("s1", [record("j001", outcome="failed", verdict="BAD", rule="failed")])
    await store.save_log_excerpt("s1/j001", "the end of its log")
    await store.save_diagnosis("s1/j001", diagnosed("app.import"))
    out = tmp_path / "jobs.jsonl"
    other = f"sqlite:///{tmp_path}/other.db"
    assert await asyncio.to_thread(_run, monkeypatch, database, "export", out) == 0
    assert await asyncio.to_thread(_run, monkeypatch, other, "import", out) == 0
    assert await asyncio.to_thread(_run, monkeypatch, other, "import", out) == 0
    place = database.removeprefix("sqlite:///") if "sqlite" in database else hide_url(database)
    assert capsys.readouterr().err.splitlines() == [
        f"database: {place}",
        "450 jobs exported",
        f"database: {tmp_path}/other.db (a new one)",
        "450 jobs imported",
        f"database: {tmp_path}/other.db",
        "0 jobs imported",
    ]
    copy = await Store.open(other)
    try:
        assert await copy.find_job("j001") == await store.find_job("j001")
        assert await copy.list_jobs(EVERYTHING) == await store.list_jobs(EVERYTHING)
    finally:
        await copy.close()
    lines = out.read_text().splitlines()
    out.write_text("\n".join([*lines[:2], lines[2].replace('"kind":"user"', '"kind":7'), *lines[3:]]))
    fresh = f"sqlite:///{tmp_path}/fresh.db"
    assert await asyncio.to_thread(_run, monkeypatch, fresh, "import", out) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"database: {fresh.removeprefix('sqlite:///')} (a new one)",
        f"{out}: near line 3: line 3 is no job: kind: Input should be a valid string.",
        f"error: {out}: 1 lines were left out. 449 were imported.",
    ]
    assert await asyncio.to_thread(_run, monkeypatch, fresh, "import", tmp_path / "none") == 2


def test_an_export_makes_no_database_and_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SEEDCORE_DATABASE_URL", raising=False)
    monkeypatch.setenv("SEEDCORE_HOME", str(tmp_path / "home"))
    assert history.main(["export", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        f"error: There is no database {tmp_path}/home/seedcore.db. Say by SEEDCORE_HOME where the application keeps "
        "its own (SEEDCORE_HOME=.seedcore for `make up`), or by SEEDCORE_DATABASE_URL.\n"
    )
    assert list(tmp_path.iterdir()) == []
    assert _run(monkeypatch, f"sqlite:///{tmp_path}/none.db", "export", tmp_path / "out") == 2
    assert list(tmp_path.iterdir()) == []


def _run(monkeypatch: pytest.MonkeyPatch, database: str, command: str, path: Path) -> int:
    monkeypatch.setenv("SEEDCORE_DATABASE_URL", database)
    return history.main([command, str(path)])


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", '{"format": 2}', "nonsense", '{"a": NaN}', "[" * 100_000], ids=lambda line: line[:12]
)
async def test_a_line_that_is_no_job_is_refused(store: Store, line: str) -> None:
    with pytest.raises(InvalidInput, match="line 1 is no job"):
        await store.import_jobs([line])
    assert await store.list_jobs(EVERYTHING) == []


async def test_what_was_exported_can_be_imported_whatever_its_log_says(
    store: Store, clock: Clock, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(MAX_TRANSITIONS):
        clock.now += timedelta(seconds=1)
        await store.save_jobs("s1", [record("a", rule=f"rule-{number}", reason="因" * 500, searchable="名" * 8_000)])
    await store.save_log_excerpt("s1/a", '{"key": "\\u0000"}' + "志" * MAX_LOG_EXCERPT_CHARS)
    await store.save_jobs("s1", [record("b")])
    await store.save_log_excerpt("s1/b", '{"key": "\\u0000"}')
    out = tmp_path / "jobs.jsonl"
    other = f"sqlite:///{tmp_path}/other.db"
    assert await asyncio.to_thread(_run, monkeypatch, database, "export", out) == 0
    assert await asyncio.to_thread(_run, monkeypatch, other, "import", out) == 0
    copy = await Store.open(other)
    try:
        for id in ("a", "b"):
            assert await copy.find_job(id) == await store.find_job(id)
    finally:
        await copy.close()


async def test_no_more_transitions_are_kept_than_are_told(store: Store, database: str) -> None:
    await store.save_jobs("s1", [record("calm")])
    for number in range(MAX_TRANSITIONS + 7):
        await store.save_jobs("s1", [record("flaps", rule=f"rule-{number}")])
    told = await store.job_transitions("s1/flaps")
    assert [each["rule"] for each in told] == [f"rule-{number}" for number in range(7, MAX_TRANSITIONS + 7)]
    assert len(await store.job_transitions("s1/calm")) == 1
    engine = create_engine(database)
    async with engine.connect() as connection:
        kept = await connection.scalar(select(func.count()).select_from(job_transitions))
    await engine.dispose()
    assert kept == MAX_TRANSITIONS + 1


async def test_a_submission_is_found_by_either_of_its_ids(store: Store) -> None:
    await store.save_jobs("s1", [record("train", job_id="07000000"), record("other")])
    by_id, by_job_id = await store.find_job("train"), await store.find_job("07000000", "s1")
    assert by_id is not None
    assert by_id == by_job_id
    assert by_id["key"] == "s1/train"


def diagnosed(code: str | None, **more: Any) -> dict[str, Any]:
    return {"id": "a", "outcome": "failed", "diagnosis": {"code": code, **more}}


async def test_a_diagnosis_is_kept_beside_the_job_and_stays(store: Store) -> None:
    bad = {"outcome": "failed", "verdict": "BAD", "rule": "failed", "cause": "exit code 1"}
    await store.save_jobs("s1", [record("a", **bad), record("b", **bad), record("c", **bad)])
    said = {key: diagnosed(code) for key, code in (("s1/a", "app.import"), ("s1/b", "unknown"), ("s1/c", None))}
    assert [await store.save_diagnosis(key, each) for key, each in said.items()] == [True] * 3
    assert await store.save_diagnosis("s1/none", diagnosed("app.import")) is False
    assert await store.diagnoses(["s1/a", "s1/b", "s1/none"]) == {key: said[key] for key in ("s1/a", "s1/b")}
    # Judged anew: what the diagnosis said is not lost with the row.
    await store.save_jobs("s1", [record("a", **{**bad, "verdict": "WARN"})])
    found = await store.find_job("a")
    assert found is not None
    assert (found["row"]["verdict"], found["row"]["code"], found["diagnosis"]) == ("WARN", "app.import", said["s1/a"])
    codes = {each["row"]["id"]: each["row"]["code"] for each in await store.list_jobs(EVERYTHING)}
    assert codes == {"a": "app.import", "b": "unknown", "c": None}
    causes = (await store.jobs_ended_since(NOON_US))["causes"]
    assert causes == [["exit code 1", 2, "c"], ["app.import", 1, "a"]]


async def test_a_diagnosis_that_is_too_long_is_refused(store: Store) -> None:
    await store.save_jobs("s1", [record("a")])
    with pytest.raises(InvalidInput):
        await store.save_diagnosis("s1/a", diagnosed("app.import", sentence="x" * 70_000))

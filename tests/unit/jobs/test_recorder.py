"""What is written to the history: only what changed, nothing twice, nothing lost while the store is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from serve_app.errors import Unavailable
from serve_app.jobs.judge import judge
from serve_app.jobs.models import JobRow, PastRuns
from serve_app.jobs.recorder import BATCH, Recorder
from tests.unit.jobs.test_judge import snapshot, submission

SESSION = "s1"


class Shelf:
    """A store in memory; ``away`` makes every question fail."""

    def __init__(self) -> None:
        self.away = False
        self.batches: list[list[str]] = []
        self.closed: list[str] = []
        self.open: list[str] = []
        self.over: list[str] = []
        self.forgot: list[tuple[float, int]] = []
        self.asked_series: list[list[str]] = []

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("the disk of the database is full")

    async def save_jobs(self, session: str, records: Sequence[dict[str, Any]]) -> None:
        self._answer()
        assert session == SESSION
        if records:
            self.batches.append([f"{each['id']} {each['outcome']}" for each in records])

    async def open_jobs(self, session: str) -> list[str]:
        self._answer()
        return self.open

    async def close_unseen_jobs(self, session: str, keys: Sequence[str]) -> None:
        self._answer()
        self.closed += keys

    async def close_sessions(self, current: str) -> list[str]:
        self._answer()
        return self.over

    async def forget_jobs(self, kept_days: float, kept_jobs: int, batch: int) -> int:
        self._answer()
        self.forgot.append((kept_days, kept_jobs))
        return 0

    async def past_runs(self, series: Sequence[str]) -> dict[str, dict[str, Any]]:
        self._answer()
        self.asked_series.append(list(series))
        told = {"durations_s": [3.0, 1.0, 2.0], "last_started_us": 0, "last_succeeded_us": None}
        return dict.fromkeys(series, told)


class Clock:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder(shelf: Shelf, clock: Clock) -> Recorder:
    return Recorder(shelf, SESSION, clock, kept_days=7, kept_jobs=500)


def rows(*jobs: tuple[str, str]) -> list[JobRow]:
    made = judge(snapshot(*(submission(id, status) for id, status in jobs)), datetime(2026, 1, 1, 12, tzinfo=UTC))
    return [replace(row, session=SESSION) for row in sorted(made, key=lambda row: row.id)]


async def test_what_changed_is_written_once(recorder: Recorder, shelf: Shelf) -> None:
    first = rows(("a", "RUNNING"), ("b", "SUCCEEDED"))
    assert recorder.offer(first, complete=True) is True
    assert sorted(recorder.unwritten) == ["s1/a", "s1/b"]
    await recorder.write_once()
    assert recorder.offer(first, complete=True) is False
    # Another look at the same: new rows that say the same, but for the seconds that a job has been running.
    assert recorder.offer([replace(row, reason="later") for row in first], complete=True) is False
    await recorder.write_once()
    assert recorder.offer(rows(("a", "FAILED"), ("b", "SUCCEEDED")), complete=True) is True
    await recorder.write_once()
    assert shelf.batches == [["a running", "b succeeded"], ["a failed"]]
    assert (recorder.unwritten, recorder.failure) == ({}, None)


async def test_while_the_store_is_away_the_newest_word_waits(recorder: Recorder, shelf: Shelf) -> None:
    shelf.away = True
    recorder.offer(rows(("a", "PENDING")), complete=True)
    await recorder.write_once()
    assert recorder.failure == "the disk of the database is full"
    recorder.offer(rows(("a", "RUNNING"), ("b", "RUNNING")), complete=True)
    await recorder.write_once()
    recorder.offer(rows(("a", "SUCCEEDED"), ("b", "RUNNING")), complete=True)
    await recorder.write_once()
    assert sorted(recorder.unwritten) == ["s1/a", "s1/b"]
    shelf.away = False
    await recorder.write_once()
    assert (shelf.batches, recorder.failure, recorder.unwritten) == ([["a succeeded", "b running"]], None, {})


async def test_what_changes_during_a_write_is_written_after_it(recorder: Recorder, shelf: Shelf) -> None:
    recorder.offer(rows(("a", "RUNNING")), complete=True)
    save = shelf.save_jobs

    async def slow(session: str, records: Sequence[dict[str, Any]]) -> None:
        await save(session, records)
        if len(shelf.batches) == 1:
            recorder.offer(rows(("a", "FAILED")), complete=True)

    shelf.save_jobs = slow  # type: ignore[method-assign]
    await recorder.write_once()
    assert shelf.batches == [["a running"], ["a failed"]]


async def test_many_are_written_in_batches(recorder: Recorder, shelf: Shelf) -> None:
    recorder.offer(rows(*((f"j{number:04}", "SUCCEEDED") for number in range(BATCH + 1))), complete=True)
    await recorder.write_once()
    assert [len(batch) for batch in shelf.batches] == [BATCH, 1]


async def test_what_ray_no_longer_lists_is_closed_when_the_look_was_whole(recorder: Recorder, shelf: Shelf) -> None:
    shelf.open = ["s1/of-an-earlier-replica", "s1/a"]
    recorder.offer(rows(("a", "RUNNING"), ("b", "RUNNING"), ("c", "SUCCEEDED")), complete=False)
    await recorder.write_once()
    recorder.offer(rows(("a", "RUNNING")), complete=False)
    await recorder.write_once()
    assert shelf.closed == []
    recorder.offer(rows(("a", "RUNNING")), complete=True)
    await recorder.write_once()
    assert sorted(shelf.closed) == ["s1/b", "s1/of-an-earlier-replica"]
    await recorder.write_once()
    assert len(shelf.closed) == 2


async def test_upkeep_each_minute(recorder: Recorder, shelf: Shelf, clock: Clock) -> None:
    recorder.offer(rows(("a", "RUNNING")), complete=True, series=["user:train", "nightly", "user:train"])
    await recorder.write_once()
    clock.now += timedelta(seconds=59)
    await recorder.write_once()
    assert (shelf.forgot, shelf.asked_series) == ([(7, 500)], [["user:train", "nightly"]])
    assert recorder.past["nightly"] == PastRuns(
        count=3, p50_s=2.0, p95_s=3.0, p99_s=3.0, last_started_at=datetime(1970, 1, 1, tzinfo=UTC)
    )
    clock.now += timedelta(seconds=1)
    await recorder.write_once()
    assert len(shelf.forgot) == 2


async def test_it_writes_by_itself_and_once_more_at_the_end(recorder: Recorder, shelf: Shelf) -> None:
    recorder.start()
    recorder.start()
    recorder.offer(rows(("a", "RUNNING")), complete=True)
    for _ in range(20):
        await asyncio.sleep(0)
    recorder.require_alive()
    assert shelf.batches == [["a running"]]
    recorder.offer(rows(("a", "STOPPED")), complete=True)
    await recorder.close()
    assert shelf.batches[1:] == [["a stopped"]]

"""The end of the log of what went wrong is kept once, and nothing that Ray does stops that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from serve_app.errors import AppError, Unavailable
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.logs.excerpts import Excerpts
from serve_app.jobs.models import JobRow
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.judging.test_judge import snapshot, submission

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class World:
    """Logs and the shelf in one; ``answers`` are given in turn, the last for ever."""

    def __init__(self) -> None:
        self.answers: list[Any] = [["a", "b"]]
        self.kept: list[tuple[str, str]] = []
        self.asked: list[str] = []
        self.pauses = 0
        self.not_known = 0
        self.done = asyncio.Event()

    async def read_tail(self, id: str, lines: int) -> dict[str, Any]:
        self.asked.append(id)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, AppError):
            raise answer
        return {"lines": answer}

    async def save_log_excerpt(self, key: str, text: str) -> bool:
        if self.not_known:
            self.not_known -= 1
            return False
        self.kept.append((key, text))
        return True

    async def pause(self, seconds: float) -> None:
        self.pauses += 1


@pytest.fixture
async def world() -> World:
    return World()


@pytest.fixture
async def excerpts(world: World) -> AsyncIterator[Excerpts]:
    made = Excerpts(world, world, world.pause)  # type: ignore[arg-type]
    made.start()
    yield made
    await made.close()


def row(id: str, status: str = "FAILED", **changes: Any) -> JobRow:
    (found,) = judge(snapshot(submission(id, status, **changes)), NOW)
    return found


def key(id: str) -> str:
    return row(id).key


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


async def test_of_what_is_contradicted_the_log_is_kept_too(world: World, excerpts: Excerpts) -> None:
    excerpts.offer([replace(row("doubtful", "SUCCEEDED"), outcome=JobOutcome.CONTRADICTED)], NOW)
    await settle()
    assert world.asked == [row("doubtful").run]


async def test_what_went_wrong_is_kept_once(world: World, excerpts: Excerpts) -> None:
    rows = [row("bad"), row("good", "SUCCEEDED"), row("runs", "RUNNING"), row("stopped", "STOPPED")]
    excerpts.offer(rows, NOW)
    excerpts.offer(rows, NOW)
    await settle()
    assert world.kept == [(key("bad"), "a\nb"), (key("stopped"), "a\nb")]
    excerpts.require_alive()


async def test_what_ended_long_ago_or_has_no_log_is_left_alone(world: World, excerpts: Excerpts) -> None:
    old = replace(row("old"), ended_at=NOW - timedelta(minutes=16))
    excerpts.offer([old, replace(row("driver"), submission_id=None)], NOW)
    await settle()
    assert world.asked == []


async def test_what_is_no_longer_shown_needs_no_memory(world: World, excerpts: Excerpts) -> None:
    for number in range(5):
        excerpts.offer([row(f"bad{number}")], NOW)
        await settle()
    assert excerpts._seen == {key("bad4")}


@pytest.mark.parametrize(
    ("answers", "kept", "asked"),
    [
        ([Unavailable("down"), ["x"]], [(key("bad"), "x")], 2),
        ([Unavailable("down")], [], 3),
        ([[]], [], 1),
    ],
)
async def test_it_asks_three_times_and_goes_on(
    world: World, excerpts: Excerpts, answers: list[Any], kept: list[tuple[str, str]], asked: int
) -> None:
    world.answers = answers
    excerpts.offer([row("bad")], NOW)
    await settle()
    assert (world.kept, len(world.asked)) == (kept, asked)
    excerpts.require_alive()


async def test_a_job_that_is_not_in_the_history_yet_is_tried_again(world: World, excerpts: Excerpts) -> None:
    world.not_known = 1
    excerpts.offer([row("short")], NOW)
    await settle()
    assert (world.kept, world.pauses) == ([(key("short"), "a\nb")], 1)


async def test_each_run_is_read_and_kept_by_itself(world: World, excerpts: Excerpts) -> None:
    first, second = row("bad", began=100), row("bad", began=50)
    for each in (first, second):
        excerpts.offer([each], NOW)
        await settle()
    assert world.asked == ["bad@2026-01-01T11:58:20.000+00:00", "bad@2026-01-01T11:59:10.000+00:00"]
    assert [kept for kept, _ in world.kept] == [first.key, second.key]
    assert first.key != second.key

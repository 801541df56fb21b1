"""Failed jobs are diagnosed without being asked, each once, and none stops the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from serve_app.errors import Unavailable
from serve_app.jobs.diagnosis.automatic import Automatic
from serve_app.jobs.models import JobRow
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.actions.fakes import NOW, Clock, row
from tests.unit.jobs.judging.motion.test_circle_rules import CIRCLE


class World:
    """Makes diagnoses; ``answers`` are given in turn, the last for ever."""

    def __init__(self) -> None:
        self.answers: list[Any] = [True]
        self.asked: list[tuple[str, bool]] = []
        self.clock = Clock()

    async def make(self, wanted: str, *, last: bool) -> bool:
        self.asked.append((wanted, last))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)


@pytest.fixture
async def world() -> World:
    return World()


@pytest.fixture
async def automatic(world: World) -> AsyncIterator[Automatic]:
    made = Automatic(world, world.clock.now, world.clock.pause)
    made.start()
    yield made
    await made.close()


def ended(id: str, before_s: float = 60, **changes: Any) -> JobRow:
    return row(id, ended_at=NOW - timedelta(seconds=before_s), session="s", **changes)


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


async def test_each_that_failed_is_made_once(world: World, automatic: Automatic) -> None:
    rows = [
        ended("bad"),
        ended("lost", outcome=JobOutcome.LOST),
        ended("doubtful", outcome=JobOutcome.CONTRADICTED),
        ended("good", outcome=JobOutcome.SUCCEEDED),
        ended("stopped", outcome=JobOutcome.STOPPED),
        ended("circled", outcome=JobOutcome.STOPPED, circle=CIRCLE),
        ended("old", before_s=1_000),
        ended("node", derived=True),
    ]
    automatic.offer(rows, NOW)
    automatic.offer(rows, NOW)
    await settle()
    assert world.asked == [("bad@s", False), ("lost@s", False), ("doubtful@s", False), ("circled@s", False)]
    assert world.clock.seconds == 0
    automatic.require_alive()


async def test_it_waits_until_the_tables_have_settled(world: World, automatic: Automatic) -> None:
    automatic.offer([ended("bad", before_s=1)], NOW)
    await settle()
    assert (world.asked, world.clock.seconds) == ([("bad@s", False)], 4)


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        ([False, True], [False, False]),
        ([False], [False, False, True]),
        ([Unavailable("down")], [False, False, True]),
        ([RuntimeError("a fault")], [False]),
    ],
)
async def test_it_tries_three_times_and_goes_on(
    world: World, automatic: Automatic, answers: list[Any], asked: list[bool]
) -> None:
    world.answers = answers
    automatic.offer([ended("bad")], NOW)
    await settle()
    assert world.asked == [("bad@s", last) for last in asked]
    automatic.require_alive()


async def test_what_is_no_longer_shown_needs_no_memory(world: World, automatic: Automatic) -> None:
    for number in range(3):
        automatic.offer([ended(f"bad{number}")], NOW)
        await settle()
    assert automatic._seen == {"s/bad2"}

"""Fresh enough, once at a time, and kept when Ray does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from serve_app.errors import Unavailable
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.models import Snapshot, Unknown
from serve_app.jobs.reading.poll import Latest
from serve_app.jobs.settings import InspectorConfig
from tests.unit.jobs.judging.test_judge import node, snapshot, submission

CONFIG = InspectorConfig(poll_period_s=5, fresh_for_s=2, source_timeout_s=4)
GOOD = snapshot(submission("a", "RUNNING"), nodes=[node("ALIVE")])
DOWN = replace(GOOD, jobs=Unknown("connection refused"))
ALL_DOWN = replace(
    DOWN, nodes=Unknown("down"), actors=Unknown("down"), driver_exits=Unknown("down"), serve=Unknown("down")
)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Ray:
    """Looks that answer what they are told to, and count."""

    def __init__(self, *answers: Snapshot | Exception) -> None:
        self.answers = list(answers)
        self.looks = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def look(self, previous: Snapshot | None) -> Snapshot:
        self.looks += 1
        await self.gate.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def made(clock: Clock) -> AsyncIterator[Any]:
    made: list[Latest] = []

    def make(ray: Ray, **kwargs: Any) -> Latest:
        made.append(Latest(ray.look, CONFIG, judge=lambda seen: judge(seen, seen.taken_at), clock=clock, **kwargs))
        return made[-1]

    yield make
    for latest in made:
        await latest.close()


async def test_a_young_look_is_served_as_it_is_and_an_old_one_is_renewed(made: Any, clock: Clock) -> None:
    ray = Ray(GOOD)
    latest = made(ray)
    looks = []
    for age_s in (0, 2, 0.1, 1):
        clock.now += age_s
        seen = await latest.get()
        looks.append(ray.looks)
        assert (seen.degraded, seen.answered, [row.id for row in seen.rows][:1]) == ([], True, ["a"])
    assert looks == [1, 1, 2, 2]


async def test_many_who_ask_cause_one_look(made: Any) -> None:
    ray = Ray(GOOD)
    latest = made(ray)
    await asyncio.gather(*(latest.get() for _ in range(50)))
    assert ray.looks == 1


async def test_a_job_that_was_just_made_here_is_not_missed(made: Any, clock: Clock) -> None:
    """Neither with a look of a moment ago, nor with one that was under way when it was made."""
    made_here = snapshot(submission("a", "RUNNING"), submission("b", "PENDING"))
    ray = Ray(GOOD, made_here)
    latest = made(ray)
    await latest.get()
    clock.now += 0.1
    seen = await latest.get_for_miss()
    assert (ray.looks, "b" in {row.id for row in seen.rows}) == (1, False)
    latest.outdate()
    seen = await latest.get_for_miss()
    assert (ray.looks, "b" in {row.id for row in seen.rows}) == (2, True)
    await latest.get_for_miss()
    assert ray.looks == 2

    ray.answers = [GOOD, made_here]
    clock.now += 3
    ray.gate.clear()
    asked_before = asyncio.create_task(latest.get())
    while ray.looks < 3:
        await asyncio.sleep(0)
    clock.now += 0.1
    latest.outdate()
    asked_after = asyncio.create_task(latest.get_for_miss())
    await asyncio.sleep(0)
    ray.gate.set()
    assert "b" not in {row.id for row in (await asked_before).rows}
    assert "b" in {row.id for row in (await asked_after).rows}
    assert ray.looks == 4


async def test_a_miss_while_ray_does_not_answer_is_told_as_old(made: Any, clock: Clock) -> None:
    ray = Ray(GOOD, ALL_DOWN)
    latest = made(ray)
    await latest.get()
    clock.now += 0.1
    latest.outdate()
    for _ in range(3):
        seen = await latest.get_for_miss()
        assert (seen.snapshot, seen.answered, ray.looks) == (GOOD, False, 2)


async def test_a_miss_while_ray_hangs_says_how_old_the_look_is_until_that_look_has_ended(
    made: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def wait(tasks: set[asyncio.Task[None]], timeout: float) -> tuple[set[Any], set[Any]]:
        waits.append(timeout)
        return set(), tasks

    ray = Ray(GOOD)
    latest = made(ray)
    await latest.get()
    ray.gate.clear()
    clock.now += 0.1
    latest.outdate()
    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "wait", wait)
        told = [(await latest.get_for_miss()).degraded for _ in range(2)]
    assert (told, waits) == ([["Ray answers slowly; this is 0 s old."]] * 2, [4.0] * 2)
    ray.answers = [ALL_DOWN]
    while latest._failure is None:
        ray.gate.set()
        await asyncio.sleep(0)
    looks = ray.looks
    assert [(await latest.get_for_miss()).answered, ray.looks] == [False, looks]


async def test_when_ray_goes_down_the_last_look_stays_and_says_so(made: Any, clock: Clock) -> None:
    ray = Ray(GOOD, ALL_DOWN)
    latest = made(ray)
    await latest.get()
    clock.now += 30
    seen = await latest.get()
    assert seen.snapshot is GOOD
    assert (seen.degraded, seen.answered) == (["Ray has not answered for 30 s: connection refused"], False)
    ray.answers = [GOOD]
    clock.now += 3
    seen = await latest.get()
    assert (seen.degraded, seen.answered) == ([], True)


async def test_before_the_first_answer_there_is_none(made: Any) -> None:
    latest = made(Ray(ALL_DOWN))
    with pytest.raises(Unavailable) as refused:
        await latest.get()
    assert (refused.value.code, refused.value.detail) == ("ray_unavailable", "connection refused")


async def test_before_the_first_list_of_jobs_the_rest_is_told(made: Any, clock: Clock) -> None:
    ray = Ray(DOWN)
    latest = made(ray)
    seen = await latest.get()
    assert (seen.snapshot, seen.answered) == (DOWN, False)
    ray.answers = [GOOD]
    clock.now += 3
    assert (await latest.get()).snapshot is GOOD


async def test_an_error_of_our_own_is_no_answer_and_not_the_end(made: Any, clock: Clock) -> None:
    ray = Ray(KeyError("a bug"), GOOD)
    latest = made(ray)
    with pytest.raises(Unavailable, match="KeyError"):
        await latest.get()
    assert (await latest.get()).snapshot is GOOD


async def test_who_has_something_older_does_not_wait_for_a_slow_ray(
    made: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_app.jobs.reading.poll._PATIENCE_S", 0)
    ray = Ray(GOOD)
    latest = made(ray)
    await latest.get()
    clock.now += 10
    ray.gate.clear()
    seen = await latest.get()
    assert (seen.snapshot, seen.degraded) == (GOOD, ["Ray answers slowly; this is 10 s old."])
    await latest.get()
    assert ray.looks == 2, "the look that is under way is joined"


async def test_it_looks_on_a_period_whatever_happens(made: Any, clock: Clock) -> None:
    ray = Ray(GOOD, KeyError("a bug"), ALL_DOWN, GOOD)
    pauses: list[float] = []
    enough = asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 4:
            enough.set()
            await asyncio.Event().wait()

    latest = made(ray, pause=pause)
    latest.start()
    latest.start()
    await enough.wait()
    latest.require_alive()
    assert (ray.looks, pauses) == (4, [2.0] * 4)


@pytest.mark.parametrize(("took_s", "cpu_s", "wanted"), [(3.0, 0.1, 3.0), (0.5, 0.1, 2.0), (3.0, 2.0, 8.0)])
async def test_a_costly_look_is_followed_by_its_rest(
    made: Any, clock: Clock, took_s: float, cpu_s: float, wanted: float
) -> None:
    pauses: list[float] = []
    paused, cpu = asyncio.Event(), Clock()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        paused.set()
        await asyncio.Event().wait()

    class Slow(Ray):
        async def look(self, previous: Snapshot | None) -> Snapshot:
            clock.now += took_s
            cpu.now += cpu_s
            return await super().look(previous)

    latest = made(Slow(GOOD), pause=pause, cpu=cpu)
    latest.start()
    await paused.wait()
    assert pauses == [pytest.approx(wanted)]


@pytest.mark.parametrize(("later_s", "rest_s"), [(0, 12.0), (5, 7.0), (60, 0.2)])
async def test_what_happens_does_not_take_the_rest_from_costly_looks(
    made: Any, clock: Clock, later_s: float, rest_s: float
) -> None:
    pauses: list[float] = []
    paused = asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            clock.now += later_s
            latest.nudge()
        else:
            paused.set()
        await asyncio.Event().wait()

    class Slow(Ray):
        async def look(self, previous: Snapshot | None) -> Snapshot:
            clock.now += 3
            return await super().look(previous)

    latest = made(Slow(GOOD), pause=pause, cpu=clock)
    latest.start()
    await paused.wait()
    assert pauses == [12.0, rest_s]


async def test_health_fails_only_when_the_period_has_ended(made: Any) -> None:
    async def pause(seconds: float) -> None:
        raise RuntimeError("the loop is broken")

    latest = made(Ray(GOOD), pause=pause)
    latest.require_alive()
    latest.start()
    await latest._loop.wait_until_over()
    with pytest.raises(RuntimeError, match="poll loop"):
        latest.require_alive()


async def periods(made: Any, clock: Clock, answer: Snapshot, ages_s: list[float], **kwargs: Any) -> list[float]:
    """The pauses after looks that are so many seconds apart."""
    pauses: list[float] = []
    enough = asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == len(ages_s):
            enough.set()
            await asyncio.Event().wait()
        clock.now += ages_s[len(pauses)]

    latest = made(Ray(answer), pause=pause, **kwargs)
    latest.start()
    await enough.wait()
    return pauses


REST = snapshot(nodes=[node("ALIVE", is_head=True)])


@pytest.mark.parametrize(
    ("seen", "changed", "ages_s", "wanted"),
    [
        # At rest: a server and a head are no reason to hurry.
        (REST, [False] * 3, [0, 5, 5], [5.0, 5.0, 5.0]),
        (GOOD, [False] * 3, [0, 2, 2], [2.0, 2.0, 2.0]),
        # After a change for half a minute, whatever runs.
        (REST, [True, False, False, False], [0, 20, 9, 2], [1.0, 1.0, 1.0, 5.0]),
        (GOOD, [True, False], [0, 31], [1.0, 2.0]),
    ],
)
async def test_looks_are_frequent_while_something_changes(
    made: Any, clock: Clock, seen: Snapshot, changed: list[bool], ages_s: list[float], wanted: list[float]
) -> None:
    told = iter(changed)
    found = await periods(made, clock, seen, ages_s, seen=lambda snapshot, rows: next(told, False))
    assert found == wanted


async def test_a_nudge_ends_the_pause_and_many_are_one_look(made: Any) -> None:
    ray, pauses = Ray(REST), []
    waiting = asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if seconds >= 1:
            waiting.set()
            await asyncio.Event().wait()

    latest = made(ray, pause=pause, seen=lambda snapshot, rows: False)
    latest.start()
    await waiting.wait()
    waiting.clear()
    for _ in range(10):
        latest.nudge()
    await waiting.wait()
    assert ray.looks == 2

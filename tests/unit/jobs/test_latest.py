"""Fresh enough, once at a time, and kept when Ray does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from serve_app.errors import Unavailable
from serve_app.jobs.judge import judge
from serve_app.jobs.latest import Latest
from serve_app.jobs.models import Snapshot, Unknown
from serve_app.settings import InspectorConfig
from tests.unit.jobs.test_judge import node, snapshot, submission

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
    monkeypatch.setattr("serve_app.jobs.latest._PATIENCE_S", 0)
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


async def test_a_costly_look_is_followed_by_ten_times_its_rest(made: Any, clock: Clock) -> None:
    pauses: list[float] = []
    paused = asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        paused.set()
        await asyncio.Event().wait()

    class Slow(Ray):
        async def look(self, previous: Snapshot | None) -> Snapshot:
            clock.now += 3
            return await super().look(previous)

    latest = made(Slow(GOOD), pause=pause)
    latest.start()
    await paused.wait()
    assert pauses == [30.0]


async def test_health_fails_only_when_the_period_has_ended(made: Any) -> None:
    async def pause(seconds: float) -> None:
        raise RuntimeError("the loop is broken")

    latest = made(Ray(GOOD), pause=pause)
    latest.require_alive()
    latest.start()
    await asyncio.wait({latest._loop})
    with pytest.raises(RuntimeError, match="poll loop"):
        latest.require_alive()


class Pauses:
    """Takes the period's pauses, and ends the period's going on after so many."""

    def __init__(self, clock: Clock, most: int) -> None:
        self.seconds: list[float] = []
        self.enough = asyncio.Event()
        self._clock = clock
        self._most = most

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) >= self._most:
            self.enough.set()
            await asyncio.Event().wait()
        self._clock.now += seconds


REST = snapshot(nodes=[node("ALIVE", is_head=True)])
ONLY_NODES = snapshot(nodes=[node("ALIVE")])
ENDED = snapshot(submission("a", "SUCCEEDED"))
PENDING = snapshot(submission("a", "PENDING"))


@pytest.mark.parametrize(
    ("answer", "config", "wanted"),
    [
        (REST, {}, 5),
        (ENDED, {}, 5),
        # Nodes run for ever; they are no reason to look often.
        (ONLY_NODES, {}, 5),
        (GOOD, {}, 2),
        (PENDING, {}, 2),
        (GOOD, {"busy_poll_period_s": 0.5}, 1),
        (GOOD, {"busy_poll_period_s": 20}, 5),
    ],
)
async def test_the_period_is_short_while_jobs_are_on_their_way(
    made: Any, clock: Clock, answer: Snapshot, config: dict[str, Any], wanted: float
) -> None:
    pauses = Pauses(clock, 1)
    latest = made(Ray(answer), pause=pauses)
    latest.config = CONFIG.model_copy(update=config)
    latest.start()
    await pauses.enough.wait()
    assert pauses.seconds == [wanted]


async def test_after_a_change_looks_are_frequent_for_half_a_minute(made: Any, clock: Clock) -> None:
    changes = iter([True, *[False] * 100])
    pauses = Pauses(clock, 32)
    made(Ray(ENDED), pause=pauses, seen=lambda snapshot, rows: next(changes)).start()
    await pauses.enough.wait()
    assert pauses.seconds == [*[1.0] * 30, 5.0, 5.0]


async def test_a_nudge_ends_the_pause_and_makes_looks_frequent(made: Any, clock: Clock) -> None:
    ray = Ray(ENDED)
    pauses: list[float] = []
    paused: asyncio.Queue[float] = asyncio.Queue()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        paused.put_nowait(seconds)
        await asyncio.Event().wait()

    latest = made(ray, pause=pause)
    latest.start()
    assert await paused.get() == 5.0
    latest.nudge()
    assert await paused.get() == 1.0
    assert (ray.looks, pauses) == (2, [5.0, 1.0])


async def test_a_nudge_during_a_look_makes_another(made: Any) -> None:
    ray = Ray(ENDED)
    looked = asyncio.Event()
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if ray.looks == 2:
            looked.set()
        await asyncio.Event().wait()

    latest = made(ray, pause=pause)
    ray.gate.clear()
    latest.start()
    while ray.looks == 0:
        await asyncio.sleep(0)
    latest.nudge()
    ray.gate.set()
    await looked.wait()
    assert ray.looks == 2


@pytest.mark.parametrize(("cost_s", "rest_s"), [(0.125, 0.2), (3.0, 3.0)])
async def test_however_many_nudges_come_it_rests_as_long_as_it_looks(
    made: Any, clock: Clock, cost_s: float, rest_s: float
) -> None:
    class Slow(Ray):
        async def look(self, previous: Snapshot | None) -> Snapshot:
            clock.now += cost_s
            latest.nudge()
            return await super().look(previous)

    rests: list[float] = []
    enough = asyncio.Event()

    async def pause(seconds: float) -> None:
        if seconds != max(1.0, 10 * cost_s):
            rests.append(round(seconds, 6))
            if len(rests) == 3:
                enough.set()
                await asyncio.Event().wait()
            return
        await asyncio.Event().wait()

    latest = made(Slow(ENDED), pause=pause)
    latest.start()
    await enough.wait()
    assert rests == [rest_s] * 3


async def test_who_watches_is_told_of_each_look_once(made: Any, clock: Clock) -> None:
    told: list[list[str]] = []

    def seen(snapshot: Snapshot, rows: list[Any]) -> bool:
        told.append([row.id for row in rows])
        return False

    latest = made(Ray(ENDED, DOWN, ENDED), seen=seen)
    for _ in range(3):
        await latest.get()
        clock.now += 3
    assert told == [["a"], ["a"]], "a look that failed tells nothing"


async def test_rows_are_found_by_key(made: Any) -> None:
    seen = await made(Ray(replace(ENDED, session="s"))).get()
    assert {key: row.id for key, row in seen.by_key.items()} == {"s/a": "a"}

"""An actor circles when its successes were told and there was none, and when its restarts were seen or told."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.jobs.progress.circles import questions as asking
from serve_app.jobs.progress.circles.attempts import ActorTurns
from serve_app.jobs.progress.circles.causes import read_code
from serve_app.jobs.progress.circles.questions import AttemptQuestions
from serve_app.jobs.progress.circles.seeker import MOST_ACTORS, CircleSeeker
from tests.unit.jobs.progress.circles.examples import TableRay, at, build_round, task

JOB = "01000000"
DRIVER = task("driver", "RUNNING")


def begin(ray: TableRay) -> CircleSeeker:
    return CircleSeeker(AttemptQuestions(ray), lambda error_type, message: read_code(error_type))


def actor(restarts: int, id: str = "a1", state: str = "ALIVE") -> ActorTurns:
    return ActorTurns(JOB, id, "Counter", state, restarts, 41 + restarts, "n1")


def call(id: str, state: str, ended: float, of: str = "a1", error: str = "ACTOR_DIED") -> Any:
    return task(id, state, ended=ended, actor_id=of, type="ACTOR_TASK", error_type=error)


async def seek(seeker: CircleSeeker, ray: TableRay, seconds: float, *actors: ActorTurns) -> list[tuple[Any, ...]]:
    """What is told of actors: whose circle, how often, since when, whether others succeed."""
    found = (await seeker.seek(await build_round(ray, at(seconds), actors=actors))).get(JOB)
    circles = () if found is None else found.circles
    return [(each.id, each.failures, each.first_at, each.others_succeed) for each in circles if each.what == "actor"]


async def test_in_the_round_of_its_third_restart_its_successes_are_asked() -> None:
    ray = TableRay([DRIVER, call("early", "FINISHED", -5)])
    seeker = begin(ray)
    for number in range(3):
        assert await seek(seeker, ray, number * 20, actor(number)) == []
    ray.tasks = [DRIVER, call("done", "FINISHED", 55)]
    assert await seek(seeker, ray, 60, actor(3)) == []
    # Its twin succeeds no more.
    for number in (4, 5):
        assert await seek(seeker, ray, number * 20, actor(number)) == []
    assert await seek(seeker, ray, 120, actor(6)) == [("a1", 3, at(60), False)]


async def test_successes_that_are_not_told_are_not_missing() -> None:
    ray = TableRay([DRIVER])
    seeker = begin(ray)
    assert await seek(seeker, ray, 0, actor(2)) == []
    round = await build_round(ray, at(20), actors=(actor(4),))
    ray.down = True
    assert await seeker.seek(round) == {}
    ray.down = False
    assert await seek(seeker, ray, 200, actor(5)) == [("a1", 5, None, False)]
    # What was found stays while nothing is told.
    later = await build_round(ray, at(400), actors=(actor(6),))
    ray.down = True
    ((circle,),) = [turns.circles for turns in (await seeker.seek(later)).values()]
    assert (circle.id, circle.failures) == ("a1", 6)


async def test_successes_that_ray_forgets_are_remembered() -> None:
    ray = TableRay([DRIVER, call("done", "FINISHED", 5)])
    seeker = begin(ray)
    assert await seek(seeker, ray, 10, actor(3)) == []
    ray.tasks = [DRIVER]
    assert await seek(seeker, ray, 30, actor(4)) == []
    assert await seek(seeker, ray, 50, actor(6)) == [("a1", 3, at(10), False)]


async def test_of_many_actors_each_has_its_turn_and_none_circles_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST_SUCCESSES", 4)
    ids = [f"a{number:02}" for number in range(2 * MOST_ACTORS)]
    # Of the first half calls succeed, of the last one none; the list of the job is filled by others.
    noise = [task(f"A{number}", "FINISHED", ended=0) for number in range(9)]
    done = [call(f"done-{id}", "FINISHED", -1, id) for id in ids[:-1]]
    ray = TableRay([DRIVER, *noise, *done])
    seeker = begin(ray)
    assert await seek(seeker, ray, -5, *(actor(1, id) for id in ids)) == []
    told = [await seek(seeker, ray, number * 20, *(actor(4, id) for id in ids)) for number in range(4)]
    assert [[each[0] for each in circles] for circles in told] == [[], [ids[-1]], [ids[-1]], [ids[-1]]]


async def test_old_restarts_are_no_circle_until_one_more_is_seen() -> None:
    """After a restart of the inspector: an actor may be at work in one long call since."""
    ray = TableRay([DRIVER, task("other", "FINISHED", ended=-30)])
    seeker = begin(ray)
    for number in range(3):
        assert await seek(seeker, ray, number * 20, actor(5)) == []
    # Nobody knows since when.
    assert await seek(seeker, ray, 60, actor(6)) == [("a1", 6, None, True)]
    # Its twin is being restarted at this moment.
    assert await seek(begin(ray), ray, 60, actor(5, state="RESTARTING")) == [("a1", 5, None, True)]


async def test_of_an_actor_that_is_new_all_restarts_are() -> None:
    ray = TableRay([DRIVER])
    seeker = begin(ray)
    assert await seek(seeker, ray, 0) == []
    assert await seek(seeker, ray, 20, actor(3)) == [("a1", 3, at(0), False)]


async def test_actors_that_ray_does_not_list_now_are_not_forgotten() -> None:
    ray = TableRay([DRIVER])
    seeker = begin(ray)
    assert await seek(seeker, ray, 0, actor(0)) == []
    assert await seek(seeker, ray, 20, actor(3)) == [("a1", 3, at(0), False)]
    ((circle,),) = [
        turns.circles for turns in (await seeker.seek(await build_round(ray, at(40), actors=None))).values()
    ]
    assert (circle.id, circle.failures, circle.first_at) == ("a1", 3, at(0))
    # One that is gone circles no more.
    assert await seek(seeker, ray, 60) == []


RAISED = "TASK_EXECUTION_EXCEPTION"
# The last word of calls that failed after a success, 10 s apart, and how many restarts since are told.
LOST: dict[str, tuple[str, list[int]]] = {
    "it raises": (RAISED, []),
    "its arguments are lost": ("OBJECT_LOST", []),
    "its actor died": ("ACTOR_DIED", [4]),
    "its actor was away": ("ACTOR_UNAVAILABLE", [4]),
    "its worker died": ("WORKER_DIED", [4]),
    "it was killed for memory": ("OUT_OF_MEMORY", [4]),
    "its node died": ("NODE_DIED", [4]),
}


@pytest.mark.parametrize(("error", "told"), LOST.values(), ids=LOST)
async def test_only_calls_that_are_lost_with_their_actor_tell_of_restarts(error: str, told: list[int]) -> None:
    lost = [call(f"lost{number}", "FAILED", -50 + number * 10, error=error) for number in range(4)]
    ray = TableRay([DRIVER, call("done", "FINISHED", -60), *lost])
    assert [each[1] for each in await seek(begin(ray), ray, 0, actor(9))] == told


async def test_what_a_call_raised_is_not_why_its_actor_was_restarted() -> None:
    lost = [call(f"lost{number}", "FAILED", -50 + number * 10) for number in range(3)]
    ray = TableRay([DRIVER, *lost, call("raised", "FAILED", -5, error=RAISED)])
    found = await begin(ray).seek(await build_round(ray, at(0), actors=(actor(3),)))
    (circle,) = found[JOB].circles
    assert (circle.error_type, circle.code, circle.last_at) == ("ACTOR_DIED", "actor.died", at(-30))

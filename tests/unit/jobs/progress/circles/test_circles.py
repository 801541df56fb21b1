"""Which failures are a circle, which are a count, and which are nothing: made tables, each case beside its twin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from serve_app.jobs.diagnosis.log.memory_kills import KILL_TEXT
from serve_app.jobs.models import Known, Unknown
from serve_app.jobs.progress.circles import ledger
from serve_app.jobs.progress.circles import questions as asking
from serve_app.jobs.progress.circles.attempts import ActorTurns
from serve_app.jobs.progress.circles.causes import read_code
from serve_app.jobs.progress.circles.circles import JobTurns
from serve_app.jobs.progress.circles.questions import AttemptQuestions
from serve_app.jobs.progress.circles.seeker import MOST_SUSPECTS, CircleSeeker
from tests.unit.jobs.progress.circles.examples import NOW, TableRay, at, build_round, task, to_ms

JOB = "01000000"


def seeker(ray: TableRay) -> CircleSeeker:
    return CircleSeeker(AttemptQuestions(ray), lambda error_type, message: read_code(error_type))


def failed(id: str, times: int, *, since: float = -60, every: float = 10, **more: Any) -> list[Any]:
    return [task(id, "FAILED", number, ended=since + number * every, **more) for number in range(times)]


def each_once(state: str, count: int, *, ended: float = -30, **more: Any) -> list[Any]:
    return [task(f"{state}-{number}", state, ended=ended, **more) for number in range(count)]


def actor(restarts: int, state: str = "ALIVE", pid: int = 41) -> ActorTurns:
    return ActorTurns(JOB, "a1", "Counter", state, restarts, pid, "n1")


def call(id: str, state: str, ended: float) -> Any:
    return task(id, state, ended=ended, actor_id="a1", type="ACTOR_TASK", error_type="ACTOR_UNAVAILABLE")


# What the task table has, and what is told: what, failures, whether others succeed; and attempts that were made good.
TASKS: dict[str, tuple[list[Any], list[tuple[str, int, bool]], int]] = {
    "failed twice, and tried again": ([*failed("t", 2), task("t", "RUNNING", 2)], [], 0),
    "failed three times, and tried again": ([*failed("t", 3), task("t", "RUNNING", 3)], [("task", 3, False)], 0),
    "failed three times, then good": ([*failed("t", 3), task("t", "FINISHED", 3)], [], 3),
    "failed three times, others go on": (
        [*failed("t", 3), task("t", "RUNNING", 3), *each_once("FINISHED", 2, ended=-15)],
        [("task", 3, True)],
        0,
    ),
    "failed three times, others had succeeded before": (
        [*failed("t", 3), task("t", "RUNNING", 3), *each_once("FINISHED", 2, ended=-61)],
        [("task", 3, False)],
        0,
    ),
    "given up two minutes ago": (failed("t", 4, since=-150), [("task", 4, False)], 0),
    "given up six minutes ago, and the job went on": (
        [*failed("t", 4, since=-390), *each_once("FINISHED", 2)],
        [],
        0,
    ),
    "goes well at last, for longer than it failed": (
        [*failed("t", 3, since=-900), task("t", "RUNNING", 3)],
        [],
        0,
    ),
    "fails each twenty minutes": (
        [*failed("t", 3, since=-3600, every=1200), task("t", "RUNNING", 3)],
        [("task", 3, False)],
        0,
    ),
    "cancelled by its program": (
        [*failed("t", 3, error_type="TASK_CANCELLED"), task("t", "RUNNING", 3)],
        [],
        0,
    ),
    "five that failed for good, none that succeeded": (each_once("FAILED", 5), [("job", 5, False)], 0),
    "five that failed for good, four that succeeded": (
        [*each_once("FAILED", 5), *each_once("FINISHED", 4)],
        [("job", 5, True)],
        0,
    ),
    "five that failed for good, five that succeeded": ([*each_once("FAILED", 5), *each_once("FINISHED", 5)], [], 0),
    "four that failed for good": (each_once("FAILED", 4), [], 0),
    "many that failed six minutes ago": (each_once("FAILED", 50, ended=-360), [], 0),
    "eight that failed once, and are tried again": (
        [*each_once("FAILED", 8), *(task(f"FAILED-{number}", "RUNNING", 1) for number in range(8))],
        [],
        0,
    ),
    "eight that failed twice, and are tried again": (
        [row for number in range(8) for row in (*failed(f"t{number}", 2), task(f"t{number}", "RUNNING", 2))],
        [("job", 16, False)],
        0,
    ),
    "what had not ended when its job did": (
        [*failed("t", 3, error_message="Job finishes (01000000) as driver exits."), task("t", "RUNNING", 3)],
        [],
        0,
    ),
}


@pytest.mark.parametrize(("tasks", "circles", "repaired"), TASKS.values(), ids=TASKS)
async def test_tasks(tasks: list[Any], circles: list[tuple[str, int, bool]], repaired: int) -> None:
    ray = TableRay(tasks)
    found = (await seeker(ray).seek(await build_round(ray, NOW))).get(JOB)
    told = [] if found is None else [(each.what, each.failures, each.others_succeed) for each in found.circles]
    assert (told, 0 if found is None else found.repaired) == (circles, repaired)


# Rounds 20 s apart: how often the actor had been restarted, when calls of it succeeded, and what is told in the end.
ACTORS: dict[str, tuple[list[int], list[float], list[tuple[str, int]]]] = {
    "restarted twice": ([2], [], []),
    "restarted three times, no call of it succeeded": ([3], [], [("actor", 3)]),
    "restarted three times, and calls succeed since": ([2, 3, 3], [25], []),
    "restarted again and again, with successes between": ([1, 2, 3, 4, 5], [5, 25, 45, 65], []),
    "restarted again and again after a success": ([1, 1, 2, 3, 4], [15], [("actor", 3)]),
    "restarted twice after a success": ([1, 1, 2, 3, 3], [15], []),
}


@pytest.mark.parametrize(("restarts", "successes", "told"), ACTORS.values(), ids=ACTORS)
async def test_actors(restarts: list[int], successes: list[float], told: list[tuple[str, int]]) -> None:
    ray = TableRay([task("driver", "RUNNING")])
    seeking, found = seeker(ray), {}
    for number, count in enumerate(restarts):
        now = number * 20
        done = [call(f"c{when}", "FINISHED", when) for when in successes if when <= now]
        ray.tasks = [task("driver", "RUNNING"), call("lost", "FAILED", 0), *done]
        found = await seeking.seek(await build_round(ray, at(now), actors=(actor(count, pid=41 + count),)))
    circles = found[JOB].circles if JOB in found else ()
    assert [(each.what, each.failures) for each in circles] == told


@pytest.mark.parametrize(
    ("successes", "told"),
    [
        ([30, 40, 50, 60, 70, 80, 90], []),
        ([30, 40, 40, 40, 40, 40, 40], [("actor", 3)]),
    ],
    ids=["they go on", "none since"],
)
async def test_of_more_calls_than_are_listed_their_number_tells_whether_one_succeeded_since(
    successes: list[int], told: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest are listed: what came last of them is of long ago in both."""
    monkeypatch.setattr(asking, "MOST_SUCCESSES", 10)
    ray = TableRay([])
    seeking, found = seeker(ray), {}
    for number, count in enumerate(successes):
        now, restarts = number * 20, number
        done = [call(f"c{each:03}", "FINISHED", -400 + each) for each in range(count)]
        ray.tasks = [task("driver", "RUNNING"), *done]
        found = await seeking.seek(await build_round(ray, at(now), actors=(actor(restarts, pid=41 + number),)))
    circles = found[JOB].circles if JOB in found else ()
    assert [(each.what, each.failures) for each in circles] == told


async def test_calls_that_failed_since_the_last_success_tell_of_restarts_before_it_was_looked_at() -> None:
    """Calls that wait for an actor fail at once with it: bursts are counted, and no more than there were restarts."""
    lost = [call(f"lost{number}", "FAILED", when) for number, when in enumerate((-40, -40.1, -30, -30.2, -20))]
    ray = TableRay([task("driver", "RUNNING"), call("done", "FINISHED", -50), *lost])
    found = await seeker(ray).seek(await build_round(ray, NOW, actors=(actor(9),)))
    (circle,) = found[JOB].circles
    assert (circle.what, circle.failures, circle.first_at) == ("actor", 3, at(-40.1))


@pytest.mark.parametrize("word", ["ACTOR_UNAVAILABLE", "ACTOR_DIED", "WORKER_DIED"])
async def test_a_call_that_is_lost_with_its_actor_again_and_again_is_told_as_the_actor(word: str) -> None:
    """Which word Ray has for it depends on when the call came: one that died with the process gets WORKER_DIED."""
    rows = failed("call", 6, actor_id="a1", type="ACTOR_TASK", error_type=word, error_message="away")
    ray = TableRay([*rows, task("call", "RUNNING", 6)])
    found = await seeker(ray).seek(await build_round(ray, NOW, actors=(actor(6, "RESTARTING"),)))
    (circle,) = found[JOB].circles
    assert (circle.what, circle.name, circle.failures, circle.code) == ("actor", "Counter", 6, "actor.died")
    assert (circle.first_at, circle.last_at) == (at(-60), at(-10))


OOM, GONE = "OUT_OF_MEMORY", "WORKER_DIED"


@pytest.mark.parametrize(
    ("rounds", "told"),
    [
        # What a stop kills while the job still counts as running has no reason of its own.
        ([[OOM] * 3, [GONE]], ("memory.node-oom", OOM, 4)),
        ([[OOM, OOM, GONE, OOM, GONE]], ("memory.node-oom", OOM, 5)),
        ([[GONE, OOM, GONE], [OOM]], ("memory.node-oom", OOM, 4)),
        # Most say nothing, then the last speaks.
        ([[OOM, GONE, GONE, GONE]], ("memory.process-killed", GONE, 4)),
        ([[GONE] * 4], ("memory.process-killed", GONE, 4)),
        # Another reason is one.
        ([[OOM, OOM, OOM, "TASK_EXECUTION_EXCEPTION"]], ("app.task-exception", "TASK_EXECUTION_EXCEPTION", 4)),
    ],
)
async def test_a_word_that_tells_nothing_hides_no_reason(rounds: list[list[str]], told: tuple[str, str, int]) -> None:
    ray = TableRay([])
    seeking, found, words = seeker(ray), {}, list[str]()
    for number, more in enumerate(rounds):
        begin = len(words)
        words += more
        # Ray lists the newest only.
        rows = [
            task("t", "FAILED", each, ended=each - 60, error_type=words[each], error_message="")
            for each in range(begin, len(words))
        ]
        ray.tasks = [*rows, task("t", "RUNNING", len(words))]
        found = await seeking.seek(await build_round(ray, at(number * 20)))
    (circle,) = found[JOB].circles
    assert (circle.code, circle.error_type, circle.failures) == told


async def test_a_job_whose_tasks_were_killed_for_memory_keeps_that_when_a_stop_kills_the_last() -> None:
    words = [OOM] * 5 + [GONE] * 3
    ray = TableRay([task(f"t{n}", "FAILED", ended=n - 60, error_type=word) for n, word in enumerate(words)])
    (circle,) = (await seeker(ray).seek(await build_round(ray, NOW)))[JOB].circles
    assert (circle.what, circle.code, circle.failures, circle.last_at) == ("job", "memory.node-oom", 8, at(-53))


async def test_an_actor_keeps_why_it_was_killed_when_a_stop_ends_its_last_process() -> None:
    killed = f"Killed {KILL_TEXT.decode()}. Memory on its node was 7.60GB used / 8.00GB."
    worker = {"node_id": "n1", "exit_type": "NODE_OUT_OF_MEMORY", "exit_detail": killed}
    stopped = {"node_id": "n1", "exit_type": "INTENDED_SYSTEM_EXIT", "exit_detail": "Its job has finished."}
    ray = TableRay([task("driver", "RUNNING")], workers=[worker | {"pid": 43}, stopped | {"pid": 44}])
    seeking, found = seeker(ray), {}
    for number, (restarts, state, pid) in enumerate([(2, "ALIVE", 43), (3, "ALIVE", 44), (3, "DEAD", 44)]):
        now = at(number * 20)
        found = await seeking.seek(await build_round(ray, now, actors=(actor(restarts, state, pid),)))
    (circle,) = found[JOB].circles
    assert (circle.what, circle.code) == ("actor", "memory.node-oom")


async def test_what_ray_forgets_is_still_counted() -> None:
    ray = TableRay([*failed("t", 4, since=-60), task("t", "RUNNING", 4)])
    seeking = seeker(ray)
    await seeking.seek(await build_round(ray, NOW))
    ray.tasks = [*failed("t", 7, since=-60)[5:], task("t", "RUNNING", 7)]
    (circle,) = (await seeking.seek(await build_round(ray, at(20))))[JOB].circles
    assert (circle.failures, circle.first_at, circle.last_at) == (6, at(-60), at(0))


async def test_of_a_job_that_ended_it_stays_known() -> None:
    ray = TableRay([*failed("t", 4), task("t", "RUNNING", 4)])
    seeking = seeker(ray)
    before = await seeking.seek(await build_round(ray, NOW))
    ray.tasks = [*failed("t", 4), task("t", "FAILED", 4, ended=30, error_message="Job finishes (01000000) as …")]
    for minutes in (1, 60):
        assert await seeking.seek(await build_round(ray, at(minutes * 60), ended={JOB: at(15)})) == before
    # After a restart of the inspector, too: what Ray still has is judged as of the job's end.
    later, asked = seeker(ray), len(ray.asked)
    for _ in range(3):
        assert await later.seek(await build_round(ray, at(3600), ended={JOB: at(15)})) == before
    assert [("job_id", "=", JOB) in filters for filters in ray.asked[asked:]].count(True) == 1


async def test_what_was_stopped_between_two_rounds_is_judged_as_of_its_end() -> None:
    ray = TableRay([*failed("t", 2, since=-30), task("t", "RUNNING", 2)])
    seeking = seeker(ray)
    assert await seeking.seek(await build_round(ray, NOW)) == {}
    cut_off = task("t", "FAILED", 3, ended=8, error_message="Job finishes (01000000) as …")
    ray.tasks = [*failed("t", 3, since=-15), cut_off]
    # A moment after its end not all may have been told yet.
    assert await seeking.seek(await build_round(ray, at(9), ended={JOB: at(8)})) == {}
    for seconds in (20, 40, 3600):
        (circle,) = (await seeking.seek(await build_round(ray, at(seconds), ended={JOB: at(8)})))[JOB].circles
        assert (circle.what, circle.failures, circle.last_at) == ("task", 3, at(5))


@pytest.mark.parametrize(
    ("failures", "told", "asked"),
    [
        # Its circle is found when Ray answers at last; after five times it is judged by what is known.
        (0, [("task", 3, False)], 1),
        (1, [("task", 3, False)], 2),
        (4, [("task", 3, False)], 5),
        (9, [("task", 3, None)], 5),
    ],
)
async def test_a_job_that_ended_is_asked_about_again(failures: int, told: list[Any], asked: int) -> None:
    cut_off = task("t", "FAILED", 3, ended=8, error_message="Job finishes (01000000) as …")
    ray = TableRay([*failed("t", 3, since=-15), cut_off])
    seeking, found, behind, questions = seeker(ray), {}, [], 0
    ask = seeking._questions.ask_successes

    async def fail_first(job_id: str) -> Any:
        nonlocal questions
        questions += 1
        return Unknown("too slow") if questions <= failures else await ask(job_id)

    seeking._questions.ask_successes = fail_first  # type: ignore[method-assign]
    for number in range(8):
        found = await seeking.seek(await build_round(ray, at(20 + 20 * number), ended={JOB: at(8)}))
        behind.append(seeking.is_behind)
    assert [(each.what, each.failures, each.others_succeed) for each in found[JOB].circles] == told
    assert (questions, behind) == (asked, [True] * (asked - 1) + [False] * (9 - asked))


@pytest.mark.parametrize(
    ("goes_on", "until_s"),
    [
        # The last failed at -20; it works since, or is gone, and nobody can be asked whether it succeeded.
        ([task("t", "RUNNING", 5)], 280),
        ([], 280),
    ],
)
async def test_a_circle_of_which_nobody_can_be_asked_is_over_in_its_time(goes_on: list[Any], until_s: int) -> None:
    ray = TableRay([*failed("t", 5), task("t", "RUNNING", 5)])
    seeking = seeker(ray)
    await seeking.seek(await build_round(ray, NOW))
    ray.tasks = [*failed("t", 5), *goes_on]
    told = []
    for seconds in range(20, 400, 20):
        ray.down = False
        round = await build_round(ray, at(seconds))
        ray.down = True
        told.append((seconds, bool((await seeking.seek(round)).get(JOB, JobTurns()).circles)))
    assert told == [(seconds, seconds <= until_s) for seconds, _ in told]


async def test_of_a_job_that_ended_well_nothing_is_told() -> None:
    ray = TableRay([*failed("t", 3), task("t", "FINISHED", 3)])
    found = await seeker(ray).seek(await build_round(ray, at(60), ended={JOB: at(15)}))
    assert found == {JOB: JobTurns((), repaired=3)}


async def test_what_is_gone_from_ray_is_forgotten() -> None:
    ray = TableRay([*failed("t", 4), task("t", "RUNNING", 4)])
    seeking = seeker(ray)
    await seeking.seek(await build_round(ray, NOW))
    ray.tasks = []
    assert await seeking.seek(await build_round(ray, at(20))) == {}
    assert (seeking._tasks, seeking._asked, seeking._found) == ({}, {}, {})


async def test_of_a_job_that_ended_only_what_was_found_is_kept() -> None:
    ray = TableRay([*failed("t", 4), task("t", "RUNNING", 4), *each_once("FINISHED", 9)])
    seeking = seeker(ray)
    found = await seeking.seek(await build_round(ray, NOW))
    assert (set(seeking._tasks), set(seeking._asked)) == ({"t"}, {JOB})
    assert await seeking.seek(await build_round(ray, at(60), ended={JOB: at(15)})) == found
    assert (seeking._tasks, seeking._asked) == ({}, {})


async def test_lists_of_successes_are_kept_while_they_tell_of_now() -> None:
    """That it was asked about, and with how many failures, stays: it is not asked again for the same."""
    ray = TableRay([*failed("t", 2), task("t", "FINISHED", 2), *each_once("FINISHED", 9)])
    seeking, found, kept = seeker(ray), {}, []
    for seconds in (0, 80, 100):
        found = await seeking.seek(await build_round(ray, at(seconds)))
        asked = seeking._asked[JOB]
        kept.append((asked.at, asked.failures, asked.successes is not None))
    assert (kept, found) == ([(NOW, 2, True), (NOW, 2, True), (NOW, 2, False)], {JOB: JobTurns((), repaired=2)})


async def test_without_its_successes_only_what_is_tried_again_is_a_circle() -> None:
    ray = TableRay([*failed("t", 4), task("t", "RUNNING", 4), *failed("given-up", 4, job="02000000")])
    round = await build_round(ray, NOW)
    ray.down = True
    found = await seeker(ray).seek(round)
    told = {job_id: [(each.id, each.others_succeed) for each in turns.circles] for job_id, turns in found.items()}
    assert told == {JOB: [("t", None)]}


async def test_what_was_found_stays_until_it_is_asked_about_again() -> None:
    """A count of what was made good, and of many jobs in trouble those whose turn has not come again."""
    jobs = [f"{number:02}000000" for number in range(2, 2 + 2 * MOST_SUSPECTS)]
    rows = [row for job in jobs for row in each_once("FAILED", 5, job=job)]
    rows = [{**row, "task_id": row["task_id"] + row["job_id"]} for row in rows]
    ray = TableRay([*failed("t", 2), task("t", "FINISHED", 2), *rows])
    seeking, found = seeker(ray), {}
    for number in range(7):
        now = at(number * 20)
        ray.tasks = [row if row["job_id"] == JOB else {**row, "end_time_ms": to_ms(now)} for row in ray.tasks]
        found = await seeking.seek(await build_round(ray, now))
    assert found[JOB] == JobTurns((), repaired=2)
    assert {job_id for job_id, turns in found.items() if turns.circles} == set(jobs)


async def test_what_failed_and_was_made_good_while_nobody_could_be_asked_is_no_circle() -> None:
    """What succeeded is known as of the round before, when it had not."""
    ray = TableRay([*failed("t", 2), task("t", "RUNNING", 2), *failed("u", 3), task("u", "RUNNING", 3)])
    seeking = seeker(ray)
    assert [each.id for each in (await seeking.seek(await build_round(ray, NOW)))[JOB].circles] == ["u"]
    good = [*failed("t", 3, since=-10), task("t", "FINISHED", 3, ended=15)]
    ray.tasks = [*good, *failed("u", 3), task("u", "RUNNING", 3)]
    round = await build_round(ray, at(20))
    ray.down = True
    assert [each.id for each in (await seeking.seek(round))[JOB].circles] == ["u"]
    ray.down = False
    found = await seeking.seek(await build_round(ray, at(40)))
    assert ([each.id for each in found[JOB].circles], found[JOB].repaired) == (["u"], 3)


async def test_of_more_jobs_than_are_asked_about_in_a_round_none_is_called_wholly_in_circles() -> None:
    """All of them go on in part: of one whose turn has not come it is not known, and what is known stays between turns.
    """
    jobs = [f"{number:02}000000" for number in range(1, 1 + 6 * MOST_SUSPECTS)]
    seeking, ray = seeker(TableRay([])), TableRay([])
    seeking._questions = AttemptQuestions(ray)
    told = []
    for number in range(12):
        now = number * 20
        ray.tasks = [
            {**row, "task_id": row["task_id"] + job}
            for job in jobs
            for row in (
                *failed("t", 3, since=now - 40, job=job),
                task("t", "RUNNING", 3, job=job),
                *each_once("FINISHED", 2, ended=now - 5, job=job),
            )
        ]
        found = await seeking.seek(await build_round(ray, at(now)))
        told.append({each.others_succeed for turns in found.values() for each in turns.circles})
        assert len(found) == len(jobs)
    assert told == [{True, None}] * 5 + [{True}] * 7


async def test_jobs_of_which_nothing_is_told_do_not_take_the_turn_of_others() -> None:
    jobs = [f"{number:02}000000" for number in range(1, 5 + MOST_SUSPECTS)]
    ray = TableRay([{**row, "task_id": row["task_id"] + job} for job in jobs for row in failed("t", 5, job=job)])
    seeking, asked = seeker(ray), []

    async def ask(job_id: str) -> Any:
        asked.append(job_id)
        return Unknown("too slow")

    seeking._questions.ask_successes = ask  # type: ignore[method-assign]
    for number in range(2):
        await seeking.seek(await build_round(ray, at(number * 20)))
    assert set(asked) == set(jobs)


@pytest.mark.parametrize(
    ("restarts", "succeeded_s", "unsure_s"),
    [
        # Had it circled before, that is not over until fifteen minutes tell of no restart, or a call succeeds.
        (5, None, 900),
        (5, -300, 900),
        (5, 30, 20),
        (2, None, -1),
    ],
)
async def test_of_an_actor_first_seen_with_many_restarts_it_is_not_known(
    restarts: int, succeeded_s: float | None, unsure_s: float
) -> None:
    seeking, told = seeker(TableRay([])), {}
    for seconds in range(0, 1_000, 20):
        done = succeeded_s is not None and seconds > succeeded_s
        ray = TableRay([task("driver", "RUNNING"), *([call("c", "FINISHED", succeeded_s or 0)] if done else [])])
        seeking._questions = AttemptQuestions(ray)
        await seeking.seek(await build_round(ray, at(seconds), actors=(actor(restarts),)))
        told[seconds] = seeking.unsure
    assert told == {seconds: frozenset({JOB} if seconds <= unsure_s else ()) for seconds in told}


async def test_an_actor_that_a_cut_list_left_out_was_not_restarted_meanwhile() -> None:
    ray = TableRay([task("driver", "RUNNING"), call("done", "FINISHED", -300)])
    seeking, found = seeker(ray), {}
    for number, listed in enumerate(((actor(5),), (), (actor(5),), (actor(5),))):
        found = await seeking.seek(await build_round(ray, at(number * 20), actors=listed, actors_cut=True))
    assert found == {}


async def test_more_attempts_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a task that is remembered no more its first failure is none yet, as of the others."""
    monkeypatch.setattr(ledger, "MOST_TASKS", 5)
    again = [task(f"FAILED-{number}", "RUNNING", 1) for number in range(8)]
    others = [task(f"b{number}", "FAILED", ended=-20, job="02000000") for number in range(8)]
    ray = TableRay([*each_once("FAILED", 8), *again, *others])
    found = await seeker(ray).seek(await build_round(ray, NOW))
    assert {job_id: [each.failures for each in turns.circles] for job_id, turns in found.items()} == {"02000000": [8]}


async def test_only_of_jobs_of_which_no_task_is_listed_it_is_not_known_that_more_fails() -> None:
    others = [task(f"b{number}", "FAILED", ended=-20, job="02000000") for number in range(5)]
    ray = TableRay([*each_once("FAILED", 5), *others])
    round = await build_round(ray, NOW, unlisted=frozenset({"02000000"}))
    found = await seeker(ray).seek(round)
    assert {job_id: [each.failures for each in turns.circles] for job_id, turns in found.items()} == {JOB: [5]}


async def test_a_noisy_job_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST_ATTEMPTS", 10)
    noise = [task(f"a{number:03}", "FAILED", job="02000000") for number in range(30)]
    ray = TableRay([*noise, *failed("z", 3), task("z", "RUNNING", 3)])
    section = await AttemptQuestions(ray).ask_attempts()
    assert isinstance(section, Known)
    assert (len(section.value), section.note) == (13, None)
    assert ray.asked == [(("state", "=", "FAILED"),), (("state", "=", "FAILED"), ("job_id", "!=", "02000000"))]


async def test_each_noisy_job_is_left_out_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST_ATTEMPTS", 10)
    noise = [task(f"a{number:03}{job}", "FAILED", job=job) for job in ("02000000", "03000000") for number in range(30)]
    ray = TableRay([*noise, *failed("z", 3), task("z", "RUNNING", 3)])
    section = await AttemptQuestions(ray).ask_attempts()
    assert isinstance(section, Known)
    assert {each.job_id for each in section.value} == {JOB, "02000000", "03000000"}
    assert [len(filters) for filters in ray.asked] == [1, 2, 3]


async def test_too_much_noise_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST_ATTEMPTS", 2)
    ray = TableRay([row for job in range(1, 6) for row in each_once("FAILED", 3, job=f"0{job}000000")])
    section = await AttemptQuestions(ray).ask_attempts()
    assert isinstance(section, Known)
    assert section.note == "7 failed attempts are not looked at"


async def test_ray_that_does_not_answer_is_said() -> None:
    ray = TableRay([])
    ray.down = True
    assert await AttemptQuestions(ray).ask_attempts() == Unknown("Ray does not answer.")


async def test_of_many_successes_those_after_a_failure_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST_SUCCESSES", 10)
    ray = TableRay([*each_once("FINISHED", 30), *failed("z", 3), task("z", "FINISHED", 3)])
    found = await seeker(ray).seek(await build_round(ray, NOW))
    assert (found[JOB].circles, found[JOB].repaired) == ((), 3)


@pytest.mark.parametrize("rows", [[None], ["x"], [{}], [{"task_id": 7, "job_id": None}], [{"task_id": "t"}]])
async def test_rows_that_are_none(rows: Iterable[Any]) -> None:
    assert asking.parse_attempts(rows) == ()
    assert asking.parse_successes(rows, 1).tasks <= {"", "t"}

"""What counts as a sign of life of a running job, and what does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serve_app.jobs.models import Known, Unknown
from serve_app.jobs.progress.looks.trail import MOST_KEPT, MeasuredProcess, Signs, Trail, follow_signs
from serve_app.jobs.progress.looks.trail_store import parse_trail, render_trail
from serve_app.jobs.progress.models import LogFacts
from tests.unit.jobs.progress.examples import at
from tests.unit.jobs.progress.looks.examples import actor, measured, seconds_of, signs, task, use

DOWN = Unknown("Ray did not answer in time.")
T1, T2 = task("t1"), task("t2")


def follow(*rounds: Signs, begin: Trail | None = None) -> Trail:
    found = begin
    for each in rounds:
        found = follow_signs(found, each)
    assert found is not None
    return found


def times(trail: Trail) -> tuple[Any, ...]:
    """When it moved, spoke, worked and was looked at last, in seconds."""
    return tuple(map(seconds_of, (trail.moved_at, trail.spoke_at, trail.worked_at, trail.looked_at)))


def log(size_bytes: int, written: float = -100, by_ray: int = 0) -> Known[LogFacts]:
    return Known(LogFacts(size_bytes, at(written), by_ray))


STARTED = {"work": Known((T1,)), "actors": Known((actor("a"),)), "processes": measured(0, use(), use(8, finished=2))}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # Nothing: it was looked at, and that is all.
        ({}, (0, 0, 0, 20)),
        # A task that came, went, or changed its state; a retry, and one more, are Ray's doing.
        ({"work": Known((T1, T2))}, (20, 20, 20, 20)),
        ({"work": Known(())}, (20, 20, 20, 20)),
        ({"work": Known((replace(T1, state="PENDING_ARGS_AVAIL"),))}, (20, 20, 20, 20)),
        ({"work": Known((replace(T1, changed_at=at(12)),))}, (12, 12, 12, 20)),
        # A node whose clock is ahead does not move anything into the future.
        ({"work": Known((replace(T1, changed_at=at(90)),))}, (20, 20, 20, 20)),
        ({"work": Known((replace(T1, attempt=1, changed_at=at(12)),))}, (20, 20, 20, 20)),
        # An actor that changed its state, and one that Ray restarted again.
        ({"actors": Known((actor("a", state="RESTARTING"),))}, (20, 20, 20, 20)),
        ({"actors": Known(())}, (20, 20, 20, 20)),
        # Of a list that was cut, what comes and goes is not its doing.
        ({"work": Known((T1, T2), "cut")}, (0, 0, 0, 20)),
        ({"actors": Known((), "cut")}, (0, 0, 0, 20)),
        # A task that was begun and done between two rounds, by a process that was there or is new.
        ({"processes": measured(20, use(), use(8, finished=3))}, (20, 20, 20, 20)),
        ({"processes": measured(20, use(), use(8, finished=2), use(9, finished=1))}, (20, 20, 20, 20)),
        # A worker that was idle is ended by Ray, and one that has begun with a task is no sign: it may be a retry.
        ({"processes": measured(20, use())}, (0, 0, 0, 20)),
        ({"processes": measured(20, use(), use(9, finished=0, running=1))}, (0, 0, 0, 20)),
        # One that is too busy to say how many it has done has not done them again when it says so.
        ({"processes": measured(20, use(finished=None), use(8, finished=None))}, (0, 0, 0, 20)),
        # The program wrote to its log, or Ray did.
        ({"log": log(30, written=18)}, (18, 18, 0, 20)),
        ({"log": log(30, written=18, by_ray=20)}, (0, 0, 0, 20)),
        ({"log": DOWN}, (0, 0, 0, 20)),
        # A processor or a GPU is in use: that is life, but it says nothing.
        ({"processes": measured(20, use(used_s=3.0), use(8, finished=2))}, (20, 0, 0, 20)),
        ({"processes": measured(20, use(gpu=0.9), use(8, finished=2))}, (20, 0, 0, 20)),
        # What an idle process of Ray uses by itself is none.
        ({"processes": measured(20, use(used_s=1.3), use(8, used_s=1.3, finished=2))}, (0, 0, 0, 20)),
        ({"processes": measured(20, use(used_s=2.0), use(8, finished=2))}, (0, 0, 0, 20)),
        # Many small uses are one.
        ({"processes": measured(20, use(used_s=2.2), use(8, used_s=2.2, finished=2))}, (20, 0, 0, 20)),
        # What was not told, and what was not measured anew, is no look.
        ({"work": DOWN}, (0, 0, 0, 0)),
        ({"processes": DOWN}, (0, 0, 0, 0)),
        ({"processes": measured(0, use(), use(8, finished=2))}, (0, 0, 0, 0)),
        ({"actors": DOWN}, (0, 0, 0, 20)),
        # A process of it that Ray does not know works, or does not.
        ({"tree_s": 2.0}, (20, 0, 0, 20)),
        ({"tree_s": 0.5}, (0, 0, 0, 20)),
    ],
)  # fmt: skip
def test_signs_of_life(changes: dict[str, Any], expected: tuple[float, ...]) -> None:
    before = {**STARTED, "tree_s": 0.1}
    after = {**before, "processes": measured(20, use(), use(8, finished=2)), **changes}
    assert times(follow(signs(0, **before), signs(20, **after))) == expected


def test_retries_and_restarts_that_go_on_are_no_signs() -> None:
    """What changed once, because Ray tried again, does not change any more."""
    rounds = []
    for number in range(1, 6):
        odd, at_s = number % 2, 20.0 * (number - 1)
        again = replace(T1, attempt=number, state="RUNNING" if odd else "PENDING_NODE_ASSIGNMENT", changed_at=at(at_s))
        restarted = actor("a", restarts=number, state="RESTARTING" if odd else "ALIVE")
        rounds.append(signs(at_s, work=Known((again,)), actors=Known((restarted,)), processes=measured(at_s)))
    assert times(follow(*rounds)) == (0, 0, 0, 80)


def test_what_was_done_between_two_short_spans_counts_once() -> None:
    rounds = [
        signs(seconds, processes=measured(seconds, use(finished=done))) for seconds, done in ((0, 1), (5, 2), (9, 2))
    ]
    assert times(follow(*rounds)) == (5, 5, 5, 0)


def test_a_process_that_says_nothing_for_a_while_has_done_nothing_meanwhile() -> None:
    silent = [signs(20.0 * number, processes=measured(20.0 * number, use(finished=None))) for number in (0, 1)]
    said = signs(40, processes=measured(40, use(finished=7)))
    assert times(follow(*silent, said)) == (0, 0, 0, 40)
    known = signs(0, processes=measured(0, use(finished=7)))
    again = signs(40, processes=measured(40, use(finished=7)))
    assert times(follow(known, silent[1], again)) == (0, 0, 0, 40)
    more = signs(40, processes=measured(40, use(finished=8)))
    assert times(follow(known, silent[1], more)) == (40, 40, 40, 40)


def test_a_short_span_does_not_tell_whether_a_processor_is_in_use() -> None:
    """Ray's housekeeping comes in bursts; it is asked every second where limits are short."""
    rounds = [signs(seconds, processes=measured(seconds, use(used_s=1 + seconds / 50))) for seconds in range(9)]
    found = follow(*rounds)
    assert (times(found), found.busy_cores) == ((0, 0, 0, 0), None)
    whole = follow(signs(10, processes=measured(10, use(used_s=1.2))), begin=found)
    assert (times(whole), whole.busy_cores) == ((0, 0, 0, 10), 0.0)
    # From then on a new span is counted.
    later = follow(signs(15, processes=measured(15, use(used_s=4.0))), begin=whole)
    assert (times(later), later.busy_cores) == ((0, 0, 0, 10), 0.0)
    assert follow(signs(20, processes=measured(20, use(used_s=4.0))), begin=later).busy_cores == 0.28


@pytest.mark.parametrize(
    ("load", "cores", "busy"),
    [
        (0.0, 0.06, 0.0),
        (1.0, 0.06, 0.0),
        (1.0, 0.08, 0.08),
        (2.0, 0.04, 0.04),
        (14.0, 0.025, 0.025),
        (14.0, 0.015, 0.0),
    ],
)
def test_where_many_want_a_core_who_works_gets_no_more_than_a_part(load: float, cores: float, busy: float) -> None:
    rounds = [
        signs(seconds, processes=Known((MeasuredProcess("n", at(seconds), use(used_s=1 + seconds * cores), load),)))
        for seconds in (0, 20)
    ]
    assert follow(*rounds).busy_cores == busy


def test_one_that_works_is_not_hidden_by_many_that_rest() -> None:
    rest = [use(pid) for pid in range(100, 200)]
    found = follow(
        signs(0, processes=measured(0, use(), *rest)), signs(20, processes=measured(20, use(used_s=3), *rest))
    )
    assert (found.is_busy, found.busy_cores) == (True, 0.1)
    # Of many, the housekeeping of all is no work of one.
    idle = [replace(each, used_s=1.3) for each in rest]
    assert not follow(signs(0, processes=measured(0, *rest)), signs(20, processes=measured(20, *idle))).is_busy


@pytest.mark.parametrize(
    ("count", "cores", "busy"),
    [(30, 0.06, 1.8), (30, 0.021, 0.0), (30, 0.015, 0.0), (MOST_KEPT, 0.06, 12.0), (MOST_KEPT, 0.015, 0.0)],
)
def test_many_small_uses_are_one(count: int, cores: float, busy: float) -> None:
    rounds = [
        signs(seconds, processes=measured(seconds, *(use(pid, 1 + seconds * cores) for pid in range(count))))
        for seconds in (0, 20)
    ]
    assert follow(*rounds).busy_cores == busy


def test_more_processes_than_are_kept_do_not_look_new_each_time() -> None:
    many = [use(pid, finished=1) for pid in range(MOST_KEPT + 10)]
    found = follow(*(signs(20.0 * number, processes=measured(20.0 * number, *many)) for number in range(3)))
    assert times(found) == (0, 0, 0, 40)
    assert len(found.processes) == MOST_KEPT


@pytest.mark.parametrize(
    ("cores", "used_s", "expected"),
    [
        # The last of many works; or it rests, and its latest measurement fell into a burst of Ray's housekeeping.
        (1.0, 20.0, (60, 0, 0, 60)),
        (0.5, 0.1, (0, 0, 0, 60)),
        (0.01, 0.1, (0, 0, 0, 60)),
    ],
)
def test_one_that_works_is_measured_among_more_than_are_kept(
    cores: float, used_s: float, expected: tuple[float, ...]
) -> None:
    rest = [use(pid) for pid in range(MOST_KEPT + 10)]
    rounds = [
        signs(20.0 * number, processes=measured(20.0 * number, *rest, use(999, used_s * number, cores=cores)))
        for number in range(4)
    ]
    found = follow(*rounds)
    assert times(found) == expected
    assert (len(found.processes), "n:999" in found.processes) == (MOST_KEPT, cores > 0.07)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (0, 0, 0, 20)),
        ({"log": log(30, written=18)}, (18, 18, 0, 20)),
        ({"tree_s": 5.0}, (20, 0, 0, 20)),
        ({"log": DOWN, "tree_s": None}, (0, 0, 0, 0)),
        ({"log": DOWN}, (0, 0, 0, 20)),
        ({"tree_s": None}, (0, 0, 0, 20)),
    ],
)
def test_an_entrypoint_that_never_joined_has_its_log_and_its_processes(
    changes: dict[str, Any], expected: tuple[float, ...]
) -> None:
    alone = {"work": DOWN, "actors": DOWN, "processes": DOWN, "joined": False, "tree_s": 0.2}
    assert times(follow(signs(0, **alone), signs(20, **{**alone, **changes}))) == expected


def test_a_restart_of_this_process_forgets_nothing() -> None:
    """The trail is kept, and continued by the first round after: what moved meanwhile shows in the counters."""
    begun = follow(signs(0, **STARTED), signs(40, **{**STARTED, "processes": measured(40, use(), use(8, finished=2))}))
    kept = parse_trail(render_trail(begun))
    assert kept == replace(begun, busy_cores=None)
    same = {**STARTED, "processes": measured(400, use(used_s=1.9), use(8, finished=2))}
    assert times(follow(signs(400, **same), begin=kept)) == (0, 0, 0, 400)
    worked = {**STARTED, "processes": measured(400, use(used_s=1.9), use(8, finished=3))}
    assert times(follow(signs(400, **worked), begin=kept)) == (400, 400, 400, 400)


def test_a_clock_that_was_set_back_begins_a_trail_anew() -> None:
    """Else what lies ahead of it is the latest sign, and no span is measured, until it has caught up."""
    ahead = follow(*(signs(seconds, processes=measured(seconds)) for seconds in (3_600, 3_620)))
    back = follow(*(signs(seconds, processes=measured(seconds)) for seconds in (0, 20)), begin=ahead)
    assert times(back) == (0, 0, 0, 20)
    # A few seconds are how clocks are corrected.
    assert times(follow(signs(3_617, processes=measured(3_617)), begin=ahead)) == (3_600, 3_600, 3_600, 3_620)


@pytest.mark.parametrize("content", [None, 7, {}, {"first_at": 1}, {"first_at": "x"}, []])
def test_a_trail_that_cannot_be_read_begins_anew(content: Any) -> None:
    assert parse_trail(content) is None


def test_what_cannot_be_read_of_a_trail_costs_its_field() -> None:
    kept = render_trail(follow(signs(0, **STARTED)))
    odd = parse_trail({**kept, "processes": {"n:7": [1, 2], "n:8": [1.0, 2.0, 3]}, "tree": "x", "log_bytes": "y"})
    assert odd is not None
    assert (set(odd.processes), odd.tree, odd.log_bytes) == ({"n:8"}, None, None)

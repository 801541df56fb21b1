"""Every signal: when it speaks, and when it nearly does."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.jobs.models import Known, PastRuns
from serve_app.jobs.progress import signals
from serve_app.jobs.progress.models import GroupFacts, HeldReference, LogFacts, Look, ProcessorFacts, Signal, Subject
from serve_app.jobs.progress.obstacles import standing_of
from tests.unit.jobs.progress.examples import (
    DOWN,
    DUMP,
    actor,
    at,
    driver,
    held,
    log,
    look,
    processor,
    stack,
    task,
    work,
)

STARTED = Subject(started=True, age_s=40.0)
HERE = Known((GroupFacts("g1", "", "PENDING", ({"CPU": 9.0},), "INFEASIBLE"),))
MOVED = DUMP.replace("train.py:25", "train.py:26")
OTHER_THREAD = DUMP.replace("threading.py:327", "threading.py:1")
USED = DUMP.replace("(idle)", "(active)")


def signal(name: str, *looks: Look, subject: Subject = STARTED) -> Signal:
    found = signals.signals_of(looks, standing_of(looks[-1]), subject)
    (one,) = (each for each in found if each.name == name)
    assert one.at == looks[-1].at
    return one


def told(one: Signal) -> tuple[Any, str]:
    return one.value, one.says


@pytest.mark.parametrize(
    ("facts", "value", "says", "detail"),
    [
        (driver(), "alive", "unknown", "process 7 lives, moving or not"),
        (driver(alive=False), "gone", "still", "process 7 has ended"),
        (driver(node_alive=False), "gone", "still", "node n, which had it, is not alive"),
        (driver(alive=None, pid=None), None, "unknown", "Ray knows no process of it: it has not connected"),
        (driver(node_alive=None), "alive", "unknown", "process 7 lives, moving or not"),
        (DOWN, None, "unknown", "not told: Ray did not answer"),
    ],
)
def test_the_driver(facts: Any, value: Any, says: str, detail: str) -> None:
    one = signal(signals.DRIVER, look(driver=facts))
    assert (one.value, one.says, one.detail) == (value, says, detail)


RUNS = task("t", "RUNNING")


@pytest.mark.parametrize(
    ("before", "now", "apart_s", "value", "says"),
    [
        (work(RUNS, RUNNING=1), work(RUNS, RUNNING=1), 3, 0, "still"),
        (work(RUNS, RUNNING=1, FINISHED=4), work(RUNS, RUNNING=1, FINISHED=6), 3, 2, "moving"),
        # As many as before, but others, or again.
        (work(RUNS, RUNNING=1), work(task("u"), RUNNING=1), 3, 1, "moving"),
        (work(RUNS, RUNNING=1), work(task("t", attempt=1), RUNNING=1), 3, 1, "moving"),
        (work(held("t"), PENDING_NODE_ASSIGNMENT=1), work(RUNS, RUNNING=1), 3, 2, "moving"),
        (work(RUNS, task("u")), work(RUNS), 3, 1, "moving"),
        # Nothing that could move, too soon, or not known once.
        (work(FINISHED=4), work(FINISHED=4), 3, 0, "unknown"),
        (work(RUNS, RUNNING=1), work(RUNS, RUNNING=1), 1.9, None, "unknown"),
        (DOWN, work(RUNS), 3, None, "unknown"),
        (work(RUNS), DOWN, 3, None, "unknown"),
    ],
)
def test_task_states(before: Any, now: Any, apart_s: float, value: Any, says: str) -> None:
    assert told(signal(signals.TASKS, look(0, work=before), look(apart_s, work=now))) == (value, says)


def test_since_when_no_task_has_moved() -> None:
    one = signal(signals.TASKS, look(0, work=work(RUNS)), look(3, work=work(RUNS)))
    assert one.since == at(-100)
    silent = task("t", changed_at=None)
    looks = [look(0, work=work()), *(look(seconds, work=work(silent)) for seconds in (3, 6, 9))]
    assert signal(signals.TASKS, *looks).since == at(3)


@pytest.mark.parametrize(
    ("sections", "name", "value", "says"),
    [
        ({"work": work(held("t", GPU=1))}, signals.PENDING, 1, "still"),
        ({"work": work(held("t", CPU=4)), "free": Known({})}, signals.PENDING, 1, "still"),
        ({"work": work(held("t", GPU=1), task("u", "PENDING_ARGS_AVAIL"))}, signals.PENDING, 2, "still"),
        # For one of them there is room.
        ({"work": work(held("t", GPU=1), held("u", CPU=1))}, signals.PENDING, 2, "unknown"),
        # There is room, or nothing waits, or nobody says.
        ({"work": work(held("t", CPU=4))}, signals.PENDING, 1, "unknown"),
        ({"work": work(task("u", "PENDING_ARGS_AVAIL"))}, signals.PENDING, 1, "unknown"),
        ({"work": work(RUNS)}, signals.PENDING, 0, "unknown"),
        ({"work": DOWN}, signals.PENDING, None, "unknown"),
        ({"actors": Known((actor("a", GPU=1),))}, signals.ACTORS, 1, "still"),
        ({"actors": Known((actor("a", CPU=1),))}, signals.ACTORS, 1, "unknown"),
        ({"actors": Known((actor("a", "RESTARTING", GPU=1),))}, signals.ACTORS, 0, "unknown"),
        ({"actors": DOWN}, signals.ACTORS, None, "unknown"),
        ({"actors": Known((actor("a", "RESTARTING", GPU=1),))}, signals.RESTARTING, 1, "still"),
        ({"actors": Known((actor("a", "RESTARTING", CPU=1),))}, signals.RESTARTING, 1, "unknown"),
        ({"actors": Known((actor("a", GPU=1),))}, signals.RESTARTING, 0, "unknown"),
        ({"groups": HERE}, signals.GROUPS, 1, "still"),
        ({"groups": Known(())}, signals.GROUPS, 0, "unknown"),
        ({"groups": DOWN}, signals.GROUPS, None, "unknown"),
    ],
)
def test_what_has_no_place(sections: Any, name: str, value: Any, says: str) -> None:
    assert told(signal(name, look(**sections))) == (value, says)


def test_what_has_no_place_is_told_in_words_and_not_all_of_it() -> None:
    tasks = [held(f"t{number}", GPU=1) for number in range(5)]
    one = signal(signals.PENDING, look(work=work(*tasks)))
    sentence = "task t{} needs 1 GPU; the most that one node has: 0 GPU (scheduling.infeasible)"
    assert one.detail == "; ".join([*map(sentence.format, range(3)), "and 2 more"])


@pytest.mark.parametrize(
    ("tasks", "references", "value", "says"),
    [
        (work(held("p", GPU=1), task("r", pid=5)), Known((HeldReference(5, "p"),)), 1, "still"),
        (work(task("r", "RUNNING_IN_RAY_GET")), DOWN, 1, "still"),
        # Others work meanwhile, nobody waits, or nobody says.
        (work(held("p", GPU=1), task("r", pid=5), task("s")), Known((HeldReference(5, "p"),)), 1, "unknown"),
        (work(held("p", GPU=1), task("r", pid=5)), Known(()), 0, "unknown"),
        (work(held("p", GPU=1), task("r", pid=5)), DOWN, None, "unknown"),
    ],
)
def test_waiting_on_producers(tasks: Any, references: Any, value: Any, says: str) -> None:
    assert told(signal(signals.PRODUCERS, look(work=tasks, references=references))) == (value, says)


@pytest.mark.parametrize(
    ("before", "now", "value", "says"),
    [
        (log(10), log(10), 0, "still"),
        (log(10), log(11), 1, "moving"),
        # What Ray itself wrote there is no word of the program.
        (log(10), Known(LogFacts(50, None, 40)), 0, "still"),
        (log(10), Known(LogFacts(50, None, 39)), 1, "moving"),
        # A log that was cut has been written to.
        (log(10), log(5), -5, "moving"),
        (DOWN, log(10), None, "unknown"),
        (log(10), DOWN, None, "unknown"),
    ],
)
def test_the_log(before: Any, now: Any, value: Any, says: str) -> None:
    assert told(signal(signals.LOG, look(0, log=before), look(3, log=now))) == (value, says)


def test_since_when_the_log_has_not_grown() -> None:
    assert signal(signals.LOG, look(0, log=log(10, -50)), look(3, log=log(10, -50))).since == at(-50)
    looks = [look(0, log=log(9)), look(3, log=log(10)), look(6, log=log(10)), look(9, log=log(10))]
    assert signal(signals.LOG, *looks).since == at(3)


@pytest.mark.parametrize(
    ("before", "now", "value", "says"),
    [
        # Two measurements: the seconds between them.
        (processor(-5, 1.0), processor(0, 1.05), 0.01, "still"),
        (processor(-5, 1.0), processor(0, 1.25), 0.05, "unknown"),
        (processor(-5, 1.0), processor(0, 1.5), 0.1, "moving"),
        # The same measurement twice: the share that the agent measured in it.
        (processor(-5, 1.0, 0.01), processor(-5, 1.0, 0.01), 0.01, "still"),
        (processor(-5, 1.0, 0.8), processor(-5, 1.0, 0.8), 0.8, "moving"),
        (DOWN, processor(-5, 1.0, 0.8), 0.8, "moving"),
        # Another process: what it used is not compared with what one before it had used.
        (processor(-5, 9.0, 0.0, pid=6), processor(0, 1.0, 0.01), 0.01, "still"),
        (processor(-5, 1.0), DOWN, None, "unknown"),
    ],
)
def test_processor_time(before: Any, now: Any, value: Any, says: str) -> None:
    assert told(signal(signals.PROCESSOR, look(0, processor=before), look(3, processor=now))) == (value, says)


def test_processes_are_allowed_what_ray_itself_uses() -> None:
    ten = Known(ProcessorFacts(at(0), {("n", pid): 1.0 for pid in range(10)}, 0.15))
    assert told(signal(signals.PROCESSOR, look(processor=ten))) == (0.15, "still")


def test_a_new_process_has_used_all_that_it_used() -> None:
    before = Known(ProcessorFacts(at(-5), {("n", 1): 1.0}, 0.0))
    now = Known(ProcessorFacts(at(0), {("n", 1): 1.0, ("n", 2): 2.0}, 0.0))
    assert told(signal(signals.PROCESSOR, look(0, processor=before), look(3, processor=now))) == (0.4, "moving")


def test_a_measurement_that_is_not_renewed_tells_nothing() -> None:
    old = processor(-5, 1.0, 0.0)
    assert told(signal(signals.PROCESSOR, look(0, processor=old), look(61, processor=old))) == (None, "unknown")
    assert told(signal(signals.PROCESSOR, look(0, processor=old), look(60, processor=old))) == (0.0, "still")


@pytest.mark.parametrize(
    ("before", "now", "value", "says"),
    [
        (stack(), stack(), "equal", "still"),
        (stack(), stack(MOVED), "different", "moving"),
        # Ray's own threads, and who had a processor just then, are not the program.
        (stack(), stack(OTHER_THREAD), "equal", "still"),
        (stack(), stack(USED), "equal", "still"),
        (stack(pid=6), stack(pid=7), "different", "moving"),
        (DOWN, stack(), None, "unknown"),
        (stack(), DOWN, None, "unknown"),
        (stack(), Known(()), None, "unknown"),
    ],
)
def test_stacks(before: Any, now: Any, value: Any, says: str) -> None:
    assert told(signal(signals.STACKS, look(0, stacks=before), look(3, stacks=now))) == (value, says)


@pytest.mark.parametrize(
    ("past", "says"),
    [
        (PastRuns(20, 39.0), "still"),
        (PastRuns(20, 40.0), "unknown"),
        (PastRuns(19, 39.0), "unknown"),
        (PastRuns(), "unknown"),
        (None, "unknown"),
    ],
)
def test_duration(past: PastRuns | None, says: str) -> None:
    one = signal(signals.DURATION, look(), subject=Subject(started=True, age_s=40.0, past=past))
    assert (one.value, one.since, one.says) == (40.0, at(-40), says)


def test_a_duration_that_is_not_known() -> None:
    one = signal(signals.DURATION, look(), subject=Subject(started=True, past=PastRuns(20, 3.0)))
    assert (one.value, one.since, one.says) == (None, None, "unknown")

"""An entrypoint that starts several drivers is one job, whichever of them its row names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.models import DriverExit, Known, Snapshot, Unknown
from serve_app.jobs.motion import Circle, Culprit
from serve_app.jobs.progress.circles.circles import JobTurns
from serve_app.jobs.progress.looks.drivers import fold_drivers, join_turns, list_driver_ids, name_drivers
from serve_app.jobs.progress.looks.head import FoundPorts, HeadFacts
from serve_app.jobs.progress.looks.subjects import (
    Surroundings,
    build_look,
    build_round,
    build_scene,
    build_signs,
    list_further_circles,
    list_subjects,
)
from serve_app.jobs.progress.looks.suspects import SuspectQuestions
from serve_app.jobs.progress.looks.tables import ActorDetail, NodeProcesses, ProcessUse, Tables
from serve_app.jobs.progress.models import HeldReference, TaskFacts
from serve_app.jobs.progress.standstill import SeenJob, find_motion
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.actions.fakes import row
from tests.unit.jobs.progress.circles.examples import NOW
from tests.unit.jobs.progress.looks.examples import task, trail
from tests.unit.jobs.progress.looks.test_waits import CIRCLE

DOWN = Unknown("Ray did not answer in time.")
FIRST, LAST, OTHER = "02000000", "03000000", "04000000"
ROW = row("both", job_id=LAST, outcome=JobOutcome.RUNNING)
ALONE = row("alone", job_id=OTHER, outcome=JobOutcome.RUNNING)
WORK = TaskFacts("t1", "work", "NORMAL_TASK", "RUNNING")
MORE = TaskFacts("t2", "more", "NORMAL_TASK", "RUNNING")


def driver(job_id: str, *, is_dead: bool = False) -> DriverRun:
    return DriverRun(job_id, "both", "python x.py", is_dead, pid=int(job_id[:2]), node_id="n1")


def exit_row(job_id: str, *, is_alive: bool) -> DriverExit:
    word = None if is_alive else "INTENDED_USER_EXIT"
    return DriverExit(job_id, is_alive, word, None, int(job_id[:2]), NOW, None, "n1")


def snapshot(*, first_lives: bool = True, last_lives: bool = True) -> Snapshot:
    exits = {FIRST: exit_row(FIRST, is_alive=first_lives), LAST: exit_row(LAST, is_alive=last_lives)}
    drivers = (driver(FIRST, is_dead=not first_lives), driver(LAST, is_dead=not last_lives))
    return replace(Snapshot(NOW, DOWN, Known(exits), DOWN, DOWN, DOWN), drivers=Known({"both": drivers}))


def surround(told: Snapshot, **tables: Any) -> Surroundings:
    return Surroundings.build(told, Tables(NOW, **tables), DOWN, list_subjects(told, [ROW, ALONE]))


def test_ids() -> None:
    told = snapshot()
    assert (list_driver_ids(told, ROW), list_driver_ids(told, ALONE)) == ((LAST, FIRST), (OTHER,))
    assert list_driver_ids(told, row("never", job_id=None)) == ()
    assert name_drivers(told, [ROW, ALONE]) == {FIRST: LAST}


@pytest.mark.parametrize(
    ("first_lives", "last_lives", "left", "pid"),
    [(True, True, False, 3), (True, False, False, 2), (False, True, False, 3), (False, False, True, 3)],
)
def test_its_driver_has_left_when_none_of_them_lives(first_lives: bool, last_lives: bool, left: bool, pid: int) -> None:
    subject, _ = list_subjects(snapshot(first_lives=first_lives, last_lives=last_lives), [ROW, ALONE])
    assert (subject.driver_left, subject.driver.pid) == (left, pid)


def test_a_driver_whose_exception_hook_wrote_its_row_over_lives_while_ray_has_not_seen_it_leave() -> None:
    over = replace(exit_row(LAST, is_alive=False), pid=0, started_at=None)
    assert over.overwritten
    told = replace(snapshot(first_lives=False), driver_exits=Known({LAST: over}))
    assert [each.driver_left for each in list_subjects(told, [ROW])] == [False]
    gone = replace(told, drivers=Known({"both": (driver(LAST, is_dead=True),)}))
    assert [each.driver_left for each in list_subjects(gone, [ROW])] == [True]


class Asked:
    """Ray's counts and references, a dashboard without stacks, and a head that knows nothing, for one look."""

    requests = 0

    def __init__(self, gets: Any, references: Any) -> None:
        self._told = (gets, references)

    async def ask_gets(self, urls: Any) -> Any:
        return self._told[0]

    async def ask_references(self) -> Any:
        return self._told[1]

    async def is_profiling_enabled(self) -> bool:
        return False

    def find_ports(self, trees: Any, ports_of_ray: Any, but: Any) -> FoundPorts:
        return FoundPorts({}, frozenset())


async def prove(tasks: Any, gets: Any = DOWN, references: Any = DOWN, *, last_lives: bool = True) -> str:
    """What is proven of the job whose row names its last driver, once Ray was asked who waits for whom."""
    told, asked = snapshot(last_lives=last_lives), cast(Any, Asked(gets, references))
    around, subject = surround(told, unfinished=Known(tasks), actors=Known({})), list_subjects(told, [ROW])[0]
    around, _, _ = await SuspectQuestions(asked, asked, asked).look_into([subject], around, HeadFacts(), "n1", NOW)
    seen = SeenJob(
        "x", subject.joined, subject.driver, build_look(subject, around), build_scene(subject, around),
    )  # fmt: skip
    return find_motion(trail(), seen).proof


@pytest.mark.parametrize("last_lives", [True, False])
@pytest.mark.parametrize(
    ("gets", "proof"),
    [({FIRST: {"A.ask": 2}}, "cycle"), ({LAST: {"A.ask": 2}}, "cycle"), ({FIRST: {"A.ask": 1}}, ""), ({}, "")],
)
async def test_a_circle_of_calls_in_any_of_them_is_proven(gets: Any, proof: str, last_lives: bool) -> None:
    tasks = {FIRST: tuple(replace(each, job_id=FIRST) for each in CIRCLE)}
    assert await prove(tasks, Known(gets), last_lives=last_lives) == proof


def waits_for_arguments(job_id: str) -> tuple[TaskFacts, ...]:
    return (task(f"w{job_id}", state="PENDING_ARGS_AVAIL", parent_id="f" * 40 + job_id, job_id=job_id),)


@pytest.mark.parametrize(
    ("held", "proof"),
    [
        # By process number: that of a driver is the number of its job here.
        ([(3, LAST)], "arguments"),
        ([(2, FIRST)], "arguments"),
        ([(3, LAST), (2, FIRST)], "arguments"),
        # What either of them waits for, another job may make.
        ([(3, LAST), (2, OTHER)], ""),
        ([(3, OTHER), (2, FIRST)], ""),
        # A process that is no driver of it.
        ([(4, LAST)], ""),
    ],
)
async def test_what_each_of_them_refers_to_tells_whose_results_it_waits_for(held: Any, proof: str) -> None:
    references = Known(tuple(HeldReference(pid, "e" * 40 + job_id) for pid, job_id in held))
    tasks = {job_id: waits_for_arguments(job_id) for job_id in (FIRST, LAST)}
    assert await prove(tasks, references=references) == proof


def test_what_any_of_them_does_is_a_sign_of_the_job() -> None:
    told = snapshot(last_lives=False)
    use = NodeProcesses("n1", NOW, (ProcessUse(11, FIRST, 5.0, 0.9), ProcessUse(12, OTHER, 1.0, 0.1)))
    around = surround(
        told,
        unfinished=Known({FIRST: (WORK,), OTHER: (MORE,)}),
        actors=Known({FIRST: (ActorDetail("a1", "Shard", "", "ALIVE", FIRST, "n1", 11),)}),
        gets=Known({FIRST: {"work": 1}, LAST: {"work": 2}}),
        uses={"n1": Known(use)},
    )
    signs = build_signs(list_subjects(told, [ROW])[0], around, None, None)
    assert isinstance(signs.work, Known)
    assert isinstance(signs.actors, Known)
    assert isinstance(signs.processes, Known)
    assert isinstance(around.tables.gets, Known)
    assert (signs.joined, signs.work.value) == (True, (WORK,))
    assert [each.actor_id for each in signs.actors.value] == ["a1"]
    assert [each.use.pid for each in signs.processes.value] == [11]
    assert around.tables.gets.value == {LAST: {"work": 3}}


@pytest.mark.parametrize(
    ("asked_apart", "known"),
    [({FIRST, LAST}, True), ({LAST}, False), ({FIRST}, False), (set(), False)],
)
def test_of_a_table_that_was_cut_all_is_known_when_each_was_asked_for(asked_apart: set[str], known: bool) -> None:
    tables = Tables(NOW, unfinished=Known({}), whole=False, asked_apart=frozenset(asked_apart))
    assert isinstance(fold_drivers(tables, {FIRST: LAST}).list_unfinished(LAST), Known) is known
    listed = replace(tables, unfinished=Known({LAST: (WORK,)}))
    told = fold_drivers(listed, {FIRST: LAST}).list_unfinished(LAST)
    assert isinstance(told, Known)
    assert (told.note is None) is (FIRST in asked_apart)


def circle(job_id: str, *, others: bool, culprit: str) -> Circle:
    return Circle(
        "task", f"t{job_id}", "work", 3, NOW, NOW, "memory.node-oom", "OUT_OF_MEMORY", "", others,
        greediest=Culprit("work", 9, culprit, 41), job_id=job_id,
    )  # fmt: skip


def test_what_goes_in_circles_in_any_of_them_is_the_jobs() -> None:
    told = snapshot()
    around = surround(told, actors=Known({}), unfinished=Known({}))
    round = build_round(around, (), [ROW, ALONE], NOW)
    assert (round.running, round.ended) == ({FIRST, LAST, OTHER}, {})
    over = build_round(around, (), [replace(ROW, outcome=JobOutcome.FAILED, ended_at=NOW)], NOW)
    assert (over.running, over.ended) == (set(), {FIRST: NOW, LAST: NOW})
    turns = {
        FIRST: JobTurns((circle(FIRST, others=False, culprit=OTHER),), 1),
        LAST: JobTurns((circle(LAST, others=True, culprit=FIRST),), 2),
    }
    names = {FIRST: LAST}
    joined = join_turns(turns, (LAST, FIRST), names)
    assert [(each.id, each.job_id, each.greediest and each.greediest.job_id) for each in joined.circles] == [
        (f"t{FIRST}", LAST, OTHER),
        (f"t{LAST}", LAST, LAST),
    ]
    assert joined.repaired == 3
    assert join_turns(turns, (OTHER,), {}) == JobTurns()
    ended = replace(ROW, outcome=JobOutcome.FAILED)
    assert list_further_circles([ended], turns, around, NOW)["both"].circles == joined.circles

"""What unfinished work waits for."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.jobs.models import Known
from serve_app.jobs.progress.models import GroupFacts, HeldReference
from serve_app.jobs.progress.obstacles import AFFINITY, BUSY, GROUP, INFEASIBLE, Obstacle, take_stock
from tests.unit.jobs.progress.examples import DOWN, actor, has, held, look, task, work

MOST = "the most that one node has:"
ROOM = Known((has(CPU=4.0, GPU=1.0),))


@pytest.mark.parametrize(
    ("needs", "nodes", "free", "hold"),
    [
        # No node has it.
        ({"CPU": 9}, ROOM, {"CPU": 9.0}, (INFEASIBLE, f"task t needs 9 CPU; {MOST} 4 CPU")),
        ({"nowhere": 1}, ROOM, {}, (INFEASIBLE, f"task t needs 1 nowhere; {MOST} 0 nowhere")),
        # What all nodes have together is on none of them.
        ({"CPU": 5}, Known((has(CPU=4), has(CPU=4))), {}, (INFEASIBLE, f"task t needs 5 CPU; {MOST} 4 CPU")),
        ({"CPU": 3}, Known((has(CPU=2), has("DEAD", CPU=9))), {}, (INFEASIBLE, f"task t needs 3 CPU; {MOST} 2 CPU")),
        # The node to which it is pinned is gone; what it needs besides is there, or not.
        ({"CPU": 1, "node:10.0.0.9": 0.1}, ROOM, {}, (AFFINITY, "task t is pinned to a node that is not there")),
        ({"CPU": 9, "node:10.0.0.9": 0.1}, ROOM, {}, (INFEASIBLE, f"task t needs 9 CPU; {MOST} 4 CPU")),
        # In use.
        ({"CPU": 4}, ROOM, {"CPU": 3.5}, (BUSY, "task t waits for 4 CPU; free in the whole cluster: 3.5 CPU")),
        ({"GPU": 1}, ROOM, {}, (BUSY, "task t waits for 1 GPU; free in the whole cluster: 0 GPU")),
        # Free.
        ({"CPU": 4}, ROOM, {"CPU": 4.0}, (None, "task t waits for 4 CPU, which a node has; it is being placed")),
        # Not known, or no node at all: never called infeasible.
        ({"CPU": 9}, DOWN, {"CPU": 9.0}, (None, "task t waits for 9 CPU; no node is known")),
        ({"CPU": 9}, Known(()), {"CPU": 9.0}, (None, "task t waits for 9 CPU; no node is known")),
    ],
)
def test_a_task_without_a_place(needs: dict[str, float], nodes: Any, free: Any, hold: tuple[str | None, str]) -> None:
    seen = look(work=work(held("t", **needs)), nodes=nodes, free=Known(free))
    assert take_stock(seen).holds == (Obstacle("task", "t", *hold, "t"),)


def group(state: str = "PENDING", scheduling: str = "", *bundles: dict[str, float]) -> GroupFacts:
    return GroupFacts("g1234567890", "", state, bundles, scheduling)


@pytest.mark.parametrize(
    ("facts", "free", "code", "end"),
    [
        (group("PENDING", "INFEASIBLE", {"CPU": 9}), 4.0, GROUP, f"PENDING with 9 CPU; {MOST} 4 CPU"),
        # Ray knows of strategies, which we do not: STRICT_SPREAD over more nodes than there are.
        (group("PENDING", "INFEASIBLE", {"CPU": 1}), 4.0, GROUP, "PENDING with 1 CPU; Ray says that it is infeasible"),
        (
            group("RESCHEDULING", "", {"CPU": 1}, {"CPU": 9}),
            4.0,
            GROUP,
            f"RESCHEDULING with 1 CPU + 9 CPU; {MOST} 4 CPU",
        ),
        (group("PENDING", "NO_RESOURCES", {"CPU": 1}), 4.0, BUSY, "PENDING with 1 CPU; that is in use"),
        (group("PENDING", "QUEUED", {"CPU": 2}, {"CPU": 2}), 3.0, BUSY, "PENDING with 2 CPU + 2 CPU; that is in use"),
        (
            group("PENDING", "QUEUED", {"CPU": 2}, {"CPU": 2}),
            4.0,
            None,
            "PENDING with 2 CPU + 2 CPU; it is being placed",
        ),
        (
            group("PENDING", "QUEUED", *[{"CPU": 1}] * 6),
            6.0,
            None,
            f"PENDING with {' + '.join(['1 CPU'] * 4)} and 2 more bundles; it is being placed",
        ),
    ],
)
def test_a_placement_group_without_a_place(facts: GroupFacts, free: float, code: str | None, end: str) -> None:
    seen = look(groups=Known((facts,)), free=Known({"CPU": free}))
    sentence = f"placement group g1234567 is {end}"
    assert take_stock(seen).holds == (Obstacle("placement group", "", code, sentence, "g1234567890"),)


def names(seen: Any) -> tuple[list[str], list[str], list[str], list[str]]:
    standing = take_stock(seen)
    tasks = [[each.task_id for each in group] for group in (standing.behind, standing.getting, standing.working)]
    return [f"{hold.what} {hold.name}" for hold in standing.holds], tasks[0], tasks[1], tasks[2]


def test_what_belongs_to_a_waiting_group_is_told_by_the_group() -> None:
    tasks = work(
        held("in", CPU=1), task("of", "PENDING_NODE_ASSIGNMENT", group_id="g1234567890", required={"CPU": 9.0})
    )
    seen = look(
        work=tasks,
        actors=Known((actor("a", "PENDING_CREATION", "g1234567890", CPU=9),)),
        groups=Known((group("PENDING", "NO_RESOURCES", {"CPU": 1}),)),
    )
    assert names(seen) == (["placement group ", "task in"], ["of"], [], [])
    # The group is there: what is used inside is used by others of it.
    placed = look(work=tasks)
    (_, inside) = take_stock(placed).holds
    assert inside == Obstacle("task", "of", BUSY, "task of waits for room in its placement group", "of")


def test_actors_and_what_waits_for_them() -> None:
    creates = task("c", "PENDING_NODE_ASSIGNMENT", type="ACTOR_CREATION_TASK", actor_id="a", required={"CPU": 9.0})
    method = task("m", "PENDING_NODE_ASSIGNMENT", type="ACTOR_TASK", actor_id="a")
    later = task("l", "PENDING_ARGS_AVAIL", actor_id="b")
    unready = actor("d", "DEPENDENCIES_UNREADY", CPU=9)
    seen = look(work=work(creates, method, later), actors=Known((actor("a", CPU=9), unready)))
    assert names(seen) == (["actor a"], ["m", "l"], [], [])
    again = look(work=work(method), actors=Known((actor("a", "RESTARTING", GPU=1),)))
    assert take_stock(again).holds == (
        Obstacle("restarting actor", "a", INFEASIBLE, f"restarting actor a needs 1 GPU; {MOST} 0 GPU", "a"),
    )


def test_an_actor_whose_constructor_runs_has_its_place() -> None:
    """Ray calls it pending all the while, and what it uses is not free any more."""
    runs = task("c", "RUNNING", type="ACTOR_CREATION_TASK", actor_id="a", required={"CPU": 4.0})
    seen = look(work=work(runs), actors=Known((actor("a", CPU=4),)), free=Known({}))
    assert names(seen) == ([], [], [], ["c"])
    waits = look(work=work(), actors=Known((actor("a", CPU=4),)), free=Known({}))
    assert [hold.code for hold in take_stock(waits).holds] == [BUSY]


@pytest.mark.parametrize(
    ("runs", "references", "getting"),
    [
        (task("r", pid=5), (HeldReference(5, "p"),), ["r"]),
        (task("r", pid=5), (HeldReference(5, "d"),), ["r"]),
        # A reference to something else, of another process, or to what no process is told of.
        (task("r", pid=5), (HeldReference(5, "x"),), []),
        (task("r", pid=5), (HeldReference(6, "p"),), []),
        (task("r"), (HeldReference(5, "p"),), []),
        (task("r", pid=5), (), []),
        # Where Ray itself says so.
        (task("r", "RUNNING_IN_RAY_GET"), (), ["r"]),
        (task("r", "RUNNING_IN_RAY_WAIT"), (), ["r"]),
    ],
)
def test_who_waits_for_results_that_cannot_come(runs: Any, references: Any, getting: list[str]) -> None:
    tasks = work(held("p", GPU=1), task("d", "PENDING_ARGS_AVAIL"), runs)
    seen = look(work=tasks, references=Known(references))
    working = [] if getting else ["r"]
    assert names(seen) == (["task p"], ["d"], getting, working)
    assert take_stock(seen).nothing_can_come is bool(getting)
    assert take_stock(look(work=tasks, references=DOWN)).nothing_can_come is (runs.state != "RUNNING")


def test_nothing_known_is_nothing_held() -> None:
    assert names(look(work=DOWN, actors=DOWN, groups=DOWN)) == ([], [], [], [])
    assert not take_stock(look()).nothing_can_come

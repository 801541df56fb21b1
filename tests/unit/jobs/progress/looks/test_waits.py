"""What a quiet job waits for: each standstill that Ray's tables prove, and beside it the innocent one like it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serve_app.jobs.models import Known, Unknown
from serve_app.jobs.motion import AwaitedWork
from serve_app.jobs.progress.looks.waits import MOST_AWAITED, Scene, find_waits
from serve_app.jobs.progress.models import HeldReference
from tests.unit.jobs.progress.examples import at
from tests.unit.jobs.progress.looks.examples import DRIVER_TASK, JOB, actor, call, task, use

UNKNOWN = Unknown("not asked")


def gets(**names: int) -> dict[str, Any]:
    return {"gets": Known({name.replace("_", "."): number for name, number in names.items()})}


def held(*pairs: tuple[int, str]) -> dict[str, Any]:
    return {"references": Known(tuple(HeldReference(*pair) for pair in pairs))}


def proof(*tasks: Any, **changes: Any) -> str | None:
    return find_waits(Scene(tasks, **changes)).proof


# Two actors that ask each other: each runs a call that has called the other.
A = call("a1", "a", pid=1)
B = call("b1", "b", pid=2)
A_TO_B = call("b2", "b", state="SUBMITTED_TO_WORKER", parent_id="a1", node_id="")
B_TO_A = call("a2", "a", state="PENDING_ACTOR_TASK_ORDERING_OR_CONCURRENCY", parent_id="b1", node_id="")
CIRCLE = (A, B, A_TO_B, B_TO_A)
HOLD = held((1, "b2"), (2, "a2"))
# One that asks itself.
SELF = call("a2", "a", state="SUBMITTED_TO_WORKER", parent_id="a1")
# A task between: a asks t, which asks a.
T = task("t1", "step", parent_id="a1", pid=3)
T_TO_A = call("a2", "a", state="SUBMITTED_TO_WORKER", parent_id="t1")
# A task of the driver, and one of another job.
OTHERS = task("t9", "slow", pid=9)
ELSEWHERE = "e" * 40 + "02000000"
# What another call in the process of a waits for.
T3 = task("t3", "slow", parent_id="a3", pid=3)


@pytest.mark.parametrize(
    ("tasks", "changes", "expected"),
    [
        # By Ray's count of who is in ray.get, or, where nobody counted, by who holds the result.
        (CIRCLE, gets(A_ask=2), "cycle"),
        (CIRCLE, HOLD, "cycle"),
        (CIRCLE, {**HOLD, **gets(A_ask=2)}, "cycle"),
        ((A, SELF), gets(A_ask=1), "cycle"),
        ((A, T, T_TO_A), gets(A_ask=1, step=1), "cycle"),
        # A call that runs already is waited for as well: a waits for b's run, which waits for a.
        ((A, replace(B, parent_id="a1"), B_TO_A), gets(A_ask=2), "cycle"),
        # The innocent: they told each other something and then sleep; nobody is in ray.get.
        (CIRCLE, {**HOLD, **gets(A_ask=0)}, None),
        (CIRCLE, {**HOLD, **gets(A_ask=1)}, None),
        (CIRCLE, held((1, "b2")), None),
        (CIRCLE, {}, None),
        # The other is free, so the call will begin; or it waits for its arguments.
        ((A, A_TO_B), gets(A_ask=1), None),
        ((A, B, A_TO_B), gets(A_ask=2), None),
        ((A, B, replace(A_TO_B, state="PENDING_ARGS_AVAIL"), B_TO_A), gets(A_ask=2), None),
        # An actor with two slots, of which the other ends by itself, or waits in the same circle.
        ((*CIRCLE, call("a3", "a", "A.slow", pid=1)), gets(A_ask=2), None),
        ((*CIRCLE, call("b3", "b", "A.slow", pid=2)), HOLD, None),
        ((*CIRCLE, call("a3", "a", pid=1), replace(A_TO_B, task_id="b4", parent_id="a3")), gets(A_ask=3), "cycle"),
        # It does not end in a circle, though one is on the way of who waits for a circle that is none.
        ((*CIRCLE, call("a3", "a", "A.slow", pid=1), T, T_TO_A), gets(A_ask=2, step=1), None),
        # In a list that was cut, a slot may be taken by what is not in it.
        (CIRCLE, {**gets(A_ask=2), "partial": True}, None),
        # It has called itself for later, and is in ray.get of a long task: its own, whichever it holds, or another's.
        ((A, SELF, T), gets(A_ask=1), None),
        ((A, SELF, T), {**gets(A_ask=1), **held((1, "t1"))}, None),
        ((A, SELF, T), {**gets(A_ask=1), **held((1, "t1"), (1, "a2"))}, None),
        ((A, SELF, OTHERS), {**gets(A_ask=1), **held((1, "t9"), (1, "a2"))}, None),
        ((A, SELF), {**gets(A_ask=1), **held((1, ELSEWHERE), (1, "a2"))}, None),
        ((A, SELF), {**gets(A_ask=1), **held((1, ELSEWHERE))}, None),
        # Of what it has called it holds only what waits for it, or Ray's table does not tell of it at all.
        ((A, SELF, T), {**gets(A_ask=1), **held((1, "a2"))}, "cycle"),
        ((A, SELF), {**gets(A_ask=1), **held((1, "e" * 40 + JOB), (1, "a2"))}, "cycle"),
        ((A, SELF), {**gets(A_ask=1), **held((2, "a2"))}, "cycle"),
        ((A, SELF), {**gets(A_ask=1), "references": UNKNOWN}, "cycle"),
        # What another call in the same process holds, that one waits for.
        (
            (*CIRCLE, call("a3", "c", "C.look", pid=1), T3),
            {**gets(A_ask=2), **held((1, "t3"), (1, "b2"), (2, "a2"))},
            "cycle",
        ),
        # A chain that ends in a task that runs: it may be asleep.
        ((A, T), gets(A_ask=1, step=0), None),
    ],
)
def test_a_circle_of_calls(tasks: Any, changes: dict[str, Any], expected: str | None) -> None:
    assert proof(*tasks, **changes) == expected


RANKS = (actor("r0", "Rank", pid=10), actor("r1", "Rank", pid=11), actor("r2", "Rank", pid=12))
STORE = actor("s", "Store", pid=20)


def rank(number: int, name: str = "Rank.barrier", **changes: Any) -> Any:
    return call(f"c{number}", f"r{number}", name, pid=10 + number, **changes)


ARRIVE = [call(f"d{number}", "s", "Store.arrive", parent_id=f"c{number}", pid=20) for number in (0, 1)]


@pytest.mark.parametrize(
    ("tasks", "changes", "expected"),
    [
        # Two of three are in the barrier, and the third has nothing to do.
        ((rank(0), rank(1)), {"actors": RANKS}, "rank"),
        # A single one has met nobody, and who is missing is the lesser part.
        ((rank(0),), {"actors": RANKS[:2]}, None),
        ((rank(0), rank(1)), {"actors": (*RANKS, actor("r3", "Rank", pid=13))}, None),
        # In a list that was cut, it may have something to do.
        ((rank(0), rank(1)), {"actors": RANKS, "partial": True}, None),
        # By what the call calls, whatever it is called itself.
        ((rank(0, "Rank.run"), rank(1, "Rank.run"), *ARRIVE), {"actors": (*RANKS, STORE)}, "rank"),
        # That must be so of each of them.
        ((rank(0, "Rank.run"), rank(1, "Rank.run"), ARRIVE[0]), {"actors": (*RANKS, STORE)}, None),
        # One that has died never comes, either.
        ((rank(0), rank(1)), {"actors": RANKS[:2], "dead": (replace(RANKS[2], state="DEAD"),)}, "rank"),
        # As many dead as live are those of an earlier try.
        (
            (rank(0), rank(1)),
            {"actors": RANKS[:2], "dead": (replace(RANKS[2], state="DEAD"), actor("r3", "Rank", "DEAD"))},
            None,
        ),
        # The innocent: a pool of which one has nothing to do; the work has another name.
        ((rank(0, "Rank.train"), rank(1, "Rank.train")), {"actors": RANKS}, None),
        # All are there, or the third is on its way, or they are not in the same place.
        ((rank(0), rank(1), rank(2)), {"actors": RANKS}, None),
        ((rank(0), rank(1), rank(2, "Rank.load")), {"actors": RANKS}, None),
        ((rank(0), rank(1), rank(2, state="SUBMITTED_TO_WORKER")), {"actors": RANKS}, None),
        ((rank(0), rank(1, "Rank.gather")), {"actors": RANKS}, None),
        # One alone has nobody to wait for.
        ((rank(0),), {"actors": RANKS[:1]}, None),
    ],
)
def test_a_member_that_never_came(tasks: Any, changes: dict[str, Any], expected: str | None) -> None:
    assert proof(*tasks, **changes) == expected


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        *((name, "rank") for name in ("barrier", "all_reduce", "allreduce", "AllReduce", "all_gather", "broadcast")),
        *((name, "rank") for name in ("all_to_all", "reduceScatter", "rendez_vous", "arrive", "_barrier")),
        # With what people put before and after it.
        *((name, "rank") for name in ("wait_for_barrier", "waitForAll", "sync_all_reduce", "all_reduce_op")),
        *((name, "rank") for name in ("arrive_and_wait", "do_broadcast", "enter_barrier_sync")),
        # Work that has such a word in its name, or a word that has one in it.
        *((name, None) for name in ("broadcast_results", "process_meeting", "meeting", "barriers", "arrived")),
        *((name, None) for name in ("price_barrier_option", "synchronize", "meet", "wait_for", "sync", "train", "")),
    ],
)
def test_where_members_of_a_group_meet(method: str, expected: str | None) -> None:
    pool = tuple(actor(f"r{number}", "Rank", pid=10 + number) for number in range(4))
    tasks = [rank(number, f"Rank.{method}") for number in range(3)]
    assert proof(*tasks, actors=pool) == expected


SINCE = {"measured_at": {"n": at(40)}}


@pytest.mark.parametrize(
    ("tasks", "changes", "expected"),
    [
        # Its process is not there, though the node was measured since; or its node is not alive.
        ((task("t", pid=5),), {**SINCE, "processes": {}}, "gone"),
        ((task("t", pid=5),), {"lost_nodes": frozenset({"n"})}, "gone"),
        ((call("t", "a", state="SUBMITTED_TO_WORKER"),), {"dead": (actor("a", state="DEAD"),)}, "gone"),
        # Its process says that it runs nothing.
        ((task("t", pid=5),), {**SINCE, "processes": {("n", 5): use(5, running=0)}}, "idle"),
        # The innocent: it began after the node was measured, it does run, nobody measured, or it says nothing.
        ((task("t", pid=5, changed_at=at(20)),), {**SINCE, "processes": {}}, None),
        ((task("t", pid=5, changed_at=at(20)),), {**SINCE, "processes": {("n", 5): use(5, running=0)}}, None),
        ((task("t", pid=5),), {**SINCE, "processes": {("n", 5): use(5, running=1)}}, None),
        ((task("t", pid=5),), {**SINCE, "processes": {("n", 5): use(5, running=None)}}, None),
        ((task("t", pid=5),), {"processes": {}}, None),
        ((task("t", pid=5),), SINCE, None),
        ((task("t"),), {**SINCE, "processes": {}}, None),
        # What is there is proven by itself, whatever was cut off.
        ((task("t", pid=5),), {**SINCE, "processes": {}, "partial": True}, "gone"),
        ((), {}, None),
    ],
)
def test_a_result_whose_maker_is_gone_or_idle(tasks: Any, changes: dict[str, Any], expected: str | None) -> None:
    assert proof(*tasks, **changes) == expected


F, G = (task(id, state="PENDING_ARGS_AVAIL") for id in ("f", "g"))
# What this job's tasks have made, and what another one's makes.
MADE = "e" * 40 + JOB
# How Ray calls the task that is the driver of another job, and the start of an actor of this one.
FOREIGN_DRIVER = "f" * 40 + "02000000"
ACTOR_START = "f" * 16 + "a" * 24 + JOB
# What another driver of the same submission has called, and has made.
SECOND = replace(G, job_id="03000000", parent_id="f" * 40 + "03000000")
MADE_BY_SECOND = "e" * 40 + "03000000"


def driver_holds(*ids: str) -> dict[str, Any]:
    return {"driver_holds": Known(frozenset(ids))}


@pytest.mark.parametrize(
    ("tasks", "changes", "expected"),
    [
        # All of it waits for results, and nothing of this job makes them; or one of its tasks does.
        ((F, G), driver_holds(MADE), "arguments"),
        ((F, G), driver_holds(MADE, "f", "g"), "arguments"),
        ((F, task("u")), driver_holds(MADE), None),
        ((F,), {**driver_holds(MADE), "partial": True}, None),
        # Another job makes it, or may; whose it is, is not known.
        ((F, G), driver_holds(ELSEWHERE), None),
        ((F, G), driver_holds(MADE, ELSEWHERE), None),
        ((F, G), driver_holds("f", "g"), None),
        ((F, G), driver_holds(), None),
        ((F, G), {}, None),
        # What a call has called, whose process may hold other results; so may that of an actor, which its start called.
        ((F, replace(G, parent_id="gone")), driver_holds(MADE), None),
        ((F, replace(G, parent_id=ACTOR_START)), driver_holds(MADE), None),
        # What the driver of another job has called of an actor of this one: of what it waits for, that driver tells.
        ((call("b", "a", state="PENDING_ARGS_AVAIL", parent_id=FOREIGN_DRIVER),), driver_holds(MADE), None),
        ((F, call("b", "a", state="PENDING_ARGS_AVAIL", parent_id=FOREIGN_DRIVER)), driver_holds(MADE), None),
        # Drivers of one submission, each with tasks of its own.
        ((F, SECOND), driver_holds(MADE, MADE_BY_SECOND), "arguments"),
        ((SECOND, F), driver_holds(MADE), "arguments"),
        ((F, SECOND), driver_holds(MADE, ELSEWHERE), None),
        ((), driver_holds(MADE), None),
    ],
)
def test_a_result_that_nothing_makes(tasks: Any, changes: dict[str, Any], expected: str | None) -> None:
    assert proof(*tasks, **changes) == expected


def test_what_is_told_of_a_circle() -> None:
    found = find_waits(Scene(CIRCLE, actors=(actor("a", pid=1), actor("b", pid=2)), **gets(A_ask=2)))
    waits = [
        AwaitedWork("actor-call", "A.ask", "a2", B_TO_A.state, at(0), 1, "n", "A.ask", "b1"),
        AwaitedWork("actor-call", "A.ask", "b2", A_TO_B.state, at(0), 2, "n", "A.ask", "a1"),
        AwaitedWork("actor-call", "A.ask", "a1", "RUNNING", at(0), 1, "n", "the driver", JOB),
        AwaitedWork("actor-call", "A.ask", "b1", "RUNNING", at(0), 2, "n", "the driver", JOB),
    ]
    assert sorted(found.awaited, key=lambda each: (each.state == "RUNNING", each.id)) == waits


@pytest.mark.parametrize(
    ("awaited", "waiter", "waiter_id"),
    [
        (F, "the driver", JOB),
        (SECOND, "the driver", "03000000"),
        (replace(F, parent_id=FOREIGN_DRIVER), "", ""),
        (replace(F, parent_id=ACTOR_START), "", ""),
    ],
)
def test_the_driver_waits_for_what_it_has_called_itself(awaited: Any, waiter: str, waiter_id: str) -> None:
    told = AwaitedWork("task", "work", awaited.task_id, awaited.state, at(0), None, "n", waiter, waiter_id)
    assert find_waits(Scene((awaited,))).awaited == (told,)


def test_what_is_told_of_a_member_that_never_came() -> None:
    found = find_waits(Scene((rank(0), rank(1, changed_at=at(5))), actors=RANKS))
    assert found.awaited == (
        AwaitedWork("rank", "Rank", "r2", "ALIVE", at(5), 12, "n", "2 of 3 Rank, in Rank.barrier", "c0"),
    )


def test_without_a_proof_the_last_of_each_chain_is_told_the_oldest_first() -> None:
    outer, inner = task("o", "outer", pid=5), task("i", "slow", pid=6, parent_id="o", changed_at=at(3))
    made = task("m", "Actor.__init__", type="ACTOR_CREATION_TASK", actor_id="x", changed_at=at(2), parent_id="gone")
    found = find_waits(Scene((outer, inner, made), actors=(actor("x", pid=9),)))
    assert (found.proof, found.awaited) == (
        None,
        (
            AwaitedWork("actor", "Actor.__init__", "m", "RUNNING", at(2), 9, "n", "", ""),
            AwaitedWork("task", "slow", "i", "RUNNING", at(3), 6, "n", "outer", "o"),
        ),
    )


def test_a_long_chain_and_many_tasks_are_no_trouble() -> None:
    chain = [task(f"t{number}", pid=number, parent_id=f"t{number - 1}") for number in range(2_000)]
    assert proof(*chain, **gets(work=2_000)) is None
    many = [task(f"t{number}", parent_id=DRIVER_TASK) for number in range(500)]
    assert len(find_waits(Scene(tuple(many))).awaited) == MOST_AWAITED

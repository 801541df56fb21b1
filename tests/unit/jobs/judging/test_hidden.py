"""Rows that Ray's list leaves out: hidden drivers, and the nodes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from serve_app.jobs.judging.judge import find_hidden_jobs, list_head_starts, list_worker_nodes
from serve_app.jobs.judging.kinds import Owned
from serve_app.jobs.models import DriverExit, JobFacts, JobType, Known, NodeFacts, Snapshot, Unknown
from serve_app.jobs.serve_facts import ApplicationFacts
from tests.unit.jobs.judging.test_judge import NOW, ago, driver, exit_of, snapshot, submission
from tests.unit.jobs.judging.test_outcome import node

ALIVE, DEAD = Owned(actors=1, alive=1), Owned(actors=1)
SERVES = Owned(actors=1, alive=1, serve_alive=1)
SERVED = Owned(actors=1, serve_controllers=1)
RAYS = Owned(actors=1, of_ray=1)
APPS = [ApplicationFacts("shop", "RUNNING", "", ()), ApplicationFacts("till", "RUNNING", "", ())]


def hide(id: str, status: str = "RUNNING", **changes: Any) -> JobFacts:
    return JobFacts(id=id, type=JobType.DRIVER, status=status, job_id=id, hidden=True, **changes)


def find(owned: dict[str, Owned], *jobs: JobFacts, **sections: Any) -> list[JobFacts]:
    seen = snapshot(*jobs, **sections)
    return find_hidden_jobs(seen, jobs, owned)


@pytest.mark.parametrize(
    ("owned", "jobs", "sections", "wanted"),
    [
        # Who owns actors and is not listed; not who is, nor actors of nobody.
        ({}, [], {}, []),
        ({"b": ALIVE, "a": ALIVE}, [], {}, [hide("a"), hide("b")]),
        ({"a": ALIVE}, [driver("a", "RUNNING")], {}, []),
        ({"a": ALIVE}, [submission("s", "RUNNING", job_id="a")], {}, []),
        ({"": ALIVE}, [], {}, []),
        # A driver is as alive as its row says, or else its actors, or else as we are.
        ({"a": DEAD}, [], {}, [hide("a", "SUCCEEDED")]),
        (
            {"a": DEAD}, [], {"exits": [replace(exit_of("a", None), node_id="m")]},
            [hide("a", started_at=ago(100), node_id="m", pid=7)],
        ),
        (
            {"a": ALIVE}, [], {"exits": [exit_of("a", "SYSTEM_ERROR")]},
            [hide("a", "SUCCEEDED", started_at=ago(100), ended_at=NOW, node_id="n", pid=7)],
        ),
        # A row that was overwritten tells neither start nor process.
        (
            {"a": ALIVE}, [],
            {"exits": [replace(exit_of("a", "INTENDED_USER_EXIT"), pid=0, started_at=None, node_id=None)]},
            [hide("a", "SUCCEEDED", ended_at=NOW)],
        ),
        ({}, [], {"own_job_id": "a"}, [hide("a", entrypoint="Ray Serve")]),
        (
            {"a": ALIVE}, [], {"own_job_id": "b", "apps": APPS},
            [hide("a"), hide("b", entrypoint="Ray Serve: shop, till")],
        ),
        ({}, [driver("a", "RUNNING")], {"own_job_id": "a"}, []),
        ({"a": SERVES}, [], {"apps": APPS}, [hide("a", entrypoint="Ray Serve: shop, till")]),
        ({"a": SERVES}, [], {"serve": Unknown("down")}, [hide("a", entrypoint="Ray Serve")]),
        ({"a": SERVED}, [], {"apps": APPS}, [hide("a", "SUCCEEDED")]),
        # Tables that are silent.
        ({"a": ALIVE}, [], {"driver_exits": Unknown("down")}, [hide("a")]),
        # Of a list that was cut, only what Ray would hide, and what we are.
        (
            {"a": ALIVE, "b": SERVED, "c": RAYS, "d": SERVES}, [],
            {"jobs": Known((), "9 of 10"), "own_job_id": "e"},
            [hide("b", "SUCCEEDED"), hide("c", "SUCCEEDED"), hide("e", entrypoint="Ray Serve")],
        ),
        ({"a": ALIVE}, [], {"jobs": Known((), "9 of 10"), "own_job_id": "a"}, [hide("a")]),
        # Without a list nothing is hidden.
        ({"a": ALIVE}, [], {"jobs": Unknown("down"), "own_job_id": "b"}, []),
    ],
)  # fmt: skip
def test_hidden_jobs(owned: dict[str, Owned], jobs: list[JobFacts], sections: Any, wanted: list[JobFacts]) -> None:
    assert find(owned, *jobs, **sections) == wanted


def start(node_id: str, status: str, entrypoint: str, **changes: Any) -> JobFacts:
    values: dict[str, Any] = {"started_at": ago(0), "node_ip": "127.0.0.1", **changes}
    return JobFacts(
        id=f"node:{node_id}", type=JobType.NODE, status=status, entrypoint=entrypoint, node_id=node_id, **values
    )


def be(id: str, state: str, is_head: bool = False, ended: float | None = None, **changes: Any) -> NodeFacts:
    ended_at = None if ended is None else ago(ended)
    return node(state, node_id=id, is_head=is_head, started_at=ago(0), ended_at=ended_at, **changes)


def test_nodes_are_entries_of_their_own() -> None:
    nodes = [
        be("h", "ALIVE", True, message="fine"), be("i", "DEAD", True, 9, message="gone"),
        be("w", "ALIVE", message="fine"), be("x", "DEAD", ended=5, message="gone", ip="10.0.0.1"),
    ]  # fmt: skip
    seen = snapshot(nodes=nodes)
    assert list_head_starts(seen) == [
        start("h", "SUCCEEDED", "ray start --head"),
        start("i", "DEAD", "ray start --head", ended_at=ago(9)),
    ]
    assert list_worker_nodes(seen) == [
        start("w", "RUNNING", "ray start --address", message="fine"),
        start("x", "DEAD", "ray start --address", message="gone", ended_at=ago(5), node_ip="10.0.0.1"),
    ]
    assert (list_head_starts(silence(seen)), list_worker_nodes(silence(seen))) == ([], [])


def silence(seen: Snapshot) -> Snapshot:
    return replace(seen, nodes=Unknown("down"))


def test_an_end_that_a_living_node_is_said_to_have_is_none() -> None:
    nodes = [be("h", "ALIVE", True, 9), be("w", "ALIVE", ended=9)]
    seen = snapshot(nodes=nodes)
    assert [each.ended_at for each in (*list_head_starts(seen), *list_worker_nodes(seen))] == [None, None]


def test_the_living_come_first_then_the_two_hundred_that_died_last() -> None:
    dead = [be(f"d{number:03}", "DEAD", ended=number) for number in range(250, 0, -1)]
    found = [each.node_id for each in list_worker_nodes(snapshot(nodes=[be("x", "DEAD"), *dead, be("w", "ALIVE")]))]
    assert found == ["w", *(f"d{number:03}" for number in range(1, 201))]


def test_a_death_of_no_known_time_is_the_oldest() -> None:
    nodes = [be("x", "DEAD"), be("y", "DEAD", ended=9)]
    assert [each.node_id for each in list_worker_nodes(snapshot(nodes=nodes))] == ["y", "x"]
    assert nodes[1].ended_at == NOW - timedelta(seconds=9)


def test_a_driver_row_is_what_it_is() -> None:
    """The fakes of this table speak of a driver as Ray does."""
    assert exit_of("a", None) == DriverExit("a", True, None, None, 7, ago(100), None, "n")

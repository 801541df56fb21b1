"""What a running job holds, and what of it is unfinished: from the tables of the last round, or asked for alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from serve_app.errors import Unavailable
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.models import JobRow, Known, Unknown
from serve_app.jobs.progress.looks.holdings import (
    MOST_SHOWN,
    Holdings,
    OwnWork,
    count_held,
    render_holds,
    render_unfinished,
)
from serve_app.jobs.progress.looks.tables import ActorDetail, NodeProcesses, ProcessUse, Tables
from serve_app.jobs.progress.models import TaskFacts
from tests.unit.jobs.judging.test_judge import NOW as JUDGED_AT
from tests.unit.jobs.judging.test_judge import snapshot, submission

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TIME = "2026-03-01T12:00:00.000+00:00"
JOB = "02000000"


def task(id: str = "t", state: str = "RUNNING", **more: Any) -> TaskFacts:
    return TaskFacts(id, "clean", more.pop("type", "NORMAL_TASK"), state, required=more.pop("required", {}), **more)


def actor(id: str = "a", state: str = "ALIVE", **more: Any) -> ActorDetail:
    return ActorDetail(id, "Counter", more.pop("name", ""), state, JOB, **more)


@pytest.mark.parametrize(
    ("tasks", "actors", "bundles", "held"),
    [
        ([task(required={"CPU": 2.0, "memory": 5e9})], [], [], {"CPU": 2.0, "memory": 5e9}),
        ([task(required={"CPU": 0.5}), task("u", required={"CPU": 0.7})], [], [], {"CPU": 1.2}),
        # What waits for a place holds nothing; what waits in ray.get has given its processor back.
        ([task(state="PENDING_NODE_ASSIGNMENT", required={"CPU": 2.0})], [], [], {}),
        ([task(state="RUNNING_IN_RAY_GET", required={"CPU": 2.0, "GPU": 1.0})], [], [], {"GPU": 1.0}),
        # A call runs in what its actor holds.
        ([task(type="ACTOR_TASK", required={"CPU": 1.0})], [actor(required={"CPU": 1.0})], [], {"CPU": 1.0}),
        (
            [],
            [actor(state="PENDING_CREATION", required={"CPU": 1.0}), actor("b", required={"tpu": 1.0})],
            [],
            {"tpu": 1.0},
        ),
        # A group holds what it was given, whatever runs in it.
        (
            [task(required={"CPU": 1.0}, group_id="g")],
            [actor(required={"GPU": 1.0}, group_id="g")],
            [{"CPU": 4.0, "GPU": 1.0}, {"CPU": 4.0}],
            {"CPU": 8.0, "GPU": 1.0},
        ),
        ([], [], [], {}),
    ],
)
def test_what_is_held(tasks: Any, actors: Any, bundles: Any, held: dict[str, float]) -> None:
    assert count_held(tasks, actors, bundles) == held


def test_memory_and_processes() -> None:
    processes = (ProcessUse(1, JOB, rss_bytes=100), ProcessUse(2, JOB, rss_bytes=50), ProcessUse(3, JOB))
    supervisor = actor("s", name="_ray_internal_job_actor_a", required={"CPU": 1.0})
    work = OwnWork(NOW, (), 0, (actor(), actor("b", "RESTARTING"), supervisor), processes=processes)
    assert render_holds(work) == {
        "resources": {"CPU": 1.0},
        "actors": 1,
        "processes": 3,
        "memory_bytes": 150,
        "as_of": TIME,
    }
    unmeasured = render_holds(OwnWork(NOW, (), 0, ()))
    assert (unmeasured["processes"], unmeasured["memory_bytes"]) == (None, None)


def test_what_is_unfinished() -> None:
    since = NOW - timedelta(seconds=30)
    tasks = (
        task("waits", "PENDING_NODE_ASSIGNMENT", changed_at=since - timedelta(seconds=9)),
        task("runs", pid=7, node_id="n", changed_at=since),
        task("made", type="ACTOR_CREATION_TASK"),
    )
    found = render_unfinished(OwnWork(NOW, tasks, 3, (actor(name="c", pid=8, node_id="n"),)))
    assert found == {
        "items": [
            {
                "what": "task",
                "name": "clean",
                "id": "runs",
                "type": "NORMAL_TASK",
                "state": "RUNNING",
                "since": "2026-03-01T11:59:30.000+00:00",
                "pid": 7,
                "node_id": "n",
            },
            {
                "what": "task",
                "name": "clean",
                "id": "waits",
                "type": "NORMAL_TASK",
                "state": "PENDING_NODE_ASSIGNMENT",
                "since": "2026-03-01T11:59:21.000+00:00",
                "pid": None,
                "node_id": None,
            },
            {
                "what": "actor",
                "name": "c",
                "id": "a",
                "type": "Counter",
                "state": "ALIVE",
                "since": None,
                "pid": 8,
                "node_id": "n",
            },
        ],
        "total": 3,
        "truncated": False,
        "as_of": TIME,
    }


def test_of_many_the_first_hundred_and_the_total() -> None:
    tasks = tuple(task(f"t{number}") for number in range(MOST_SHOWN))
    found = render_unfinished(OwnWork(NOW, tasks, 7_000, (actor(),)))
    assert (len(found["items"]), found["total"], found["truncated"]) == (MOST_SHOWN, 7_001, True)


class Ray:
    """Tables of one job, asked for alone."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, int]] = []
        self.down: frozenset[str] = frozenset()

    async def list_matching(self, table: str, filters: Any, most_rows: int) -> tuple[list[Any], int]:
        self.asked.append((table, next(iter(filters)), most_rows))
        if table in self.down:
            raise Unavailable(f"No {table}.", code="ray_unavailable")
        rows: dict[str, list[Any]] = {
            "tasks": [{"task_id": "t", "name": "clean", "type": "NORMAL_TASK", "state": "RUNNING",
                       "required_resources": {"CPU": 1.0}}],
            "actors": [{"actor_id": "a", "class_name": "Counter", "state": "ALIVE", "job_id": JOB}],
            "placement_groups": [{"bundles": [{"unit_resources": {"GPU": 2.0}}]}],
        }  # fmt: skip
        return rows[table], 12 if table == "tasks" else 1

    async def get_node_detail(self, node_id: str) -> Any:
        raise AssertionError("nodes are measured by the rounds")


@dataclass
class Rounds:
    tables: Tables | None = None


def row(status: str = "RUNNING", **changes: Any) -> JobRow:
    return judge(snapshot(submission("a", status, **{"job_id": JOB, **changes})), JUDGED_AT)[0]


def tables(age_s: float, note: str | None = None) -> Tables:
    at = NOW - timedelta(seconds=age_s)
    use = NodeProcesses("n", at, (ProcessUse(7, JOB, rss_bytes=100), ProcessUse(9, "03000000", rss_bytes=900)))
    supervisor = actor("s", name="_ray_internal_job_actor_a", required={"CPU": 2.0})
    return Tables(
        at,
        Known({JOB: (task(required={"CPU": 1.0}),)}, note),
        actors=Known({JOB: (actor(),), "01000000": (supervisor,)}),
        uses={"n": Known(use), "m": Unknown("gone")},
    )


@pytest.mark.parametrize(
    ("known", "asked", "resources", "total", "memory"),
    [
        (tables(5), ["placement_groups"], {"CPU": 3.0, "GPU": 2.0}, 2, 100),
        # Too old, or cut: asked for alone; processes are measured for longer.
        (tables(11), ["placement_groups", "tasks", "actors"], {"CPU": 3.0, "GPU": 2.0}, 13, 100),
        (tables(5, "cut"), ["placement_groups", "tasks", "actors"], {"CPU": 3.0, "GPU": 2.0}, 13, 100),
        (tables(61), ["placement_groups", "tasks", "actors"], {"CPU": 3.0, "GPU": 2.0}, 13, None),
        (None, ["placement_groups", "tasks", "actors"], {"CPU": 1.0, "GPU": 2.0}, 13, None),
    ],
)
async def test_the_last_round_tells_while_it_is_young(
    known: Tables | None, asked: list[str], resources: dict[str, float], total: int, memory: int | None
) -> None:
    ray = Ray()
    found = await Holdings(ray, Rounds(known), lambda: NOW).describe(row(), [JOB])
    assert found["holds"] is not None
    assert found["unfinished"] is not None
    assert [table for table, _, _ in ray.asked] == asked
    assert (found["holds"]["resources"], found["holds"]["memory_bytes"]) == (resources, memory)
    assert (found["unfinished"]["total"], found["holds_reason"], found["unfinished_reason"]) == (total, None, None)


@pytest.mark.parametrize(
    ("known", "asked", "total", "memory"),
    [
        (tables(5), ["placement_groups"] * 2, 4, 1_000),
        (tables(11), [*["placement_groups"] * 2, *["tasks"] * 2, *["actors"] * 2], 26, 1_000),
    ],
)
async def test_of_every_driver_of_a_submission(known: Tables, asked: list[str], total: int, memory: int) -> None:
    assert isinstance(known.unfinished, Known) and isinstance(known.actors, Known)  # noqa: PT018
    further = "03000000"
    known = replace(
        known,
        unfinished=Known({**known.unfinished.value, further: (task("t2"),)}, known.unfinished.note),
        actors=Known({**known.actors.value, further: (actor("b"),)}),
    )
    ray = Ray()
    found = await Holdings(ray, Rounds(known), lambda: NOW).describe(row(), [JOB, further])
    assert [table for table, _, _ in ray.asked] == asked
    assert {own[-1] for _, own, _ in ray.asked} == {JOB, further}
    assert found["holds"] is not None
    assert found["unfinished"] is not None
    assert (found["unfinished"]["total"], found["holds"]["memory_bytes"]) == (total, memory)


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (row("STOPPED"), "It has ended."),
        (row("PENDING", job_id=None), "It has not started."),
        (row(job_id=None), "It never connected to Ray, which so knows nothing of it."),
    ],
)
async def test_why_nothing_is_told(job: JobRow, reason: str) -> None:
    ray = Ray()
    found = await Holdings(ray, Rounds(tables(0)), lambda: NOW).describe(job, [])
    assert found == {"holds": None, "holds_reason": reason, "unfinished": None, "unfinished_reason": reason}
    assert ray.asked == []


@pytest.mark.parametrize(
    ("down", "reason"), [("tasks", "No tasks."), ("actors", "No actors."), ("placement_groups", None)]
)
async def test_ray_that_does_not_tell(down: str, reason: str | None) -> None:
    ray = Ray()
    ray.down = frozenset({down})
    found = await Holdings(ray, Rounds(), lambda: NOW).describe(row(), [JOB])
    assert (found["holds_reason"], found["unfinished_reason"]) == (reason, reason)

"""Ray's rows of a job's work: as Ray 2.60 writes them, and rows that are none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.cluster.rows import count_task_states
from serve_app.jobs.progress.models import GroupFacts, HeldReference, ProcessorFacts, TaskFacts, UnplacedActor
from serve_app.jobs.progress.rows import (
    parse_groups,
    parse_processor,
    parse_references,
    parse_tasks,
    parse_unplaced_actors,
    parse_written_at,
)

TASK = {
    "task_id": "44bfa4a5859b21acffffffffffffffffffffffff03000000", "attempt_number": 0, "name": "produce",
    "state": "PENDING_NODE_ASSIGNMENT", "job_id": "03000000", "actor_id": None, "type": "NORMAL_TASK",
    "parent_task_id": "ffffffffffffffffffffffffffffffffffffffff03000000",
    "func_or_class_name": "produce", "node_id": None, "worker_id": None, "worker_pid": None,
    "required_resources": {"nowhere": 1.0, "CPU": 1.0}, "placement_group_id": None,
    "events": [
        {"state": "PENDING_ARGS_AVAIL", "created_ms": 1767268800000.0},
        {"state": "PENDING_NODE_ASSIGNMENT", "created_ms": 1767268801500.0},
    ],
}  # fmt: skip


def test_tasks() -> None:
    runs = {**TASK, "state": "RUNNING", "worker_pid": 15578, "node_id": "n1", "attempt_number": 2, "events": None}
    assert parse_tasks([TASK, runs]) == (
        TaskFacts(
            TASK["task_id"], "produce", "NORMAL_TASK", "PENDING_NODE_ASSIGNMENT",
            required={"nowhere": 1.0, "CPU": 1.0}, parent_id=TASK["parent_task_id"], job_id="03000000",
            changed_at=datetime(2026, 1, 1, 12, 0, 1, 500_000, UTC),
        ),
        TaskFacts(
            TASK["task_id"], "produce", "NORMAL_TASK", "RUNNING", 2, {"nowhere": 1.0, "CPU": 1.0},
            parent_id=TASK["parent_task_id"], node_id="n1", pid=15578, job_id="03000000",
        ),
    )  # fmt: skip
    (secret,) = parse_tasks([{**TASK, "name": "f(token=canary)"}])
    assert "canary" not in secret.name


def test_counts() -> None:
    one = {"state_counts": {"RUNNING": 1, "FINISHED": 30}}
    summary = {
        "result": {"node_id_to_summary": {"cluster": {"summary": {"f": one, "g": {"state_counts": {"RUNNING": 2}}}}}}
    }
    assert count_task_states(summary) == {"RUNNING": 3, "FINISHED": 30}
    assert count_task_states({}) == {}


def test_actors() -> None:
    row = {
        "actor_id": "a1", "class_name": "B", "name": "", "state": "PENDING_CREATION",
        "required_resources": {"CPU": 100.0}, "placement_group_id": "g1",
    }  # fmt: skip
    rows = [row, {**row, "state": "ALIVE"}, {**row, "state": "DEAD"}, {**row, "state": "RESTARTING", "name": "named"}]
    assert parse_unplaced_actors(rows) == (
        UnplacedActor("a1", "B", "PENDING_CREATION", {"CPU": 100.0}, "g1"),
        UnplacedActor("a1", "named", "RESTARTING", {"CPU": 100.0}, "g1"),
    )


def test_groups() -> None:
    row = {
        "placement_group_id": "g1", "name": "", "state": "PENDING",
        "bundles": [{"bundle_id": {"bundle_index": 0}, "unit_resources": {"CPU": 50.0}, "node_id": ""}],
        "stats": {"scheduling_state": "INFEASIBLE"},
    }  # fmt: skip
    rows = [
        row,
        {**row, "state": "CREATED"},
        {**row, "state": "REMOVED"},
        {**row, "state": "RESCHEDULING", "stats": None},
    ]
    assert parse_groups(rows) == (
        GroupFacts("g1", "", "PENDING", ({"CPU": 50.0},), "INFEASIBLE"),
        GroupFacts("g1", "", "RESCHEDULING", ({"CPU": 50.0},), ""),
    )


def test_references() -> None:
    """An object's id is that of the task that makes it, and its number; a driver has references to all of its own."""
    row = {"object_id": f"{TASK['task_id']}01000000", "type": "WORKER", "pid": 15578}
    rows = [row, {**row, "type": "DRIVER"}, {**row, "pid": 0}, {**row, "object_id": "ab" * 20 + "0400000001000000"}]
    own, other = HeldReference(15578, TASK["task_id"]), HeldReference(15578, "ab" * 20 + "04000000")
    assert parse_references(rows, ("03000000",)) == (own,)
    assert parse_references(rows, ("03000000", "04000000")) == (own, other)


def detail(now: Any, *rows: tuple[int, float, float]) -> dict[str, Any]:
    workers = [
        {"pid": pid, "cpuTimes": {"user": used_s, "system": 0.5}, "cpuPercent": share} for pid, used_s, share in rows
    ]
    return {"now": now, "workers": workers}


@pytest.mark.parametrize(
    ("details", "pids", "facts"),
    [
        (
            {"n1": detail(10.0, (1, 2.0, 0.8), (2, 3.0, 80.0), (3, 9.0, 9.0)), "n2": detail(8.0, (1, 1.0, 20.0))},
            {"n1": [1, 2], "n2": [1]},
            ProcessorFacts(datetime.fromtimestamp(8, UTC), {("n1", 1): 2.5, ("n1", 2): 3.5, ("n2", 1): 1.5}, 1.008),
        ),
        ({"n1": detail(None, (1, 2.0, 1.0))}, {"n1": [1, 9]}, ProcessorFacts(None, {("n1", 1): 2.5}, 0.01)),
        # Its processes are not among those of the node, or the node is not told.
        ({"n1": detail(10.0, (3, 2.0, 0.8))}, {"n1": [1]}, None),
        ({"n1": {"now": 1.0, "workers": [{"pid": 1}]}}, {"n1": [1]}, None),
        ({"n1": None}, {"n1": [1]}, None),
        ({}, {"n1": [1]}, None),
    ],
)
def test_processors(details: Any, pids: Any, facts: ProcessorFacts | None) -> None:
    assert parse_processor(details, pids) == facts


@pytest.mark.parametrize(
    ("header", "time"),
    [
        ("Thu, 01 Jan 2026 12:00:00 GMT", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_when_a_file_was_written(header: str | None, time: datetime | None) -> None:
    assert parse_written_at(header) == time


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = (*TASK, "unit_resources", "bundles", "stats", "object_id", "pid", "workers", "now", "cpuTimes", "cpuPercent")
ROWS = st.lists(st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=5) | ANYTHING, max_size=3)


@given(rows=ROWS)
def test_no_row_raises(rows: list[Any]) -> None:
    parse_tasks(rows)
    parse_unplaced_actors([{"state": "RESTARTING", **row} if isinstance(row, dict) else row for row in rows])
    parse_groups(
        [{"state": "PENDING", "placement_group_id": "g", **row} if isinstance(row, dict) else row for row in rows]
    )
    parse_references(rows, ("03000000",))
    parse_processor({"n": {"now": 1.0, "workers": rows}}, {"n": [1]})
    for row in rows:
        count_task_states(row)
        parse_processor({"n": row}, {"n": [1]})

"""What is a job's own by rows of Ray's tables, and which of its attempts tell why it ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from serve_app.jobs.diagnosis.engine.owner import OwnerJudge, Shown, Whose
from serve_app.jobs.diagnosis.evidence.belongings import (
    build_belongings,
    find_python,
    list_superseded_workers,
    select_last_attempts,
)
from serve_app.jobs.diagnosis.evidence.sentences import describe_tasks
from serve_app.jobs.diagnosis.evidence.tables import JobTables
from serve_app.jobs.diagnosis.models import Belongings, RepeatedFailure, SourceKind

LEFT = "Job finishes (06000000) as driver exits. Marking all non-terminal tasks as failed."
ENDED = datetime(2026, 1, 1, 12, tzinfo=UTC)
ENDED_MS = int(ENDED.timestamp() * 1_000)
PYTHON = '{"py_executable": "/opt/none/bin/python"}'


def attempt(number: int, kind: str = "OUT_OF_MEMORY", task: str = "t1", **more: Any) -> dict[str, Any]:
    return {
        "task_id": task, "attempt_number": number, "name": "shard", "error_type": kind, "error_message": kind.lower(),
        "worker_id": f"w{number}", "worker_pid": 70 + number, "node_id": "n1", "required_resources": {"CPU": 0.5},
        "end_time_ms": ENDED_MS - 5_000, **more,
    }  # fmt: skip


OOM = [attempt(0), attempt(1), attempt(2)]
CUT = attempt(3, "WORKER_DIED", error_message=LEFT, worker_id=None, worker_pid=None, node_id=None)


def test_everything_that_is_its_own() -> None:
    tables = JobTables(
        failed=[*OOM, CUT],
        unplaced_tasks=[{"task_id": "t2", "required_resources": {"CPU": 64.0}, "runtime_env_info": {
            "serialized_runtime_env": PYTHON}}],
        dead_actors=[{"actor_id": "a1", "pid": 9, "node_id": "n2", "address": {"ip_address": "10.0.0.2"},
                      "required_resources": {"GPU": 1.0}, "death_cause": {"oom_context": {}}}],
        unplaced_actors=[{"actor_id": "a2", "pid": 0, "address": None, "required_resources": {}}],
        groups=[{"placement_group_id": "g1", "bundles": [{"unit_resources": {"CPU": 1.0, "fpga": 2.0}}, "?"]}],
        workers=[
            {"worker_id": "w1", "exit_type": "NODE_OUT_OF_MEMORY", "node_id": "n1", "ip": "10.0.0.1"},
            {"worker_id": "x9", "exit_type": "NODE_OUT_OF_MEMORY", "node_id": "n9", "ip": "10.0.0.9"},
        ],
        finished=[{"task_id": "t9", "node_id": "n7"}],
        gaps=("one is missing",),
    )  # fmt: skip
    found = build_belongings(
        tables, "06000000", ["n0", ""], pythons=["/srv/python"], pids=[7, None], started_at=ENDED, driver_ended_at=ENDED
    )
    assert found == Belongings(
        requests=(*[{"CPU": 0.5}] * 4, {"CPU": 64.0}, {"GPU": 1.0}, {"CPU": 1.0, "fpga": 2.0}),
        ids=frozenset({"06000000", "t1", "t2", "a1", "a2", "g1", "w0", "w1", "w2"}),
        pids=frozenset({7, 9, 70, 71, 72}),
        nodes=frozenset({"n0", "n1", "n2", "n7", "10.0.0.2"}),
        killed_on=frozenset({"n1", "10.0.0.1", "n2"}),
        pythons=frozenset({"/srv/python", "/opt/none/bin/python"}),
        repeated=(RepeatedFailure("t1", "shard", 3, "OUT_OF_MEMORY"),),
        left=1,
        started_at=ENDED,
        gaps=("one is missing",),
    )


def test_a_group_asks_for_its_bundles_and_for_their_sum() -> None:
    wide = {"placement_group_id": "g1", "bundles": [{"unit_resources": {"CPU": 32.0}}] * 4}
    mixed = {
        "placement_group_id": "g2",
        "bundles": [{"unit_resources": {"CPU": 1.0}}, {"unit_resources": {"GPU": 2.0}}],
    }
    one = {"placement_group_id": "g3", "bundles": [{"unit_resources": {"CPU": 8.0}}]}
    found = build_belongings(JobTables(groups=[wide, mixed, one]), "06000000", [])
    assert found.requests == (
        *[{"CPU": 32.0}] * 4, {"CPU": 128.0}, {"CPU": 1.0}, {"GPU": 2.0}, {"CPU": 1.0, "GPU": 2.0}, {"CPU": 8.0},
    )  # fmt: skip
    line = "(autoscaler +5s) Error: No available node types can fulfill resource request {'CPU': 128.0}."
    assert OwnerJudge(found, Shown()).judge(line, "").whose is Whose.MINE


@pytest.mark.parametrize(
    ("rows", "repaired", "repeated"),
    [
        (OOM, frozenset(), [("t1", 3, "OUT_OF_MEMORY")]),
        (OOM[:2], frozenset(), []),
        # What the driver's end did to it is no attempt of its own.
        ([*OOM[:2], CUT], frozenset(), []),
        ([*OOM, attempt(3, "WORKER_DIED", end_time_ms=ENDED_MS)], frozenset(), [("t1", 3, "OUT_OF_MEMORY")]),
        # What a stop kills while the driver still lives gets a word that tells nothing; most of them count.
        ([*OOM, attempt(3, "WORKER_DIED")], frozenset(), [("t1", 3, "OUT_OF_MEMORY")]),
        (
            [attempt(0), *[attempt(n, "WORKER_DIED") for n in (1, 2, 3, 4)]],
            frozenset(),
            [("t1", 4, "WORKER_DIED")],
        ),
        # It succeeded since, or came further, to another failure.
        (OOM, frozenset({"t1"}), []),
        ([*OOM, attempt(3, "TASK_EXECUTION_EXCEPTION")], frozenset(), []),
        ([attempt(0, "WORKER_DIED"), *[attempt(n) for n in (1, 2, 3, 4)]], frozenset(), [("t1", 4, "OUT_OF_MEMORY")]),
        # In any order of rows, and the most frequent first.
        (
            [attempt(2), attempt(0), attempt(1), *[attempt(n, task="t2") for n in range(5)]],
            frozenset(),
            [("t2", 5, "OUT_OF_MEMORY"), ("t1", 3, "OUT_OF_MEMORY")],
        ),
    ],
)
def test_attempts_without_a_success(
    rows: list[dict[str, Any]], repaired: frozenset[str], repeated: list[tuple[str, int, str]]
) -> None:
    found = build_belongings(JobTables(failed=rows), "06000000", [], repaired=repaired, driver_ended_at=ENDED)
    assert [(each.task_id, each.count, each.error_type) for each in found.repeated] == repeated


@pytest.mark.parametrize(
    ("rows", "numbers", "superseded"),
    [
        (OOM, [2], set()),
        ([*OOM, CUT], [2], set()),
        ([CUT], [], set()),
        ([*OOM, attempt(3, "TASK_EXECUTION_EXCEPTION")], [3], {"w0", "w1", "w2"}),
        ([attempt(0), attempt(0, task="t2")], [0, 0], set()),
    ],
)
def test_the_last_attempt_tells(rows: list[dict[str, Any]], numbers: list[int], superseded: set[str]) -> None:
    assert [row["attempt_number"] for row in select_last_attempts(rows, ENDED)] == numbers
    assert list_superseded_workers(rows) == superseded


def test_what_the_engine_is_told_of_tasks() -> None:
    rows = [*OOM, attempt(3, "TASK_EXECUTION_EXCEPTION", error_message="ValueError: x"), attempt(0, task="t2"), CUT]
    told = describe_tasks([*rows, {**CUT, "task_id": "t3"}], frozenset({"t2"}), ENDED)
    assert [(each.name, each.kind, each.chunks) for each in told] == [
        ("task t1", SourceKind.RAY, [b"ValueError: x"]),
    ]


@pytest.mark.parametrize(
    ("runtime_env", "python"),
    [({"py_executable": "/x"}, "/x"), ({"py_executable": 3}, None), ({}, None), (None, None), ("{}", None)],
)
def test_the_python_that_is_wanted(runtime_env: Any, python: str | None) -> None:
    assert find_python(runtime_env) == python


@pytest.mark.parametrize(
    "row",
    [
        {"required_resources": "CPU"}, {"runtime_env_info": {"serialized_runtime_env": "{"}}, {"worker_pid": "7"},
        {"death_cause": None, "address": "?"},
    ],
)  # fmt: skip
def test_rows_of_another_shape_tell_nothing(row: dict[str, Any]) -> None:
    found = build_belongings(JobTables(failed=[row], dead_actors=[row]), "06000000", [])
    assert (found.requests, found.pids, found.pythons, found.nodes) == ((), frozenset(), frozenset(), frozenset())

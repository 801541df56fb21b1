"""What is found in the tables of a real Ray 2.60: tasks killed for memory, tasks and actors that fail for ever."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from serve_app.jobs.diagnosis.catalogue.built_in import load_built_in
from serve_app.jobs.diagnosis.log.memory_kills import read_kill
from serve_app.jobs.motion import Circle, Culprit
from serve_app.jobs.progress.circles.causes import build_code_chooser
from serve_app.jobs.progress.circles.circles import JobTurns
from serve_app.jobs.progress.circles.questions import AttemptQuestions
from serve_app.jobs.progress.circles.rows import parse_attempts
from serve_app.jobs.progress.circles.seeker import CircleSeeker
from tests.unit.jobs.progress.circles.examples import TableRay, build_round, list_actors, recorded

_KILLED = "1 worker(s) were killed due to the node running low on memory"
_NODE = "33121e24c8380e7965a0052a7e69c72de9c642dd4090d003ab590394"
_GB = 1_073_741_824
# What the runtime of C writes of a process that crashes; the worker's own log has it.
_CRASH = b"*** SIGSEGV received at time=1795800479 on cpu 1 ***\nFatal Python error: Segmentation fault\n"


def time_of(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


async def seek(name: str, logs: dict[str, bytes] | None = None, **more: Any) -> dict[str, JobTurns]:
    tables = recorded(name)
    cases = {row["job_id"]: row["metadata"]["case"] for row in tables["jobs"]}
    ended = {row["job_id"]: time_of(row["end_time"]) for row in tables["jobs"] if row["end_time"]}
    ray = TableRay(tables["tasks"], tables["workers"], logs)
    questions = AttemptQuestions(ray, lambda node_id: "http://192.0.2.1:52365")
    seeker = CircleSeeker(questions, build_code_chooser(load_built_in))
    actors = list_actors(tables["actors"])
    round = await build_round(ray, time_of(tables["taken_at_ms"]), ended=ended, actors=actors, **more)
    return {cases[job_id]: turns for job_id, turns in (await seeker.seek(round)).items()}


async def test_a_task_that_is_killed_for_memory_again_and_again() -> None:
    assert await seek("greedy") == {
        "greedy": JobTurns(
            (
                Circle(
                    "task",
                    "c8ef45ccd0112571ffffffffffffffffffffffff01000000",
                    "shard",
                    3,
                    time_of(1795800425412),
                    time_of(1795800438410),
                    "memory.node-oom",
                    "OUT_OF_MEMORY",
                    _KILLED,
                    False,
                    14704,
                    _NODE,
                    Culprit("shard", round(1.35 * _GB), "01000000", 14704),
                    "01000000",
                ),
            )
        )
    }


async def test_who_took_most_stands_behind_all_that_were_considered_however_many() -> None:
    """With twenty workers on the node Ray's message has ten thousand characters, and the greediest come last."""
    tables = recorded("greedy")
    (failed,) = [row for row in tables["tasks"] if row["error_message"] and row["attempt_number"] == 0]
    begin, top, end = str(failed["error_message"]).partition("Top ")
    idle = "(Task: job ID=09, lease ID=1, task name=index, required resources={}, pid=7, actual memory used=0.05GB)\n"
    (attempt,) = parse_attempts([{**failed, "error_message": f"{begin}{idle * 90}{top}{end}"}])
    assert len(attempt.message) < 9_000
    kill = read_kill(enumerate(attempt.message.splitlines(), 1))
    assert kill is not None
    assert ([each.name for each in kill.killed], kill.users[0].name) == (["shard"], "ray::shard")


async def test_who_is_killed_need_not_be_the_greedy_one() -> None:
    """The driver of another job holds the memory; Ray kills only workers, so it kills the task of this one."""
    hoard = (_NODE, 15004)
    found = await seek("hoard", owners={hoard: "02000000"})
    (circle,) = found["modest"].circles
    assert (circle.name, circle.failures, circle.code, circle.last_error) == (
        "count",
        3,
        "memory.node-oom",
        _KILLED,
    )
    assert (circle.victim_pid, circle.others_succeed) == (15254, False)
    assert circle.greediest is not None
    assert (circle.greediest.job_id, circle.greediest.pid, circle.greediest.used_bytes) == (
        "02000000",
        15004,
        round(1.53 * _GB),
    )
    # The job before it was stopped while its task was being tried again.
    assert [(each.what, each.name, each.failures, each.code) for each in found["greedy"].circles] == [
        ("task", "shard", 3, "memory.node-oom")
    ]


async def test_each_kind_of_circle_and_its_innocent_twin() -> None:
    tables = recorded("others")
    last = max(
        (row for row in tables["tasks"] if row["name"] == "decode" and row["state"] == "FAILED"),
        key=lambda row: row["attempt_number"],
    )
    log = {f"worker-{last['worker_id']}-08000000-{last['worker_pid']}.err": _CRASH}
    found = await seek("others", log)
    told = {
        case: [
            (each.what, each.name, each.failures, each.code, each.error_type, each.last_error, each.others_succeed)
            for each in turns.circles
        ]
        for case, turns in found.items()
    }
    counted = Counter(row["name"] for row in tables["tasks"] if row["state"] == "FAILED" and row["job_id"] > "03000000")
    assert told == {
        "raises": [
            (
                "task",
                "clean",
                counted["clean"],
                "app.task-exception",
                "TASK_EXECUTION_EXCEPTION",
                "ValueError: bad row 3",
                False,
            )
        ],
        "crashes": [
            (
                "task",
                "decode",
                counted["decode"],
                "app.native-crash",
                "WORKER_DIED",
                "SYSTEM_ERROR: The leased worker has unrecoverable failure",
                False,
            )
        ],
        "exits": [
            (
                "actor",
                "Counter",
                8,
                "actor.died",
                "ACTOR_UNAVAILABLE",
                "SYSTEM_ERROR: Worker unexpectedly exits with a connection error code 2",
                False,
            )
        ],
        # Tried at third go, restarted and at work again; a third of many calls fail, and most succeed.
        "flaky": [],
        # Two that were stopped before, in the middle of it.
        "greedy": [("task", "shard", 3, "memory.node-oom", "OUT_OF_MEMORY", _KILLED, False)],
        "modest": [("task", "count", 3, "memory.node-oom", "OUT_OF_MEMORY", _KILLED, False)],
    }
    assert {case: turns.repaired for case, turns in found.items() if turns.repaired} == {"flaky": 2}

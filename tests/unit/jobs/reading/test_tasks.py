"""Which tasks are asked for, when they count, and what is unfinished work."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from serve_app.errors import Unavailable
from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.models import JobFacts, Known, Snapshot, TaskCounts, Unknown
from serve_app.jobs.reading import tasks
from serve_app.jobs.reading.tasks import TaskCounter
from tests.unit.jobs.judging.test_judge import NOW, actor, ago, driver, snapshot, submission

BY_DRIVER = "Job finishes (07000000) as driver exits. Marking all non-terminal tasks as failed."
BY_WORKER = (
    "Worker running the task (c6ee763579b63e7089dc) died with exit_type: 3 with error_message: Worker force exited "
    "because its job has finished"
)
BY_SIGNAL = (
    "Worker running the task (d52af64405c84518d23d) died with exit_type: 0 with error_message: Worker exits with an "
    "exit code 1. The process receives a SIGTERM."
)
LEFT_MS = int((NOW - timedelta(seconds=30)).timestamp() * 1000)
FINISHED = TaskCounts(0, 0, 0, 0, 0)


def task(id: str, state: str, error: str | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "task_id": id, "state": state, "error_message": error, "type": "NORMAL_TASK", "func_or_class_name": "part",
        "actor_id": None, **changes,
    }  # fmt: skip


def killed(id: str, ended_ms: Any, error_type: str = "WORKER_DIED") -> dict[str, Any]:
    return task(id, "FAILED", BY_SIGNAL, error_type=error_type, end_time_ms=ended_ms)


class Ray:
    """Tasks that had not finished, and how many there were in all, by state."""

    def __init__(self, *rows: Any, **states: int) -> None:
        self.rows = list(rows)
        self.repaired = [row for row in rows if isinstance(row, dict) and row["state"] == "FINISHED"]
        self.states = states
        self.asked: list[str] = []
        self.fails = 0

    async def list_matching(self, table: str, filters: Any, most_rows: int) -> tuple[list[Any], int]:
        (_, _, job_id), state, *later = filters
        assert (table, most_rows) == ("tasks", 1_000)
        if later:
            assert (state, later) == (("state", "=", "FINISHED"), [("attempt_number", "!=", "0")])
            self._say(f"repaired {job_id}")
            return self.repaired, len(self.repaired)
        assert state == ("state", "!=", "FINISHED")
        self._say(f"unfinished {job_id}")
        rows = [row for row in self.rows if not isinstance(row, dict) or row["state"] != "FINISHED"]
        return rows, len(rows)

    async def summarize_tasks(self, job_id: str) -> dict[str, Any]:
        self._say(f"summary {job_id}")
        summary = {"part": {"func_or_class_name": "part", "type": "NORMAL_TASK", "state_counts": self.states}}
        return {"result": {"node_id_to_summary": {"cluster": {"summary": summary}}}}

    def _say(self, what: str) -> None:
        if self.fails:
            self.fails -= 1
            raise Unavailable("down", code="ray_unavailable")
        self.asked.append(what)


def ended(id: str = "a", status: str = "SUCCEEDED", *, since_s: float = 30, **changes: Any) -> JobFacts:
    values = {"job_id": "07000000", **changes}
    return submission(id, status, began=since_s + 10, took=10, **values)


def see(*jobs: JobFacts, drivers: Any = None, **sections: Any) -> Snapshot:
    return replace(snapshot(*jobs, **sections), drivers=Known(drivers or {}))


@pytest.mark.parametrize(
    ("rows", "states", "wanted"),
    [
        ([], {"FINISHED": 5}, FINISHED),
        # What it was doing, what nobody had begun, and both as Ray calls them 15 s later.
        ([task("1", "RUNNING")], {"RUNNING": 1, "FINISHED": 4}, TaskCounts(5, 0, 4, 0, 1, 1, ("part",))),
        (
            [task("1", "PENDING_NODE_ASSIGNMENT"), task("2", "RUNNING")],
            {"PENDING_NODE_ASSIGNMENT": 1, "RUNNING": 1}, TaskCounts(2, 0, 0, 1, 1, 2, ("part",)),
        ),
        (
            [task("1", "FAILED", BY_DRIVER), task("2", "FAILED", BY_WORKER), task("3", "FAILED", "ValueError: x")],
            {"FAILED": 3, "FINISHED": 1}, TaskCounts(4, 1, 1, 0, 0, 2, ("part",)),
        ),
        # What failed by itself was finished; one task has a row for each attempt.
        ([task("1", "FAILED", "ValueError: x")], {"FAILED": 1}, TaskCounts(1, 1, 0, 0, 0)),
        (
            [task("1", "FAILED", "ValueError: x"), task("1", "RUNNING", attempt_number=1)],
            {"RUNNING": 1}, TaskCounts(1, 0, 0, 0, 1, 1, ("part",)),
        ),
        # Ray does not say of each that it ended with its driver: the time does. What ended before had ended.
        (
            [killed("1", LEFT_MS - 1), killed("2", LEFT_MS), killed("3", LEFT_MS, error_type="ACTOR_DIED")],
            {"FAILED": 3}, TaskCounts(3, 1, 0, 0, 0, 2, ("part",)),
        ),
        ([killed("1", "soon")], {"FAILED": 1}, TaskCounts(1, 1, 0, 0, 0)),
        # Another node's clock may be ahead: what raised, or was cancelled, ended by itself.
        (
            [killed(name, LEFT_MS, error_type=name) for name in ("TASK_EXECUTION_EXCEPTION", "TASK_CANCELLED")],
            {"FAILED": 2}, TaskCounts(2, 2, 0, 0, 0),
        ),
        # A retry that succeeded has repaired it; three attempts that failed are one task.
        (
            [task("1", "FAILED", BY_SIGNAL), task("1", "FINISHED", attempt_number=1)],
            {"FAILED": 1, "FINISHED": 1}, TaskCounts(1, 0, 1, 0, 0),
        ),
        (
            [*(task("1", "FAILED", "ValueError: x", attempt_number=each) for each in range(3)), task("2", "RUNNING")],
            {"FAILED": 3, "RUNNING": 1, "FINISHED": 2}, TaskCounts(4, 1, 2, 0, 1, 1, ("part",)),
        ),
        # The driver's own row is no task; Serve's and Ray Data's own calls wait for news for ever.
        ([task("1", "RUNNING", type="DRIVER_TASK")], {"RUNNING": 1}, TaskCounts(1, 0, 0, 0, 1)),
        (
            [
                task("1", "RUNNING", func_or_class_name="ServeController.listen_for_change"),
                task("2", "FAILED", BY_DRIVER, func_or_class_name="_StatsActor.update"),
            ],
            {"RUNNING": 1, "FAILED": 1}, TaskCounts(2, 0, 0, 0, 1),
        ),
        # A detached actor goes on with its call; one that is gone does not.
        ([task("1", "FAILED", BY_DRIVER, actor_id="lives")], {"FAILED": 1}, TaskCounts(1, 0, 0, 0, 0)),
        (
            [task("1", "FAILED", BY_DRIVER, actor_id="gone", func_or_class_name="Work.run")],
            {"FAILED": 1}, TaskCounts(1, 0, 0, 0, 0, 1, ("Work.run",)),
        ),
        # Names by frequency, redacted; what is no row tells nothing.
        (
            [
                *(task(f"a{each}", "RUNNING", func_or_class_name="a") for each in range(2)),
                *(task(f"{name}{each}", "RUNNING", func_or_class_name=name) for each in range(3) for name in "bcd"),
                None, "x",
            ],
            {"RUNNING": 11}, TaskCounts(11, 0, 0, 0, 11, 11, ("b", "c", "d")),
        ),
        (
            [task("1", "RUNNING", func_or_class_name=None, name="password=hunter2")],
            {"RUNNING": 1}, TaskCounts(1, 0, 0, 0, 1, 1, ("password=[redacted]",)),
        ),
    ],
)  # fmt: skip
async def test_what_a_submission_left(rows: list[Any], states: dict[str, int], wanted: TaskCounts) -> None:
    actors = [replace(actor("07000000"), actor_id="lives"), replace(actor("07000000", state="DEAD"), actor_id="gone")]
    found = await TaskCounter(Ray(*rows, **states)).count(see(ended(), actors=actors))
    assert found == {"07000000": wanted}


@pytest.mark.parametrize(
    ("job", "asked"),
    [
        (ended(), ["unfinished 07000000"]),
        (ended("a", "FAILED", exit_code=139), ["summary 07000000"]),
        (driver("07000000", "SUCCEEDED"), ["summary 07000000"]),
        # What tells enough by itself, and what Ray has forgotten.
        (ended("a", "FAILED"), []),
        (ended("a", "STOPPED"), []),
        (ended("a", "RUNNING"), []),
        (ended(job_id=None), []),
        (ended(since_s=3_500), ["unfinished 07000000"]),
        (ended(since_s=3_601), []),
        (driver("07000000", "SUCCEEDED", began=700), []),
        (driver("07000000", "RUNNING"), []),
    ],
)
async def test_of_which_jobs_tasks_are_asked(job: JobFacts, asked: list[str]) -> None:
    ray = Ray(FINISHED=3)
    counter = TaskCounter(ray)
    for _ in range(3):
        await counter.count(see(job))
    assert ray.asked == asked


async def test_every_driver_of_a_submission_is_asked_for_that_has_left() -> None:
    runs = [DriverRun(f"0{each}000000", "a", "python a.py", each != 3, ended_at=ago(40)) for each in range(1, 4)]
    ray = Ray()
    found = await TaskCounter(ray).count(see(ended(), drivers={"a": tuple(runs)}))
    assert ray.asked == ["unfinished 01000000", "unfinished 02000000"]
    assert found == {"01000000": FINISHED, "02000000": FINISHED}


async def test_what_was_done_last_is_waited_for() -> None:
    """A driver and its workers tell Ray each second what they did."""
    ray = Ray(task("1", "RUNNING"), RUNNING=1)
    counter = TaskCounter(ray)
    job = ended(since_s=1)
    assert await counter.count(see(job)) == {}
    later = replace(see(job), taken_at=NOW + timedelta(seconds=1))
    assert await counter.count(later) == {"07000000": TaskCounts(1, 0, 0, 0, 1, 1, ("part",))}
    # What had finished need not be waited for.
    assert await TaskCounter(Ray(FINISHED=1)).count(see(job)) == {"07000000": FINISHED}


async def test_a_question_that_fails_is_asked_three_times() -> None:
    ray = Ray(task("1", "RUNNING"), RUNNING=1)
    ray.fails = 2
    counter = TaskCounter(ray)
    assert [await counter.count(see(ended())) for _ in range(2)] == [{}, {}]
    assert (await counter.count(see(ended())))["07000000"].unfinished == 1
    never = Ray()
    never.fails = 9
    counter = TaskCounter(never)
    assert [await counter.count(see(ended())) for _ in range(5)] == [{}] * 5
    assert never.fails == 6


async def test_a_look_does_not_wait_for_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_PATIENCE_S", 0.0)
    answers = asyncio.Event()

    class Slow(Ray):
        async def list_matching(self, table: str, filters: Any, most_rows: int) -> tuple[list[Any], int]:
            told = await super().list_matching(table, filters, most_rows)
            await answers.wait()
            return told

    ray = Slow()
    counter = TaskCounter(ray)
    jobs = [ended(f"j{each}", job_id=f"{each:02}000000") for each in range(10)]
    assert [await counter.count(see(*jobs)) for _ in range(2)] == [{}, {}]
    # Each once, however many looks there are, and no more at once than there may be.
    await asyncio.sleep(0)
    assert len(ray.asked) == 8
    answers.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(await counter.count(see(*jobs))) == 8
    answers.clear()
    await counter.count(see(*jobs))
    await counter.close()
    assert len(await counter.count(see())) >= 8


async def test_few_are_asked_at_once_and_the_newest_first() -> None:
    ray = Ray()
    counter = TaskCounter(ray)
    jobs = [ended(f"j{each}", since_s=30 + each, job_id=f"{each:02}000000") for each in range(10)]
    first = await counter.count(see(*reversed(jobs)))
    assert sorted(first) == [f"{each:02}000000" for each in range(8)]
    assert len(await counter.count(see(*jobs))) == 10
    # What was told stays when the list of jobs cannot be had.
    assert len(await counter.count(replace(see(), jobs=Unknown("down")))) == 10

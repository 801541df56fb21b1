"""``GET /jobs/{id}/stacks``: stacks, or why there are none."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from serve_app.errors import AppError, Conflict, NotFound, TooBusy
from serve_app.jobs.models import JobRow, Known, Unknown
from serve_app.jobs.progress.models import Stack, WorkFacts
from serve_app.jobs.progress.stack_answers import MOST_STACKS, StackAnswers
from serve_app.jobs.progress.stacks import NOT_INSTALLED, render_stack
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.actions.fakes import Clock
from tests.unit.jobs.progress.examples import DUMP, has, task
from tests.unit.jobs.progress.test_service import FakeWatch, running, two_drivers


@dataclass
class FakeStacks:
    """Stacks by process number."""

    enabled: bool = True
    by_pid: dict[int, Any] = field(default_factory=dict)
    tasks: Any = field(default_factory=lambda: Known(WorkFacts({}, ())))
    at_once: int = 0
    most_at_once: int = 0
    asked: list[Any] = field(default_factory=list)

    async def is_profiling_enabled(self) -> bool:
        return self.enabled

    async def ask_work(self, *job_ids: str) -> Any:
        self.asked.append(job_ids)
        return self.tasks

    async def ask_stack(self, role: str, node_id: str, pid: int) -> Any:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return self.by_pid.get(pid, Known(Stack(pid, node_id, role, render_stack(DUMP))))


def answers(row: JobRow, stacks: FakeStacks) -> StackAnswers:
    clock = Clock()
    return StackAnswers(cast(Any, FakeWatch(clock, [row])), cast(Any, stacks), clock.now)


async def test_stacks_of_a_job() -> None:
    """Its driver and its actor; the actor's cannot be had."""
    gone = Unknown("that process has ended")
    told = await answers(running(), FakeStacks(by_pid={9: gone})).answer("j")
    lines = render_stack(DUMP).splitlines()
    ray = "ray/_private/worker.py"
    assert told == {
        "id": "j",
        "job_id": "03000000",
        "items": [
            {
                "role": "driver", "node_id": "n1", "pid": 7, "stack": lines, "reason": None,
                "place": f"Worker.get_objects ({ray}:1007) < <module> (train.py:25)",
            },
            {"role": "actor A", "node_id": "n1", "pid": 9, "stack": None, "reason": gone.reason, "place": None},
        ],
        "total": 2,
        "truncated": False,
        "as_of": "2026-01-01T12:00:00.000+00:00",
        "degraded": [],
    }  # fmt: skip


async def test_not_all_of_many_and_few_at_once() -> None:
    tasks = tuple(task(f"t{pid}", node_id="n1", pid=pid) for pid in range(100, 120))
    stacks = FakeStacks(tasks=Known(WorkFacts({}, tasks)))
    told = await answers(running(), stacks).answer("j")
    assert (len(told["items"]), told["total"], told["truncated"]) == (MOST_STACKS, 22, True)
    assert stacks.most_at_once == 4


@pytest.mark.parametrize(
    ("first_dead", "last_alive", "asked", "processes"),
    [
        (False, False, ("03000000", "02000000"), [("driver", 5), ("actor A", 9)]),
        (False, True, ("03000000", "02000000"), [("driver", 7), ("driver", 5), ("actor A", 9)]),
        (True, False, ("03000000",), [("actor A", 9)]),
    ],
)
async def test_stacks_of_every_driver_that_lives(
    first_dead: bool, last_alive: bool, asked: tuple[str, ...], processes: list[tuple[str, int]]
) -> None:
    """``a & b; wait``: where the row's sentence sends people, there is a stack."""
    clock, stacks = Clock(), FakeStacks()
    watch = FakeWatch(clock, [running()], **two_drivers(first_dead=first_dead, last_alive=last_alive))
    told = await StackAnswers(cast(Any, watch), cast(Any, stacks), clock.now).answer("j")
    assert (stacks.asked, [(each["role"], each["pid"]) for each in told["items"]]) == ([asked], processes)


async def test_a_driver_that_has_ended_hides_none_that_lives() -> None:
    clock, stacks = Clock(), FakeStacks(by_pid={9: Unknown("that process has ended")})
    watch = FakeWatch(clock, [running()], **two_drivers())
    told = await StackAnswers(cast(Any, watch), cast(Any, stacks), clock.now).answer("j")
    assert [(each["pid"], each["reason"]) for each in told["items"]] == [(5, None), (9, "that process has ended")]


async def test_without_tasks_it_says_so() -> None:
    told = await answers(running(), FakeStacks(tasks=Unknown("Ray is slow"))).answer("j")
    assert told["degraded"] == ["tasks: Ray is slow"]


ALL_GONE = {7: Unknown(NOT_INSTALLED), 9: Unknown(NOT_INSTALLED)}


@pytest.mark.parametrize(
    ("row", "stacks", "code"),
    [
        (running(), FakeStacks(enabled=False), "stacks_disabled"),
        (running(), FakeStacks(by_pid=ALL_GONE), "stacks_not_installed"),
        (running(), FakeStacks(by_pid=dict.fromkeys((7, 9), Unknown("no"))), "stacks_unavailable"),
        (running(outcome=JobOutcome.FAILED), FakeStacks(), "job_not_running"),
        (running(outcome=JobOutcome.PENDING), FakeStacks(), "job_not_running"),
        (running(job_id=None), FakeStacks(), "driver_not_known"),
        (running(derived=True), FakeStacks(), "driver_not_known"),
    ],
)
async def test_why_there_are_none(row: JobRow, stacks: FakeStacks, code: str) -> None:
    with pytest.raises(Conflict) as refused:
        await answers(row, stacks).answer("j")
    assert (refused.value.code, refused.value.status) == (code, 409)


async def test_a_driver_on_a_node_that_is_dead() -> None:
    dead = Known((replace(has("DEAD"), node_id="n1"),))
    clock = Clock()
    watch = FakeWatch(clock, [running()], nodes=dead)
    with pytest.raises(Conflict) as refused:
        await StackAnswers(cast(Any, watch), cast(Any, FakeStacks()), clock.now).answer("j")
    assert refused.value.code == "driver_node_gone"


async def test_no_such_job() -> None:
    with pytest.raises(NotFound):
        await answers(running(), FakeStacks()).answer("k")


async def test_not_too_many_callers() -> None:
    ask = answers(running(), FakeStacks())
    told = await asyncio.gather(*(ask.answer("j") for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in told if isinstance(each, AppError)] == [TooBusy]
    assert len((await ask.answer("j"))["items"]) == 2

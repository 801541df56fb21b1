"""What ``GET /jobs/{id}/stacks`` answers: where the processes of a running job are, or why that cannot be seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from organs.times import format_time
from serve_app.errors import Conflict, TooBusy
from serve_app.forward import served
from serve_app.jobs.models import JobRow, Known, Section
from serve_app.jobs.progress.looks.drivers import find_drivers, list_driver_ids
from serve_app.jobs.progress.models import Look, Stack
from serve_app.jobs.progress.processes import Process, list_processes
from serve_app.jobs.progress.questions import DISABLED, JobQuestions
from serve_app.jobs.progress.stacks import NOT_INSTALLED, find_place
from serve_app.jobs.reading.observed import refuse_unknown
from serve_app.jobs.watch import JobWatch
from serve_app.outcomes import JobOutcome
from serve_app.schemas.logs import StacksAnswer, StackView

MOST_STACKS = 8
# py-spy stops a process for the moment of its look, and costs the node a process of its own.
_AT_ONCE = 4
_MOST_CALLERS = 2


class StackAnswers:
    """Stacks of running jobs, of one process in one moment each."""

    def __init__(self, watch: JobWatch, questions: JobQuestions, now: Callable[[], datetime]) -> None:
        self._watch = watch
        self._questions = questions
        self._now = now
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._callers = 0

    @served("job_stacks")
    async def answer(self, id: str) -> StacksAnswer:
        """The stacks of a job by job or submission id.

        Raises ``NotFound``, ``Unavailable``, ``TooBusy``, and ``Conflict`` when they cannot be had, with the reason.
        """
        if self._callers >= _MOST_CALLERS:
            raise TooBusy("Stacks of other jobs are being taken; try again in some seconds.")
        self._callers += 1
        try:
            return await self._answer_now(id)
        finally:
            self._callers -= 1

    async def _answer_now(self, wanted: str) -> StacksAnswer:
        found = await self._watch.find(wanted)
        if found is None:
            raise refuse_unknown(wanted)
        seen, row = found
        snapshot = seen.snapshot
        driver, further = find_drivers(snapshot, row)
        job_id = _require_processes(row, driver.node_alive, driver.pid)
        if not await self._questions.is_profiling_enabled():
            raise Conflict(f"{DISABLED}.", code="stacks_disabled")
        work = await self._questions.ask_work(job_id, *(each.job_id for each in further))
        look = Look(self._now(), work=work)
        processes = list_processes(list_driver_ids(snapshot, row), driver, look, snapshot.actors, further)
        stacks = await asyncio.gather(*(self._ask_stack(process) for process in processes[:MOST_STACKS]))
        items = [_render_item(process, stack) for process, stack in zip(processes, stacks, strict=False)]
        reasons = [item["reason"] for item in items if item["reason"] is not None]
        if len(reasons) == len(items):
            why = reasons[0] if reasons else "its driver has ended, and it has no other process"
            code = "stacks_not_installed" if why == NOT_INSTALLED else "stacks_unavailable"
            raise Conflict(f"No stack of {row.id} can be had: {why}.", code=code)
        return {
            "id": row.id,
            "job_id": row.job_id,
            "items": items,
            "total": len(processes),
            "truncated": len(processes) > len(items),
            "as_of": format_time(self._now()),
            "degraded": [] if isinstance(work, Known) else [f"tasks: {work.reason}"],
        }

    async def _ask_stack(self, process: Process) -> Section[Stack]:
        async with self._at_once:
            return await self._questions.ask_stack(*process)


def _require_processes(row: JobRow, node_alive: bool | None, pid: int | None) -> str:
    """The Ray job whose processes those are; raises ``Conflict`` when there are none to look at."""
    if row.outcome is not JobOutcome.RUNNING:
        raise Conflict(f"{row.id} does not run ({row.outcome}), so it has no processes.", code="job_not_running")
    if row.derived or row.job_id is None or pid is None:
        raise Conflict(
            f"Ray knows no process of {row.id}: only programs that connect to Ray (ray.init) have one there.",
            code="driver_not_known",
        )
    if node_alive is False:
        raise Conflict(f"The node of the driver of {row.id} is not alive.", code="driver_node_gone")
    return row.job_id


def _render_item(process: Process, stack: Section[Stack]) -> StackView:
    role, node_id, pid = process
    text = stack.value.text if isinstance(stack, Known) else None
    return {
        "role": role,
        "node_id": node_id,
        "pid": pid,
        "place": None if text is None else find_place(text),
        "stack": None if text is None else text.splitlines(),
        "reason": None if isinstance(stack, Known) else stack.reason,
    }

"""Tasks, actors and processes of running jobs, made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from serve_app.jobs.models import Known
from serve_app.jobs.progress.looks.tables import ActorDetail, ProcessUse
from serve_app.jobs.progress.looks.trail import MeasuredProcess, Signs, Trail
from serve_app.jobs.progress.models import LogFacts, TaskFacts
from tests.unit.jobs.progress.examples import at

JOB = "01000000"
DRIVER_TASK = "f" * 40 + JOB


def task(id: str, name: str = "work", state: str = "RUNNING", **changes: Any) -> TaskFacts:
    made = TaskFacts(id, name, "NORMAL_TASK", state, parent_id=DRIVER_TASK, node_id="n", changed_at=at(0), job_id=JOB)
    return replace(made, **changes)


def call(id: str, actor_id: str, name: str = "A.ask", state: str = "RUNNING", **changes: Any) -> TaskFacts:
    return task(id, name, state, type="ACTOR_TASK", actor_id=actor_id, **changes)


def actor(id: str, class_name: str = "A", state: str = "ALIVE", **changes: Any) -> ActorDetail:
    return replace(ActorDetail(id, class_name, "", state, JOB, "n", 100), **changes)


def use(pid: int = 7, used_s: float = 1.0, **changes: Any) -> ProcessUse:
    return replace(ProcessUse(pid, JOB, used_s, finished=0, running=0), **changes)


def measured(seconds: float, *uses: ProcessUse) -> Known[tuple[MeasuredProcess, ...]]:
    return Known(tuple(MeasuredProcess("n", at(seconds), each) for each in uses or (use(),)))


def signs(seconds: float, **changes: Any) -> Signs:
    """A job with a driver at rest, and nothing else."""
    usual: dict[str, Any] = {
        "work": Known(()),
        "actors": Known(()),
        "processes": measured(seconds),
        "log": Known(LogFacts(10, at(-100))),
    }
    return Signs(at(seconds), **{**usual, **changes})


def trail(moved: float = 0, looked: float = 20, **changes: Any) -> Trail:
    """One that is quiet since ``moved``, and was looked at at ``looked``."""
    made = Trail(at(moved), at(looked), at(moved), at(moved), at(moved), busy_cores=0.0)
    return replace(made, **changes)


def seconds_of(time: datetime | None) -> float | None:
    return None if time is None else (time - at(0)) / timedelta(seconds=1)

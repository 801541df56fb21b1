"""Read by mypy, never run (``make types``): what it must refuse stands beside ``type: ignore`` with the error's code,
and mypy says so when one of them is not needed any more.
"""

from __future__ import annotations

from typing import Any, assert_type

from organs.models import TaskMessage, TaskReply
from organs.ports import JobsPort, StorePort
from organs.ports import connect as connect_organ
from serve_app.alerts.deployment import AlertStore
from serve_app.api.deps import Deps, Jobs, StoreHealth
from serve_app.cluster.handles import collect, connect
from serve_app.ingress import TaskRunner
from serve_app.jobs.inspector import JobStore
from serve_app.organism.questions import OrganReplica, RunHistory, RunRecord
from serve_app.schemas.jobs import JobPage
from serve_app.store.store import Store

HANDLE: Any = None
TASK: TaskMessage = {"type": "t", "description": "", "parameters": {}, "task_id": "1", "timeout_s": 1.0}

# The store answers what is asked of it, with these arguments and answers; of its deployment a test says the same.
ANSWERS_ALERTS: type[AlertStore] = Store
ANSWERS_HEALTH: type[StoreHealth] = Store
ANSWERS_JOBS: type[JobStore] = Store
ANSWERS_ORGANS: type[StorePort] = Store
ANSWERS_RUNS: type[RunHistory] = Store
ANSWERS_INITIALIZATION: type[RunRecord] = Store


async def asks_rightly() -> None:
    jobs = connect(Jobs, HANDLE, timeout_s=5.0, retries=1)
    assert_type(jobs, Jobs)
    assert_type(await jobs.list_jobs({"limit": 5}), JobPage)
    assert_type(await connect_organ(JobsPort, HANDLE).diagnosis("id", 1.0), dict[str, Any])
    await collect(HANDLE, OrganReplica.status, timeout_s=1.0)
    assert_type(await connect(TaskRunner, HANDLE, timeout_s=0.0).execute(TASK), TaskReply)


async def is_refused(deps: Deps) -> None:
    jobs = connect(Jobs, HANDLE, timeout_s=5.0)
    await jobs.list_jobz({})  # type: ignore[attr-defined]
    await jobs.stop_job("id")  # type: ignore[call-arg]
    await jobs.stop_job("id", "ten")  # type: ignore[arg-type]
    await jobs.get_job(id="id")  # type: ignore[call-arg]
    await deps.jobs.findingz()  # type: ignore[attr-defined]
    await connect_organ(StorePort, HANDLE).save_agent("id", "1", {})  # type: ignore[arg-type]
    await collect(HANDLE, OrganReplica.statuz, timeout_s=1.0)  # type: ignore[attr-defined]
    organ = connect(TaskRunner, HANDLE, timeout_s=0.0)
    await organ.exekute(TASK)  # type: ignore[attr-defined]
    await organ.execute({"type": "t"})  # type: ignore[typeddict-item]
    await organ.execute("organ", TASK)  # type: ignore[call-arg, arg-type]
    await deps.organs.execute(TASK)  # type: ignore[call-arg, arg-type]

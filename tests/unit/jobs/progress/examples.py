"""Looks at a job, made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from serve_app.jobs.models import Known, NodeFacts, Unknown
from serve_app.jobs.progress.models import (
    DriverFacts,
    LogFacts,
    Look,
    ProcessorFacts,
    Stack,
    TaskFacts,
    UnplacedActor,
    WorkFacts,
)
from tests.unit.jobs.judging.test_outcome import node

T0 = datetime(2026, 1, 1, 12).astimezone()
DOWN = Unknown("Ray did not answer")
DUMP = """Process 7: python train.py --token canary-of-args
Python v3.11.7 (/usr/bin/python3.11)

Thread 7 (idle): "MainThread"
    Worker.get_objects (ray/_private/worker.py:1007)
    get (ray/_private/worker.py:3009)
    <module> (train.py:25)
Thread 9 (idle): "PythonGCThread"
    Condition.wait (threading.py:327)
"""


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def has(state: str = "ALIVE", **resources: float) -> NodeFacts:
    return node(state, resources=resources)


def task(id: str = "t", state: str = "RUNNING", **changes: Any) -> TaskFacts:
    return replace(TaskFacts(id, id, "NORMAL_TASK", state, changed_at=at(-100)), **changes)


def held(id: str = "t", state: str = "PENDING_NODE_ASSIGNMENT", /, **required: float) -> TaskFacts:
    return task(id, state, required=required)


def actor(id: str = "a", state: str = "PENDING_CREATION", group_id: str = "", /, **required: float) -> UnplacedActor:
    return UnplacedActor(id, id, state, required, group_id)


def work(*unfinished: TaskFacts, **counts: int) -> Known[WorkFacts]:
    return Known(WorkFacts(counts, unfinished))


def log(size_bytes: int, written: float | None = None) -> Known[LogFacts]:
    return Known(LogFacts(size_bytes, None if written is None else at(written)))


def processor(measured: float, used_s: float, cores: float = 0.0, pid: int = 7) -> Known[ProcessorFacts]:
    return Known(ProcessorFacts(at(measured), {("n", pid): used_s}, cores))


def stack(text: str = DUMP, role: str = "driver", pid: int = 7) -> Known[tuple[Stack, ...]]:
    return Known((Stack(pid, "n", role, text),))


def driver(**changes: Any) -> Known[DriverFacts]:
    return Known(replace(DriverFacts(7, "n", alive=True, node_alive=True), **changes))


def look(seconds: float = 0.0, **sections: Any) -> Look:
    """One in which everything is known and nothing waits: a driver alone, at rest, on a node with 4 CPU."""
    usual: dict[str, Any] = {
        "driver": driver(),
        "work": work(),
        "actors": Known(()),
        "groups": Known(()),
        "log": log(10, -100),
        "processor": processor(seconds, 1.0),
        "references": Known(()),
        "stacks": Unknown("py-spy is not installed"),
        "nodes": Known((has(CPU=4.0),)),
        "free": Known({"CPU": 4.0}),
    }
    return Look(at(seconds), **{**usual, **sections})

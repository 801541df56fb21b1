"""Ray's rows of all jobs into the facts of a round. None raises on a row of Ray's. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from serve_app.cluster.rows import read_amount, read_list, read_number, read_object, read_text, read_time_s
from serve_app.jobs.progress.looks.tables import ActorDetail, NodeProcesses, ProcessUse
from serve_app.jobs.progress.models import HeldReference
from serve_app.redaction import redact

T = TypeVar("T")
_ID_CHARS = 120
# An object's id is the id of the task that makes it, and its number among the results; handles of actors have such ids.
TASK_ID_CHARS = 48
_OF_AN_ACTOR = "f" * 16
_IN_GET = re.compile(
    r"^ray_tasks\{(?P<labels>[^\n]*State=\"RUNNING_IN_RAY_(?:GET|WAIT)\"[^\n]*)\} (?P<value>[0-9.e+]{1,20})$",
    re.MULTILINE,
)
_LABEL = re.compile(r'(\w{1,40})="([^"]*)"')


def divide_rows(rows: Iterable[Any], column: str) -> dict[str, list[Any]]:
    """Rows by what they have in a column; those that have nothing there belong to nobody."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        key = read_text(row.get(column)) if isinstance(row, dict) else None
        if key:
            found.setdefault(key[:_ID_CHARS], []).append(row)
    return found


def parse_by_job(
    rows: Iterable[Any], column: str, parse: Callable[[list[Any]], tuple[T, ...]]
) -> dict[str, tuple[T, ...]]:
    """Facts of each job, from the rows of all."""
    return {job_id: parse(own) for job_id, own in divide_rows(rows, column).items()}


def parse_actor_details(rows: Iterable[Any]) -> tuple[ActorDetail, ...]:
    """``ActorState`` of ray/util/state/common.py with its details; the dead are left out."""
    return tuple(
        ActorDetail(
            actor_id=actor_id[:_ID_CHARS],
            class_name=(read_text(row.get("class_name")) or "")[:_ID_CHARS],
            name=(read_text(row.get("name")) or "")[:_ID_CHARS],
            state=state,
            job_id=(read_text(row.get("job_id")) or "")[:_ID_CHARS],
            node_id=(read_text(row.get("node_id")) or "")[:_ID_CHARS],
            pid=read_number(row.get("pid")) or None,
            restarts=_count_restarts(row),
            required={
                name: amount
                for name, value in read_object(row.get("required_resources")).items()
                if (amount := read_amount(value)) is not None
            },
            group_id=(read_text(row.get("placement_group_id")) or "")[:_ID_CHARS],
        )
        for row in rows
        if isinstance(row, dict)
        and (actor_id := read_text(row.get("actor_id")))
        and (state := read_text(row.get("state")) or "") != "DEAD"
    )


def parse_held(rows: Iterable[Any]) -> tuple[HeldReference, ...]:
    """``ObjectState`` of ray/util/state/common.py: which processes refer to what which task returns, drivers too."""
    return tuple(
        HeldReference(pid, producer)
        for row in rows
        if isinstance(row, dict)
        and (pid := read_number(row.get("pid")))
        and (producer := (read_text(row.get("object_id")) or "")[:TASK_ID_CHARS])
        and not producer.startswith(_OF_AN_ACTOR)
    )


def parse_gets(text: str) -> dict[str, dict[str, int]]:
    """From the figures of a node's agent: how many tasks are in ``ray.get`` or ``ray.wait``, by job id and name.

    ``ray_tasks`` of src/ray/stats/metric_defs.cc, as whoever executes a task counts it; Ray's task table has no such
    state, and of drivers nobody counts it.
    """
    found: dict[str, dict[str, int]] = {}
    for line in _IN_GET.finditer(text):
        labels = dict(_LABEL.findall(line["labels"]))
        number = int(float(line["value"]))
        if number > 0 and labels.get("JobId"):
            names = found.setdefault(labels["JobId"], {})
            name = redact(labels.get("Name", ""))[:_ID_CHARS]
            names[name] = names.get(name, 0) + number
    return found


def _count_restarts(row: Mapping[str, Any]) -> int:
    """Those for a failure: what a node's preemption, or a result that was asked for again, restarted had not failed."""
    others = ("num_restarts_due_to_lineage_reconstruction", "num_restarts_due_to_node_preemption")
    every = read_number(row.get("num_restarts")) or 0
    return max(0, every - sum(read_number(row.get(name)) or 0 for name in others))


def parse_node_use(node_id: str, detail: Any) -> NodeProcesses | None:
    """``GET /nodes/{id}`` (ray/dashboard/modules/node/datacenter.py); None when it has no processes.

    Each row of ``workers`` is what psutil saw of a process, and what its core worker said of itself.
    """
    fields = read_object(detail)
    rows = [use for row in read_list(fields.get("workers")) if (use := _parse_use(row)) is not None]
    raylet = read_object(fields.get("raylet"))
    if not rows:
        return None
    address, port = read_text(raylet.get("nodeManagerAddress")), read_number(raylet.get("metricsExportPort"))
    return NodeProcesses(
        node_id,
        read_time_s(fields.get("now")),
        tuple(rows),
        read_text(raylet.get("sessionDir")) or "",
        f"http://{f'[{address}]' if ':' in address else address}:{port}/metrics" if address and port else "",
        _read_load(fields.get("loadAvg")),
    )


def _read_load(value: Any) -> float:
    """Of the last minute and for each core: ``[[1, 5, 15 minutes], [the same by core]]`` (reporter_agent.py)."""
    averages = read_list(value)
    by_core = read_list(averages[1]) if len(averages) > 1 else []
    return (read_amount(by_core[0]) if by_core else None) or 0.0


def _parse_use(row: Any) -> ProcessUse | None:
    fields = read_object(row)
    pid = read_number(fields.get("pid"))
    if not pid:
        return None
    times = read_object(fields.get("cpuTimes"))
    used = [read_amount(times.get(name)) for name in ("user", "system", "childrenUser", "childrenSystem")]
    # A process that has no core worker yet has no such row.
    core = next(map(read_object, read_list(fields.get("coreWorkerStats"))), {})
    begun, running = read_number(core.get("numExecutedTasks")), read_number(core.get("numRunningTasks"))
    memory, percent = read_object(fields.get("memoryInfo")), read_amount(fields.get("gpuUtilization"))
    held_mb = read_amount(fields.get("gpuMemoryUsage"))
    return ProcessUse(
        pid=pid,
        job_id=(read_text(fields.get("jobId")) or "")[:_ID_CHARS],
        used_s=None if None in used[:2] else sum(each for each in used if each is not None),
        cores=(read_amount(fields.get("cpuPercent")) or 0.0) / 100,
        # Ray writes 0 for processes on nodes without a GPU, too.
        gpu=None if percent is None or not (percent or held_mb) else percent / 100,
        finished=None if begun is None else max(0, begun - (running or 0)),
        running=running if begun is not None else None,
        is_driver=core.get("workerType") == "DRIVER",
        port=read_number(core.get("port")),
        rss_bytes=read_number(memory.get("rss")),
    )

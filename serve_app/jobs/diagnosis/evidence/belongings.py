"""What is a job's own by Ray's tables: rows in, ``Belongings`` out. Pure.

A retried task has a row for each attempt (``GcsTaskManager``); what became of it, its last one tells. Tasks of a job
that is over stay unfinished in the table for seconds, and are then marked failed because their driver left.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import takewhile
from typing import Any

from serve_app.jobs.diagnosis.evidence.tables import JobTables, Row
from serve_app.jobs.diagnosis.models import Belongings, RepeatedFailure
from serve_app.jobs.motion import LEAST_TURNS, UNTELLING
from serve_app.jobs.reading.tasks import has_ended_with_driver

MOST_REPEATED = 5
# What of a runtime environment says which Python workers are started with.
PYTHON_KEY = "py_executable"
_OOM = "OUT_OF_MEMORY"
_NODES_UNASKED = "where its tasks ran that did well is not known"


def select_last_attempts(failed: Iterable[Row], driver_ended_at: datetime | None = None) -> list[Row]:
    """Of each task the last attempt that failed by itself, and did not merely end with the driver."""
    last: dict[str, Row] = {}
    for row in sorted(failed, key=_get_attempt):
        if not has_ended_with_driver(row, driver_ended_at):
            last[str(row.get("task_id"))] = row
    return list(last.values())


def list_superseded_workers(failed: Sequence[Row]) -> frozenset[str]:
    """Ids of workers whose failed attempt was followed by another one that failed in another way."""
    last = {str(row.get("task_id")): row for row in sorted(failed, key=_get_attempt)}
    return frozenset(
        str(row["worker_id"])
        for row in failed
        if row.get("worker_id")
        and _get_attempt(row) < _get_attempt(end := last[str(row.get("task_id"))])
        and not has_ended_with_driver(end, None)
        and row.get("error_type") != end.get("error_type")
    )


def build_belongings(
    tables: JobTables,
    job_id: str,
    nodes: Iterable[str],
    *,
    pythons: Iterable[str] = (),
    repaired: frozenset[str] = frozenset(),
    pids: Iterable[int | None] = (),
    started_at: datetime | None = None,
    driver_ended_at: datetime | None = None,
) -> Belongings:
    """Everything together. ``nodes``: ids and addresses of nodes of its driver; ``repaired``: ids of tasks that have
    succeeded since.
    """
    rows = tables.rows
    workers = {str(row["worker_id"]) for row in rows if row.get("worker_id")}
    names = ("task_id", "actor_id", "worker_id", "placement_group_id")
    ids = {str(row[name]) for row in (*rows, *tables.groups) for name in names if row.get(name)}
    placed = [*rows, *(tables.finished or ())]
    on = {str(row["node_id"]) for row in placed if row.get("node_id")} | {each for each in nodes if each}
    on |= {str(row["address"]["ip_address"]) for row in tables.dead_actors if _has_address(row)}
    # A task that was killed and then came further has nothing more to do with it.
    over = list_superseded_workers(tables.failed)
    killed = [row for row in tables.workers if row.get("worker_id") in workers and _was_killed_for_memory(row)]
    killed += [row for row in rows if row.get("error_type") == _OOM or "oom_context" in (row.get("death_cause") or {})]
    killed = [row for row in killed if row.get("worker_id") not in over and row.get("task_id") not in repaired]
    left = {str(row.get("task_id")) for row in tables.failed if has_ended_with_driver(row, driver_ended_at)} - repaired
    return Belongings(
        requests=tuple(_list_requests(tables)),
        ids=frozenset(ids | {job_id}),
        pids=frozenset(_list_pids(rows) | {pid for pid in pids if pid}),
        nodes=frozenset(on),
        killed_on=frozenset(str(row[name]) for row in killed for name in ("node_id", "ip") if row.get(name)),
        pythons=frozenset([*pythons, *_list_pythons(rows)]),
        repeated=_list_repeated(tables.failed, repaired, driver_ended_at),
        left=len(left),
        started_at=started_at,
        gaps=tables.gaps,
        node_gaps=() if tables.finished is not None else (_NODES_UNASKED,),
    )


def find_python(runtime_env: Any) -> str | None:
    """What a runtime environment wants workers started with."""
    wanted = runtime_env.get(PYTHON_KEY) if isinstance(runtime_env, dict) else None
    return wanted if isinstance(wanted, str) and wanted else None


def _list_requests(tables: JobTables) -> Iterable[Mapping[str, float]]:
    for row in tables.rows:
        yield from _read_amounts(row.get("required_resources"))
    for row in tables.groups:
        rows = row.get("bundles")
        bundles = [
            amounts
            for bundle in (rows if isinstance(rows, list) else ())
            for amounts in _read_amounts(bundle.get("unit_resources") if isinstance(bundle, dict) else None)
        ]
        yield from bundles
        if len(bundles) > 1:
            # What has to be on one node (STRICT_PACK) Ray's autoscaler asks for as one bundle, the sum of all.
            total: Counter[str] = Counter()
            for amounts in bundles:
                total.update(amounts)
            yield dict(total)


def _read_amounts(value: Any) -> Iterable[Mapping[str, float]]:
    if isinstance(value, dict):
        amounts = {str(name): float(each) for name, each in value.items() if isinstance(each, int | float)}
        if amounts:
            yield amounts


def _list_pids(rows: Iterable[Row]) -> set[int]:
    pids = (row.get(name) for row in rows for name in ("worker_pid", "pid"))
    return {pid for pid in pids if isinstance(pid, int) and pid > 0}


def _list_pythons(rows: Iterable[Row]) -> Iterable[str]:
    for row in rows:
        info = row.get("runtime_env_info")
        text = info.get("serialized_runtime_env") if isinstance(info, dict) else row.get("serialized_runtime_env")
        try:
            python = find_python(json.loads(text)) if isinstance(text, str) and text else None
        except ValueError:
            python = None
        if python is not None:
            yield python


def _list_repeated(
    failed: Sequence[Row], repaired: frozenset[str], driver_ended_at: datetime | None
) -> tuple[RepeatedFailure, ...]:
    attempts: dict[str, list[Row]] = {}
    for row in sorted(failed, key=_get_attempt):
        if not has_ended_with_driver(row, driver_ended_at) and str(row.get("task_id")) not in repaired:
            attempts.setdefault(str(row.get("task_id")), []).append(row)
    found = []
    for id, rows in attempts.items():
        # One that came further, to another failure, has made good what was before it; that a worker is gone, which is
        # all that is said of what a stop killed, is no other failure.
        telling = [row for row in rows if (row.get("error_type") or "") not in UNTELLING]
        rows = telling if 2 * len(telling) >= len(rows) else rows
        kind = rows[-1].get("error_type")
        same = list(takewhile(partial(_has_type, kind), reversed(rows)))
        if len(same) >= LEAST_TURNS:
            found.append(
                RepeatedFailure(id, str(same[0].get("name") or "?"), len(same), str(same[0].get("error_type") or ""))
            )
    return tuple(sorted(found, key=lambda each: -each.count)[:MOST_REPEATED])


def _has_type(kind: Any, row: Row) -> bool:
    return bool(row.get("error_type") == kind)


def _get_attempt(row: Row) -> int:
    number = row.get("attempt_number")
    return number if isinstance(number, int) else 0


def _was_killed_for_memory(row: Row) -> bool:
    return row.get("exit_type") == "NODE_OUT_OF_MEMORY"


def _has_address(row: Row) -> bool:
    address = row.get("address")
    return isinstance(address, dict) and bool(address.get("ip_address"))

"""The processes of one Ray head of ours: finding them all, and ending them without touching another Ray.

`ray stop` ends every Ray of the machine (ray/scripts/scripts.py), so it is no use here. Instead the head is started
with ``MARKER`` in its environment, which everything that runs in it inherits: raylet, workers, replicas, job drivers,
HAProxy. Processes that overwrite their environment with a title (setproctitle) are found as children.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import psutil

from serve_app.local.state import ProcessMark

MARKER = "SEEDCORE_UP_HEAD"
TERM_TIMEOUT_S = 10.0
KILL_TIMEOUT_S = 5.0
# New processes may appear between looking and ending (a raylet restarts workers until it is gone itself).
_ROUNDS = 4
_ESSENTIAL = ("gcs_server", "raylet")
_STAGES = {"raylet": 0, "gcs_server": 2}


def list_head_processes(temp_dir: str, marks: Iterable[ProcessMark] = ()) -> list[psutil.Process]:
    """Every live process of the head that keeps its files in ``temp_dir``, never this one or its ancestors."""
    roots = {process.pid: process for process in psutil.process_iter() if _read_marker(process) == temp_dir}
    for mark in marks:
        if is_alive(mark):
            roots[mark.pid] = psutil.Process(mark.pid)
    found = dict(roots)
    for root in roots.values():
        try:
            found.update({child.pid: child for child in root.children(recursive=True)})
        except psutil.NoSuchProcess:
            continue
    for own in [os.getpid(), *(parent.pid for parent in psutil.Process().parents())]:
        found.pop(own, None)
    return [process for process in found.values() if _is_running(process)]


def remember_processes(processes: Iterable[psutil.Process]) -> tuple[ProcessMark, ...]:
    """What to remember of processes that were just started."""
    marks = []
    for process in processes:
        try:
            marks.append(ProcessMark(pid=process.pid, started_at_s=process.create_time(), name=process.name()))
        except psutil.NoSuchProcess:
            continue
    return tuple(marks)


def is_alive(mark: ProcessMark) -> bool:
    """Whether exactly that process still runs: same pid and same start."""
    try:
        process = psutil.Process(mark.pid)
        return abs(process.create_time() - mark.started_at_s) < 1.0 and _is_running(process)
    except psutil.NoSuchProcess:
        return False


def is_head_alive(marks: Iterable[ProcessMark]) -> bool:
    """Whether the two processes without which there is no head, GCS and raylet, both run."""
    alive = {mark.name for mark in marks if mark.name in _ESSENTIAL and is_alive(mark)}
    return alive == set(_ESSENTIAL)


def end_head(temp_dir: str, marks: Iterable[ProcessMark] = ()) -> tuple[int, list[psutil.Process]]:
    """End everything of that head: SIGTERM, then SIGKILL after ten seconds. Returns how many, and who survived."""
    marks = tuple(marks)
    ended: set[int] = set()
    for _ in range(_ROUNDS):
        processes = list_head_processes(temp_dir, marks)
        if not processes:
            break
        for stage in sort_stages(processes):
            _end([process for process in stage if _is_running(process)])
        ended.update(process.pid for process in processes)
    return len(ended), list_head_processes(temp_dir, marks)


def sort_stages(processes: Iterable[psutil.Process]) -> list[list[psutil.Process]]:
    """The order of ending: the raylet, which takes its workers along; then the rest; the GCS, which all ask, last.

    All at once takes twelve seconds instead of five, because each then waits in vain for another.
    """
    by_stage: list[list[psutil.Process]] = [[], [], []]
    for process in processes:
        by_stage[_STAGES.get(_read_name(process), 1)].append(process)
    return [stage for stage in by_stage if stage]


def _end(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.terminate()
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(processes, timeout=TERM_TIMEOUT_S)
    for process in alive:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive, timeout=KILL_TIMEOUT_S)


def _read_marker(process: psutil.Process) -> str | None:
    try:
        found = process.environ().get(MARKER)
    except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
        return None
    return str(found) if found else None


def _read_name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""


def _is_running(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False

"""The processes of the machine that this replica runs on, from its own process table: what Ray's rows do not tell.

Blocking, and cheap: one pass over all processes. Where a process may not be looked at, it is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import psutil

_STOPPED = frozenset({psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP})


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One process. ``used_s``: processor time of it and of those of its children that have ended."""

    pid: int
    parent: int
    used_s: float
    stopped: bool


def read_process_table() -> dict[int, ProcessRow]:
    """All processes by number."""
    found: dict[int, ProcessRow] = {}
    for process in psutil.process_iter(["pid", "ppid", "cpu_times", "status"]):
        pid, parent, times = process.info["pid"], process.info["ppid"], process.info["cpu_times"]
        if pid and times is not None:
            found[pid] = ProcessRow(pid, parent or 0, float(sum(times[:4])), process.info["status"] in _STOPPED)
    return found


def read_command_line(pid: int) -> str:
    """The command of a process; empty for one that has ended or may not be looked at."""
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ""


def find_listening_port(pids: Iterable[int], but: Iterable[int]) -> int | None:
    """A port on which one of these waits for callers, except those of ``but``; None: there is none, or it is hidden."""
    known = set(but)
    for pid in pids:
        try:
            connections = psutil.Process(pid).net_connections("tcp")
        except psutil.Error:
            continue
        ports = sorted(each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN)
        if free := [port for port in ports if port not in known]:
            return free[0]
    return None

"""The processes of the machine that this replica runs on, from its own process table: what Ray's rows do not tell.

Blocking, and cheap: one pass over all processes. Where a process may not be looked at, it is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import psutil

_MAPPED = "::ffff:"
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


def find_listening_port(pid: int, but: Collection[int], has_own: bool) -> int | None:
    """A port on which this process waits for callers, see ``choose_port``; None: there is none, or it is hidden."""
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return None
    listening = [(each.laddr.ip, each.laddr.port) for each in connections if each.status == psutil.CONN_LISTEN]
    return choose_port(listening, but, has_own)


def choose_port(listening: Iterable[tuple[str, int]], but: Collection[int], has_own: bool) -> int | None:
    """Of the addresses on which a process listens the port that is its program's: none of ``but``.

    ``has_own``: one of them may be that of Ray's part in it, of which Ray does not say which it is. A worker has one
    such port, which gRPC binds to an IPv4 address that is written as IPv6 (tried on 2.60): a second one is no Ray's.
    """
    free = sorted((ip.startswith(_MAPPED), port) for ip, port in listening if port not in but)
    return free[0][1] if len(free) > has_own else None

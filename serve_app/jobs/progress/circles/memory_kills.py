"""What Ray says when it kills for memory: whom, and who took most. Pure; the words are those of Ray 2.60 and before."""

from __future__ import annotations

import re
from dataclasses import dataclass

_GB = 1_073_741_824  # Ray writes GB and means GiB (src/ray/common/memory_monitor_utils.cc)
_KILL = re.compile(r"killed due to the node running low on memory|was killed due to memory pressure")
_CONSIDERED = re.compile(
    r"^(?P<killed>Selected to kill: )?\((?:Task|Actor\((?P<actor>[0-9a-f]{1,64})\)): job ID=(?P<job>[0-9a-f]{1,64}), "
    r".{0,400}?\bpid=(?P<pid>\d{1,10}), actual memory used=(?P<gb>\d{1,7}(?:\.\d{1,6})?)GB",
    re.MULTILINE,
)
_TOP = re.compile(r"^Top \d{1,3} memory users:\s*PID\s+MEM\(GB\)\s+COMMAND$", re.MULTILINE)
_USER = re.compile(r"\s*(?P<pid>\d{1,10})\s+(?P<gb>\d{1,7}(?:\.\d{1,6})?)\s+(?P<command>\S.*)")
_WORKER = "ray::"
_COMMAND_CHARS = 120


@dataclass(frozen=True, slots=True)
class MemoryUser:
    """A process and the memory that it had. ``name``: the task or method that it was at, or its command, as Ray tells.

    ``job_id`` None: Ray did not consider it, as drivers and what is not Ray's.
    """

    pid: int
    name: str
    used_bytes: int
    job_id: str | None = None
    actor_id: str | None = None
    killed: bool = False


@dataclass(frozen=True, slots=True)
class MemoryKill:
    """One time that Ray killed on a node: its workers that it considered, and the greediest process of the node."""

    considered: tuple[MemoryUser, ...]
    greediest: MemoryUser | None


def parse_memory_kill(message: str) -> MemoryKill | None:
    """What Ray's message about a worker that it killed for memory tells; None for another message."""
    if _KILL.search(message) is None:
        return None
    considered = {
        int(found["pid"]): MemoryUser(
            int(found["pid"]), "", _parse_bytes(found["gb"]), found["job"], found["actor"], bool(found["killed"])
        )
        for found in _CONSIDERED.finditer(message)
    }
    top = _find_greediest(message)
    known = None if top is None else considered.get(top.pid)
    if top is None or known is None:
        return MemoryKill(tuple(considered.values()), top)
    named = MemoryUser(top.pid, top.name, top.used_bytes, known.job_id, known.actor_id, known.killed)
    return MemoryKill(tuple(considered.values()), named)


def _find_greediest(message: str) -> MemoryUser | None:
    """The list is in order, the greediest first."""
    head = _TOP.search(message)
    for line in message[head.end() :].splitlines() if head is not None else ():
        found = _USER.fullmatch(line)
        if found is not None:
            name = found["command"].removeprefix(_WORKER)[:_COMMAND_CHARS]
            return MemoryUser(int(found["pid"]), name, _parse_bytes(found["gb"]))
        if line.strip():
            return None
    return None


def _parse_bytes(amount: str) -> int:
    return round(float(amount) * _GB)

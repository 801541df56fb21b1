"""What Ray says when it kills workers because their node runs out of memory: whom, and who took most. Pure.

Since Ray 2.56 one message names all that were killed and all that were considered; before, each names its own task.
Both end with the processes of the node that take most memory (``worker_killing_policy.cc``, ``memory_monitor``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

# The text by which such a message is found, and the beginning of its last line.
KILL_TEXT = b"due to the node running low on memory"
_LAST = "Refer to the documentation on how to address the out of memory issue"
# A message is no longer: it has as many lines as there are workers on the node.
MOST_LINES = 120
_HEAD = re.compile(r"due to the node running low on memory|\bMemory on the node \(IP:")
_RETRIED = re.compile(
    r"Task (?P<task>\S.{0,200}?) failed due to oom\. There are (?P<left>infinite|\d{1,9}) oom retries"
)
_NODE = re.compile(r"was (?P<used>[\d.]{1,20})\s?GB(?: used)? / (?P<limit>[\d.]{1,20})\s?GB")
# Those that were killed, and those that were left.
_WORKER = re.compile(
    r"^(?P<is_killed>Selected to kill: )?\((?:Task|Actor\(\w{1,64}\)): job ID=(?P<job>\w{1,64}),.{0,200}?"
    r"task name=(?P<name>.{1,200}?), required resources=.{0,400}?, pid=(?P<pid>\d{1,9}), actual memory used=(?P<used>[\d.]{1,20})\s?GB"
)
_KILLED_ALONE = re.compile(
    r"where the (?:task|lease|actor) \(.{0,200}?name=(?P<name>.{1,200}?), pid=(?P<pid>\d{1,9}), "
    r"memory used=(?P<used>[\d.]{1,20})\s?GB"
)
_USER = re.compile(r"^\s{0,8}(?P<pid>\d{1,9})\s{1,8}(?P<used>\d{1,9}\.\d{1,4})\s{1,8}(?P<command>\S.{0,200})$")


@dataclass(frozen=True, slots=True)
class MemoryUser:
    """One process and its memory in GB; ``name``: the task or actor method of a worker, or the command; ``job_id``:
    whose it is, where that is told.
    """

    pid: int
    name: str
    used_gb: float
    job_id: str | None = None

    @property
    def is_worker(self) -> bool:
        """Whether Ray runs a task or an actor in it."""
        return self.name.startswith("ray::") and not _OF_RAY.match(self.name)


_OF_RAY = re.compile(r"ray::(?:DashboardAgent|RuntimeEnvAgent|JobSupervisor|IDLE)")


@dataclass(frozen=True, slots=True)
class MemoryKill:
    """One message. ``line``: its first; ``task``: the task that Ray says will be retried, or None; ``killed``: whom Ray
    chose; ``users``: who took most on the node, the greediest first.
    """

    line: int
    end: int
    task: str | None
    killed: tuple[MemoryUser, ...]
    users: tuple[MemoryUser, ...]
    used_gb: float | None
    limit_gb: float | None
    is_endless: bool = False
    quote: str = ""


def begins_kill(text: str) -> bool:
    """Whether a line begins such a message."""
    return _HEAD.search(text) is not None


def ends_kill(text: str) -> bool:
    """Whether a line is its last."""
    return text.lstrip().startswith(_LAST)


def read_kill(lines: Iterable[tuple[int, str]]) -> MemoryKill | None:
    """The message whose first line is the first of ``lines`` (number and text); None where it names nothing."""
    number, task, is_endless, used, limit = 0, None, False, None, None
    killed: list[MemoryUser] = []
    users: list[MemoryUser] = []
    jobs: dict[int, str] = {}
    begin = None
    for number, text in lines:
        if begin is None:
            begin = number
            retried = _RETRIED.search(text)
            task = None if retried is None else retried["task"]
            is_endless = retried is not None and retried["left"] == "infinite"
        elif number - begin > MOST_LINES or (used is not None and _RETRIED.search(text)):
            break
        node = _NODE.search(text) if used is None else None
        if node is not None:
            used, limit = _parse_number(node["used"]), _parse_number(node["limit"])
        worker, alone = _WORKER.match(text.lstrip()), _KILLED_ALONE.search(text)
        if worker is not None:
            jobs[int(worker["pid"])] = worker["job"]
            if worker["is_killed"]:
                killed.append(_read_user(worker, worker["name"], worker["job"]))
        if alone is not None:
            killed.append(_read_user(alone, alone["name"]))
        user = _USER.match(text)
        if user is not None:
            users.append(_read_user(user, user["command"].strip()))
        if ends_kill(text):
            break
    if begin is None or used is None:
        return None
    told = tuple(replace(each, job_id=jobs.get(each.pid)) for each in sorted(users, key=lambda each: -each.used_gb))
    return MemoryKill(begin, number, task, tuple(killed), told, used, limit, is_endless)


def _read_user(found: re.Match[str], name: str, job_id: str | None = None) -> MemoryUser:
    return MemoryUser(int(found["pid"]), name, _parse_number(found["used"]), job_id)


def _parse_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0

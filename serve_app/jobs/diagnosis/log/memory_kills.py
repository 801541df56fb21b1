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
_RETRIED = re.compile(
    r"Task (?P<task>\S.{0,200}?) failed due to oom\. There are (?P<left>infinite|\d{1,9}) oom retries"
)
_NODE = re.compile(r"was (?P<used>[\d.]{1,20})\s?GB(?: used)? / (?P<limit>[\d.]{1,20})\s?GB")
# Those that were killed, and those that were left.
_WORKER = re.compile(
    r"^(?P<is_killed>Selected to kill: )?\((?:Task|Actor\(\w{1,64}\)): job ID=(?P<job>\w{1,64}),.{0,200}?"
    r"task name=(?P<name>.{1,200}?), required resources=.{0,400}?, pid=(?P<pid>\d{1,9}), "
    r"actual memory used=(?P<used>[\d.]{1,20})\s?GB"
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
    used_gb: float
    limit_gb: float
    is_endless: bool = False
    quote: str = ""


def ends_kill(text: str) -> bool:
    """Whether a line is its last."""
    return text.lstrip().startswith(_LAST)


def read_kill(lines: Iterable[tuple[int, str]]) -> MemoryKill | None:
    """The message whose first line is the first of ``lines`` (number and text); None where it names nothing."""
    reader = None
    for number, text in lines:
        if reader is None:
            reader = _Reader(number, text)
        elif not reader.goes_on(number, text):
            break
        if reader.read(number, text):
            break
    return None if reader is None else reader.build_kill()


class _Reader:
    """Reads one message line by line."""

    def __init__(self, begin: int, first: str) -> None:
        retried = _RETRIED.search(first)
        self._begin = self._end = begin
        self._task = None if retried is None else retried["task"]
        self._is_endless = retried is not None and retried["left"] == "infinite"
        self._node: tuple[float, float] | None = None
        self._killed: list[MemoryUser] = []
        self._users: list[MemoryUser] = []
        self._jobs: dict[int, str] = {}

    def goes_on(self, number: int, text: str) -> bool:
        """Whether a line may still be part of it: the next message is not."""
        return number - self._begin <= MOST_LINES and not (self._node is not None and _RETRIED.search(text))

    def read(self, number: int, text: str) -> bool:
        """Take in a line of it; whether it was the last."""
        self._end = number
        node = _NODE.search(text) if self._node is None else None
        if node is not None:
            self._node = _parse_number(node["used"]), _parse_number(node["limit"])
        worker, alone, user = _WORKER.match(text.lstrip()), _KILLED_ALONE.search(text), _USER.match(text)
        if worker is not None:
            self._jobs[int(worker["pid"])] = worker["job"]
            if worker["is_killed"]:
                self._killed.append(_read_user(worker, worker["name"], worker["job"]))
        if alone is not None:
            self._killed.append(_read_user(alone, alone["name"]))
        if user is not None:
            self._users.append(_read_user(user, user["command"].strip()))
        return ends_kill(text)

    def build_kill(self) -> MemoryKill | None:
        if self._node is None:
            return None
        users = sorted(self._users, key=lambda each: -each.used_gb)
        told = tuple(replace(each, job_id=self._jobs.get(each.pid)) for each in users)
        killed = tuple(self._killed)
        return MemoryKill(self._begin, self._end, self._task, killed, told, *self._node, self._is_endless)


def _read_user(found: re.Match[str], name: str, job_id: str | None = None) -> MemoryUser:
    return MemoryUser(int(found["pid"]), name, _parse_number(found["used"]), job_id)


def _parse_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0

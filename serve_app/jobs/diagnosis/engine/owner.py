"""Whose is a line that Ray writes into the log of every driver? The job's, another's, or nobody can tell. Pure.

Of a job of this cluster Ray's tables tell (``Belongings``); of a file alone, what else is in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from serve_app.jobs.diagnosis.catalogue.broadcast import OwnerRule, find_broadcast
from serve_app.jobs.diagnosis.models import Belongings

_REQUEST = re.compile(r"\{[^{}]{1,400}\}")
_AMOUNT = re.compile(
    r"'?(?P<name>[\w.:/-]{1,120})'?\s{0,2}[:=]\s{0,2}(?P<amount>\d{1,18}(?:\.\d{1,9})?(?:e[+-]?\d{1,3})?)"
)
# What a program says of the resources that it asks for, in words of its own.
_OPTION = re.compile(r"\bnum_(?P<name>cpus|gpus)\s{0,2}=\s{0,2}(?P<amount>\d{1,9}(?:\.\d{1,9})?)")
_NODE = re.compile(r"\b(?:node id:?|node:|client ID|\(ID:|Node ID:) ?(?P<id>[0-9a-fA-Z_-]{1,64})", re.IGNORECASE)
_ADDRESS = re.compile(r"\b(?:address:|IP:|ip=) ?(?P<ip>[0-9A-Fa-f.:]{2,45}\b)")
_HEX = re.compile(r"\b[0-9a-f]{8,64}\b")
_PID = re.compile(r"\b(?:pid[=: ]|PID: |process\()\s?(?P<pid>\d{1,8})\b")
_PATH = re.compile(r"(?P<path>/[^\s:'\"]{1,400})")
_STAMP = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)")
# A group's own resources: `CPU_group_0_<id>`, `bundle_group_<id>`.
_GROUP = re.compile(r"_group_(?:\d{1,6}_)?(?P<id>[0-9a-f]{8,64})$")
# The clock of a log is a node's, of which the zone is not known: two zones are at most so far apart.
_ZONES_APART = timedelta(hours=26)
_LEAST_SHARE = 0.99
_NOT_STARTED = ("worker startup repeatedly failed", "Failed to startup worker after retrying")

Request = Mapping[str, float]


class Whose(StrEnum):
    """To whom a line belongs."""

    MINE = "mine"
    OTHERS = "others"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True)
class Ownership:
    """``why``: what shows it, as the end of a sentence; empty where the line is the job's."""

    whose: Whose
    why: str = ""


_MINE = Ownership(Whose.MINE)
_EVERY_LOG = "Ray writes this line into the log of every driver"


@dataclass(frozen=True, slots=True)
class Shown:
    """What the lines of a log show that are the job's own: resources, nodes (ids, addresses) and whether Ray said that
    it killed for memory what is this job's, or could not start its workers.
    """

    requests: tuple[Request, ...] = ()
    nodes: frozenset[str] = frozenset()
    was_killed: bool = False
    was_not_started: bool = False


class OwnerJudge:
    """Tells of each line of one job's texts whose it is: by ``own``, or without a cluster by ``shown``."""

    def __init__(self, own: Belongings | None, shown: Shown) -> None:
        self._own = own
        self._shown = shown
        self._rules: Mapping[OwnerRule, Callable[[str, str], Ownership]] = {
            OwnerRule.REQUEST: self._judge_request,
            OwnerRule.NODE: self._judge_node,
            OwnerRule.KILLED: self._judge_killed,
            OwnerRule.PYTHON: self._judge_python,
            OwnerRule.IDS: self._judge_ids,
            OwnerRule.CLUSTER: self._judge_cluster,
        }

    def judge(self, text: str, stream: str) -> Ownership:
        """``text``: the line without its prefix, which is ``stream``. One that no row of ``broadcast`` means is its
        writer's, so it counts as the job's; so does one of ADDRESSED or NOTICE, which are held against nothing.
        """
        found = find_broadcast(text, stream)
        if found is None or found.rule not in self._rules:
            return _MINE
        if self._own is not None and _is_before(text, self._own.started_at):
            return Ownership(Whose.OTHERS, f"{_EVERY_LOG}, and wrote it before this run began")
        return self._rules[found.rule](text, stream)

    def _judge_request(self, text: str, stream: str) -> Ownership:
        requests = parse_requests(text)
        if not requests:
            return self._doubt("and it names no resources")
        told = describe_request(requests[0])
        if self._own is None:
            if any(_is_same(each, mine) for each in requests for mine in self._shown.requests):
                return _MINE
            return self._doubt(f"and nothing else in this one shows that the job asked for {told}")
        if any(_is_same(each, mine) for each in requests for mine in self._own.requests):
            return _MINE
        if any(found["id"] in self._own.ids for each in requests for name in each if (found := _GROUP.search(name))):
            return _MINE
        return self._refuse(f"waited in vain for {told}")

    def _judge_node(self, text: str, stream: str) -> Ownership:
        nodes = find_nodes(f"{stream} {text}")
        if not nodes:
            return self._doubt("and it names no node")
        if nodes & (self._shown.nodes if self._own is None else self._own.nodes):
            return _MINE
        if self._own is None:
            return self._doubt("and nothing else in this one shows that the job was on that node")
        return self._refuse("was on that node", self._own.node_gaps)

    def _judge_killed(self, text: str, stream: str) -> Ownership:
        if self._own is None:
            if self._shown.was_killed:
                return _MINE
            return self._doubt("and nothing else in this one shows that a worker of the job was killed for memory")
        if find_nodes(f"{stream} {text}") & self._own.killed_on:
            return _MINE
        return self._refuse("was killed for memory on that node without coming further later")

    def _judge_python(self, text: str, stream: str) -> Ownership:
        paths = {found["path"] for found in _PATH.finditer(text)}
        if self._own is None and self._shown.was_not_started:
            return _MINE
        if self._own is None:
            return self._doubt("and nothing else in this one shows whose workers were to be started with it")
        # What is to be started may be a command line (`uv run --python …`), of which each word counts as a whole.
        wanted = {word.strip("'\"") for python in self._own.pythons for word in python.split()}
        if paths & wanted:
            return _MINE
        return self._refuse("is to be started with that Python")

    def _judge_ids(self, text: str, stream: str) -> Ownership:
        if self._own is not None:
            # Each node counts its processes for itself.
            nodes = find_nodes(f"{stream} {text}")
            pids = self._own.pids if not nodes or nodes & self._own.nodes else frozenset()
            ids = any(each in self._own.ids for each in _HEX.findall(text))
            if ids or any(int(found["pid"]) in pids for found in _PID.finditer(text)):
                return _MINE
        return self._doubt("and it names nothing of this job")

    def _judge_cluster(self, text: str, stream: str) -> Ownership:
        return self._doubt("and it is about the cluster, not about one job")

    def _doubt(self, why: str) -> Ownership:
        return Ownership(Whose.UNTOLD, f"{_EVERY_LOG}, {why}")

    def _refuse(self, what: str, more_gaps: tuple[str, ...] = ()) -> Ownership:
        gaps = (*(() if self._own is None else self._own.gaps), *more_gaps)
        if gaps:
            return self._doubt(f"and whether anything of this job {what} cannot be told: {gaps[0]}")
        return Ownership(Whose.OTHERS, f"{_EVERY_LOG}, and nothing of this job {what}")


def collect_shown(lines: Iterable[tuple[str, str]], *, was_killed: bool) -> Shown:
    """What the job's own lines, each with its prefix, show. ``was_killed``: Ray told this job that it killed of it."""
    requests: list[Request] = []
    nodes: set[str] = set()
    was_not_started = False
    for text, stream in lines:
        found = find_broadcast(text, stream)
        if found is not None and found.rule is not OwnerRule.ADDRESSED:
            continue
        nodes |= find_nodes(f"{stream} {text}")
        was_not_started = was_not_started or any(each in text for each in _NOT_STARTED)
        requests += parse_requests(text)
        requests += [{_NAMES[each["name"]]: float(each["amount"])} for each in _OPTION.finditer(text)]
    return Shown(tuple(requests), frozenset(nodes), was_killed, was_not_started)


def parse_requests(text: str) -> list[Request]:
    """Amounts of resources in a line, as the autoscaler and the raylet write them; without those that are zero."""
    found: list[Request] = []
    for part in _REQUEST.findall(text):
        amounts = {str(each["name"]): float(each["amount"]) for each in _AMOUNT.finditer(part)}
        amounts = {name: amount for name, amount in amounts.items() if amount > 0}
        if amounts:
            found.append(amounts)
    return found


def find_nodes(text: str) -> frozenset[str]:
    """Ids and addresses of nodes that a line names."""
    ids = {found["id"].lower() for found in _NODE.finditer(text)}
    return frozenset(ids | {found["ip"] for found in _ADDRESS.finditer(text)})


def describe_request(request: Request) -> str:
    """Amounts for people."""
    return ", ".join(f"{amount:g} {name}" for name, amount in sorted(request.items())[:6])


_NAMES = {"cpus": "CPU", "gpus": "GPU"}


def _is_same(request: Request, asked: Request) -> bool:
    """Whether the two ask for the same; the autoscaler rounds, and a group's bundle may be part of a longer list."""
    ours = {name: amount for name, amount in asked.items() if amount > 0}
    return ours.keys() == request.keys() and all(_is_close(request[name], ours[name]) for name in ours)


def _is_close(one: float, other: float) -> bool:
    return min(one, other) >= _LEAST_SHARE * max(one, other)


def _is_before(text: str, start: datetime | None) -> bool:
    """Whether the line says that it was written before the run began, whatever the zone of its clock is."""
    stamp = None if start is None else _STAMP.search(text[:200])
    if stamp is None or start is None:
        return False
    try:
        written = datetime(*(int(part) for part in stamp.groups()), tzinfo=UTC)  # type: ignore[arg-type, misc]
    except ValueError:
        return False
    return start - written > _ZONES_APART

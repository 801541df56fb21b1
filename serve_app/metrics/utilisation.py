"""How used each node really is, as Ray's own agent on it measures: CPU, memory, disk, GPU and network.

The source is ``GET /nodes?view=summary`` of the dashboard: one question for the whole cluster, answered from what the
agents sent every 5 s (ray/dashboard/modules/reporter/reporter_agent.py). Their Prometheus endpoints tell the same, but
one question to each node. Ray's *logical* resources, which tasks reserve and may not use, are never read here.

Ray's memory is that of the machine or of its cgroup, whichever is smaller; its network counts interfaces whose names
begin with ``e``; a disk is the fullest of the root and the place of Ray's files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serve_app.cluster.rows import read_amount, read_list, read_object
from serve_app.redaction import strip_controls

GAUGES = (
    "cpu_ratio",
    "memory_ratio",
    "disk_ratio",
    "gpu_ratio",
    "network_receive_bytes_per_s",
    "network_send_bytes_per_s",
)
_NO_SPEED = "Ray's agent knows no speed of the network until it has run for some 35 s."
NOT_MEASURED = "Ray's agent on this node has not reported."
# The agents send every 5 s; a node that is this late is not measured, whatever it said last.
STALE_AFTER_S = 60
_MAX_CHARS = 80
# On Kubernetes Ray does not measure disks and says this instead (reporter_agent.py, ``_get_disk_usage``).
_DUMMY_DISK_BYTES = 1


@dataclass(frozen=True, slots=True)
class NodeUse:
    """One node. What is not known is None in ``values`` and has its reason in ``missing``."""

    node_id: str
    ip: str
    is_head: bool
    # The node's own clock, only to be compared with itself.
    measured_at: float | None
    cpus: float | None
    memory_bytes: float | None
    values: Mapping[str, float | None]
    missing: Mapping[str, str]

    def drop_figures(self, reason: str) -> NodeUse:
        """The same node with nothing known, for one reason."""
        nothing = dict.fromkeys(GAUGES)
        return NodeUse(
            self.node_id,
            self.ip,
            self.is_head,
            self.measured_at,
            self.cpus,
            self.memory_bytes,
            nothing,
            dict.fromkeys(GAUGES, reason),
        )


def parse_nodes(rows: object) -> list[NodeUse]:
    """The living nodes of Ray's summary, the head first, then by id. Rows that are none are left out."""
    found = [node for row in rows if (node := _parse_node(row)) is not None] if isinstance(rows, list) else []
    return sorted(found, key=lambda node: (not node.is_head, node.node_id))


def combine_nodes(nodes: list[NodeUse]) -> dict[str, float | None]:
    """The cluster as one machine: CPU weighed by processors, memory by its size; the rest is for single nodes."""
    return {
        "cpu_ratio": _compute_weighted_mean([(node.values["cpu_ratio"], node.cpus) for node in nodes]),
        "memory_ratio": _compute_weighted_mean([(node.values["memory_ratio"], node.memory_bytes) for node in nodes]),
    }


class Freshness:
    """Which nodes have stopped reporting: Ray keeps their last figures for as long as they live."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float | None, float]] = {}

    def check(self, nodes: list[NodeUse], now_s: float) -> list[NodeUse]:
        """The nodes, without the figures of those that have said nothing new for ``STALE_AFTER_S``."""
        before, self._seen = self._seen, {}
        checked = []
        for node in nodes:
            measured_at, since_s = before.get(node.node_id, (None, now_s))
            if measured_at != node.measured_at:
                since_s = now_s
            self._seen[node.node_id] = (node.measured_at, since_s)
            late_s = now_s - since_s
            said = node.measured_at is not None and late_s > STALE_AFTER_S
            checked.append(node.drop_figures(f"This node has not reported for {late_s:.0f} s.") if said else node)
        return checked


def _parse_node(row: object) -> NodeUse | None:
    if not isinstance(row, dict):
        return None
    raylet = read_object(row.get("raylet"))
    node_id = raylet.get("nodeId")
    if not isinstance(node_id, str) or not node_id or raylet.get("state") != "ALIVE":
        return None
    ip = row.get("ip") or raylet.get("nodeManagerAddress")
    memory = read_list(row.get("mem"))
    values, missing = _parse_figures(row, memory)
    return NodeUse(
        node_id=strip_controls(node_id)[:_MAX_CHARS],
        ip=strip_controls(ip)[:_MAX_CHARS] if isinstance(ip, str) else "",
        is_head=raylet.get("isHeadNode") is True,
        measured_at=read_amount(row.get("now")),
        cpus=read_amount(_get_item(read_list(row.get("cpus")), 0)),
        memory_bytes=read_amount(_get_item(memory, 0)),
        values=values,
        missing=missing,
    )


def _parse_figures(row: Mapping[str, Any], memory: list[Any]) -> tuple[dict[str, float | None], dict[str, str]]:
    sent, received = (_parse_speed(row, at) for at in (0, 1))
    gpus = read_list(row.get("gpus"))
    values = {
        "cpu_ratio": _parse_percent(row.get("cpu")),
        "memory_ratio": _compute_share(read_amount(_get_item(memory, 3)), read_amount(_get_item(memory, 0))),
        "disk_ratio": _find_fullest(read_object(row.get("disk"))),
        "gpu_ratio": _compute_mean([_parse_percent(read_object(gpu).get("utilizationGpu")) for gpu in gpus]),
        "network_receive_bytes_per_s": received,
        "network_send_bytes_per_s": sent,
    }
    if row.get("now") is None:
        return values, dict.fromkeys((name for name, value in values.items() if value is None), NOT_MEASURED)
    reasons = dict.fromkeys(GAUGES, "Ray's agent did not say it in a form that is known here.")
    reasons["gpu_ratio"] = "Ray does not measure the use of its GPUs." if gpus else "It has no GPU."
    reasons["network_receive_bytes_per_s"] = reasons["network_send_bytes_per_s"] = _NO_SPEED
    reasons["disk_ratio"] = "Ray does not measure the disks of this node."
    return values, {name: reasons[name] for name, value in values.items() if value is None}


def _find_fullest(disks: Mapping[str, Any]) -> float | None:
    shares = []
    for disk in disks.values():
        total, used, free = (read_amount(read_object(disk).get(key)) for key in ("total", "used", "free"))
        if total is not None and total > _DUMMY_DISK_BYTES and used is not None and free is not None:
            # As `df` says it: what is reserved for root is no one's to use.
            shares.append(_compute_share(used, used + free))
    return max((share for share in shares if share is not None), default=None)


def _compute_weighted_mean(pairs: list[tuple[float | None, float | None]]) -> float | None:
    known = [(value, weight) for value, weight in pairs if value is not None and weight is not None and weight > 0]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if known else None


def _compute_mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _parse_percent(value: object) -> float | None:
    return _compute_share(read_amount(value), 100.0)


def _compute_share(part: float | None, whole: float | None) -> float | None:
    if part is None or whole is None or whole <= 0 or part < 0:
        return None
    return min(part / whole, 1.0)


def _parse_speed(row: Mapping[str, Any], at: int) -> float | None:
    """Bytes per second. For its first seven reports the agent divides all bytes since the start of the machine by all
    seconds since 1970 (its history begins with a zero at time zero); that is no speed."""
    speed, total, now = (
        read_amount(value)
        for value in (
            _get_item(read_list(row.get("networkSpeed")), at),
            _get_item(read_list(row.get("network")), at),
            row.get("now"),
        )
    )
    # Counters of an interface that came back begin at zero, which looks like a negative speed.
    if speed is None or speed < 0:
        return None
    return None if total and now and math.isclose(speed * now, total, rel_tol=1e-6) else speed


def _get_item(values: list[Any], index: int) -> object:
    return values[index] if index < len(values) else None

"""Ports: which are free, who holds the others, and the choice of those that nobody configures."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from dataclasses import dataclass

import psutil

# Below the usual ephemeral range (32768 on Linux), so that no outgoing connection takes a chosen port in between.
_LOWEST, _HIGHEST = 20_000, 30_000
REPLICA_PORTS = 100
_TRIES = 200


@dataclass(frozen=True)
class ChosenPorts:
    """Ports that Ray and Serve would otherwise take from fixed defaults, which a second copy would collide with."""

    ray_client: int
    autoscaler_metrics: int
    dashboard_metrics: int
    haproxy_stats: int
    haproxy_metrics: int
    fallback_http: int
    fallback_grpc: int
    replica_http_first: int
    replica_grpc_first: int


def choose(is_free: Callable[[int], bool], rng: random.Random) -> ChosenPorts:
    """Choose one block of ports nobody listens on.

    All lie in one block with a random start: two copies starting at once rarely meet. Only the single ports are
    probed; Serve itself passes over taken ports of the replica ranges (ray/serve/_private/node_port_manager.py).
    Raises ``RuntimeError`` when no block is free.
    """
    singles = len(ChosenPorts.__dataclass_fields__) - 2
    block = singles + 2 * REPLICA_PORTS
    for _ in range(_TRIES):
        first = rng.randrange(_LOWEST, _HIGHEST - block)
        if all(is_free(port) for port in range(first, first + singles)):
            names = list(ChosenPorts.__dataclass_fields__)
            chosen = {name: first + offset for offset, name in enumerate(names[:singles])}
            return ChosenPorts(
                **chosen,
                replica_http_first=first + singles,
                replica_grpc_first=first + singles + REPLICA_PORTS,
            )
    raise RuntimeError(f"no {singles} free ports in a row between {_LOWEST} and {_HIGHEST}")


def is_free(port: int) -> bool:
    """Whether this port can be bound on every address; a listener on any one address makes it taken."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 bound for a moment, never listened on
        except OSError:
            return False
    return True


def describe_owner(port: int) -> str:
    """Who listens on a taken port, for people: ``nginx (pid 812)``. The system may keep it from us."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        connections = []
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        if listens and connection.pid:
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.NoSuchProcess:
                break
    return "a process that this user cannot see"

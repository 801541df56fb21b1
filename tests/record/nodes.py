"""Ray nodes that are started to be recorded, and ended again with everything that they started."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.nodes import node_environment, start_node
from tests.record.cluster import Cluster

_PORTS = ("gcs", "dashboard", "client", "agent", "grpc", "metrics", "http")


@contextlib.contextmanager
def head(more_env: Mapping[str, str] | None = None, files: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """Start a head with two CPUs in a directory of its own, with ``files`` importable; end what was started."""
    with tempfile.TemporaryDirectory(prefix="rec-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        for file, text in (files or {}).items():
            (directory / file).write_text(text)
        ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        before = {process.pid for process in psutil.process_iter()}
        cluster = Cluster(directory, ports, node_environment(directory) | {"PYTHONPATH": name} | dict(more_env or {}))
        try:
            _start(
                cluster,
                "--head",
                "--node-ip-address=127.0.0.1",
                "--num-cpus=2",
                f"--port={ports['gcs']}",
                f"--dashboard-port={ports['dashboard']}",
                f"--ray-client-server-port={ports['client']}",
                f"--dashboard-agent-listen-port={ports['agent']}",
                f"--dashboard-agent-grpc-port={ports['grpc']}",
                f"--metrics-export-port={ports['metrics']}",
                f"--temp-dir={directory}/t",
            )
            wait(lambda: cluster.get("/api/v0/nodes")["result"], "the dashboard")
            yield cluster
        finally:
            _end(directory, before)


def add_node(cluster: Cluster, ip: str, resources: Mapping[str, float]) -> list[psutil.Process]:
    """Start a worker node under another loopback address; returns its raylet and what that has started so far."""
    agent, grpc, metrics = free_ports(3)
    _start(
        cluster,
        f"--address={cluster.address}",
        f"--node-ip-address={ip}",
        "--num-cpus=2",
        f"--resources={json.dumps(dict(resources))}",
        f"--dashboard-agent-listen-port={agent}",
        f"--dashboard-agent-grpc-port={grpc}",
        f"--metrics-export-port={metrics}",
        f"--temp-dir={cluster.directory}/w",
    )
    wait(lambda: any(row["node_ip"] == ip for row in cluster.list_rows("nodes")), "the worker node")
    return node_processes(cluster, ip)


def node_processes(cluster: Cluster, ip: str) -> list[psutil.Process]:
    """The raylet of a node of this cluster and all of its descendants."""
    for process in psutil.process_iter(["name", "cmdline"]):
        line = process.info["cmdline"] or []
        if process.info["name"] == "raylet" and f"--node_ip_address={ip}" in line and _ours(process, cluster.directory):
            return [process, *process.children(recursive=True)]
    return []


def wait(condition: Callable[[], Any], what: str, timeout_s: float = 90) -> float:
    """Wait for a condition; HTTP errors and missing keys count as "not yet". Returns the seconds that it took."""
    begun = time.monotonic()
    while time.monotonic() < begun + timeout_s:
        with contextlib.suppress(httpx.HTTPError, LookupError):
            if condition():
                return time.monotonic() - begun
        time.sleep(0.3)
    raise SystemExit(f"waited {timeout_s:g} s for {what}")


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _start(cluster: Cluster, *arguments: str) -> None:
    start_node(arguments, cluster.env, cluster.directory / "start.log")


def _end(directory: Path, before: set[int]) -> None:
    for process in psutil.process_iter():
        if process.pid not in before and _ours(process, directory):
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
    time.sleep(1)


def _ours(process: psutil.Process, directory: Path) -> bool:
    """Whether a process names the directory in its command, its PYTHONPATH, or works in it."""
    with contextlib.suppress(psutil.Error, OSError):
        if str(directory) in " ".join(process.cmdline()):
            return True
        return str(directory) in process.environ().get("PYTHONPATH", "") + process.cwd()
    return False

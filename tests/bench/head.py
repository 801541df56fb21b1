"""A Ray head of its own for each measured system: free ports, a directory of its own, nothing shared, all of it ended.

Only processes that descend from our own ``ray start`` are ever looked at or ended; ``ray stop`` would end everyone's.
"""
from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
START_TIMEOUT_S = 90.0
DEPLOY_TIMEOUT_S = 180.0
LOCK = Path(os.environ.get("SEEDCORE_BENCH_LOCK") or Path(tempfile.gettempdir()) / "seedcore-bench.lock")


class BenchError(Exception):
    """The benchmark cannot go on; the text says why."""


@contextmanager
def alone() -> Iterator[None]:
    """Hold the lock that keeps two benchmarks of one machine from measuring each other."""
    with LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Head:
    """A running Ray head; use as a context. ``flags`` are environment variables that Ray sees from its start.
    """

    def __init__(self, flags: dict[str, str]) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="scb", dir=_short_temp()))
        names = ("gcs", "dashboard", "client", "agent", "http", "haproxy_metrics", "haproxy_stats")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.flags = flags
        self._process: subprocess.Popen[bytes] | None = None
        self.began = 0.0
        """When ``ray start`` was called, on the monotonic clock."""

    @property
    def dashboard(self) -> str:
        return f"http://{HOST}:{self.ports['dashboard']}"

    @property
    def http_port(self) -> int:
        """Where Serve listens when an application is deployed with ``http_options`` of ``serve_config``."""
        return self.ports["http"]

    @property
    def environment(self) -> dict[str, str]:
        """What Ray and everything under it see: the flags, and places and ports that no other copy uses."""
        haproxy = self.directory / "haproxy"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "SEEDCORE_"))}
        own = {
            "PYTHONPATH": str(ROOT),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(haproxy / "haproxy.cfg"),
            "RAY_SERVE_HAPROXY_SOCKET_PATH": str(haproxy / "admin.sock"),
            "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(haproxy / "metrics.sock"),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(haproxy),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(haproxy / "server-state"),
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(self.ports["haproxy_metrics"]),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(self.ports["haproxy_stats"]),
            "SEEDCORE_HOME": str(self.directory / "home"),
            "SEEDCORE_DASHBOARD_URL": self.dashboard,
        }
        return {**inherited, **own, **self.flags}

    def __enter__(self) -> Head:
        self.began = time.monotonic()
        ray = Path(sys.executable).parent / "ray"
        log = (self.directory / "ray-start.log").open("wb")
        command = [
            str(ray), "start", "--head", "--block", f"--node-ip-address={HOST}", f"--port={self.ports['gcs']}",
            f"--ray-client-server-port={self.ports['client']}", f"--dashboard-port={self.ports['dashboard']}",
            f"--dashboard-agent-listen-port={self.ports['agent']}", f"--temp-dir={self.directory}",
            "--include-dashboard=true", "--disable-usage-stats",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT
        )
        try:
            wait_until("the Ray head", self._is_up, START_TIMEOUT_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        end(self.processes())
        shutil.rmtree(self.directory, ignore_errors=True)

    def processes(self) -> list[psutil.Process]:
        """Our ``ray start`` and everything that descends from it, or was started on its directory."""
        if self._process is None:
            return []
        found: dict[int, psutil.Process] = {}
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(self._process.pid)
            found = {each.pid: each for each in (root, *root.children(recursive=True))}
        # A raylet that died, and an HAProxy that was reloaded, leave children whose parent is gone.
        for each in psutil.process_iter():
            with suppress(psutil.Error):
                if str(self.directory) in " ".join(each.cmdline()):
                    found[each.pid] = each
        return list(found.values())

    def deploy(self, config: dict[str, Any]) -> None:
        """Do what ``serve deploy`` does, and wait until every application runs."""
        request = urllib.request.Request(
            f"{self.dashboard}/api/serve/applications/",
            data=json.dumps(config).encode(),
            headers={"Content-Type": "application/json"},
            method="PUT",
        )
        try:
            urllib.request.urlopen(request, timeout=60).close()
        except urllib.error.HTTPError as error:
            raise BenchError(f"deploy refused: {error.read()[:2000].decode(errors='replace')}") from None
        except OSError as error:
            raise BenchError(f"deploy failed: {error!r}") from None
        wait_until("the Serve application", self._serve_runs, DEPLOY_TIMEOUT_S)

    def serve_status(self) -> dict[str, Any]:
        """Applications as Serve sees them, by name."""
        return get_json(f"{self.dashboard}/api/serve/applications/").get("applications", {})

    def _is_up(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            text = (self.directory / "ray-start.log").read_text(errors="replace")
            raise BenchError(f"ray start ended with {self._process.returncode}:\n{text[-2000:]}")
        with suppress(OSError, ValueError):
            return bool(get_json(f"{self.dashboard}/api/version"))
        return False

    def _serve_runs(self) -> bool:
        with suppress(OSError, ValueError):
            applications = self.serve_status()
            for name, each in applications.items():
                if each["status"] in ("DEPLOY_FAILED", "UNHEALTHY"):
                    raise BenchError(f"application {name} is {each['status']}: {each['message']}")
            return bool(applications) and all(each["status"] == "RUNNING" for each in applications.values())
        return False


def wait_until(what: str, is_so: Callable[[], bool], timeout_s: float) -> float:
    """Poll until ``is_so``; returns the seconds it took, raises ``BenchError`` after ``timeout_s``."""
    began = time.monotonic()
    while time.monotonic() - began < timeout_s:
        if is_so():
            return time.monotonic() - began
        time.sleep(0.1)
    raise BenchError(f"{what} was not up after {timeout_s:g} s")


def get_json(url: str, timeout_s: float = 5.0) -> dict[str, Any]:
    """GET a JSON object; raises ``OSError`` or ``ValueError``."""
    with urllib.request.urlopen(url, timeout=timeout_s) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def end(processes: list[psutil.Process], patience_s: float = 8.0) -> None:
    """End processes that we started, politely, then not. Taken as a list before, because orphans lose their parent."""
    for each in processes:
        with suppress(psutil.Error):
            each.terminate()
    _, stubborn = psutil.wait_procs(processes, timeout=patience_s)
    for each in stubborn:
        with suppress(psutil.Error):
            each.kill()
    psutil.wait_procs(stubborn, timeout=patience_s)


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, below the range that the kernel hands out to clients."""
    ports: list[int] = []
    held: list[socket.socket] = []
    candidate = 20000 + (os.getpid() * 37) % 6000
    while len(ports) < count:
        candidate = candidate + 1 if candidate < 29900 else 20000
        sock = socket.socket()
        try:
            sock.bind((HOST, candidate))
        except OSError:
            sock.close()
            continue
        held.append(sock)
        ports.append(candidate)
    for sock in held:
        sock.close()
    return ports


def _short_temp() -> str:
    """Ray's sockets live under its directory, and a socket's path may have at most 107 characters."""
    temp = tempfile.gettempdir()
    return temp if len(temp) < 30 else "/tmp"

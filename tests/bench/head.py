"""A Ray head of its own for each measured system: free ports, a directory of its own, nothing shared, all of it ended.

Only processes of that head are ever looked at or ended; ``ray stop`` would end everyone's.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from random import SystemRandom
from typing import Any

import psutil

from serve_app.deploy.failure import Failure
from serve_app.local import ports, processes, ray_head
from serve_app.local.state import ProcessMark
from serve_app.local.wanted import Wanted
from tests.nodes import clean_environment

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
    """A running Ray head, started as `make up` starts one; use as a context.

    ``flags`` are environment variables that Ray sees from its start.
    """

    def __init__(self, flags: dict[str, str]) -> None:
        self.directory = ray_head.make_temp_dir()
        self.flags = flags
        http, dashboard, gcs = used = free_ports(3)
        self._wanted = Wanted(
            http, dashboard, gcs, self.directory / "home", ROOT / "serve_config.yaml", DEPLOY_TIMEOUT_S
        )
        self._chosen = ports.choose(lambda port: ports.is_free(port) and not _begins_around(port, used), SystemRandom())
        self._marks: tuple[ProcessMark, ...] = ()
        self.began = 0.0
        """When ``ray start`` was called, on the monotonic clock."""

    @property
    def dashboard(self) -> str:
        return self._wanted.dashboard_url

    @property
    def http_port(self) -> int:
        """Where Serve listens when an application is deployed with ``http_options`` of ``serve_config``."""
        return self._wanted.http_port

    @property
    def client_port(self) -> int:
        """Where ``ray://`` clients connect."""
        return self._chosen.ray_client

    @property
    def environment(self) -> dict[str, str]:
        """What Ray and everything under it see: the flags, and places and ports that no other copy uses.

        Events are not exported: systems without the route for them would answer each batch with an error.
        """
        base = {**clean_environment(), "PYTHONPATH": str(ROOT), "SEEDCORE_DASHBOARD_URL": self.dashboard}
        return ray_head.build_environment(base, self.flags, self._wanted, self._chosen, self.directory, None)

    def __enter__(self) -> Head:
        self.began = time.monotonic()
        command = ray_head.build_command(self._wanted, self._chosen, self.directory)
        try:
            ray_head.start(command, self.environment, self.directory / "ray-start.log", lambda: None)
            self._marks = processes.remember_processes(processes.list_head_processes(str(self.directory)))
            wait_until("the Ray head", self._is_up, START_TIMEOUT_S)
        except Failure as failure:
            self.__exit__()
            raise BenchError(failure.render()) from None
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        processes.end_head(str(self.directory), self._marks)
        shutil.rmtree(ray_head.find_own_dir(self.directory), ignore_errors=True)

    def processes(self) -> list[psutil.Process]:
        """Everything that runs in this head."""
        return processes.list_head_processes(str(self.directory), self._marks)

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
        return dict(get_json(f"{self.dashboard}/api/serve/applications/").get("applications", {}))

    def _is_up(self) -> bool:
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


def _begins_around(first: int, used: list[int]) -> bool:
    """Whether a block of ports that begins there would have one in it that is about to be used."""
    return any(first <= port < first + len(fields(ports.ChosenPorts)) + 2 * ports.REPLICA_PORTS for port in used)


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
    found: list[int] = []
    held: list[socket.socket] = []
    candidate = 20000 + (os.getpid() * 37) % 6000
    while len(found) < count:
        candidate = candidate + 1 if candidate < 29900 else 20000
        sock = socket.socket()
        try:
            sock.bind((HOST, candidate))
        except OSError:
            sock.close()
            continue
        held.append(sock)
        found.append(candidate)
    for sock in held:
        sock.close()
    return found

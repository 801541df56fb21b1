"""Plain Ray nodes on this machine, each of which can be killed as if its power had failed."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.integration.cluster import free_ports
from tests.nodes import node_environment, start_node

MARK = "SEEDCORE_TEST_NODE"
# The GCS notices a lost node in some seconds instead of a minute.
QUICK = {
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}


@dataclass(frozen=True)
class Node:
    """One `ray start` and everything that came of it."""

    mark: str

    def processes(self) -> list[psutil.Process]:
        """All living processes that inherited this node's mark, and their children: Ray's agents write their title over
        their environment.
        """
        marked = [process for process in psutil.process_iter() if _mark_of(process) == self.mark]
        found = {process.pid: process for process in marked}
        for process in marked:
            with contextlib.suppress(psutil.Error):
                found |= {child.pid: child for child in process.children(recursive=True)}
        return list(found.values())

    def kill(self) -> None:
        """SIGKILL everything, so that nobody can say goodbye."""
        for _ in range(3):
            for process in self.processes():
                with contextlib.suppress(psutil.Error):
                    process.send_signal(signal.SIGKILL)


@dataclass(frozen=True)
class Nodes:
    """A head, and workers as they are added."""

    directory: Path
    address: str
    dashboard_url: str
    env: dict[str, str]
    started: list[Node]

    def add_worker(self, **resources: float) -> Node:
        """A second raylet on this machine."""
        command = [f"--address={self.address}", "--num-cpus=1", f"--resources={json.dumps(resources)}"]
        return self._start([*command, "--dashboard-agent-listen-port=0"])

    def submit(self, id: str, entrypoint: str, **more: Any) -> None:
        """POST a job."""
        body = {"submission_id": id, "entrypoint": entrypoint, **more}
        httpx.post(f"{self.dashboard_url}/api/jobs/", json=body, timeout=60).raise_for_status()

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Rows of one of the state API's tables."""
        answer = httpx.get(
            f"{self.dashboard_url}/api/v0/{table}", params={"detail": "True", "limit": "1000"}, timeout=30
        )
        rows: list[dict[str, Any]] = answer.json()["data"]["result"]["result"]
        return rows

    def _start(self, arguments: list[str]) -> Node:
        node = Node(uuid.uuid4().hex)
        start_node(arguments, {**self.env, MARK: node.mark}, self.directory / f"{node.mark}.log")
        self.started.append(node)
        return node


@contextlib.contextmanager
def head(choose_env: Callable[[Path], Mapping[str, str]] = lambda directory: {}) -> Iterator[Nodes]:
    """A head without CPUs of its own for jobs to take; everything is ended afterwards.

    ``choose_env`` is given its directory, and what it returns wins over the environment of all nodes.
    """
    directory = Path(tempfile.mkdtemp(prefix="sct-", dir="/tmp"))
    gcs, dashboard, client = free_ports(3)
    env = {**node_environment(directory), **QUICK, **choose_env(directory)}
    nodes = Nodes(directory, f"127.0.0.1:{gcs}", f"http://127.0.0.1:{dashboard}", env, [])
    try:
        nodes._start(
            [
                "--head", "--node-ip-address=127.0.0.1", "--num-cpus=2", f"--port={gcs}",
                f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}",
                "--dashboard-agent-listen-port=0", "--metrics-export-port=0",
                f"--temp-dir={directory}/t",
            ]
        )  # fmt: skip
        address = (directory / "t" / "ray_current_cluster").read_text().strip()
        yield Nodes(directory, address, nodes.dashboard_url, env, nodes.started)
    finally:
        for node in nodes.started:
            node.kill()
        time.sleep(0.5)
        shutil.rmtree(directory, ignore_errors=True)


def wait_for(what: str, condition: Callable[[], Any], timeout_s: float = 90.0) -> Any:
    """Wait for a condition and return its value; errors of the network count as "not yet"."""
    deadline, last = time.monotonic() + timeout_s, "nothing"
    while time.monotonic() < deadline:
        try:
            if value := condition():
                return value
            last = repr(value)
        except (httpx.HTTPError, LookupError, StopIteration) as error:
            last = repr(error)
        time.sleep(0.3)
    raise AssertionError(f"{what}: not within {timeout_s:g} s; last seen: {last[:500]}")


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None

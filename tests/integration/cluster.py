"""One real local cluster for the session, started and ended by the product's own `up` and `down`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.nodes import clean_environment

ROOT = Path(__file__).resolve().parents[2]
UP_TIMEOUT_S = 300
RECOVERIES: list[str] = []
"""How long each recovery took; printed at the end of the run."""
TOKENS = {
    "reader": "reader-token-of-the-tests",
    "executor": "executor-token-of-the-tests",
    "operator": "operator-token-of-the-tests",
}

TOKENS_FILE = "tokens.yaml"
"""In the home: tokens with names, which tests make and revoke."""


@dataclass(frozen=True)
class Cluster:
    """Where the deployed application and its Ray are."""

    http_url: str
    dashboard_url: str
    ray_address: str
    python: str
    env: dict[str, str]
    home: Path

    def api(self, role: str = "operator") -> httpx.Client:
        """A client of the application with the token of a role."""
        headers = {"Authorization": f"Bearer {TOKENS[role]}"} if role in TOKENS else {}
        return httpx.Client(base_url=self.http_url, headers=headers, timeout=40)

    @property
    def logs(self) -> Path:
        """Directory of everything that Ray and Serve wrote."""
        state = json.loads((self.home / "up.json").read_text())
        return Path(state["temp_dir"]) / "session_latest" / "logs"

    def get(self, path: str, **params: Any) -> Any:
        """JSON of a GET as operator; fails on any other status than 200."""
        with self.api() as api:
            answer = api.get(path, params=params)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def execute(self, organ_id: str, task: dict[str, Any]) -> httpx.Response:
        """POST a task to an organ."""
        with self.api() as api:
            return api.post(f"/organism/execute/{organ_id}", json=task)

    def organ(self, organ_id: str) -> dict[str, Any]:
        """One organ of the status."""
        return next(organ for organ in self.get("/organism/status")["data"] if organ["organ_id"] == organ_id)

    def actors(self, needle: str) -> list[dict[str, Any]]:
        """Live actors whose name contains a text, straight from Ray's state API."""
        answer = httpx.get(f"{self.dashboard_url}/api/v0/actors", params={"detail": "1", "limit": "1000"}, timeout=30)
        rows = answer.json()["data"]["result"]["result"]
        return [row for row in rows if row["state"] == "ALIVE" and needle in (row.get("name") or "")]

    def jobs(self) -> list[dict[str, Any]]:
        """Ray's own list of jobs."""
        rows: list[dict[str, Any]] = httpx.get(f"{self.dashboard_url}/api/jobs/", timeout=30).json()
        return rows

    @property
    def driver_env(self) -> dict[str, str]:
        """What `up` tells people to give to their drivers."""
        lines = (self.home / "ray.env").read_text().splitlines()
        told = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        return {**self.env, **told, "RAY_ADDRESS": self.ray_address}

    def run_driver(self, code: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        """Run a Python driver script against this cluster to its end."""
        return subprocess.run(
            [self.python, "-c", code],
            env=self.driver_env,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **kwargs,
        )

    def spawn_driver(self, code: str) -> subprocess.Popen[str]:
        """Start a Python driver script against this cluster."""
        return subprocess.Popen(
            [self.python, "-c", code],
            env=self.driver_env,
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def wait_for(what: str, condition: Callable[[], Any], timeout_s: float = 60.0, period_s: float = 0.2) -> Any:
    """Wait for a condition and return its value; errors of the network count as "not yet"."""
    deadline, last = time.monotonic() + timeout_s, "nothing"
    while time.monotonic() < deadline:
        try:
            value = condition()
            if value:
                return value
            last = repr(value)
        except (httpx.HTTPError, AssertionError, LookupError, ValueError, StopIteration) as error:
            last = repr(error)
        time.sleep(period_s)
    raise AssertionError(f"{what}: not within {timeout_s:g} s; last seen: {last[:500]}")


def kill(pid: int) -> None:
    """SIGKILL, and wait until the process is really gone."""
    process = psutil.Process(pid)
    os.kill(pid, signal.SIGKILL)
    process.wait(timeout=20)


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


@contextmanager
def running(home: Path, extra_env: dict[str, str], checkout: Path = ROOT) -> Iterator[Cluster]:
    """`up`, then `down`; the output of both is printed, so that a failure can be read."""
    http, dashboard, ray = free_ports(3)
    clean = clean_environment()
    env = {
        **clean,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(checkout), clean.get("PYTHONPATH", "")])),
        "SEEDCORE_HTTP_PORT": str(http),
        "SEEDCORE_DASHBOARD_PORT": str(dashboard),
        "SEEDCORE_RAY_PORT": str(ray),
        "SEEDCORE_HOME": str(home),
        **extra_env,
    }
    cluster = Cluster(
        f"http://127.0.0.1:{http}", f"http://127.0.0.1:{dashboard}", f"127.0.0.1:{ray}", sys.executable, env, home
    )
    try:
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "serve_app.local.up"], env=env, cwd=checkout, check=True, timeout=UP_TIMEOUT_S
        )
        print(f"up: {time.monotonic() - began:.1f} s")
        yield cluster
    finally:
        subprocess.run([sys.executable, "-m", "serve_app.local.down"], env=env, cwd=checkout, check=True, timeout=120)

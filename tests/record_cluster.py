"""Record what a real Ray tells about jobs that end in every way we know: ``python -m tests.record_cluster``.

Starts a local Ray head of its own on free ports, deploys a hello application, runs the cases, and writes the answer of
each endpoint to ``tests/unit/recorded/ray-<version>/``. Names, addresses and paths of this machine are replaced. Each
case carries its name in the job's metadata (``case``), so that tests do not depend on the order of job ids.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import ray

OUT = Path(__file__).parent / "unit" / "recorded" / f"ray-{'.'.join(ray.__version__.split('.')[:2])}"
MAX_BYTES = 400_000

HELLO = """
from ray import serve

@serve.deployment(num_replicas=2, ray_actor_options={"num_cpus": 0})
class Hello:
    async def __call__(self, request):
        return "hello"

app = Hello.bind()
"""
CONNECT = (
    "import os, time, ray; "
    "ray.init(address={address!r}, job_config=ray.job_config.JobConfig(metadata={{'case': {case!r}}})); "
)
DRIVERS = {
    "driver-ok": "ray.get(ray.remote(num_cpus=0)(lambda: 1).remote())",
    "driver-exit-3": "raise SystemExit(3)",
    "driver-exception": "{}['no such key']",
    "driver-task-exception": "ray.get(ray.remote(num_cpus=0, max_retries=0)(lambda: 1 / 0).remote())",
    "driver-os-exit": "os._exit(1)",
    "driver-kill-9": "os.kill(os.getpid(), 9)",
    "driver-sigterm": "os.kill(os.getpid(), 15); time.sleep(60)",
}
ENDPOINTS = {
    "version": ("/api/version", {}),
    "jobs": ("/api/jobs/", {}),
    "drivers": (
        "/api/v0/workers",
        {
            "detail": "True",
            "limit": "10000",
            "filter_keys": "worker_type",
            "filter_predicates": "=",
            "filter_values": "DRIVER",
        },
    ),
    "actors": ("/api/v0/actors", {"limit": "10000"}),
    "nodes": ("/api/v0/nodes", {"detail": "True", "limit": "10000"}),
    "serve": ("/api/serve/applications/", {}),
}


def main() -> None:
    """Record, print the size."""
    with tempfile.TemporaryDirectory(prefix="rec-") as directory, head(Path(directory)) as cluster:
        cluster.deploy_hello()
        cluster.run_cases()
        OUT.mkdir(parents=True, exist_ok=True)
        size = sum(save(name, cluster.get(path, params), Path(directory)) for name, (path, params) in ENDPOINTS.items())
        size += save("node_use", measured(cluster.get("/nodes", {"view": "summary"})), Path(directory))
        size += save("tasks", cluster.tasks_of("driver-task-exception"), Path(directory))
    print(f"{OUT}: {size} bytes")
    if size > MAX_BYTES:
        raise SystemExit("too large to keep in the repository")


class Head:
    """The Ray head that is recorded."""

    def __init__(self, directory: Path, ports: dict[str, int], env: dict[str, str]) -> None:
        self.directory = directory
        self.ports = ports
        self.env = env
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{ports['dashboard']}", timeout=60)
        self.address = f"127.0.0.1:{ports['gcs']}"

    def get(self, path: str, params: dict[str, str] | None = None) -> Any:
        """JSON of an endpoint."""
        answer = self.api.get(path, params=params)
        answer.raise_for_status()
        return answer.json()

    def deploy_hello(self) -> None:
        """What `serve deploy` does: PUT a configuration, wait until it runs."""
        config = {
            "http_options": {"host": "127.0.0.1", "port": self.ports["http"]},
            "proxy_location": "HeadOnly",
            "applications": [{"name": "hello", "route_prefix": "/", "import_path": "recorded_hello:app"}],
        }
        self.api.put("/api/serve/applications/", json=config).raise_for_status()
        wait(
            lambda: self.get("/api/serve/applications/")["applications"]["hello"]["status"] == "RUNNING", "hello to run"
        )

    def run_cases(self) -> None:
        """Every case once; drivers one after the other, submissions together."""
        python = shlex.quote(sys.executable)
        self.submit(
            "submission-ok", f"{python} -c {shlex.quote(self.code('submission-ok') + '1')}", {"note": "nightly"}
        )
        self.submit(
            "submission-secret",
            f"PASSWORD=hunter2 {python} -c 'print(1)' --token abcdefgh12345678",
            {"api_key": "canary-key-1"},
        )
        self.submit("submission-no-ray", f"{python} -c 'import sys; sys.exit(\"no configuration\")'")
        self.submit(
            "submission-exit-3", f"{python} -c {shlex.quote(self.code('submission-exit-3') + 'raise SystemExit(3)')}"
        )
        self.submit("coa-failed", f"{python} -c 'raise SystemExit(1)'", {"seedcore.kind": "coa-initialization"})
        self.submit("submission-stopped", "sleep 600")
        self.submit("submission-running", "sleep 600")
        for case, code in DRIVERS.items():
            self.driver(case, code)
        self.client()
        self.prompt("driver-prompt")
        self.api.post("/api/jobs/submission-stopped/stop").raise_for_status()
        wait(
            lambda: all(
                self.status(case) in ("SUCCEEDED", "FAILED", "STOPPED")
                for case in (
                    "submission-ok",
                    "submission-secret",
                    "submission-no-ray",
                    "submission-exit-3",
                    "submission-stopped",
                    "coa-failed",
                )
            ),
            "submissions to end",
        )
        self.submit("coa-succeeded", f"{python} -c pass", {"seedcore.kind": "coa-initialization"})
        wait(lambda: self.status("coa-succeeded") == "SUCCEEDED", "initialization to succeed")
        self.spawn(
            "driver-running",
            "kept = ray.remote(num_cpus=0)(type('Holder', (), {})).options(name='holder').remote(); time.sleep(600)",
        )
        wait(
            lambda: self.find("driver-running") and any(row["name"] == "holder" for row in self.actors()),
            "the last driver",
        )
        time.sleep(3)  # the worker table is written after the job table

    def submit(self, case: str, entrypoint: str, metadata: dict[str, str] | None = None) -> None:
        """POST a job."""
        body = {"submission_id": case, "entrypoint": entrypoint, "metadata": {"case": case, **(metadata or {})}}
        self.api.post("/api/jobs/", json=body).raise_for_status()

    def status(self, submission_id: str) -> str:
        """Ray's word for a submission."""
        return str(self.get(f"/api/jobs/{submission_id}")["status"])

    def code(self, case: str) -> str:
        """Python that connects as this case."""
        return CONNECT.format(address=self.address, case=case)

    def client(self) -> None:
        """A look at the cluster through a Ray client. It takes no job configuration, so the row has no case."""
        code = f"import ray; ray.init('ray://127.0.0.1:{self.ports['client']}'); print(ray.cluster_resources())"
        subprocess.run([sys.executable, "-c", code], env=self.env, cwd=self.directory, check=True, timeout=120)

    def driver(self, case: str, code: str) -> None:
        """Run a driver to its end."""
        done = subprocess.run(
            [sys.executable, "-c", self.code(case) + code],
            env=self.env,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        print(case, done.returncode, done.stderr.splitlines()[-1:])

    def prompt(self, case: str) -> None:
        """An interactive session in which something fails, and which is then left as it should be."""
        print(
            case,
            subprocess.run(
                [sys.executable, "-i"],
                input=f"{self.code(case)}\n1 / 0\nexit()\n",
                env=self.env,
                cwd=self.directory,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            ).returncode,
        )

    def spawn(self, case: str, code: str) -> None:
        """Start a driver that goes on until the head stops."""
        subprocess.Popen(
            [sys.executable, "-c", self.code(case) + code],
            env=self.env,
            cwd=self.directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def actors(self) -> list[dict[str, Any]]:
        """Rows of the actor table."""
        rows: list[dict[str, Any]] = self.get("/api/v0/actors", {"limit": "1000"})["data"]["result"]["result"]
        return rows

    def find(self, case: str) -> dict[str, Any] | None:
        """The job of a case."""
        rows: list[dict[str, Any]] = self.get("/api/jobs/")
        return next((row for row in rows if (row.get("metadata") or {}).get("case") == case), None)

    def tasks_of(self, case: str) -> Any:
        """Summary of the tasks of a case's job."""
        job = self.find(case)
        assert job is not None
        return self.get(
            "/api/v0/tasks/summarize",
            {
                "filter_keys": "job_id",
                "filter_predicates": "=",
                "filter_values": job["job_id"],
                "summary_by": "func_name",
            },
        )


@contextlib.contextmanager
def head(directory: Path) -> Iterator[Head]:
    """Start a head; end what it started."""
    names = ("gcs", "dashboard", "client", "agent", "grpc", "metrics", "http")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    (directory / "recorded_hello.py").write_text(HELLO)
    binaries = str(Path(sys.executable).parent)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "SEEDCORE_"))}
    env |= {"PATH": f"{binaries}:{env['PATH']}", "PYTHONPATH": str(directory), "RAY_USAGE_STATS_ENABLED": "0"}
    before = {process.pid for process in psutil.process_iter()}
    command = [
        f"{binaries}/ray",
        "start",
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
        "--object-store-memory=100000000",
    ]
    subprocess.run(command, env=env, check=True, timeout=120, stdout=subprocess.DEVNULL)
    try:
        cluster = Head(directory, ports, env)
        wait(lambda: cluster.get("/api/v0/nodes")["result"], "the dashboard")
        yield cluster
    finally:
        for process in psutil.process_iter(["cmdline"]):
            ours = str(directory) in " ".join(process.info["cmdline"] or ()) or str(directory) in environment(process)
            if process.pid not in before and ours:
                with contextlib.suppress(psutil.Error):
                    process.send_signal(signal.SIGKILL)
        time.sleep(1)


def environment(process: psutil.Process) -> str:
    """PYTHONPATH and directory of a process, empty when it may not be read."""
    try:
        return process.environ().get("PYTHONPATH", "") + process.cwd()
    except (psutil.Error, OSError):
        return ""


def save(name: str, answer: Any, directory: Path, out: Path = OUT) -> int:
    """Write one answer without the names of this machine; returns its size."""
    text = json.dumps(answer, indent=1, sort_keys=True)
    for word, instead in replacements(directory):
        text = re.sub(rf"(?<![\w.]){re.escape(word)}(?![\w])" if word[0] != "/" else re.escape(word), instead, text)
    (out / f"{name}.json").write_text(text + "\n")
    return len(text)


def measured(answer: Any) -> Any:
    """The summary of nodes without its processes, whose command lines tell about this machine and are not read."""
    kept = ("nodeId", "nodeManagerAddress", "state", "isHeadNode")
    for node in answer["data"]["summary"]:
        node["raylet"] = {name: node["raylet"][name] for name in kept if name in node["raylet"]}
        node["hostname"] = "head.example"
        for process in ("agent", "cmdline", "gcs", "workers"):
            node.pop(process, None)
    return answer


def replacements(directory: Path) -> list[tuple[str, str]]:
    """What must not leave this machine, longest first."""
    addresses = {
        each.address
        for interface in psutil.net_if_addrs().values()
        for each in interface
        if each.family == socket.AF_INET and each.address != "127.0.0.1"
    }
    places = {
        str(directory): "/tmp/recorded",
        sys.executable: "/opt/python/bin/python",
        sys.prefix: "/opt/python",
        sys.base_prefix: "/opt/base",
        str(Path(__file__).resolve().parents[1]): "/srv/seedcore",
        str(Path.home()): "/home/user",
    }
    names = {socket.gethostname(): "head.example", socket.getfqdn(): "head.example", getpass.getuser(): "user"}
    found = {**dict.fromkeys(addresses, "192.0.2.1"), **places, **names}
    return sorted(((word, instead) for word, instead in found.items() if len(word) > 2), key=lambda pair: -len(pair[0]))


def wait(condition: Callable[[], Any], what: str, timeout_s: float = 90) -> None:
    """Wait for a condition; HTTP errors and missing keys count as "not yet"."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError, LookupError):
            if condition():
                return
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


if __name__ == "__main__":
    main()

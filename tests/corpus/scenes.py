"""Ways to record what is no submission that ends by itself: a job that waits, a command, a cluster that is cut off."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.corpus.program import Program
from tests.corpus.recording import ENDED, Recording, Source, collect, log_sizes, recorded, submit
from tests.nodes import apart_environment
from tests.record.cluster import Cluster
from tests.record.nodes import add_node, free_ports, head, wait

WORKER_IP = "127.0.0.2"
AWAY = {"away": 1.0}
# The GCS notices a lost node in some seconds instead of a minute.
QUICK = {
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}
_SETTLE_S = 2.5
_MOST_SERVE_LOGS = 6

Play = Callable[[Cluster, Program], Recording]


def while_it_runs(told: str, seconds: float, then: Callable[[Cluster, str], None] | None = None) -> Play:
    """Record a job that goes on: once its log has ``told``, do ``then``, wait ``seconds``, record, and stop it."""

    def play(cluster: Cluster, program: Program) -> Recording:
        before = log_sizes(cluster)
        submission_id = submit(cluster, program)
        if program.during:
            program.during(cluster, submission_id)
        try:
            if told:
                wait_told(cluster, submission_id, told)
            if then:
                then(cluster, submission_id)
            time.sleep(seconds)
            return collect(cluster, submission_id, program, before)
        finally:
            stop(cluster, submission_id)

    return play


def cut_off(told: str, seconds: float, then: Callable[[Cluster, str], None]) -> Play:
    """Record a job whose cluster no longer answers: its row from before ``then``, and what its files say after."""

    def play(cluster: Cluster, program: Program) -> Recording:
        before = log_sizes(cluster)
        submission_id = submit(cluster, program)
        wait_told(cluster, submission_id, told)
        row = cluster.get(f"/api/jobs/{submission_id}")
        then(cluster, submission_id)
        time.sleep(seconds)
        return collect(cluster, submission_id, program, before, last_row=row)

    return play


def command(line: Callable[[Cluster], Sequence[str]], more_env: Mapping[str, str] | None = None) -> Play:
    """Record what a command printed that is no job, as somebody would send it; it has to fail."""

    def play(cluster: Cluster, program: Program) -> Recording:
        env = cluster.env | dict(more_env or {})
        for name, text in {"main.py": program.source_code, **program.files}.items():
            (cluster.directory / name).write_text(str(text))
        with (cluster.directory / "console.log").open("wb") as log:
            done = subprocess.run(
                list(line(cluster)), env=env, cwd=cluster.directory, stdout=log, stderr=subprocess.STDOUT, timeout=400
            )
        if not done.returncode:
            raise SystemExit(f"{program.id} succeeded")
        return recorded(cluster, program, {}, [_console(cluster)])

    return play


@contextlib.contextmanager
def no_cluster() -> Iterator[Cluster]:
    """A directory and an environment, and no Ray."""
    with tempfile.TemporaryDirectory(prefix="rec-") as name:
        ports = dict(zip(("gcs", "dashboard", "client"), free_ports(3), strict=True))
        yield Cluster(Path(name), ports, apart_environment(Path(name)) | {"RAY_TMPDIR": name})


@contextlib.contextmanager
def two_nodes() -> Iterator[Cluster]:
    """A head, and a worker node with the resource ``away``."""
    with head(QUICK) as cluster:
        add_node(cluster, WORKER_IP, AWAY)
        yield cluster


@contextlib.contextmanager
def small_disk(where: Path, size: str, more_env: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """A head, and a file system of ``size`` at ``where``."""
    where.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(where)], check=True)
    try:
        with head(more_env) as cluster:
            yield cluster
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)
        where.rmdir()


def wait_told(cluster: Cluster, submission_id: str, text: str, timeout_s: float = 60) -> None:
    """Wait until the driver's log has a text."""
    wait(lambda: text in driver_log(cluster, submission_id), f"the driver to tell {text!r}", timeout_s)


def driver_log(cluster: Cluster, submission_id: str) -> str:
    """The driver's log so far."""
    path = cluster.directory / "t" / "session_latest" / "logs" / f"job-driver-{submission_id}.log"
    return path.read_text(errors="replace") if path.exists() else ""


def stop(cluster: Cluster, submission_id: str) -> None:
    """Stop a job, so that the next has the cluster for itself; what is pending cannot be stopped."""
    with contextlib.suppress(httpx.HTTPError, SystemExit):
        cluster.stop(submission_id)
        wait(lambda: cluster.status(submission_id) in ENDED, "the job to stop", 20)


def node_id(cluster: Cluster, ip: str) -> str:
    """The id of the living node at an address."""
    rows = cluster.list("nodes")
    return next(str(row["node_id"]) for row in rows if row["node_ip"] == ip and row["state"] == "ALIVE")


def kill_processes(processes: Sequence[psutil.Process], signum: int = signal.SIGKILL) -> None:
    """Signal all at once."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signum)


def head_process(cluster: Cluster, name: str) -> psutil.Process:
    """A process of the cluster by its name: raylet, gcs_server."""
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == name and str(cluster.directory) in " ".join(process.info["cmdline"] or []):
            return process
    raise SystemExit(f"no {name}")


def serve_sources(cluster: Cluster) -> Iterator[Source]:
    """Serve's status messages, and the logs of its controller and replicas."""
    answer: dict[str, Any] = cluster.get("/api/serve/applications/")
    for name, application in answer["applications"].items():
        yield Source(f"application {name}", "serve", _status(application))
        for deployment_name, deployment in application.get("deployments", {}).items():
            yield Source(f"deployment {deployment_name} of {name}", "serve", _status(deployment))
    logs = sorted((cluster.directory / "t/session_latest/logs/serve").glob("*.log"), key=lambda p: p.stat().st_mtime)
    for path in logs[-_MOST_SERVE_LOGS:]:
        yield Source(f"serve/{path.name}", "serve", path.read_bytes())


def python(cluster: Cluster, *arguments: str) -> list[str]:
    """This Python with arguments."""
    return [sys.executable, *arguments]


def ray(*arguments: str) -> list[str]:
    """The ``ray`` command beside this Python."""
    return [str(Path(sys.executable).parent / "ray"), *arguments]


def _console(cluster: Cluster) -> Source:
    return Source("console.log", "file", (cluster.directory / "console.log").read_bytes())


def _status(plain: Mapping[str, Any]) -> bytes:
    return f"{plain['status']}: {plain.get('message') or ''}\n".encode()

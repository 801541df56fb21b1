"""Measuring a running system: load from a process of its own, CPU time and memory of every process of the system."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace

import psutil

from tests.bench.head import ROOT, BenchError, wait_until
from tests.bench.load import HOST, Result, Shot
from tests.bench.systems import Running

RAW_SECONDS = 2.0
ATTEMPTS = 6
QUIET_CORES = 0.2
"""More than this many cores busy with other programs, and a sample is taken again (it cost 30 % where 0.6 were)."""


@dataclass(frozen=True)
class Sample:
    """One load on one system.

    ``cpu_ms`` is what all processes of the system burned for each request; ``foreign_cores`` is how many cores other
    programs of the machine kept busy meanwhile, which tells how far the figures can be trusted.
    """

    result: Result
    cpu_ms: float
    foreign_cores: float


def sample(
    running: Running, connections: int, seconds: float, warm_up_s: float = 1.0, beside: tuple[Running, ...] = ()
) -> Sample:
    """Load a running system; again, some times, when other programs disturbed, and the least disturbed one counts.

    ``beside`` are systems of ours that idle meanwhile. Raises ``BenchError`` when an answer was wrong.
    """
    best: Sample | None = None
    for _ in range(ATTEMPTS):
        found = _sample_once(running, connections, seconds, warm_up_s, beside)
        if best is None or found.foreign_cores < best.foreign_cores:
            best = found
        if best.foreign_cores < QUIET_CORES:
            break
    assert best is not None
    return best


def _sample_once(
    running: Running, connections: int, seconds: float, warm_up_s: float, beside: tuple[Running, ...]
) -> Sample:
    processes = running.processes()
    idlers = [process for other in beside for process in other.processes()]
    before, idled = cpu_seconds(processes), cpu_seconds(idlers)
    busy, generator = _busy_s(), _children_s()
    began = time.monotonic()
    result = fire(running.shot, connections, seconds, warm_up_s)
    taken_s = time.monotonic() - began
    foreign = _busy_s() - busy - (_children_s() - generator) - _since(idled, idlers)
    spent = _since(before, processes)
    foreign -= spent
    if not result.valid:
        raise BenchError(f"{running.name} at {connections} connections answered wrongly: {result.errors}")
    # The warm-up burned CPU too, at the same rate.
    requests = result.requests * (seconds + warm_up_s) / seconds
    return Sample(result, round(spent / requests * 1e3, 3), round(max(0.0, foreign / taken_s), 3))


def _since(before: dict[int, float], processes: list[psutil.Process]) -> float:
    return sum(after - before.get(pid, 0.0) for pid, after in cpu_seconds(processes).items())


def _busy_s() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def fire(shot: Shot, connections: int, seconds: float, warm_up_s: float) -> Result:
    """Run the load generator as a process of its own."""
    command = [
        sys.executable, "-m", "tests.bench.load", f"--port={shot.port}", f"--method={shot.method}",
        f"--path={shot.path}", f"--body={shot.body.decode()}", f"--expect={json.dumps(shot.expect)}",
        f"--connections={connections}", f"--seconds={seconds}", f"--warm-up={warm_up_s}",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + warm_up_s + 60)
    if not done.stdout:
        raise BenchError(f"the load generator failed: {done.stderr[-1000:]}")
    return Result(**json.loads(done.stdout))


def median(samples: list[Sample]) -> Sample:
    """The median of each figure; what was counted is added up."""
    if not samples:
        raise ValueError("no samples")
    results = [each.result for each in samples]

    def middle(name: str) -> float:
        return round(float(statistics.median(getattr(each, name) for each in results)), 3)

    result = replace(
        results[0],
        requests=sum(each.requests for each in results),
        seconds=round(sum(each.seconds for each in results), 3),
        reconnects=sum(each.reconnects for each in results),
        requests_per_s=middle("requests_per_s"),
        p50_ms=middle("p50_ms"),
        p95_ms=middle("p95_ms"),
        p99_ms=middle("p99_ms"),
        max_ms=middle("max_ms"),
    )
    return Sample(
        result,
        round(statistics.median(each.cpu_ms for each in samples), 3),
        round(statistics.median(each.foreign_cores for each in samples), 3),
    )


def generator_ceiling(port: int, connections: int = 32) -> Result:
    """What the generator reaches against a server that does nothing."""
    server = subprocess.Popen([sys.executable, "-m", "tests.bench.raw", str(port)], cwd=ROOT)
    try:
        shot = Shot(port, "POST", "/", b'{"task_data":{"type":"test_task"}}', {"success": True})
        wait_until("the raw server", lambda: _listens(port), 10)
        return fire(shot, connections, RAW_SECONDS, 0.5)
    finally:
        server.terminate()
        server.wait(10)


def cpu_seconds(processes: list[psutil.Process]) -> dict[int, float]:
    """User and system time so far, by pid; processes that ended are left out."""
    spent: dict[int, float] = {}
    for each in processes:
        with suppress(psutil.Error):
            times = each.cpu_times()
            spent[each.pid] = times.user + times.system
    return spent


@dataclass(frozen=True)
class Share:
    """Processes of one name: how many, resident and unique memory in MB, CPU of one core in percent while idle."""

    name: str
    count: int
    rss_mb: float
    uss_mb: float
    idle_cpu_percent: float


def shares(running: Running, idle_s: float) -> list[Share]:
    """Memory now, and CPU over ``idle_s`` seconds in which nobody asks anything; largest memory first."""
    processes = running.processes()
    before = cpu_seconds(processes)
    time.sleep(idle_s)
    after = cpu_seconds(processes)
    rows: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0, 0.0])
    for each in processes:
        with suppress(psutil.Error):
            memory = each.memory_full_info()
            row = rows[process_name(each)]
            row[0] += 1
            row[1] += memory.rss / 1e6
            row[2] += memory.uss / 1e6
            row[3] += (after.get(each.pid, 0.0) - before.get(each.pid, 0.0)) / idle_s * 100
    found = [
        Share(name, int(row[0]), round(row[1], 1), round(row[2], 1), round(row[3], 2)) for name, row in rows.items()
    ]
    return sorted(found, key=lambda share: -share.uss_mb)


def process_name(process: psutil.Process) -> str:
    """A name that says what a process of a Ray node is for."""
    words = process.cmdline()
    line = " ".join(words)
    if line.startswith(("ray::", "ray-dashboard-")):
        return line.split()[0].split(".")[0]
    known = {
        "gcs_server": "gcs_server", "raylet/raylet": "raylet", "autoscaler/_private/monitor": "autoscaler monitor",
        "ray.util.client.server": "ray client server", "dashboard/dashboard.py": "dashboard",
        "log_monitor": "log monitor", "resource_tracker": "resource tracker", "forkserver": "dashboard forkserver",
        "haproxy": "haproxy", "ray start": "ray start", "tests.bench.old": "uvicorn (old API)",
    }  # fmt: skip
    return next((name for mark, name in known.items() if mark in line), process.name())


def _listens(port: int) -> bool:
    import socket

    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False

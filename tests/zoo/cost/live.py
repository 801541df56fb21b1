"""A running copy of one checkout under so many jobs: CPU, memory, and requests to Ray, counted on their way."""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from serve_app.local import processes
from tests.bench.against.process import make_environment, run_in
from tests.bench.head import BenchError, end, free_ports
from tests.zoo.cost.counting import Counts, run_proxy
from tests.zoo.head import RESOURCES
from tests.zoo.steps import HERE

_UP_TIMEOUT_S = 300.0
_BEGIN_S = 420.0
_SETTLE_S = 40.0
# So many are on their way at once; Ray starts a process for each submission.
_AT_ONCE = 4
_PAUSE_S = 5.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Load:
    """So many submissions that sleep, and so many drivers with an actor and a task each five seconds."""

    submissions: int
    drivers: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured while nothing changed: shares of a core, MB resident, requests a minute by question."""

    running: int
    inspector_cores: float
    inspector_mb: float
    dashboard_cores: float
    dashboard_mb: float
    gcs_cores: float
    requests_per_min: float
    answered_kb_per_min: float
    questions: dict[str, float]
    list_ms: float


def measure_live(root: Path, load: Load, say: Say) -> Figures:
    """Start the copy that lies in ``root``, let the jobs begin, measure, and end it all."""
    with tempfile.TemporaryDirectory(prefix="scz") as home:
        http, dashboard, ray, proxy = free_ports(4)
        counts = Counts()
        env = {
            **make_environment(root), "SEEDCORE_HTTP_PORT": str(http), "SEEDCORE_DASHBOARD_PORT": str(dashboard),
            "SEEDCORE_RAY_PORT": str(ray), "SEEDCORE_HOME": home,
            "SEEDCORE_DASHBOARD_URL": f"http://127.0.0.1:{proxy}", "RAY_OVERRIDE_RESOURCES": json.dumps(RESOURCES),
        }  # fmt: skip
        with run_proxy(proxy, f"http://127.0.0.1:{dashboard}", counts), _run_copy(root, env):
            ours = _Copy(http, dashboard, Path(home))
            with _run_load(ours, env, load, say):
                say(f"  {ours.count_running()} run; {_SETTLE_S:g} s of rest, {load.seconds:g} s of measuring")
                # Until nothing is new any more: then the looks are as far apart as they get.
                time.sleep(_SETTLE_S)
                return _measure(ours, counts, load.seconds)


class _Copy:
    """Where a running copy is asked, and which of its processes are looked at."""

    def __init__(self, http: int, dashboard: int, home: Path) -> None:
        self.home = home
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{http}", timeout=60)
        self.ray = httpx.Client(base_url=f"http://127.0.0.1:{dashboard}", timeout=60)

    def count_running(self) -> int:
        """Jobs that run, by Ray's own list."""
        return len([row for row in self.list_jobs() if row["status"] == "RUNNING"])

    def list_jobs(self) -> list[dict[str, Any]]:
        """Ray's own list."""
        rows: list[dict[str, Any]] = self.ray.get("/api/jobs/").json()
        return rows

    def submit(self, id: str, entrypoint: str) -> None:
        """A submission, without a word to the application."""
        body = {"submission_id": id, "entrypoint": entrypoint}
        self.ray.post("/api/jobs/", json=body).raise_for_status()

    def find_inspector(self) -> psutil.Process:
        """The process of its replica."""
        rows = self.ray.get("/api/v0/actors", params={"detail": "1", "limit": "1000"}).json()
        actors = rows["data"]["result"]["result"]
        pids = [row["pid"] for row in actors if row["state"] == "ALIVE" and "JobInspector" in (row["name"] or "")]
        if len(pids) != 1:
            raise BenchError(f"{len(pids)} replicas of JobInspector are alive")
        return psutil.Process(pids[0])

    def find_processes(self, *words: str) -> list[psutil.Process]:
        """Processes of this head in whose command line one of these words is."""
        temp_dir = json.loads((self.home / "up.json").read_text())["temp_dir"]
        found = []
        for process in processes.list_head_processes(temp_dir):
            with suppress(psutil.Error):
                command = " ".join(process.cmdline())
                if any(word in command for word in words):
                    found.append(process)
        return found


@contextmanager
def _run_copy(root: Path, env: dict[str, str]) -> Iterator[None]:
    try:
        run_in(root, [sys.executable, "-m", "serve_app.local.up"], env, _UP_TIMEOUT_S)
        yield
    finally:
        run_in(root, [sys.executable, "-m", "serve_app.local.down"], env)


@contextmanager
def _run_load(copy: _Copy, env: dict[str, str], load: Load, say: Say) -> Iterator[None]:
    """All that runs, until the end of the block."""
    began, deadline = time.monotonic(), time.monotonic() + _BEGIN_S
    driver_env = {
        **env, **dict(line.split("=", 1) for line in _read_driver_file(copy.home)),
    }  # fmt: skip
    herd = psutil.Popen(
        [sys.executable, str(HERE / "herd.py"), str(load.drivers), str(_PAUSE_S), "zoo=cost"],
        env=driver_env, cwd=copy.home, stdin=-3, stdout=-3, stderr=-3, start_new_session=True,
    )  # fmt: skip
    try:
        for number in range(load.submissions):
            copy.submit(f"cost-{number:03}", "exec sleep 100000")
            _wait(lambda asked=number: copy.count_running() >= asked + 1 - _AT_ONCE, deadline)  # type: ignore[misc]
        wanted = load.submissions + load.drivers
        if not _wait(lambda: copy.count_running() >= wanted, deadline):
            say(f"  this machine bore {copy.count_running()} of {wanted} jobs in {_BEGIN_S:g} s")
        say(f"  begun after {time.monotonic() - began:.0f} s")
        yield
    finally:
        end([*herd.children(recursive=True), herd])


def _read_driver_file(home: Path) -> list[str]:
    lines = (home / "ray.env").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _wait(condition: Callable[[], bool], deadline: float) -> bool:
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError, ValueError):
            if condition():
                return True
        time.sleep(0.3)
    return False


def _measure(copy: _Copy, counts: Counts, seconds: float) -> Figures:
    inspector = [copy.find_inspector()]
    dashboard = copy.find_processes("dashboard/dashboard.py", "ray-dashboard-")
    gcs = copy.find_processes("gcs_server")
    groups = (inspector, dashboard, gcs)
    counts.clear()
    before, began = [_sum_cpu_s(group) for group in groups], time.monotonic()
    time.sleep(seconds)
    took_s = time.monotonic() - began
    cores = [(_sum_cpu_s(group) - first) / took_s for group, first in zip(groups, before, strict=True)]
    asked, size = counts.read()
    minutes = took_s / 60
    return Figures(
        copy.count_running(), round(cores[0], 4), _sum_mb(inspector), round(cores[1], 4), _sum_mb(dashboard),
        round(cores[2], 4), round(sum(asked.values()) / minutes, 1), round(size / 1024 / minutes, 1),
        {name: round(count / minutes, 1) for name, count in asked.items()}, _time_list_ms(copy),
    )  # fmt: skip


def _time_list_ms(copy: _Copy) -> float:
    """Median of ``GET /jobs`` with 100 rows. On a machine that the jobs alone fill, some get no answer: those took as
    long as that was waited for, so the median is never less than it would be with them.
    """
    times = []
    for _ in range(20):
        began = time.perf_counter()
        answered = copy.api.get("/jobs", params={"limit": "100"}).is_success
        times.append((time.perf_counter() - began) * 1000 if answered else math.inf)
    return round(sorted(times)[len(times) // 2], 1)


def _sum_cpu_s(group: list[psutil.Process]) -> float:
    total = 0.0
    for process in group:
        with suppress(psutil.Error):
            total += sum(process.cpu_times()[:2])
    return total


def _sum_mb(group: list[psutil.Process]) -> float:
    total = 0.0
    for process in group:
        with suppress(psutil.Error):
            total += process.memory_info().rss / 1e6
    return round(total, 1)

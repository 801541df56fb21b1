"""What watching costs: CPU of one look over 10 000 ended jobs, and memory over an hour of 50 job changes a second.

The source is simulated: answers come as JSON text, as from Ray's dashboard, and are decoded anew in each look.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from organs.version import ReplicaVersion
from serve_app.cluster.dashboard import Listing
from serve_app.jobs.history.recorder import Recorder
from serve_app.jobs.reading.replica import Replica, Resources
from serve_app.jobs.settings import InspectorConfig
from serve_app.jobs.watch import JobWatch
from tests.bench.jobs.rows import BEGAN_S, SESSION, ray_job, ray_worker

JOBS = 10_000
LOOKS = 15
HOUR_S = 3_600
CHANGES_PER_S = 50
LOOK_EVERY_S = 5


@dataclass(frozen=True)
class Cost:
    """CPU of one look in milliseconds: nothing changed, one job changed, and the very first."""

    unchanged_ms: float
    one_change_ms: float
    first_ms: float


class Cluster:
    """Ray's answers as text; ``jobs`` and ``workers`` may be changed between looks."""

    timeout_s = 5.0

    def __init__(self) -> None:
        self.set([], [])

    def set(self, jobs: Sequence[dict[str, Any]], workers: Sequence[dict[str, Any]]) -> None:
        self._jobs, self._workers = json.dumps(list(jobs)), json.dumps(list(workers))

    async def list_jobs(self) -> list[Any]:
        return list(json.loads(self._jobs))

    async def list_drivers(self) -> Listing:
        return Listing(json.loads(self._workers))

    async def list_actors(self, **equals: str) -> Listing:
        return Listing([])

    async def list_waiting_actors(self) -> Listing:
        return Listing([])

    async def list_nodes(self) -> Listing:
        return Listing([])

    async def get_serve_applications(self) -> dict[str, Any]:
        return {}

    async def summarize_tasks(self, job_id: str) -> dict[str, Any]:
        return {}

    async def list_matching(
        self, table: str, filters: Iterable[tuple[str, str, str]], most_rows: int
    ) -> tuple[list[Any], int]:
        return [], 0

    async def close(self) -> None:
        return None


class Here(Replica):
    job_id: str | None = None
    application = "seedcore"
    ray_version = "2.60.0"
    session = SESSION

    def read_resources(self) -> Resources:
        return {}, {}

    def find_agent_address(self, node_id: str) -> str | None:
        return None

    def list_submission_drivers(self) -> list[dict[str, Any]]:
        return []

    def list_exception_frames(self) -> dict[str, str]:
        return {}

    async def tell_versions(self, deployment: str) -> list[ReplicaVersion]:
        return []


class Shelf:
    """A store that takes everything and keeps nothing, so that only the watch itself is measured."""

    written = 0

    async def save_jobs(self, session: str, records: Sequence[dict[str, Any]]) -> bool:
        self.written += len(records)
        return False

    async def opening(self) -> str:
        return ""

    async def begin_session(self, session: str, place: str) -> list[str]:
        return []

    async def open_sessions(self, current: str) -> list[dict[str, Any]]:
        return []

    async def end_gone_sessions(self, names: Sequence[str]) -> None: ...

    async def open_runs(self, session: str) -> list[str]:
        return []

    async def close_unseen_jobs(self, session: str, keys: Sequence[str]) -> None: ...

    async def close_sessions(self, current: str) -> list[str]:
        return []

    async def forget_jobs(self, kept_days: float, kept_jobs: int, batch: int) -> int:
        return 0

    async def past_runs(self, series: Sequence[str]) -> dict[str, Any]:
        return {}


def cost_of_a_look() -> Cost:
    """Median CPU of looks at 10 000 ended jobs."""
    return asyncio.run(_cost_of_a_look())


async def _cost_of_a_look() -> Cost:
    cluster, now = Cluster(), [datetime.fromtimestamp(BEGAN_S + 2 * JOBS, UTC)]
    recorder = Recorder(Shelf(), SESSION, lambda: now[0])  # type: ignore[arg-type]
    watch = JobWatch(cluster, Here(), recorder, lambda: now[0])  # type: ignore[arg-type]
    jobs, workers = [ray_job(number) for number in range(JOBS)], [ray_worker(number) for number in range(JOBS)]
    cluster.set(jobs, workers)
    first = await _cpu_ms(watch)
    await recorder.write_once()
    unchanged, changed = [], []
    for number in range(LOOKS):
        now[0] += timedelta(seconds=1)
        unchanged.append(await _cpu_ms(watch))
        jobs[number] = ray_job(number, "FAILED")
        cluster.set(jobs, workers)
        changed.append(await _cpu_ms(watch))
        await recorder.write_once()
    await watch.close()
    return Cost(round(statistics.median(unchanged), 1), round(statistics.median(changed), 1), round(first, 1))


async def _cpu_ms(watch: JobWatch) -> float:
    began = time.process_time()
    await watch.get(fresh_for_s=-1)
    return (time.process_time() - began) * 1000


def memory_over_an_hour() -> list[float]:
    """Resident memory in MB at each of twelve moments of an hour with 50 job changes a second."""
    return asyncio.run(_memory_over_an_hour())


async def _memory_over_an_hour() -> list[float]:
    cluster, now = Cluster(), [datetime.fromtimestamp(BEGAN_S, UTC)]
    recorder = Recorder(Shelf(), SESSION, lambda: now[0])  # type: ignore[arg-type]
    watch = JobWatch(cluster, Here(), recorder, lambda: now[0])  # type: ignore[arg-type]
    watch.configure(InspectorConfig(retained_jobs=2_000))
    memory: list[float] = []
    # Half of the changes are starts, half are ends: each job begins, runs for ten seconds, and is forgotten by Ray.
    starts_per_look = CHANGES_PER_S * LOOK_EVERY_S // 2
    looks = HOUR_S // LOOK_EVERY_S
    for look in range(looks):
        now[0] += timedelta(seconds=LOOK_EVERY_S)
        newest = (look + 1) * starts_per_look
        shown = range(max(0, newest - 8 * starts_per_look), newest)
        going = newest - 2 * starts_per_look
        cluster.set(
            [ray_job(number, "RUNNING" if number >= going else "SUCCEEDED") for number in shown],
            [ray_worker(number, number >= going) for number in shown],
        )
        await watch.get(fresh_for_s=-1)
        await recorder.write_once()
        if look % (looks // 12) == looks // 12 - 1:
            memory.append(_resident_mb())
    await watch.close()
    return memory


def _resident_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as statm:
        pages = int(statm.read().split()[1])
    return round(pages * resource.getpagesize() / 1e6, 1)

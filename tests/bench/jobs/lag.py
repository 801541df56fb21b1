"""A real cluster with 300 real jobs: how soon after its end a job is judged, and what the inspector costs at rest."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import psutil

from tests.integration.cluster import Cluster, wait_for

JOBS = 300
# So many that two cores are busy and not drowned.
AT_ONCE = 3
REST_S = 60.0


@dataclass(frozen=True)
class Lag:
    """Seconds from the end that Ray recorded to the judgement that the history recorded."""

    jobs: int
    p50_s: float
    p95_s: float
    most_s: float


def lag_of_ends(cluster: Cluster, say: Callable[[str], None]) -> Lag:
    """Run 300 submissions, some at once, each of a second or less."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda number: _run(cluster, number), range(JOBS)))
    wait_for("the last of the history", lambda: len(_lags(cluster)) == JOBS, 60)
    lags = sorted(_lags(cluster))
    say(f"  {JOBS} jobs run")
    return Lag(JOBS, round(lags[JOBS // 2], 2), round(lags[int(JOBS * 0.95)], 2), round(lags[-1], 2))


def share_of_a_core_at_rest(cluster: Cluster) -> float:
    """CPU seconds of the inspector's process for each second, with all those jobs in the list and nothing going on."""
    (actor,) = cluster.actors("JobInspector")
    process = psutil.Process(actor["pid"])
    time.sleep(35)  # until it has noticed that nothing happens any more
    before, began = sum(process.cpu_times()[:2]), time.monotonic()
    time.sleep(REST_S)
    return round((sum(process.cpu_times()[:2]) - before) / (time.monotonic() - began), 4)


def _run(cluster: Cluster, number: int) -> None:
    id = f"bench-{number:03}"
    code = "true" if number % 10 else "false"
    with httpx.Client(base_url=cluster.dashboard_url, timeout=60) as ray:
        ray.post("/api/jobs/", json={"submission_id": id, "entrypoint": f"sleep 0.3; {code}"}).raise_for_status()
        wait_for(id, lambda: ray.get(f"/api/jobs/{id}").json()["status"] in ("SUCCEEDED", "FAILED"), 120, 0.3)


def _lags(cluster: Cluster) -> list[float]:
    """From the store itself: the first judgement that it had ended, against the end that Ray told."""
    database = sqlite3.connect(f"file:{cluster.home}/seedcore.db?mode=ro", uri=True)
    try:
        rows = database.execute(
            "SELECT jobs.ended_us, MIN(job_transitions.at) FROM jobs JOIN job_transitions USING (key) "
            "WHERE jobs.id LIKE 'bench-%' AND job_transitions.outcome IN ('succeeded', 'failed') GROUP BY key"
        ).fetchall()
    finally:
        database.close()
    return [datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() - ended_us / 1e6 for ended_us, at in rows]

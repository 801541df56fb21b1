"""The inspector of one checkout before a dashboard that is made up: CPU, memory and requests with 1 000 running jobs.

Run as a program, in the checkout that it measures: ``python simulated.py <url> <seconds>``; prints figures as JSON.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from datetime import UTC, datetime
from typing import Any

from serve_app.cluster.dashboard import DashboardClient
from serve_app.jobs.inspector import JobInspector

WARM_UP_S = 20.0


class Here:
    """A replica that runs in no job of the list; what a later version asks besides is answered by nothing."""

    job_id: str | None = "01000000"
    application = "seedcore"
    ray_version = "2.60.0"
    place = None
    session = "session_2026-01-01_00-00-00_000000_1"

    def read_resources(self) -> tuple[dict[str, float], dict[str, float]]:
        return {"CPU": 2000.0}, {"CPU": 1000.0}

    def find_agent_address(self, node_id: str) -> str | None:
        return None

    def list_exception_frames(self) -> dict[str, str]:
        return {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_: {}


async def measure(url: str, seconds: float) -> dict[str, float]:
    """Start it, wait until it has looked at all, and measure so long."""
    here: Any = Here()
    client = DashboardClient(url, 30.0, headers={})
    inspector: Any = JobInspector(None, client, here, lambda: datetime.now(UTC), time.monotonic)
    await inspector.reconfigure({"source_timeout_s": 30.0})
    try:
        await asyncio.sleep(WARM_UP_S)
        print("measuring", file=sys.stderr, flush=True)
        before, began = time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        share = (time.process_time() - before) / (time.monotonic() - began)
        page = await inspector.list_jobs({"limit": 100})
        counted = sum(row["outcome"] == "running" for row in page["items"])
    finally:
        await inspector.close()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return {"cores": round(share, 4), "mb": round(resident, 1), "listed": counted}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(sys.argv[1], float(sys.argv[2])))))

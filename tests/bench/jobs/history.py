"""How long ``GET /jobs`` takes with 1 000, 10 000 and 100 000 jobs in the history, over HTTP, on SQLite."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from serve_app.queries.paging import make_cursor
from serve_app.store.store import Store
from tests.bench.jobs.rows import BEGAN_S, SESSION, records
from tests.integration.cluster import Cluster

SIZES = (1_000, 10_000, 100_000)
REQUESTS = 120
_BATCH = 500


@dataclass(frozen=True)
class Timing:
    """Times of one kind of page, in milliseconds."""

    page: str
    jobs: int
    p50_ms: float
    p95_ms: float


def measure(cluster: Cluster, say: Callable[[str], None]) -> list[Timing]:
    """Fill the history step by step beside the running application, and ask for pages after each step."""
    found, filled = [], 0
    for size in SIZES:
        began = time.monotonic()
        asyncio.run(_fill(f"sqlite:///{cluster.home}/seedcore.db", filled, size - filled))
        filled = size
        say(f"  {size} jobs in the history ({time.monotonic() - began:.0f} s to write)")
        for page, params in _pages(size).items():
            found.append(_timed(cluster, page, size, params))
    return found


async def _fill(url: str, first: int, count: int) -> None:
    store = await Store.open(url, timeout_s=30)
    try:
        for number in range(first, first + count, _BATCH):
            await store.save_jobs(SESSION, records(number, min(_BATCH, first + count - number)))
    finally:
        await store.close()


def _pages(size: int) -> dict[str, dict[str, str]]:
    # Near the end; the very oldest may be forgotten already, since the history keeps 100 000.
    number = max(100, size // 50)
    last = (round((BEGAN_S + number) * 1_000_000), f"raysubmit_{number:016x}@{SESSION}")
    return {
        "first page": {},
        # Ten rows, which the shortest history has too: a page with more rows in it takes longer by that alone.
        "by kind and verdict": {"kind": "nightly", "verdict": "BAD", "limit": "10"},
        "by outcome, since": {"outcome": "failed", "since": _since(300), "limit": "10"},
        "a rare text": {"q": f"--seed {size // 3}"},
        # In every row, and in one of fifty.
        "a frequent text": {"q": "train.py"},
        "a text of one in fifty": {"q": "configs/7.yaml", "limit": "10"},
        "a rare text, by kind": {"q": f"--seed {size // 3 + 1}", "kind": "user,nightly,coa-initialization,observer"},
        "a frequent text, last page": {"q": "train.py", "cursor": make_cursor(last)},
        "last page": {"cursor": make_cursor(last)},
    }


def _since(seconds: float) -> str:
    return datetime.fromtimestamp(BEGAN_S + seconds, UTC).isoformat()


def _timed(cluster: Cluster, page: str, size: int, params: dict[str, str]) -> Timing:
    times = []
    with cluster.api() as api:
        for number in range(REQUESTS + 10):
            began = time.perf_counter()
            answer = api.get("/jobs", params=params)
            took_ms = (time.perf_counter() - began) * 1000
            _require_full(page, answer)
            if number >= 10:
                times.append(took_ms)
    times.sort()
    return Timing(page, size, round(times[len(times) // 2], 1), round(times[int(len(times) * 0.95)], 1))


def _require_full(page: str, answer: httpx.Response) -> None:
    body = answer.json()
    if answer.status_code != 200 or body["degraded"] or not body["items"]:
        raise SystemExit(f"{page}: {answer.status_code} {answer.text[:300]}")

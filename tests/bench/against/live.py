"""Rows of a running copy: the hot path through ingress and organ, and ``GET /jobs`` of 100 rows.

Each side starts its own copy by its own ``up``, and ends it by its own ``down``: what is measured is what it deploys.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.bench.against.comparison import Row
from tests.bench.against.process import PROGRAMS, make_environment, run_in
from tests.bench.head import BenchError, free_ports, wait_until
from tests.bench.load import Result, Shot
from tests.bench.system_load import fire
from tests.bench.systems import BODY, EXPECT, PRODUCT_ORGAN, ask_once

JOBS = 1_000
PAGE = 100
SETTLE_S = 60.0
_UP_TIMEOUT_S = 300.0
_WARM_UP_S = 1.0

ROWS = (
    Row("hot path, 32 connections", "requests/s", more_is_better=True),
    Row("hot path, 32 connections, p50", "ms"),
    Row("hot path, 32 connections, p95", "ms"),
    Row("hot path, 1 connection, p50", "ms"),
    Row("hot path, 1 connection, p95", "ms"),
    Row(f"GET /jobs of {PAGE} rows, 4 connections", "requests/s", more_is_better=True),
    Row(f"GET /jobs of {PAGE} rows, 1 connection, p50", "ms"),
    Row(f"GET /jobs of {PAGE} rows, 1 connection, p95", "ms"),
)


def measure_live_rows(root: Path, seconds: float) -> dict[str, float]:
    """One figure of each row, each load for so many seconds, on a copy of the product that lies in ``root``."""
    with tempfile.TemporaryDirectory(prefix="scb") as home, _run_copy(root, Path(home)) as port:
        hot = Shot(port, "POST", f"/organism/execute/{PRODUCT_ORGAN}", BODY, EXPECT)
        page = Shot(port, "GET", f"/jobs?limit={PAGE}", b"", {"degraded": []})
        run_in(root, [sys.executable, str(PROGRAMS / "fill.py"), f"sqlite:///{home}/seedcore.db", str(JOBS)])
        for shot in (hot, page):
            wait_until(shot.path, partial(ask_once, shot), SETTLE_S)
        many, one = _fire(hot, 32, seconds), _fire(hot, 1, seconds)
        pages, one_page = _fire(page, 4, seconds), _fire(page, 1, seconds)
    figures = (
        many.requests_per_s, many.p50_ms, many.p95_ms, one.p50_ms, one.p95_ms,
        pages.requests_per_s, one_page.p50_ms, one_page.p95_ms,
    )  # fmt: skip
    return {row.name: figure for row, figure in zip(ROWS, figures, strict=True)}


@contextmanager
def _run_copy(root: Path, home: Path) -> Iterator[int]:
    """A copy of the product on ports of its own; yields that of the API."""
    http, dashboard, ray = free_ports(3)
    env = {
        **make_environment(root),
        "SEEDCORE_HTTP_PORT": str(http),
        "SEEDCORE_DASHBOARD_PORT": str(dashboard),
        "SEEDCORE_RAY_PORT": str(ray),
        "SEEDCORE_HOME": str(home),
    }
    try:
        run_in(root, [sys.executable, "-m", "serve_app.local.up"], env, _UP_TIMEOUT_S)
        yield http
    finally:
        run_in(root, [sys.executable, "-m", "serve_app.local.down"], env)


def _fire(shot: Shot, connections: int, seconds: float) -> Result:
    found = fire(shot, connections, seconds, _WARM_UP_S)
    if not found.valid:
        raise BenchError(f"{shot.path} answered wrongly: {json.dumps(found.errors)[:500]}")
    return found

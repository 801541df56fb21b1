"""When a job may be deleted that has just ended. Pure; the clock is passed in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from serve_app.cluster.rows import read_time_ms

# Ray's watcher of a job looks once a second (JOB_MONITOR_LOOP_PERIOD_S in ray/dashboard/modules/job/job_manager.py).
# What is deleted before it has seen the end, it notes anew as FAILED.
SETTLED_S = 3.0


def count_unsettled_s(raw: Mapping[str, Any], now: datetime) -> float:
    """How long until Ray's watcher of a job has certainly seen its end; no clock of another node makes it longer.

    ``raw``: Ray's row. 0 or less: it has.
    """
    ended_at = read_time_ms(raw.get("end_time"))
    return 0.0 if ended_at is None else min(SETTLED_S, SETTLED_S - (now - ended_at).total_seconds())

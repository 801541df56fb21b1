"""What Prometheus is told of jobs and looks: from the latest look as it is, without asking for another."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from serve_app.errors import Unavailable
from serve_app.jobs.history import figures
from serve_app.jobs.history.archive import Archive
from serve_app.jobs.models import JobRow, Known
from serve_app.jobs.reading.poll import Seen
from serve_app.jobs.watch import JobWatch
from serve_app.outcomes import OPEN_OUTCOMES
from serve_app.queries.windows import PUBLISHED_WINDOWS, WINDOWS_S, Window

# Ratios are counted by the store: often enough for who scrapes every 15 to 60 s. Between two counts they are told as
# they were, since Ray forgets a gauge that it is not told for 20 s; what cannot be counted anew is told no longer.
RATIOS_PERIOD_S = 30.0
_RATIOS_KEPT_S = 120.0
_COUNT_TIMEOUT_S = 5.0

Json = dict[str, Any]


class JobMetrics:
    """Gives ``jobs``, ``ended``, ``ratios``, ``look_duration_s``, ``look_age_s`` and ``degraded`` to ``Exposition``."""

    def __init__(self, watch: JobWatch, archive: Archive, clock: Callable[[], float] = time.monotonic) -> None:
        self._watch = watch
        self._archive = archive
        self._clock = clock
        self._endings = Endings()
        self._ratios_at = float("-inf")
        self._asked_at = float("-inf")
        self._ratios: Json | None = None

    async def read_observed(self) -> Json:
        """All that is known; before the first look only that there is none."""
        try:
            seen = await self._watch.get(fresh_for_s=math.inf)
        except Unavailable as error:
            return {"degraded": [error.detail]}
        told: Json = {"look_duration_s": self._watch.cost_s, "look_age_s": self._watch.age_s, "degraded": seen.degraded}
        if isinstance(seen.snapshot.jobs, Known):
            told["jobs"] = [(row.kind, row.outcome.value, row.verdict.value) for row in seen.rows]
            told["ended"] = self._endings.list_new(seen.rows)
            if (ratios := await self._read_ratios(seen)) is not None:
                told["ratios"] = ratios
        return told

    async def _read_ratios(self, seen: Seen) -> Json | None:
        """The latest that could be counted; a store that hangs must not keep all other gauges waiting."""
        if self._clock() - self._asked_at >= RATIOS_PERIOD_S:
            self._asked_at = self._clock()
            try:
                async with asyncio.timeout(_COUNT_TIMEOUT_S):
                    counted = await asyncio.gather(*(self._compute_ratios(seen, each) for each in PUBLISHED_WINDOWS))
            except TimeoutError:
                counted = []
            if counted:
                self._ratios_at, self._ratios = self._clock(), dict(zip(PUBLISHED_WINDOWS, counted, strict=True))
        return self._ratios if self._clock() - self._ratios_at < _RATIOS_KEPT_S else None

    async def _compute_ratios(self, seen: Seen, window: Window) -> Json:
        now = seen.snapshot.taken_at
        since = now - timedelta(seconds=WINDOWS_S[window])
        ended, _ = await self._archive.count_ended(since, now, seen.rows, counts_only=True)
        jobs = figures.compute_figures(ended)["jobs"]
        return {name: jobs[name] for name in ("success_ratio", "error_ratio")}


class Endings:
    """Which jobs have ended since the last time. What had ended before the first is nobody's news."""

    def __init__(self) -> None:
        self._ended: set[str] | None = None

    def list_new(self, rows: list[JobRow]) -> list[tuple[str, str, float | None]]:
        """Kind, outcome and duration of each."""
        ended = {row.key: row for row in rows if row.outcome not in OPEN_OUTCOMES and not row.derived}
        before, self._ended = self._ended, set(ended)
        if before is None:
            return []
        return [(row.kind, row.outcome.value, row.duration_s) for key, row in ended.items() if key not in before]

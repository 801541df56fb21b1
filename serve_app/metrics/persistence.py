"""Figures over time survive a restart: loaded once, then saved once a minute. A store that is down delays both."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from serve_app.background import Loop
from serve_app.errors import AppError
from serve_app.metrics.figures import MetricFigures
from serve_app.metrics.series import KEPT_FOR_S

log = logging.getLogger("ray.serve.seedcore")

PERIOD_S = 60.0
FIRST_PAUSE_S = 2.0
# 200 nodes and some have 110 000 rows (``store.samples``); pages have a thousand.
MOST_PAGES = 150
# Each batch has a thousand rows: after an hour without a store 200 nodes have twelve batches.
MOST_BATCHES = 20
_LAST_TIMEOUT_S = 2.0

Load = Callable[[int, list[Any] | None], Awaitable[dict[str, Any]]]
Save = Callable[[list[dict[str, Any]]], Awaitable[Any]]


class Keeper:
    """Runs beside the inspector's looks; ``load`` and ``save`` are the store's ``load_samples`` and ``save_samples``,
    with a deadline, and raise an ``AppError`` when it does not answer."""

    def __init__(
        self,
        figures: MetricFigures,
        load: Load,
        save: Save,
        now: Callable[[], datetime],
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._figures = figures
        self._load = load
        self._save = save
        self._now = now
        self._pause = pause
        self._restored = False
        self._loop = Loop("keeping figures over time", self._run)

    def start(self) -> None:
        """Begin; does nothing when begun."""
        self._loop.start()

    def require_alive(self) -> None:
        """Raise when keeping has ended, which it never should."""
        self._loop.require_alive()

    async def close(self) -> None:
        """Stop, and try once more to save; at most the last minute is lost."""
        if self._loop.is_begun:
            await self._loop.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_TIMEOUT_S):
                    await self.keep()

    async def keep(self) -> None:
        """Restore when that is still to be done, then save what has changed; a failure is for the next time."""
        try:
            if not self._restored:
                await self._restore()
            for _ in range(MOST_BATCHES):
                rows = self._figures.list_unsaved()
                if not rows:
                    break
                await self._save(rows)
                self._figures.confirm_saved()
        except AppError as error:
            log.info("figures over time wait: %s", error.detail, extra={"action": "samples_wait"})

    async def _restore(self) -> None:
        """All pages or none: to begin again after half of them would count that half twice."""
        now = self._now()
        rows: list[dict[str, Any]] = []
        after: list[Any] | None = None
        for _ in range(MOST_PAGES):
            page = await self._load(int(now.timestamp()) - KEPT_FOR_S, after)
            rows.extend(page["items"])
            after = page["next"]
            if after is None:
                break
        strange = self._figures.restore(rows, now)
        self._figures.finish_restoring()
        self._restored = True
        log.info(
            "figures over time restored",
            extra={"action": "samples_restored", "rows": len(rows), "left_out": strange, "complete": after is None},
        )

    async def _run(self) -> None:
        await self._pause(FIRST_PAUSE_S)
        while True:
            await self.keep()
            await self._pause(PERIOD_S)

"""Trails of quiet jobs in the store, so that a job's silence is not forgotten when this process begins anew."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from serve_app.errors import AppError
from serve_app.jobs.progress.looks.trail import Trail, parse_trail, render_trail

log = logging.getLogger("ray.serve.seedcore")

# A job that moved later than this before it was looked at last begins anew without a loss.
_QUIET_FOR = timedelta(seconds=30)
_WRITTEN_EVERY = timedelta(seconds=30)
# As many as the store takes (``store.trails``); the quietest.
MOST_KEPT = 1_000


class TrailStore(Protocol):
    """What is asked of the store."""

    async def save_trails(self, session: str, kept: Mapping[str, Any]) -> None: ...

    async def load_trails(self, session: str) -> dict[str, Any]: ...


class Keeper:
    """Writes now and then; raises nothing for a store that does not take it, which is asked again."""

    def __init__(self, store: TrailStore, session: str) -> None:
        self._store = store
        self._session = session
        self._written_at: datetime | None = None
        self._has_any = True

    async def load(self) -> Mapping[str, Trail]:
        """What is known of the jobs of this session; raises ``Unavailable``."""
        kept = await self._store.load_trails(self._session)
        parsed = {str(id): parse_trail(content) for id, content in kept.items()}
        return {id: trail for id, trail in parsed.items() if trail is not None}

    async def offer(self, trails: Mapping[str, Trail], now: datetime, *, last: bool = False) -> None:
        """Take these as all that is known; ``last``: there will be no more."""
        if not last and self._written_at is not None and now - self._written_at < _WRITTEN_EVERY:
            return
        quiet = [(id, trail) for id, trail in trails.items() if trail.looked_at - trail.moved_at >= _QUIET_FOR]
        quiet.sort(key=lambda each: each[1].moved_at)
        if not quiet and not self._has_any:
            return
        try:
            await self._store.save_trails(self._session, {id: render_trail(each) for id, each in quiet[:MOST_KEPT]})
        except AppError as error:
            log.info("what is known of quiet jobs is not kept: %s", error.detail, extra={"action": "trails_not_kept"})
        else:
            self._has_any = bool(quiet)
        self._written_at = now

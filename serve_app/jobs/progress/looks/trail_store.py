"""Trails of jobs that are quiet in one way or all in the store, so that silence outlives this process."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Protocol

from serve_app.cluster.rows import read_amount, read_items, read_number, read_text, read_time_s
from serve_app.errors import AppError
from serve_app.jobs.progress.looks.trail import Measured, Trail

log = logging.getLogger("ray.serve.seedcore")

# A job of which each sort of sign is later than this before it was looked at last begins anew without a loss.
_QUIET_FOR = timedelta(seconds=30)
_WRITTEN_EVERY = timedelta(seconds=30)
# As many as the store takes (``store.trails``); the quietest.
MOST_KEPT = 1_000


class TrailStore(Protocol):
    """What is asked of the store."""

    async def save_trails(self, session: str, kept: Mapping[str, Any]) -> None: ...

    async def load_trails(self, session: str) -> dict[str, Any]: ...


class TrailArchive:
    """Writes now and then; raises nothing for a store that does not take it, which is asked again."""

    def __init__(self, store: TrailStore, session: str) -> None:
        self._store = store
        self._session = session
        self._written_at: datetime | None = None
        self._has_any = False

    async def load(self) -> Mapping[str, Trail]:
        """What is known of the jobs of this session; raises ``Unavailable``."""
        kept = await self._store.load_trails(self._session)
        self._has_any = bool(kept)
        parsed = {str(id): parse_trail(content) for id, content in kept.items()}
        return {id: trail for id, trail in parsed.items() if trail is not None}

    async def offer(self, trails: Mapping[str, Trail], now: datetime, *, last: bool = False) -> None:
        """Take these as all that is known; ``last``: there will be no more."""
        before = self._written_at
        # Of a clock that was set back since, nothing was written for long.
        if not last and before is not None and timedelta(0) <= now - before < _WRITTEN_EVERY:
            return
        known = trails.items()
        quiet = [(id, each) for id, each in known if each.looked_at - _find_oldest_sign(each) >= _QUIET_FOR]
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


def _find_oldest_sign(trail: Trail) -> datetime:
    """Since when a sign of one sort is missing: of one that is busy it counts since when it is silent, and waits."""
    return min(trail.moved_at, trail.spoke_at, trail.worked_at)


def render_trail(trail: Trail) -> dict[str, Any]:
    """As the store keeps it; ``parse_trail`` reads it."""
    times = {name: getattr(trail, name).timestamp() for name in _TIMES}
    processes = {key: [each.at_s, each.used_s, each.finished] for key, each in trail.processes.items()}
    tree = None if trail.tree is None else list(asdict(trail.tree).values())
    texts = {"tasks": trail.tasks, "actors": trail.actors}
    log = {"log_bytes": trail.log_bytes, "log_by_ray_bytes": trail.log_by_ray_bytes}
    return {**times, **texts, **log, "processes": processes, "tree": tree}


def parse_trail(kept: Any) -> Trail | None:
    """A trail as it was kept; None for one that cannot be read, which so begins anew."""
    fields = dict(read_items(kept))
    first_at, looked_at, moved_at, spoke_at, worked_at = (read_time_s(fields.get(name)) for name in _TIMES)
    if first_at is None or looked_at is None or moved_at is None or spoke_at is None or worked_at is None:
        return None
    measured = {str(key): _parse_measured(value) for key, value in read_items(fields.get("processes"))}
    return Trail(
        first_at,
        looked_at,
        moved_at,
        spoke_at,
        worked_at,
        tasks=read_text(fields.get("tasks")) or "",
        actors=read_text(fields.get("actors")) or "",
        processes={key: value for key, value in measured.items() if value is not None},
        log_bytes=read_number(fields.get("log_bytes")),
        log_by_ray_bytes=read_number(fields.get("log_by_ray_bytes")) or 0,
        tree=_parse_measured(fields.get("tree")),
    )


_TIMES = ("first_at", "looked_at", "moved_at", "spoke_at", "worked_at")


def _parse_measured(value: Any) -> Measured | None:
    row = value if isinstance(value, list) and len(value) == len(("at_s", "used_s", "finished")) else []
    numbers = [read_amount(each) for each in row]
    if not numbers or None in numbers:
        return None
    at_s, used_s, finished = (each for each in numbers if each is not None)
    return Measured(at_s, used_s, int(finished))

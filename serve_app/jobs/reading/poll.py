"""The latest look at the cluster: kept fresh, taken once at a time, and kept when Ray does not answer.

However many ask, at most one look is under way. Who asks waits for it only so long as there is nothing older to answer
with; what is older says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from serve_app.background import Loop
from serve_app.errors import Unavailable
from serve_app.jobs.models import JobRow, Known, Snapshot, Unknown
from serve_app.outcomes import OPEN_OUTCOMES

log = logging.getLogger("ray.serve.seedcore")

_PATIENCE_S = 1.0
# Someone asks for a job that was made since the latest look: look again, but not for every wrong id.
_FRESH_FOR_A_MISS_S = 0.5
# After a change of ours that something is not there is waited for longer: it would be a wrong 404.
_PATIENCE_FOR_A_MISS_S = 4.0
# Looking must not become all that this process does, nor all that the dashboard does.
_REST_PER_CPU = 4
_REST_PER_LOOK = 1
_MANY_JOBS = 500
# After the last change, looks stay frequent for so long: jobs come in crowds.
_BUSY_FOR_S = 30.0
_RUNNING_SHARE = 2.0
_GATHER_S = 0.2


class Pace(Protocol):
    """How often to look, and how long Ray may take: ``user_config`` of the inspector has these."""

    @property
    def poll_period_s(self) -> float: ...

    @property
    def busy_poll_period_s(self) -> float: ...

    @property
    def fresh_for_s(self) -> float: ...

    @property
    def source_timeout_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """A snapshot, its rows newest first, what is missing or old in it, and whether Ray answered the latest look."""

    snapshot: Snapshot
    rows: list[JobRow]
    by_key: dict[str, JobRow]
    degraded: list[str]
    answered: bool


class Latest:
    """Holds the latest ``Seen`` and renews it, on a period and on demand."""

    def __init__(
        self,
        look: Callable[[Snapshot | None], Awaitable[Snapshot]],
        config: Pace,
        *,
        judge: Callable[[Snapshot], list[JobRow]],
        seen: Callable[[Snapshot, list[JobRow]], bool] = lambda snapshot, rows: False,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``judge`` makes the rows of a snapshot; ``seen`` is told of them and says whether anything changed."""
        self.config = config
        self._look = look
        self._judge = judge
        self._seen = seen
        self._clock = clock
        self._cpu = cpu
        self._pause = pause
        self._snapshot: Snapshot | None = None
        self._rows: list[JobRow] = []
        self._by_key: dict[str, JobRow] = {}
        self._changed = float("-inf")
        self._nudged = asyncio.Event()
        self._taken = float("-inf")
        self._outdated = float("-inf")
        self._cost_s = 0.0
        self._cpu_s = 0.0
        self._ended = float("-inf")
        self._failure: str | None = None
        self._looking: asyncio.Task[None] | None = None
        self._loop = Loop("the poll loop", self._poll)

    def start(self) -> None:
        """Begin to look on a period; does nothing when begun."""
        self._loop.start()

    @property
    def is_running(self) -> bool:
        """Whether the period goes on."""
        return self._loop.is_running

    def require_alive(self) -> None:
        """Raise when the period has ended, which it never should."""
        self._loop.require_alive()

    async def close(self) -> None:
        """Stop looking."""
        await self._loop.close()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def get(self, *, fresh_for_s: float | None = None) -> Seen:
        """The latest look, renewed when it is older than ``fresh_for_s``; raises ``Unavailable`` when there is none."""
        fresh_for_s = self.config.fresh_for_s if fresh_for_s is None else fresh_for_s
        waited = True
        if self._clock() - self._taken > fresh_for_s:
            waited = await self._wait_for_look(
                2 * self.config.source_timeout_s if self._snapshot is None else _PATIENCE_S
            )
        return self._tell(waited=waited)

    async def get_for_miss(self) -> Seen:
        """A look young enough to say that something is not there; raises ``Unavailable`` when there is none.

        What was changed through this application is in it: see ``outdate``.
        """
        seen = await self.get(fresh_for_s=_FRESH_FOR_A_MISS_S)
        # Twice: a look that was under way began before the change, and the next one did not.
        for _ in range(2):
            if self._taken >= self._outdated:
                break
            waited = await self._wait_for_look(_PATIENCE_FOR_A_MISS_S)
            seen = self._tell(waited=waited)
            if not waited:
                break
        return seen

    def outdate(self) -> None:
        """Jobs were changed through this application: what was seen before cannot say that one is not there."""
        self._outdated = self._clock()
        self.nudge()

    def nudge(self) -> None:
        """Something has happened: look now instead of at the end of the period."""
        self._changed = self._clock()
        self._nudged.set()

    @property
    def age_s(self) -> float:
        """Seconds since Ray last answered."""
        return self._clock() - self._taken

    @property
    def cost_s(self) -> float:
        """How long the last look took."""
        return self._cost_s

    async def _wait_for_look(self, patience_s: float) -> bool:
        _, pending = await asyncio.wait({self._begin()}, timeout=patience_s)
        return not pending

    def _tell(self, *, waited: bool) -> Seen:
        if self._snapshot is None:
            raise Unavailable(self._failure or "Ray has not answered yet.", code="ray_unavailable")
        degraded = [*self._list_stale(answered=waited), *self._snapshot.degraded]
        return Seen(self._snapshot, self._rows, self._by_key, degraded, self._failure is None)

    def _list_stale(self, *, answered: bool) -> list[str]:
        age_s = self._clock() - self._taken
        if self._failure is not None:
            return [f"Ray has not answered for {age_s:.0f} s: {self._failure}"]
        return [] if answered else [f"Ray answers slowly; this is {age_s:.0f} s old."]

    def _begin(self) -> asyncio.Task[None]:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._renew())
            self._looking.add_done_callback(self._report)
        return self._looking

    async def _renew(self) -> None:
        began, cpu_began = self._clock(), self._cpu()
        try:
            snapshot = await self._look(self._snapshot)
        finally:
            if began >= self._outdated:
                # Also when Ray did not answer: who asks for what only the history knows shall not wait for ever.
                self._outdated = float("-inf")
        before = self._snapshot
        if isinstance(snapshot.jobs, Unknown):
            self._say(snapshot.jobs.reason)
            # Old jobs with their time are worth more than none; before the first list, anything is.
            if (before is not None and isinstance(before.jobs, Known)) or not _tells_anything(snapshot):
                return
        else:
            self._say(None)
        many = isinstance(snapshot.jobs, Known) and len(snapshot.jobs.value) > _MANY_JOBS
        rows = await asyncio.to_thread(self._judge, snapshot) if many else self._judge(snapshot)
        self._snapshot, self._rows, self._taken = snapshot, rows, began
        self._by_key = {row.key: row for row in rows}
        if self._seen(snapshot, rows):
            self._changed = self._clock()
        self._ended = self._clock()
        self._cost_s, self._cpu_s = self._ended - began, self._cpu() - cpu_began

    def _report(self, looking: asyncio.Task[None]) -> None:
        if not looking.cancelled() and (error := looking.exception()) is not None:
            self._failure = f"looking failed ({type(error).__name__})"
            log.error("looking at the cluster failed", extra={"action": "look_failed"}, exc_info=error)

    def _say(self, failure: str | None) -> None:
        if (failure is None) != (self._failure is None):
            action = "ray_answers" if failure is None else "ray_does_not_answer"
            log.info("%s", failure or "Ray answers.", extra={"action": action})
        self._failure = failure

    async def _poll(self) -> None:
        while True:
            # Its errors are reported where it ends; the period goes on.
            await asyncio.wait({self._begin()})
            await self._wait(self._choose_period_s())

    def _choose_period_s(self) -> float:
        """Short while jobs come and go, longer while some only run, longest at rest; never most of our time."""
        config = self.config
        if self._clock() - self._changed < _BUSY_FOR_S:
            wanted = config.busy_poll_period_s
        elif any(row.outcome in OPEN_OUTCOMES and not row.hidden and not row.derived for row in self._rows):
            wanted = min(config.poll_period_s, _RUNNING_SHARE * config.busy_poll_period_s)
        else:
            wanted = config.poll_period_s
        return max(wanted, self._rest_s)

    @property
    def _rest_s(self) -> float:
        return max(_REST_PER_CPU * self._cpu_s, _REST_PER_LOOK * self._cost_s)

    async def _wait(self, period_s: float) -> None:
        """Wait for the period, or until something has happened."""
        sleeping = asyncio.ensure_future(self._pause(period_s))
        nudged = asyncio.ensure_future(self._nudged.wait())
        try:
            await asyncio.wait({sleeping, nudged}, return_when=asyncio.FIRST_COMPLETED)
            if sleeping.done():
                sleeping.result()
            elif self._cost_s > 0:
                # Many events are one look: what comes in this time is seen by it too. In a big cluster something
                # happens all the time, and looks must rest as long after each other as they do without events.
                await self._pause(max(_GATHER_S, self._rest_s - (self._clock() - self._ended)))
        finally:
            sleeping.cancel()
            nudged.cancel()
            self._nudged.clear()


def _tells_anything(snapshot: Snapshot) -> bool:
    return any(isinstance(each, Known) for each in (snapshot.nodes, snapshot.actors, snapshot.serve))

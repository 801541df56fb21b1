"""Stopping a submission, and watching until it is really over.

Ray's supervisor sends SIGTERM to the command and its children, after 3 s SIGKILL, and then says STOPPED without looking
again (ray/dashboard/modules/job/job_supervisor.py). So Ray's word alone does not prove the end; the driver's own row in
the worker table does. A second stop changes nothing there: the supervisor goes on by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from organs.times import format_time
from serve_app.cluster.dashboard import Listing
from serve_app.errors import NotFound, Unavailable
from serve_app.jobs.reading.rows import parse_driver_exits
from serve_app.outcomes import ENDED_STATUSES
from serve_app.schemas.changes import StopAnswer, StopStep

Json = dict[str, Any]

_LOOK_AGAIN_S = 0.5
_SUPERVISOR_GRACE_S = 3


class StopSource(Protocol):
    """The questions that a stop asks; ``dashboard.DashboardClient`` answers them."""

    async def get_job(self, submission_id: str) -> Json: ...

    async def stop_job(self, submission_id: str) -> bool: ...

    async def list_drivers(self) -> Listing: ...


@dataclass
class Stop:
    """One stop of one submission."""

    client: StopSource
    submission_id: str
    now: Callable[[], datetime]
    clock: Callable[[], float]
    pause: Callable[[float], Awaitable[None]]
    steps: list[StopStep] = field(default_factory=list)
    _status: str = ""
    _driver_gone: bool | None = None
    _told: bool = True
    _connected: bool = True

    async def run(self, wait_s: float) -> StopAnswer:
        """Ask Ray to stop it, and watch for at most ``wait_s`` seconds; the answer says how far it got."""
        deadline = self.clock() + wait_s
        self._told = asked = await self.client.stop_job(self.submission_id)
        self._note(
            f"Ray's supervisor was told: SIGTERM now, SIGKILL after {_SUPERVISOR_GRACE_S} s."
            if asked
            else "Ray has no supervisor for it any more, so there was nobody to tell."
        )
        await self._look()
        while not self._over and self.clock() < deadline:
            await self.pause(_LOOK_AGAIN_S)
            await self._look()
        return self.answer(already=False)

    async def look_only(self) -> StopAnswer:
        """The same answer for a job that is over already."""
        await self._look()
        return self.answer(already=True)

    def answer(self, *, already: bool) -> StopAnswer:
        """How far it got."""
        return {
            "id": self.submission_id,
            "submission_id": self.submission_id,
            "status": self._status,
            "stopped": self._over,
            "already": already,
            "driver_gone": self._driver_gone,
            "steps": self.steps,
            "sentence": self._describe(already),
        }

    @property
    def _over(self) -> bool:
        """Ended by Ray's word, and nothing says that the driver lives, or could still say so."""
        return self._status in ENDED_STATUSES and (self._driver_gone is True or not self._connected)

    async def _look(self) -> None:
        try:
            raw = await self.client.get_job(self.submission_id)
            drivers = await self.client.list_drivers()
        except NotFound:
            self._note_seen("GONE", None, connected=False)
            return
        except Unavailable as error:
            # That Ray cannot be asked says nothing about the job.
            self._note(error.detail)
            return
        job_id = str(raw.get("job_id") or "")
        row = parse_driver_exits(drivers.rows).get(job_id)
        gone = None if row is None or row.overwritten else not row.is_alive
        self._note_seen(str(raw.get("status") or ""), gone, connected=bool(job_id))

    def _note_seen(self, status: str, gone: bool | None, *, connected: bool) -> None:
        if status != self._status:
            self._note(f"Ray says {status}.")
        if gone is True and self._driver_gone is not True:
            self._note("The worker table has the end of its driver.")
        self._status, self._driver_gone, self._connected = status, gone, connected

    def _note(self, what: str) -> None:
        if not self.steps or self.steps[-1]["what"] != what:
            self.steps.append({"at": format_time(self.now()), "what": what})

    def _describe(self, already: bool) -> str:
        if self._over:
            began = "It was over already" if already else "It is over"
            if not self._connected:
                return f"{began} ({self._status}). It never connected to Ray, so only Ray's supervisor tells this."
            return f"{began} ({self._status}), and its driver is gone."
        if self._status in ENDED_STATUSES:
            if self._driver_gone is False:
                return f"Ray says {self._status}, but its driver is still alive by the worker table; look again."
            return f"Ray says {self._status}; whether its driver is gone is not known: the worker table does not tell."
        if self._status == "PENDING" and not self._told:
            return "It has not started, and Ray has no supervisor for it that could be told; look again."
        if self._status == "PENDING":
            return "It has not started, and its supervisor does what it was told only once it starts; look again."
        if not self._status:
            return "Ray could not be asked what became of it; look again."
        return (
            f"Ray says {self._status} still. Its supervisor goes on by itself; asking again does not hurry it, "
            "but tells how far it got."
        )

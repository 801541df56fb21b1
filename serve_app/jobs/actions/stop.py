"""Stopping a submission, and watching until it is really over.

Ray's supervisor sends SIGTERM to the command and its children, after 3 s SIGKILL, and then says STOPPED without looking
again (ray/dashboard/modules/job/job_supervisor.py). So Ray's word alone does not prove the end; the job table does,
which knows each driver of the submission, or the driver's own row in the worker table. That row is overwritten when a
driver ends by an exception; an exit code of the command proves the end then. A second stop changes nothing there: the
supervisor goes on by itself.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from organs.times import format_time
from serve_app.cluster.dashboard import Listing
from serve_app.cluster.rows import read_time_ms
from serve_app.errors import NotFound, Unavailable
from serve_app.jobs.drivers import DriverRun, select_own
from serve_app.jobs.models import DriverExit
from serve_app.jobs.reading.rows import parse_driver_exits
from serve_app.outcomes import ENDED_STATUSES
from serve_app.schemas.changes import StopAnswer, StopStep

Json = dict[str, Any]

_LOOK_AGAIN_S = 0.5
# The supervisor's environment has it from the job's ``env_vars``, or else from its node; ours is the head's.
GRACE_VARIABLE = "RAY_JOB_STOP_WAIT_TIME_S"
_GRACE_S = 3


# The drivers of all runs with a submission id as Ray's job table has them now, the first first; none where it does not
# tell.
ListDrivers = Callable[[str], Awaitable[tuple[DriverRun, ...]]]


class StopSource(Protocol):
    """The questions that a stop asks; ``dashboard.DashboardClient`` answers them."""

    async def get_job(self, submission_id: str) -> Json: ...

    async def stop_job(self, submission_id: str) -> bool: ...

    async def list_drivers(self) -> Listing: ...


@dataclass
class Stop:
    """One stop of one submission. ``asked_at``: when it was first asked for, None before or if that is not known;
    ``grace_s``: after so many seconds Ray's supervisor kills what has not ended.
    """

    client: StopSource
    submission_id: str
    now: Callable[[], datetime]
    clock: Callable[[], float]
    pause: Callable[[float], Awaitable[None]]
    drivers: ListDrivers
    asked_at: datetime | None = None
    grace_s: int = _GRACE_S
    steps: list[StopStep] = field(default_factory=list)
    _status: str = ""
    _driver_gone: bool | None = None
    _told: bool = True
    _connected: bool = True
    _living: tuple[DriverRun, ...] = ()
    _table: str = "worker"
    _by_force: bool | None = None

    async def run(self, wait_s: float) -> StopAnswer:
        """Ask Ray to stop it, and watch for at most ``wait_s`` seconds; the answer says how far it got."""
        deadline = self.clock() + wait_s
        self.asked_at = self.asked_at or self.now()
        self._told = asked = await self.client.stop_job(self.submission_id)
        self._note(
            f"Ray's supervisor was told: SIGTERM now, SIGKILL after {self.grace_s} s."
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
            "by_force": self._by_force,
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
        exits = parse_driver_exits(drivers.rows)
        every = await self.drivers(self.submission_id)
        known = select_own(every, read_time_ms(raw.get("start_time")))
        if job_id in {each.job_id for each in every} - {each.job_id for each in known}:
            # Of a run before with its id, which Ray's row names as long as this one has none.
            job_id = ""
        self._living = select_living(known, exits)
        if known:
            self._table = "job"
            gone: bool | None = not self._living
        else:
            row = exits.get(job_id)
            gone = None if row is None or row.overwritten else not row.is_alive
            if gone is None and row is not None and isinstance(raw.get("driver_exit_code"), int):
                gone = True
        self._by_force = tell_force(raw, self.asked_at, self.now(), self.grace_s)
        self._note_seen(str(raw.get("status") or ""), gone, connected=bool(job_id) or bool(known))

    def _note_seen(self, status: str, gone: bool | None, *, connected: bool) -> None:
        if status != self._status:
            self._note(f"Ray says {status}.")
        if gone is True and self._driver_gone is not True:
            self._note(f"The {self._table} table has the end of its driver.")
        self._status, self._driver_gone, self._connected = status, gone, connected

    def _note(self, what: str) -> None:
        if not self.steps or self.steps[-1]["what"] != what:
            self.steps.append({"at": format_time(self.now()), "what": what})

    def _describe(self, already: bool) -> str:
        if self._over:
            began = f"It was over already ({self._status})" if already else f"It is over ({self._status})"
            forced = (
                f" It was ended by force (SIGKILL): it had not ended {self.grace_s} s after SIGTERM; "
                f"{GRACE_VARIABLE} in its env_vars gives it longer."
                if self._by_force
                else ""
            )
            if not self._connected:
                return f"{began}. It never connected to Ray, so only Ray's supervisor tells this.{forced}"
            return f"{began}, and its driver is gone.{forced}"
        if self._status in ENDED_STATUSES:
            if self._driver_gone is False:
                which = f" ({describe_process(self._living[-1])})" if self._living else ""
                return (
                    f"Ray says {self._status}, but its driver{which} is still alive by the worker table; look again. "
                    "If it stays, a person can end it there: Ray ends only what it started."
                )
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


def select_living(drivers: Iterable[DriverRun], exits: Mapping[str, DriverExit]) -> tuple[DriverRun, ...]:
    """Those that neither table says have left; the row of one that raised an exception tells nothing."""
    return tuple(
        each
        for each in drivers
        if not each.is_dead and ((row := exits.get(each.job_id)) is None or row.is_alive or row.overwritten)
    )


def describe_process(driver: DriverRun) -> str:
    """Which process it is, for a person who looks for it."""
    process = f"job {driver.job_id}" if driver.pid is None else f"pid {driver.pid}"
    return f"{process} on {driver.node_ip}" if driver.node_ip else process


def read_grace_s(raw: Json, environ: Mapping[str, str] = os.environ) -> int:
    """Seconds that the supervisor of this job waits between SIGTERM and SIGKILL."""
    runtime_env = raw.get("runtime_env")
    env_vars = runtime_env.get("env_vars") if isinstance(runtime_env, Mapping) else None
    told = env_vars.get(GRACE_VARIABLE) if isinstance(env_vars, Mapping) else None
    text = str(environ.get(GRACE_VARIABLE, "") if told is None else told)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else _GRACE_S


def tell_force(raw: Json, asked_at: datetime | None, now: datetime, grace_s: int) -> bool | None:
    """Whether a job that was asked to stop had to be killed; None: it has not ended, or that is not known.

    Ray does not say it. But its supervisor calls a job STOPPED at once when all its processes have ended, and kills
    what is left after the grace.
    """
    status, ended_ms = raw.get("status"), raw.get("end_time")
    if status != "STOPPED":
        return False if status in ENDED_STATUSES else None
    if asked_at is None:
        return None
    if (now - asked_at).total_seconds() < grace_s:
        return False
    if isinstance(ended_ms, bool) or not isinstance(ended_ms, int | float):
        return None
    return ended_ms / 1000 - asked_at.timestamp() >= grace_s

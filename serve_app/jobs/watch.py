"""The cluster under watch: looks, judges, and has the history kept. What the inspector's answers are made from."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from serve_app.cluster.dashboard import DashboardClient
from serve_app.errors import Unavailable
from serve_app.jobs.diagnosis.automatic import Automatic
from serve_app.jobs.history.archive import Archive
from serve_app.jobs.history.recorder import Recorder
from serve_app.jobs.history.store_client import HistoryHandle
from serve_app.jobs.judging.expectations import BUILT_IN, Contracts, contracts_with
from serve_app.jobs.judging.findings import findings_of, unknown_rules
from serve_app.jobs.judging.judge import Memo, judge
from serve_app.jobs.logs.excerpts import Excerpts
from serve_app.jobs.models import DriverExit, Finding, JobFacts, JobRow, Known, Outcome, PastRuns, Snapshot, Unknown
from serve_app.jobs.reading.look import Looker
from serve_app.jobs.reading.observed import not_found
from serve_app.jobs.reading.poll import Latest, Seen
from serve_app.jobs.reading.replica import Here
from serve_app.jobs.reading.thread_call import Blocking
from serve_app.jobs.settings import InspectorConfig
from serve_app.jobs.views import time_view
from serve_app.redaction import printable

# Someone asks for a job that was made since the latest look: look again, but not for every wrong id.
_FRESH_FOR_A_MISS_S = 0.5


class Watch:
    """One poll, one memory, one writer. ``history`` None: nothing is kept beyond memory."""

    def __init__(
        self,
        client: DashboardClient,
        here: Here,
        history: HistoryHandle | None,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = InspectorConfig()
        self.contracts: Contracts = BUILT_IN
        self.resources = Blocking(here.resources)
        self.excerpts: Excerpts | None = None
        self.automatic: Automatic | None = None
        self._now = now
        self._memo = Memo()
        self._looker = Looker(client, here, self.resources, now)
        self.session = here.session
        self._recorder = Recorder(history, here.session, now) if history is not None else None
        self.archive = Archive(history, None if self._recorder is None else self._recorder.let_go)
        self.latest = Latest(self._looker.look, self.config, judge=self._judge, seen=self._saw, clock=clock)

    def configure(self, config: InspectorConfig) -> None:
        """Take a new configuration, and begin to watch with the first."""
        self.config = self.latest.config = self._looker.config = config
        self.contracts = contracts_with(config.kinds)
        if self._recorder is not None:
            self._recorder.kept_days, self._recorder.kept_jobs = config.kept_days, config.kept_jobs
            self._recorder.start()
        if self.excerpts is not None:
            self.excerpts.start()
        if self.automatic is not None:
            self.automatic.start()
        self.latest.start()

    def require_alive(self) -> None:
        """Raise when a loop has ended, which none ever should."""
        self.latest.require_alive()
        if self._recorder is not None:
            self._recorder.require_alive()
        if self.excerpts is not None:
            self.excerpts.require_alive()
        if self.automatic is not None:
            self.automatic.require_alive()

    async def close(self) -> None:
        """Stop looking, write what is left."""
        await self.latest.close()
        if self.excerpts is not None:
            await self.excerpts.close()
        if self.automatic is not None:
            await self.automatic.close()
        if self._recorder is not None:
            await self._recorder.close()

    async def recorder_turn(self) -> None:
        """Write what waits now, instead of when the writer gets to it; for benchmarks and tests."""
        if self._recorder is not None:
            await self._recorder.write_once()

    @property
    def unwritten(self) -> dict[str, JobRow]:
        """Jobs that the store does not know as they are now."""
        return {} if self._recorder is None else self._recorder.unwritten

    @property
    def history_failure(self) -> str | None:
        """Why the history is not being written; None when it is."""
        return None if self._recorder is None else self._recorder.failure

    @property
    def jobs_given_up(self) -> int:
        """How many jobs wait for the history no longer, because too many did."""
        return 0 if self._recorder is None else self._recorder.given_up

    async def find(self, wanted: str) -> tuple[Seen, JobRow] | None:
        """A job of this session by job id or submission id. Looks again before it says None; raises ``Unavailable``."""
        wanted = printable(wanted)
        for fresh_for_s in (None, _FRESH_FOR_A_MISS_S):
            seen = await self.latest.get(fresh_for_s=fresh_for_s)
            if isinstance(seen.snapshot.jobs, Unknown):
                raise Unavailable(seen.snapshot.jobs.reason, code="ray_unavailable")
            for row in seen.rows:
                if wanted in (row.id, row.job_id, row.submission_id, f"{row.id}@{row.session}"):
                    return seen, row
        return None

    async def require(self, wanted: str) -> tuple[JobRow, JobFacts | None, DriverExit | None]:
        """A job of this session with Ray's facts; raises ``NotFound`` and ``Unavailable``."""
        found = await self.find(wanted)
        if found is None:
            raise not_found(wanted)
        seen, row = found
        return row, facts_of(seen.snapshot, row), exit_of(seen.snapshot, row)

    def take_events(self, events: list[Any]) -> int:
        """Take what Ray pushed; how many events told something."""
        told = self._looker.pushed.take(events, self._now())
        if told:
            self.latest.nudge()
        return told

    @property
    def events(self) -> dict[str, Any]:
        """When Ray last pushed events, and how many were not understood."""
        pushed = self._looker.pushed
        return {"last_at": time_view(pushed.latest_at), "not_understood": pushed.not_understood}

    def past_of(self, series: str) -> PastRuns | None:
        """What is known of earlier runs of a series; None without a history."""
        return None if self._recorder is None else self._recorder.past.get(series)

    def findings(self, seen: Seen) -> list[Finding]:
        """What is wrong beyond the verdict on one job."""
        past = {} if self._recorder is None else self._recorder.past
        return findings_of(seen.snapshot, seen.rows, self.contracts, past, self._now())

    def unknown_rules(self, seen: Seen, found: list[Finding]) -> list[str]:
        """Rules of which ``found`` may lack something."""
        # A history that does not answer since the start has told of no earlier runs; later, what it told stays.
        past_known = self._recorder is None or bool(self._recorder.past) or self._recorder.failure is None
        return unknown_rules(seen.snapshot, found, past_known=past_known)

    def _judge(self, snapshot: Snapshot) -> list[JobRow]:
        past = None if self._recorder is None else self._recorder.past
        return judge(snapshot, snapshot.taken_at, self.contracts, past, self._memo)

    def _saw(self, snapshot: Snapshot, rows: list[JobRow]) -> bool:
        if self.automatic is not None:
            self.automatic.offer(rows, snapshot.taken_at)
        if self._recorder is None:
            return False
        if self.excerpts is not None:
            self.excerpts.offer(rows, snapshot.taken_at)
        running = [row.series for row in rows if row.outcome is Outcome.RUNNING and not row.derived]
        due = [kind for kind, expectation in self.contracts.expectations.items() if expectation.every_s is not None]
        return self._recorder.offer(
            rows, complete=not snapshot.degraded, series=[*due, *running], seen_at=snapshot.taken_at
        )


def facts_of(snapshot: Snapshot, row: JobRow) -> JobFacts | None:
    """What Ray lists of a job; None for one that it hides."""
    jobs = snapshot.jobs.value if isinstance(snapshot.jobs, Known) else ()
    return next((job for job in jobs if job.id == row.id), None)


def exit_of(snapshot: Snapshot, row: JobRow) -> DriverExit | None:
    """The worker table's row of a job's driver."""
    exits = snapshot.driver_exits
    return exits.value.get(row.job_id or "") if isinstance(exits, Known) else None

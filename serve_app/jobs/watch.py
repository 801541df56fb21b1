"""The cluster under watch: looks, judges, has the history kept, and tells subscribers. It knows none of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from organs.times import format_time
from serve_app.background import Workers
from serve_app.cluster.dashboard import DashboardClient
from serve_app.errors import Unavailable
from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.history.recorder import Recorder
from serve_app.jobs.judging.expectations import BUILT_IN, Contracts, Expectation, build_contracts
from serve_app.jobs.judging.findings import MAX_FINDINGS, Finding, Unfound, find_all, find_ignored_options, find_unknown
from serve_app.jobs.judging.judge import Memo, judge
from serve_app.jobs.models import JobRow, Known, PastRuns, Section, Snapshot, Unknown, Verdict
from serve_app.jobs.motion import Motion
from serve_app.jobs.reading.find import Found
from serve_app.jobs.reading.observed import refuse_unknown
from serve_app.jobs.reading.poll import Latest, Seen
from serve_app.jobs.reading.replica import Replica
from serve_app.jobs.reading.snapshot import Looker
from serve_app.jobs.reading.thread_call import ThreadCall
from serve_app.jobs.serve_facts import HttpFacts
from serve_app.jobs.settings import InspectorConfig
from serve_app.outcomes import JobOutcome
from serve_app.queries.job_names import build_place_name, count_us, parse_run
from serve_app.redaction import hide_everywhere, strip_controls
from serve_app.schemas.cluster import LookingCost, PushedEvents


class MotionSource(Protocol):
    """Where it is found whether running jobs move (``progress.rounds``): it looks at what this watch sees."""

    @property
    def motions(self) -> Mapping[str, Motion]:
        """By the id of its row."""
        ...

    @property
    def cost(self) -> tuple[int, float]:
        """How many rounds there were, and how long the latest took, in seconds."""
        ...

    def describe_gap(self, now: datetime) -> str | None:
        """Of how many that is not known, in a sentence; None: it is of all."""
        ...


# Takes the rows of each look, and when it was taken; must be quick and raise nothing.
Subscriber = Callable[[Sequence[JobRow], datetime], None]


class JobWatch:
    """One poll, one memory, one writer. ``recorder`` None: nothing is kept beyond memory."""

    def __init__(
        self,
        client: DashboardClient,
        here: Replica,
        recorder: Recorder | None,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        *,
        deployed_http: HttpFacts | None = None,
    ) -> None:
        self._client = client
        self._application = here.application
        self._deployed_http = deployed_http
        self._config = InspectorConfig()
        self._contracts: Contracts = BUILT_IN
        self._resources = ThreadCall(here.read_resources)
        self._now = now
        self._memo = Memo()
        self._looker = Looker(client, here, self._resources, now, self._config)
        self._recorder = recorder
        self._latest = Latest(self._look, self._config, judge=self._judge, seen=self._saw, clock=clock)
        # In the opposite order at the end: no more looks, then what they left is written.
        self._workers = Workers(*(() if recorder is None else (recorder,)), self._latest)
        self._subscribers: list[Subscriber] = []
        self._motions: MotionSource | None = None

    def subscribe(self, subscriber: Subscriber) -> None:
        """Tell it of the rows of each look from now on."""
        self._subscribers.append(subscriber)

    def provide_motions(self, source: MotionSource) -> None:
        """Judge running jobs by what it finds, too."""
        self._motions = source

    def configure(self, config: InspectorConfig) -> None:
        """Take a new configuration; it counts from the next look."""
        self._config = self._latest.config = self._looker.config = config
        self._contracts = build_contracts(config.kinds, quiet_limit_s=config.quiet_limit_s)
        if self._recorder is not None:
            self._recorder.kept_days, self._recorder.kept_jobs = config.kept_days, config.kept_jobs

    def start(self) -> None:
        """Begin to look and to write; does nothing when begun."""
        self._workers.start()

    def require_alive(self) -> None:
        """Raise when looking or writing has ended, which neither ever should."""
        self._workers.require_alive()

    async def close(self) -> None:
        """Stop looking, write what is left."""
        await self._workers.close()
        await self._looker.close()

    @property
    def is_running(self) -> bool:
        """Whether looks go on."""
        return self._latest.is_running

    @property
    def age_s(self) -> float:
        """Seconds since Ray last answered."""
        return self._latest.age_s

    @property
    def cost_s(self) -> float:
        """How long the last look took, in seconds."""
        return self._latest.cost_s

    @property
    def cost(self) -> LookingCost:
        """What looking has cost Ray's dashboard and this process."""
        rounds, last_round_s = (0, 0.0) if self._motions is None else self._motions.cost
        return {
            "questions": self._client.question_count,
            "look_s": round(self.cost_s, 3),
            "rounds": rounds,
            "round_s": round(last_round_s, 3),
        }

    @property
    def source_timeout_s(self) -> float:
        """Deadline of one question to Ray, in seconds."""
        return self._config.source_timeout_s

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

    async def get(self, *, fresh_for_s: float | None = None) -> Seen:
        """The latest look, renewed when it is older than ``fresh_for_s``; raises ``Unavailable`` when there is none."""
        return self._add_gap(await self._latest.get(fresh_for_s=fresh_for_s))

    async def get_resources(self) -> Section[Any]:
        """Total and available resources of the cluster by name, or why they are not known."""
        return await self._resources.get(self._config.source_timeout_s)

    async def list_drivers(self, submission_id: str) -> tuple[DriverRun, ...]:
        """The drivers of all runs with a submission id as Ray has them now; none where it does not tell."""
        return await self._looker.list_drivers(submission_id)

    def outdate(self) -> None:
        """Jobs were changed through this application: none of them is missed from now on."""
        self._latest.outdate()

    def expect(self, kind: str) -> Expectation:
        """What is expected of jobs of a kind."""
        return self._contracts.get_expectation(kind)

    async def find(self, wanted: str) -> tuple[Seen, JobRow] | None:
        """A job of this session by job id, submission id or any name of ``job_names``. Looks again before it says
        None; raises ``Unavailable``.
        """
        wanted = strip_controls(wanted)
        run = parse_run(wanted)
        for look in (self._latest.get, self._latest.get_for_miss):
            seen = await look()
            if isinstance(seen.snapshot.jobs, Unknown):
                raise Unavailable(seen.snapshot.jobs.reason, code="ray_unavailable")
            for row in seen.rows:
                if wanted in (row.id, row.job_id, row.submission_id, f"{row.id}@{row.session}"):
                    return self._add_gap(seen), row
            if run is not None or wanted.startswith("~"):
                for row in seen.rows:
                    if _is_asked_for(row, wanted, run):
                        return self._add_gap(seen), row
            if (row_of_driver := _find_by_driver(seen, wanted)) is not None:
                return self._add_gap(seen), row_of_driver
        return None

    async def require(self, wanted: str) -> Found:
        """A job of this session with Ray's facts; raises ``NotFound`` and ``Unavailable``."""
        found = await self.find(wanted)
        if found is None:
            raise refuse_unknown(wanted)
        seen, row = found
        return row, seen.snapshot.find_job(row.id), seen.snapshot.find_exit(row.job_id)

    def take_events(self, events: Sequence[Any]) -> int:
        """Take what Ray pushed; how many events told something."""
        told = self._looker.pushed.take(events, self._now())
        if told:
            self._latest.nudge()
        return told

    @property
    def events(self) -> PushedEvents:
        """When Ray last pushed events, and how many were not understood."""
        pushed = self._looker.pushed
        return {"last_at": format_time(pushed.latest_at), "not_understood": pushed.not_understood}

    def find_past(self, series: str) -> PastRuns | None:
        """What is known of earlier runs of a series; None without a history."""
        return None if self._recorder is None else self._recorder.past.get(series)

    def find_findings(self, seen: Seen) -> list[Finding]:
        """What is wrong beyond the verdict on one job: ``judging.findings`` of this look; nothing is decided here."""
        past = {} if self._recorder is None else self._recorder.past
        found = find_all(seen.snapshot, seen.rows, self._contracts, past, self._now())
        ignored = find_ignored_options(seen.snapshot, self._application, self._deployed_http)
        return sorted([*ignored, *found], key=lambda each: each.verdict is not Verdict.BAD)[:MAX_FINDINGS]

    def find_unknown(self, seen: Seen, found: list[Finding]) -> Unfound:
        """Of what ``found`` may lack something."""
        return find_unknown(
            seen.snapshot,
            seen.rows,
            found,
            self._contracts,
            self._now(),
            past_known=self._recorder is None or self._recorder.past_known,
            motions_asked=self._motions is not None,
        )

    async def _look(self, previous: Snapshot | None) -> Snapshot:
        snapshot = await self._looker.look(previous)
        return snapshot if self._motions is None else add_motions(snapshot, self._motions.motions)

    def _add_gap(self, seen: Seen) -> Seen:
        gap = None if self._motions is None else self._motions.describe_gap(self._now())
        return seen if gap is None else replace(seen, degraded=[*seen.degraded, gap])

    def _judge(self, snapshot: Snapshot) -> list[JobRow]:
        past = None if self._recorder is None else self._recorder.past
        return judge(snapshot, snapshot.taken_at, self._contracts, past, self._memo)

    def _saw(self, snapshot: Snapshot, rows: list[JobRow]) -> bool:
        for subscriber in self._subscribers:
            subscriber(rows, snapshot.taken_at)
        if self._recorder is None:
            return False
        running = [row.series for row in rows if row.outcome is JobOutcome.RUNNING and not row.derived]
        due = [kind for kind, expectation in self._contracts.expectations.items() if expectation.every_s is not None]
        return self._recorder.offer(
            rows, complete=not snapshot.degraded, series=[*due, *running], seen_at=snapshot.taken_at
        )


def add_motions(snapshot: Snapshot, motions: Mapping[str, Motion]) -> Snapshot:
    """The snapshot with what was found of running jobs, without what those were given as secret in their environment.

    All that is said of a motion is made of it from here on: lines of logs and errors, names of tasks and actors.
    """
    jobs = snapshot.jobs.value if isinstance(snapshot.jobs, Known) else ()
    values = {job.id: job.secret_values for job in jobs if job.secret_values}
    hidden = {id: hide_everywhere(motion, values.get(id, ())) for id, motion in motions.items()}
    return replace(snapshot, motions=hidden)


def _find_by_driver(seen: Seen, wanted: str) -> JobRow | None:
    """The submission of which ``wanted`` is a driver: Ray's list names the last of several."""
    drivers = seen.snapshot.drivers.value if isinstance(seen.snapshot.drivers, Known) else {}
    submission_id = next((id for id, same in drivers.items() if any(each.job_id == wanted for each in same)), None)
    rows = (row for row in seen.rows if row.submission_id == submission_id)
    return None if submission_id is None else next(rows, None)


def _is_asked_for(row: JobRow, wanted: str, run: tuple[str, int] | None) -> bool:
    """Whether it is asked for by when it began, or, having an odd id, by the hash of it."""
    if run is not None and run[0] == row.id and row.started_at is not None:
        return count_us(row.started_at) // 1000 == run[1]
    return wanted.startswith("~") and wanted == build_place_name(row.id, row.session)

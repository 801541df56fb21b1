"""A cluster of many running jobs that answers the questions of a round, and counts them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from serve_app.errors import Unavailable
from serve_app.jobs.judging.expectations import BUILT_IN
from serve_app.jobs.models import (
    DriverExit,
    JobFacts,
    JobRow,
    JobType,
    Known,
    NodeFacts,
    PastRuns,
    Section,
    Snapshot,
    Unknown,
    Verdict,
)
from serve_app.jobs.progress.looks.head import FoundPorts, HeadFacts, HeadReader, HeadSubject
from serve_app.jobs.progress.models import LogFacts
from serve_app.jobs.reading.poll import Seen
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.actions.fakes import Clock, row
from tests.unit.jobs.judging.test_outcome import node

DOWN = Unknown("Ray did not answer in time.")


def job_id_of(number: int) -> str:
    return f"{number:06x}00"


@dataclass
class FakeJob:
    """One running job: its tasks by id and state, what its processes have used and done, its log."""

    number: int
    node_id: str = "n0"
    tasks: dict[str, str] = field(default_factory=dict)
    used_s: float = 1.0
    finished: int = 0
    log_bytes: int = 10
    joined: bool = True
    entrypoint: str = "python train.py"
    silent: bool = False
    driver_alive: bool = True
    started_at: datetime | None = None

    @property
    def id(self) -> str:
        return f"job-{self.number}"

    @property
    def job_id(self) -> str | None:
        return job_id_of(self.number) if self.joined else None

    @property
    def pid(self) -> int:
        return 10_000 + self.number

    def build_row(self) -> JobRow:
        return row(
            self.id, outcome=JobOutcome.RUNNING, job_id=self.job_id, submission_id=self.id, node_id=self.node_id,
            type=JobType.SUBMISSION, verdict=Verdict.OK, session="s", entrypoint=self.entrypoint, duration_s=90.0,
            started_at=self.started_at,
        )  # fmt: skip

    def build_facts(self) -> JobFacts:
        pid = self.pid if self.joined else None
        return JobFacts(
            self.id, JobType.SUBMISSION, "RUNNING", job_id=self.job_id, submission_id=self.id, node_id=self.node_id,
            pid=pid,
        )  # fmt: skip


@dataclass
class FakeCluster:
    """Answers as ``DashboardClient``, ``JobWatch``, ``JobQuestions`` and ``HeadReader`` do; ``asked`` is in order."""

    jobs: list[FakeJob]
    node_count: int = 1
    clock: Clock = field(default_factory=Clock)
    asked: list[str] = field(default_factory=list)
    gets: str = ""
    failing: set[str] = field(default_factory=set)
    answered: bool = True
    past: PastRuns | None = None
    listens: dict[str, int] = field(default_factory=dict)
    unlooked: frozenset[str] = frozenset()
    stopped: frozenset[str] = frozenset()
    at_once: int = 0
    most_at_once: int = 0
    more_rows: list[JobRow] = field(default_factory=list)
    own_job_id: str | None = None

    # What ``JobWatch`` tells.
    def expect(self, kind: str) -> Any:
        return BUILT_IN.get_expectation(kind)

    def find_past(self, series: str) -> PastRuns | None:
        return self.past

    async def get_resources(self) -> Section[Any]:
        return Known(({"CPU": 4.0}, {"CPU": 4.0}))

    async def get(self, *, fresh_for_s: float | None = None) -> Seen:
        rows = [*(job.build_row() for job in self.jobs), *self.more_rows]
        nodes: tuple[NodeFacts, ...] = tuple(
            replace(node("ALIVE", resources={"CPU": 4.0}), node_id=f"n{number}", is_head=number == 0)
            for number in range(self.node_count)
        )
        exits = {
            job.job_id: DriverExit(job.job_id, job.driver_alive, None, None, job.pid, None, None, job.node_id)
            for job in self.jobs
            if job.job_id is not None
        }
        facts = tuple(job.build_facts() for job in self.jobs)
        snapshot = Snapshot(
            self.clock.now(), Known(facts), Known(exits), Known(nodes), Known(()), DOWN, self.own_job_id
        )
        return Seen(snapshot, rows, {each.key: each for each in rows}, [], self.answered)

    # What Ray's dashboard answers.
    async def list_matching(
        self, table: str, filters: Iterable[tuple[str, str, str]], most_rows: int
    ) -> tuple[list[Any], int]:
        await self._ask(table)
        if table != "tasks":
            return [], 0
        asked = list(filters)
        only = {value for name, predicate, value in asked if name == "job_id" and predicate == "="}
        but = {value for name, predicate, value in asked if name == "job_id" and predicate == "!="}
        rows = [
            {"task_id": id, "name": "work", "type": "NORMAL_TASK", "state": state, "job_id": job.job_id,
             "parent_task_id": "f" * 40 + str(job.job_id), "worker_pid": job.pid, "node_id": job.node_id,
             "events": [{"state": state, "created_ms": 1_000.0}]}
            for job in self.jobs
            if (not only or job.job_id in only) and job.job_id not in but
            for id, state in job.tasks.items()
        ]  # fmt: skip
        return rows[:most_rows], len(rows)

    async def get_node_detail(self, node_id: str) -> Any:
        await self._ask("node")
        return {
            "now": self.clock.now().timestamp(),
            "raylet": {"sessionDir": "/s", "nodeManagerAddress": "h", "metricsExportPort": 1},
            "workers": [
                {
                    "pid": job.pid, "jobId": "ffff" if job.silent else job.job_id,
                    "cpuTimes": {"user": job.used_s, "system": 0.0},
                    "coreWorkerStats": [] if job.silent else [
                        {"workerType": "DRIVER", "port": "1", "numExecutedTasks": job.finished, "numRunningTasks": "0"}
                    ],
                }
                for job in self.jobs
                if job.joined and job.node_id == node_id
            ] or [{"pid": 1, "jobId": "ffff"}],
        }  # fmt: skip

    async def read_figures(self, url: str) -> str:
        await self._ask("figures")
        return self.gets

    # What ``JobQuestions`` answers.
    async def ask_log(self, submission_id: str | None, before: LogFacts | None) -> Section[LogFacts]:
        await self._ask("log")
        job = next(job for job in self.jobs if job.id == submission_id)
        return Known(LogFacts(job.log_bytes))

    async def is_profiling_enabled(self) -> bool:
        await self._ask("profiling")
        return False

    async def _ask(self, what: str) -> None:
        self.asked.append(what)
        if what in self.failing:
            raise Unavailable("Ray did not answer in time.")
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1


class FakeHead(HeadReader):
    """The head's files and processes: its jobs' logs are as long as they say."""

    def __init__(self, cluster: FakeCluster) -> None:
        super().__init__()
        self._cluster = cluster

    def read(self, subjects: Any, log_dir: str, known_to_ray: Any) -> HeadFacts:
        jobs = {job.id: job for job in self._cluster.jobs}
        logs: dict[str, Section[LogFacts]] = {
            each.submission_id: Known(LogFacts(jobs[each.submission_id].log_bytes))
            for each in subjects
            if isinstance(each, HeadSubject) and each.submission_id is not None
        }
        facts = HeadFacts(logs)
        return replace(facts, processes=replace(facts.processes, stopped=self._cluster.stopped))

    def find_ports(self, trees: Mapping[str, Any], ports_of_ray: Any, but: Any) -> FoundPorts:
        unlooked = self._cluster.unlooked.intersection(trees)
        return FoundPorts({id: self._cluster.listens[id] for id in trees if id in self._cluster.listens}, unlooked)

    def read_last_line(self, log_dir: str, submission_id: str) -> str:
        return f"{log_dir}: last line of {submission_id}"

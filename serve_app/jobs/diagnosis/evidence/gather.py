"""Evidence for the diagnosis of one job: what its row says, what Ray's tables say, and the logs, within bounds.

Whatever cannot be had is said and nothing else is lost with it: a node that is gone takes its logs, not the answer.
Nothing here makes a job in Ray.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from serve_app.cluster.dashboard import Listing, Piece
from serve_app.cluster.private import UnknownRay
from serve_app.errors import AppError
from serve_app.jobs.diagnosis.evidence import sentences
from serve_app.jobs.diagnosis.evidence.belongings import build_belongings, find_python, list_superseded_workers
from serve_app.jobs.diagnosis.evidence.files import FilePieces, hide_in_chunks
from serve_app.jobs.diagnosis.evidence.logs import (
    AGENT,
    DRIVER_LOG_BYTES,
    MOST_NODES,
    KeptLog,
    SystemLogReader,
    open_driver_log,
)
from serve_app.jobs.diagnosis.evidence.tables import JobTables, Row, TableReader
from serve_app.jobs.diagnosis.models import Belongings, Fields, SourceKind, TextSource
from serve_app.jobs.judging.run_marks import cut_message
from serve_app.jobs.models import DriverExit, JobFacts, JobRow, NodeFacts
from serve_app.jobs.reading.rows import read_secret_values
from serve_app.jobs.reading.run_log import is_run
from serve_app.outcomes import JobOutcome
from serve_app.redaction import hide_everywhere, hide_values

T = TypeVar("T")

Json = dict[str, Any]

# Ray's tables and the last lines of a log follow the end of a job by seconds.
SETTLED_AFTER = timedelta(seconds=5)
# Time for all reading, begun with the first question.
READING_S = 20.0
WORKER_LOG_BYTES = 8_388_608
WORKER_LOGS_BYTES = 67_108_864
MOST_WORKER_LOGS = 40
_WORKER_LOG = re.compile(r"worker-(?P<worker>[0-9a-f]{1,64})-[0-9a-f]{1,32}-\d{1,10}\.(?P<end>err|out)")
_HEX = re.compile(r"[0-9a-f]{1,64}")


class EvidenceSource(Protocol):
    """The questions that gathering asks; ``dashboard.DashboardClient`` answers them."""

    async def get_job(self, submission_id: str) -> Json: ...

    async def read_piece(self, url: str, start: int, most_bytes: int) -> Piece: ...

    async def list_rows(self, table: str, most_rows: int, **equals: str) -> Listing: ...

    async def list_log_files(self, node_id: str, pattern: str) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class DiagnosisSubject:
    """A job of this session with what the latest look saw of it: of ``facts`` Ray's error type, exit code and message,
    secret values, pid and the keys of its environment are read; of the driver whether it lives, how and when it ended,
    and its pid; of nodes their addresses, and which are dead, since when and why. ``other_drivers``: job ids of the
    drivers that the submission had before the one of its row; their tasks are not asked for.
    """

    row: JobRow
    facts: JobFacts | None = None
    driver: DriverExit | None = None
    nodes: tuple[NodeFacts, ...] = ()
    other_drivers: tuple[str, ...] = ()


class GatheredEvidence:
    """What the engine is given. ``unavailable`` and ``again`` are complete when it has read the sources."""

    def __init__(self, fields: Fields, files: FilePieces) -> None:
        self.fields = fields
        self.sources: list[TextSource] = []
        self.files = files

    @property
    def unavailable(self) -> tuple[str, ...]:
        """What could not be looked at, a sentence for each."""
        return tuple(dict.fromkeys(self.files.not_read))

    @property
    def again(self) -> bool:
        """Whether something could not be asked now that may answer later."""
        return self.files.again


class EvidenceGatherer:
    """Gathers for one job after another; it holds nothing of any of them."""

    def __init__(
        self,
        client: EvidenceSource,
        agent_of: Callable[[str], str | None],
        kept_log: KeptLog,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``agent_of`` tells the address of a node's agent and blocks; ``kept_log`` what was kept of a job's log."""
        self._client = client
        self._agent_of = agent_of
        self._kept_log = kept_log
        self._clock = clock

    async def gather(self, subject: DiagnosisSubject) -> GatheredEvidence:
        """Everything that can be had about one job. Raises nothing that Ray may cause."""
        work = _Work(self._client, self._agent_of, self._kept_log, subject, self._clock)
        await work.run()
        return work.gathered


def choose_status(row: JobRow) -> str | None:
    """What the engine shall believe of the end: what is proven, not what Ray says of drivers that it did not watch."""
    known = {
        JobOutcome.FAILED: "FAILED",
        JobOutcome.LOST: "FAILED",
        JobOutcome.STOPPED: "STOPPED",
        JobOutcome.SUCCEEDED: "SUCCEEDED",
        JobOutcome.RUNNING: "RUNNING",
        JobOutcome.PENDING: "PENDING",
    }
    return known.get(row.outcome)


class _Work:
    """One gathering."""

    def __init__(
        self,
        client: EvidenceSource,
        agent_of: Callable[[str], str | None],
        kept_log: KeptLog,
        subject: DiagnosisSubject,
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._agent_of = agent_of
        self._kept_log = kept_log
        self._subject = subject
        self._row = subject.row
        bytes_in_all = DRIVER_LOG_BYTES + WORKER_LOGS_BYTES
        files = FilePieces(client.read_piece, asyncio.get_running_loop(), clock() + READING_S, bytes_in_all, clock)
        self._values = () if subject.facts is None else subject.facts.secret_values
        self.gathered = GatheredEvidence(self._build_fields({}), files)
        self._agents: dict[str, str | None] = {}
        self._tables = TableReader(client.list_rows, files)
        self._system_logs = SystemLogReader(client.read_piece, self._find_agent, files)

    async def run(self) -> None:
        """Gather; what was given to the job as secret is in none of it."""
        await self._gather_all()
        sources = self.gathered.sources
        sources[:] = [replace(each, chunks=hide_in_chunks(each.chunks, self._values)) for each in sources]
        fields = self.gathered.fields
        own = fields.own and replace(fields.own, repeated=hide_everywhere(fields.own.repeated, self._values))
        self.gathered.fields = replace(fields, own=own, circle=hide_everywhere(fields.circle, self._values))

    async def _gather_all(self) -> None:
        row, add = self._row, self.gathered.sources.extend
        raw = await self._fetch_raw()
        self._values = read_secret_values(raw) or self._values
        self.gathered.fields = self._build_fields(raw)
        add(await open_driver_log(self._client.read_piece, self._kept_log, row, raw, self.gathered.files))
        # A row of the node table is no job: what its node said is all that there is.
        mine = {node_id for node_id in (row.node_id, raw.get("driver_node_id")) if node_id}
        if row.job_id is None or row.derived:
            add(sentences.describe_nodes(self._subject.nodes, frozenset(mine), row.started_at))
            python, waits = find_python(raw.get("runtime_env")), row.outcome is JobOutcome.PENDING
            nodes = sorted(mine) or [node.node_id for node in self._subject.nodes if node.alive]
            suspected = python is not None and waits
            add(await self._system_logs.read_start(nodes, self._join_words(()), is_suspected=suspected))
            if python is not None:
                own = Belongings(pythons=frozenset([python]), started_at=row.started_at)
                self.gathered.fields = replace(self.gathered.fields, own=own)
            return
        # Where what went well was matters once a node is dead.
        known = self._subject.nodes
        tables = await self._tables.read(row.job_id, with_finished=not all(node.alive for node in known) or not known)
        actors, failed, ended_at = tables.dead_actors, tables.failed, self._find_driver_end()
        repaired = await self._tables.find_repaired(failed)
        nodes = [*mine, *(each for each in sentences.list_nodes(failed, actors) if each not in mine)]
        own = self._build_belongings(tables, row.job_id, raw, nodes, repaired)
        self.gathered.fields = replace(self.gathered.fields, own=own)
        add(sentences.describe_nodes(self._subject.nodes, frozenset(nodes), row.started_at))
        add(sentences.describe_actors(actors))
        add(sentences.describe_tasks(failed, repaired, ended_at))
        add(sentences.describe_driver(self._subject.driver))
        logs = await self._list_worker_logs(row.job_id, nodes[:MOST_NODES])
        workers = frozenset(found["worker"] for _, _, found in logs) | sentences.list_workers(failed, actors)
        add(sentences.describe_workers(tables.workers, workers - list_superseded_workers(failed), ended_at))
        add(self._open_worker_logs(logs, sentences.list_workers(failed)))
        words = self._join_words(failed)
        add(await self._system_logs.read(row.job_id, nodes, words, is_lost=row.outcome is JobOutcome.LOST))
        add(await self._system_logs.read_start(nodes, words))

    def _build_fields(self, raw: Json) -> Fields:
        row, facts = self._row, self._subject.facts
        told = raw.get("message")
        message = cut_message(told, row.submission_id) if isinstance(told, str) else None
        message = None if message is None else hide_values(message, self._values)
        return Fields(
            status=choose_status(row),
            error_type=None if facts is None else facts.error_type,
            driver_exit_code=None if facts is None else facts.exit_code,
            message=message or (None if facts is None else facts.message),
            type=row.type.value,
            entrypoint=row.entrypoint,
            circle=row.circle,
        )

    async def _fetch_raw(self) -> Json:
        """Ray's own row: its message is whole there, and it knows the agent that has the log."""
        if self._row.submission_id is None:
            return {}
        raw = await self._ask_or_note("Ray's row of the job", self._client.get_job(self._row.submission_id), {})
        if is_run(self._row, raw):
            return raw
        self.gathered.files.not_read.append("Ray's row of the job: by now it is that of a later run with its id.")
        return {}

    def _build_belongings(
        self, tables: JobTables, job_id: str, raw: Json, nodes: Sequence[str], repaired: frozenset[str]
    ) -> Belongings:
        """What is the job's own by these tables and its row."""
        row, driver, facts = self._row, self._subject.driver, self._subject.facts
        addresses = [node.ip for node in self._subject.nodes if node.node_id in nodes]
        others = len(self._subject.other_drivers)
        gap = f"its submission had {others + 1} drivers, and only the tasks of the last were asked for"
        return build_belongings(
            replace(tables, gaps=(*tables.gaps, gap)) if others else tables,
            job_id,
            [*nodes, *addresses],
            pythons=filter(None, [find_python(raw.get("runtime_env"))]),
            repaired=repaired,
            pids=(None if driver is None else driver.pid, None if facts is None else facts.pid),
            started_at=row.started_at,
            driver_ended_at=self._find_driver_end(),
        )

    async def _list_worker_logs(self, job_id: str, nodes: Sequence[str]) -> list[tuple[str, str, re.Match[str]]]:
        """URL, name and parts of the name of each log of the job's workers."""
        if not _HEX.fullmatch(job_id):
            return []
        found = []
        for node_id in nodes:
            files = await self._ask_or_note(
                f"Worker logs of node {node_id[:12]}", self._client.list_log_files(node_id, f"worker-*-{job_id}-*"), []
            )
            names = [(name, parts) for name in files if (parts := _WORKER_LOG.fullmatch(name)) is not None]
            agent = await self._find_agent(node_id) if names else None
            if names and agent is None:
                self.gathered.files.not_read.append(f"Worker logs of node {node_id[:12]}: its agent is not known.")
                continue
            found += [(f"{agent}/logs/{name}", name, parts) for name, parts in names]
        return found

    def _open_worker_logs(
        self, logs: Sequence[tuple[str, str, re.Match[str]]], failed: frozenset[str]
    ) -> list[TextSource]:
        """Those of workers whose tasks failed first, what was written as an error before other output."""
        ordered = sorted(logs, key=lambda log: (log[2]["worker"] not in failed, log[2]["end"] != "err", log[1]))
        if len(ordered) > MOST_WORKER_LOGS:
            self.gathered.files.not_read.append(
                f"Worker logs: {MOST_WORKER_LOGS} of {len(ordered)} were looked at, those of failed tasks first."
            )
        of = self.gathered.files.open_reader
        return [
            TextSource(name, SourceKind.WORKER, of(name, url, WORKER_LOG_BYTES))
            for url, name, _ in ordered[:MOST_WORKER_LOGS]
        ]

    def _join_words(self, failed: Sequence[Row]) -> str:
        """What Ray says of the end, in which it may name a suspect."""
        fields, driver = self.gathered.fields, self._subject.driver
        types = (str(row.get("error_type") or "") for row in failed[: sentences.MOST_OF_A_TABLE])
        exit = "" if driver is None else f"{driver.exit_type} {driver.exit_detail or ''}"
        return " ".join(filter(None, (fields.error_type, fields.message, *types, exit)))

    async def _find_agent(self, node_id: str) -> str | None:
        """The address of a node's agent, asked once."""
        if node_id not in self._agents:
            # What is private to Ray may be missing in this version; then there is no address.
            try:
                address = await asyncio.to_thread(self._agent_of, node_id)
            except UnknownRay:
                address = None
            self._agents[node_id] = address if address is not None and AGENT.fullmatch(address) else None
        return self._agents[node_id]

    async def _ask_or_note(self, what: str, asked: Coroutine[Any, Any, T], otherwise: T) -> T:
        try:
            return await asked
        except AppError as error:
            self.gathered.files.not_read.append(f"{what}: {error.detail}")
            self.gathered.files.again = True
            return otherwise

    def _find_driver_end(self) -> datetime | None:
        driver = self._subject.driver
        known = None if driver is None else driver.ended_at
        return known or self._row.ended_at

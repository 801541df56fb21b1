"""What the head's own files and processes tell of running jobs, without a question to Ray. Blocking.

This replica runs on the head, where the drivers of most submissions are: their logs are files beside its own, and what
an entrypoint does that never joined Ray shows in the process table.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from serve_app.jobs.judging.run_marks import find_run_begin
from serve_app.jobs.models import Known, Section, Unknown
from serve_app.jobs.progress.log_growth import find_last_line, grow_log
from serve_app.jobs.progress.looks.tables import HeadProcesses
from serve_app.jobs.progress.models import LogFacts
from serve_app.jobs.reading import process_table
from serve_app.jobs.reading.process_table import ProcessRow

# More of a log than this between two rounds is not looked into: Ray writes less.
_MOST_NEW_BYTES = 8_192
_LAST_BYTES = 4_096
MOST_PROCESSES_LOOKED_INTO = 256
# The shell that Ray keeps beside an entrypoint, to end it when its supervisor is gone (job_supervisor.py).
_WATCHER = "while kill -s 0"
# What a worker of Ray calls itself, and the command of what starts it.
_TITLE, _RAYLET = "ray::", "/raylet/raylet "


@dataclass(frozen=True, slots=True)
class HeadSubject:
    """A job on the head: by which id it is told, the processes that it began with, and of those which Ray's rows have.

    ``supervisor``: the process that started its entrypoint; ``log``: its log as it was when it was looked at last.
    """

    id: str
    submission_id: str | None = None
    supervisor: int | None = None
    pids: tuple[int, ...] = ()
    log: LogFacts | None = None


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """Logs by submission id, and what the process table tells by the ids of the subjects."""

    logs: Mapping[str, Section[LogFacts]] = field(default_factory=dict)
    processes: HeadProcesses = field(default_factory=HeadProcesses)
    trees: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundPorts:
    """By id, a port on which a process of that job waits for callers; ``unlooked``: of which not all processes have had
    their turn yet, so that whether they have one is not known.
    """

    listens: Mapping[str, int] = field(default_factory=dict)
    unlooked: frozenset[str] = frozenset()


class HeadReader:
    """Reads the head, and remembers whose turn it is to be looked into. Tests give it another process table."""

    def __init__(
        self,
        read_table: Callable[[], Mapping[int, ProcessRow]] = process_table.read_process_table,
        read_command: Callable[[int], str] = process_table.read_command_line,
        find_port: Callable[[int, Collection[int], bool], int | None] = process_table.find_listening_port,
    ) -> None:
        self._read_table = read_table
        self._read_command = read_command
        self._find_port = find_port
        self._turn = 0
        self._turns: dict[tuple[str, int], int] = {}
        self._ports: dict[tuple[str, int], int] = {}

    def read(self, subjects: Collection[HeadSubject], log_dir: str, known_to_ray: Collection[int]) -> HeadFacts:
        """Logs and processor time. ``known_to_ray``: processes of which Ray's rows tell the time."""
        logs = {
            each.submission_id: self._measure_log(log_dir, each.submission_id, each.log)
            for each in subjects
            if log_dir and each.submission_id is not None
        }
        trees = self._find_trees(subjects)
        known = set(known_to_ray)
        used = {id: sum(row.used_s for row in rows if row.pid not in known) for id, rows in trees.items() if rows}
        stopped = frozenset(each.id for each in subjects if self._is_paused(each, trees[each.id]))
        pids = {id: tuple(row.pid for row in rows) for id, rows in trees.items()}
        return HeadFacts(logs, HeadProcesses(used, {}, stopped), pids)

    def find_ports(
        self, trees: Mapping[str, Iterable[int]], ports_of_ray: Collection[int], silent: Collection[int]
    ) -> FoundPorts:
        """Looks into as many processes as it may, those first that have waited longest; of others counts what was found
        before, while they are there. ``silent``: processes in which Ray listens, too, and does not say where; a busy
        one may not say it for minutes.
        """
        keys = [(id, pid) for id, pids in trees.items() for pid in pids]
        self._turn += 1
        self._turns = {key: turn for key in keys if (turn := self._turns.get(key)) is not None}
        self._ports = {key: port for key in keys if (port := self._ports.get(key)) is not None}
        for key in sorted(keys, key=lambda key: self._turns.get(key, 0))[:MOST_PROCESSES_LOOKED_INTO]:
            self._turns[key] = self._turn
            self._ports.pop(key, None)
            if (port := self._find_port(key[1], ports_of_ray, key[1] in silent)) is not None:
                self._ports[key] = port
        listens: dict[str, int] = {}
        for id, pid in keys:
            if (port := self._ports.get((id, pid))) is not None:
                listens.setdefault(id, port)
        unlooked = frozenset(key[0] for key in keys if key not in self._turns)
        return FoundPorts(listens, unlooked - listens.keys())

    def read_last_line(self, log_dir: str, submission_id: str) -> str:
        """The last line of the program in its log, of this run of it, redacted; empty where there is none."""
        try:
            with _build_path(log_dir, submission_id).open("rb") as file:
                begin = max(0, os.fstat(file.fileno()).st_size - _LAST_BYTES)
                file.seek(begin)
                data = file.read(_LAST_BYTES)
        except OSError:
            return ""
        # The end of a line is not shown without its beginning, which may name what is secret in it.
        data = data[len(data.splitlines(keepends=True)[0]) :] if begin and data else data
        return find_last_line(data[find_run_begin(data, submission_id) or 0 :])

    def _measure_log(self, log_dir: str, submission_id: str, before: LogFacts | None) -> Section[LogFacts]:
        try:
            with _build_path(log_dir, submission_id).open("rb") as file:
                status = os.fstat(file.fileno())
                at, size = datetime.fromtimestamp(status.st_mtime, UTC), status.st_size
                if before is None or before.size_bytes == size:
                    return Known(grow_log(before, b"", size, at))
                file.seek(before.size_bytes)
                return Known(grow_log(before, file.read(_MOST_NEW_BYTES), size, at))
        except OSError as error:
            return Unknown(f"its log cannot be read ({type(error).__name__})")

    def _find_trees(self, subjects: Iterable[HeadSubject]) -> dict[str, tuple[ProcessRow, ...]]:
        """Of each job the processes that descend from its own, the supervisor and its watcher left out."""
        table = self._read_table()
        children: dict[int, list[int]] = {}
        for row in table.values():
            children.setdefault(row.parent, []).append(row.pid)
        found: dict[str, tuple[ProcessRow, ...]] = {}
        for each in subjects:
            roots = list(each.pids)
            if each.supervisor is not None:
                begun = children.get(each.supervisor, ())
                roots += [pid for pid in begun if _WATCHER not in self._read_command(pid)]
            rows: dict[int, ProcessRow] = {}
            while roots:
                pid = roots.pop()
                if pid in table and pid not in rows:
                    rows[pid] = table[pid]
                    roots += children.get(pid, ())
            found[each.id] = tuple(rows.values())
        return found

    def _is_paused(self, subject: HeadSubject, rows: Collection[ProcessRow]) -> bool:
        """Whether its driver was stopped, or all of its workers that are here; of what never joined, any process."""
        stopped = {row.pid for row in rows if row.stopped}
        own = [row for row in rows if row.pid in subject.pids]
        if not stopped or not own:
            return bool(stopped)
        workers = {row.pid for row in own if self._is_worker(row)}
        driver = {row.pid for row in own} - workers
        return bool(driver & stopped) or (bool(workers) and workers <= stopped)

    def _is_worker(self, row: ProcessRow) -> bool:
        """Whether Ray started it for tasks. Programs give their processes other titles; a raylet stays their parent."""
        return self._read_command(row.pid).startswith(_TITLE) or _RAYLET in self._read_command(row.parent)


def _build_path(log_dir: str, submission_id: str) -> Path:
    """``JOB_LOGS_PATH_TEMPLATE`` of ray/dashboard/modules/job/common.py; an id with a slash is none of Ray's."""
    return Path(log_dir) / f"job-driver-{submission_id.replace('/', '_')}.log"

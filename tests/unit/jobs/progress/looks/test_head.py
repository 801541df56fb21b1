"""What the head's own files and processes tell: logs that grow, trees of processes, ports."""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from serve_app.jobs.models import Known, Unknown
from serve_app.jobs.progress.looks.head import (
    MOST_PROCESSES_LOOKED_INTO,
    FoundPorts,
    HeadReader,
    HeadSubject,
)
from serve_app.jobs.progress.looks.tables import HeadProcesses
from serve_app.jobs.progress.models import LogFacts
from serve_app.jobs.reading.process_table import (
    ProcessRow,
    choose_port,
    find_listening_port,
    read_command_line,
    read_process_table,
)

WROTE = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUN_BEGINS = (
    "2026-01-01 12:00:00,000\tINFO job_manager.py:531 -- Runtime env is setting up.\n"
    "Running entrypoint for job j: python a.py\n"
)
# The supervisor (10) has the entrypoint's shell (11) with a program (12) and its child (13), and Ray's watcher (14).
TABLE = {
    pid: ProcessRow(pid, parent, used_s, stopped=pid == 31)
    for pid, parent, used_s in (
        (1, 0, 9.0), (10, 1, 5.0), (11, 10, 0.5), (12, 11, 2.0), (13, 12, 4.0), (14, 10, 0.25), (15, 14, 0.25),
        (20, 1, 7.0), (21, 20, 3.0), (31, 1, 1.0), (40, 40, 1.0),
    )
}  # fmt: skip
COMMANDS = {11: "/bin/sh -c python train.py", 14: "/bin/sh -c while kill -s 0 10; do sleep 1; done; kill -9 -11"}


def reader(ports: dict[int, tuple[int, ...]] | None = None) -> HeadReader:
    def find_port(pid: int, but: Collection[int], has_own: bool) -> int | None:
        own = [("::ffff:127.0.0.1", 10_000 + pid)] if has_own else []
        return choose_port([*own, *(("127.0.0.1", port) for port in (ports or {}).get(pid, ()))], but, has_own)

    return HeadReader(lambda: TABLE, lambda pid: COMMANDS.get(pid, ""), find_port)


def write(path: Path, id: str, text: str) -> int:
    file = path / f"job-driver-{id}.log"
    file.write_text(text)
    os.utime(file, (WROTE.timestamp(), WROTE.timestamp()))
    return len(text)


def logs(path: Path, before: LogFacts | None) -> Any:
    return reader().read([HeadSubject("j", "j", log=before)], str(path), ()).logs["j"]


def test_a_log_that_grows(tmp_path: Path) -> None:
    assert isinstance(logs(tmp_path, None), Unknown)
    size = write(tmp_path, "j", "begun\n")
    first = logs(tmp_path, None)
    assert first == Known(LogFacts(size, WROTE))
    kept = LogFacts(size)
    assert logs(tmp_path, kept) == Known(kept)
    more = write(tmp_path, "j", "begun\nstep 1\n")
    assert logs(tmp_path, kept) == Known(LogFacts(more, WROTE))
    ray = "(autoscaler +9s) No available node types can fulfill resource request {'GPU': 1.0}.\n"
    noise = write(tmp_path, "j", f"begun\n{ray}")
    assert logs(tmp_path, kept) == Known(LogFacts(noise, None, len(ray)))
    # More than Ray writes in so short a time is the program's.
    much = write(tmp_path, "j", "begun\n" + ray * 200)
    assert logs(tmp_path, kept) == Known(LogFacts(much, WROTE))


def test_the_last_line_is_the_programs_and_keeps_no_secret(tmp_path: Path) -> None:
    write(tmp_path, "j", "step 1\nlogin token=canary-of-a-log\n\n(raylet) Spilled 600 MiB, 1 objects\n")
    line = reader().read_last_line(str(tmp_path), "j")
    assert line.startswith("login")
    assert "canary" not in line
    assert reader().read_last_line(str(tmp_path), "other") == ""
    write(tmp_path, "j", "(raylet) Spilled 600 MiB, 1 objects\n")
    assert reader().read_last_line(str(tmp_path), "j") == ""
    # An id is no way out of the directory.
    assert reader().read_last_line(str(tmp_path), "../j") == ""


def test_processes_of_jobs_beyond_what_ray_knows() -> None:
    subjects = [
        HeadSubject("submitted", "submitted", supervisor=10),
        HeadSubject("by-hand", pids=(20,)),
        HeadSubject("stopped", pids=(31,)),
        HeadSubject("gone", pids=(99,)),
        HeadSubject("own-parent", pids=(40,)),
    ]
    found = reader().read(subjects, "", {20, 12})
    # Of what Ray measures, 12 and 20, only the children are counted; the supervisor and its watcher are none of it.
    assert found.processes == HeadProcesses(
        {"submitted": 4.5, "by-hand": 3.0, "stopped": 1.0, "own-parent": 1.0}, {}, frozenset({"stopped"})
    )
    assert {id: set(pids) for id, pids in found.trees.items()} == {
        "submitted": {11, 12, 13}, "by-hand": {20, 21}, "stopped": {31}, "gone": set(), "own-parent": {40},
    }  # fmt: skip
    assert found.logs == {}


RAYLET = "/site-packages/ray/core/src/ray/raylet/raylet --raylet_socket_name=s"
# A driver (50) with a child (51), and the raylet (60) with two workers: one has a child (63), one another title (62).
PAUSED_TABLE = {50: 1, 51: 50, 60: 1, 61: 60, 62: 60, 63: 61}
TITLES = {50: "python train.py", 51: "python train.py", 60: RAYLET, 61: "ray::Rank.step", 62: "VLLM::Worker"}


@pytest.mark.parametrize(
    ("stopped", "pids", "paused"),
    [
        ({50}, (61, 62, 50), True),
        ({61, 62}, (61, 62, 50), True),
        ({50, 51, 61, 62, 63}, (61, 62, 50), True),
        # One of its workers, or a child of one or of the driver, does not hold up the others.
        ({61}, (61, 62, 50), False),
        ({62}, (61, 62, 50), False),
        ({51}, (61, 62, 50), False),
        ({63}, (61, 62, 50), False),
        ({51}, (50,), False),
        ({63}, (61,), False),
        # Its driver is elsewhere.
        ({61, 62}, (61, 62), True),
        ({61}, (61,), True),
        (set(), (61, 62, 50), False),
    ],
)
def test_paused_is_whose_driver_or_workers_all_were_stopped(
    stopped: set[int], pids: tuple[int, ...], paused: bool
) -> None:
    table = {pid: ProcessRow(pid, parent, 1.0, stopped=pid in stopped) for pid, parent in PAUSED_TABLE.items()}
    it = HeadReader(lambda: table, lambda pid: TITLES.get(pid, ""), lambda *_: None)
    found = it.read([HeadSubject("j", pids=pids)], "", ())
    assert found.processes.stopped == ({"j"} if paused else set())


@pytest.mark.parametrize("stopped", [11, 12, 13])
def test_of_what_never_joined_any_process_that_was_stopped_counts(stopped: int) -> None:
    """Which of them does its work is not known."""
    table = {**TABLE, stopped: ProcessRow(stopped, TABLE[stopped].parent, 1.0, stopped=True)}
    it = HeadReader(lambda: table, lambda pid: COMMANDS.get(pid, ""), lambda *_: None)
    assert it.read([HeadSubject("j", supervisor=10)], "", ()).processes.stopped == {"j"}


def test_ports_of_services() -> None:
    trees = {"a": (11, 12), "b": (20,), "c": (21,), "d": (31,)}
    it = reader({12: (8080,), 20: (14721,), 21: (9000,), 31: (7000,)})
    # Where Ray listens is no service; where it does not say where, one port is its own, and another the program's.
    assert it.find_ports(trees, {14721}, {21, 31}) == FoundPorts({"a": 8080, "c": 9000, "d": 7000})
    assert it.find_ports({"a": (11,), "e": (15,)}, (), {11, 15}) == FoundPorts()


@pytest.mark.parametrize(
    ("listening", "but", "has_own", "port"),
    [
        ([], (), False, None),
        ([("127.0.0.1", 8080)], (), False, 8080),
        ([("127.0.0.1", 8080)], {8080}, False, None),
        ([("::ffff:10.0.0.1", 3001)], (), True, None),
        ([("::ffff:10.0.0.1", 3001), ("0.0.0.0", 8080)], (), True, 8080),
        ([("::ffff:10.0.0.1", 3001), ("::", 8080)], {3001}, False, 8080),
        ([("127.0.0.1", 8080), ("127.0.0.1", 8081)], (), False, 8080),
    ],
)
def test_which_port_is_the_programs(
    listening: list[tuple[str, int]], but: Collection[int], has_own: bool, port: int | None
) -> None:
    assert choose_port(listening, but, has_own) == port


def test_who_has_waited_longest_is_looked_at_for_a_port_first() -> None:
    ports = {21: (9000,)}
    it = reader(ports)
    # The oldest is the last row: it has its turn all the same, and what was found counts while its process is there.
    trees: dict[str, Any] = {"x": range(1_000, 1_000 + MOST_PROCESSES_LOOKED_INTO), "b": (20, 21)}
    assert it.find_ports(trees, (), ()) == FoundPorts({}, frozenset({"b"}))
    assert it.find_ports(trees, (), ()) == FoundPorts({"b": 9000})
    for _ in range(2):
        assert it.find_ports(trees, (), ()) == FoundPorts({"b": 9000})
    assert it.find_ports({**trees, "b": (20,)}, (), ()) == FoundPorts()
    # One that has more than are looked into at once is known after some turns, too.
    many = {"y": range(1_000, 1_001 + MOST_PROCESSES_LOOKED_INTO)}
    it = reader(ports)
    assert [it.find_ports(many, (), ()).unlooked for _ in range(2)] == [{"y"}, frozenset()]
    # A port that is closed again is found closed.
    assert it.find_ports({"b": (21,)}, (), ()).listens == {"b": 9000}
    del ports[21]
    assert it.find_ports({"b": (21,)}, (), ()) == FoundPorts()


def test_this_machine() -> None:
    """The real table has this process; of one that is not there nothing is told."""
    table, own = read_process_table(), os.getpid()
    assert table[own].parent == os.getppid()
    assert table[own].used_s > 0
    assert not table[own].stopped
    assert "python" in read_command_line(own)
    nobody = max(table) + 100_000_000
    assert (read_command_line(nobody), find_listening_port(nobody, (), False)) == ("", None)


def test_the_last_line_is_whole_and_of_this_run(tmp_path: Path) -> None:
    long = "token=" + "x" * 5_000
    texts = {
        long: "",
        f"{long}\nstep 2\n": "step 2",
        f"{long}\r 10%|#": "10%|#",
        f"{RUN_BEGINS}{long}\nstep 3\n": "step 3",
        # What the run before wrote into the same file is not said of this one, and what Ray wrote the program did not.
        f"{RUN_BEGINS}of the run before\n{RUN_BEGINS}": "",
        f"{RUN_BEGINS}of the run before\n{RUN_BEGINS}of this\n": "of this",
    }
    for text, line in texts.items():
        write(tmp_path, "j", text)
        assert reader().read_last_line(str(tmp_path), "j") == line

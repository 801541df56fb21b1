"""The table of lines that Ray writes into every driver's log: each row with the job that caused the line, with one that
only heard of it, and with a file alone.
"""

# ruff: noqa: E501 (lines of logs, as long as they are)
from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from serve_app.jobs.diagnosis.catalogue.broadcast import (
    BROADCASTS,
    LIVE,
    RECORDED,
    WRITTEN,
    Broadcast,
    OwnerRule,
    find_broadcast,
)
from serve_app.jobs.diagnosis.engine.owner import OwnerJudge, Ownership, Shown, Whose, collect_shown, parse_requests
from serve_app.jobs.diagnosis.log.lines import parse_line
from serve_app.jobs.diagnosis.models import Belongings
from tests.unit.jobs.diagnosis import recorded

NODE, OTHER_NODE = "58a09028138157cf521a0ab5", "ffff9028138157cf521a0ab5"
CAUSED = Belongings(
    requests=({"CPU": 64.0}, {"CPU": 1.0, "fpga": 2.0}, {"GPU": 8.0}),
    ids=frozenset({"06000000", "fa2f7af7e2b18dec85b0452047b5273956a13db5cdb1db06b68a9952"}),
    pids=frozenset({1441}),
    nodes=frozenset({NODE, "10.0.0.2"}),
    killed_on=frozenset({NODE, "10.0.0.2"}),
    pythons=frozenset({"/opt/none/bin/python"}),
)
HEARD = Belongings(
    requests=({"CPU": 1.0}, {"CPU": 0.0}),
    ids=frozenset({"07000000"}),
    pids=frozenset({77}),
    nodes=frozenset({OTHER_NODE, "10.0.0.3"}),
)
MINE, OTHERS, UNTOLD = Whose.MINE, Whose.OTHERS, Whose.UNTOLD
EVERY = "Ray writes this line into the log of every driver, and "

# Row of the table: a line, and whose it is for the job that caused it, for one that only heard of it, and for a file.
CASES = [
    ("autoscaler-infeasible", "(autoscaler +5s) Error: No available node types can fulfill resource request {'CPU': 64.0}.",
     MINE, OTHERS, UNTOLD, "nothing of this job waited in vain for 64 CPU"),
    ("autoscaler-infeasible", "(autoscaler +5s) No available node types can fulfill resource requests "
     "{'CPU': 3.0}*2, {'CPU': 1.0, 'fpga': 2.0}*1. Add suitable node types", MINE, OTHERS, UNTOLD,
     "nothing of this job waited in vain for 3 CPU"),
    ("autoscaler-infeasible", "(autoscaler +5s) No available node types can fulfill placement group requests "
     "(detail=pg): {'GPU': 8.0}*4. Add", MINE, OTHERS, UNTOLD, "nothing of this job waited in vain for 8 GPU"),
    ("autoscaler-constraint", "(autoscaler +9s) No available node types can fulfill cluster constraint: {'CPU': 64.0}*1.",
     UNTOLD, UNTOLD, UNTOLD, "it is about the cluster, not about one job"),
    ("request-waits", "(raylet) The lease with ID 0100 cannot be scheduled right now. It requires {CPU: 64} for placement",
     MINE, OTHERS, UNTOLD, "nothing of this job waited in vain for 64 CPU"),
    ("workers-killed", f"(raylet) 3 Workers (tasks / actors) killed due to memory pressure (OOM), 0 Workers crashed due to "
     f"other reasons at node (ID: {NODE}, IP: 10.0.0.2) over", MINE, OTHERS, UNTOLD,
     "nothing of this job was killed for memory on that node without coming further later"),
    ("task-retried", "(raylet) Task load failed due to oom. There are infinite oom retries remaining, so the task will be "
     "retried. Error: 1 worker(s)", MINE, MINE, MINE, ""),
    ("worker-died", "(raylet) A worker died or was killed while executing a task by an unexpected system error. Worker ID: "
     "fa2f7af7e2b18dec85b0452047b5273956a13db5cdb1db06b68a9952", MINE, MINE, MINE, ""),
    ("node-dead", f"(raylet) The node with node id: {NODE} and address: 10.0.0.2 and node name: a has been marked dead "
     "because the detector has missed too many heartbeats from it.", MINE, OTHERS, UNTOLD,
     "nothing of this job was on that node"),
    ("many-workers", f"(raylet) WARNING: 28 PYTHON worker processes have been started on node: {NODE} with address: "
     "10.0.0.2.", MINE, OTHERS, UNTOLD, "nothing of this job was on that node"),
    ("raylet-ended", "(raylet) Raylet is terminated. Termination is unexpected. Possible reasons include: (1) SIGKILL",
     UNTOLD, UNTOLD, UNTOLD, "it is about the cluster, not about one job"),
    ("agent-ended", "(raylet, ip=10.0.0.2) The raylet exited immediately because one Ray agent failed, agent_name = d/7.",
     MINE, OTHERS, UNTOLD, "nothing of this job was on that node"),
    ("agent-ended", "(raylet) The raylet fate shares with the agent. This can happen because", UNTOLD, UNTOLD, UNTOLD,
     "it names no node"),
    ("python-missing", "(raylet) bash: line 1: /opt/none/bin/python: No such file or directory", MINE, OTHERS, UNTOLD,
     "nothing of this job is to be started with that Python"),
    ("worker-not-started", "(raylet) worker_pool.cc:660: Some workers of the worker process(1441) have not registered "
     "within the timeout. The process is dead, probably it crashed during start.", UNTOLD, UNTOLD, UNTOLD,
     "it is about the cluster, not about one job"),
    ("disk-nearly-full", "(raylet, ip=10.0.0.2) /tmp/ray is over 95% full, available space: 1; capacity: 9. Object creation "
     "will fail if spilling is required.", MINE, OTHERS, UNTOLD, "nothing of this job was on that node"),
    ("store-out-of-disk", "(raylet, ip=10.0.0.2) plasma_allocator.cc:90: Plasma fallback allocator failed, likely out of disk space.",
     MINE, OTHERS, UNTOLD, "nothing of this job was on that node"),
    ("spill-failed", "(raylet) An unexpected internal error occurred while the IO worker was spilling objects: [Errno 28]",
     UNTOLD, UNTOLD, UNTOLD, "it is about the cluster, not about one job"),
    ("autoscaler-failed", "(autoscaler +3m) Failed to launch 2 node(s) of type gpu. (RequestLimitExceeded): slow down.",
     UNTOLD, UNTOLD, UNTOLD, "it is about the cluster, not about one job"),
    ("monitor-failed", "(raylet) The dashboard on node head-0 failed with the following error:", UNTOLD, UNTOLD, UNTOLD,
     "it is about the cluster, not about one job"),
    ("version-of-a-worker", "(raylet) RuntimeError: Version mismatch: The cluster was started with:", UNTOLD, UNTOLD,
     UNTOLD, "it is about the cluster, not about one job"),
    ("nodes-come-and-go", "(autoscaler +2m) Restarting 1 nodes of type small (lost contact with raylet).", MINE, MINE, MINE,
     ""),
    ("spilled", "(raylet) Spilled 600 MiB, 1 objects, write throughput 418 MiB/s.", MINE, MINE, MINE, ""),
    ("ray-warns", "(raylet) x.py:3: DeprecationWarning: old", MINE, MINE, MINE, ""),
    ("other-line-of-ray", "(raylet) Failed to start worker with pid=1441 of job 06000000", MINE, UNTOLD, UNTOLD,
     "it names nothing of this job"),
]  # fmt: skip


@pytest.mark.parametrize("row", BROADCASTS, ids=lambda each: each.name)
def test_a_row_finds_its_lines_and_nothing_else(row: Broadcast) -> None:
    def find(line: str) -> Broadcast | None:
        read = parse_line(line.encode())
        return find_broadcast(read.text, read.stream)

    assert len(row.matches) >= 2
    assert [line for line in row.matches if find(line) is not row] == []
    assert [line for line in row.near_misses if find(line) is row] == []
    assert row.seen in (LIVE, RECORDED, WRITTEN)


def test_every_row_is_tried_with_two_jobs() -> None:
    assert {name for name, *_ in CASES} == {each.name for each in BROADCASTS}


@pytest.mark.parametrize(
    ("name", "line", "caused", "heard", "file", "why"), CASES, ids=[f"{each[0]}-{n}" for n, each in enumerate(CASES)]
)
def test_whose_a_line_is(name: str, line: str, caused: Whose, heard: Whose, file: Whose, why: str) -> None:
    read = parse_line(line.encode())
    found = find_broadcast(read.text, read.stream)
    assert found is not None
    assert found.name == name
    of_cause, of_listener, of_file = (
        OwnerJudge(own, Shown()).judge(read.text, read.stream) for own in (CAUSED, HEARD, None)
    )
    assert (of_cause.whose, of_listener.whose, of_file.whose) == (caused, heard, file)
    assert of_listener.why == (EVERY + why if why else "")


def test_where_rows_may_be_missing_nothing_is_ruled_out() -> None:
    own = Belongings(gaps=("the table was cut",))
    found = OwnerJudge(own, Shown()).judge("No available node types can fulfill resource request {'CPU': 64.0}.", "")
    why = f"{EVERY}whether anything of this job waited in vain for 64 CPU cannot be told: the table was cut"
    assert found == Ownership(UNTOLD, why)


def test_where_it_ran_may_be_unknown_and_what_it_asked_for_known() -> None:
    own = Belongings(node_gaps=("nobody asked",))
    dead = "The node with node id: ab12 has been marked dead because"
    asked = "No available node types can fulfill resource request {'CPU': 64.0}."
    found = OwnerJudge(own, Shown()).judge(dead, "(raylet)")
    assert found == Ownership(
        UNTOLD, f"{EVERY}whether anything of this job was on that node cannot be told: nobody asked"
    )
    assert OwnerJudge(own, Shown()).judge(asked, "").whose is OTHERS


OWN_WORDS = [
    # A Python is the job's when it is a whole word of what that wants started; a number, on a node of it.
    ("(raylet) bash: line 1: /opt/none/bin/python: No such file or directory", MINE),
    ("(raylet) bash: line 1: /opt/none/bin: No such file or directory", OTHERS),
    ("(raylet) bash: line 1: /usr/bin/uv: No such file or directory", MINE),
    ("(raylet) bash: line 1: /usr/bin/u: No such file or directory", OTHERS),
    ("(raylet) Failed to start worker with pid=1441", MINE),
    ("(raylet, ip=10.0.0.2) Failed to start worker with pid=1441", MINE),
    ("(raylet, ip=10.0.0.9) Failed to start worker with pid=1441", UNTOLD),
    ("(raylet, ip=10.0.0.9) Failed to start worker with pid=1441 of job 06000000", MINE),
]


@pytest.mark.parametrize(("line", "whose"), OWN_WORDS)
def test_pythons_and_numbers_are_compared_as_wholes(line: str, whose: Whose) -> None:
    own = replace(CAUSED, pythons=frozenset({"'/opt/none/bin/python' -u", "/usr/bin/uv run --python 3.11"}))
    read = parse_line(line.encode())
    assert OwnerJudge(own, Shown()).judge(read.text, read.stream).whose is whose


SHOWS = [
    # What else is in the file: the request in words of the program, or of a library; the node; the kill itself.
    ("No available node types can fulfill resource request {'CPU': 64.0}.", "f = train.options(num_cpus=64)", "", MINE),
    ("No available node types can fulfill resource request {'GPU': 8.0}.", "asks for [{'GPU': 8.0}] per worker", "", MINE),
    ("No available node types can fulfill resource request {'GPU': 8.0}.", "asks for [{'GPU': 4.0}] per worker", "", UNTOLD),
    (f"The node with node id: {NODE} has been marked dead because", f"Worker on Node ID: {NODE} is lost", "", MINE),
    ("The node with node id: ab12 and address: 10.0.0.9 has been marked dead", "step 3", "(f pid=7, ip=10.0.0.9)", MINE),
    ("The node with node id: ab12 and address: 10.0.0.9 has been marked dead", "step 3", "(f pid=7, ip=10.0.0.8)", UNTOLD),
]  # fmt: skip


@pytest.mark.parametrize(("line", "text", "stream", "whose"), SHOWS)
def test_what_a_file_shows_beside_the_line(line: str, text: str, stream: str, whose: Whose) -> None:
    # A line of the table shows nothing of itself.
    shown = collect_shown([(text, stream), (line, "(raylet)")], was_killed=False)
    assert OwnerJudge(None, shown).judge(line, "(raylet)").whose is whose


def test_a_file_in_which_ray_tells_the_job_of_its_own_kill() -> None:
    line = "3 Workers (tasks / actors) killed due to memory pressure (OOM), 0 Workers crashed at node (ID: x)"
    assert OwnerJudge(None, Shown(was_killed=True)).judge(line, "(raylet)").whose is MINE


@pytest.mark.parametrize(
    ("text", "requests"),
    [
        ("request {'CPU': 64.0}.", [{"CPU": 64.0}]),
        ("It requires {CPU: 4.0, memory: 1e9} for", [{"CPU": 4.0, "memory": 1e9}]),
        ("defaultdict(<class 'float'>, {'CPU': 8.0, 'GPU': 8.0}).", [{"CPU": 8.0, "GPU": 8.0}]),
        ("{'CPU': 1.0}*2, {'fpga': 0.0}*1", [{"CPU": 1.0}]),
        ("{'CPU_group_0_ab12cd34ab12cd34': 1.0, 'bundle_group_ab12cd34ab12cd34': 0.001}",
         [{"CPU_group_0_ab12cd34ab12cd34": 1.0, "bundle_group_ab12cd34ab12cd34": 0.001}]),
        ("step {3} of {}", []),
    ],
)  # fmt: skip
def test_requests_in_a_line(text: str, requests: list[dict[str, float]]) -> None:
    assert parse_requests(text) == requests


def test_resources_of_a_group_are_those_of_its_owner() -> None:
    line = "No available node types can fulfill resource request {'CPU_group_0_ab12cd34ab12cd34': 1.0}."
    mine, theirs = Belongings(ids=frozenset({"ab12cd34ab12cd34"})), Belongings()
    assert [OwnerJudge(own, Shown()).judge(line, "").whose for own in (mine, theirs)] == [MINE, OTHERS]


@pytest.mark.parametrize(
    ("stamp", "whose"),
    [("2026-01-03 03:04:05", MINE), ("2026-01-01 03:04:05", OTHERS), ("2026-01-02 03:04:05", MINE), ("no time", MINE)],
)
def test_what_was_written_before_the_run_whatever_the_zone(stamp: str, whose: Whose) -> None:
    own = Belongings(nodes=frozenset({"ab12"}), started_at=datetime(2026, 1, 3, 1, tzinfo=UTC))
    line = f"[{stamp},1 W 9 9] The node with node id: ab12 has been marked dead because"
    assert OwnerJudge(own, Shown()).judge(line, "(raylet)").whose is whose


def test_the_rules_that_need_nothing_are_known() -> None:
    rules = {each.rule for each in BROADCASTS}
    assert rules == set(OwnerRule)


def test_the_table_for_people_has_each_row() -> None:
    text = (Path(recorded.__file__).parent / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    told = [(cells[1].strip(" `"), cells[-2].strip()) for cells in rows]
    assert told == [(each.name, each.seen) for each in BROADCASTS]

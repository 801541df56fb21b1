"""What the tables of a snapshot tell of an id."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.models import DriverExit, Known, Unknown, find_row
from serve_app.jobs.progress.processes import build_driver
from tests.unit.jobs.judging.test_judge import driver, exit_of, one, snapshot, submission
from tests.unit.jobs.judging.test_outcome import node


@pytest.mark.parametrize(
    ("key", "row"),
    [("a", 1), ("b", None), (None, None), ("", None)],
)
def test_who_has_no_id_has_no_row(key: str | None, row: int | None) -> None:
    assert find_row({"a": 1, "": 2}, key) == row


ROW, NOBODYS = exit_of("a", "INTENDED_USER_EXIT"), exit_of("", "SYSTEM_ERROR")


@pytest.mark.parametrize(("job_id", "row"), [("a", ROW), ("b", None), (None, None), ("", None)])
def test_how_a_driver_ended(job_id: str | None, row: DriverExit | None) -> None:
    seen = snapshot(exits=[ROW, NOBODYS])
    assert seen.find_exit(job_id) == row


def test_how_a_driver_ended_is_not_known_without_the_table() -> None:
    down = Unknown("down")
    assert [each.find_exit("a") for each in (snapshot(driver_exits=down), snapshot(driver_exits=Known({})))] == [
        None
    ] * 2


def test_a_driver_without_a_node_is_on_no_node() -> None:
    row = one(driver("a", "RUNNING"))
    nodes = Known((node("ALIVE", node_id=""), node("DEAD", node_id="n")))
    assert [build_driver(row, None, found, nodes).node_alive for found in (None, exit_of("a", None))] == [None, False]


OVERWRITTEN = {"pid": 0, "started_at": None}
RUN = DriverRun("a", "s", "python a.py", is_dead=False)


@pytest.mark.parametrize(
    ("changes", "submission_id", "runs", "alive"),
    [
        ({}, None, (), False),
        ({"is_alive": True}, None, (), True),
        # Its exception hook replaced the row: no end of its process, which a thread may keep.
        (OVERWRITTEN, None, (), True),
        ({**OVERWRITTEN, "is_alive": True}, None, (), True),
        # Of a submission, whose entrypoint may go on without its driver, the table of jobs says whether it left.
        (OVERWRITTEN, "s", (RUN,), True),
        (OVERWRITTEN, "s", (replace(RUN, job_id="b"), replace(RUN, is_dead=True)), False),
        (OVERWRITTEN, "s", (), False),
        ({}, "s", (RUN,), False),
    ],
)
def test_whether_a_driver_lives(
    changes: dict[str, Any], submission_id: str | None, runs: tuple[DriverRun, ...], alive: bool
) -> None:
    row = replace(one(driver("a", "RUNNING")), submission_id=submission_id)
    exited = replace(ROW, **{"is_alive": False, **changes})
    built = build_driver(row, None, exited, Known(()), runs)
    assert (built.alive, built.ended_at) == (alive, None if alive else exited.ended_at)


def test_a_driver_without_a_row_is_not_known_to_live() -> None:
    assert build_driver(one(driver("a", "RUNNING")), None, None, Known(())).alive is None


def test_a_run_of_a_submission_has_names_of_its_own() -> None:
    first, again = (replace(one(submission("a", "FAILED", began=began)), session="s1") for began in (60, 30))
    assert (first.key, again.key) == ("s1/a@1767268740000", "s1/a@1767268770000")
    assert (first.run, again.run) == ("a@2026-01-01T11:59:00.000+00:00", "a@2026-01-01T11:59:30.000+00:00")
    # What changes of a run changes neither.
    assert replace(first, status="x", ended_at=None).key == first.key
    # Ids of drivers are not given again in a session, and their start may become known later.
    one_driver = replace(one(driver("02000000", "RUNNING")), session="s1")
    assert (one_driver.key, one_driver.run) == ("s1/02000000", "02000000@s1")
    assert replace(one_driver, started_at=None).key == one_driver.key

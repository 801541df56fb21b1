"""The truth table of outcomes, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from serve_app.jobs.judging.outcome import conclude_outcome
from serve_app.jobs.models import DriverExit, JobFacts, JobType, Known, NodeFacts, Section, Unknown
from serve_app.outcomes import JobOutcome

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(seconds=10)


def job(status: str, type: JobType = JobType.DRIVER, **changes: Any) -> JobFacts:
    values: dict[str, Any] = {
        "id": "01000000",
        "job_id": "01000000",
        "started_at": START,
        "ended_at": None if status in ("RUNNING", "PENDING") else END,
    }
    return JobFacts(type=type, status=status, **{**values, **changes})


def submission(status: str, **changes: Any) -> JobFacts:
    return job(status, JobType.SUBMISSION, submission_id="s", **changes)


def row(exit_type: str | None = None, **changes: Any) -> Known[DriverExit | None]:
    values: dict[str, Any] = {
        "job_id": "01000000",
        "is_alive": exit_type is None,
        "exit_type": exit_type,
        "exit_detail": None,
        "pid": 7,
        "started_at": START,
        "ended_at": END if exit_type else None,
        "node_id": "n",
    }
    return Known(DriverExit(**{**values, **changes}))


def overwritten(exit_type: str | None, **changes: Any) -> Known[DriverExit | None]:
    return row(exit_type, pid=0, started_at=None, **changes)


def node(state: str, **changes: Any) -> NodeFacts:
    values: dict[str, Any] = {
        "node_id": "n",
        "ip": "127.0.0.1",
        "is_head": False,
        "state": state,
        "message": None,
        "started_at": START,
        "ended_at": None if state == "ALIVE" else END,
        "resources": {},
        "labels": {},
    }
    return NodeFacts(**{**values, **changes})


ALIVE, DEAD = node("ALIVE"), node("DEAD")
NONE: Known[DriverExit | None] = Known(None)
CLEAN = "INTENDED_USER_EXIT"
LOST_SUPERVISOR = "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE"


@pytest.mark.parametrize(
    ("facts", "driver", "where", "outcome", "rule"),
    [
        # Drivers that ended: Ray says SUCCEEDED of all of them.
        (job("SUCCEEDED"), row(CLEAN), ALIVE, "ended_unknown", "driver-clean-exit"),
        (job("SUCCEEDED"), overwritten(CLEAN), ALIVE, "failed", "driver-exception"),
        (job("SUCCEEDED"), row("SYSTEM_ERROR"), ALIVE, "failed", "driver-killed"),
        (job("SUCCEEDED"), overwritten("SYSTEM_ERROR"), ALIVE, "failed", "driver-killed"),
        (job("SUCCEEDED"), row("NODE_OUT_OF_MEMORY"), ALIVE, "failed", "driver-out-of-memory"),
        (job("SUCCEEDED"), row("USER_ERROR"), ALIVE, "failed", "driver-user-error"),
        (job("SUCCEEDED"), row("INTENDED_SYSTEM_EXIT"), ALIVE, "ended_unknown", "driver-system-exit"),
        (job("SUCCEEDED"), row("BY_A_LATER_RAY"), ALIVE, "ended_unknown", "exit-type-unknown"),
        (job("SUCCEEDED"), row(None, is_alive=False), ALIVE, "ended_unknown", "exit-type-unknown"),
        # Half of the sign of an exception is no sign.
        (job("SUCCEEDED"), row(CLEAN, pid=0), ALIVE, "ended_unknown", "driver-clean-exit"),
        (job("SUCCEEDED"), row(CLEAN, started_at=None), ALIVE, "ended_unknown", "driver-clean-exit"),
        # A prompt goes on after an exception.
        (
            job("SUCCEEDED", entrypoint="(interactive_shell) python"),
            overwritten(CLEAN),
            ALIVE,
            "ended_unknown",
            "prompt-exception",
        ),
        # What the worker table does not tell.
        (job("SUCCEEDED"), NONE, ALIVE, "ended_unknown", "worker-row-missing"),
        (job("SUCCEEDED"), row(), ALIVE, "ended_unknown", "worker-row-missing"),
        (job("SUCCEEDED"), overwritten(None), ALIVE, "ended_unknown", "worker-row-missing"),
        (job("SUCCEEDED"), Unknown("down"), ALIVE, "ended_unknown", "worker-table-unavailable"),
        # Nodes that are gone.
        (job("SUCCEEDED"), NONE, DEAD, "lost", "node-dead"),
        (job("SUCCEEDED"), row(), DEAD, "lost", "node-dead"),
        (job("SUCCEEDED"), row("SYSTEM_ERROR"), DEAD, "lost", "node-dead"),
        (job("SUCCEEDED"), row(CLEAN), DEAD, "ended_unknown", "driver-clean-exit"),
        (job("SUCCEEDED"), overwritten(CLEAN), DEAD, "failed", "driver-exception"),
        (
            job("SUCCEEDED"),
            row("SYSTEM_ERROR"),
            node("DEAD", ended_at=END + timedelta(hours=1)),
            "failed",
            "driver-killed",
        ),
        (job("SUCCEEDED"), row("SYSTEM_ERROR"), None, "failed", "driver-killed"),
        (job("RUNNING"), row(), DEAD, "lost", "node-dead"),
        # Running, whatever the worker table says already.
        (job("RUNNING"), row(), ALIVE, "running", "running"),
        (job("RUNNING"), NONE, None, "running", "running"),
        (job("RUNNING"), overwritten(None), ALIVE, "running", "running"),
        (job("RUNNING"), overwritten(CLEAN), ALIVE, "running", "running"),
        (job("RUNNING"), row("SYSTEM_ERROR"), ALIVE, "running", "running"),
        (job("RUNNING"), Unknown("down"), ALIVE, "running", "running"),
        # Words that Ray 2.60 does not use of drivers.
        (job("PAUSED", ended_at=None), row(), ALIVE, "running", "status-unknown"),
        (job("ARCHIVED"), row(CLEAN), ALIVE, "ended_unknown", "status-unknown"),
        (job("", ended_at=None), NONE, None, "ended_unknown", "status-unknown"),
        # Submissions: Ray keeps the exit code.
        (submission("PENDING"), NONE, None, "pending", "pending"),
        (submission("RUNNING"), NONE, ALIVE, "running", "running"),
        (submission("RUNNING"), NONE, DEAD, "lost", "node-dead"),
        (submission("STOPPED"), row("SYSTEM_ERROR"), ALIVE, "stopped", "stopped"),
        (submission("SUCCEEDED", exit_code=0), row(CLEAN), ALIVE, "succeeded", "exit-code-0"),
        (submission("SUCCEEDED", exit_code=0), Unknown("down"), None, "succeeded", "exit-code-0"),
        (submission("SUCCEEDED"), NONE, ALIVE, "ended_unknown", "exit-code-missing"),
        (submission("SUCCEEDED", exit_code=2), NONE, ALIVE, "failed", "exit-code-contradicts"),
        (submission("FAILED", exit_code=3), NONE, ALIVE, "failed", "submission-failed"),
        (submission("FAILED"), NONE, DEAD, "failed", "submission-failed"),
        (submission("FAILED", error_type=LOST_SUPERVISOR), row(), ALIVE, "running", "supervisor-lost-driver-alive"),
        (submission("FAILED", error_type=LOST_SUPERVISOR), row(), None, "ended_unknown", "supervisor-lost-unproven"),
        (
            submission("FAILED", error_type=LOST_SUPERVISOR),
            Unknown("x"),
            ALIVE,
            "ended_unknown",
            "supervisor-lost-unproven",
        ),
        (submission("FAILED", error_type=LOST_SUPERVISOR), row(CLEAN), ALIVE, "failed", "submission-failed"),
        (submission("FAILED", error_type=LOST_SUPERVISOR), NONE, DEAD, "lost", "node-dead"),
        (submission("FAILED", error_type="JOB_ENTRYPOINT_COMMAND_ERROR"), row(), ALIVE, "failed", "submission-failed"),
        (submission("QUEUED", ended_at=None), NONE, None, "running", "status-unknown"),
    ],
)
def test_outcome(
    facts: JobFacts, driver: Section[DriverExit | None], where: NodeFacts | None, outcome: str, rule: str
) -> None:
    found = conclude_outcome(facts, driver, where)
    assert (found.outcome, found.evidence[0].rule) == (outcome, rule)
    assert found.sentence.endswith((".", "…"))


@pytest.mark.parametrize("exit_type", [None, CLEAN, "SYSTEM_ERROR", "USER_ERROR", "INTENDED_SYSTEM_EXIT", "NEW"])
@pytest.mark.parametrize("pid", [0, 7])
@pytest.mark.parametrize("alive", [True, False])
@pytest.mark.parametrize("where", [None, ALIVE, DEAD])
def test_no_driver_is_ever_called_succeeded(
    exit_type: str | None, pid: int, alive: bool, where: NodeFacts | None
) -> None:
    driver = row(exit_type, pid=pid, is_alive=alive, started_at=None if pid == 0 else START)
    assert conclude_outcome(job("SUCCEEDED"), driver, where).outcome is not JobOutcome.SUCCEEDED


LOG = "Job entrypoint command failed with exit code 1, last available logs (truncated to 20,000 chars):\n"


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (None, "It failed with exit code 1."),
        ("", "It failed with exit code 1."),
        (" \n", "It failed with exit code 1."),
        (
            "runtime_env setup failed: no such package\nTraceback",
            "It failed with exit code 1: runtime_env setup failed: no such package",
        ),
        (LOG + "first\nValueError: no\n\n", "It failed with exit code 1; the last line of its log: ValueError: no"),
        (LOG + "Running entrypoint for job x: y\n", "It failed with exit code 1; its log says nothing."),
        (LOG + "x" * 500, f"It failed with exit code 1; the last line of its log: {'x' * 199}…"),
    ],
)
def test_a_failure_quotes_what_says_the_most(message: str | None, sentence: str) -> None:
    assert conclude_outcome(submission("FAILED", exit_code=1, message=message), NONE, ALIVE).sentence == sentence


def test_a_cut_worker_table_is_named_when_a_row_is_missing() -> None:
    found = conclude_outcome(job("SUCCEEDED"), Known(None, "Ray lists 10000 of 12000 rows."), ALIVE)
    assert found.evidence[0].fact == "no row for this driver; Ray lists 10000 of 12000 rows."


@pytest.mark.parametrize(
    ("driver", "forced"),
    [
        (row("SYSTEM_ERROR"), True),
        (row(CLEAN), False),
        (row(None), False),  # its end is not recorded yet
        (NONE, False),
        (Unknown("Down."), False),
    ],
)
def test_a_stop_that_had_to_kill_the_driver(driver: Section[DriverExit | None], forced: bool) -> None:
    told = conclude_outcome(submission("STOPPED"), driver, ALIVE)
    assert (told.outcome, told.rule, "by force" in told.sentence) == ("stopped", "stopped", forced)
    assert [each.rule for each in told.evidence] == ["stopped", *["stopped-by-force"] * forced]
    assert ("RAY_JOB_STOP_WAIT_TIME_S" in told.sentence) is forced

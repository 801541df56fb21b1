"""What is concluded, word for word: the facts that each outcome rests on, and the sentence that tells it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from serve_app.jobs.judging.outcome import conclude_outcome
from serve_app.jobs.models import DriverExit, Evidence, JobFacts, JobType, Known, NodeFacts, Section, Unknown
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.judging.test_outcome import (
    ALIVE,
    CLEAN,
    DEAD,
    END,
    LOG,
    NONE,
    job,
    node,
    overwritten,
    row,
    submission,
)

JOBS, WORKERS, NODES = "job list", "worker table", "node table"
DIED, UNREACHABLE = "JOB_SUPERVISOR_ACTOR_DIED", "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE"
OVERWRITTEN = "INTENDED_USER_EXIT with pid 0 and start time 0: the exception hook overwrote the row"
PROMPT = "(interactive_shell) python"
HELD = "Ray's status HELD is not one that can be told."
FAR = "f" * 40
Told = list[tuple[str, str, str]]


def make_failed(error_type: str | None = None, exit_code: int | None = None, **changes: object) -> JobFacts:
    return submission("FAILED", error_type=error_type, exit_code=exit_code, **changes)


@pytest.mark.parametrize(
    ("facts", "driver", "where", "outcome", "evidence", "sentence"),
    [
        # Submissions, by Ray's word and exit code.
        (submission("PENDING"), NONE, None, "pending", [("pending", JOBS, "status PENDING")], "It has not started."),
        (submission("RUNNING"), row(), ALIVE, "running", [("running", JOBS, "status RUNNING")], "It runs."),
        (
            submission("RUNNING"), row(CLEAN), ALIVE, "running",
            [
                ("running", JOBS, "status RUNNING"),
                ("running", WORKERS, "not counted while Ray says RUNNING: INTENDED_USER_EXIT, pid 7"),
            ],
            "It runs.",
        ),
        (
            submission("RUNNING"), row(), DEAD, "lost",
            [("node-dead", NODES, "node n is DEAD"), ("node-dead", JOBS, "status RUNNING")],
            "It was lost with its node n.",
        ),
        (
            submission("STOPPED"), NONE, DEAD, "stopped",
            [("stopped", JOBS, "status STOPPED")], "It was stopped on request.",
        ),
        (
            submission("SUCCEEDED", exit_code=0), NONE, DEAD, "succeeded",
            [("exit-code-0", JOBS, "status SUCCEEDED, exit code 0")], "Its entrypoint exited with code 0.",
        ),
        (
            submission("SUCCEEDED"), NONE, None, "ended_unknown",
            [("exit-code-missing", JOBS, "status SUCCEEDED, no exit code")],
            "Ray says SUCCEEDED but recorded no exit code; success is not proven.",
        ),
        (
            submission("SUCCEEDED", exit_code=1), NONE, None, "failed",
            [("exit-code-contradicts", JOBS, "status SUCCEEDED, exit code 1")],
            "Ray says SUCCEEDED, but its entrypoint exited with code 1.",
        ),
        (
            make_failed(), NONE, None, "failed",
            [("submission-failed", JOBS, "status FAILED, no error type, no exit code")], "It failed.",
        ),
        (
            make_failed("JOB_ENTRYPOINT_COMMAND_ERROR", 3), Unknown("down"), DEAD, "failed",
            [("submission-failed", JOBS, "status FAILED, JOB_ENTRYPOINT_COMMAND_ERROR, exit code 3")],
            "It failed with exit code 3.",
        ),
        # What the worker table adds to a failure: an exception, a kill, and nothing while the driver lives.
        (
            make_failed(exit_code=1), overwritten(CLEAN), ALIVE, "failed",
            [
                ("submission-failed", JOBS, "status FAILED, no error type, exit code 1"),
                ("driver-exception", WORKERS, OVERWRITTEN),
            ],
            "It failed with exit code 1.",
        ),
        (
            make_failed(exit_code=-9), row("SYSTEM_ERROR", exit_detail="connection error code 2"), ALIVE, "failed",
            [
                ("submission-failed", JOBS, "status FAILED, no error type, exit code -9"),
                ("driver-killed", WORKERS, "SYSTEM_ERROR, pid 7, connection error code 2"),
            ],
            "It failed with exit code -9.",
        ),
        *(
            (
                make_failed(exit_code=1), said, ALIVE, "failed",
                [("submission-failed", JOBS, "status FAILED, no error type, exit code 1")],
                "It failed with exit code 1.",
            )
            for said in (
                overwritten(None), overwritten(CLEAN, is_alive=True), row("SYSTEM_ERROR", is_alive=True), row(CLEAN),
                row("USER_ERROR"),
            )
        ),
        # A supervisor that Ray lost says nothing of the driver.
        *(
            (
                make_failed(lost), row(), ALIVE, "running",
                [
                    ("supervisor-lost-driver-alive", JOBS, f"status FAILED, {lost}, no exit code"),
                    ("supervisor-lost-driver-alive", WORKERS, "driver 7 is alive"),
                ],
                "Ray says FAILED because it lost the job's supervisor, but the driver is alive.",
            )
            for lost in (DIED, UNREACHABLE)
        ),
        (
            make_failed(DIED), row(), None, "ended_unknown",
            [
                ("supervisor-lost-unproven", JOBS, "status FAILED, JOB_SUPERVISOR_ACTOR_DIED, no exit code"),
                ("supervisor-lost-unproven", WORKERS, "whether the driver lives is not known (its node is not known)"),
            ],
            "Ray says FAILED because it lost the job's supervisor; "
            "whether the driver lives is not known (its node is not known).",
        ),
        (
            make_failed(DIED), Unknown("no answer"), ALIVE, "ended_unknown",
            [
                ("supervisor-lost-unproven", JOBS, "status FAILED, JOB_SUPERVISOR_ACTOR_DIED, no exit code"),
                (
                    "supervisor-lost-unproven", WORKERS,
                    "whether the driver lives is not known (worker table: no answer)",
                ),
            ],
            "Ray says FAILED because it lost the job's supervisor; "
            "whether the driver lives is not known (worker table: no answer).",
        ),
        (
            make_failed(DIED), row("SYSTEM_ERROR"), None, "failed",
            [
                ("submission-failed", JOBS, "status FAILED, JOB_SUPERVISOR_ACTOR_DIED, no exit code"),
                ("driver-killed", WORKERS, "SYSTEM_ERROR, pid 7"),
            ],
            "It failed.",
        ),
        (
            make_failed(DIED), NONE, None, "failed",
            [("submission-failed", JOBS, "status FAILED, JOB_SUPERVISOR_ACTOR_DIED, no exit code")], "It failed.",
        ),
        (
            make_failed(DIED), row(), node("DEAD", node_id=FAR, message="health check failed"), "lost",
            [
                ("node-dead", NODES, f"node {FAR} is DEAD (health check failed)"),
                ("node-dead", JOBS, "status FAILED"),
            ],
            "It was lost with its node ffffffffffff (health check failed).",
        ),
        # Running, whatever the worker table says already.
        (job("RUNNING"), row(), ALIVE, "running", [("running", JOBS, "status RUNNING")], "It runs."),
        (job("RUNNING"), NONE, None, "running", [("running", JOBS, "status RUNNING")], "It runs."),
        (job("RUNNING"), Unknown("down"), None, "running", [("running", JOBS, "status RUNNING")], "It runs."),
        (
            job("RUNNING"), overwritten(None), ALIVE, "running",
            [
                ("running", JOBS, "status RUNNING"),
                ("running", WORKERS, "not counted while Ray says RUNNING: alive, pid 0"),
            ],
            "It runs.",
        ),
        (
            job("RUNNING"), row(None, is_alive=False), ALIVE, "running",
            [
                ("running", JOBS, "status RUNNING"),
                ("running", WORKERS, "not counted while Ray says RUNNING: no exit type, pid 7"),
            ],
            "It runs.",
        ),
        (
            job("RUNNING"), row(CLEAN), DEAD, "lost",
            [("node-dead", NODES, "node n is DEAD"), ("node-dead", JOBS, "status RUNNING")],
            "It was lost with its node n.",
        ),
        # Drivers that ended, by their row in the worker table.
        (
            job("SUCCEEDED"), row(CLEAN), DEAD, "ended_unknown",
            [("driver-clean-exit", WORKERS, "INTENDED_USER_EXIT, pid 7")],
            "It ended in order; success is not proven, because Ray keeps no exit code of a driver.",
        ),
        (
            job("FAILED"), overwritten(CLEAN), None, "failed", [("driver-exception", WORKERS, OVERWRITTEN)],
            "It ended by an uncaught exception; Ray calls it SUCCEEDED.",
        ),
        (
            job("SUCCEEDED", entrypoint=PROMPT), overwritten(CLEAN), None, "ended_unknown",
            [("prompt-exception", WORKERS, OVERWRITTEN)],
            "The prompt was left after an exception in it; whether its work was done is not known.",
        ),
        (
            job("SUCCEEDED", entrypoint=f"python {PROMPT}"), overwritten(CLEAN), None, "failed",
            [("driver-exception", WORKERS, OVERWRITTEN)],
            "It ended by an uncaught exception; Ray calls it SUCCEEDED.",
        ),
        (
            job("SUCCEEDED"), row("SYSTEM_ERROR", exit_detail="End of file"), ALIVE, "failed",
            [("driver-killed", WORKERS, "SYSTEM_ERROR, pid 7, End of file")],
            "It died abnormally (killed, or crashed); Ray calls it SUCCEEDED.",
        ),
        (
            job("STOPPED"), row("NODE_OUT_OF_MEMORY"), ALIVE, "failed",
            [("driver-out-of-memory", WORKERS, "NODE_OUT_OF_MEMORY, pid 7")],
            "It was killed because its node ran out of memory; Ray calls it SUCCEEDED.",
        ),
        (
            job("SUCCEEDED"), row("USER_ERROR"), ALIVE, "failed", [("driver-user-error", WORKERS, "USER_ERROR, pid 7")],
            "It ended by an error in user code; Ray calls it SUCCEEDED.",
        ),
        (
            job("SUCCEEDED"), row("INTENDED_SYSTEM_EXIT"), ALIVE, "ended_unknown",
            [("driver-system-exit", WORKERS, "INTENDED_SYSTEM_EXIT, pid 7")],
            "Ray ended it on purpose; whether its work was done is not known.",
        ),
        (
            job("SUCCEEDED"), row("LATER"), ALIVE, "ended_unknown", [("exit-type-unknown", WORKERS, "LATER, pid 7")],
            "It ended; its exit type (LATER) is not one that can be told.",
        ),
        (
            job("SUCCEEDED"), row(None, is_alive=False), ALIVE, "ended_unknown",
            [("exit-type-unknown", WORKERS, "no exit type, pid 7")],
            "It ended; its exit type (none) is not one that can be told.",
        ),
        # Drivers that ended, and no row tells how.
        (
            job("SUCCEEDED"), Unknown("no answer"), ALIVE, "ended_unknown",
            [("worker-table-unavailable", WORKERS, "worker table not available: no answer")],
            "It ended; how is not known (worker table not available: no answer).",
        ),
        (
            job("SUCCEEDED"), NONE, ALIVE, "ended_unknown",
            [("worker-row-missing", WORKERS, "no row for this driver")],
            "It ended; how is not known (worker table: no row for this driver).",
        ),
        (
            job("SUCCEEDED"), row(), None, "ended_unknown",
            [("worker-row-missing", WORKERS, "the row does not record the end")],
            "It ended; how is not known (worker table: the row does not record the end).",
        ),
        (
            job("SUCCEEDED"), Known(None, "2 of 3 rows."), ALIVE, "ended_unknown",
            [("worker-row-missing", WORKERS, "no row for this driver; 2 of 3 rows.")],
            "It ended; how is not known (worker table: no row for this driver; 2 of 3 rows.).",
        ),
        # Words that Ray 2.60 does not use.
        *(
            (
                facts, NONE, ALIVE, outcome, [("status-unknown", JOBS, fact)], sentence,
            )
            for facts, outcome, fact, sentence in (
                (job("HELD", ended_at=None), "running", "status HELD", HELD),
                (job("HELD"), "ended_unknown", "status HELD", HELD),
                (submission("HELD"), "ended_unknown", "status HELD", HELD),
                (
                    submission("", ended_at=None), "ended_unknown", "status missing",
                    "Ray's status (missing) is not one that can be told.",
                ),
            )
        ),
        # A node's own start is judged by the node table; here it is no submission.
        (
            job("PENDING", JobType.NODE), NONE, None, "running", [("status-unknown", JOBS, "status PENDING")],
            "Ray's status PENDING is not one that can be told.",
        ),
    ],
)  # fmt: skip
def test_a_conclusion_and_what_it_rests_on(
    facts: JobFacts,
    driver: Section[DriverExit | None],
    where: NodeFacts | None,
    outcome: str,
    evidence: Told,
    sentence: str,
) -> None:
    found = conclude_outcome(facts, driver, where)
    assert found[:3] == (JobOutcome(outcome), tuple(Evidence(*each) for each in evidence), sentence)


@pytest.mark.parametrize(
    ("driver_ended_s", "job_ended_s", "node_ended_s", "outcome"),
    [
        # A driver is lost with its node when both ended within 90 s, whichever was first.
        (0, 0, 90, "lost"),
        (0, 0, 91, "failed"),
        (90, 0, 0, "lost"),
        (91, 0, 0, "failed"),
        # Where its row tells no end, that of the job counts; where nothing tells one, it is taken to be the same.
        (None, 0, 90, "lost"),
        (None, 0, 91, "failed"),
        (None, None, 91, "lost"),
        (0, 0, None, "lost"),
        # The row's own end comes first.
        (91, 0, 91, "lost"),
    ],
)
def test_a_driver_that_died_about_when_its_node_did_was_lost_with_it(
    driver_ended_s: int | None, job_ended_s: int | None, node_ended_s: int | None, outcome: str
) -> None:
    driver, ended, gone = (
        None if each is None else END + timedelta(seconds=each) for each in (driver_ended_s, job_ended_s, node_ended_s)
    )
    found = conclude_outcome(
        job("SUCCEEDED", ended_at=ended), row("SYSTEM_ERROR", ended_at=driver), node("DEAD", ended_at=gone)
    )
    assert found.outcome == outcome


@pytest.mark.parametrize("exit_type", [CLEAN, "NODE_OUT_OF_MEMORY", "USER_ERROR", "INTENDED_SYSTEM_EXIT", "LATER"])
def test_only_an_abnormal_end_is_put_down_to_the_node(exit_type: str) -> None:
    assert conclude_outcome(job("SUCCEEDED"), row(exit_type), DEAD).outcome is not JobOutcome.LOST


KILLED = """\
ray.exceptions.OutOfMemoryError: 1 worker(s) were killed due to the node running low on memory.
- bytes spillable: 0

Top 10 memory users: PID	MEM(GB)	COMMAND
17480	3.68	ray::load
Refer to the documentation on how to address the out of memory issue: https://docs.ray.io/x.html."""


@pytest.mark.parametrize(
    ("message", "added"),
    [
        (None, "."),
        ("\n \n", "."),
        ("  the node has no disk  \nmore", ": the node has no disk"),
        # A traceback says the most in its last line.
        (
            "setup failed\nTraceback (most recent call last):\n  File\nOSError: no space  \n\n",
            ": OSError: no space",
        ),
        (f"{'x' * 200}\ny", f": {'x' * 200}"),
        (f"{'x' * 201}\ny", f": {'x' * 199}…"),
        # Of a log that is quoted, its last line, unless that is Ray's own.
        (f"{LOG}one\n  two  \n\n", "; the last line of its log: two"),
        (f"{LOG}{'x' * 201}", f"; the last line of its log: {'x' * 199}…"),
        (f"{LOG}one\n2026-01-01 INFO worker.py:1234 -- connected", "; the last line of its log: one"),
        (f"{LOG}one\n2026-01-01 INFO job_manager.py:12 -- it ended", "; the last line of its log: one"),
        (f"{LOG}one\nRunning entrypoint for job 7: python x", "; the last line of its log: one"),
        (
            f"{LOG}it said: Running entrypoint for job 7",
            "; the last line of its log: it said: Running entrypoint for job 7",
        ),
        (f"{LOG}\n \n", "; its log says nothing."),
        (LOG, "; its log says nothing."),
        (f"{LOG}one\n{LOG}two", "; the last line of its log: two"),
        # Of Ray's message about memory the first line tells, not the pointer to its documentation.
        (f"{LOG}one\n{KILLED}", f"; the last line of its log: {KILLED.splitlines()[0]}"),
        (f"{LOG}one\n{KILLED}\ntwo", "; the last line of its log: two"),
        (f"{LOG}{KILLED.partition('memory.')[2]}", "; its log ends with Ray's word that it killed for memory."),
    ],
)
def test_a_failure_adds_the_line_that_says_the_most(message: str | None, added: str) -> None:
    assert (
        conclude_outcome(make_failed(exit_code=1, message=message), NONE).sentence
        == f"It failed with exit code 1{added}"
    )

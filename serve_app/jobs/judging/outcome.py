"""What became of a job: Ray's word joined with the worker and node tables. Pure.

Ray calls every driver that has ended SUCCEEDED (``get_driver_jobs`` in ray/dashboard/modules/job/utils.py), so for
drivers its word proves the end and nothing more. The worker table proves some failures: seen on Ray 2.60, a driver that
raised leaves a row without process id and start, one that was killed a ``SYSTEM_ERROR``, and one that called
``sys.exit(3)`` the same row as one that fell off its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from serve_app.jobs.judging.run_marks import LOG_FOLLOWS, OF_RAY
from serve_app.jobs.models import DriverExit, Evidence, JobFacts, JobType, Known, NodeFacts, Section, Unknown
from serve_app.outcomes import JobOutcome

# The rules that others ask for by name.
SUBMISSION_FAILED, EXIT_CODE_0 = "submission-failed", "exit-code-0"
DRIVER_EXCEPTION = "driver-exception"
ROW_MISSING = "worker-row-missing"
# Those whose fact of the worker table is Ray's own word on the bad end of a driver's process.
DRIVER_ENDED_BADLY = frozenset({"driver-killed", "driver-out-of-memory", "driver-user-error"})

# A dead node is noticed within 65 s at worst (ray's health check defaults); a driver ends with it or because of it.
_NODE_DEATH_WINDOW = timedelta(seconds=90)
# Ray puts this before the entrypoint of a prompt (ray/_private/utils.py, ``get_entrypoint_name``).
PROMPT = "(interactive_shell)"
# The supervisor is gone or out of reach, which says nothing about the driver itself.
_SUPERVISOR_LOST = {"JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE", "JOB_SUPERVISOR_ACTOR_DIED"}

# What is noted of a job that Ray does not know any more (ray/dashboard/modules/job/common.py, ``put_status``).
_NO_ENTRYPOINT = "Entrypoint not found."
DELETED = "deleted-noted-again"

_TRACEBACK = "Traceback (most recent call last)"
_LINE_CHARS = 200
# First and last line of what Ray says when it kills for memory.
_MEMORY_BEGINS = "due to the node running low on memory"
_MEMORY_ENDS = "Refer to the documentation on how to address the out of memory issue"


class Conclusion(NamedTuple):
    """The outcome, the facts that it rests on, one sentence, and the rule that concluded it.

    ``action``: what to do about it, where that does not depend on the kind of the job.
    """

    outcome: JobOutcome
    evidence: tuple[Evidence, ...]
    sentence: str
    rule: str
    action: str | None = None


def conclude_outcome(job: JobFacts, driver: Section[DriverExit | None], node: NodeFacts | None = None) -> Conclusion:
    """Conclude from a job, its driver's worker row (``Known(None)``: the table has none) and its node, when known."""
    if job.type is JobType.SUBMISSION:
        return _conclude_submission(job, driver, node)
    if job.status == "RUNNING":
        return _conclude_running(job, driver, node)
    if job.status in ("SUCCEEDED", "FAILED", "STOPPED"):
        return _conclude_driver(job, driver, node)
    return _conclude_unknown_status(job)


def _conclude_submission(job: JobFacts, driver: Section[DriverExit | None], node: NodeFacts | None) -> Conclusion:
    if job.entrypoint == _NO_ENTRYPOINT and job.status == "FAILED" and job.started_at is None:
        return _conclude_deleted(job)
    match job.status:
        case "PENDING":
            return _conclude(JobOutcome.PENDING, "pending", "job list", "status PENDING", "It has not started.")
        case "RUNNING":
            return _conclude_running(job, driver, node)
        case "STOPPED":
            return _conclude_stopped(driver)
        case "SUCCEEDED":
            return _conclude_succeeded_submission(job)
        case "FAILED":
            return _conclude_failed_submission(job, driver, node)
    return _conclude_unknown_status(job)


def _conclude_deleted(job: JobFacts) -> Conclusion:
    """Only what is over can be deleted; Ray's watcher of it, which had not seen the end yet, takes it for a loss."""
    fact = f"status FAILED, {job.error_type or 'no error type'}, no start and no entrypoint"
    sentence = (
        "It was deleted as soon as it had ended, and Ray's own watcher, which had not seen that end, noted it again as "
        "FAILED. What became of the job this row does not tell. To have the row gone, delete it once more."
    )
    return _conclude(JobOutcome.ENDED_UNKNOWN, DELETED, "job list", fact, sentence)


def _conclude_stopped(driver: Section[DriverExit | None]) -> Conclusion:
    """Ray does not say whether it had to kill it; a driver that ended on SIGTERM has left the cluster in order."""
    row = driver.value if isinstance(driver, Known) else None
    if row is None or row.is_alive or row.exit_type != "SYSTEM_ERROR":
        return _conclude(JobOutcome.STOPPED, "stopped", "job list", "status STOPPED", "It was stopped on request.")
    evidence = (
        Evidence("stopped", "job list", "status STOPPED"),
        Evidence("stopped-by-force", "worker table", _describe_row(row)),
    )
    sentence = (
        "It was stopped on request, as it seems by force: its driver did not leave in order. "
        "RAY_JOB_STOP_WAIT_TIME_S gives it more time between SIGTERM and SIGKILL."
    )
    return Conclusion(JobOutcome.STOPPED, evidence, sentence, "stopped")


def _conclude_succeeded_submission(job: JobFacts) -> Conclusion:
    if job.exit_code == 0:
        fact = "status SUCCEEDED, exit code 0"
        return _conclude(JobOutcome.SUCCEEDED, EXIT_CODE_0, "job list", fact, "Its entrypoint exited with code 0.")
    if job.exit_code is None:
        return _conclude(
            JobOutcome.ENDED_UNKNOWN,
            "exit-code-missing",
            "job list",
            "status SUCCEEDED, no exit code",
            "Ray says SUCCEEDED but recorded no exit code; success is not proven.",
        )
    return _conclude(
        JobOutcome.FAILED,
        "exit-code-contradicts",
        "job list",
        f"status SUCCEEDED, exit code {job.exit_code}",
        f"Ray says SUCCEEDED, but its entrypoint exited with code {job.exit_code}.",
    )


def _conclude_failed_submission(
    job: JobFacts, driver: Section[DriverExit | None], node: NodeFacts | None
) -> Conclusion:
    exit_code = "no exit code" if job.exit_code is None else f"exit code {job.exit_code}"
    fact = f"status FAILED, {job.error_type or 'no error type'}, {exit_code}"
    row = driver.value if isinstance(driver, Known) else None
    if job.error_type in _SUPERVISOR_LOST:
        if node is not None and not node.alive:
            return _conclude_lost(node, job)
        # A row of a driver stays alive for ever when its node dies, so without the node it proves nothing.
        if isinstance(driver, Unknown) or (row is not None and row.is_alive and node is None):
            return _conclude_lost_supervisor(fact, driver)
        if row is not None and row.is_alive:
            rule = "supervisor-lost-driver-alive"
            return Conclusion(
                JobOutcome.RUNNING,
                (Evidence(rule, "job list", fact), Evidence(rule, "worker table", f"driver {row.pid} is alive")),
                "Ray says FAILED because it lost the job's supervisor, but the driver is alive.",
                rule,
            )
    evidence = [Evidence(SUBMISSION_FAILED, "job list", fact)]
    if row is not None and not row.is_alive and row.overwritten:
        evidence.append(Evidence(DRIVER_EXCEPTION, "worker table", _OVERWRITTEN))
    elif row is not None and not row.is_alive and row.exit_type == "SYSTEM_ERROR":
        evidence.append(Evidence("driver-killed", "worker table", _describe_row(row)))
    with_code = "" if job.exit_code is None else f" with {exit_code}"
    return Conclusion(
        JobOutcome.FAILED, tuple(evidence), f"It failed{with_code}{_quote_message(job.message)}", SUBMISSION_FAILED
    )


def _conclude_lost_supervisor(fact: str, driver: Section[DriverExit | None]) -> Conclusion:
    """Ray's word stands alone here, and it is one that has been wrong."""
    missing = f"worker table: {driver.reason}" if isinstance(driver, Unknown) else "its node is not known"
    rule, doubt = "supervisor-lost-unproven", f"whether the driver lives is not known ({missing})"
    return Conclusion(
        JobOutcome.ENDED_UNKNOWN,
        (Evidence(rule, "job list", fact), Evidence(rule, "worker table", doubt)),
        f"Ray says FAILED because it lost the job's supervisor; {doubt}.",
        rule,
    )


def _quote_message(message: str | None) -> str:
    """What Ray's message adds, short: the last line of the log that it quotes, or else its own first line."""
    if not message:
        return "."
    head, quoted, log = message.partition(LOG_FOLLOWS)
    if not quoted:
        told = head.strip().splitlines()
        # A traceback says the most in its last line, everything else in its first.
        line = told[-1 if _TRACEBACK in head else 0].strip() if told else ""
        return f": {_cut(line)}" if line else "."
    told = log.splitlines()
    lines = [line.strip() for line in _drop_memory_message(told) if line.strip() and not OF_RAY.search(line)]
    if not lines and any(line.startswith(_MEMORY_ENDS) for line in told):
        return "; its log ends with Ray's word that it killed for memory."
    return f"; the last line of its log: {_cut(lines[-1])}" if lines else "; its log says nothing."


def _drop_memory_message(lines: Sequence[str]) -> list[str]:
    """The lines without what follows the first line of each message about memory: Ray writes fifty, and the last is a
    pointer to its documentation. Of a message whose beginning was cut off nothing is left.
    """
    kept: list[str] = []
    begin: int | None = 0
    for line in lines:
        kept.append(line)
        if _MEMORY_BEGINS in line:
            begin = len(kept)
        elif line.startswith(_MEMORY_ENDS) and begin is not None:
            del kept[begin:]
            begin = None
    return kept


def _cut(line: str) -> str:
    return line if len(line) <= _LINE_CHARS else f"{line[: _LINE_CHARS - 1]}…"


def _conclude_running(job: JobFacts, driver: Section[DriverExit | None], node: NodeFacts | None) -> Conclusion:
    if node is not None and not node.alive:
        return _conclude_lost(node, job)
    rule = "running"
    evidence = [Evidence(rule, "job list", "status RUNNING")]
    row = driver.value if isinstance(driver, Known) else None
    # The job's row is closed after its worker's, and an exception at a prompt overwrites the row of a living driver.
    if row is not None and (not row.is_alive or row.overwritten):
        evidence.append(Evidence(rule, "worker table", f"not counted while Ray says RUNNING: {_describe_row(row)}"))
    return Conclusion(JobOutcome.RUNNING, tuple(evidence), "It runs.", rule)


def _conclude_driver(job: JobFacts, driver: Section[DriverExit | None], node: NodeFacts | None) -> Conclusion:
    if isinstance(driver, Unknown):
        reason = f"worker table not available: {driver.reason}"
        return _conclude_unproven("worker-table-unavailable", reason, f"It ended; how is not known ({reason}).")
    row = driver.value
    if row is None or row.is_alive:
        if node is not None and not node.alive:
            return _conclude_lost(node, job)
        fact = "no row for this driver" if row is None else "the row does not record the end"
        if driver.note:
            fact = f"{fact}; {driver.note}"
        return _conclude_unproven(ROW_MISSING, fact, f"It ended; how is not known (worker table: {fact}).")
    return _conclude_by_exit_type(job, row, node)


def _conclude_by_exit_type(job: JobFacts, row: DriverExit, node: NodeFacts | None) -> Conclusion:
    if row.exit_type == "INTENDED_USER_EXIT" and row.overwritten:
        if job.entrypoint.startswith(PROMPT):
            return _conclude_unproven(
                "prompt-exception",
                _OVERWRITTEN,
                "The prompt was left after an exception in it; whether its work was done is not known.",
            )
        return _conclude(
            JobOutcome.FAILED,
            DRIVER_EXCEPTION,
            "worker table",
            _OVERWRITTEN,
            "It ended by an uncaught exception; Ray calls it SUCCEEDED.",
        )
    if row.exit_type == "SYSTEM_ERROR" and node is not None and not node.alive and _has_ended_with_node(job, row, node):
        return _conclude_lost(node, job)
    outcome, rule, sentence = _BY_EXIT_TYPE.get(row.exit_type or "", _UNKNOWN_EXIT_TYPE)
    return _conclude(
        outcome, rule, "worker table", _describe_row(row), sentence.format(exit_type=row.exit_type or "none")
    )


# Exit types of ray/_private/custom_types.py; their meaning for drivers was seen on Ray 2.60, or is Ray's own text.
_BY_EXIT_TYPE = {
    "INTENDED_USER_EXIT": (
        JobOutcome.ENDED_UNKNOWN,
        "driver-clean-exit",
        "It ended in order; success is not proven, because Ray keeps no exit code of a driver.",
    ),
    "SYSTEM_ERROR": (
        JobOutcome.FAILED,
        "driver-killed",
        "It died abnormally (killed, or crashed); Ray calls it SUCCEEDED.",
    ),
    "NODE_OUT_OF_MEMORY": (
        JobOutcome.FAILED,
        "driver-out-of-memory",
        "It was killed because its node ran out of memory; Ray calls it SUCCEEDED.",
    ),
    "USER_ERROR": (
        JobOutcome.FAILED,
        "driver-user-error",
        "It ended by an error in user code; Ray calls it SUCCEEDED.",
    ),
    "INTENDED_SYSTEM_EXIT": (
        JobOutcome.ENDED_UNKNOWN,
        "driver-system-exit",
        "Ray ended it on purpose; whether its work was done is not known.",
    ),
}
_UNKNOWN_EXIT_TYPE = (
    JobOutcome.ENDED_UNKNOWN,
    "exit-type-unknown",
    "It ended; its exit type ({exit_type}) is not one that can be told.",
)


def _has_ended_with_node(job: JobFacts, row: DriverExit, node: NodeFacts) -> bool:
    ended_at = row.ended_at or job.ended_at
    return ended_at is None or node.ended_at is None or abs(ended_at - node.ended_at) <= _NODE_DEATH_WINDOW


def _conclude_lost(node: NodeFacts, job: JobFacts) -> Conclusion:
    rule, why = "node-dead", f" ({node.message})" if node.message else ""
    return Conclusion(
        JobOutcome.LOST,
        (
            Evidence(rule, "node table", f"node {node.node_id} is {node.state}{why}"),
            Evidence(rule, "job list", f"status {job.status}"),
        ),
        f"It was lost with its node {node.node_id[:12]}{why}.",
        rule,
    )


def _conclude_unknown_status(job: JobFacts) -> Conclusion:
    outcome = JobOutcome.RUNNING if job.ended_at is None and job.status else JobOutcome.ENDED_UNKNOWN
    return _conclude(
        outcome,
        "status-unknown",
        "job list",
        f"status {job.status or 'missing'}",
        f"Ray's status {job.status or '(missing)'} is not one that can be told.",
    )


_OVERWRITTEN = "INTENDED_USER_EXIT with pid 0 and start time 0: the exception hook overwrote the row"


def _describe_row(row: DriverExit) -> str:
    state = "alive" if row.is_alive else row.exit_type or "no exit type"
    detail = f", {row.exit_detail}" if row.exit_detail else ""
    return f"{state}, pid {row.pid}{detail}"


def _conclude_unproven(rule: str, fact: str, sentence: str) -> Conclusion:
    return _conclude(JobOutcome.ENDED_UNKNOWN, rule, "worker table", fact, sentence)


def _conclude(outcome: JobOutcome, rule: str, source: str, fact: str, sentence: str) -> Conclusion:
    return Conclusion(outcome, (Evidence(rule, source, fact),), sentence, rule)

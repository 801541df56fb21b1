"""What the history still tells of a job's end leads to the code that it led to while Ray knew the job."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.evidence.sentences import describe_driver, read_past_evidence
from serve_app.jobs.diagnosis.models import Fields, SourceKind
from serve_app.jobs.judging.outcome import conclude_outcome
from serve_app.jobs.models import DriverExit, JobFacts, JobType, Known

BROKEN = "Worker unexpectedly exits with a connection error code 2. End of file."
CODE = "Worker exits with an exit code"
MEMORY = "Task was killed due to the node running low on memory."


def stored(job: JobFacts, driver: DriverExit, **changes: Any) -> dict[str, Any]:
    found = conclude_outcome(job, Known(driver))
    row = {
        "id": job.id, "type": job.type.value, "entrypoint": job.entrypoint, "outcome": found.outcome.value,
        "error_type": job.error_type, "exit_code": job.exit_code, "rule": found.evidence[0].rule,
    }  # fmt: skip
    evidence = [{"rule": each.rule, "source": each.source, "fact": each.fact} for each in found.evidence]
    # What kind and verdict rest on stands around it.
    around = {"rule": "kind-by-default", "source": "worker table", "fact": "exit code 127"}
    return {"row": row, "evidence": [around, *evidence, around], "log_excerpt": None, **changes}


@pytest.mark.parametrize(
    ("type", "exit_type", "detail", "code"),
    [
        (JobType.DRIVER, "SYSTEM_ERROR", BROKEN, "memory.process-killed"),
        (JobType.SUBMISSION, "SYSTEM_ERROR", BROKEN, "memory.process-killed"),
        (JobType.DRIVER, "SYSTEM_ERROR", f"{CODE} 139.", "unknown"),
        (JobType.DRIVER, "SYSTEM_ERROR", None, "unknown"),
        (JobType.DRIVER, "NODE_OUT_OF_MEMORY", MEMORY, "memory.node-oom"),
        (JobType.DRIVER, "USER_ERROR", f"{CODE} 1.", "unknown"),
        # What did not end badly says nothing of a cause.
        (JobType.DRIVER, "INTENDED_USER_EXIT", BROKEN, None),
        (JobType.SUBMISSION, "INTENDED_USER_EXIT", BROKEN, "unknown"),
    ],
)
def test_a_past_driver_has_the_code_of_a_present_one(
    type: JobType, exit_type: str, detail: str | None, code: str | None
) -> None:
    job = JobFacts("a", type, "SUCCEEDED" if type is JobType.DRIVER else "FAILED", job_id="01")
    driver = DriverExit("01", False, exit_type, detail, 7, None, None, None)
    fields, sources, missing = read_past_evidence(stored(job, driver))
    present, past = diagnose(fields, describe_driver(driver)), diagnose(fields, sources)
    assert (past.code, past.certainty, past.rule) == (present.code, present.certainty, present.rule)
    assert (past.title, past.sentence, past.advice) == (present.title, present.sentence, present.advice)
    assert past.code == code
    assert len(missing) == 1


def test_that_ray_missed_the_end_of_one_that_was_deleted_is_no_cause() -> None:
    noted_again = "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE"
    job = JobFacts("a", JobType.SUBMISSION, "FAILED", error_type=noted_again, entrypoint="Entrypoint not found.")
    fields, sources, _ = read_past_evidence(stored(job, DriverExit("01", True, None, None, 7, None, None, None)))
    assert (fields.status, fields.error_type, diagnose(fields, sources).code) == (None, None, None)


def test_it_stands_beside_the_log_that_was_kept() -> None:
    job = JobFacts("a", JobType.SUBMISSION, "FAILED", error_type="JOB_ENTRYPOINT_COMMAND_ERROR", exit_code=-9)
    driver = DriverExit("01", False, "SYSTEM_ERROR", BROKEN, 7, None, None, None)
    fields, sources, _ = read_past_evidence(stored(job, driver, log_excerpt="step 7\n"))
    assert fields == Fields("FAILED", "JOB_ENTRYPOINT_COMMAND_ERROR", -9, None, "SUBMISSION", "")
    assert [(each.name, each.kind, each.chunks) for each in sources] == [
        ("kept end of the driver's log", SourceKind.DRIVER, [b"step 7\n"]),
        ("driver process", SourceKind.RAY, [f"SYSTEM_ERROR, pid 7, {BROKEN}".encode()]),
    ]

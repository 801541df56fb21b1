"""What is read of our own sentences of before revision 0007: each as it was, and nothing that only looks like one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serve_app.jobs.judging.outcome import conclude_outcome
from serve_app.jobs.models import DriverExit, JobFacts, JobType, Known, Unknown
from serve_app.store.migrations.sentences import read_ending

SAID = "status FAILED, JOB_ENTRYPOINT_COMMAND_ERROR, exit code 1"
ENDED = ("JOB_ENTRYPOINT_COMMAND_ERROR", 1)
NOTHING = (None, None)


def stored(*evidence: Any, **row: Any) -> str:
    return json.dumps({"row": row, "evidence": list(evidence)})


def said(fact: str, rule: str = "submission-failed", source: str = "job list") -> dict[str, str]:
    return {"rule": rule, "source": source, "fact": fact}


@pytest.mark.parametrize(
    ("content", "ending"),
    [
        (stored(said(SAID)), ENDED),
        (stored(said("something else", "kind-by-default"), said("x, pid 7", source="worker table"), said(SAID)), ENDED),
        (stored(said("status FAILED, no error type, exit code -9")), (None, -9)),
        (stored(said("status FAILED, no error type, no exit code")), NOTHING),
        (stored(said("status SUCCEEDED, exit code 0", "exit-code-0")), (None, 0)),
        (stored(said("status SUCCEEDED, exit code 3", "exit-code-contradicts")), (None, 3)),
        (stored(said("status SUCCEEDED, no exit code", "exit-code-missing")), NOTHING),
        # Longer than any database holds.
        (stored(said(f"status SUCCEEDED, exit code {10**18}", "exit-code-0")), NOTHING),
        # Not ours, or not the whole of it, or not from where Ray's word stands.
        (stored(said(SAID, "owner-note", "metadata")), NOTHING),
        (stored(said(SAID, "node-dead", "node table")), NOTHING),
        (stored(said(SAID, source="worker table")), NOTHING),
        (stored(said(f"{SAID}.")), NOTHING),
        (stored(said(f"{SAID}\n")), NOTHING),
        (stored(said("Worker exits with an exit code 1.", "driver-user-error", "worker table")), NOTHING),
        (stored(metadata=said(SAID)), NOTHING),
        # Whatever an import brought.
        (stored(None, "status", ["rule"], {"rule": ["submission-failed"]}, {"rule": "submission-failed"}), NOTHING),
        (json.dumps({"row": {}, "evidence": SAID}), NOTHING),
        (json.dumps({"row": {}, "evidence": None}), NOTHING),
        (json.dumps({"row": {}}), NOTHING),
        ("[]", NOTHING),
        ("no JSON", NOTHING),
        ("[" * 100_000, NOTHING),
    ],
)
def test_reading(content: str, ending: tuple[str | None, int | None]) -> None:
    assert read_ending(content) == ending


@pytest.mark.parametrize("status", ["FAILED", "SUCCEEDED"])
@pytest.mark.parametrize("exit_code", [None, 0, 1, -9, 137])
@pytest.mark.parametrize("error_type", [None, "JOB_SUPERVISOR_ACTOR_DIED", "RUNTIME_ENV_SETUP_FAILURE"])
@pytest.mark.parametrize("driver", [None, "alive", "killed", "unknown"])
def test_what_is_still_said_today_reads_as_what_it_says(
    status: str, exit_code: int | None, error_type: str | None, driver: str | None
) -> None:
    """The sentences have not changed since: what is written now is read as the facts that it was written from."""
    job = JobFacts("a", JobType.SUBMISSION, status, submission_id="a", exit_code=exit_code, error_type=error_type)
    row = DriverExit("01", driver == "alive", "SYSTEM_ERROR", "exit code 66", 7, None, None, None)
    found = conclude_outcome(job, Unknown("slow") if driver == "unknown" else Known(row if driver else None))
    evidence = [{"rule": each.rule, "source": each.source, "fact": each.fact} for each in found.evidence]
    assert read_ending(stored(*evidence)) == (None if status == "SUCCEEDED" else error_type, exit_code)

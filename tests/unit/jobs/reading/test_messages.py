"""What is kept of Ray's message on a job, and the reason that is told of it: the end of the log, of this run alone, and
without the values of its environment."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.jobs.judging.judge import judge
from serve_app.jobs.models import JobFacts
from serve_app.jobs.reading.rows import parse_job
from serve_app.redaction import HEADLESS
from tests.unit.jobs.judging.test_judge import NOW, snapshot

INTRODUCED = "Job entrypoint command failed with exit code 4, last available logs (truncated to 20,000 chars):\n"
FATAL = "FATAL: the licence server said no"
SETTING_UP = "2026-11-27 12:00:00,123\tINFO job_manager.py:581 -- Runtime env is setting up."
RUNNING = "Running entrypoint for job j: python a.py"


def failed(message: str, **changes: Any) -> JobFacts:
    values = {
        "type": "SUBMISSION",
        "submission_id": "j",
        "status": "FAILED",
        "start_time": 1_767_268_700_000,
        "end_time": 1_767_268_760_000,
        "driver_exit_code": 4,
        "error_type": "JOB_ENTRYPOINT_COMMAND_ERROR",
        "message": message,
    }
    return parse_job({**values, **changes}, {})


def reason(message: str, **changes: Any) -> str:
    (row,) = judge(snapshot(failed(message, **changes)), NOW)
    return row.reason


def quote(*lines: str) -> str:
    """As Ray quotes a log: the last ten lines, and of them the last 20 000 characters."""
    return INTRODUCED + "\n".join(lines[-10:])[-20_000:]


LAST = "It failed with exit code 4; the last line of its log: "


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (quote("one", FATAL), LAST + FATAL),
        (quote("one", f"{FATAL}  ", "", " "), LAST + FATAL),
        # Structured lines that are longer than what is kept.
        (quote(*[f'{{"step":{number},"msg":"{"y" * 600}"}}' for number in range(12)], FATAL), LAST + FATAL),
        (quote("z" * 3_900, FATAL), LAST + FATAL),
        (quote("z" * 4_100, FATAL), LAST + FATAL),
        (quote("z" * 30_000, FATAL), LAST + FATAL),
        # A last line that is too long to be quoted, and one of which Ray gave the end alone.
        (quote("one", "x" * 300), f"{LAST}{'x' * 199}…"),
        (quote("one", "x" * 19_000), f"{LAST}…{'x' * 198}…"),
        (quote("\\" * 300_000), LAST + HEADLESS),
        # The run before is not this one.
        (quote("of before", SETTING_UP, RUNNING), "It failed with exit code 4; its log says nothing."),
        (quote("of before", SETTING_UP, RUNNING, "of this"), LAST + "of this"),
        (quote("of before", RUNNING, "x" * 25_000, FATAL), LAST + FATAL),
        # No log in it.
        ("Job entrypoint command failed with exit code 4. No logs available.",
         "It failed with exit code 4: Job entrypoint command failed with exit code 4. No logs available."),
        ("Failed to start supervisor.\nTraceback (most recent call last):\n  File x\nValueError: no",
         "It failed with exit code 4: ValueError: no"),
        ("Failed to start supervisor.\nTraceback (most recent call last):\n" + "  File x\n" * 9_000 + "ValueError: no",
         "It failed with exit code 4: ValueError: no"),
        ("It is long. " + "w" * 5_000, f"It failed with exit code 4: {('It is long. ' + 'w' * 200)[:199]}…"),
    ],
)  # fmt: skip
def test_the_reason_is_the_last_line(message: str, wanted: str) -> None:
    assert reason(message) == wanted
    assert len(failed(message).message or "") < 5_500


ENV = {"env_vars": {"X_U": "CANARY-04", "X_C": "Server=db;Uid=svc;Pwd=CANARY-05;", "DB_PASSWORD": "hunter"}}
COMMAND = "python a.py --pw CANARY-01 -pCANARY-02 user:CANARY-03@db CANARY-04"


def test_values_of_its_environment_are_nowhere() -> None:
    said = "RuntimeError: no login with 'CANARY-04' via 'Server=db;Uid=svc;Pwd=CANARY-05;' nor CANARY-05, hunter"
    job = failed(
        quote("one", said),
        runtime_env=ENV,
        entrypoint=COMMAND,
        metadata={"conn": "mysql -u root -pCANARY-08", "who": "is CANARY-04"},
    )
    assert job.entrypoint == "python a.py --pw [redacted] -p[redacted] user:[redacted]@db [redacted]"
    assert job.metadata == {"conn": "mysql -u root -p[redacted]", "who": "is [redacted]"}
    (row,) = judge(snapshot(job), NOW)
    assert row.reason == LAST + ("RuntimeError: no login with '[redacted]' via '[redacted]' nor [redacted], [redacted]")
    assert job.secret_values != ()
    # In memory alone: nothing that is written or logged shows them.
    assert "CANARY" not in repr(job)
    assert "CANARY" not in repr(row)
    assert job.runtime_env_keys == ("env_vars",)


def test_a_message_that_is_no_quotation_is_hidden_too() -> None:
    told = failed("setup failed: " + "CANARY-04 " * 3_000, runtime_env=ENV).message
    assert told is not None
    assert "CANARY" not in told
    assert told.startswith("setup failed: [redacted] [redacted]")


def test_another_run_is_read_anew_though_it_ended_alike() -> None:
    first = failed(quote("one"))
    again = failed(quote("two"), start_time=1_767_268_700_001)
    known = parse_job(
        {
            "type": "SUBMISSION", "submission_id": "j", "status": "FAILED", "start_time": 1_767_268_700_001,
            "end_time": 1_767_268_760_000, "message": quote("two"),
        },
        {"j": first},
    )  # fmt: skip
    assert known.message == again.message == quote("two")

"""Which jobs may be tried again, and what the next attempt is."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.errors import Conflict
from serve_app.jobs.actions.retry import judge_retry, last_line, next_attempt, require_worth_it
from serve_app.jobs.models import JobType, Outcome
from tests.unit.jobs.actions.fakes import row


def quoted(line: str) -> str:
    return f"failed, last available logs (truncated to 20,000 chars):\nbefore\n{line}\n"


@pytest.mark.parametrize(
    ("raw", "chance"),
    [
        ({"error_type": "RUNTIME_ENV_SETUP_FAILURE"}, "permanent"),
        ({"error_type": "JOB_ENTRYPOINT_COMMAND_START_ERROR"}, "permanent"),
        ({"error_type": "JOB_SUPERVISOR_ACTOR_DIED"}, "transient"),
        ({"error_type": "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE"}, "unknown"),
        ({"driver_exit_code": 2}, "permanent"),
        ({"driver_exit_code": 126}, "permanent"),
        ({"driver_exit_code": 127}, "permanent"),
        ({"driver_exit_code": 137}, "transient"),
        ({"driver_exit_code": -9}, "transient"),
        ({"driver_exit_code": 143}, "transient"),
        ({"driver_exit_code": 1}, "unknown"),
        ({"driver_exit_code": 1, "message": quoted("ModuleNotFoundError: No module named 'x'")}, "permanent"),
        ({"driver_exit_code": 1, "message": quoted("my.own.TypeError: x")}, "permanent"),
        ({"driver_exit_code": 1, "message": quoted("NameError")}, "permanent"),
        ({"driver_exit_code": 1, "message": quoted("it said TypeError: x")}, "unknown"),
        ({"driver_exit_code": 1, "message": quoted("requests.exceptions.ConnectionError: x")}, "unknown"),
        ({"driver_exit_code": 1, "message": "TypeError: not of its log"}, "unknown"),
        ({"status": "STOPPED"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_chances(raw: dict[str, Any], chance: str) -> None:
    assert (
        judge_retry(row(), {"status": "FAILED", "error_type": "JOB_ENTRYPOINT_COMMAND_ERROR", **raw}).chance == chance
    )


def test_a_lost_node_is_transient_whatever_else_is_said() -> None:
    lost = row(outcome=Outcome.LOST)
    assert judge_retry(lost, {"status": "FAILED", "driver_exit_code": 2}).chance == "transient"


@pytest.mark.parametrize(
    ("changes", "status", "force", "code"),
    [
        ({"type": JobType.DRIVER, "submission_id": None}, "SUCCEEDED", True, "not_a_submission"),
        ({}, "RUNNING", True, "still_on_its_way"),
        ({}, "PENDING", False, "still_on_its_way"),
        ({"outcome": Outcome.RUNNING}, "FAILED", True, "still_on_its_way"),
        ({"outcome": Outcome.SUCCEEDED}, "SUCCEEDED", True, "succeeded"),
        ({"managed_by": "OrganismManager"}, "FAILED", True, "managed_by_application"),
        ({}, "FAILED", False, "permanent_failure"),
    ],
)
def test_refusals(changes: dict[str, Any], status: str, force: bool, code: str) -> None:
    with pytest.raises(Conflict) as refused:
        require_worth_it(row(**changes), {"status": status, "driver_exit_code": 127}, force=force)
    assert refused.value.code == code


def test_force_is_for_what_would_fail_again() -> None:
    assert require_worth_it(row(), {"status": "FAILED", "driver_exit_code": 127}, force=True).chance == "permanent"


RAW = {
    "entrypoint": "python x --token=kept-as-it-is",
    "runtime_env": {"env_vars": {"TOKEN": "kept"}},
    "metadata": {
        "job_submission_id": "j", "job_name": "j", "team": "a", "seedcore.request_hash": "h",
        "seedcore.resources": '{"num_cpus": 2, "resources": {"disk": 1, "bad": "x"}, "other": 1}',
    },
}  # fmt: skip


def test_the_next_attempt() -> None:
    first = next_attempt(RAW, "j", most=5, force=False)
    assert first == {
        "submission_id": "j-retry-1",
        "entrypoint": "python x --token=kept-as-it-is",
        "runtime_env": {"env_vars": {"TOKEN": "kept"}},
        "metadata": {
            "team": "a",
            "seedcore.resources": RAW["metadata"]["seedcore.resources"],  # type: ignore[index]
            "seedcore.scheduled_by": "SeedCore API",
            "seedcore.retry_of": "j",
            "seedcore.attempt": "1",
        },
        "entrypoint_num_cpus": 2,
        "entrypoint_resources": {"disk": 1},
    }
    second = next_attempt(first, "j-retry-1", most=5, force=False)
    assert (second["submission_id"], second["metadata"]["seedcore.attempt"]) == ("j-retry-2", "2")
    with pytest.raises(Conflict, match="max_attempts"):
        next_attempt(second, "j-retry-2", most=2, force=False)
    assert next_attempt(second, "j-retry-2", most=2, force=True)["submission_id"] == "j-retry-3"


@pytest.mark.parametrize("metadata", [None, [], {"seedcore.resources": "no json", "seedcore.attempt": "9"}])
def test_metadata_of_others(metadata: Any) -> None:
    made = next_attempt({"metadata": metadata}, "x-retry-9", most=5, force=False)
    assert (made["submission_id"], made["metadata"]["seedcore.attempt"]) == ("x-retry-9-retry-1", "1")
    assert not [key for key in made if key.startswith("entrypoint_")]


def test_last_line() -> None:
    assert [last_line(text) for text in (None, "x", quoted("y  "))] == ["", "", "y"]

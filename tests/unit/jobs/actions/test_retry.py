"""Which jobs may be tried again, and what the next attempt is."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.errors import Conflict
from serve_app.jobs.actions.retry import (
    Chance,
    Judgement,
    build_next_attempt,
    judge_retry,
    require_worth_it,
)
from serve_app.jobs.judging.run_marks import find_last_line
from serve_app.jobs.models import JobType
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.actions.fakes import row

INTRODUCED = "failed, last available logs (truncated to 20,000 chars):"


SET_UP = "2026-11-27 12:00:00,123\tINFO job_manager.py:581 -- Runtime env is setting up."


def quoted(line: str) -> str:
    return f"{INTRODUCED}\nbefore\n{line}\n"


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
    lost = row(outcome=JobOutcome.LOST)
    assert judge_retry(lost, {"status": "FAILED", "driver_exit_code": 2}).chance == "transient"


@pytest.mark.parametrize(
    ("changes", "status", "force", "code"),
    [
        ({"type": JobType.DRIVER, "submission_id": None}, "SUCCEEDED", True, "not_a_submission"),
        ({}, "RUNNING", True, "still_on_its_way"),
        ({}, "PENDING", False, "still_on_its_way"),
        ({"outcome": JobOutcome.RUNNING}, "FAILED", True, "still_on_its_way"),
        ({"outcome": JobOutcome.SUCCEEDED}, "SUCCEEDED", True, "succeeded"),
        ({"managed_by": "OrganismManager"}, "FAILED", True, "managed_by_application"),
        ({}, "FAILED", False, "permanent_failure"),
    ],
)
def test_refusals(changes: dict[str, Any], status: str, force: bool, code: str) -> None:
    with pytest.raises(Conflict) as refused:
        require_worth_it(row(**changes), {"status": status, "driver_exit_code": 127}, force=force)
    assert refused.value.code == code


def diagnose(class_: str | None, certainty: str = "certain") -> Any:
    return {"code": "app.x", "title": "an x", "class": class_, "certainty": certainty}


NOTHING_TELLS = (Chance.UNKNOWN, "nothing tells whether it would fail again")


@pytest.mark.parametrize(
    ("diagnosis", "raw", "wanted"),
    [
        (diagnose("permanent"), {"driver_exit_code": 1}, (Chance.PERMANENT, "app.x: an x")),
        (diagnose("permanent", "likely"), {"driver_exit_code": 137}, (Chance.PERMANENT, "app.x: an x")),
        (diagnose("transient"), {"driver_exit_code": 127}, (Chance.TRANSIENT, "app.x: an x")),
        # What is only possible decides nothing, nor does a class that depends on the moment.
        (diagnose("permanent", "possible"), {"driver_exit_code": 1}, NOTHING_TELLS),
        (diagnose("capacity"), {"driver_exit_code": 1}, NOTHING_TELLS),
        (diagnose("needs-second-signal"), {"driver_exit_code": 1}, NOTHING_TELLS),
        (diagnose(None), {"driver_exit_code": 1}, NOTHING_TELLS),
        (None, {"driver_exit_code": 1}, NOTHING_TELLS),
        (diagnose("permanent"), {"status": "STOPPED"}, (Chance.UNKNOWN, "it was stopped on request")),
    ],
)
def test_a_diagnosis_tells_more_than_the_row(diagnosis: Any, raw: dict[str, Any], wanted: Any) -> None:
    raw = {"status": "FAILED", **raw}
    assert judge_retry(row(), raw, diagnosis) == Judgement(*wanted)
    if wanted[0] is Chance.PERMANENT:
        with pytest.raises(Conflict, match=r"It would fail again: app\.x: an x"):
            require_worth_it(row(), raw, diagnosis, force=False)
    assert require_worth_it(row(), raw, diagnosis, force=True) == Judgement(*wanted)


@pytest.mark.parametrize(
    ("line", "done"),
    [
        ("all 36 blocks done", True),
        ("Finished.", True),
        ("training completed in 3 h", True),
        ("uploaded successfully", True),
        ("done: 36 of 36 blocks", True),
        ("completed 3 of 10 epochs", False),
        ("finished 3/10", False),
        ("finished with 3 errors", False),
        ("not done yet", False),
        ("it failed before it was done", False),
        ("unfinished", False),
        ("ValueError: shard 7 has no labels", False),
        ("", False),
    ],
)
def test_what_says_that_it_was_done_is_not_done_again_unasked(line: str, done: bool) -> None:
    raw = {"status": "FAILED", "driver_exit_code": 1, "message": quoted(line)}
    if not done:
        assert require_worth_it(row(), raw, force=False).chance is Chance.UNKNOWN
        return
    with pytest.raises(Conflict) as refused:
        require_worth_it(row(), raw, force=False)
    assert (refused.value.code, str(refused.value)) == (
        "may_be_done",
        f"Its last line says {line!r}: its work may be done already. See what it left, and retry with force if it is "
        "not.",
    )
    assert require_worth_it(row(), raw, force=True).chance is Chance.UNKNOWN


def test_what_crashed_after_its_work_is_not_done_again_unasked() -> None:
    doubted = row(outcome=JobOutcome.CONTRADICTED)
    with pytest.raises(Conflict, match=r"^It crashed after its work: its work may be done already"):
        require_worth_it(doubted, {"status": "FAILED", "driver_exit_code": 139}, force=False)
    # Whose exit code hid a crash has not done its work, as far as Ray knows.
    assert require_worth_it(doubted, {"status": "SUCCEEDED", "driver_exit_code": 0}, force=False).chance == "unknown"


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
    first = build_next_attempt(RAW, "j", most=5, force=False)
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
    second = build_next_attempt(first, "j-retry-1", most=5, force=False)
    assert (second["submission_id"], second["metadata"]["seedcore.attempt"]) == ("j-retry-2", "2")
    with pytest.raises(Conflict, match="max_attempts"):
        build_next_attempt(second, "j-retry-2", most=2, force=False)
    assert build_next_attempt(second, "j-retry-2", most=2, force=True)["submission_id"] == "j-retry-3"


@pytest.mark.parametrize("metadata", [None, [], {"seedcore.resources": "no json", "seedcore.attempt": "9"}])
def test_metadata_of_others(metadata: Any) -> None:
    made = build_next_attempt({"metadata": metadata}, "x-retry-9", most=5, force=False)
    assert (made["submission_id"], made["metadata"]["seedcore.attempt"]) == ("x-retry-9-retry-1", "1")
    assert not [key for key in made if key.startswith("entrypoint_")]


def test_last_line() -> None:
    assert [find_last_line(text) for text in (None, "x", quoted("y  "))] == ["", "", "y"]


LOST_SUPERVISOR = Judgement(Chance.TRANSIENT, "Ray lost its supervisor")
NOTHING_TELLS = Judgement(Chance.UNKNOWN, "nothing tells whether it would fail again")
KILLED = Judgement(Chance.TRANSIENT, "it was killed (exit code 137)")
ERRORS_OF_THE_CODE = (
    "SyntaxError", "IndentationError", "TabError", "ImportError", "ModuleNotFoundError", "NameError",
    "UnboundLocalError", "TypeError", "AttributeError", "FileNotFoundError", "NotADirectoryError", "IsADirectoryError",
)  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        # By Ray's error type.
        (
            {"error_type": "RUNTIME_ENV_SETUP_FAILURE"},
            Judgement(Chance.PERMANENT, "its runtime environment cannot be set up"),
        ),
        (
            {"error_type": "JOB_ENTRYPOINT_COMMAND_START_ERROR"},
            Judgement(Chance.PERMANENT, "its command could not be started"),
        ),
        ({"error_type": "JOB_SUPERVISOR_ACTOR_DIED"}, LOST_SUPERVISOR),
        ({"error_type": "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE"}, LOST_SUPERVISOR),
        (
            {"error_type": "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"},
            Judgement(Chance.TRANSIENT, "it did not start in time"),
        ),
        (
            {"error_type": "JOB_SUPERVISOR_ACTOR_START_FAILURE"},
            Judgement(Chance.UNKNOWN, "its supervisor did not start"),
        ),
        (
            {"error_type": "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE"},
            Judgement(Chance.UNKNOWN, "there was no place for it in the cluster"),
        ),
        # By its exit code.
        *(
            ({"driver_exit_code": code}, Judgement(chance, reason))
            for code, chance, reason in (
                (2, Chance.PERMANENT, "its arguments or its usage are wrong (exit code 2)"),
                (126, Chance.PERMANENT, "its command cannot be executed (exit code 126)"),
                (127, Chance.PERMANENT, "its command was not found (exit code 127)"),
                (137, Chance.TRANSIENT, "it was killed (exit code 137)"),
                (-9, Chance.TRANSIENT, "it was killed (signal 9)"),
                (143, Chance.TRANSIENT, "it was ended from outside (exit code 143)"),
                (-15, Chance.TRANSIENT, "it was ended from outside (signal 15)"),
            )
        ),
        ({"driver_exit_code": "137"}, NOTHING_TELLS),
        ({"driver_exit_code": 137.0}, NOTHING_TELLS),
        ({"driver_exit_code": [137]}, NOTHING_TELLS),
        ({"driver_exit_code": None}, NOTHING_TELLS),
        # By the last line of its log.
        *(
            ({"message": quoted(f"{name}: x")}, Judgement(Chance.PERMANENT, f"its log ends with {name}"))
            for name in ERRORS_OF_THE_CODE
        ),
        ({"message": quoted("NameError")}, Judgement(Chance.PERMANENT, "its log ends with NameError")),
        ({"message": quoted("my.own.TypeError: x")}, Judgement(Chance.PERMANENT, "its log ends with TypeError")),
        ({"message": quoted("TypeErrors: x")}, NOTHING_TELLS),
        ({"message": quoted("MyTypeError: x")}, NOTHING_TELLS),
        ({"message": quoted("TypeError x")}, NOTHING_TELLS),
        ({"message": quoted("typeerror: x")}, NOTHING_TELLS),
        ({"message": ["TypeError: x"]}, NOTHING_TELLS),
        # What a run before with its id wrote is no reason.
        ({"message": quoted(f"TypeError: x\n{SET_UP}\nRunning entrypoint for job j: run\nno")}, NOTHING_TELLS),
        ({"message": quoted(f"TypeError: x\n{SET_UP}\nRunning entrypoint for job j: run")}, NOTHING_TELLS),
        # A program may be quicker than the line with which Ray names it.
        (
            {"message": quoted(f"{SET_UP}\nTypeError: x\nRunning entrypoint for job j: run")},
            Judgement(Chance.PERMANENT, "its log ends with TypeError"),
        ),
        # What comes first: that it was stopped, then Ray's type, then the code, then the log.
        (
            {"status": "STOPPED", "error_type": "JOB_SUPERVISOR_ACTOR_DIED", "driver_exit_code": 2},
            Judgement(Chance.UNKNOWN, "it was stopped on request"),
        ),
        ({"error_type": "JOB_SUPERVISOR_ACTOR_DIED", "driver_exit_code": 2}, LOST_SUPERVISOR),
        ({"driver_exit_code": 137, "message": quoted("TypeError: x")}, KILLED),
        # What is no text at all.
        ({"error_type": ["RUNTIME_ENV_SETUP_FAILURE"], "status": None}, NOTHING_TELLS),
    ],
)
def test_the_chance_of_another_attempt_and_why(raw: dict[str, Any], wanted: Judgement) -> None:
    whole = {"status": "FAILED", "error_type": "JOB_ENTRYPOINT_COMMAND_ERROR", **raw}
    assert judge_retry(row(), whole) == wanted
    lost = Judgement(Chance.TRANSIENT, "it was lost with its node")
    assert judge_retry(row(outcome=JobOutcome.LOST), whole) == lost


NO_SUBMISSION = (
    "This job was started as a plain driver, not submitted; Ray can stop, retry and delete only submissions."
)


@pytest.mark.parametrize(
    ("changes", "raw", "sentence", "code", "details"),
    [
        ({"type": JobType.DRIVER}, {}, NO_SUBMISSION, "not_a_submission", {"node_id": "n1"}),
        ({"submission_id": None, "node_id": None}, {}, NO_SUBMISSION, "not_a_submission", {"node_id": None}),
        ({"type": JobType.NODE}, {}, NO_SUBMISSION, "not_a_submission", {"node_id": "n1"}),
        # By Ray's word, or by what is proven against it.
        *(
            (
                {"outcome": outcome}, {"status": status},
                f"The job is still on its way ({status}); stop it first, or wait.", "still_on_its_way", {},
            )
            for status in ("PENDING", "RUNNING", "HELD")
            for outcome in (JobOutcome.FAILED, JobOutcome.RUNNING)
        ),
        *(
            (
                {"outcome": JobOutcome.RUNNING}, {"status": status},
                f"The job is still on its way (its driver is alive, though Ray says {status}); stop it first, or wait.",
                "still_on_its_way", {},
            )
            for status in ("FAILED", "SUCCEEDED", "STOPPED")
        ),
        (
            {"outcome": JobOutcome.SUCCEEDED, "managed_by": "OrganismManager"}, {"status": "SUCCEEDED"},
            "It succeeded; submit it anew if it shall run again.", "succeeded", {},
        ),
        (
            {"managed_by": "OrganismManager"}, {"driver_exit_code": 127},
            "The organism manager repeats its own jobs; use POST /organism/initialize.", "managed_by_application", {},
        ),
        (
            {}, {"driver_exit_code": 127},
            "It would fail again: its command was not found (exit code 127). "
            "Correct it and submit it anew, or retry with force.",
            "permanent_failure", {"reason": "its command was not found (exit code 127)"},
        ),
    ],
)  # fmt: skip
def test_why_it_is_not_tried_again(
    changes: dict[str, Any], raw: dict[str, Any], sentence: str, code: str, details: dict[str, Any]
) -> None:
    for force in (False, True) if code != "permanent_failure" else (False,):
        with pytest.raises(Conflict) as refused:
            require_worth_it(row(**changes), {"status": "FAILED", **raw}, force=force)
        assert (str(refused.value), refused.value.code, refused.value.members) == (sentence, code, details)


@pytest.mark.parametrize("status", ["FAILED", "STOPPED", "SUCCEEDED"])
@pytest.mark.parametrize("outcome", [JobOutcome.FAILED, JobOutcome.STOPPED, JobOutcome.ENDED_UNKNOWN, JobOutcome.LOST])
def test_what_is_over_may_be_tried_again(status: str, outcome: JobOutcome) -> None:
    raw, job = {"status": status, "driver_exit_code": 1}, row(outcome=outcome)
    assert require_worth_it(job, raw, force=False) == judge_retry(job, raw)
    assert require_worth_it(job, {**raw, "driver_exit_code": 127}, force=True).chance in Chance


def be_retried(attempt: str, **metadata: str) -> dict[str, Any]:
    return {"metadata": {"seedcore.retry_of": "j", "seedcore.attempt": attempt, **metadata}}


@pytest.mark.parametrize(
    ("before", "most", "next_"),
    [
        (0, 1, 1),
        (1, 2, 2),
        # The limit is the number of attempts that are made, not the first that is refused.
        (4, 5, 5),
        (5, 5, None),
        (6, 5, None),
        (0, 0, None),
    ],
)
def test_so_many_attempts_and_no_more(before: int, most: int, next_: int | None) -> None:
    id = f"j-retry-{before}" if before else "j"
    raw: dict[str, Any] = be_retried(str(before)) if before else {}
    if next_ is None:
        with pytest.raises(Conflict) as refused:
            build_next_attempt(raw, id, most=most, force=False)
        sentence = f"It was retried {before} times, which is the limit (args.job_management.max_attempts); use force."
        assert (str(refused.value), refused.value.code) == (sentence, "too_many_attempts")
    made = build_next_attempt(raw, id, most=most, force=next_ is None)
    assert (made["submission_id"], made["metadata"]) == (
        f"j-retry-{before + 1}",
        {"seedcore.scheduled_by": "SeedCore API", "seedcore.retry_of": id, "seedcore.attempt": str(before + 1)},
    )


@pytest.mark.parametrize(
    ("id", "raw", "wanted"),
    [
        # An attempt is what we counted; anybody may write anything there.
        ("j-retry-7", be_retried("7"), ("j-retry-8", "8")),
        ("j-retry-99999", be_retried("99999"), ("j-retry-100000", "100000")),
        ("j-retry-100000", be_retried("100000"), ("j-retry-100000-retry-1", "1")),
        ("j", be_retried("-1"), ("j-retry-1", "1")),
        ("j", be_retried(""), ("j-retry-1", "1")),
        ("j", be_retried("two"), ("j-retry-1", "1")),
        ("j", be_retried("²"), ("j-retry-1", "1")),
        ("j", be_retried("٣"), ("j-retry-1", "1")),
        ("j-retry-7", {"metadata": {"seedcore.attempt": "7"}}, ("j-retry-7-retry-1", "1")),
        ("j", {"metadata": {"seedcore.retry_of": "i"}}, ("j-retry-1", "1")),
        ("j-retry-0", {}, ("j-retry-0-retry-1", "1")),
        # A name that only looks like that of an attempt, and one that does not.
        ("j-retry-6", be_retried("7"), ("j-retry-6-retry-8", "8")),
        ("x", be_retried("7"), ("x-retry-8", "8")),
    ],
)
def test_which_attempt_it_is(id: str, raw: dict[str, Any], wanted: tuple[str, str]) -> None:
    made = build_next_attempt(raw, id, most=1_000_000, force=False)
    assert (made["submission_id"], made["metadata"]["seedcore.attempt"]) == wanted
    assert made["metadata"]["seedcore.retry_of"] == id


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        ('{"num_cpus": 0.5, "num_gpus": 2, "memory_bytes": 1000, "resources": {"disk": 1.5}}', {
            "entrypoint_num_cpus": 0.5, "entrypoint_num_gpus": 2, "entrypoint_memory": 1000,
            "entrypoint_resources": {"disk": 1.5},
        }),
        # What is no amount is left out, and what is then empty too.
        ('{"num_cpus": true, "num_gpus": "2", "memory_bytes": [1], "resources": {"a": true, "b": "x"}}', {}),
        ('{"num_cpus": 1, "resources": [1]}', {"entrypoint_num_cpus": 1}),
        ('{"num_cpus": 1, "resources": {"a": null, "b": 2}}', {
            "entrypoint_num_cpus": 1, "entrypoint_resources": {"b": 2},
        }),
        ('{"num_cpus": 0}', {}),
        ("[1]", {}),
        ("{", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_resources_that_were_recorded_are_asked_for_again(recorded: str, asked: dict[str, Any]) -> None:
    made = build_next_attempt({"metadata": {"seedcore.resources": recorded}}, "j", most=1, force=False)
    assert {name: value for name, value in made.items() if name.startswith("entrypoint_")} == asked
    assert made["metadata"]["seedcore.resources"] == recorded


@pytest.mark.parametrize("nothing", [None, "", 0])
def test_a_row_without_the_rest_is_tried_again_as_it_is(nothing: Any) -> None:
    raw = {"entrypoint": nothing, "runtime_env": nothing, "metadata": nothing}
    assert build_next_attempt(raw, "j", most=1, force=False) == {
        "submission_id": "j-retry-1",
        "entrypoint": "",
        "runtime_env": {},
        "metadata": {"seedcore.scheduled_by": "SeedCore API", "seedcore.retry_of": "j", "seedcore.attempt": "1"},
    }


def test_what_is_no_text_in_metadata_becomes_one_and_what_belongs_to_one_attempt_goes() -> None:
    raw = {"metadata": {**be_retried("1")["metadata"], 1: 2, "job_name": "j", "seedcore.request_hash": "h"}}
    assert build_next_attempt(raw, "j-retry-1", most=2, force=False)["metadata"] == {
        "1": "2",
        "seedcore.scheduled_by": "SeedCore API",
        "seedcore.retry_of": "j-retry-1",
        "seedcore.attempt": "2",
    }


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (quoted("one\n\n  two  \n \n"), "two"),
        (quoted(""), "before"),
        ("failed, last available logs (truncated to 20,000 chars):\n \n", ""),
        # The log may hold the words that introduce it.
        (quoted(quoted("inner")), "inner"),
        (quoted(f"one\n{INTRODUCED}"), INTRODUCED),
        ("its own words", ""),
        (7, ""),
    ],
)
def test_the_last_line_of_what_is_quoted(message: Any, line: str) -> None:
    assert find_last_line(message) == line


def test_the_last_line_that_is_quoted_tells_nothing_of_its_environment() -> None:
    env = {"env_vars": {"PLACE": "canary-0123456789"}}
    raw = {"status": "FAILED", "message": quoted("canary-0123456789 done"), "runtime_env": env}
    with pytest.raises(Conflict) as refused:
        require_worth_it(row(), raw, force=False)
    assert str(refused.value).startswith("Its last line says '[redacted] done': ")

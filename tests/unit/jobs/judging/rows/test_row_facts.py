"""What a row says as facts, so that nobody needs to read its sentences or to count its evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serve_app.jobs.history.figures import find_cause
from serve_app.jobs.history.recorder import build_record
from serve_app.jobs.judging.judge import Memo, judge
from serve_app.jobs.models import Evidence, JobFacts, JobRow, Snapshot, Unknown
from tests.unit.jobs.judging.test_judge import NOW, actor, controller, driver, exit_of, head, snapshot, submission

FAILED = "JOB_ENTRYPOINT_COMMAND_ERROR"
LOST = "JOB_SUPERVISOR_ACTOR_DIED"


def row_of(seen: Snapshot, id: str, memo: Memo | None = None) -> JobRow:
    return next(row for row in judge(seen, NOW, memo=memo) if row.id == id)


@pytest.mark.parametrize(
    ("job", "sections", "facts", "cause"),
    [
        (submission("a", "FAILED", error_type=FAILED), {}, (FAILED, 1, "submission-failed"), "exit code 1"),
        (submission("a", "FAILED", exit_code=-9), {}, (None, -9, "submission-failed"), "exit code -9"),
        # What Ray does not tell is not made up, whatever word it is counted under.
        (submission("a", "FAILED", exit_code=None), {}, (None, None, "submission-failed"), "no error type"),
        (
            submission("a", "FAILED", exit_code=None, error_type="RUNTIME_ENV_SETUP_FAILURE"),
            {},
            ("RUNTIME_ENV_SETUP_FAILURE", None, "submission-failed"),
            "runtime-env-setup-failure",
        ),
        (submission("a", "SUCCEEDED"), {}, (None, 0, "exit-code-0"), None),
        (submission("a", "SUCCEEDED", exit_code=3), {}, (None, 3, "exit-code-contradicts"), "exit-code-contradicts"),
        (submission("a", "RUNNING"), {}, (None, None, "running"), None),
        # It failed twice over, and its own word counts.
        (
            submission("a", "FAILED", error_type=FAILED, job_id="01"),
            {"exits": [exit_of("01", "SYSTEM_ERROR")]},
            (FAILED, 1, "submission-failed"),
            "exit code 1",
        ),
        (
            submission("a", "FAILED", exit_code=None, error_type=LOST, job_id="01"),
            {"driver_exits": Unknown("slow")},
            (LOST, None, "supervisor-lost-unproven"),
            None,
        ),
        (
            submission("a", "FAILED", exit_code=None, error_type=LOST, node_id="h"),
            {"nodes": [head("h", "DEAD", 100)]},
            (LOST, None, "node-dead"),
            "node-dead",
        ),
        (
            driver("01", "SUCCEEDED"),
            {"exits": [exit_of("01", "SYSTEM_ERROR")]},
            (None, None, "driver-killed"),
            "driver-killed",
        ),
        # Just ended: it counts as running, by the same rule.
        (driver("01", "SUCCEEDED", began=7), {}, (None, None, "worker-row-missing"), None),
        (
            driver("01", "SUCCEEDED"),
            {"exits": [exit_of("01", "SYSTEM_ERROR")], "actors": [controller("01")]},
            (None, None, "serve-outlives-driver"),
            None,
        ),
    ],
)
def test_how_it_ended(job: JobFacts, sections: dict[str, Any], facts: tuple[Any, ...], cause: str | None) -> None:
    row = row_of(snapshot(job, **sections), job.id)
    assert (row.error_type, row.exit_code, row.outcome_rule) == facts
    assert [each.rule for each in row.evidence].count(row.outcome_rule) >= 1
    assert find_cause(row) == cause
    record = build_record(row)
    assert (record["error_type"], record["exit_code"], record["cause"]) == (facts[0], facts[1], cause)
    assert (record["content"]["row"]["error_type"], record["content"]["row"]["exit_code"]) == facts[:2]


@pytest.mark.parametrize(
    ("seen", "id", "rule"),
    [
        (snapshot(submission("a", "RUNNING")), "a", "kind-by-default"),
        (snapshot(submission("a", "RUNNING", metadata={"seedcore.kind": "nightly"})), "a", "kind-by-metadata"),
        (snapshot(driver("01", "RUNNING"), actors=[controller("01")]), "01", "kind-by-serve"),
        (snapshot(nodes=[head("h", "ALIVE", 100)]), "node:h", "kind-by-node"),
    ],
)
def test_why_it_is_of_its_kind(seen: Snapshot, id: str, rule: str) -> None:
    row = row_of(seen, id)
    why = row.kind_evidence
    assert why is not None
    assert (row.kind_rule, why.rule, why in row.evidence) == (rule, rule, True)


def test_evidence_has_no_place_that_means_something() -> None:
    row = row_of(snapshot(driver("01", "RUNNING"), actors=[controller("01"), actor("01")]), "01")
    turned = replace(row, evidence=(Evidence("another", "metadata", "exit code 66"), *reversed(row.evidence)))
    assert (turned.kind_evidence, find_cause(turned)) == (row.kind_evidence, find_cause(row))
    failed = row_of(snapshot(submission("a", "FAILED", error_type=FAILED)), "a")
    assert find_cause(replace(failed, evidence=())) == "exit code 1"


def test_what_ray_learns_later_is_in_the_next_row() -> None:
    memo = Memo()
    first = row_of(snapshot(submission("a", "FAILED", exit_code=None)), "a", memo)
    second = row_of(snapshot(submission("a", "FAILED", error_type=FAILED, exit_code=7)), "a", memo)
    assert [(row.error_type, row.exit_code) for row in (first, second)] == [(None, None), (FAILED, 7)]

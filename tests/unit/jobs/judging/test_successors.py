"""What makes good what failed: a later one of the same purpose, a retry, or that some may fail."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.jobs.judging.expectations import contracts_with
from serve_app.jobs.judging.judge import Memo, judge
from serve_app.jobs.judging.kind_specs import KindSpec
from serve_app.jobs.models import JobFacts, Known, TaskCounts, Unknown
from tests.unit.jobs.judging.test_judge import INIT, NOW, SERVER, controller, driver, exit_of, snapshot, submission


def retry(id: str, of: str, status: str, *, began: float = 5, **changes: Any) -> JobFacts:
    return submission(id, status, began=began, took=1, metadata={"seedcore.retry_of": of}, **changes)


def rules(*jobs: JobFacts, allowed: int = 0, **sections: Any) -> dict[str, tuple[str, str]]:
    kinds = [KindSpec.model_validate({"name": "user", "allowed_failures": allowed})]
    rows = judge(snapshot(*jobs, **sections), NOW, contracts_with(kinds))
    return {row.id: (row.rule, row.verdict) for row in rows}


FAILED = submission("a", "FAILED", began=100)
GOOD, RUNNING, AS_IT_WAS = ("retry-succeeded", "OK"), ("retry-running", "WARN"), ("failed", "BAD")
STOPPED = ("stopped", "OK")


@pytest.mark.parametrize(
    ("jobs", "wanted"),
    [
        ([FAILED], AS_IT_WAS),
        ([FAILED, retry("b", "a", "SUCCEEDED")], GOOD),
        ([FAILED, retry("b", "a", "RUNNING")], RUNNING),
        ([FAILED, retry("b", "a", "PENDING")], RUNNING),
        ([FAILED, retry("b", "a", "PENDING", started_at=None)], RUNNING),
        ([FAILED, retry("b", "a", "FAILED")], AS_IT_WAS),
        ([FAILED, retry("b", "another", "SUCCEEDED")], AS_IT_WAS),
        # A chain counts by its end.
        ([FAILED, retry("b", "a", "FAILED"), retry("c", "b", "SUCCEEDED")], GOOD),
        ([FAILED, retry("b", "a", "FAILED"), retry("c", "b", "RUNNING")], RUNNING),
        ([FAILED, retry("b", "a", "STOPPED"), retry("c", "b", "FAILED")], AS_IT_WAS),
        # Of several retries of one, that which succeeded counts, in whatever order Ray lists them.
        ([FAILED, retry("b", "a", "SUCCEEDED"), retry("c", "a", "FAILED", began=2)], GOOD),
        ([FAILED, retry("c", "a", "FAILED", began=2), retry("b", "a", "SUCCEEDED")], GOOD),
        ([FAILED, retry("c", "a", "FAILED", began=2), retry("b", "a", "RUNNING")], RUNNING),
        ([FAILED, retry("b", "a", "RUNNING"), retry("c", "a", "FAILED", began=2)], RUNNING),
        # Metadata can claim a circle.
        ([retry("a", "a", "FAILED")], AS_IT_WAS),
        ([retry("a", "b", "FAILED"), retry("b", "a", "FAILED")], AS_IT_WAS),
        ([retry("a", "b", "FAILED"), retry("b", "a", "SUCCEEDED")], GOOD),
        ([retry("a", "c", "FAILED"), retry("b", "a", "FAILED"), retry("c", "b", "SUCCEEDED")], GOOD),
        ([FAILED, retry("b", "a", "FAILED"), retry("c", "b", "FAILED"), retry("b", "c", "FAILED")], AS_IT_WAS),
        # What was stopped on request is no failure, tried again or not.
        ([submission("a", "STOPPED")], STOPPED),
        ([submission("a", "STOPPED"), retry("b", "a", "RUNNING")], STOPPED),
        ([submission("a", "STOPPED"), retry("b", "a", "FAILED")], STOPPED),
        ([submission("a", "STOPPED"), retry("b", "a", "SUCCEEDED")], GOOD),
        # What succeeded needs no retry.
        ([submission("a", "SUCCEEDED"), retry("b", "a", "RUNNING")], ("succeeded", "OK")),
    ],
)
def test_retries(jobs: list[JobFacts], wanted: tuple[str, str]) -> None:
    assert rules(*jobs)["a"] == wanted


def test_a_retry_is_named() -> None:
    rows = {row.id: row.reason for row in judge(snapshot(FAILED, retry("b", "a", "SUCCEEDED")), NOW)}
    assert rows["a"] == "It failed with exit code 1; it was tried again, and b succeeded."
    rows = {row.id: row.reason for row in judge(snapshot(FAILED, retry("b", "a", "RUNNING")), NOW)}
    assert rows["a"] == "It failed with exit code 1; it is being tried again by b."


@pytest.mark.parametrize(("retries", "wanted"), [(100, GOOD), (101, AS_IT_WAS)])
def test_a_chain_has_an_end(retries: int, wanted: tuple[str, str]) -> None:
    chain = [retry(f"r{number}", f"r{number - 1}", "FAILED") for number in range(1, retries)]
    last = retry("last", f"r{retries - 1}", "SUCCEEDED")
    assert rules(submission("r0", "FAILED"), *chain, last)["r0"] == wanted


@pytest.mark.parametrize(
    ("allowed", "statuses", "wanted"),
    [
        (0, "F", ["failed"]),
        (1, "F", ["failure-allowed"]),
        (1, "FF", ["failure-allowed", "failed"]),
        (2, "FFF", ["failure-allowed", "failure-allowed", "failed"]),
        # A success begins a new count.
        (1, "FSFF", ["failure-allowed", "succeeded", "failure-allowed", "failed"]),
        # One that is on its way says nothing yet.
        (1, "FRF", ["failure-allowed", "running", "failed"]),
    ],
)
def test_so_many_failures_in_a_row_are_allowed(allowed: int, statuses: str, wanted: list[str]) -> None:
    words = {"F": "FAILED", "S": "SUCCEEDED", "R": "RUNNING"}
    jobs = [
        submission(f"j{place}", words[word], began=100 - place, took=1, metadata={"seedcore.kind": "report"})
        for place, word in enumerate(statuses)
    ]
    kinds = [
        KindSpec.model_validate({"name": "report", "match": {"entrypoint": "never"}, "allowed_failures": allowed}),
    ]
    rows = judge(snapshot(*jobs), NOW, contracts_with(kinds))
    assert [row.rule for row in reversed(rows)] == wanted


def test_failures_of_one_kind_are_not_counted_with_those_of_another() -> None:
    jobs = [FAILED, submission("b", "FAILED", began=90, metadata={"seedcore.kind": "report"})]
    assert rules(*jobs, allowed=1) == {"a": ("failure-allowed", "WARN"), "b": ("failure-allowed", "WARN")}
    assert rules(*jobs, submission("c", "FAILED", began=80), allowed=1)["c"] == AS_IT_WAS


REPLACED, ENDED = ("server-replaced", "OK"), ("server-ended", "BAD")


@pytest.mark.parametrize(
    ("jobs", "sections", "wanted"),
    [
        # When the worker table is down, a hidden server has no start; it serves all the same.
        (
            [driver("a", "SUCCEEDED", began=100)],
            {"actors": [controller("a", "DEAD"), controller("h")], "exits": [exit_of("a", "SYSTEM_ERROR")]},
            REPLACED,
        ),
        (
            [driver("a", "SUCCEEDED", began=100)],
            {"actors": [controller("a", "DEAD"), controller("h", "DEAD")], "exits": [exit_of("a", "SYSTEM_ERROR")]},
            ENDED,
        ),
        (
            [submission("a", "FAILED", metadata=INIT), submission("b", "PENDING", started_at=None, metadata=INIT)],
            {},
            ("initialization-retried", "WARN"),
        ),
        (
            [submission("a", "FAILED", metadata=SERVER), submission("b", "SUCCEEDED", began=2, metadata=SERVER)],
            {},
            ENDED,
        ),
    ],
)
def test_later_ones_of_the_same_purpose(jobs: list[JobFacts], sections: Any, wanted: tuple[str, str]) -> None:
    assert rules(*jobs, **sections)["a"] == wanted


IDS = st.sampled_from([f"j{number}" for number in range(6)])
STATUSES = st.sampled_from(["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED", "HELD"])
CLAIMS = st.sampled_from([None, *(f"j{number}" for number in range(6))])
KINDS = st.sampled_from([None, "coa-initialization", "application-server", "observer", "report"])
STARTS = st.sampled_from([None, 5.0, 40.0, 70.0, 4_000.0])
JOBS = st.lists(
    st.tuples(IDS, STATUSES, CLAIMS, KINDS, STARTS, st.booleans()), max_size=6, unique_by=lambda job: job[0]
)
TIMES = st.sampled_from([0, 1, 20, 3_600])
PARTS = st.tuples(st.sampled_from(["ALIVE", "DEAD"]), st.booleans())
# A table that falls silent is remembered, and that is meant; so each is there in all looks or in none.
TABLES = st.tuples(st.booleans(), st.booleans())


def _facts(id: str, status: str, claim: str | None, kind: str | None, start: float | None, drives: bool) -> JobFacts:
    metadata = {"seedcore.retry_of": claim, "seedcore.kind": kind}
    given = {name: value for name, value in metadata.items() if value is not None}
    changes: dict[str, Any] = {"metadata": given, **({"started_at": None} if start is None else {})}
    if drives:
        return driver(id, status, began=start or 10, entrypoint="ray.util.client.server specific-server", **changes)
    return submission(id, status, began=start or 10, **changes)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(JOBS, TIMES, PARTS), min_size=2, max_size=5), TABLES)
def test_what_is_remembered_changes_no_answer(looks: list[Any], tables: tuple[bool, bool]) -> None:
    """Judging with the memory of all earlier looks gives what judging each look alone gives."""
    memo, now = Memo(), NOW
    specs = [KindSpec(name="user", allowed_failures=1)]
    contracts = contracts_with(specs)
    has_actors, has_exits = tables
    for jobs, later, (state, serves) in looks:
        now += timedelta(seconds=later)
        sections: dict[str, Any] = {"exits": [exit_of(job[0], "SYSTEM_ERROR") for job in jobs if job[5]]}
        if serves:
            sections["actors"] = [controller("j0", state), controller("h")]
        seen = snapshot(*(_facts(*job) for job in jobs), **sections)
        seen = _without(seen, actors=has_actors, driver_exits=has_exits)
        assert judge(seen, now, contracts, memo=memo) == judge(seen, now, contracts)


def _without(seen: Any, **has: bool) -> Any:
    return replace(seen, **{name: Unknown("down") for name, there in has.items() if not there})


def test_a_memory_of_other_declarations_is_not_used() -> None:
    seen, memo = snapshot(FAILED), Memo()
    strict, mild = (
        contracts_with([KindSpec.model_validate({"name": "user", "allowed_failures": each})]) for each in (0, 1)
    )
    found = [judge(seen, NOW, contracts, memo=memo)[0].rule for contracts in (strict, mild, strict)]
    assert found == ["failed", "failure-allowed", "failed"]


def test_rows_of_an_unchanged_look_are_the_same_objects() -> None:
    """The recorder knows by it that there is nothing to write."""
    jobs = [FAILED, retry("b", "a", "SUCCEEDED"), submission("c", "FAILED", metadata=INIT)]
    memo = Memo()
    first = judge(snapshot(*jobs), NOW, memo=memo)
    again = judge(snapshot(*jobs), NOW + timedelta(hours=1), memo=memo)
    assert [before is after for before, after in zip(first, again, strict=True)] == [True] * 3


def test_jobs_of_one_id_keep_their_places() -> None:
    """A submission may be given the id that Ray gave a driver."""
    jobs = [
        submission("a", "SUCCEEDED", began=50),
        driver("a", "RUNNING", began=20),
        submission("b", "SUCCEEDED", began=30),
    ]
    rows = judge(snapshot(*jobs), NOW, memo=Memo())
    assert [(row.id, row.type) for row in rows] == [("a", "DRIVER"), ("b", "SUBMISSION"), ("a", "SUBMISSION")]


def test_tasks_that_are_counted_later_are_judged_anew() -> None:
    memo, seen = Memo(), snapshot(driver("a", "SUCCEEDED"))
    seen = replace(seen, driver_exits=Known({"a": exit_of("a", "INTENDED_USER_EXIT")}))
    found = []
    for tasks in ({}, {"a": TaskCounts(2, 1, 1, 0, 0)}):
        found.append(judge(replace(seen, tasks=tasks), NOW, memo=memo)[0].rule)
    assert found == ["ended-unknown", "ended-with-failed-tasks"]

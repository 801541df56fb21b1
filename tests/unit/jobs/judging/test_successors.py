"""What makes good what failed: a later one of the same purpose, a retry, or that some may fail."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.jobs.judging.case_maker import CaseMaker
from serve_app.jobs.judging.expectations import build_contracts
from serve_app.jobs.judging.judge import Memo, judge
from serve_app.jobs.judging.kind_specs import KindSpec
from serve_app.jobs.judging.successors import add_successors
from serve_app.jobs.models import JobFacts, Known, TaskCounts, Unknown
from tests.unit.jobs.judging.test_judge import (
    INIT,
    NOW,
    SERVER,
    ago,
    controller,
    driver,
    exit_of,
    snapshot,
    submission,
)
from tests.unit.jobs.judging.test_outcome import node


def retry(id: str, of: str, status: str, *, began: float = 5, **changes: Any) -> JobFacts:
    return submission(id, status, began=began, took=1, metadata={"seedcore.retry_of": of}, **changes)


def rules(*jobs: JobFacts, allowed: int = 0, **sections: Any) -> dict[str, tuple[str, str]]:
    kinds = [KindSpec.model_validate({"name": "user", "allowed_failures": allowed})]
    rows = judge(snapshot(*jobs, **sections), NOW, build_contracts(kinds))
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
        # A retry of an earlier run with its id makes good nothing of this one, nor does the chain after it.
        ([FAILED, retry("b", "a", "SUCCEEDED", began=101)], AS_IT_WAS),
        ([FAILED, retry("b", "a", "FAILED", began=101), retry("c", "b", "SUCCEEDED")], AS_IT_WAS),
        ([FAILED, retry("b", "a", "RUNNING", began=101)], AS_IT_WAS),
        ([FAILED, retry("b", "a", "SUCCEEDED", began=101), retry("c", "a", "RUNNING")], RUNNING),
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


NAME = {"job_name": "etl"}
HOURLY = {"name": "report", "match": {"entrypoint": "*report.py*"}, "every_h": 1}


def named(id: str, status: str, *, began: float, name: str = "etl", **changes: Any) -> JobFacts:
    return submission(id, status, began=began, took=1, metadata={"job_name": name}, **changes)


@pytest.mark.parametrize(
    ("jobs", "wanted"),
    [
        # Whoever gives two jobs one name says that they are the same work.
        ([named("a", "FAILED", began=100), named("b", "SUCCEEDED", began=50)], GOOD),
        ([named("a", "FAILED", began=100), named("b", "SUCCEEDED", began=99.5)], GOOD),
        ([named("a", "FAILED", began=100), named("b", "RUNNING", began=50)], RUNNING),
        ([named("a", "FAILED", began=100), named("b", "FAILED", began=50)], AS_IT_WAS),
        ([named("a", "FAILED", began=100), named("b", "SUCCEEDED", began=150)], AS_IT_WAS),
        ([named("a", "FAILED", began=100), named("b", "SUCCEEDED", began=50, name="other")], AS_IT_WAS),
        ([named("a", "FAILED", began=100), submission("b", "SUCCEEDED", began=50)], AS_IT_WAS),
        ([named("a", "FAILED", began=100), named("b", "SUCCEEDED", began=50), named("c", "FAILED", began=20)], GOOD),
        # A retry of a named one.
        ([named("a", "FAILED", began=100), retry("b", "a", "SUCCEEDED")], GOOD),
    ],
)
def test_a_later_run_of_the_same_name(jobs: list[JobFacts], wanted: tuple[str, str]) -> None:
    assert rules(*jobs)["a"] == wanted


@pytest.mark.parametrize(("every_h", "wanted"), [(1, "retry-succeeded"), (None, "failed")])
def test_a_kind_of_which_a_success_is_due_is_one_series(every_h: float | None, wanted: str) -> None:
    kinds = [KindSpec.model_validate({**HOURLY, "every_h": every_h})]
    jobs = [
        submission("a", "FAILED", began=900, entrypoint="python report.py 1"),
        submission("b", "SUCCEEDED", began=50, entrypoint="python report.py 2"),
    ]
    found = {row.id: row.rule for row in judge(snapshot(*jobs), NOW, build_contracts(kinds))}
    assert found == {"a": wanted, "b": "succeeded"}


def attempt(id: str, status: str, *, began: float, took: float = 10, **changes: Any) -> JobFacts:
    values = {"entrypoint": "python a.py", "environment": "e", **changes}
    return submission(id, status, began=began, took=took, **values)


FIRST = attempt("a", "FAILED", began=300)


@pytest.mark.parametrize(
    ("others", "wanted"),
    [
        # A loop of a shell around `ray job submit`: the same command, at once, until it succeeds.
        ([attempt("b", "SUCCEEDED", began=280)], GOOD),
        ([attempt("b", "RUNNING", began=280)], RUNNING),
        ([attempt("b", "FAILED", began=280), attempt("c", "SUCCEEDED", began=260)], GOOD),
        ([attempt("b", "FAILED", began=280), attempt("c", "FAILED", began=260)], AS_IT_WAS),
        ([attempt("b", "STOPPED", began=280), attempt("c", "SUCCEEDED", began=260)], AS_IT_WAS),
        ([attempt("b", "SUCCEEDED", began=290)], GOOD),
        ([attempt("b", "SUCCEEDED", began=170)], GOOD),
        # Later it is another run of it, as of a schedule.
        ([attempt("b", "SUCCEEDED", began=169)], AS_IT_WAS),
        ([attempt("b", "FAILED", began=280), attempt("c", "SUCCEEDED", began=140)], AS_IT_WAS),
        # What is not the same in every respect is not the same work.
        ([attempt("b", "SUCCEEDED", began=280, entrypoint="python a.py --shard 2")], AS_IT_WAS),
        ([attempt("b", "SUCCEEDED", began=280, environment="another")], AS_IT_WAS),
        ([attempt("b", "SUCCEEDED", began=280, metadata={"team": "x"})], AS_IT_WAS),
        ([driver("b", "SUCCEEDED", began=280, entrypoint="python a.py", environment="e")], AS_IT_WAS),
        # A crowd is no loop: another of them ran beside it, before or after.
        ([attempt("b", "SUCCEEDED", began=295)], AS_IT_WAS),
        ([attempt("0", "SUCCEEDED", began=305), attempt("b", "SUCCEEDED", began=280)], AS_IT_WAS),
        ([attempt("0", "RUNNING", began=400), attempt("b", "SUCCEEDED", began=280)], AS_IT_WAS),
        ([attempt("0", "FAILED", began=320), attempt("b", "SUCCEEDED", began=280)], GOOD),
    ],
)
def test_the_same_command_again_at_once(others: list[JobFacts], wanted: tuple[str, str]) -> None:
    for jobs in ([FIRST, *others], [*reversed(others), FIRST]):
        assert rules(*jobs)["a"] == wanted


def test_what_says_nothing_of_itself_is_nobodys_next_attempt() -> None:
    silent = [attempt("a", "FAILED", began=300, entrypoint=""), attempt("b", "SUCCEEDED", began=280, entrypoint="")]
    assert rules(*silent)["a"] == AS_IT_WAS


def test_what_was_contradicted_is_made_good_too() -> None:
    doubted = attempt("a", "SUCCEEDED", began=300, job_id="07000000")
    seen = {"exits": [exit_of("07000000", "SYSTEM_ERROR")]}
    assert rules(doubted, **seen)["a"] == ("contradicted-driver", "WARN")
    assert rules(doubted, attempt("b", "SUCCEEDED", began=280), **seen)["a"] == GOOD


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
    rows = judge(snapshot(*jobs), NOW, build_contracts(kinds))
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


def test_of_two_that_began_at_once_the_first_is_named() -> None:
    made_good = [submission(id, "SUCCEEDED", began=5, metadata=INIT) for id in ("c", "b")]
    rows = {row.id: row.reason for row in judge(snapshot(submission("a", "FAILED", metadata=INIT), *made_good), NOW)}
    assert rows["a"] == "It failed with exit code 1; a later one, c, succeeded."


def test_what_began_at_once_is_no_later_one() -> None:
    both = [submission("a", "FAILED", metadata=INIT), submission("b", "SUCCEEDED", metadata=INIT)]
    assert rules(*both)["a"] == ("initialization-failed", "BAD")


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
    contracts = build_contracts(specs)
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
        build_contracts([KindSpec.model_validate({"name": "user", "allowed_failures": each})]) for each in (0, 1)
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


def follow(*jobs: JobFacts, id: str = "a", **sections: Any) -> tuple[str | None, str | None, int]:
    """Which made it good, which tries it again, and how many failed in a row, by the case that the rules meet."""
    seen = snapshot(*jobs, **sections)
    kinds = [KindSpec.model_validate({"name": each, "allowed_failures": 9}) for each in ("user",)]
    maker = CaseMaker.build(seen, NOW, build_contracts(kinds), {}, {})
    cases = [maker.judge_job(job)[:2] for job in jobs]
    found = next(case for case, _ in add_successors(cases) if case.job.id == id)
    return found.repaired_by, found.retried_by, found.failures_in_a_row


def initialize(id: str, status: str, began: float, **changes: Any) -> JobFacts:
    return submission(id, status, began=began, took=1, metadata=INIT, **changes)


def serve(id: str, status: str, began: float, entrypoint: str = "serve run it", **changes: Any) -> JobFacts:
    metadata = {**SERVER, **changes.pop("metadata", {})}
    return submission(id, status, began=began, took=1, metadata=metadata, entrypoint=entrypoint, **changes)


BROKEN = initialize("a", "FAILED", 100)
FELL = serve("a", "FAILED", 100)


@pytest.mark.parametrize(
    ("jobs", "wanted"),
    [
        # Of an initialization: the latest that succeeded, and the latest on its way, when they began later.
        ([BROKEN], (None, None, 0)),
        ([BROKEN, initialize("b", "SUCCEEDED", 50), initialize("c", "SUCCEEDED", 70)], ("b", None, 0)),
        ([BROKEN, initialize("c", "SUCCEEDED", 70), initialize("b", "SUCCEEDED", 50)], ("b", None, 0)),
        ([BROKEN, initialize("b", "RUNNING", 50), initialize("c", "PENDING", 40)], (None, "c", 0)),
        ([BROKEN, initialize("b", "SUCCEEDED", 70), initialize("c", "RUNNING", 50)], ("b", "c", 0)),
        ([BROKEN, initialize("b", "SUCCEEDED", 100)], (None, None, 0)),
        ([BROKEN, initialize("b", "SUCCEEDED", 101)], (None, None, 0)),
        ([BROKEN, initialize("b", "STOPPED", 50), initialize("c", "FAILED", 40)], (None, None, 0)),
        # Of unknown beginnings, that which is on its way is the newest, and one that ended the oldest.
        ([BROKEN, initialize("b", "RUNNING", 50), initialize("c", "PENDING", 1, started_at=None)], (None, "c", 0)),
        ([BROKEN, initialize("b", "SUCCEEDED", 1, started_at=None)], (None, None, 0)),
        (
            [initialize("a", "FAILED", 1, started_at=None), initialize("b", "SUCCEEDED", 1e6)], ("b", None, 0),
        ),
        # Of a server: one of the same name that runs, or of the same entrypoint where there is no name.
        ([FELL, serve("b", "RUNNING", 50)], ("b", None, 0)),
        ([FELL, serve("b", "PENDING", 50)], (None, "b", 0)),
        ([FELL, serve("b", "SUCCEEDED", 50)], (None, None, 0)),
        ([FELL, serve("b", "RUNNING", 50, "serve run else")], (None, None, 0)),
        (
            [
                serve("a", "FAILED", 100, "uvicorn x", metadata={"job_name": "shop"}),
                serve("b", "RUNNING", 50, "uvicorn y", metadata={"job_name": "shop"}),
            ],
            ("b", None, 0),
        ),
        (
            [
                serve("a", "FAILED", 100, "uvicorn x", metadata={"job_name": "shop"}),
                serve("b", "RUNNING", 50, "uvicorn x"),
            ],
            (None, None, 0),
        ),
        # What has a purpose is made good by its purpose alone, whoever claims to be its retry.
        ([BROKEN, retry("b", "a", "SUCCEEDED")], (None, None, 0)),
        # Anybody's own work: a retry that says so.
        ([FAILED, submission("b", "SUCCEEDED", began=50)], (None, None, 1)),
        ([FAILED, retry("b", "a", "SUCCEEDED")], ("b", None, 1)),
        ([FAILED, retry("b", "a", "RUNNING")], (None, "b", 1)),
        ([FAILED, retry("b", "a", "FAILED"), retry("c", "b", "SUCCEEDED")], ("c", None, 1)),
        ([FAILED, retry("b", "a", "SUCCEEDED", began=5), retry("c", "a", "SUCCEEDED", began=4)], ("c", None, 1)),
        ([FAILED, retry("c", "a", "SUCCEEDED", began=4), retry("b", "a", "SUCCEEDED", began=5)], ("c", None, 1)),
        ([FAILED, retry("b", "a", "RUNNING", began=5), retry("c", "a", "PENDING", began=4)], (None, "c", 1)),
        ([FAILED, retry("b", "a", "FAILED", began=4), retry("c", "a", "FAILED", began=5),
          retry("d", "b", "SUCCEEDED", began=3)], ("d", None, 1)),
        ([submission("a", "SUCCEEDED", began=100), retry("b", "a", "SUCCEEDED")], ("b", None, 0)),
    ],
)  # fmt: skip
def test_who_comes_after(jobs: list[JobFacts], wanted: tuple[str | None, str | None, int]) -> None:
    assert follow(*jobs) == wanted


def test_an_initialization_and_a_head_are_for_one_thing_each() -> None:
    heads = [node("DEAD", node_id="a", is_head=True, started_at=ago(9)), node("ALIVE", node_id="b", is_head=True)]
    rows = judge(snapshot(BROKEN, nodes=[heads[0], replace(heads[1], started_at=ago(5))]), NOW)
    assert {row.id: row.rule for row in rows} == {
        "a": "initialization-failed",
        "node:a": "head-replaced",
        "node:b": "head-started",
    }


def test_all_of_serve_is_one_purpose_whatever_it_was_started_by() -> None:
    jobs = [
        driver("a", "SUCCEEDED", began=100, entrypoint="python one.py"),
        driver("b", "RUNNING", began=50, entrypoint="python two.py"),
    ]
    sections = {"actors": [controller("a", "DEAD"), controller("b")], "exits": [exit_of("a", "SYSTEM_ERROR")]}
    assert follow(*jobs, **sections) == ("b", None, 0)
    # A server that is none of Serve's takes nobody's place in it.
    assert follow(jobs[0], serve("c", "RUNNING", 50, "python one.py"), **sections) == (None, None, 0)


@pytest.mark.parametrize(
    ("statuses", "counts"),
    [
        ("FFF", [1, 2, 3]),
        ("FSF", [1, 0, 1]),
        ("FXF", [1, 0, 1]),
        ("FRF", [1, 0, 2]),
        ("FPF", [1, 0, 2]),
        ("SSS", [0, 0, 0]),
    ],
)
def test_failures_are_counted_in_the_order_of_their_beginnings(statuses: str, counts: list[int]) -> None:
    words = {"F": "FAILED", "S": "SUCCEEDED", "R": "RUNNING", "P": "PENDING", "X": "STOPPED"}
    jobs = [submission(f"j{at}", words[each], began=100 - at, took=1) for at, each in enumerate(statuses)]
    assert [follow(*reversed(jobs), id=job.id)[2] for job in jobs] == counts


def test_what_was_contradicted_begins_no_new_count() -> None:
    odd = submission("b", "SUCCEEDED", began=50, took=1, job_id="01000000")
    jobs, tasks = (FAILED, odd, submission("c", "FAILED", began=10)), {"01000000": TaskCounts(9, 0, 2, 7, 0, 7)}
    exits = [exit_of("01000000", "INTENDED_USER_EXIT")]
    counts = [follow(*jobs, id=id, tasks=tasks, exits=exits)[2] for id in ("a", "b", "c")]
    assert (counts, follow(*jobs, id="c")[2]) == ([1, 0, 2], 1)


def test_a_lost_job_is_one_that_failed() -> None:
    jobs = [driver("a", "RUNNING", began=9, node_id="n"), submission("b", "FAILED", began=5)]
    assert follow(*jobs, nodes=[node("DEAD")]) == (None, None, 1)
    assert follow(*jobs, id="b", nodes=[node("DEAD")]) == (None, None, 2)


def test_what_changes_nothing_stays_the_same_object() -> None:
    seen = snapshot(FAILED, retry("b", "a", "SUCCEEDED"), submission("c", "SUCCEEDED"))
    maker = CaseMaker.build(seen, NOW, build_contracts([]), {}, {})
    cases = [maker.judge_job(job)[:2] for job in (FAILED, *seen.jobs.value[1:])]  # type: ignore[union-attr]
    after = list(add_successors(cases))
    assert [before[0] is case for before, (case, _) in zip(cases, after, strict=True)] == [False, True, True]
    assert [evidence for _, evidence in after] == [evidence for _, evidence in cases]

"""The guide's figures: rates, durations and causes over a window."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.errors import InvalidInput
from serve_app.jobs.history.figures import compute_figures, count_ended, find_quantile, parse_past_runs, parse_window
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.models import JobFacts, PastRuns
from tests.unit.jobs.judging.test_judge import CLIENT, INIT, NOW, SERVER, ago, driver, exit_of, snapshot, submission
from tests.unit.jobs.judging.test_outcome import node


@pytest.mark.parametrize(
    ("query", "wanted"), [({}, "1h"), ({"window": "5m"}, "5m"), ({"window": "7d"}, "7d"), ({"window": "24h"}, "24h")]
)
def test_windows(query: dict[str, Any], wanted: str) -> None:
    assert parse_window(query) == wanted


@pytest.mark.parametrize("window", ["", "2h", "1H", None, "5m "])
def test_there_are_four_windows(window: str | None) -> None:
    with pytest.raises(InvalidInput, match="window must be one of 5m, 1h, 24h, 7d"):
        parse_window({"window": window})


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [
        ([], 0.5, None),
        ([7.0], 0.5, 7.0),
        ([7.0], 0.99, 7.0),
        ([2.0, 1.0], 0.5, 1.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([float(each) for each in range(1, 21)], 0.95, 19.0),
        ([float(each) for each in range(1, 21)], 0.99, 20.0),
        ([float(each) for each in range(1, 101)], 0.99, 99.0),
    ],
)
def test_quantiles(values: list[float], share: float, wanted: float | None) -> None:
    assert find_quantile(values, share) == wanted


@given(st.integers(min_value=1, max_value=20_000), st.sampled_from(["0.5", "0.95", "0.99"]))
def test_a_quantile_is_the_smallest_value_that_enough_do_not_exceed(count: int, share: str) -> None:
    """Reckoned without rounding."""
    assert find_quantile(range(1, count + 1), float(share)) == ceil(Fraction(share) * count)


def figures(*jobs: JobFacts, since_s: float = 3_600, **sections: Any) -> dict[str, Any]:
    return compute_figures(count_ended(judge(snapshot(*jobs, **sections), NOW), ago(since_s), NOW))


NOTHING = {
    "jobs": {
        "ended": 0,
        "succeeded": 0,
        "failed": 0,
        "lost": 0,
        "stopped": 0,
        "contradicted": 0,
        "ended_unknown": 0,
        "repaired": 0,
        "success_ratio": None,
        "error_ratio": None,
    },
    "duration_s": {"count": 0, "p50": None, "p95": None, "p99": None, "max": None},
    "by_kind": {},
    "failures_by_cause": [],
}


def test_of_nothing_there_is_no_rate() -> None:
    assert figures() == NOTHING


def test_what_is_counted() -> None:
    jobs = [
        submission("good", "SUCCEEDED", began=100, took=4),
        submission("better", "SUCCEEDED", began=100, took=2),
        submission("bad", "FAILED", began=100),
        submission("worse", "FAILED", began=100),
        submission("killed", "FAILED", began=100, exit_code=-9),
        submission("stopped", "STOPPED", began=100),
        driver("unknown", "SUCCEEDED", began=100),
        submission("running", "RUNNING", began=100),
        submission("before", "FAILED", began=4_000, took=5),
        submission("doubtful", "SUCCEEDED", began=100, job_id="07000000"),
    ]
    assert figures(*jobs, exits=[exit_of("07000000", "SYSTEM_ERROR")]) == {
        "jobs": {
            "ended": 8,
            "succeeded": 2,
            "failed": 3,
            "lost": 0,
            "stopped": 1,
            # Neither a success nor a failure, and no time that such a job takes.
            "contradicted": 1,
            "ended_unknown": 1,
            "repaired": 0,
            "success_ratio": 0.4,
            "error_ratio": 0.6,
        },
        "duration_s": {"count": 3, "p50": 4.0, "p95": 5.0, "p99": 5.0, "max": 5.0},
        "by_kind": {
            "user": {"ended": 8, "succeeded": 2, "failed": 3, "success_ratio": 0.4}
            | {"p50_s": 4.0, "p95_s": 5.0, "p99_s": 5.0}
        },
        "failures_by_cause": [
            {"cause": "exit code 1", "count": 2, "example": "worse"},
            {"cause": "exit code -9", "count": 1, "example": "killed"},
        ],
    }


def test_a_failure_that_was_made_good_is_no_failure() -> None:
    jobs = [
        submission("a", "FAILED", began=100, metadata=INIT),
        submission("b", "SUCCEEDED", began=50, metadata=INIT),
        submission("c", "FAILED", began=90),
        submission("d", "SUCCEEDED", began=40, metadata={"seedcore.retry_of": "c"}),
    ]
    found = figures(*jobs)
    counted = {name: found["jobs"][name] for name in ("ended", "succeeded", "failed", "repaired", "error_ratio")}
    assert counted == {"ended": 4, "succeeded": 2, "failed": 0, "repaired": 2, "error_ratio": 0.0}
    assert found["failures_by_cause"] == []


def test_a_later_run_of_the_same_name_made_good_what_failed_before() -> None:
    name = {"job_name": "etl"}
    found = figures(
        *(submission(f"a{each}", "FAILED", began=100 + each, metadata=name) for each in range(12)),
        submission("b", "SUCCEEDED", began=50, metadata=name),
    )
    assert (found["jobs"]["repaired"], found["jobs"]["error_ratio"]) == (12, 0.0)


def test_what_nobody_wanted_done_is_not_counted() -> None:
    """Nodes, Ray's own, and who only looked: neither as ends nor as causes."""
    nodes = [node("DEAD", ended_at=ago(5)), node("DEAD", node_id="h", is_head=True, ended_at=ago(5))]
    looked = driver("a", "SUCCEEDED", entrypoint=CLIENT)
    assert figures(looked, exits=[exit_of("a", "SYSTEM_ERROR")], nodes=nodes) == NOTHING


def test_a_window_ends_where_it_begins() -> None:
    job = submission("a", "SUCCEEDED", began=10, took=5)
    assert [figures(job, since_s=each)["jobs"]["ended"] for each in (4.9, 5, 5.1)] == [0, 1, 1]


def test_a_window_ends_now_whatever_a_clock_or_a_file_says() -> None:
    # Started 10 s ago, it "took" so long that its end is to come; clocks of nodes differ by a minute at most.
    jobs = [submission(f"j{took}", "FAILED", began=10, took=took) for took in (9, 69, 71, 7_200)]
    assert figures(*jobs, since_s=300)["jobs"]["failed"] == 2


def test_a_server_that_ended_counts_with_its_kind() -> None:
    found = figures(submission("a", "FAILED", metadata=SERVER))
    assert {kind: each["failed"] for kind, each in found["by_kind"].items()} == {"application-server": 1}


def test_only_so_many_kinds_and_causes_are_told() -> None:
    jobs = [
        submission(f"j{each:03}", "FAILED", exit_code=each + 1, metadata={"seedcore.kind": f"k{each:03}"})
        for each in range(60)
    ]
    found = figures(*jobs)
    assert (len(found["by_kind"]), len(found["failures_by_cause"]), found["jobs"]["failed"]) == (50, 20, 60)


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({"durations_s": [], "last_started_us": None, "last_succeeded_us": None}, PastRuns()),
        (
            {"durations_s": [3.0, 1.0, 2.0], "last_started_us": 2_000_000, "last_succeeded_us": -1},
            PastRuns(3, 3.0, datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC), None),
        ),
    ],
)
def test_past_runs(told: dict[str, Any], wanted: PastRuns) -> None:
    assert parse_past_runs(told) == wanted


def test_failures_are_counted_by_the_code_of_their_diagnosis() -> None:
    rows = judge(snapshot(*(submission(id, "FAILED", exit_code=1) for id in ("a", "b", "c"))), NOW)
    codes = {rows[0].key: "app.import-error", rows[1].key: "unknown"}
    found = count_ended(rows, ago(3_600), NOW, codes.get)["causes"]
    assert [[cause, count] for cause, count, _ in found] == [["exit code 1", 2], ["app.import-error", 1]]

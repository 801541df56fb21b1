"""Filters, pages and cursors."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.errors import InvalidInput
from serve_app.jobs.history.archive import JobFilter, select
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.models import JobFacts, JobRow
from tests.unit.jobs.judging.test_judge import NOW, ago, driver, snapshot, submission

JOBS = [
    submission("train", "FAILED", began=50, entrypoint="python Train.py", metadata={"team": "Vision"}),
    submission("eval", "SUCCEEDED", began=40, job_id="05000000"),
    driver("03000000", "RUNNING", began=30),
    submission("held", "PENDING", started_at=None),
]


def rows(*jobs: JobFacts) -> list[JobRow]:
    return judge(snapshot(*(jobs or JOBS)), NOW)


def ids(query: dict[str, Any], *jobs: JobFacts) -> list[str]:
    return [row.id for row in select(rows(*jobs), JobFilter.parse(query))[0]]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({}, ["03000000", "eval", "train", "held"]),
        ({"kind": "user"}, ["03000000", "eval", "train", "held"]),
        ({"kind": "observer"}, []),
        ({"status": "failed,PENDING"}, ["train", "held"]),
        ({"outcome": ["running", "failed"]}, ["03000000", "train"]),
        ({"verdict": "BAD"}, ["train"]),
        ({"verdict": "BAD", "outcome": "running"}, []),
        ({"since": ago(40)}, ["03000000", "eval"]),
        ({"until": ago(40).isoformat()}, ["train"]),
        ({"since": ago(45).isoformat().replace("+00:00", "Z"), "until": ago(35)}, ["eval"]),
        ({"q": "train.PY"}, ["train"]),
        ({"q": "vision"}, ["train"]),
        ({"q": "0500"}, ["eval"]),
        ({"q": "000000"}, ["03000000", "eval"]),
        ({"kind": None, "q": None, "cursor": None}, ["03000000", "eval", "train", "held"]),
        ({"limit": "1"}, ["03000000"]),
    ],
)
def test_filters(query: dict[str, Any], wanted: list[str]) -> None:
    assert ids(query) == wanted


@pytest.mark.parametrize(
    "query",
    [
        {"knd": "user"},
        {"verdict": "bad"},
        {"outcome": "good"},
        {"status": 3},
        {"kind": ["a"] * 2 + [3]},
        {"kind": ",".join(map(str, range(51)))},
        {"kind": "x" * 300},
        {"q": "x" * 257},
        {"q": 3},
        {"since": "yesterday"},
        {"since": "2026-01-01T00:00:00"},
        {"until": datetime(2026, 1, 1)},
        {"until": 5},
        *({"limit": limit} for limit in (0, -1, 501, "x", "", 1.5, True, [], "9" * 5000)),
        *(
            {"cursor": cursor}
            for cursor in ("", "x", "é", 3, "W10=", "WzEsMl0=", "W3RydWUsImEiXQ==", "bnVsbA==", "A" * 2000)
        ),
        {"cursor": base64.urlsafe_b64encode(b"[" * 700).decode()},
        {"cursor": base64.urlsafe_b64encode(b"\xff\xfe").decode()},
        # Each of these is an error of SQLite or PostgreSQL when it gets there.
        {"cursor": base64.urlsafe_b64encode(b'[99999999999999999999, "a"]').decode()},
        {"cursor": base64.urlsafe_b64encode(b'[5, "\\ud800"]').decode()},
        {"cursor": base64.urlsafe_b64encode(b'[5, "\\u0000"]').decode()},
        {"kind": "a\0"},
        {"q": "\0"},
        {"q": "\ud800"},
    ],
)
def test_what_is_no_filter_is_refused_and_named(query: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        JobFilter.parse(query)
    assert refused.value.members["errors"][0]["loc"] == ["query", next(iter(query))]


def test_pages_meet_without_gap_or_repetition_while_jobs_arrive() -> None:
    jobs = [submission(f"job-{number:02}", "SUCCEEDED", began=100 - number // 3) for number in range(20)]
    wanted = [row.id for row in rows(*jobs)]
    seen, cursor = [], None
    while True:
        taken, cursor = select(rows(*jobs), JobFilter.parse({"limit": 3, "cursor": cursor}))
        seen += [row.id for row in taken]
        if cursor is None:
            break
        jobs.append(submission(f"new-{len(jobs)}", "RUNNING", began=1))
    assert seen == wanted


def test_the_last_page_has_no_cursor_and_an_empty_list_neither() -> None:
    assert select(rows(), JobFilter.parse({"limit": 4}))[1] is None
    assert select(rows(), JobFilter.parse({"limit": 3}))[1] is not None
    assert select([], JobFilter.parse({})) == ([], None)


@pytest.mark.parametrize("id", ["x" * 5_000, "日本" * 300, 'quo"te\\', "a b", "", "\u00e9"])
def test_a_cursor_stays_short_whatever_the_id(id: str) -> None:
    jobs = [submission(id or "unnamed-0", "RUNNING", began=5), submission("b", "RUNNING", began=9)]
    _, cursor = select(rows(*jobs), JobFilter.parse({"limit": 1}))
    assert cursor is not None
    assert len(cursor) < 512
    assert [row.id for row in select(rows(*jobs), JobFilter.parse({"cursor": cursor}))[0]] == ["b"]


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_no_cursor_breaks_anything(cursor: str) -> None:
    try:
        JobFilter.parse({"cursor": cursor})
    except InvalidInput as error:
        json.dumps(error.members)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), max_size=30), st.integers(1, 7))
def test_any_list_is_paged_whole(given_jobs: list[tuple[int, int]], limit: int) -> None:
    jobs = [
        submission(f"j{number}", "RUNNING", started_at=NOW - timedelta(seconds=at))
        for number, (at, _) in enumerate(given_jobs)
    ]
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(len(jobs) + 1):
        taken, cursor = select(judge(snapshot(*jobs), NOW), JobFilter.parse({"limit": limit, "cursor": cursor}))
        seen += [row.id for row in taken]
        if cursor is None:
            break
    assert sorted(seen) == sorted(job.id for job in jobs)
    assert cursor is None

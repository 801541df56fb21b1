"""What a running cluster answers: every time in the one form, and how jobs ended as fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.cluster import Cluster

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")
LIKE_A_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.{0,30}")


def texts(answer: Any) -> Iterator[str]:
    if isinstance(answer, dict):
        for value in answer.values():
            yield from texts(value)
    elif isinstance(answer, list):
        for value in answer:
            yield from texts(value)
    elif isinstance(answer, str):
        yield answer


@pytest.mark.parametrize(
    "path",
    [
        "/alerts", "/alerts/history", "/cluster/actors", "/cluster/leftovers", "/cluster/nodes", "/cluster/resources",
        "/jobs", "/jobs/current", "/jobs/findings", "/jobs/hierarchy", "/jobs/lifecycle", "/jobs/summary",
        "/organism/status", "/ray/status", "/report",
    ],
)  # fmt: skip
def test_every_time_has_one_form(cluster: Cluster, path: str) -> None:
    answer = cluster.get(path, **({"format": "json"} if path == "/report" else {}))
    times = [text for text in texts(answer) if LIKE_A_TIME.fullmatch(text)]
    assert [text for text in times if not TIME.fullmatch(text)] == []
    # Each of them says when it was seen.
    assert times


def test_how_jobs_ended_are_fields(cluster: Cluster) -> None:
    rows = cluster.get("/jobs", kind="coa-initialization")["items"]
    assert {(row["outcome"], row["error_type"], row["exit_code"]) for row in rows} == {("succeeded", None, 0)}
    whole = cluster.get(f"/jobs/{rows[0]['id']}")
    assert (whole["error_type"], whole["exit_code"]) == (None, 0)
    assert float(whole["metadata"]["seedcore.limit_s"]) == 120
    times = [text for text in texts(whole) if LIKE_A_TIME.fullmatch(text)]
    assert [text for text in times if not TIME.fullmatch(text)] == []

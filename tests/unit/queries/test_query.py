"""A query that comes through a handle is read by the model that the route declares."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from serve_app.alerts.query import HistoryQuery
from serve_app.errors import InvalidInput
from serve_app.jobs.queries import ActorsQuery, HierarchyQuery, JobsQuery
from serve_app.queries.paging import DEFAULT_LIMIT
from serve_app.queries.query import read_query

LOST_PLUS = ", since a + in an address means a space; or be in UTC, with Z."
NOT_IN_UTC = "in UTC it is not between the years 1 and 9999"


def test_what_was_asked() -> None:
    assert read_query(ActorsQuery, {"state": "DEAD"}) == ActorsQuery(state="DEAD", limit=DEFAULT_LIMIT)
    plain = {"rule": "stuck-job", "since": "2026-01-01T00:00:00+02:00", "limit": 5}
    asked = read_query(HistoryQuery, plain)
    assert asked.model_dump(mode="json", exclude_none=True) == plain
    assert asked.for_store() == {
        "rule": "stuck-job",
        "since": "2026-01-01T00:00:00+02:00",
        "before": None,
        "limit": 5,
    }


@pytest.mark.parametrize(
    "since",
    [
        "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000+00:00", "2026-01-31 12:00:00Z", "2026-01-31t12:00:00z",
        "20260131T120000Z", "2026-01-31T14:00+02:00", "20260131T140000.0+0200",
    ],
)  # fmt: skip
def test_times_that_mean_the_same(since: str) -> None:
    asked = read_query(HistoryQuery, {"since": since})
    assert asked.since == datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "since",
    [
        "2026",
        "1.7e9",
        "1E9",
        "1700000000",
        "-1",
        "+1.5",
        "0x7",
        "1_700_000_000",
        "20260131",
        "Infinity",
        "",
        "T",
        1.7e9,
        5,
    ],
)
def test_a_number_is_no_time(since: Any) -> None:
    with pytest.raises(InvalidInput, match="since: Input should be an RFC 3339 time, as 2026-01-31T12:00:00Z"):
        read_query(HistoryQuery, {"since": since})


@pytest.mark.parametrize(
    "since", ["2026-01-31", "2026-01-31T12:00:00", "20260131T120000", "2026-13-01T00:00:00Z", "2026-x"]
)
def test_a_time_without_its_offset_and_one_that_is_none_are_refused(since: str) -> None:
    with pytest.raises(InvalidInput, match=r"^since: Input should"):
        read_query(HistoryQuery, {"since": since})


@pytest.mark.parametrize(
    ("since", "detail"),
    [
        ("2026-01-31T12:00:00", "should have its offset at the end, or Z for UTC, as 2026-01-31T12:00:00Z."),
        ("2026-01-31", "should have its offset at the end, or Z for UTC, as 2026-01-31T12:00:00Z."),
        ("2026-01-31 12:00", "should have its offset at the end, or Z for UTC, as 2026-01-31T12:00:00Z."),
        ("2026-13-01T00:00:00Z", "should be an RFC 3339 time, as 2026-01-31T12:00:00Z."),
        # As `since=…+05:30` arrives.
        ("2026-01-31T12:00:00 05:30", f"should end in %2B05:30{LOST_PLUS}"),
        ("2026-01-31T12:00:00.5 0530", f"should end in %2B0530{LOST_PLUS}"),
        ("20260131T120000 0530", f"should end in %2B0530{LOST_PLUS}"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_time_is_a_sentence(since: str, detail: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_query(JobsQuery, {"since": since})
    assert refused.value.detail == f"since: Input {detail}"


@pytest.mark.parametrize(("model", "name"), [(HistoryQuery, "since"), (JobsQuery, "since"), (JobsQuery, "until")])
def test_a_time_that_utc_has_not_is_refused_and_the_first_and_last_that_it_has_are_not(model: Any, name: str) -> None:
    for time in ("0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "00010101T045959+0500"):
        with pytest.raises(InvalidInput) as refused:
            read_query(model, {name: time})
        assert refused.value.detail == f"{name}: Input should be another time: {NOT_IN_UTC}."
    for time in ("0001-01-01T05:00:00+05:00", "0001-01-01T00:00:00Z", "9999-12-31T18:59:59-05:00"):
        assert getattr(read_query(model, {name: time}), name) == datetime.fromisoformat(time)


@pytest.mark.parametrize(
    ("model", "query", "detail"),
    [
        (HierarchyQuery, {"format": "svg"}, "format must be one of 'json', 'text' or 'mermaid'."),
        (ActorsQuery, {"limit": 0}, "limit: Input should be greater than or equal to 1."),
        (ActorsQuery, {"name": "x"}, "name: Extra inputs are not permitted."),
        (HistoryQuery, {"state": "pending"}, "state must be one of 'firing' or 'resolved'."),
        (HistoryQuery, {"since": "2026"}, "since: Input should be an RFC 3339 time, as 2026-01-31T12:00:00Z."),
    ],
)
def test_what_means_nothing_is_refused_by_its_name(model: Any, query: dict[str, Any], detail: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_query(model, query)
    (name,) = query
    assert (refused.value.detail, refused.value.members["errors"][0]["loc"]) == (detail, ["query", name])

"""A query that comes through a handle is read by the model that the route declares."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.alerts.query import HistoryQuery
from serve_app.errors import InvalidInput
from serve_app.jobs.queries import ActorsQuery, HierarchyQuery
from serve_app.queries.paging import DEFAULT_LIMIT
from serve_app.queries.query import read_query


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

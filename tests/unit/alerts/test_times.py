"""Times of alerts: shown to the millisecond, kept and compared to the last digit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from serve_app.alerts.models import Alert, view_of
from serve_app.alerts.query import HistoryQuery, past_page
from tests.unit.alerts.parts import NOON, alert

FIRED = [NOON + timedelta(microseconds=each) for each in (1_900, 1_200, 1_100)]
ALERTS = [alert(subject=str(number), pending_since=NOON, firing_since=at) for number, at in enumerate(FIRED)]


def asked(**query: Any) -> HistoryQuery:
    return HistoryQuery.model_validate(query)


def test_what_the_store_gets_is_what_there_was() -> None:
    for each in ALERTS:
        assert Alert.from_json(each.to_json()) == each
        # A store of before has no facts of subjects.
        old = {name: value for name, value in each.to_json().items() if name not in ("subject_type", "subject_id")}
        assert Alert.from_json(old) == each


def test_what_is_shown_has_the_one_form_whatever_was_kept() -> None:
    row = replace(ALERTS[0], state="resolved", resolved_at=NOON + timedelta(hours=1)).to_json()
    assert row["firing_since"] == "2026-01-01T12:00:00.001900+00:00"
    shown = view_of(row)
    assert [shown[name] for name in ("pending_since", "firing_since", "resolved_at")] == [
        "2026-01-01T12:00:00.000+00:00",
        "2026-01-01T12:00:00.001+00:00",
        "2026-01-01T13:00:00.000+00:00",
    ]


def test_pages_go_on_within_a_millisecond() -> None:
    rows = [each.to_json() for each in ALERTS]
    page, cursor = past_page(rows, asked(limit=1))
    assert page == rows[:1]
    before = asked(limit=1, cursor=cursor).for_store()["before"]
    assert before == ["2026-01-01T12:00:00.001900+00:00", ALERTS[0].id]

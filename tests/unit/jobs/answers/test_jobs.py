"""A page of jobs, and what is answered while the history is not being written."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from serve_app.jobs.answers.jobs import JobAnswers
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.models import JobRow, Unknown
from serve_app.jobs.reading.poll import Seen
from tests.unit.jobs.judging.test_judge import NOW, snapshot, submission

NOTHING: dict[str, Any] = {"counts": [], "durations": [], "causes": []}


class Archive:
    """A store that answers, and knows nothing of the last minutes."""

    async def count_ended(
        self, since: datetime, now: datetime, rows: list[JobRow], *, counts_only: bool = False, code_of: Any = None
    ) -> tuple[dict[str, Any], list[str]]:
        return NOTHING, []

    async def list_page(self, *_: Any) -> tuple[list[dict[str, Any]], None, list[str]]:
        rows = [{"session": "", "id": "j", "code": None}, {"session": "", "id": "x", "code": "kept"}]
        return rows, None, []


def answers(failure: str | None, given_up: int = 0, **sections: Any) -> JobAnswers:
    seen = replace(snapshot(submission("bad", "FAILED"), submission("good", "SUCCEEDED")), **sections)
    rows = judge(seen, NOW)

    async def get() -> Seen:
        return Seen(seen, rows, {row.key: row for row in rows}, [], True)

    watch = SimpleNamespace(
        get=get,
        history_failure=failure,
        jobs_given_up=given_up,
        unwritten={},
        find_findings=lambda seen: [],
        list_unknown_rules=lambda seen, found: ["stuck-job", "missing-job"],
    )
    here = SimpleNamespace(list_exception_frames=dict)
    causes = SimpleNamespace(find_code={"/j": "app.import-error"}.get)
    return JobAnswers(watch, Archive(), None, here, frozenset(), causes, None)  # type: ignore[arg-type]


async def test_a_row_has_the_code_of_its_diagnosis() -> None:
    page = await answers(None).list_jobs({})
    assert [each["code"] for each in page["items"]] == ["app.import-error", "kept"]


@pytest.mark.parametrize(
    ("failure", "ended", "degraded"),
    [
        (None, {"ended": 0, "failed": 0, "of_all": 0}, []),
        (
            "The disk is full.",
            {"ended": 2, "failed": 1, "of_all": 2},
            ["history is not being written: The disk is full."],
        ),
    ],
)
async def test_failures_count_also_while_the_store_takes_nothing(
    failure: str | None, ended: dict[str, int], degraded: list[str]
) -> None:
    told = await answers(failure).answer_alert_inputs()
    assert (told["windows"], told["degraded"]) == ({"5m": ended, "1h": ended}, degraded)
    figures = await answers(failure).answer_figures({"window": "5m"})
    assert (figures["jobs"]["failed"], figures["degraded"]) == (ended["failed"], degraded)


async def test_alerts_learn_what_is_not_known() -> None:
    told = await answers("The disk is full.", jobs=Unknown("down")).answer_alert_inputs()
    assert (told["windows"], told["unknown_findings"]) == ({}, ["stuck-job", "missing-job"])


async def test_jobs_that_were_given_up_are_told() -> None:
    found = await answers("The disk is full.", 7).answer_figures({"window": "5m"})
    assert found["degraded"] == [
        "history is not being written: The disk is full.",
        "history: 7 jobs wait for it no longer, too many did.",
    ]

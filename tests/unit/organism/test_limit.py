"""How long an initialization may take, from the configuration to the verdict on its job."""

from __future__ import annotations

import pytest
from annotated_types import Le

from serve_app.jobs.judging.expectations import LIMIT_KEY, LONGEST_INITIALIZATION_S
from serve_app.jobs.judging.judge import judge
from serve_app.organism.settings import ManagerConfig
from serve_app.organism.submission import build_payload
from tests.unit.jobs.judging.test_judge import NOW, snapshot, submission


@pytest.mark.parametrize(
    ("timeout_s", "began", "rule"),
    [
        (ManagerConfig().initialization_timeout_s, 110, "running"),
        (ManagerConfig().initialization_timeout_s, 121, "initialization-late"),
        (900.5, 899, "running"),
        (3_600, 3_599, "running"),
        (5, 6, "initialization-late"),
    ],
)
def test_an_initialization_within_its_time_is_not_late(timeout_s: float, began: float, rule: str) -> None:
    payload = build_payload("coa-1", application="a", generation="g", force=False, limit_s=timeout_s, runtime_env={})
    job = submission("coa-1", "RUNNING", began=began, metadata=payload["metadata"])
    (row,) = judge(snapshot(job), NOW)
    assert (row.kind, row.rule) == ("coa-initialization", rule)


def test_what_is_believed_is_what_can_be_configured() -> None:
    bounds = ManagerConfig.model_fields["initialization_timeout_s"].metadata
    assert [each.le for each in bounds if isinstance(each, Le)] == [LONGEST_INITIALIZATION_S]


def test_the_api_takes_the_limit_from_nobody() -> None:
    from serve_app.jobs.actions.rules import SETTABLE

    assert LIMIT_KEY not in SETTABLE

"""A page of jobs, and what is answered while the history is not being written."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from serve_app.errors import Unavailable
from serve_app.jobs.answers.deployments import DeploymentTroubles
from serve_app.jobs.answers.jobs import JobAnswers
from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.judging.expectations import BUILT_IN
from serve_app.jobs.judging.findings import Unfound
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.models import JobRow, Known, Unknown, Verdict
from serve_app.jobs.reading.poll import Seen
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.judging.test_judge import NOW, actor, snapshot, submission

NOTHING: dict[str, Any] = {"counts": [], "durations": [], "causes": []}
NO_TROUBLES = DeploymentTroubles(None, "seedcore", lambda: 0.0)


class Archive:
    """A store that answers, and knows nothing of the last minutes."""

    async def count_ended(
        self, since: datetime, now: datetime, rows: list[JobRow], *, counts_only: bool = False, code_of: Any = None
    ) -> tuple[dict[str, Any], list[str]]:
        return NOTHING, []

    async def list_page(self, *_: Any) -> tuple[list[dict[str, Any]], None, list[str]]:
        rows = [{"session": "", "id": "j", "code": None}, {"session": "", "id": "x", "code": "kept"}]
        return rows, None, []


def answers(
    failure: str | None, given_up: int = 0, troubles: DeploymentTroubles = NO_TROUBLES, **sections: Any
) -> JobAnswers:
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
        find_unknown=lambda seen, found: Unfound(["missing-job"], {"stuck-job": ["job a"]}),
    )
    here = SimpleNamespace(list_exception_frames=dict)
    causes = SimpleNamespace(find_code={"/j": "app.import-error"}.get)
    return JobAnswers(watch, Archive(), None, here, frozenset(), causes, None, troubles)  # type: ignore[arg-type]


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
    assert (told["windows"], told["unknown_findings"]) == ({}, ["missing-job"])
    assert told["unknown_subjects"] == {"stuck-job": ["job a"]}


class Refusals:
    """The store's account of what was refused; ``failure`` is raised."""

    failure: Unavailable | None = None

    async def refused_settings(self, application: str) -> Any:
        if self.failure is not None:
            raise self.failure
        mistake = {"key": "user_config.period_s", "got": "'x'", "expected": "a valid number"}
        return [{"deployment": "Alerts", "mistakes": [mistake], "in_force": "The defaults.", "since": None}]


async def test_what_deployments_refused_is_a_finding_and_alerts_learn_of_it() -> None:
    source = Refusals()
    made = answers(None, troubles=DeploymentTroubles(source, "seedcore", lambda: 0.0))
    for told in ((await made.answer_findings())["items"], (await made.answer_alert_inputs())["findings"]):
        assert [(each["rule"], each["subject_type"], each["subject_id"]) for each in told] == [
            ("refused-setting", "deployment", "Alerts")
        ]
    source.failure = Unavailable("Store has no running replica.")
    made = answers(None, troubles=DeploymentTroubles(source, "seedcore", lambda: 0.0))
    assert (await made.answer_findings())["degraded"] == ["refused settings: Store has no running replica."]
    assert (await made.answer_alert_inputs())["unknown_findings"] == ["missing-job", "refused-setting"]


async def test_jobs_that_were_given_up_are_told() -> None:
    found = await answers("The disk is full.", 7).answer_figures({"window": "5m"})
    assert found["degraded"] == [
        "history is not being written: The disk is full.",
        "history: 7 jobs wait for it no longer, too many did.",
    ]


async def test_the_detail_tells_what_lists_tell_and_nothing_of_the_environment() -> None:
    secret = "canary-0123456789"
    job = submission("a", "SUCCEEDED", job_id="02000000", secret_values=(secret,))
    runs = (DriverRun("02000000", "a", "python [redacted]", is_dead=True),)
    actors = (replace(actor("02000000"), name=secret),)
    seen = replace(snapshot(job, actors=actors), drivers=Known({"a": runs}))
    (row,) = judge(seen, NOW)
    doubted = replace(
        row, outcome=JobOutcome.CONTRADICTED, verdict=Verdict.WARN, rule="contradicted-tasks", code="app.x"
    )

    async def find(wanted: str) -> Any:
        return Seen(seen, [row], {row.key: row}, [], True), row

    async def restore(row: JobRow) -> JobRow:
        return doubted

    async def list_transitions(key: str) -> Any:
        return [], []

    async def describe(row: JobRow, job_ids: list[str]) -> Any:
        item = {"name": f"load {secret}", "id": secret}
        return {"holds": None, "holds_reason": None, "unfinished": {"items": [item]}, "unfinished_reason": None}

    async def summarize_tasks(job_id: str) -> Any:
        by_name = {"f": {"func_or_class_name": f"load {secret}", "type": "NORMAL_TASK", "state_counts": {"FAILED": 1}}}
        return {"result": {"node_id_to_summary": {"cluster": {"summary": by_name}}}}

    async def find_known(row: JobRow) -> Any:
        return {"code": f"of {row.outcome.value}"}

    watch = SimpleNamespace(find=find, history_failure=None, source_timeout_s=5.0, expect=BUILT_IN.get_expectation)
    archive = SimpleNamespace(restore_judgement=restore, list_transitions=list_transitions)
    made = JobAnswers(
        watch, archive, SimpleNamespace(summarize_tasks=summarize_tasks),  # type: ignore[arg-type]
        SimpleNamespace(list_exception_frames=dict), frozenset(), SimpleNamespace(find_known=find_known),  # type: ignore[arg-type]
        SimpleNamespace(describe=describe), NO_TROUBLES,  # type: ignore[arg-type]
    )  # fmt: skip
    told: Any = await made.get_job("a")
    assert (told["outcome"], told["verdict"], told["rule"], told["code"]) == (
        "contradicted", "WARN", "contradicted-tasks", "app.x",
    )  # fmt: skip
    assert told["diagnosis"] == {"code": "of contradicted"}
    assert told["actors"]["items"][0]["name"] == "[redacted]"
    assert told["tasks"]["by_name"][0]["name"] == "load [redacted]"
    assert told["unfinished"] == {"items": [{"name": "load [redacted]", "id": secret}]}
    # A history that does not answer is not asked.
    watch.history_failure = "down"
    assert (await made.get_job("a"))["outcome"] == "succeeded"

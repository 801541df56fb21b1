"""What is wrong beyond the verdict on one job."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from serve_app.jobs.declared import KindSpec
from serve_app.jobs.expectations import Contracts, contracts_with
from serve_app.jobs.findings import MAX_FINDINGS, findings_of
from serve_app.jobs.judge import judge
from serve_app.jobs.models import ActorFacts, Finding, JobFacts, Known, PastRuns, Snapshot, Unknown, Verdict
from tests.unit.jobs.test_judge import NOW, actor, ago, controller, driver, snapshot, submission

HOUR = 3_600.0
REPORT = {"seedcore.kind": "report"}


def declared(**changes: Any) -> Contracts:
    kind: dict[str, Any] = {"name": "report", "match": {"entrypoint": "report"}, "every_h": 2, **changes}
    return contracts_with([KindSpec.model_validate(kind)])


def found(
    seen: Snapshot, contracts: Contracts | None = None, past: dict[str, PastRuns] | None = None, now: datetime = NOW
) -> list[Finding]:
    contracts, past = contracts or contracts_with([]), past or {}
    return findings_of(seen, judge(seen, now, contracts, past), contracts, past, now)


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (submission("a", "RUNNING"), None),
        (submission("a", "FAILED"), None),
        (
            submission("a", "RUNNING", began=90, metadata={"seedcore.expected_duration_s": "60"}),
            Finding(
                "stuck-job",
                "job a",
                Verdict.WARN,
                "It has been running for 90 s; expected are 60 s.",
                "See GET /jobs/a; stop it, or declare more time.",
            ),
        ),
        (
            submission("a", "RUNNING", began=90, entrypoint="often"),
            Finding(
                "stuck-job",
                "job a",
                Verdict.WARN,
                "It has run for 90 s; of 20 earlier runs like it, 99 in 100 took at most 60 s.",
                "See GET /jobs/a; stop it, or declare more time.",
            ),
        ),
        (
            submission("a", "RUNNING", began=90, metadata={"seedcore.deadline_s": "60", "seedcore.owner": "ann"}),
            Finding(
                "past-deadline",
                "job a",
                Verdict.BAD,
                "It has been running for 90 s; its deadline is 60 s.",
                "See GET /jobs/a; stop it, or declare more time. Tell ann.",
            ),
        ),
        (
            submission("a", "PENDING", began=90, metadata={"seedcore.kind": "coa-initialization"}),
            Finding(
                "past-deadline",
                "job a",
                Verdict.BAD,
                "It has been pending for 90 s; expected are 60 s.",
                "See GET /jobs/a; stop it, or declare more time.",
            ),
        ),
        (submission("a", "SUCCEEDED", began=90, took=80, metadata={"seedcore.deadline_s": "60"}), None),
    ],
)
def test_jobs_that_are_stuck_or_overdue(facts: JobFacts, wanted: Finding | None) -> None:
    past = {"user:often": PastRuns(count=20, p99_s=60.0)}
    assert found(snapshot(facts), past=past) == ([] if wanted is None else [wanted])


def report(status: str, hours_ago: float) -> JobFacts:
    return submission("a", status, began=hours_ago * HOUR + 5, took=5, metadata=REPORT)


SINCE_SUCCESS = "No job of this kind has succeeded for 3.0 h; one is expected every 2 h."
SINCE_SEEN = "No job of this kind has succeeded since the first was seen 3.0 h ago; one is expected every 2 h."


@pytest.mark.parametrize(
    ("jobs", "past", "wanted"),
    [
        # A kind of which nothing is known has not begun.
        ([], PastRuns(), None),
        ([report("SUCCEEDED", 1.9)], PastRuns(), None),
        ([report("SUCCEEDED", 2)], PastRuns(), None),
        ([report("SUCCEEDED", 3)], PastRuns(), SINCE_SUCCESS),
        ([report("FAILED", 3)], PastRuns(), SINCE_SEEN),
        ([report("FAILED", 1)], PastRuns(), None),
        ([report("RUNNING", 3)], PastRuns(), SINCE_SEEN),
        # The history knows of earlier ones, also when Ray has forgotten them.
        ([], PastRuns(last_succeeded_at=ago(3 * HOUR)), SINCE_SUCCESS),
        ([], PastRuns(last_succeeded_at=ago(HOUR)), None),
        ([], PastRuns(last_started_at=ago(3 * HOUR)), SINCE_SEEN),
        ([report("FAILED", 1)], PastRuns(last_succeeded_at=ago(3 * HOUR)), SINCE_SUCCESS),
        ([report("SUCCEEDED", 1)], PastRuns(last_succeeded_at=ago(3 * HOUR)), None),
        # Others of its kind do not count for it.
        ([report("SUCCEEDED", 3), submission("b", "SUCCEEDED", began=60)], PastRuns(), SINCE_SUCCESS),
    ],
)
def test_a_success_is_due_every_so_often(jobs: list[JobFacts], past: PastRuns, wanted: str | None) -> None:
    findings = found(snapshot(*jobs), declared(), {"report": past})
    action = "See why its scheduler (whoever started it) does not start it, or why it fails."
    expected = Finding("missing-job", "kind report", Verdict.BAD, wanted or "", action)
    assert findings == ([expected] if wanted else [])


def test_who_is_told_of_a_missing_job() -> None:
    findings = found(snapshot(report("SUCCEEDED", 3)), declared(owner="ann", scheduled_by="cron"))
    wanted = "See why its scheduler (cron) does not start it, or why it fails. Tell ann."
    assert [each.action for each in findings] == [wanted]


def test_without_a_list_of_jobs_none_is_missing() -> None:
    seen = replace(snapshot(), jobs=Unknown("down"))
    assert found(seen, declared(), {"report": PastRuns(last_succeeded_at=ago(3 * HOUR))}) == []


def left(*actors: ActorFacts, began: float = 100, **changes: Any) -> Snapshot:
    """A driver that ended 5 s after it began, and actors."""
    return snapshot(driver("a", "SUCCEEDED", began=began, **changes), actors=actors)


ACTION = "If nobody needs them: ray.kill(ray.get_actor(name, namespace)); they hold what they were given."


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (left(actor("a")), "It is over, and 1 of its actors live on: Worker."),
        (left(actor("a"), began=65), None),
        (left(actor("a"), began=66), "It is over, and 1 of its actors live on: Worker."),
        (left(actor("a"), ended_at=None), None),
        (left(actor("a", state="DEAD")), None),
        (left(actor("b")), None),
        (snapshot(driver("a", "RUNNING", began=100), actors=[actor("a")]), None),
        # Serve's actors are meant to outlive their driver.
        (left(actor("a", "ServeReplica", "serve")), None),
        (
            left(*(replace(actor("a"), actor_id=str(each), name=f"w{each}") for each in range(7))),
            "It is over, and 7 of its actors live on: w0, w1, w2, w3, w4 and 2 more.",
        ),
        (replace(left(), actors=Unknown("down")), None),
    ],
)
def test_actors_that_were_left(seen: Snapshot, sentence: str | None) -> None:
    wanted = [Finding("leftover-actors", "job a", Verdict.WARN, sentence, ACTION)] if sentence else []
    assert [each for each in found(seen) if each.subject == "job a"] == wanted


def test_a_supervisor_that_outlived_its_submission_is_left_over() -> None:
    supervisor = replace(
        actor("s", "JobSupervisor", "SUPERVISOR_ACTOR_RAY_NAMESPACE"), name="_ray_internal_job_actor_a"
    )
    findings = found(snapshot(submission("a", "FAILED", began=100), actors=[supervisor, controller("h")]))
    assert [(each.subject, each.rule) for each in findings] == [("job a", "leftover-actors")]


def test_the_worst_come_first_and_there_is_an_end() -> None:
    late = {"seedcore.expected_duration_s": "1"}
    over = {"seedcore.deadline_s": "1"}
    few = [submission("b", "RUNNING", metadata=late), submission("c", "RUNNING", metadata=over)]
    seen = snapshot(*few, submission("a", "RUNNING", metadata=late), submission("d", "RUNNING", metadata=over))
    assert [each.subject for each in found(seen)] == ["job c", "job d", "job a", "job b"]
    many = snapshot(*(submission(f"j{each}", "RUNNING", metadata=late) for each in range(MAX_FINDINGS + 1)))
    assert len(found(many)) == MAX_FINDINGS


def test_findings_need_no_section_to_be_there() -> None:
    nothing = Unknown("down")
    seen = replace(snapshot(), jobs=nothing, actors=nothing, nodes=nothing, serve=nothing, driver_exits=nothing)
    assert found(replace(seen, waiting=Known(()))) == []

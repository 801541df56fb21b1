"""What is wrong beyond single verdicts, and the figures of a window."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from serve_app.errors import InvalidInput
from serve_app.jobs.history import figures
from serve_app.jobs.history.records import cause_of
from serve_app.jobs.judging.expectations import BUILT_IN, Contracts, contracts_with
from serve_app.jobs.judging.findings import MAX_FINDINGS, Finding, findings_of, unknown_rules
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.judging.kind_specs import KindSpec, Match
from serve_app.jobs.models import JobFacts, Known, PastRuns, Snapshot, Unknown, Verdict, WaitingActor
from tests.unit.jobs.judging.test_judge import actor, controller, driver, exit_of, snapshot, submission
from tests.unit.jobs.judging.test_outcome import node

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NIGHTLY = contracts_with(
    [KindSpec(name="nightly", match=Match(entrypoint="*night.py"), every_h=24, owner="ops@example.com")]
)
NIGHT = {"entrypoint": "python night.py"}
DAY_S = 86_400


def found(
    seen: Snapshot, contracts: Contracts = BUILT_IN, past: dict[str, PastRuns] | None = None
) -> list[tuple[str, str, str, str]]:
    rows = judge(seen, NOW, contracts, past)
    each = findings_of(seen, rows, contracts, past or {}, NOW)
    return [(finding.rule, finding.subject, finding.verdict.value, finding.sentence) for finding in each]


@pytest.mark.parametrize(
    ("job", "wanted"),
    [
        (
            submission("a", "RUNNING", began=70, metadata={"seedcore.expected_duration_s": "60"}),
            [("stuck-job", "job a", "WARN", "It has been running for 70 s; expected are 60 s.")],
        ),
        (
            submission("a", "RUNNING", began=70, metadata={"seedcore.deadline_s": "60"}),
            [("past-deadline", "job a", "BAD", "It has been running for 70 s; its deadline is 60 s.")],
        ),
        # What cannot start is stuck too.
        (
            submission("a", "PENDING", began=90),
            [("stuck-job", "job a", "WARN", "It has waited to start for 90 s; usual are 60 s.")],
        ),
        (submission("a", "PENDING", began=30), []),
        (submission("a", "RUNNING", began=DAY_S), []),
        (submission("a", "FAILED"), []),
    ],
)
def test_stuck_and_overdue(job: JobFacts, wanted: list[Any]) -> None:
    assert found(snapshot(job)) == wanted


@pytest.mark.parametrize(
    ("jobs", "past", "sentence"),
    [
        ([submission("a", "SUCCEEDED", began=DAY_S - 1, took=0, **NIGHT)], {}, None),
        (
            [submission("a", "SUCCEEDED", began=DAY_S + 3600, took=0, **NIGHT)],
            {},
            "No job of this kind has succeeded for 25.0 h; one is expected every 24 h.",
        ),
        # One that fails or runs is no success; what the history remembers is.
        (
            [submission("a", "FAILED", began=DAY_S + 3600, **NIGHT)],
            {},
            "No job of this kind has succeeded since the first was seen 25.0 h ago; one is expected every 24 h.",
        ),
        ([submission("a", "FAILED", **NIGHT)], {"last_succeeded_at": NOW - timedelta(hours=23)}, None),
        (
            [submission("a", "RUNNING", **NIGHT)],
            {"last_succeeded_at": NOW - timedelta(hours=30)},
            "No job of this kind has succeeded for 30.0 h; one is expected every 24 h.",
        ),
        (
            [],
            {"last_started_at": NOW - timedelta(hours=30)},
            "No job of this kind has succeeded since the first was seen",
        ),
        # Nothing is known of it: it has not begun.
        ([], {}, None),
    ],
)
def test_missing(jobs: list[JobFacts], past: dict[str, Any], sentence: str | None) -> None:
    told = found(snapshot(*jobs), NIGHTLY, {"nightly": PastRuns(**past)} if past else {})
    assert [(rule, subject, verdict) for rule, subject, verdict, _ in told] == (
        [] if sentence is None else [("missing-job", "kind nightly", "BAD")]
    )
    assert all(each[3].startswith(sentence or "") for each in told)


def test_what_a_finding_is_about_are_facts() -> None:
    contracts = contracts_with([KindSpec(name="nightly", every_h=24)])
    jobs = [
        submission("a", "RUNNING", began=70, metadata={"seedcore.expected_duration_s": "60"}),
        submission("b", "RUNNING", began=70, metadata={"seedcore.deadline_s": "60"}),
        driver("c", "SUCCEEDED", began=100),
        submission("n", "FAILED", began=2 * DAY_S, took=5, metadata={"seedcore.kind": "nightly"}),
    ]
    exits = [exit_of("c", "INTENDED_USER_EXIT")]
    seen = replace(snapshot(*jobs, exits=exits, actors=[actor("c")]), session="session_1")
    told = findings_of(seen, judge(seen, NOW, contracts), contracts, {}, NOW)
    assert [(each.rule, each.subject_type, each.subject_id, each.session, each.subject) for each in told] == [
        ("missing-job", "kind", "nightly", None, "kind nightly"),
        ("past-deadline", "job", "b", "session_1", "job b"),
        ("leftover-actors", "job", "c", "session_1", "job c"),
        ("stuck-job", "job", "a", "session_1", "job a"),
    ]


def ended(**sections: Any) -> Snapshot:
    return snapshot(driver("a", "SUCCEEDED", began=100), exits=[exit_of("a", "INTENDED_USER_EXIT")], **sections)


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (ended(actors=[actor("a"), actor("a", state="DEAD")]), "It is over, and 1 of its actors live on: Worker."),
        (ended(actors=[actor("a", state="DEAD")]), None),
        (ended(actors=[actor("b")]), None),
        # Serve's actors are made to outlive their driver.
        (ended(actors=[controller("a")]), None),
        (replace(ended(), actors=Unknown("down")), None),
        (snapshot(driver("a", "RUNNING", began=100), actors=[actor("a")]), None),
        # Its actors are given a minute to end.
        (
            snapshot(
                driver("a", "SUCCEEDED", began=64), exits=[exit_of("a", "INTENDED_USER_EXIT")], actors=[actor("a")]
            ),
            None,
        ),
        (
            snapshot(
                submission("a", "FAILED", began=100),
                actors=[replace(actor("02000000", "JobSupervisor"), name="_ray_internal_job_actor_a")],
            ),
            "It is over, and 1 of its actors live on: _ray_internal_job_actor_a.",
        ),
    ],
)
def test_leftovers(seen: Snapshot, wanted: str | None) -> None:
    told = [each for each in found(seen) if each[0] == "leftover-actors"]
    assert told == ([] if wanted is None else [("leftover-actors", "job a", "WARN", wanted)])


EVERY = ["stuck-job", "missing-job", "past-deadline", "leftover-actors"]
DOWN = Unknown("no answer")


@pytest.mark.parametrize(
    ("changes", "found", "past_known", "rules"),
    [
        ({}, 0, True, []),
        ({"actors": DOWN}, 0, True, ["leftover-actors"]),
        ({"jobs": DOWN}, 0, True, EVERY),
        # A list that is full says nothing of what has no place in it.
        ({}, MAX_FINDINGS - 1, True, []),
        ({}, MAX_FINDINGS, True, EVERY),
        ({}, 0, False, ["stuck-job", "missing-job"]),
        ({"actors": DOWN}, 0, False, ["stuck-job", "missing-job", "leftover-actors"]),
    ],
)
def test_what_cannot_be_found_is_told(changes: dict[str, Any], found: int, past_known: bool, rules: list[str]) -> None:
    one = Finding("stuck-job", "job", "a", Verdict.WARN, "It hangs.", "Stop it.")
    seen = replace(snapshot(submission("a", "RUNNING", began=5)), **changes)
    assert unknown_rules(seen, [one] * found, past_known=past_known) == rules


NEEDS = WaitingActor("x", "_ray_internal_job_actor_a", "JobSupervisor", "01000000", "PENDING", {"GPU": 2})


@pytest.mark.parametrize(("began", "wanted"), [(70, "BAD"), (50, None)])
def test_what_no_node_can_run_is_stuck_after_a_minute(began: float, wanted: str | None) -> None:
    nodes = Known((node("ALIVE", resources={"CPU": 1}),))
    seen = replace(snapshot(submission("a", "PENDING", began=began)), waiting=Known((NEEDS,)), nodes=nodes)
    told = [each for each in found(seen) if each[1] == "job a"]
    sentence = f"It needs 2 GPU, which no node of this cluster has; so far for {began} s."
    assert told == ([] if wanted is None else [("stuck-job", "job a", wanted, sentence)])


def test_findings_are_bounded_and_the_worst_come_first() -> None:
    late = {"seedcore.expected_duration_s": "1"}
    jobs = [submission(f"j{number:03}", "RUNNING", metadata=late) for number in range(MAX_FINDINGS + 5)]
    told = found(snapshot(*jobs, submission("z", "RUNNING", metadata={"seedcore.deadline_s": "1"})))
    assert (len(told), told[0][0]) == (MAX_FINDINGS, "past-deadline")


def counts(*each: tuple[str, str, str, int]) -> dict[str, Any]:
    return {"counts": [list(one) for one in each], "durations": [["user", 4.0], ["user", 1.0]], "causes": []}


GOOD = ("user", "succeeded", "OK", 1)


@pytest.mark.parametrize(
    ("told", "success_ratio", "error_ratio", "ended"),
    [
        (counts(), None, None, 0),
        (counts(("user", "succeeded", "OK", 3), ("user", "failed", "BAD", 1)), 0.75, 0.25, 4),
        # What ended without proof or on request counts neither way; what was made good is no failure.
        (
            counts(
                ("user", "succeeded", "OK", 1), ("user", "ended_unknown", "UNKNOWN", 5), ("user", "stopped", "OK", 2)
            ),
            1.0,
            0.0,
            8,
        ),
        (counts(("user", "succeeded", "OK", 1), ("user", "failed", "OK", 1)), 1.0, 0.0, 2),
        (counts(("user", "lost", "BAD", 1)), 0.0, 1.0, 1),
        # A server should not end, however well.
        (counts(GOOD, ("application-server", "succeeded", "BAD", 1)), 0.5, 0.5, 2),
        # Nobody's work.
        (
            counts(
                ("observer", "failed", "WARN", 9), ("internal", "lost", "WARN", 9), ("worker-node", "lost", "WARN", 9)
            ),
            None,
            None,
            0,
        ),
    ],
)
def test_rates(told: dict[str, Any], success_ratio: float | None, error_ratio: float | None, ended: int) -> None:
    jobs = figures.figures_of(told)["jobs"]
    assert (jobs["success_ratio"], jobs["error_ratio"], jobs["ended"]) == (success_ratio, error_ratio, ended)


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [([], 0.5, None), ([7], 0.99, 7), ([1, 2, 3, 4], 0.5, 2), ([4, 3, 2, 1], 0.95, 4), (list(range(1, 101)), 0.99, 99)],
)
def test_quantiles(values: list[float], share: float, wanted: float | None) -> None:
    assert figures.quantile(values, share) == wanted


def test_a_window_is_one_of_four() -> None:
    assert [figures.window_of({"window": each}) for each in ("5m", "1h", "24h", "7d")] == ["5m", "1h", "24h", "7d"]
    assert figures.window_of({}) == "1h"
    for wrong in ("1d", "", None, 3600, ["1h"]):
        with pytest.raises(InvalidInput):
            figures.window_of({"window": wrong})


@pytest.mark.parametrize(
    ("job", "cause"),
    [
        (submission("a", "FAILED"), "exit code 1"),
        (
            submission("a", "FAILED", exit_code=None, error_type="RUNTIME_ENV_SETUP_FAILURE"),
            "runtime-env-setup-failure",
        ),
        (submission("a", "SUCCEEDED"), None),
        (submission("a", "STOPPED"), None),
    ],
)
def test_causes_can_be_counted(job: JobFacts, cause: str | None) -> None:
    (row,) = judge(snapshot(job), NOW)
    assert cause_of(row) == cause

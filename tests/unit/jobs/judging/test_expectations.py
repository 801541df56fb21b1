"""The guide's table, word for word: what each kind is for, who runs it, what is normal, and what each outcome means."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.jobs.judging.expectations import (
    BUILT_IN,
    EXPECTATIONS,
    NOTHING,
    Contracts,
    build_contracts,
    find_deadline_s,
    find_limit_s,
    find_manager,
    find_owner,
    find_scheduler,
    get_expectation,
    list_ineffective,
)
from serve_app.jobs.judging.kind_specs import KindSpec, Match
from serve_app.jobs.judging.kinds import KIND_RULES
from serve_app.jobs.models import JobType
from tests.unit.jobs.judging.test_judge import driver, submission

FREE = "look at the cluster's free resources."
AGAIN = "Read its log, mend the cause, run it again."
INITIALIZE = "POST /organism/initialize."
NOTHING_TO_DO = "Nothing to do."
WHO_ENDED = "Deploy again; look for who ended it."
WHO_ENDED_IT = "Start it again; look for who ended it."

# Purpose, who schedules, who manages, whether it must end, how long it usually takes, and after how long it is late.
KINDS: dict[str, tuple[Any, ...]] = {
    "cluster-initialization": (
        "Starts the head of the cluster; no Ray job, made from the node table.",
        "whoever ran `ray start --head`", "Ray head node", True, (5, 30), None,
    ),
    "application-server": (
        "Runs Ray Serve and the applications in it.",
        "serve deploy (REST)", "Ray Serve controller", False, None, None,
    ),
    "coa-initialization": (
        "Reaches and checks every organ and agent.", "OrganismManager", "OrganismManager", True, (10, 60), 60.0,
    ),
    "worker-node": (
        "A worker node of the cluster; no Ray job, made from the node table.",
        "whoever ran `ray start --address`, or the autoscaler", "Ray node (raylet)", False, None, None,
    ),
    "user": ("Someone's own work.", "whoever started it", "its own process", None, None, None),
    "observer": (
        "A short look at the cluster; nothing depends on it.",
        "whoever connected a Ray client", "Ray client server", True, (0, 30.0), 30.0,
    ),
    "internal": (
        "Ray's own, hidden from its job list; it holds the supervisors of submitted jobs.",
        "Ray", "Ray dashboard agent", False, None, None,
    ),
}  # fmt: skip

MEANINGS = {
    "cluster-initialization": {
        "succeeded": ("The head is up.", NOTHING_TO_DO),
        "lost": ("The head node died.", "Start the head again, then deploy."),
    },
    "application-server": {
        "pending": ("It has not started to serve.", "Look at the cluster's free resources."),
        "running": ("It serves, as it should until it is shut down.", NOTHING_TO_DO),
        "succeeded": ("A server should not end.", WHO_ENDED),
        "failed": ("The server failed.", "Read the Serve logs on its node, then deploy again."),
        "stopped": ("It was stopped on request.", "Deploy again if that was not meant."),
        "contradicted": ("The server ended.", WHO_ENDED),
        "ended_unknown": ("The server ended.", WHO_ENDED),
        "lost": ("The server was lost with its node.", "Bring the node back, then deploy again."),
    },
    "coa-initialization": {
        "pending": ("It waits to start.", f"If it is late: {FREE}"),
        "running": ("It checks the organs.", "If it is late: see what /organism/status lacks."),
        "succeeded": ("The organism is initialized.", NOTHING_TO_DO),
        "failed": ("It did not initialize.", f"Read its log; then {INITIALIZE}"),
        "stopped": ("It was stopped before it was done.", INITIALIZE),
        "contradicted": ("Whether it was done is in doubt.", "See /organism/status."),
        "ended_unknown": ("Whether it was done is not known.", "See /organism/status."),
        "lost": ("It was lost with its node.", INITIALIZE),
    },
    "worker-node": {
        "running": ("The node is up.", NOTHING_TO_DO),
        "stopped": ("The node was taken out of the cluster in order.", NOTHING_TO_DO),
        "lost": ("The node died.", "Find out why it died; start it again if it should be there."),
    },
    "user": {
        "pending": ("It waits to start.", f"If it lasts: {FREE}"),
        "running": ("It runs.", NOTHING_TO_DO),
        "succeeded": ("It ended as it should.", NOTHING_TO_DO),
        "failed": ("It failed.", AGAIN),
        "stopped": ("It was stopped on request.", NOTHING_TO_DO),
        "contradicted": ("What is known of its end does not agree.", AGAIN),
        "ended_unknown": (
            "It ended, and Ray cannot tell how well.",
            "Ask whoever started it; submit it as a Ray job (`ray job submit`) to have its exit code kept.",
        ),
        "lost": ("It was lost with its node.", "Run it again once there is a node for it."),
    },
    "observer": {
        "running": ("Someone is looking.", NOTHING_TO_DO),
        "failed": ("Someone's look was cut off.", NOTHING_TO_DO),
        "ended_unknown": ("Someone has looked. Looking this way makes a job each time.", NOTHING_TO_DO),
        "lost": ("Someone's look ended with the node.", NOTHING_TO_DO),
    },
    "internal": {
        "running": ("It runs while the node does.", NOTHING_TO_DO),
        "failed": ("It died; Ray starts another.", "If jobs fail to start: look at the node."),
        "ended_unknown": ("It ended; Ray starts another when one is needed.", NOTHING_TO_DO),
        "lost": ("It was lost with its node.", NOTHING_TO_DO),
    },
    # A declared service, which is no built-in kind.
    "model": {
        "pending": ("It has not started to serve.", "Look at the cluster's free resources."),
        "running": ("It serves, as it should until it is shut down.", NOTHING_TO_DO),
        "succeeded": ("A service should not end.", WHO_ENDED_IT),
        "failed": ("The service failed.", AGAIN),
        "stopped": ("It was stopped on request.", "Start it again if that was not meant."),
        "contradicted": ("The service ended.", WHO_ENDED_IT),
        "ended_unknown": ("The service ended.", WHO_ENDED_IT),
        "lost": ("The service was lost with its node.", "Start it again once there is a node for it."),
    },
}
SERVICE = KindSpec(name="model", match=Match(submission_id="model-*"), must_end=False)


@pytest.mark.parametrize(("kind", "wanted"), KINDS.items(), ids=list(KINDS))
def test_what_is_expected_of_a_kind(kind: str, wanted: tuple[Any, ...]) -> None:
    each = EXPECTATIONS[kind]
    assert (
        each.kind, each.purpose, each.scheduled_by, each.managed_by, each.must_end, each.usual_duration_s, each.limit_s,
    ) == (kind, *wanted)  # fmt: skip
    # Only a team says these.
    assert (each.deadline_s, each.every_s, each.allowed_failures, each.owner) == (None, None, 0, None)


@pytest.mark.parametrize(("kind", "wanted"), MEANINGS.items(), ids=list(MEANINGS))
def test_what_each_outcome_means(kind: str, wanted: dict[str, tuple[str, str]]) -> None:
    meanings = build_contracts([SERVICE]).get_expectation(kind).meanings
    assert {outcome.value: (each.sentence, each.action) for outcome, each in meanings.items()} == wanted


def test_the_table_is_whole() -> None:
    assert list(EXPECTATIONS) == list(KINDS)
    assert NOTHING == NOTHING_TO_DO
    assert Contracts(KIND_RULES, EXPECTATIONS) == BUILT_IN
    assert [get_expectation(kind) for kind in ("observer", "never-declared")] == [
        EXPECTATIONS["observer"],
        EXPECTATIONS["user"],
    ]


def test_a_declared_kind_is_someones_own_work_or_a_service_and_nothing_else_changes() -> None:
    report = KindSpec(name="report", match=Match(entrypoint="x"))
    made = build_contracts([report, SERVICE])
    assert {kind: made.expectations[kind] for kind in EXPECTATIONS} == EXPECTATIONS
    found = {
        kind: (each.kind, each.purpose, each.must_end, each.scheduled_by)
        for kind, each in made.expectations.items()
        if kind not in EXPECTATIONS
    }
    assert found == {
        "report": ("report", "Declared kind report.", None, "whoever started it"),
        "model": ("model", "Declared kind model.", False, "whoever started it"),
    }


def test_what_a_second_declaration_does_not_say_stays() -> None:
    first: dict[str, Any] = {
        "purpose": "p", "owner": "o", "scheduled_by": "s", "managed_by": "m", "must_end": True,
        "expected_duration_s": 5.0, "deadline_s": 6.0, "every_h": 1.0, "allowed_failures": 2,
    }  # fmt: skip
    match = Match(entrypoint="x")
    once = build_contracts([KindSpec(name="report", match=match, **first)]).get_expectation("report")
    again = build_contracts([KindSpec(name="report", match=match, **first), KindSpec(name="report", match=match)])
    assert again.get_expectation("report") == once
    for name in first:
        both = [KindSpec(name="report", match=match, **{name: first[name]}), KindSpec(name="report", match=match)]
        assert (
            build_contracts(both).get_expectation("report")
            == build_contracts(both[:1]).get_expectation("report")
            != EXPECTATIONS["user"]
        )


TIMES = {"expected_duration_s": 5.0, "deadline_s": 5.0, "every_h": 1.0}
ALL = {**TIMES, "must_end": True, "allowed_failures": 1}
OF_JOBS = ["allowed_failures", "deadline_s", "every_h", "expected_duration_s"]


@pytest.mark.parametrize(
    ("kind", "given", "no_use"),
    [
        ("user", ALL, ["every_h", "must_end"]),
        ("coa-initialization", ALL, ["allowed_failures", "must_end"]),
        ("observer", ALL, ["allowed_failures", "every_h", "must_end"]),
        *(
            (kind, ALL, [*OF_JOBS, "must_end"])
            for kind in ("cluster-initialization", "worker-node", "application-server", "internal")
        ),
        ("report", ALL, []),
        ("report", {**ALL, "must_end": None}, []),
        ("report", {**ALL, "must_end": False}, OF_JOBS),
        ("report", {"must_end": False, "deadline_s": 5.0}, ["deadline_s"]),
        # What is not given, or as good as not given, is nothing to refuse.
        ("internal", {}, []),
        ("internal", {**dict.fromkeys(TIMES), "must_end": None, "allowed_failures": 0}, []),
        *(("internal", {name: value}, [name]) for name, value in ALL.items()),
        ("internal", {"must_end": False}, ["must_end"]),
        ("internal", {"purpose": "x", "owner": "me", "scheduled_by": "me", "managed_by": "me"}, []),
    ],
)
def test_what_is_declared_in_vain(kind: str, given: dict[str, Any], no_use: list[str]) -> None:
    assert list_ineffective(KindSpec(name=kind, **given)) == no_use


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        ("0.5", 0.5), ("60", 60.0), (" 60 ", 60.0), ("31622400", 31_622_400.0),
        *((nonsense, None) for nonsense in ("31622401", "0", "-1", "nan", "inf", "soon", "")),
    ],
)  # fmt: skip
def test_a_job_declares_its_own_times(text: str, declared: float | None) -> None:
    job = submission("a", "RUNNING", metadata={"seedcore.expected_duration_s": text, "seedcore.deadline_s": text})
    kind = build_contracts([KindSpec(name="report", match=Match(entrypoint="x"), expected_duration_s=7, deadline_s=8)])
    assert (
        find_limit_s(job, kind.get_expectation("report")),
        find_deadline_s(job, kind.get_expectation("report")),
    ) == (declared or 7, declared or 8)
    assert (find_limit_s(job, kind.get_expectation("user")), find_deadline_s(job, kind.get_expectation("user"))) == (
        declared,
        declared,
    )


def test_what_a_job_declares_is_no_word_on_the_other_time() -> None:
    expected, late = (
        submission("a", "RUNNING", metadata={f"seedcore.{name}": "9"}) for name in ("expected_duration_s", "deadline_s")
    )
    user = get_expectation("user")
    assert [(find_limit_s(job, user), find_deadline_s(job, user)) for job in (expected, late)] == [
        (9.0, None),
        (None, 9.0),
    ]


SUBMITTED, DRIVEN = submission("a", "RUNNING"), driver("a", "RUNNING")
HIDDEN = driver("a", "RUNNING", hidden=True)
OWN_WORDS = {"seedcore.scheduled_by": "cron", "seedcore.managed_by": "the shop", "seedcore.owner": "ann"}


@pytest.mark.parametrize(
    ("job", "kind", "scheduler", "manager"),
    [
        (SUBMITTED, "user", "Ray Jobs API", "Ray job supervisor"),
        (DRIVEN, "user", "whoever started it", "its own process"),
        (SUBMITTED, "application-server", "Ray Jobs API", "Ray Serve controller"),
        (DRIVEN, "application-server", "a driver script (serve run)", "Ray Serve controller"),
        (HIDDEN, "application-server", "serve deploy (REST)", "Ray Serve controller"),
        (SUBMITTED, "coa-initialization", "OrganismManager", "OrganismManager"),
        (DRIVEN, "observer", "whoever connected a Ray client", "Ray client server"),
        (HIDDEN, "internal", "Ray", "Ray dashboard agent"),
        (SUBMITTED, "report", "cron of ours", "Ray job supervisor"),
        (DRIVEN, "report", "cron of ours", "its own process"),
        (SUBMITTED, "shop", "Ray Jobs API", "our operator"),
    ],
)
def test_who_runs_it(job: Any, kind: str, scheduler: str, manager: str) -> None:
    declared = [
        KindSpec(name="report", match=Match(entrypoint="x"), scheduled_by="cron of ours"),
        KindSpec(name="shop", match=Match(entrypoint="y"), managed_by="our operator"),
    ]
    expected = build_contracts(declared).get_expectation(kind)
    assert (find_scheduler(job, expected), find_manager(job, expected)) == (scheduler, manager)
    says = submission("a", "RUNNING", metadata=OWN_WORDS)
    assert (find_scheduler(says, expected), find_manager(says, expected)) == ("cron", "the shop")
    assert job.type in (JobType.SUBMISSION, JobType.DRIVER)


def test_who_answers_for_it() -> None:
    expected = build_contracts([KindSpec(name="report", match=Match(entrypoint="x"), owner="finance")]).get_expectation(
        "report"
    )
    says = submission("a", "RUNNING", metadata=OWN_WORDS)
    found = [find_owner(job, each) for job in (says, SUBMITTED) for each in (expected, get_expectation("user"))]
    assert found == ["ann", "ann", "finance", None]

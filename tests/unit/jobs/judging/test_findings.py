"""What is wrong beyond single verdicts, and the figures of a window."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from serve_app.errors import InvalidInput
from serve_app.jobs.history import figures
from serve_app.jobs.history.figures import find_cause
from serve_app.jobs.judging.expectations import BUILT_IN, Contracts, build_contracts
from serve_app.jobs.judging.findings import MAX_FINDINGS, Finding, find_all, find_ignored_options, find_unknown
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.judging.kind_specs import KindSpec, Match
from serve_app.jobs.models import (
    ActorFacts,
    JobFacts,
    Known,
    PastRuns,
    Snapshot,
    Unknown,
    Verdict,
    WaitingActor,
)
from serve_app.jobs.reading.serve_rows import parse_serve
from serve_app.jobs.serve_facts import HttpFacts, ServeFacts
from tests.unit.jobs.judging.test_judge import actor, controller, driver, exit_of, snapshot, submission
from tests.unit.jobs.judging.test_outcome import node

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NIGHTLY = build_contracts(
    [KindSpec(name="nightly", match=Match(entrypoint="*night.py"), every_h=24, owner="ops@example.com")]
)
NIGHT = {"entrypoint": "python night.py"}
DAY_S = 86_400


def found(
    seen: Snapshot, contracts: Contracts = BUILT_IN, past: dict[str, PastRuns] | None = None
) -> list[tuple[str, str, str, str]]:
    rows = judge(seen, NOW, contracts, past)
    each = find_all(seen, rows, contracts, past or {}, NOW)
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
        (
            submission("a", "PENDING", began=90, runtime_env_keys=("py_executable",)),
            [
                (
                    "stuck-job",
                    "job a",
                    "WARN",
                    "It has waited to start for 90 s; usual are 60 s. It has not started; Ray does not tell why. Look "
                    "whether it can be started with its py_executable.",
                )
            ],
        ),
        # An environment takes minutes; one that takes more is told of.
        (submission("a", "PENDING", began=300, runtime_env_keys=("pip",)), []),
        (
            submission("a", "PENDING", began=301, runtime_env_keys=("pip",)),
            [("stuck-job", "job a", "WARN", "Its environment is being built (pip); so far for 301 s.")],
        ),
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


@pytest.mark.parametrize(
    ("id", "subject", "place"),
    [
        ("team etl/2026", "job team etl/2026", "GET /jobs/team%20etl%2F2026;"),
        ("x" * 100, f"job {'x' * 40}…~09ecb6eb", f"GET /jobs/{'x' * 100};"),
        ("x" * 240, f"job {'x' * 40}…~718df670", f"GET /jobs/{'x' * 240};"),
        ("/" * 120, f"job {'/' * 40}…~8ed77534", "GET /jobs/~8ed77534"),
    ],
)
def test_where_a_job_with_an_odd_id_is_found(id: str, subject: str, place: str) -> None:
    seen = snapshot(submission(id, "RUNNING", began=70, metadata={"seedcore.expected_duration_s": "60"}))
    (finding,) = find_all(seen, judge(seen, NOW), BUILT_IN, {}, NOW)
    assert (finding.subject, finding.subject_id) == (subject, id)
    assert place in finding.action


def test_what_never_starts_is_told_by_its_row_and_is_no_alarm_for_ever() -> None:
    seen = snapshot(submission("team/etl 2026", "PENDING", began=900, metadata={"seedcore.deadline_s": "60"}))
    (row,) = judge(seen, NOW)
    assert find_all(seen, [row], BUILT_IN, {}, NOW) == []
    assert (row.rule, row.verdict, row.action) == (
        "pending-never-starts",
        Verdict.WARN,
        "Submit it under a short id without slashes.",
    )
    assert row.reason == (
        "Ray refused it after it had noted it (its log file cannot be made: the id has a slash); nobody will ever "
        "start it, and it goes when the head is started anew."
    )


def test_what_a_finding_is_about_are_facts() -> None:
    contracts = build_contracts([KindSpec(name="nightly", every_h=24)])
    jobs = [
        submission("a", "RUNNING", began=70, metadata={"seedcore.expected_duration_s": "60"}),
        submission("b", "RUNNING", began=70, metadata={"seedcore.deadline_s": "60"}),
        driver("c", "SUCCEEDED", began=100),
        submission("n", "FAILED", began=2 * DAY_S, took=5, metadata={"seedcore.kind": "nightly"}),
    ]
    exits = [exit_of("c", "INTENDED_USER_EXIT")]
    seen = replace(snapshot(*jobs, exits=exits, actors=[actor("c")]), session="session_1")
    told = find_all(seen, judge(seen, NOW, contracts), contracts, {}, NOW)
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


EVERY = ["circling-job", "stuck-job", "missing-job", "past-deadline", "leftover-actors"]
DOWN = Unknown("no answer")


@pytest.mark.parametrize(
    ("changes", "found", "past_known", "rules"),
    [
        ({}, 0, True, []),
        ({"actors": DOWN}, 0, True, ["leftover-actors"]),
        ({"serve": DOWN}, 0, True, ["ignored-options"]),
        ({"serve": DOWN, "jobs": DOWN}, 0, True, [*EVERY, "ignored-options"]),
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
    told = find_unknown(seen, [], [one] * found, BUILT_IN, NOW, past_known=past_known, motions_asked=True)
    assert (told.rules, told.subjects) == (rules, {})


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
    jobs = figures.compute_figures(told)["jobs"]
    assert (jobs["success_ratio"], jobs["error_ratio"], jobs["ended"]) == (success_ratio, error_ratio, ended)


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [([], 0.5, None), ([7], 0.99, 7), ([1, 2, 3, 4], 0.5, 2), ([4, 3, 2, 1], 0.95, 4), (list(range(1, 101)), 0.99, 99)],
)
def test_quantiles(values: list[float], share: float, wanted: float | None) -> None:
    assert figures.find_quantile(values, share) == wanted


def test_a_window_is_one_of_four() -> None:
    assert [figures.parse_window({"window": each}) for each in ("5m", "1h", "24h", "7d")] == ["5m", "1h", "24h", "7d"]
    assert figures.parse_window({}) == "1h"
    for wrong in ("1d", "", None, 3600, ["1h"]):
        with pytest.raises(InvalidInput):
            figures.parse_window({"window": wrong})


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
    assert find_cause(row) == cause


Told = tuple[str, str, str, str, str]


def tell(seen: Snapshot, contracts: Contracts = BUILT_IN, past: dict[str, PastRuns] | None = None) -> list[Told]:
    rows = judge(seen, NOW, contracts, past)
    each = find_all(seen, rows, contracts, past or {}, NOW)
    return [(one.rule, one.subject, one.verdict.value, one.sentence, one.action) for one in each]


GIVEN_UP = (
    "Until it starts Ray can neither stop nor delete it, and gives it up 15 min after it was submitted (or what "
    "RAY_JOB_START_TIMEOUT_SECONDS on the head says). See GET /jobs/a/diagnosis."
)
ASK_LESS = f"Add a node that has 2 GPU, or submit it anew asking for less. {GIVEN_UP}"
SEE_FREE = f"If it lasts: look at the cluster's free resources. {GIVEN_UP}"
MORE_TIME = "See GET /jobs/a; stop it, or declare more time."
OWNED = {"seedcore.owner": "ann"}
ONE_GPU = Known((node("ALIVE", resources={"GPU": 2}),))
NO_GPU = {"waiting": Known((NEEDS,)), "nodes": Known((node("ALIVE", resources={"CPU": 1}),))}


@pytest.mark.parametrize("owner", [None, "ann"])
@pytest.mark.parametrize(
    ("status", "began", "metadata", "look", "wanted"),
    [
        (
            "PENDING", 70, {}, NO_GPU,
            ("stuck-job", "BAD", "It needs 2 GPU, which no node of this cluster has; so far for 70 s.", ASK_LESS),
        ),
        (
            "PENDING", 70, {}, {},
            ("stuck-job", "WARN", "It has waited to start for 70 s; usual are 60 s.", SEE_FREE),
        ),
        (
            "PENDING", 70, {"seedcore.deadline_s": "60"}, NO_GPU,
            ("past-deadline", "BAD", "It has been pending for 70 s; its deadline is 60 s.", ASK_LESS),
        ),
        (
            "RUNNING", 70, {"seedcore.expected_duration_s": "60"}, {},
            ("stuck-job", "WARN", "It has been running for 70 s; expected are 60 s.", MORE_TIME),
        ),
        (
            "RUNNING", 70, {"seedcore.deadline_s": "60"}, {},
            ("past-deadline", "BAD", "It has been running for 70 s; its deadline is 60 s.", MORE_TIME),
        ),
        (
            "RUNNING", 70, {"seedcore.kind": "coa-initialization"}, {},
            ("past-deadline", "BAD", "It has been running for 70 s; expected are 60 s.", MORE_TIME),
        ),
        # What waits for others, or is being built, has its turn to come.
        ("PENDING", 70, {}, {**NO_GPU, "nodes": ONE_GPU, "free": Known({})}, None),
        ("PENDING", 50, {}, NO_GPU, None),
        ("RUNNING", 70, {}, {}, None),
    ],
)  # fmt: skip
def test_a_job_that_does_not_come_to_its_end(
    status: str, began: float, metadata: dict[str, str], look: dict[str, Any], wanted: Any, owner: str | None
) -> None:
    said = {**metadata, **({"seedcore.owner": owner} if owner else {})}
    job = submission("a", status, began=began, metadata=said)
    told = tell(replace(snapshot(job), **look))
    if wanted is None:
        assert told == []
        return
    rule, verdict, sentence, action = wanted
    assert told == [(rule, "job a", verdict, sentence, f"{action} Tell ann." if owner else action)]


def test_what_runs_unusually_long_is_stuck() -> None:
    job = submission("a", "RUNNING", began=70, metadata={"job_name": "train"})
    sentence = "It has run for 70 s; of 20 earlier runs like it, 99 in 100 took at most 60 s."
    told = tell(snapshot(job), past={"user:train": PastRuns(20, p99_s=60)})
    assert told == [("stuck-job", "job a", "WARN", sentence, MORE_TIME)]


HOURLY = build_contracts(
    [
        KindSpec(name="hourly", match=Match(entrypoint="*hour.py"), every_h=1),
        KindSpec(name="nightly", match=Match(entrypoint="*night.py"), every_h=24, owner="ops", scheduled_by="cron"),
    ]
)
HOUR = {"entrypoint": "python hour.py"}


def miss(what: str, every: str = "1 h", kind: str = "hourly", who: str = "whoever started it", owner: str = "") -> Told:
    sentence = f"No job of this kind has succeeded {what}; one is expected every {every}."
    action = f"See why its scheduler ({who}) does not start it, or why it fails.{owner}"
    return ("missing-job", f"kind {kind}", "BAD", sentence, action)


HOURS = timedelta(hours=1)


@pytest.mark.parametrize(
    ("jobs", "past", "wanted"),
    [
        # The last success, of the list or of the history, whichever is later, by its end.
        ([submission("a", "SUCCEEDED", began=9_000, took=5_400, **HOUR)], {}, []),
        ([submission("a", "SUCCEEDED", began=9_000, took=5_399, **HOUR)], {}, [miss("for 1.0 h")]),
        (
            [
                submission("a", "SUCCEEDED", began=9_000, took=1, **HOUR),
                submission("b", "SUCCEEDED", began=7_201, took=1, **HOUR),
            ],
            {}, [miss("for 2.0 h")],
        ),
        ([submission("a", "SUCCEEDED", began=7_201, took=1, **HOUR)], {"last_succeeded_at": NOW - HOURS / 2}, []),
        (
            [submission("a", "SUCCEEDED", began=7_201, took=1, **HOUR)], {"last_succeeded_at": NOW - 9 * HOURS},
            [miss("for 2.0 h")],
        ),
        ([], {"last_succeeded_at": NOW - 3 * HOURS, "last_started_at": NOW - HOURS / 2}, [miss("for 3.0 h")]),
        # Without any, since the first was seen: in the list, or else in the history.
        (
            [submission("a", "FAILED", began=7_200, **HOUR), submission("b", "FAILED", began=9, **HOUR)],
            {}, [miss("since the first was seen 2.0 h ago")],
        ),
        ([submission("a", "FAILED", began=9, **HOUR)], {"last_started_at": NOW - 2 * HOURS}, []),
        ([], {"last_started_at": NOW - 2 * HOURS}, [miss("since the first was seen 2.0 h ago")]),
        ([submission("a", "FAILED", started_at=None, **HOUR)], {"last_started_at": NOW - 2 * HOURS},
         [miss("since the first was seen 2.0 h ago")]),
        # A success that has no end, and one of another kind, tell nothing.
        (
            [submission("a", "SUCCEEDED", began=7_200, ended_at=None, **HOUR)],
            {}, [miss("since the first was seen 2.0 h ago")],
        ),
        (
            [submission("a", "FAILED", began=7_200, **HOUR), submission("b", "SUCCEEDED", began=9, took=1)],
            {}, [miss("since the first was seen 2.0 h ago")],
        ),
        (
            [
                submission("a", "SUCCEEDED", began=9_000, ended_at=None, **HOUR),
                submission("b", "SUCCEEDED", began=7_201, took=1, **HOUR),
            ],
            {}, [miss("for 2.0 h")],
        ),
        ([], {}, []),
    ],
)  # fmt: skip
def test_a_success_that_is_due(jobs: list[JobFacts], past: dict[str, Any], wanted: list[Told]) -> None:
    assert tell(snapshot(*jobs), HOURLY, {"hourly": PastRuns(**past)} if past else {}) == wanted


def test_every_kind_that_is_due_is_told_of_with_who_answers_for_it() -> None:
    jobs = [
        submission("a", "FAILED", began=7_200, **HOUR),
        submission("b", "FAILED", began=2 * DAY_S, entrypoint="python night.py"),
    ]
    night = miss("since the first was seen 48.0 h ago", "24 h", "nightly", "cron", " Tell ops.")
    assert tell(snapshot(*jobs), HOURLY) == [miss("since the first was seen 2.0 h ago"), night]


NAMELESS = "They have no name, and end with who holds a handle of them; they hold what they were given."


def leave(*names: str, count: int | None = None, more: str = "", action: str = "") -> list[Told]:
    sentence = f"It is over, and {count or len(names)} of its actors live on: {', '.join(names)}{more}."
    kill = "; ".join(f"ray.kill(ray.get_actor({name!r}, 'mine'))" for name in names)
    action = action or f"If nobody needs them: {kill}; they hold what they were given."
    return [("leftover-actors", "job a", "WARN", sentence, action)]


def make_actor(number: int, job_id: str = "a") -> ActorFacts:
    return replace(actor(job_id), actor_id=f"{number}", name=f"n{number}")


@pytest.mark.parametrize(
    ("actors", "wanted"),
    [
        ([make_actor(2), make_actor(1)], leave("n1", "n2")),
        ([replace(make_actor(1), name=None)], leave("Worker", action=NAMELESS)),
        (
            [make_actor(2), replace(make_actor(1), name=None)],
            leave(
                "Worker",
                "n2",
                action="If nobody needs them: ray.kill(ray.get_actor('n2', 'mine')); those without a name end with the "
                "one that holds them; they hold what they were given.",
            ),
        ),
        ([make_actor(each) for each in range(5)], leave("n0", "n1", "n2", "n3", "n4")),
        ([make_actor(each) for each in range(7)], leave("n0", "n1", "n2", "n3", "n4", count=7, more=" and 2 more")),
        ([make_actor(1), replace(make_actor(2), state="DEAD"), make_actor(3, "b")], leave("n1")),
        ([replace(make_actor(1), state="PENDING_CREATION")], leave("n1")),
        ([replace(make_actor(2), state="DEAD"), make_actor(1)], leave("n1")),
        ([make_actor(1, "")], []),
    ],
)
def test_what_is_left_of_a_job(actors: list[ActorFacts], wanted: list[Told]) -> None:
    assert tell(ended(actors=actors)) == wanted


@pytest.mark.parametrize(("ago_s", "is_left"), [(60, False), (60.1, True)])
def test_a_minute_is_given(ago_s: float, is_left: bool) -> None:
    job = replace(driver("a", "SUCCEEDED"), started_at=NOW - HOURS, ended_at=NOW - timedelta(seconds=ago_s))
    seen = snapshot(job, exits=[exit_of("a", "INTENDED_USER_EXIT")], actors=[make_actor(1)])
    assert bool(tell(seen)) is is_left


def test_what_has_no_known_end_may_be_going_on() -> None:
    job = driver("a", "SUCCEEDED", began=1_000, ended_at=None)
    assert tell(snapshot(job, exits=[exit_of("a", "INTENDED_USER_EXIT")], actors=[make_actor(1)])) == []


def test_a_supervisor_belongs_to_its_submission_and_not_to_the_job_it_runs_in() -> None:
    """Supervisors are actors of Ray's own job, which may be over too."""
    supervisor = replace(actor("b"), name="_ray_internal_job_actor_a")
    jobs = [submission("a", "FAILED", began=100, job_id="c"), driver("b", "SUCCEEDED", began=100)]
    seen = snapshot(*jobs, exits=[exit_of("b", "INTENDED_USER_EXIT")], actors=[supervisor])
    assert [(each[0], each[1]) for each in tell(seen)] == [("leftover-actors", "job a")]
    # Serve's are made to stay, whatever they are called.
    assert tell(replace(seen, actors=Known((replace(supervisor, namespace="serve"),)))) == []


def test_a_supervisor_is_known_by_a_submission_and_by_nothing_else() -> None:
    """Anybody may call a submission None; a driver has none."""
    supervisor = replace(actor("b"), name="_ray_internal_job_actor_None")
    seen = snapshot(
        driver("a", "SUCCEEDED", began=100), exits=[exit_of("a", "INTENDED_USER_EXIT")], actors=[supervisor]
    )
    assert tell(seen) == []


@pytest.mark.parametrize(("session", "wanted"), [("session_1", "session_1"), ("", None)])
def test_the_session_of_a_job_that_is_not_known_is_none(session: str, wanted: str | None) -> None:
    job = submission("a", "RUNNING", began=70, metadata={"seedcore.deadline_s": "60"})
    seen = replace(snapshot(job), session=session)
    (finding,) = find_all(seen, judge(seen, NOW), BUILT_IN, {}, NOW)
    assert finding == Finding(
        "past-deadline", "job", "a", Verdict.BAD, "It has been running for 70 s; its deadline is 60 s.", MORE_TIME,
        wanted, "past-deadline: user",
    )  # fmt: skip


def test_findings_stand_in_the_order_of_their_weight_then_their_names() -> None:
    late = {"metadata": {"seedcore.expected_duration_s": "1"}}
    overdue = {"metadata": {"seedcore.deadline_s": "1"}}
    over = [driver(id, "SUCCEEDED", began=100) for id in ("e", "d")]
    jobs = [submission(id, "RUNNING", **said) for id, said in (("c", late), ("b", late), ("z", overdue))]
    seen = snapshot(
        *over, *jobs, submission("h", "FAILED", began=7_200, **HOUR),
        exits=[exit_of(id, "INTENDED_USER_EXIT") for id in ("d", "e")], actors=[actor("d"), actor("e")],
    )  # fmt: skip
    assert [(each[0], each[1], each[2]) for each in tell(seen, HOURLY)] == [
        ("missing-job", "kind hourly", "BAD"),
        ("past-deadline", "job z", "BAD"),
        ("leftover-actors", "job d", "WARN"),
        ("leftover-actors", "job e", "WARN"),
        ("stuck-job", "job b", "WARN"),
        ("stuck-job", "job c", "WARN"),
    ]


def test_of_several_kinds_each_has_its_own_time() -> None:
    """What is known of one says nothing of the next, in whatever order they were declared."""
    kinds = [
        KindSpec(name=name, match=Match(entrypoint=f"*{name}.py"), every_h=hours)
        for name, hours in (("never-seen", 1), ("in-time", 24), ("late", 1), ("in-time-too", 24), ("late-too", 2))
    ]
    succeeded = PastRuns(last_succeeded_at=NOW - timedelta(hours=3))
    past = dict.fromkeys(("in-time", "late", "in-time-too", "late-too"), succeeded)
    assert [each[1] for each in found(snapshot(), build_contracts(kinds), past)] == ["kind late", "kind late-too"]


def test_without_the_list_of_jobs_nothing_is_missing() -> None:
    """That a kind has no job is seen in the list alone, whatever the history remembers."""
    rows: list[Any] = []
    past = {"hourly": PastRuns(last_started_at=NOW - 9 * HOURS)}
    assert find_all(replace(snapshot(), jobs=DOWN), rows, HOURLY, past, NOW) == []
    assert len(find_all(snapshot(), rows, HOURLY, past, NOW)) == 1


def test_what_is_wrong_for_one_reason_has_it_as_a_fact() -> None:
    """150 that wait for one thing have one, whatever else they ask for and however long they have waited."""
    gpus = tuple(
        WaitingActor("x", f"_ray_internal_job_actor_j{number}", "JobSupervisor", "01000000", "PENDING",
                     {"GPU": 1.0 + number % 3, "CPU": number % 2})
        for number in range(150)
    )  # fmt: skip
    jobs = [submission(f"j{number}", "PENDING", began=61 + number) for number in range(150)]
    late = submission("late", "RUNNING", began=70, metadata={"seedcore.expected_duration_s": "60"})
    seen = replace(snapshot(*jobs, late), waiting=Known(gpus), nodes=Known((node("ALIVE", resources={"CPU": 1}),)))
    told = find_all(seen, judge(seen, NOW), BUILT_IN, {}, NOW)
    assert Counter(each.reason for each in told) == {"pending-infeasible: GPU": 150, "late: user": 1}
    missing = find_all(
        snapshot(), judge(snapshot(), NOW), HOURLY, {"nightly": PastRuns(last_started_at=NOW - HOURS * 30)}, NOW
    )
    assert [each.reason for each in missing] == ["missing-job: cron"]


SHIPPED = HttpFacts("127.0.0.1", 8000, 310.0)


@pytest.mark.parametrize(
    ("deployed", "in_force", "told"),
    [
        (None, HttpFacts("0.0.0.0", 8000, None), None),
        (SHIPPED, None, None),
        (SHIPPED, SHIPPED, None),
        # What the file left out is as Serve has it.
        (HttpFacts(port=8000), HttpFacts("0.0.0.0", 8000, None), None),
        (
            SHIPPED,
            HttpFacts("0.0.0.0", 8000, None),
            "Serve runs here already with host 0.0.0.0 and request_timeout_s none; host 127.0.0.1 and "
            "request_timeout_s 310 of the deployed file have no effect.",
        ),
        (
            SHIPPED,
            HttpFacts("::", 9000, 60.0),
            "Serve runs here already with host ::, port 9000 and request_timeout_s 60; host 127.0.0.1, port 8000 and "
            "request_timeout_s 310 of the deployed file have no effect.",
        ),
    ],
)
def test_options_that_serve_ignores(deployed: HttpFacts | None, in_force: HttpFacts | None, told: str | None) -> None:
    seen = replace(snapshot(), serve=Known(ServeFacts("ab", (), in_force)))
    each = [(one.rule, one.subject, one.verdict, one.sentence) for one in find_ignored_options(seen, "ours", deployed)]
    assert each == ([] if told is None else [("ignored-options", "application ours", Verdict.WARN, told)])


def test_options_that_are_not_known_are_not_found() -> None:
    assert list(find_ignored_options(replace(snapshot(), serve=DOWN), "ours", SHIPPED)) == []


def test_options_in_force_are_read() -> None:
    options = {"host": "0.0.0.0", "port": 8000, "request_timeout_s": 310, "root_path": ""}
    assert parse_serve({"http_options": options}).http == HttpFacts("0.0.0.0", 8000, 310.0)
    assert parse_serve({"http_options": {"request_timeout_s": None}}).http == HttpFacts()
    assert parse_serve({"http_options": None}).http is None

"""Verdicts, kinds and hidden jobs, case by case: the table of the guide."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from serve_app.jobs.judging.case import Case
from serve_app.jobs.judging.expectations import EXPECTATIONS
from serve_app.jobs.judging.judge import Memo, get_sort_key, judge
from serve_app.jobs.judging.verdicts import VERDICT_RULES, decide_verdict
from serve_app.jobs.models import (
    ActorFacts,
    DriverExit,
    Evidence,
    JobFacts,
    JobRow,
    JobType,
    Known,
    NodeFacts,
    PastRuns,
    Snapshot,
    Unknown,
    Verdict,
)
from serve_app.jobs.serve_facts import ApplicationFacts, ServeFacts
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.judging.test_outcome import node
from tests.unit.jobs.recordings import PROGRAMS

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SERVER = {"seedcore.kind": "application-server"}
INIT = {"seedcore.kind": "coa-initialization"}


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def submission(id: str, status: str, *, began: float = 10, took: float = 5, **changes: Any) -> JobFacts:
    """One that says it is of a kind of ours runs its program, too, unless another is given."""
    ended = status in ("SUCCEEDED", "FAILED", "STOPPED")
    claimed = changes.get("metadata", {}).get("seedcore.kind")
    values: dict[str, Any] = {
        **({"entrypoint": PROGRAMS[claimed]} if claimed in PROGRAMS else {}),
        "started_at": ago(began),
        "ended_at": ago(began - took) if ended else None,
        "exit_code": {"SUCCEEDED": 0, "FAILED": 1}.get(status),
    }
    return JobFacts(id=id, type=JobType.SUBMISSION, status=status, submission_id=id, **{**values, **changes})


def driver(id: str, status: str, *, began: float = 10, **changes: Any) -> JobFacts:
    ended_at = None if status == "RUNNING" else ago(began - 5)
    values: dict[str, Any] = {"started_at": ago(began), "ended_at": ended_at, "job_id": id}
    return JobFacts(id=id, type=JobType.DRIVER, status=status, **{**values, **changes})


def exit_of(job_id: str, exit_type: str | None) -> DriverExit:
    ended_at = None if exit_type is None else NOW
    return DriverExit(job_id, exit_type is None, exit_type, None, 7, ago(100), ended_at, "n")


def actor(job_id: str, class_name: str = "Worker", namespace: str = "mine", state: str = "ALIVE") -> ActorFacts:
    return ActorFacts(f"{class_name}{job_id}{state}", class_name, None, state, job_id, namespace, None, 1)


def controller(job_id: str, state: str = "ALIVE") -> ActorFacts:
    return actor(job_id, "ServeController", "serve", state)


def snapshot(*jobs: JobFacts, **sections: Any) -> Snapshot:
    exits = {each.job_id: each for each in sections.pop("exits", ())}
    actors, nodes, apps = (tuple(sections.pop(name, ())) for name in ("actors", "nodes", "apps"))
    return replace(
        Snapshot(NOW, Known(jobs), Known(exits), Known(nodes), Known(actors), Known(ServeFacts(None, apps))), **sections
    )


def verdicts(*jobs: JobFacts, **sections: Any) -> dict[str, tuple[str, str, str, str]]:
    rows = judge(snapshot(*jobs, **sections), NOW)
    return {row.id: (row.kind, row.outcome, row.verdict, row.rule) for row in rows}


def one(*jobs: JobFacts, **sections: Any) -> JobRow:
    return next(row for row in judge(snapshot(*jobs, **sections), NOW) if row.id == jobs[0].id)


@pytest.mark.parametrize(
    ("jobs", "wanted"),
    [
        # Someone's own work.
        ([submission("a", "SUCCEEDED")], ("user", "succeeded", "OK", "succeeded")),
        ([submission("a", "FAILED")], ("user", "failed", "BAD", "failed")),
        ([submission("a", "STOPPED")], ("user", "stopped", "OK", "stopped")),
        ([submission("a", "RUNNING", began=86_400)], ("user", "running", "OK", "running")),
        ([submission("a", "PENDING", began=60)], ("user", "pending", "OK", "pending")),
        ([submission("a", "PENDING", began=61)], ("user", "pending", "WARN", "pending-long")),
        ([submission("a", "PENDING", started_at=None)], ("user", "pending", "OK", "pending")),
        (
            [submission("a", "RUNNING", began=61, metadata={"seedcore.expected_duration_s": "60"})],
            ("user", "running", "WARN", "late"),
        ),
        (
            [submission("a", "RUNNING", began=59, metadata={"seedcore.expected_duration_s": "60"})],
            ("user", "running", "OK", "running"),
        ),
        ([submission("a", "HELD", exit_code=None)], ("user", "running", "UNKNOWN", "status-unknown")),
        ([driver("a", "RUNNING")], ("user", "running", "OK", "running")),
        ([driver("a", "SUCCEEDED")], ("user", "ended_unknown", "UNKNOWN", "ended-unknown")),
        # Initialization: must end, soon, and well.
        ([submission("a", "SUCCEEDED", metadata=INIT)], ("coa-initialization", "succeeded", "OK", "succeeded")),
        ([submission("a", "RUNNING", began=60, metadata=INIT)], ("coa-initialization", "running", "OK", "running")),
        (
            [submission("a", "RUNNING", began=61, metadata=INIT)],
            ("coa-initialization", "running", "BAD", "initialization-late"),
        ),
        (
            [submission("a", "PENDING", began=61, metadata=INIT)],
            ("coa-initialization", "pending", "BAD", "initialization-late"),
        ),
        (
            [submission("a", "RUNNING", began=61, metadata={**INIT, "seedcore.expected_duration_s": "120"})],
            ("coa-initialization", "running", "OK", "running"),
        ),
        # Whoever submitted it said how long it has; that is no failure of a minute.
        *(
            (
                [submission("a", status, began=began, metadata={**INIT, "seedcore.limit_s": "120"})],
                ("coa-initialization", status.lower(), verdict, rule),
            )
            for status, began, verdict, rule in (
                ("RUNNING", 61, "OK", "running"),
                ("RUNNING", 120, "OK", "running"),
                ("RUNNING", 121, "BAD", "initialization-late"),
                # That it has not begun is another matter.
                ("PENDING", 61, "WARN", "pending-long"),
                ("PENDING", 121, "BAD", "initialization-late"),
            )
        ),
        (
            [submission("a", "RUNNING", began=31, metadata={**INIT, "seedcore.limit_s": "30"})],
            ("coa-initialization", "running", "BAD", "initialization-late"),
        ),
        # Of the two the one that any job may have comes first.
        (
            [
                submission(
                    "a",
                    "RUNNING",
                    began=121,
                    metadata={**INIT, "seedcore.limit_s": "120", "seedcore.expected_duration_s": "300"},
                )
            ],
            ("coa-initialization", "running", "OK", "running"),
        ),
        # More than can be configured, or no number: it is not believed.
        (
            [submission("a", "RUNNING", began=3_600, metadata={**INIT, "seedcore.limit_s": "3600"})],
            ("coa-initialization", "running", "OK", "running"),
        ),
        *(
            (
                [submission("a", "RUNNING", began=61, metadata={**INIT, "seedcore.limit_s": nonsense})],
                ("coa-initialization", "running", "BAD", "initialization-late"),
            )
            for nonsense in ("3601", "soon", "", "nan", "inf", "-1", "0", "1e99")
        ),
        # Nobody else has such a limit.
        *(
            ([submission("a", "RUNNING", began=61, metadata={**kind, "seedcore.limit_s": "30"})], (name, *judged))
            for kind, name, *judged in (
                ({}, "user", "running", "OK", "running"),
                ({"seedcore.kind": "nightly"}, "nightly", "running", "OK", "running"),
                (SERVER, "application-server", "running", "OK", "server-runs"),
            )
        ),
        *(
            (
                [submission("a", "RUNNING", began=61, metadata={**INIT, "seedcore.expected_duration_s": nonsense})],
                ("coa-initialization", "running", "BAD", "initialization-late"),
            )
            for nonsense in ("soon", "", "nan", "inf", "-1", "0", "1e99")
        ),
        (
            [submission("a", "FAILED", metadata=INIT)],
            ("coa-initialization", "failed", "BAD", "initialization-failed"),
        ),
        (
            [submission("a", "FAILED", metadata=INIT), submission("b", "SUCCEEDED", began=3, took=1, metadata=INIT)],
            ("coa-initialization", "failed", "OK", "initialization-repaired"),
        ),
        (
            [submission("a", "FAILED", metadata=INIT), submission("b", "SUCCEEDED", began=30, metadata=INIT)],
            ("coa-initialization", "failed", "BAD", "initialization-failed"),
        ),
        (
            [submission("a", "FAILED", metadata=INIT), submission("b", "RUNNING", began=3, metadata=INIT)],
            ("coa-initialization", "failed", "WARN", "initialization-retried"),
        ),
        (
            [submission("a", "FAILED", metadata=INIT), submission("b", "SUCCEEDED", began=3)],
            ("coa-initialization", "failed", "BAD", "initialization-failed"),
        ),
        (
            [submission("a", "STOPPED", metadata=INIT)],
            ("coa-initialization", "stopped", "WARN", "initialization-stopped"),
        ),
        # Servers must not end, however well.
        ([submission("a", "RUNNING", metadata=SERVER)], ("application-server", "running", "OK", "server-runs")),
        ([submission("a", "SUCCEEDED", metadata=SERVER)], ("application-server", "succeeded", "BAD", "server-ended")),
        ([submission("a", "FAILED", metadata=SERVER)], ("application-server", "failed", "BAD", "server-ended")),
        ([submission("a", "STOPPED", metadata=SERVER)], ("application-server", "stopped", "WARN", "server-stopped")),
        (
            [
                submission("a", "FAILED", metadata=SERVER, entrypoint="serve run it"),
                submission("b", "RUNNING", began=2, metadata=SERVER, entrypoint="serve run it"),
            ],
            ("application-server", "failed", "OK", "server-replaced"),
        ),
        (
            [
                submission("a", "FAILED", metadata=SERVER, entrypoint="serve run it"),
                submission("b", "RUNNING", began=2, metadata=SERVER, entrypoint="serve run something else"),
            ],
            ("application-server", "failed", "BAD", "server-ended"),
        ),
        # What a job may call itself.
        (
            [submission("a", "FAILED", metadata={"seedcore.kind": "nightly-report"})],
            ("nightly-report", "failed", "BAD", "failed"),
        ),
        ([submission("a", "FAILED", metadata={"seedcore.kind": "internal"})], ("user", "failed", "BAD", "failed")),
        (
            [submission("a", "FAILED", metadata={"seedcore.kind": "cluster-initialization"})],
            ("user", "failed", "BAD", "failed"),
        ),
        ([submission("a", "FAILED", metadata={"seedcore.kind": "<b>"})], ("user", "failed", "BAD", "failed")),
    ],
)
def test_verdict(jobs: list[JobFacts], wanted: tuple[str, ...]) -> None:
    assert verdicts(*jobs)["a"] == wanted


CLIENT = "python -m ray.util.client.server --port=23000 --mode=specific-server"


@pytest.mark.parametrize(
    ("facts", "exit_type", "actors", "wanted"),
    [
        (
            driver("a", "SUCCEEDED", entrypoint=CLIENT),
            "INTENDED_USER_EXIT",
            [],
            ("observer", "ended_unknown", "OK", "observer-ended"),
        ),
        (
            driver("a", "SUCCEEDED", entrypoint=CLIENT),
            "SYSTEM_ERROR",
            [],
            ("observer", "failed", "WARN", "observer-cut-off"),
        ),
        (driver("a", "RUNNING", entrypoint=CLIENT), None, [], ("observer", "running", "OK", "running")),
        # Not short, or not only looking, or no client.
        (driver("a", "RUNNING", began=31, entrypoint=CLIENT), None, [], ("user", "running", "OK", "running")),
        (
            driver("a", "SUCCEEDED", entrypoint=CLIENT),
            "SYSTEM_ERROR",
            [actor("a", state="DEAD")],
            ("user", "failed", "BAD", "failed"),
        ),
        (
            driver("a", "SUCCEEDED", entrypoint="python look.py"),
            "SYSTEM_ERROR",
            [],
            ("user", "failed", "BAD", "failed"),
        ),
    ],
)
def test_observers(facts: JobFacts, exit_type: str | None, actors: list[ActorFacts], wanted: tuple[str, ...]) -> None:
    assert verdicts(facts, exits=[exit_of("a", exit_type)], actors=actors)["a"] == wanted


SERVER_OK = ("application-server", "running", "OK", "server-runs")


@pytest.mark.parametrize(
    ("jobs", "sections", "wanted"),
    [
        # Hidden: found by its actors.
        ([], {"actors": [controller("h")], "exits": [exit_of("h", None)]}, {"h": SERVER_OK}),
        ([], {"actors": [controller("h")]}, {"h": SERVER_OK}),
        ([], {"own_job_id": "h"}, {"h": SERVER_OK}),
        ([], {"actors": Unknown("down"), "own_job_id": "h"}, {"h": SERVER_OK}),
        ([], {"jobs": Unknown("down"), "actors": [controller("h")], "own_job_id": "h"}, {}),
        # The driver may end, Serve's actors are detached.
        ([], {"actors": [controller("h")], "exits": [exit_of("h", "SYSTEM_ERROR")]}, {"h": SERVER_OK}),
        ([driver("h", "SUCCEEDED")], {"actors": [controller("h")]}, {"h": SERVER_OK}),
        (
            [driver("h", "RUNNING")],
            {"actors": [controller("h", "DEAD")]},
            {"h": ("application-server", "running", "WARN", "server-without-serve")},
        ),
        (
            [driver("h", "SUCCEEDED")],
            {"actors": [controller("h", "DEAD")], "exits": [exit_of("h", "SYSTEM_ERROR")]},
            {"h": ("application-server", "failed", "BAD", "server-ended")},
        ),
        (
            [driver("h", "SUCCEEDED", began=100), driver("i", "RUNNING", began=50)],
            {"actors": [controller("h", "DEAD"), controller("i")], "exits": [exit_of("h", "SYSTEM_ERROR")]},
            {"h": ("application-server", "failed", "OK", "server-replaced"), "i": SERVER_OK},
        ),
        (
            [],
            {"actors": [controller("h")], "apps": [ApplicationFacts("shop", "DEPLOY_FAILED", "no such module", ())]},
            {"h": ("application-server", "running", "WARN", "serve-unhealthy")},
        ),
        (
            [],
            {"actors": [controller("h")], "apps": [ApplicationFacts("shop", "DEPLOYING", "", ())]},
            {"h": SERVER_OK},
        ),
        # Ray's own.
        (
            [],
            {"actors": [actor("s", "JobSupervisor", "SUPERVISOR_ACTOR_RAY_NAMESPACE")]},
            {"s": ("internal", "running", "OK", "running")},
        ),
        (
            [],
            {
                "actors": [actor("s", "JobSupervisor", "SUPERVISOR_ACTOR_RAY_NAMESPACE", "DEAD")],
                "exits": [exit_of("s", "SYSTEM_ERROR")],
            },
            {"s": ("internal", "failed", "WARN", "internal-died")},
        ),
        # Not listed and not Ray's: an earlier driver of a submission with several.
        (
            [],
            {"actors": [actor("e", state="DEAD")], "exits": [exit_of("e", "SYSTEM_ERROR")]},
            {"e": ("user", "failed", "BAD", "failed")},
        ),
        # Of a list that was cut, what is missing is not hidden.
        (
            [],
            {"jobs": Known((), "0 of 9 jobs are kept."), "actors": [actor("e"), controller("h")]},
            {"h": SERVER_OK},
        ),
        ([driver("a", "RUNNING")], {"actors": [actor("a")]}, {"a": ("user", "running", "OK", "running")}),
    ],
)
def test_servers_and_hidden_jobs(
    jobs: list[JobFacts], sections: dict[str, Any], wanted: dict[str, tuple[str, ...]]
) -> None:
    given = {name: sections[name] for name in ("jobs",) if name in sections}
    others = {name: value for name, value in sections.items() if name not in given}
    if isinstance(others.get("actors"), Unknown):
        given["actors"] = others.pop("actors")
    rows = judge(replace(snapshot(*jobs, **others), **given), NOW)
    assert {row.id: (row.kind, row.outcome, row.verdict, row.rule) for row in rows} == wanted


def head(id: str, state: str, began: float) -> NodeFacts:
    return node(state, node_id=id, is_head=True, started_at=ago(began))


@pytest.mark.parametrize(
    ("nodes", "wanted"),
    [
        ([head("h", "ALIVE", 9)], {"node:h": ("cluster-initialization", "succeeded", "OK", "head-started")}),
        ([head("h", "DEAD", 9)], {"node:h": ("cluster-initialization", "lost", "BAD", "head-dead")}),
        (
            [head("h", "DEAD", 9), head("i", "ALIVE", 2)],
            {
                "node:i": ("cluster-initialization", "succeeded", "OK", "head-started"),
                "node:h": ("cluster-initialization", "lost", "OK", "head-replaced"),
            },
        ),
        ([node("ALIVE", node_id="w")], {"node:w": ("worker-node", "running", "OK", "worker-up")}),
        (
            [node("DEAD", node_id="w", message="Expected termination: node drained")],
            {"node:w": ("worker-node", "stopped", "OK", "worker-left")},
        ),
        (
            [node("DEAD", node_id="w", message="Unexpected termination: health check failed")],
            {"node:w": ("worker-node", "lost", "WARN", "worker-died")},
        ),
    ],
)
def test_nodes_are_rows(nodes: list[NodeFacts], wanted: dict[str, tuple[str, ...]]) -> None:
    assert verdicts(nodes=nodes) == wanted


def test_a_driver_whose_address_two_nodes_have_had_is_not_called_lost() -> None:
    facts = driver("a", "RUNNING", node_ip="10.0.0.1")
    dead = node("DEAD", node_id="d", ip="10.0.0.1")
    assert verdicts(facts, nodes=[dead])["a"][1] == "lost"
    assert verdicts(facts, nodes=[dead, node("ALIVE", node_id="e", ip="10.0.0.1")])["a"][1] == "running"


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (submission("a", "SUCCEEDED"), ("Ray Jobs API", "Ray job supervisor")),
        (driver("a", "SUCCEEDED"), ("whoever started it", "its own process")),
        (submission("a", "RUNNING", metadata=SERVER), ("Ray Jobs API", "Ray Serve controller")),
        (submission("a", "RUNNING", metadata=INIT), ("OrganismManager", "OrganismManager")),
        (
            submission("a", "RUNNING", metadata={"seedcore.scheduled_by": "cron", "seedcore.managed_by": "the shop"}),
            ("cron", "the shop"),
        ),
    ],
)
def test_who_schedules_and_who_manages(facts: JobFacts, wanted: tuple[str, str]) -> None:
    row = one(facts)
    assert (row.scheduled_by, row.managed_by) == wanted


def test_marks_of_a_malformed_row_are_evidence() -> None:
    row = one(submission("a", "SUCCEEDED", marks=("end_time is not a time",)))
    assert [each.fact for each in row.evidence if each.rule == "row-marked"] == ["end_time is not a time"]


def test_durations_run_on_while_the_job_does() -> None:
    rows = {
        row.id: row.duration_s for row in judge(snapshot(submission("a", "RUNNING"), submission("b", "FAILED")), NOW)
    }
    assert rows == {"a": 10.0, "b": 5.0}


@pytest.mark.parametrize("kind", [*EXPECTATIONS, "of-its-own"])
@pytest.mark.parametrize("outcome", list(JobOutcome))
def test_every_kind_and_outcome_has_a_verdict(kind: str, outcome: JobOutcome) -> None:
    """Whatever comes, a rule applies, and its sentence is one."""
    from serve_app.jobs.judging.expectations import get_expectation
    from serve_app.jobs.judging.outcome import Conclusion

    case = Case(
        submission("a", "RUNNING"), kind, get_expectation(kind), Conclusion(outcome, (), "So it is.", "so"), None, None
    )
    rule, sentence = decide_verdict(case)
    assert rule in VERDICT_RULES
    assert sentence.endswith(".")


def test_rules_have_their_own_names() -> None:
    names = [rule.name for rule in VERDICT_RULES]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    "silent",
    [
        {"driver_exits": Unknown("slow")},
        {"driver_exits": Known({})},
        {"nodes": Unknown("slow")},
        {"nodes": Known(())},
        {"actors": Unknown("slow")},
        {"driver_exits": Unknown("slow"), "nodes": Unknown("slow"), "actors": Unknown("slow")},
    ],
)
def test_what_was_proven_stays_proven_when_a_table_is_silent(silent: dict[str, Any]) -> None:
    killed = driver("01000000", "SUCCEEDED", node_id="n")
    lost = driver("02000000", "SUCCEEDED", node_id="gone")
    whole = snapshot(
        killed, lost, exits=[exit_of("01000000", "SYSTEM_ERROR")], nodes=[node("ALIVE"), node("DEAD", node_id="gone")]
    )
    memo = Memo()
    before = judge(whole, NOW, memo=memo)
    assert {row.id: row.outcome for row in before if not row.derived} == {"01000000": "failed", "02000000": "lost"}
    after = judge(replace(whole, **silent), NOW + timedelta(seconds=5), memo=memo)
    assert [row for row in after if not row.derived] == [row for row in before if not row.derived]


@pytest.mark.parametrize(
    ("id", "session", "name"),
    [
        ("raysubmit_A9z", "", "raysubmit_A9z"),
        ("a.b:c-d_e", "s", "a.b:c-d_e@s"),
        ("x" * 200, "s", f"{'x' * 200}@s"),
        # What is long or odd stands as its hash.
        ("x" * 201, "s", f"~{sha256(b'x' * 201).hexdigest()}@s"),
        ("a b", "", f"~{sha256(b'a b').hexdigest()}"),
        ("a\n", "", f"~{sha256(b'a' + bytes([10])).hexdigest()}"),
        ("", "s", f"~{sha256(b'').hexdigest()}@s"),
        ("é", "", f"~{sha256('é'.encode()).hexdigest()}"),
        # Half of a pair, which is no text.
        ("\ud800", "", f"~{sha256(b'?').hexdigest()}"),
    ],
)
def test_the_place_of_a_row(id: str, session: str, name: str) -> None:
    row = replace(one(submission("a", "SUCCEEDED")), id=id, session=session)
    assert get_sort_key(replace(row, started_at=None)) == (-1, name)
    began = datetime(2026, 1, 1, 12, 0, 0, 123_456, tzinfo=UTC)
    assert get_sort_key(replace(row, started_at=began)) == (1_767_268_800_123_456, name)


def test_rows_stand_by_their_start_the_newest_first_and_those_without_one_last() -> None:
    jobs = [
        submission("b", "SUCCEEDED", began=9), submission("n", "PENDING", started_at=None),
        submission("a", "SUCCEEDED", began=9), submission("z", "SUCCEEDED", began=99),
    ]  # fmt: skip
    assert [row.id for row in judge(snapshot(*jobs), NOW)] == ["b", "a", "z", "n"]


WHOLE = submission(
    "a", "FAILED", job_id="02000000", entrypoint="python x", node_id="n", hidden=True, marks=("no end", "no start"),
    error_type="JOB_ENTRYPOINT_COMMAND_ERROR", exit_code=1,
    metadata={"job_name": "train", "seedcore.owner": "ann"},
)  # fmt: skip


def test_a_row_with_all_that_it_tells() -> None:
    """Every field of a row, of a job that has something in each."""
    seen = replace(snapshot(WHOLE), session="s1")
    (row,) = judge(seen, NOW)
    wanted = {
        "id": "a", "job_id": "02000000", "submission_id": "a", "type": JobType.SUBMISSION, "kind": "user",
        "entrypoint": "python x", "status": "FAILED", "outcome": JobOutcome.FAILED, "verdict": Verdict.BAD,
        "reason": "It failed with exit code 1.", "rule": "failed", "scheduled_by": "Ray Jobs API",
        "managed_by": "Ray job supervisor", "started_at": ago(10), "ended_at": ago(5), "duration_s": 5.0,
        "node_id": "n", "metadata": WHOLE.metadata, "derived": False, "hidden": True,
        "evidence": (
            Evidence("kind-by-default", "job list", "nothing marks it as anything else"),
            Evidence("submission-failed", "job list", "status FAILED, JOB_ENTRYPOINT_COMMAND_ERROR, exit code 1"),
            Evidence("row-marked", "job list", "no end"),
            Evidence("row-marked", "job list", "no start"),
        ),
        "session": "s1", "series": "user:train", "owner": "ann",
        "action": "Read its log, mend the cause, run it again.",
    }  # fmt: skip
    assert {name: getattr(row, name) for name in wanted} == wanted
    assert row.key == f"s1/a@{1000 * int(ago(10).timestamp())}"


@pytest.mark.parametrize(
    ("job", "ended", "action", "derived"),
    [
        # An end that is not believed is none; what is fine needs no doing.
        (submission("a", "HELD", ended_at=ago(5), exit_code=None), ago(5), None, False),
        (submission("a", "RUNNING", ended_at=ago(5)), None, "Nothing to do.", False),
        (submission("a", "STOPPED"), ago(5), "Nothing to do.", False),
        # Of what is no observer that it says so changes nothing.
        (submission("a", "FAILED", metadata={"seedcore.kind": "observer"}), ago(5), None, False),
        (submission("a", "SUCCEEDED", exit_code=None), ago(5), None, False),
    ],
)
def test_what_is_to_be_done(job: JobFacts, ended: datetime | None, action: str | None, derived: bool) -> None:
    row = one(job)
    assert (row.ended_at, row.derived) == (ended, derived)
    assert row.action == (action or EXPECTATIONS["user"].meanings[row.outcome].action)


def test_an_outcome_that_means_nothing_asks_for_nothing() -> None:
    """Of an observer nobody has said what it means that it was stopped."""
    looked = driver("a", "PENDING", began=99, ended_at=ago(98), entrypoint=CLIENT)
    row = one(looked)
    assert (row.kind, row.verdict, row.rule, row.action) == ("observer", "UNKNOWN", "status-unknown", "Nothing to do.")


def test_a_node_is_derived_and_of_no_session_of_its_own() -> None:
    seen = replace(snapshot(submission("a", "RUNNING"), nodes=[node("ALIVE")]), session="s1")
    rows = judge(seen, NOW)
    assert {row.id: (row.type, row.derived, row.session) for row in rows} == {
        "a": ("SUBMISSION", False, "s1"),
        "node:n": ("NODE", True, "s1"),
    }


def test_a_look_of_another_session_makes_its_own_rows() -> None:
    memo, seen = Memo(), snapshot(submission("a", "FAILED"))
    found = [judge(replace(seen, session=session), NOW, memo=memo)[0] for session in ("s1", "s1", "s2")]
    assert [row.session for row in found] == ["s1", "s1", "s2"]
    assert found[0] is found[1]


def test_memory_holds_the_jobs_of_the_last_look_alone() -> None:
    memo = Memo()
    judge(snapshot(submission("a", "FAILED"), nodes=[node("ALIVE")]), NOW, memo=memo)
    assert (sorted(memo.cases), sorted(memo.rows)) == (["a", "node:n"], ["a", "node:n"])
    judge(snapshot(submission("b", "FAILED")), NOW, memo=memo)
    assert (sorted(memo.cases), sorted(memo.rows)) == (["b"], ["b"])


def test_what_is_passed_in_is_what_is_judged_by() -> None:
    job = submission("a", "RUNNING", began=70, metadata={"job_name": "train"})
    (row,) = judge(snapshot(job), NOW, past={"user:train": PastRuns(20, p99_s=60)})
    assert (row.rule, row.duration_s) == ("unusually-long", 70.0)
    (row,) = judge(snapshot(job), NOW + timedelta(seconds=5))
    assert (row.rule, row.duration_s) == ("running", 75.0)

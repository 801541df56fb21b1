"""Kinds that a team declares: how they are matched, what is refused, and what is expected of them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from serve_app.jobs.judging.expectations import EXPECTATIONS, build_contracts
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.judging.kind_specs import KindSpec, Match
from serve_app.jobs.judging.kinds import matches
from serve_app.jobs.models import ActorFacts, JobFacts, JobRow
from serve_app.jobs.settings import InspectorConfig
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.judging.test_judge import actor, controller, driver, exit_of, snapshot, submission

Json = dict[str, Any]
REPORT: Json = {"name": "report", "match": {"entrypoint": "python report*"}}
GATEWAY: Json = {"name": "gateway", "match": {"entrypoint": "gateway*"}, "must_end": False}


def judged(kinds: list[Json], *jobs: JobFacts, **sections: Any) -> dict[str, JobRow]:
    specs = InspectorConfig.model_validate({"kinds": kinds}).kinds
    seen = snapshot(*jobs, **sections)
    return {row.id: row for row in judge(seen, seen.taken_at, build_contracts(specs))}


@pytest.mark.parametrize(
    ("pattern", "text", "wanted"),
    [
        ("python *", "python x.py", True),
        ("python *", "Python x.py", False),
        ("python", "python x.py", False),
        ("*.py", "python x.py", True),
        ("job-?", "job-1", True),
        ("job-?", "job-12", False),
        ("job-[0-9]", "job-7", True),
        ("job-[!0-9]", "job-7", False),
        ("a*", "a\nb", True),
        ("(.*", "(x", False),
        ("[", "[", True),
        ("[z-a]", "b", False),
        ("", "", True),
    ],
)
def test_patterns_are_as_for_file_names(pattern: str, text: str, wanted: bool) -> None:
    assert matches(pattern, text) is wanted


def test_no_pattern_takes_long() -> None:
    began = time.process_time()
    assert not matches("*a" * 100 + "b", "a" * 5_000)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("match", "facts", "wanted"),
    [
        ({"entrypoint": "python report*"}, submission("a", "SUCCEEDED", entrypoint="python report.py"), True),
        ({"entrypoint": "python report*"}, submission("a", "SUCCEEDED", entrypoint="sh python report.py"), False),
        ({"submission_id": "nightly-*"}, submission("nightly-1", "SUCCEEDED"), True),
        ({"submission_id": "nightly-*"}, submission("daily-1", "SUCCEEDED"), False),
        # What is not there fits no pattern.
        ({"submission_id": "*"}, driver("a", "RUNNING"), False),
        ({"metadata": {"team": "*"}}, driver("a", "RUNNING"), False),
        ({"metadata": {"team": "*"}}, driver("a", "RUNNING", metadata={"team": ""}), True),
        ({"metadata": {"team": "vis*"}}, driver("a", "RUNNING", metadata={"team": "vision"}), True),
        ({"metadata": {"team": "vis*"}}, driver("a", "RUNNING", metadata={"team": "sound"}), False),
        ({"namespace": "mi*"}, driver("a", "RUNNING"), True),
        ({"namespace": "yours"}, driver("a", "RUNNING"), False),
        ({"namespace": "*"}, driver("b", "RUNNING"), False),
        # All that is given must fit.
        (
            {"entrypoint": "x", "metadata": {"a": "1", "b": "2"}},
            driver("a", "RUNNING", entrypoint="x", metadata={"a": "1", "b": "2"}),
            True,
        ),
        (
            {"entrypoint": "x", "metadata": {"a": "1", "b": "2"}},
            driver("a", "RUNNING", entrypoint="x", metadata={"a": "1"}),
            False,
        ),
    ],
)
def test_a_job_is_of_the_kind_that_it_matches(match: Json, facts: JobFacts, wanted: bool) -> None:
    actors = [actor("a")] if facts.job_id == "a" else []
    row = judged([{"name": "mine", "match": match}], facts, actors=actors)[facts.id]
    assert row.kind == ("mine" if wanted else "user")


def test_why_it_is_of_a_declared_kind_is_told_as_it_was_declared() -> None:
    match = {"entrypoint": "{x} *", "namespace": "mine", "metadata": {"{kind}": "1*"}}
    facts = driver("a", "RUNNING", entrypoint="{x} 1", metadata={"{kind}": "12"})
    first = judged([{"name": "mine", "match": match}], facts, actors=[actor("a")])["a"].evidence[0]
    assert (first.rule, first.source) == ("kind-declared:mine", "configuration")
    assert first.fact == "it is declared: entrypoint like '{x} *', namespace like 'mine', metadata {kind} like '1*'"


@pytest.mark.parametrize(
    ("facts", "actors", "wanted"),
    [
        # The first that fits, of those declared.
        (driver("a", "RUNNING", entrypoint="uvicorn app"), [], "first"),
        # What a job says of itself comes before, and what Serve owns too.
        (driver("a", "RUNNING", entrypoint="uvicorn app", metadata={"seedcore.kind": "second"}), [], "second"),
        (driver("a", "RUNNING", entrypoint="uvicorn app"), [controller("a")], "application-server"),
        (driver("a", "RUNNING", entrypoint="python x"), [], "second"),
        # Built-in rules for entrypoints come after.
        (driver("a", "RUNNING", entrypoint="gunicorn app"), [], "application-server"),
    ],
)
def test_the_order_of_kinds(facts: JobFacts, actors: list[ActorFacts], wanted: str) -> None:
    kinds = [
        {"name": "first", "match": {"entrypoint": "uvicorn *"}},
        {"name": "second", "match": {"entrypoint": "[pu]*"}},
    ]
    assert judged(kinds, facts, actors=actors)["a"].kind == wanted


@pytest.mark.parametrize(
    ("kinds", "why"),
    [
        ([{"name": "Report", "match": {"entrypoint": "x"}}], "should match pattern"),
        ([{"name": "r" * 64, "match": {"entrypoint": "x"}}], "should match pattern"),
        ([{"name": "report"}], "'report' is not built in, so it needs a match"),
        ([{"name": "user", "match": {"entrypoint": "x"}}], "'user' is built in, so it takes no match"),
        ([{"name": "user", "every_h": 24}], "'user' is built in; every_h would have no effect on it"),
        ([{"name": "observer", "must_end": False}], "'observer' is built in; must_end would have no effect"),
        (
            [{"name": "worker-node", "deadline_s": 5, "expected_duration_s": 5, "every_h": 1}],
            "'worker-node' is built in; deadline_s, every_h, expected_duration_s would have no effect on it",
        ),
        ([REPORT, REPORT], "'report' is given twice"),
        ([{"name": "report", "match": {}}], "match needs at least one of"),
        ([{"name": "report", "match": {"entrypoint": ""}}], "match needs at least one of"),
        ([{"name": "report", "match": {"regex": ".*"}}], "Extra inputs are not permitted"),
        ([{"name": "report", "match": {"entrypoint": "x" * 301}}], "at most 300 characters"),
        ([{"name": "report", "match": {"metadata": {"a": "x" * 301}}}], "at most 300 characters"),
        ([{"name": "report", "match": {"metadata": {"x" * 301: "a"}}}], "at most 300 characters"),
        ([{"name": "report", "match": {"metadata": {str(each): "a" for each in range(21)}}}], "at most 20 items"),
        ([{**REPORT, "deadline_s": 0}], "greater than 0"),
        ([{**REPORT, "deadline_s": float("nan")}], "deadline_s"),
        ([{**REPORT, "expected_duration_s": float("inf")}], "less than or equal to"),
        ([{**REPORT, "every_h": 9_000}], "less than or equal to 8784"),
        ([{**REPORT, "allowed_failures": 101}], "less than or equal to 100"),
        ([{**REPORT, "allowed_failures": -1}], "greater than or equal to 0"),
        ([{**REPORT, "name": f"k{each}"} for each in range(101)], "at most 100 items"),
        # What no rule asks for is refused, lest someone rely on it.
        ([{"name": "application-server", "deadline_s": 60}], "'application-server' is built in; deadline_s would have"),
        ([{"name": "coa-initialization", "allowed_failures": 1}], "is built in; allowed_failures would have no effect"),
        ([{"name": "observer", "every_h": 1}], "is built in; every_h would have no effect on it"),
        ([{"name": "internal", "allowed_failures": 1}], "is built in; allowed_failures would have no effect on it"),
        (
            [{**GATEWAY, "every_h": 1, "allowed_failures": 1}],
            "'gateway' is a service, which shall not end; allowed_failures, every_h would have no effect on it",
        ),
    ],
)
def test_what_is_refused(kinds: list[Json], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        InspectorConfig.model_validate({"kinds": kinds})


def test_what_is_declared_is_what_is_expected() -> None:
    declared: Json = {
        **REPORT,
        "purpose": "The nightly report.",
        "owner": "finance",
        "scheduled_by": "cron",
        "managed_by": "the shop",
        "must_end": True,
        "expected_duration_s": 60,
        "deadline_s": 120,
        "every_h": 1.5,
        "allowed_failures": 2,
    }
    assert build_contracts([KindSpec.model_validate(declared)]).get_expectation("report") == replace(
        EXPECTATIONS["user"],
        kind="report",
        purpose="The nightly report.",
        owner="finance",
        scheduled_by="cron",
        managed_by="the shop",
        must_end=True,
        limit_s=60,
        deadline_s=120,
        every_s=5_400,
        allowed_failures=2,
    )


@pytest.mark.parametrize(
    ("declared", "changes"),
    [
        ({}, {}),
        ({"owner": "me", "expected_duration_s": 300}, {"owner": "me", "limit_s": 300, "scheduled_limit": None}),
        # None is a value where there may be none, and the same as nothing where there may not.
        (
            {"expected_duration_s": None, "deadline_s": None, "every_h": None},
            {"limit_s": None, "scheduled_limit": None},
        ),
        ({"purpose": None, "scheduled_by": None, "managed_by": None}, {}),
    ],
)
def test_what_is_expected_of_a_built_in_kind_can_be_changed(declared: Json, changes: Json) -> None:
    contracts = build_contracts([KindSpec.model_validate({"name": "coa-initialization", **declared})])
    assert contracts.get_expectation("coa-initialization") == replace(EXPECTATIONS["coa-initialization"], **changes)
    assert contracts.get_expectation("user") == EXPECTATIONS["user"]


def test_a_built_in_kind_is_judged_by_what_was_changed() -> None:
    facts = submission("a", "RUNNING", began=61, metadata={"seedcore.kind": "coa-initialization"})
    assert judged([], facts)["a"].rule == "initialization-late"
    assert judged([{"name": "coa-initialization", "expected_duration_s": 300}], facts)["a"].rule == "running"


@pytest.mark.parametrize(
    ("declared", "rule"),
    [
        ({}, "running"),
        ({"owner": "me", "deadline_s": 3_600}, "running"),
        # A team means each of its initializations, whatever time this one was given.
        ({"expected_duration_s": 30}, "initialization-late"),
        ({"expected_duration_s": 300}, "running"),
        ({"expected_duration_s": None}, "running"),
    ],
)
def test_a_team_that_says_how_long_initializations_take_is_heard(declared: Json, rule: str) -> None:
    metadata = {"seedcore.kind": "coa-initialization", "seedcore.limit_s": "120"}
    facts = submission("a", "RUNNING", began=90, metadata=metadata)
    assert judged([{"name": "coa-initialization", **declared}] if declared else [], facts)["a"].rule == rule


def test_a_kind_that_only_a_job_names_is_someones_own_work() -> None:
    assert build_contracts([]).get_expectation("never-declared") is EXPECTATIONS["user"]


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (
            submission("a", "RUNNING", began=86_400, entrypoint="gateway"),
            ("server-runs", "OK", "It serves, as it should until it is shut down.", "Nothing to do."),
        ),
        (
            submission("a", "SUCCEEDED", entrypoint="gateway"),
            (
                "server-ended",
                "BAD",
                "A service should not end: its entrypoint exited with code 0.",
                "Start it again; look for who ended it.",
            ),
        ),
        (
            submission("a", "FAILED", entrypoint="gateway"),
            (
                "server-ended",
                "BAD",
                "The service failed: it failed with exit code 1.",
                "Read its log, mend the cause, run it again.",
            ),
        ),
        (
            submission("a", "STOPPED", entrypoint="gateway"),
            (
                "server-stopped",
                "WARN",
                "It was stopped on request; nothing serves in its place.",
                "Start it again if that was not meant.",
            ),
        ),
        (
            submission("a", "PENDING", entrypoint="gateway"),
            ("pending", "OK", "It has not started; Ray does not tell why; so far for 10 s.", "Nothing to do."),
        ),
    ],
)
def test_a_declared_service_is_judged_as_a_server(facts: JobFacts, wanted: tuple[str, ...]) -> None:
    row = judged([GATEWAY], facts)["a"]
    assert (row.rule, row.verdict, row.reason, row.action) == wanted


def test_a_declared_service_has_no_part_in_serve() -> None:
    """It is judged as a server, and is none of Ray Serve's."""
    row = judged([GATEWAY], submission("a", "RUNNING", entrypoint="gateway"))["a"]
    assert (row.scheduled_by, row.managed_by) == ("Ray Jobs API", "Ray job supervisor")
    row = judged([GATEWAY], driver("a", "RUNNING", entrypoint="gateway"))["a"]
    assert (row.scheduled_by, row.managed_by) == ("whoever started it", "its own process")
    row = judged([{**GATEWAY, "scheduled_by": "us"}], submission("a", "RUNNING", entrypoint="gateway"))["a"]
    assert (row.scheduled_by, row.managed_by) == ("us", "Ray job supervisor")


def test_a_declared_service_is_replaced_by_a_later_one_like_it() -> None:
    jobs = [
        submission("a", "FAILED", began=50, entrypoint="gateway 1"),
        submission("b", "FAILED", began=40, entrypoint="gateway 2"),
        submission("c", "RUNNING", began=30, entrypoint="gateway 2"),
    ]
    rows = judged([GATEWAY], *jobs)
    assert {id: row.rule for id, row in rows.items()} == {
        "a": "server-ended",
        "b": "server-replaced",
        "c": "server-runs",
    }


@pytest.mark.parametrize("outcome", list(JobOutcome))
def test_every_outcome_of_a_service_has_a_meaning(outcome: JobOutcome) -> None:
    assert outcome in build_contracts([KindSpec.model_validate(GATEWAY)]).get_expectation("gateway").meanings


def test_the_owner_of_a_job_is_its_own_word_or_that_of_its_kind() -> None:
    kinds = [{**REPORT, "owner": "finance"}]
    own = submission("a", "RUNNING", entrypoint="python report.py", metadata={"seedcore.owner": "ann"})
    rows = judged(kinds, own, submission("b", "RUNNING", entrypoint="python report.py"), driver("c", "RUNNING"))
    assert {id: row.owner for id, row in rows.items()} == {"a": "ann", "b": "finance", "c": None}


def test_serve_in_the_hands_of_a_declared_kind_is_still_serve() -> None:
    sections = {"actors": [controller("a")], "exits": [exit_of("a", None)]}
    row = judged([{"name": "gateway", "match": {"namespace": "serve"}}], driver("a", "RUNNING"), **sections)["a"]
    assert (row.kind, row.rule) == ("application-server", "server-runs")


YEAR_S, YEAR_H = 31_622_400, 8_784


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("name", ["r", "r2-d2", "r" * 63], ["", "r" * 64, "2r", "-r", "Report", "re port", "report\n"]),
        ("purpose", [None, "", "x" * 300], ["x" * 301, 7]),
        ("owner", [None, "x" * 200], ["x" * 201]),
        ("scheduled_by", [None, "x" * 200], ["x" * 201]),
        ("managed_by", [None, "x" * 200], ["x" * 201]),
        ("must_end", [None, True, False], ["perhaps"]),
        ("expected_duration_s", [None, 0.001, YEAR_S], [0, -1, YEAR_S + 1]),
        ("deadline_s", [None, 0.001, YEAR_S], [0, -1, YEAR_S + 1]),
        ("every_h", [None, 0.001, YEAR_H], [0, -1, YEAR_H + 1]),
        ("allowed_failures", [0, 1, 100], [-1, 101, None, 1.5]),
        ("match", [None, {"entrypoint": "x"}], [{}, "x"]),
        ("schedule", [], [None, "x"]),
    ],
)
def test_what_each_field_takes(name: str, accepted: list[Any], refused: list[Any]) -> None:
    for value in accepted:
        made = KindSpec.model_validate({"name": "report", name: value})
        assert made.model_dump(mode="json", exclude_defaults=name == "match").get(name) == (
            value if name != "match" or value is None else {"entrypoint": "x"}
        )
    for value in refused:
        with pytest.raises(ValidationError):
            KindSpec.model_validate({"name": "report", name: value})


LONG, TOO_LONG = "x" * 300, "x" * 301


@pytest.mark.parametrize(
    ("match", "accepted"),
    [
        *(({name: LONG}, True) for name in ("entrypoint", "submission_id", "namespace")),
        *(({name: TOO_LONG}, False) for name in ("entrypoint", "submission_id", "namespace")),
        *(({name: ""}, False) for name in ("entrypoint", "submission_id", "namespace")),
        ({"metadata": {LONG: LONG}}, True),
        ({"metadata": {TOO_LONG: "x"}}, False),
        ({"metadata": {"x": TOO_LONG}}, False),
        ({"metadata": {str(each): "x" for each in range(20)}}, True),
        ({"metadata": {str(each): "x" for each in range(21)}}, False),
        ({"metadata": {}}, False),
        ({}, False),
        ({"entrypoint": "", "namespace": "x"}, True),
    ],
)
def test_what_can_be_matched(match: Json, accepted: bool) -> None:
    if accepted:
        given = {"entrypoint": None, "submission_id": None, "namespace": None, "metadata": {}, **match}
        assert Match.model_validate(match).model_dump() == given
        return
    with pytest.raises(ValidationError):
        Match.model_validate(match)


def test_what_is_refused_says_what_is_needed() -> None:
    with pytest.raises(ValidationError) as refused:
        Match()
    sentence = "Value error, match needs at least one of entrypoint, submission_id, namespace, metadata"
    assert [each["msg"] for each in refused.value.errors()] == [sentence]


def test_what_is_not_said_is_nothing() -> None:
    assert KindSpec(name="report").model_dump() == {
        "name": "report", "match": None, "purpose": None, "owner": None, "scheduled_by": None, "managed_by": None,
        "must_end": None, "expected_duration_s": None, "deadline_s": None, "every_h": None, "allowed_failures": 0,
    }  # fmt: skip


def test_a_declaration_cannot_be_changed() -> None:
    spec = KindSpec(name="report", match=Match(entrypoint="x"))
    for model, field in ((spec, "owner"), (spec.match, "entrypoint")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(model, field, "y")


def test_what_the_fields_say_of_themselves() -> None:
    said = {name: field.description for name, field in KindSpec.model_fields.items() if field.description}
    assert said == {
        "name": "The kind.",
        "owner": "Who answers for it; named in findings.",
        "must_end": "True: a job. False: a service; then ending is wrong.",
        "expected_duration_s": "Longer is WARN.",
        "deadline_s": "Longer is BAD.",
        "every_h": "A success is due at least this often.",
        "allowed_failures": "Failures in a row that are only WARN.",
    }
    assert Match.model_fields["namespace"].description == "Of its actors."

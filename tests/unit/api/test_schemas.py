"""Every JSON answer is described to its last field: nothing further or untyped, with meaning, unit and example."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from typing import Any, get_args

import jsonschema
import pytest

from organs.fields import RFC3339_MS, UNIT_KEY
from serve_app.alerts.settings import Rule
from serve_app.jobs.actions.retry import Chance
from serve_app.jobs.diagnosis.catalogue.built_in import CODES, load_built_in
from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.models import Certainty, CodeClass, Fields, SourceKind, TextSource
from serve_app.jobs.judging.outcome import conclude_outcome
from serve_app.jobs.judging.verdicts import VERDICT_RULES
from serve_app.jobs.models import JobFacts, JobType, Known, Verdict
from serve_app.jobs.progress.models import Says, State
from serve_app.outcomes import JobOutcome, OutcomeName, VerdictName
from serve_app.queries.windows import WINDOWS_S, Window
from tests.published import list_answered, list_fields, list_open, list_operations
from tests.unit.fakes import fake_api

DOCUMENT = fake_api().openapi()
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = list_operations(DOCUMENT)
ANSWERED = list_answered(DOCUMENT)
FIELDS = list_fields(DOCUMENT, ANSWERED)

# Places where the names are not ours to list, or the value is not ours to describe, with the reason.
RESOURCES = "whoever starts a node names resources"
OPEN = {
    "ClusterInfo.available_resources": RESOURCES,
    "ClusterInfo.cluster_resources": RESOURCES,
    "ResourcesAnswer.available": RESOURCES,
    "ResourcesAnswer.total": RESOURCES,
    "ResourcesAnswer.used": RESOURCES,
    "NodeView.resources": RESOURCES,
    "NodeView.labels": "whoever starts a node names labels",
    "JobView.metadata": "whoever submits a job names its metadata",
    "TasksByName.states": "Ray adds states of tasks with its versions",
    "TasksOfJob.by_state": "Ray adds states of tasks with its versions",
    "FiguresView.by_kind": "the configuration declares kinds",
    "HoldsOfJob.resources": RESOURCES,
    "ReportMetrics.by_kind": "the configuration declares kinds",
    "JobCounts.by_kind": "the configuration declares kinds",
    "JobCounts.by_outcome": "counts by outcome; the names are outcomes",
    "JobCounts.by_verdict": "counts by verdict; the names are verdicts",
    "OrganismCounts.organs": "the configuration names organs",
    "ReadyAnswer.checks": "a check for each part, and the configuration names organs",
    "ReportAnswer.more": "lists of the report by their names",
    "AgentStatus.role_probabilities": "the configuration names the shares of roles",
    "TaskResult.output (untyped)": "each skill answers JSON of its own form, also those that users write",
}
# The same of what is read.
OPEN_BODIES = {
    "OldTask (further properties)": "old clients send keys that mean nothing here",
    "OldTaskData (further properties)": "old clients send keys that mean nothing here",
    "OldTaskData.parameters": "each skill names its own",
    "Task.parameters": "each skill names its own",
    "BodyValue (untyped)": "any JSON that a body may hold: skills read theirs, Ray its own",
    "SubmitBody.metadata": "whoever submits a job names its metadata",
    "SubmitBody.resources": RESOURCES,
    "SubmitBody.runtime_env": "Ray's own fields; the configuration says which are allowed",
}


def options(field: Any) -> list[Any]:
    """The field, or what it may be."""
    return [
        option for each in field.get("anyOf", [field]) for option in ([each] if "anyOf" not in each else options(each))
    ]


def leaves(field: Any) -> Iterator[Any]:
    """Everything that is no list, map or reference in a field."""
    for option in options(field):
        if option.get("type") == "array":
            yield from leaves(option["items"])
        elif option.get("type") == "object" and isinstance(option.get("additionalProperties"), dict):
            yield from leaves(option["additionalProperties"])
        elif "$ref" not in option:
            yield option


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_answer_has_a_schema_and_a_media_type(name: str) -> None:
    for status, response in OPERATIONS[name]["responses"].items():
        if status == "204":
            assert "content" not in response
            continue
        assert response["content"], status
        for media_type, content in response["content"].items():
            is_json = media_type.endswith("json")
            assert content["schema"] == {"type": "string"} or is_json, (status, media_type)
            assert not is_json or list(content["schema"]) == ["$ref"], (status, media_type)


def test_what_is_answered_in_other_forms_than_json() -> None:
    other = {
        name: sorted(set(operation["responses"].get("200", {}).get("content", ())) - {"application/json"})
        for name, operation in OPERATIONS.items()
    }
    assert {name: media_types for name, media_types in other.items() if media_types} == {
        "GET /jobs/hierarchy": ["text/plain"],
        "GET /jobs/{id}/logs": ["text/event-stream", "text/plain"],
        "GET /report": ["text/html", "text/markdown", "text/plain"],
    }


def test_nothing_further_and_nothing_untyped_but_what_is_listed() -> None:
    found = {place for name in ANSWERED - {"JsonValue"} for place in list_open(SCHEMAS[name], name)}
    found |= {place for name, field in FIELDS.items() for place in list_open(field, name)}
    assert found == set(OPEN)


def test_the_same_of_bodies() -> None:
    bodies = set(SCHEMAS) - ANSWERED
    found = {place for name in bodies for place in list_open(SCHEMAS[name], name)}
    found |= {place for name, field in list_fields(DOCUMENT, bodies).items() for place in list_open(field, name)}
    assert found == set(OPEN_BODIES)


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_field_says_what_it_means_in_what_unit_and_for_example(name: str) -> None:
    field = FIELDS[name]
    description = field.get("description", "")
    assert description.endswith("."), "no sentence"
    kinds = {each.get("type") for each in leaves(field)}
    is_number = bool(kinds & {"integer", "number"})
    assert (UNIT_KEY in field) >= is_number, "a number without a unit"
    assert UNIT_KEY not in field or f"Unit: {field[UNIT_KEY]}." in description
    assert field.get("examples") or kinds <= {"null"}, "no example"
    for example in field.get("examples", ()):
        jsonschema.Draft202012Validator({**field, **DOCUMENT}).validate(example)


def test_every_schema_says_what_it_is() -> None:
    assert [name for name in ANSWERED - {"JsonValue"} if not SCHEMAS[name].get("description")] == []


def test_every_time_has_one_form() -> None:
    named = {name for name in FIELDS if name.split(".")[1].endswith(("_at", "_since", "as_of")) or name.endswith(".at")}
    timed = {name for name, field in FIELDS.items() if any("pattern" in each for each in leaves(field))}
    assert timed == named | {"SignalView.since", "UnfinishedView.since", "AwaitedView.since"}
    for name in timed:
        forms = {(each.get("format"), each.get("pattern")) for each in leaves(FIELDS[name]) if each["type"] != "null"}
        assert forms == {("date-time", RFC3339_MS)}, name


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("JobView.type", JobType),
        ("JobView.outcome", JobOutcome),
        ("JobView.verdict", Verdict),
        ("DiagnosisView.certainty", Certainty),
        ("DiagnosisView.class", CodeClass),
        ("StillnessView.state", State),
        ("RetryAnswer.chance", Chance),
    ],
)
def test_words_are_those_of_the_models(field: str, words: type[StrEnum]) -> None:
    name, key = field.split(".")
    (said,) = (each["enum"] for each in leaves(SCHEMAS[name]["properties"][key]) if "enum" in each)
    assert said == [word.value for word in words]


def test_each_set_of_words_is_one() -> None:
    assert [tuple(kind) for kind in (JobOutcome, Verdict)] == [get_args(OutcomeName), get_args(VerdictName)]
    said = SCHEMAS["JobsSummaryAnswer"]["properties"]["window"]["enum"]
    assert said == list(WINDOWS_S) == list(get_args(Window))


def test_what_signals_say_are_the_words_of_the_models() -> None:
    assert SCHEMAS["SignalView"]["properties"]["says"]["enum"] == list(get_args(Says))


def get_example(field: str) -> Any:
    (example,) = FIELDS[field]["examples"]
    return example


def test_codes_of_examples_are_in_the_vocabulary() -> None:
    """But for what is wrong with a request, whose codes are others."""
    fields = [name for name in FIELDS if name.endswith(".code") and name != "Problem.code"]
    assert len(fields) >= 6
    assert {get_example(name) for name in (*fields, "FailureCause.cause")} <= set(CODES)
    assert get_example("ChainLink.sentence") == CODES[get_example("ChainLink.code")].sentence


def test_rules_of_examples_are_there() -> None:
    job = JobFacts("a", JobType.SUBMISSION, "SUCCEEDED", submission_id="a", exit_code=0)
    (evidence,) = conclude_outcome(job, Known(None)).evidence
    assert asdict(evidence) == {name: get_example(f"EvidenceView.{name}") for name in ("rule", "source", "fact")}
    log = b'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\nValueError: x\n'
    found = diagnose(Fields("FAILED", None, 1), [TextSource("a", SourceKind.DRIVER, [log])])
    assert (found.code, found.rule) == (get_example("CandidateView.code"), get_example("CandidateView.rule"))
    signature = next(each for each in load_built_in().signatures if each.name == get_example("DiagnosisView.rule"))
    assert signature.code == get_example("DiagnosisView.code")
    assert get_example("JobView.rule") in {rule.name for rule in VERDICT_RULES}
    assert {get_example("AlertView.rule"), get_example("FindingView.rule")} <= set(Rule)
    rules = {"AlertView", "CandidateView", "DiagnosisView", "EvidenceView", "FindingView", "JobView"}
    assert {name.split(".")[0] for name in FIELDS if name.endswith(".rule")} == rules

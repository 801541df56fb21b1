"""Every rule: when it says that something is wrong, when not, and when it cannot know."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.alerts.conditions import Assessment, judge
from serve_app.alerts.models import Condition, Gap
from serve_app.alerts.settings import FOUND_RULES, AlertsConfig, Rule
from tests.unit.alerts.parts import CONFIG, NOON, at, finding, inputs, organism

OF_INSPECTOR = tuple(rule for rule in Rule if rule is not Rule.ORGAN_NOT_RESPONDING)


def judged(said: Any = None, organs: Any = None, config: AlertsConfig = CONFIG) -> Assessment:
    return judge(inputs() if said is None else said, organism() if organs is None else organs, config, NOON)


def gaps(*rules: Rule) -> frozenset[Gap]:
    return frozenset(Gap(rule) for rule in rules)


def window(ended: int, failed: int) -> dict[str, Any]:
    return {"windows": {"1h": {"ended": ended, "failed": failed}}}


def node(node_id: str = "n1", cpu: Any = 0.1, memory: Any = 0.1) -> dict[str, Any]:
    return {"node_id": node_id, "ip": "10.0.0.1", "cpu_ratio": cpu, "memory_ratio": memory}


def responses(count: int, p95_s: Any) -> dict[str, Any]:
    return {"responses": {"5m": {"count": count, "p95_s": p95_s}}}


FINE = Assessment((), frozenset())
LEFT = "leftover-actors"


def test_all_is_well() -> None:
    assert judged() == FINE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # job-failure-rate: more than 5 % of at least 20
        (window(20, 1), []),
        (window(20, 2), [("job-failure-rate", "cluster", "warning", 0.1, 0.05)]),
        (window(19, 19), []),
        (window(0, 0), []),
        (window(1000, 50), []),
        (window(1000, 51), [("job-failure-rate", "cluster", "warning", 0.051, 0.05)]),
        # cpu-high and memory-high: above 80 %, each node for itself
        ({"nodes": [node(cpu=0.8, memory=0.8)]}, []),
        ({"nodes": [node(cpu=0.81)]}, [("cpu-high", "n1", "warning", 0.81, 0.8)]),
        ({"nodes": [node(memory=0.95)]}, [("memory-high", "n1", "warning", 0.95, 0.8)]),
        (
            {"nodes": [node(), node("n2", cpu=0.9, memory=0.9)]},
            [("cpu-high", "n2", "warning", 0.9, 0.8), ("memory-high", "n2", "warning", 0.9, 0.8)],
        ),
        # api-slow: 95th percentile above 5 s of at least 20
        (responses(20, 5.0), []),
        (responses(20, 5.1), [("api-slow", "api", "warning", 5.1, 5.0)]),
        (responses(19, 60.0), []),
        (responses(0, None), []),
        # what the judge found
        ({"findings": [finding()]}, [("stuck-job", "raysubmit_1", "critical", None, None)]),
        ({"findings": [finding("missing-job", "n", "WARN")]}, [("missing-job", "n", "warning", None, None)]),
        ({"findings": [finding("past-deadline")]}, [("past-deadline", "raysubmit_1", "critical", None, None)]),
        ({"findings": [finding(LEFT, "02000000")]}, [(LEFT, "02000000", "critical", None, None)]),
        (
            {"findings": [finding("refused-setting", "deployment Ingress", "WARN", subject_type="deployment")]},
            [("refused-setting", "deployment Ingress", "warning", None, None)],
        ),
        ({"findings": [finding("some-other-rule"), finding(verdict="OK")]}, []),
        # the same twice is one condition, as bad as the worse
        (
            {"findings": [finding(verdict="WARN"), finding(), finding(verdict="WARN")]},
            [("stuck-job", "raysubmit_1", "critical", None, None)],
        ),
    ],
)
def test_of_the_inspector(changes: dict[str, Any], expected: list[Any]) -> None:
    answer = judged(inputs(**changes))
    seen = [(each.rule, each.subject, each.severity, each.value, each.threshold) for each in answer.conditions]
    assert (seen, answer.unknown) == (expected, frozenset())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (window(20, 2), ("cluster", None, None)),
        ({"nodes": [node(cpu=0.81)]}, ("node", "n1", None)),
        (responses(20, 5.1), ("api", None, None)),
        ({"findings": [finding()]}, ("job", "raysubmit_1", "session_1")),
        ({"findings": [finding("missing-job", subject_type="kind", session=None)]}, ("kind", "raysubmit_1", None)),
        # An inspector of another version: one that knows more types, or none.
        (
            {"findings": [finding("refused-setting", subject_type="deployment", session=None)]},
            ("deployment", "raysubmit_1", None),
        ),
        ({"findings": [finding(subject_type="actor")]}, (None, "raysubmit_1", "session_1")),
        ({"findings": [finding(subject_type=None, subject_id=None, session=None)]}, (None, None, None)),
    ],
)  # fmt: skip
def test_what_it_is_about_are_facts(changes: dict[str, Any], expected: tuple[Any, ...]) -> None:
    (found,) = judged(inputs(**changes)).conditions
    assert (found.subject_type, found.subject_id, found.session) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("ready", FINE),
        ("degraded", FINE),
        (
            "not_responding",
            Assessment(
                (
                    Condition(
                        Rule.ORGAN_NOT_RESPONDING,
                        "utility_organ_1",
                        "critical",
                        "utility_organ_1 does not respond: No agent answered.",
                        "See its agents: GET /organism/status; its log: `ray logs` of the deployment utility_organ_1.",
                        subject_type="organ",
                        subject_id="utility_organ_1",
                        reason="not_responding",
                    ),
                ),
                frozenset(),
            ),
        ),
        ("asleep", FINE),
        (
            "unplaceable",
            Assessment(
                (
                    Condition(
                        Rule.ORGAN_NOT_RESPONDING,
                        "utility_organ_1",
                        "critical",
                        "No agent answered.",
                        "Add a node that has it, or ask for less (ray_actor_options of the deployment) and deploy "
                        "again.",
                        subject_type="organ",
                        subject_id="utility_organ_1",
                    ),
                ),
                frozenset(),
            ),
        ),
        ("waking", Assessment((), frozenset({Gap(Rule.ORGAN_NOT_RESPONDING, "utility_organ_1")}))),
        # one that starts was perhaps silent a moment ago; a word that is not agreed means nothing
        ("starting", Assessment((), frozenset({Gap(Rule.ORGAN_NOT_RESPONDING, "utility_organ_1")}))),
        ("dreaming", Assessment((), frozenset({Gap(Rule.ORGAN_NOT_RESPONDING, "utility_organ_1")}))),
    ],
)
def test_of_the_manager(status: str, expected: Assessment) -> None:
    assert judged(organs=organism(status)) == expected


@pytest.mark.parametrize(
    ("changes", "unknown"),
    [
        ({"windows": None}, gaps(Rule.JOB_FAILURE_RATE)),
        ({"windows": {}}, gaps(Rule.JOB_FAILURE_RATE)),
        ({"windows": {"1h": None}}, gaps(Rule.JOB_FAILURE_RATE)),
        ({"windows": {"1h": {"ended": "many"}}}, gaps(Rule.JOB_FAILURE_RATE)),
        ({"nodes": None}, gaps(Rule.CPU_HIGH, Rule.MEMORY_HIGH)),
        ({"nodes": []}, gaps(Rule.CPU_HIGH, Rule.MEMORY_HIGH)),
        ({"nodes": "all"}, gaps(Rule.CPU_HIGH, Rule.MEMORY_HIGH)),
        ({"nodes": [node(cpu=float("nan"))]}, gaps(Rule.CPU_HIGH, Rule.MEMORY_HIGH)),
        ({"nodes": [node(cpu=None)]}, frozenset({Gap(Rule.CPU_HIGH, "n1")})),
        ({"nodes": [node(memory=None)]}, frozenset({Gap(Rule.MEMORY_HIGH, "n1")})),
        ({"responses": None}, gaps(Rule.API_SLOW)),
        ({"responses": {"5m": None}}, gaps(Rule.API_SLOW)),
        (responses(20, None), gaps(Rule.API_SLOW)),
        ({"findings": None}, gaps(*FOUND_RULES)),
        ({"findings": [{"rule": "stuck-job"}]}, gaps(*FOUND_RULES)),
        ({"findings": [], "unknown_findings": ["leftover-actors", "of-a-newer-version"]}, gaps(Rule.LEFTOVER_ACTORS)),
        ({"unknown_findings": None}, frozenset()),
        (
            {"unknown_subjects": {"stuck-job": ["job a", "job\n b"], "of-a-newer-version": ["job c"]}},
            frozenset({Gap(Rule.STUCK_JOB, "job a"), Gap(Rule.STUCK_JOB, "job b")}),
        ),
        ({"unknown_subjects": None}, frozenset()),
        ({"as_of": None}, gaps(*OF_INSPECTOR)),
        ({"as_of": "yesterday"}, gaps(*OF_INSPECTOR)),
        ({"as_of": at(-61).isoformat()}, gaps(*OF_INSPECTOR)),
        ({"as_of": at(-60).isoformat()}, frozenset()),
    ],
)
def test_what_is_missing_old_or_not_as_agreed_is_unknown(changes: dict[str, Any], unknown: frozenset[Gap]) -> None:
    assert judged(inputs(**changes)) == Assessment((), unknown)


def test_what_one_finding_does_not_say_takes_nothing_from_the_others() -> None:
    broken = [{"rule": "stuck-job"}, "x", None, finding() | {"verdict": 7}]
    for each in broken:
        answer = judged(inputs(findings=[each, finding("past-deadline"), finding(LEFT, "02", subject_type="actor")]))
        assert [(found.rule, found.subject) for found in answer.conditions] == [
            (Rule.PAST_DEADLINE, "raysubmit_1"),
            (Rule.LEFTOVER_ACTORS, "02"),
        ]
        assert answer.unknown == gaps(*FOUND_RULES)
    # A type that is not known is no gap: the finding itself is.
    newer = judged(inputs(findings=[finding(subject_type="actor"), finding("past-deadline")]))
    assert (len(newer.conditions), newer.unknown) == (2, frozenset())


def test_parts_that_do_not_answer() -> None:
    assert judge(None, None, CONFIG, NOON) == Assessment((), gaps(*Rule))
    assert judge(None, organism(), CONFIG, NOON).unknown == gaps(*OF_INSPECTOR)
    assert judge(inputs(), None, CONFIG, NOON).unknown == gaps(Rule.ORGAN_NOT_RESPONDING)
    assert judge(inputs(), {"as_of": NOON.isoformat(), "organs": [{}]}, CONFIG, NOON).unknown == gaps(
        Rule.ORGAN_NOT_RESPONDING
    )


def test_a_rule_that_is_disabled_says_nothing_at_all() -> None:
    config = AlertsConfig(disabled=tuple(Rule))
    assert judge(None, organism("not_responding"), config, NOON) == FINE


def test_thresholds_and_the_window_are_settings() -> None:
    config = AlertsConfig(job_failure_ratio=0.5, job_failure_minimum=2, job_failure_window="5m", cpu_ratio=0.1)
    said = inputs(windows={"1h": {"ended": 100, "failed": 100}, "5m": {"ended": 4, "failed": 3}})
    seen = [(each.rule, each.value, each.threshold) for each in judged(said, config=config).conditions]
    assert seen == [("job-failure-rate", 0.75, 0.5), ("cpu-high", 0.2, 0.1)]


def test_sentences() -> None:
    said = inputs(**window(200, 30), nodes=[node(cpu=0.912)], **responses(50, 7.25))
    assert [each.sentence for each in judged(said).conditions] == [
        "30 of 200 jobs whose end is proven failed (15.0%), of all that ended in 1h.",
        "Node n1 (10.0.0.1) uses 91% of its CPU; the limit is 80%.",
        "One in 20 of 50 responses in 5 minutes took longer than 7.25 s; the limit is 5 s.",
    ]
    said = inputs(windows={"1h": {"ended": 36, "failed": 17, "of_all": 39}})
    assert [each.sentence for each in judged(said).conditions] == [
        "17 of 36 jobs whose end is proven failed (47.2%), of 39 that ended in 1h.",
    ]


def test_texts_of_others_are_data() -> None:
    said = inputs(
        findings=[
            finding(subject="a\n\x1b[31mb\0" + "x" * 300, sentence="API_KEY=secret" + "y" * 900, action="\ud800go"),
            finding(subject="\0"),
        ]
    )
    long, empty = judged(said).conditions
    assert long.subject == "a b" + "x" * 197
    assert "secret" not in long.sentence
    assert len(long.sentence) <= 500
    assert (long.action, empty.subject) == ("go", "unnamed")

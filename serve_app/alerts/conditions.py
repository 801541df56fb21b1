"""What is wrong now, and what cannot be known now. Pure.

The inputs are answers of other parts. A section that is missing, old or not as agreed is a gap: an alert about it is
neither raised nor resolved, because no data is not good news.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from serve_app.alerts.models import Condition, Gap, Severity, SubjectType
from serve_app.alerts.settings import FOUND_RULES, AlertsConfig, Rule
from serve_app.queries.windows import SHORTEST_WINDOW
from serve_app.redaction import redact, strip_controls

T = TypeVar("T")
Json = Mapping[str, Any]

CLUSTER: Final = "cluster"
API: Final = "api"
_MAX_SUBJECT_CHARS = 200
_MAX_TEXT_CHARS = 500
_SEVERITIES: dict[str, Severity] = {"WARN": "warning", "BAD": "critical"}
_FINE_ORGANS = ("ready", "asleep", "degraded")
_UNPLACEABLE_ACTION = "Add a node that has it, or ask for less (ray_actor_options of the deployment) and deploy again."
_FOUND_TYPES: dict[str | None, SubjectType] = {"job": "job", "kind": "kind", "deployment": "deployment"}


class _Input(BaseModel):
    """What is judged of ``schemas.alerts.AlertInputs`` and of the organism's status.

    What else is in them is left alone, since the part that answers may be of a newer version.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class _Window(_Input):
    ended: int = Field(ge=0)
    failed: int = Field(ge=0)
    # An inspector of before does not tell it.
    of_all: int | None = Field(default=None, ge=0)


class _Node(_Input):
    node_id: str
    ip: str | None = None
    cpu_ratio: float | None = None
    memory_ratio: float | None = None


class _Responses(_Input):
    count: int = Field(ge=0)
    p95_s: float | None = None


class _Finding(_Input):
    rule: str
    subject: str
    subject_type: str | None = None
    subject_id: str | None = None
    session: str | None = None
    verdict: str
    sentence: str
    action: str = ""
    # An inspector of before does not tell it.
    reason: str | None = None


class _Organ(_Input):
    organ_id: str
    status: str
    message: str = ""


_TIME: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)
_WINDOWS = TypeAdapter(dict[str, _Window | None])
_NODES = TypeAdapter(tuple[_Node, ...])
_RESPONSES = TypeAdapter(dict[str, _Responses | None])
_FINDINGS = TypeAdapter(tuple[Any, ...])
_NAMES = TypeAdapter(tuple[str, ...])
_SUBJECTS = TypeAdapter(dict[str, tuple[str, ...]])
_ORGANS = TypeAdapter(tuple[_Organ, ...])
_SESSION = TypeAdapter(Annotated[str, Field(min_length=1)])


@dataclass(frozen=True, slots=True)
class Assessment:
    """Conditions, at most one for each fingerprint, and gaps. ``session``: of what jobs they are; None: not told."""

    conditions: tuple[Condition, ...]
    unknown: frozenset[Gap]
    session: str | None = None


def judge(inputs: Json | None, organism: Json | None, config: AlertsConfig, now: datetime) -> Assessment:
    """Judge what the inspector (``alert_inputs``) and the manager (``status``) said; None is no answer."""
    inputs, organism = _require_fresh(inputs, config, now), _require_fresh(organism, config, now)
    said: list[Condition | Gap] = [
        *_check_failure_rate(inputs, config),
        *_check_utilisation(inputs, config),
        *_check_responses(inputs, config),
        *_check_findings(inputs),
        *_check_organs(organism),
    ]
    said = [each for each in said if each.rule not in config.disabled]
    conditions: dict[str, Condition] = {}
    for each in said:
        if isinstance(each, Condition):
            known = conditions.setdefault(each.fingerprint, each)
            if each.severity == "critical" and known.severity == "warning":
                conditions[each.fingerprint] = each
    gaps = frozenset(each for each in said if isinstance(each, Gap))
    return Assessment(tuple(conditions.values()), gaps, _parse_section(_SESSION, inputs, "session"))


def _require_fresh(answer: Json | None, config: AlertsConfig, now: datetime) -> Json:
    """An answer without age, or from long ago, says nothing about now."""
    if not isinstance(answer, Mapping):
        return {}
    as_of = _parse_section(_TIME, answer, "as_of")
    stale = as_of is None or now - as_of > timedelta(seconds=config.stale_after_s)
    return {} if stale else answer


def _parse_section(shape: TypeAdapter[T], answer: Json, name: str) -> T | None:
    """A section of an answer, None when it is missing or not as agreed."""
    if answer.get(name) is None:
        return None
    try:
        return shape.validate_python(answer[name])
    except ValidationError:
        return None


def _check_failure_rate(inputs: Json, config: AlertsConfig) -> Iterable[Condition | Gap]:
    window = (_parse_section(_WINDOWS, inputs, "windows") or {}).get(config.job_failure_window)
    if window is None:
        yield Gap(Rule.JOB_FAILURE_RATE)
        return
    if window.ended < config.job_failure_minimum or window.failed <= config.job_failure_ratio * window.ended:
        return
    ratio = window.failed / window.ended
    yield Condition(
        Rule.JOB_FAILURE_RATE,
        CLUSTER,
        "warning",
        f"{window.failed} of {window.ended} jobs whose end is proven failed ({ratio:.1%}), of "
        f"{'all' if window.of_all is None else window.of_all} that ended in {config.job_failure_window}.",
        "See which causes come most often: GET /jobs/summary, failures_by_cause.",
        round(ratio, 6),
        config.job_failure_ratio,
        CLUSTER,
    )


def _check_utilisation(inputs: Json, config: AlertsConfig) -> Iterable[Condition | Gap]:
    nodes = _parse_section(_NODES, inputs, "nodes")
    # The head always exists: no node at all is no observation.
    if not nodes:
        yield from (Gap(Rule.CPU_HIGH), Gap(Rule.MEMORY_HIGH))
        return
    for node in nodes:
        subject = _shorten_subject(node.node_id)
        where = f"Node {subject}" + (f" ({_shorten_subject(node.ip)})" if node.ip else "")
        for rule, what, ratio, threshold, action in (
            (
                Rule.CPU_HIGH,
                "CPU",
                node.cpu_ratio,
                config.cpu_ratio,
                "See what runs there: GET /jobs?outcome=running; spread it, or add a node.",
            ),
            (
                Rule.MEMORY_HIGH,
                "memory",
                node.memory_ratio,
                config.memory_ratio,
                "See what holds it: GET /cluster/leftovers and GET /jobs?outcome=running; beyond 95 % Ray kills tasks.",
            ),
        ):
            if ratio is None:
                yield Gap(rule, subject)
            elif ratio > threshold:
                sentence = f"{where} uses {ratio:.0%} of its {what}; the limit is {threshold:.0%}."
                value = round(ratio, 6)
                yield Condition(
                    rule, subject, "warning", sentence, action, value, threshold, "node", subject, reason=rule.value
                )


def _check_responses(inputs: Json, config: AlertsConfig) -> Iterable[Condition | Gap]:
    responses = (_parse_section(_RESPONSES, inputs, "responses") or {}).get(SHORTEST_WINDOW)
    if responses is None or (responses.p95_s is None and responses.count >= config.response_minimum):
        yield Gap(Rule.API_SLOW)
        return
    p95_s = responses.p95_s
    if p95_s is None or responses.count < config.response_minimum or p95_s <= config.response_p95_s:
        return
    yield Condition(
        Rule.API_SLOW,
        API,
        "warning",
        f"One in 20 of {responses.count} responses in 5 minutes took longer than {p95_s:.3g} s; "
        f"the limit is {config.response_p95_s:g} s.",
        "See whether organs queue (GET /organism/status) or nodes are full (GET /cluster/resources).",
        round(p95_s, 6),
        config.response_p95_s,
        API,
    )


def _check_findings(inputs: Json) -> Iterable[Condition | Gap]:
    findings = _parse_section(_FINDINGS, inputs, "findings")
    if findings is None:
        yield from (Gap(rule) for rule in FOUND_RULES)
        return
    unknown = _parse_section(_NAMES, inputs, "unknown_findings") or ()
    yield from (Gap(rule) for rule in FOUND_RULES if rule.value in unknown)
    subjects = _parse_section(_SUBJECTS, inputs, "unknown_subjects") or {}
    for rule in FOUND_RULES:
        yield from (Gap(rule, _shorten_subject(each)) for each in subjects.get(rule.value, ()))
    for each in findings:
        try:
            finding = _Finding.model_validate(each)
        except ValidationError:
            # Something is wrong that cannot be told; what the others say is so.
            yield from (Gap(rule) for rule in FOUND_RULES)
            continue
        # Findings of other rules are for the report.
        if finding.rule in FOUND_RULES and finding.verdict in _SEVERITIES:
            yield Condition(
                Rule(finding.rule),
                _shorten_subject(finding.subject),
                _SEVERITIES[finding.verdict],
                _clean_text(finding.sentence),
                _clean_text(finding.action),
                subject_type=_FOUND_TYPES.get(finding.subject_type),
                subject_id=finding.subject_id,
                session=finding.session,
                reason=_shorten_subject(finding.reason) if finding.reason else None,
            )


def _check_organs(organism: Json) -> Iterable[Condition | Gap]:
    organs = _parse_section(_ORGANS, organism, "organs")
    if organs is None:
        yield Gap(Rule.ORGAN_NOT_RESPONDING)
        return
    for organ in organs:
        subject = _shorten_subject(organ.organ_id)
        if organ.status == "not_responding":
            yield Condition(
                Rule.ORGAN_NOT_RESPONDING,
                subject,
                "critical",
                _clean_text(f"{organ.organ_id} does not respond: {organ.message}"),
                f"See its agents: GET /organism/status; its log: `ray logs` of the deployment {subject}.",
                subject_type="organ",
                subject_id=subject,
                reason=organ.status,
            )
        elif organ.status == "unplaceable":
            yield Condition(
                Rule.ORGAN_NOT_RESPONDING,
                subject,
                "critical",
                _clean_text(organ.message),
                _UNPLACEABLE_ACTION,
                subject_type="organ",
                subject_id=subject,
            )
        elif organ.status not in _FINE_ORGANS:
            # One that starts is not yet well, and was perhaps not responding a moment ago.
            yield Gap(Rule.ORGAN_NOT_RESPONDING, subject)


def _shorten_subject(name: str) -> str:
    return " ".join(strip_controls(name).split())[:_MAX_SUBJECT_CHARS] or "unnamed"


def _clean_text(text: str) -> str:
    return redact(text)[:_MAX_TEXT_CHARS]

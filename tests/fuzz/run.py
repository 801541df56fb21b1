"""Draws cases, sends them, and keeps figures."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import schemathesis
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from serve_app.api.access import Role
from serve_app.api.guard import find_role_needed
from tests.fuzz.judging import Answer, find_exception, list_faults

_OF_EVERY_ANSWER: list[Any] = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
]
# OpenAPI 3.1 has no schema for the events of a stream: the document says `string`, and names `LogEnd` in words.
_STREAM = "text/event-stream"
# Who asks, case by case: most of them one who may, since the others are told no more than that.
_CALLERS = ("operator", "nobody", "operator", "reader", "operator", "executor", "operator", "operator")
_MOST_EXAMPLES = 3
_ROUND = 50


@dataclass
class Figures:
    """What came of a run."""

    cases: int = 0
    by_operation: Counter[str] = field(default_factory=Counter)
    by_status: Counter[int] = field(default_factory=Counter)
    by_role: Counter[str] = field(default_factory=Counter)
    valid: int = 0
    excused: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=dict)

    def note(self, fault: str, case: str) -> None:
        """Keep a fault with the first cases that showed it."""
        examples = self.faults.setdefault(fault, [])
        if len(examples) < _MOST_EXAMPLES:
            examples.append(case)


@dataclass(frozen=True)
class Target:
    """Where cases go: the document, the address, a token for each role, and names that exist there."""

    document: dict[str, Any]
    url: str
    tokens: Mapping[str, str | None]
    known: Mapping[str, str]
    application: Any = None
    left_out: frozenset[str] = frozenset()


def run(target: Target, count: int, seed: int, progress: Callable[[int], None] = lambda _: None) -> Figures:
    """Send so many cases, valid and not, in turn for every operation and role."""
    schema: Any = schemathesis.openapi.from_dict(target.document)
    schema.app = target.application
    operations = [each.ok() for each in schema.get_all_operations()]
    operations = [each for each in operations if each.label not in target.left_out]
    callers, figures = itertools.cycle(_CALLERS), Figures()
    for turn in itertools.count():
        quota = min(_ROUND, 1 + count // (2 * len(operations)))
        for operation, mode in itertools.product(operations, GenerationMode):
            _draw(target, operation, mode, min(quota, count - figures.cases), seed + turn, callers, figures)
            progress(figures.cases)
            if figures.cases >= count:
                return figures
    raise AssertionError("the turns do not end by themselves")


def _draw(
    target: Target, operation: Any, mode: Any, most: int, seed: int, callers: Iterator[str], figures: Figures
) -> None:
    left = iter(range(most))

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=most, database=None, deadline=None, phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(case=operation.as_strategy(mode))
    def send(case: Any) -> None:
        if next(left, None) is not None:
            _send(target, case, mode.is_positive, next(callers), figures)

    try:
        send()
    except hypothesis.errors.Unsatisfiable:
        return  # nothing that is sent to it can be wrong


def _send(target: Target, case: Any, is_valid: bool, caller: str, figures: Figures) -> None:
    label = case.operation.label
    for name in case.path_parameters or {}:
        if name in target.known and figures.by_operation[label] % 3:
            case.path_parameters[name] = target.known[name]
    token = target.tokens[caller]
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    response = case.call(base_url=target.url, headers=headers)
    sent = response.request.headers.get("Authorization", "").removeprefix("Bearer ")
    role = next((Role[name.upper()] for name, each in target.tokens.items() if each is not None and each == sent), None)
    method, path = label.split(" ", 1)
    status = response.status_code
    media_type = (response.headers.get("content-type") or [""])[0]
    body = response.json() if media_type.endswith("json") else {}
    answer = Answer(
        label, role, find_role_needed(method, path), is_valid, status, response.headers,
        body if isinstance(body, dict) else {},
    )  # fmt: skip
    figures.cases += 1
    figures.by_operation[label] += 1
    figures.by_status[status] += 1
    figures.by_role[caller] += 1
    figures.valid += is_valid
    if is_valid and find_exception(answer) is not None:
        figures.excused[label, answer.refusal] += 1
    faults = list_faults(answer)
    of_its_form = [] if media_type.startswith(_STREAM) else [checks.response_schema_conformance]
    try:
        case.validate_response(response, checks=[*_OF_EVERY_ANSWER, *of_its_form])
    except FailureGroup as found:
        faults += [each.title for each in found.exceptions]
    for fault in faults:
        figures.note(f"{label}: {fault}", f"{case.as_curl_command()[:600]} -> {status} {response.text[:300]}")

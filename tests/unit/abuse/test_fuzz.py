"""A fixed number of the cases that ``make fuzz`` draws from the published schema, and how their answers are judged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serve_app.api.access import Role
from tests.fuzz.__main__ import aim_here, describe
from tests.fuzz.judging import EXCEPTIONS, Answer, find_exception, list_faults
from tests.fuzz.run import Figures, run
from tests.published import find_operation
from tests.unit.fakes import fake_api

CASES = 1_000
FINE = Answer("GET /jobs", Role.READER, Role.READER, True, 200, {}, {})
PLACE = {"code": "invalid_input", "errors": [{"loc": ["query", "limit"]}, {"loc": ["query", "cursor"]}]}


def test_no_case_shows_a_fault() -> None:
    figures = run(aim_here(), CASES, seed=12)
    assert figures.faults == {}
    assert (figures.cases, len(figures.by_operation)) == (CASES, 31)
    assert set(figures.by_role) == {"nobody", "reader", "executor", "operator"}
    assert 0.4 < figures.valid / CASES < 0.6
    assert figures.by_status[200] > CASES / 4


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({}, []),
        ({"status": 500}, ["a bug: 500"]),
        ({"status": 503}, ["503 without Retry-After"]),
        ({"status": 502}, ["502 without Retry-After"]),
        ({"status": 504}, ["504 without Retry-After"]),
        ({"status": 429}, ["429 without Retry-After"]),
        ({"status": 504, "headers": {"retry-after": ["2"]}}, []),
        ({"role": None}, ["200 for the role None, though 1 is needed"]),
        ({"role": None, "status": 401}, []),
        ({"role": None, "needed": None}, []),
        ({"needed": Role.OPERATOR, "status": 403}, []),
        ({"needed": Role.OPERATOR, "status": 422}, ["422 for the role 1, though 3 is needed"]),
        ({"status": 401}, ["401 for a role that is enough", "the schema allows what is refused: 401 None"]),
        ({"status": 404}, []),
        ({"status": 422, "body": PLACE}, ["the schema allows what is refused: 422 invalid_input query.limit"]),
        ({"status": 422, "body": {**PLACE, "errors": PLACE["errors"][1:]}}, []),
        ({"status": 422, "body": PLACE, "is_valid": False}, []),
        ({"status": 400, "body": {"code": "x"}}, ["the schema allows what is refused: 400 x"]),
    ],
)
def test_an_answer_is_judged(changes: dict[str, Any], faults: list[str]) -> None:
    assert list_faults(replace(FINE, **changes)) == faults


def test_every_exception_is_of_an_operation_and_has_its_reason() -> None:
    document = fake_api().openapi()
    for (label, refusal), reason in EXCEPTIONS.items():
        assert find_operation(document, *label.split(" ")) == label
        assert refusal
        assert len(reason) > 20
    assert find_exception(replace(FINE, body={"code": "not_found"})) is None


def test_the_figures_are_told() -> None:
    figures = Figures(cases=2, valid=1)
    figures.by_operation["GET /jobs"] = 2
    figures.by_role.update({"reader": 2})
    figures.by_status.update({200: 1, 422: 1})
    figures.excused["GET /jobs", "invalid_input query.cursor"] = 1
    for number in range(5):
        figures.note("GET /jobs: a bug: 500", f"case {number}")
    assert describe(figures, 1.4, 7).splitlines() == [
        "2 cases (1 of them valid) in 1 s, seed 7, to 1 operations",
        "by role: reader 2",
        "by status: 200 1, 422 1",
        "allowed by the schema, and refused: 1 x GET /jobs invalid_input query.cursor",
        f"    since {EXCEPTIONS['GET /jobs', 'invalid_input query.cursor']}",
        "FAULT GET /jobs: a bug: 500",
        "    case 0",
        "    case 1",
        "    case 2",
        "1 faults",
    ]

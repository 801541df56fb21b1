from __future__ import annotations

import json
from typing import Any

import pytest

from serve_app.jobs.diagnosis.words.explanation import (
    MOST_ANSWER_CHARS,
    build_question,
    clean_answer,
    describe_diagnosis,
)

DIAGNOSIS: dict[str, Any] = {
    "code": "app.import-error",
    "title": "a missing module",
    "sentence": "A module could not be imported.",
    "certainty": "certain",
    "class": "permanent",
    "advice": ["Install it.", "Or not."],
    "evidence": [{"source": "job.log", "line": 7, "quote": "No module named 'x' password=abcdef123"}],
    "chain": [{"code": "app.task-exception"}, {"code": "app.import-error"}],
    "candidates": [{"why_not": "secret of candidates"}],
    "unavailable": [],
}
NOTHING = {**DIAGNOSIS, "code": None, "sentence": "Nothing is wrong.", "certainty": None, "evidence": [], "advice": []}
UNKNOWN = {**DIAGNOSIS, "code": "unknown", "sentence": "It is not known why.", "certainty": None}
FIELD = {
    **DIAGNOSIS,
    "certainty": "possible",
    "evidence": [{"source": "fields", "line": 0, "quote": "driver_exit_code=137"}],
}


@pytest.mark.parametrize(
    ("diagnosis", "lines"),
    [
        (
            DIAGNOSIS,
            [
                "A module could not be imported.",
                "What shows it is line 7 of job.log: No module named 'x' password=abcdef123",
                "First: Install it.",
            ],
        ),
        (NOTHING, ["Nothing is wrong."]),
        (
            UNKNOWN,
            [
                "It is not known why.",
                "The lines that tell most begin with line 7 of job.log: No module named 'x' password=abcdef123",
                "First: Install it.",
            ],
        ),
        (
            FIELD,
            [
                "A module could not be imported.",
                "What makes it possible is fields: driver_exit_code=137",
                "First: Install it.",
            ],
        ),
    ],
)
def test_our_own_words(diagnosis: dict[str, Any], lines: list[str]) -> None:
    assert describe_diagnosis(diagnosis) == "\n".join(lines)


def test_a_model_is_shown_the_redacted_evidence_and_nothing_else() -> None:
    system, user = build_question(DIAGNOSIS)
    assert (system["role"], user["role"]) == ("system", "user")
    assert json.loads(user["content"]) == {
        "code": "app.import-error",
        "title": "a missing module",
        "sentence": "A module could not be imported.",
        "certainty": "certain",
        "class": "permanent",
        "advice": ["Install it.", "Or not."],
        "evidence": [{"source": "job.log", "line": 7, "quote": "No module named 'x' password=[redacted]"}],
        "chain": ["app.task-exception", "app.import-error"],
    }


def test_a_question_is_bounded() -> None:
    long = {**DIAGNOSIS, "evidence": [{"source": "s", "line": 1, "quote": "q" * 9_000}] * 5}
    assert len(build_question(long)[1]["content"]) == 8_000


def test_an_answer_is_made_safe_to_show() -> None:
    assert clean_answer("  It \x1b[31mfailed\x1b[0m; token=abcdefgh1234 \n") == "It failed; token=[redacted]"
    assert len(clean_answer("x" * 9_000)) == MOST_ANSWER_CHARS

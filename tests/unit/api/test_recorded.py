"""Recorded answers of a running product against the published schema, and the schema against them.

They are written by ``python -m tests.record api``, never by hand. A field that no answer ever filled is one that nobody
needs, or that the recording has to learn; what this machine cannot have stands in ``NOT_HERE`` with the reason.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.published import find_operation, find_schema, list_answered, list_faults, list_fields, list_filled
from tests.unit.fakes import fake_api

DOCUMENT = fake_api().openapi()
RECORDED = Path(__file__).parents[1] / "recorded" / "api"
ANSWERS: list[dict[str, Any]] = [
    each for path in sorted(RECORDED.glob("*.json")) for each in json.loads(path.read_text())
]
JSON = [each for each in ANSWERS if each["media_type"].endswith("json")]
LOG_END = {"$ref": "#/components/schemas/LogEnd"}
GPU, NODES = "needs a GPU", "needs a node that dies"
KILLED = "needs Ray to kill for memory, whatever else runs on the node; replayed from recorded tables instead"
DEAF = "needs a webhook that fails, with which nothing is ever ready; integration has it (alerts/test_storm.py)"
RECEIVER_FIELDS = ("name", "sentence", "action", "failing_since", "failures", "next_at")
NOT_HERE = {
    "CircleView.greediest": KILLED,
    **{f"CulpritView.{name}": KILLED for name in ("name", "used_bytes", "job_id", "pid")},
    "NodeUseNow.gpu_ratio": GPU,
    "NodeUtilisation.gpu_ratio": GPU,
    "NodeView.ended_at": NODES,
    "NodeView.message": NODES,
    **{f"ReceiverView.{name}": DEAF for name in RECEIVER_FIELDS},
    **dict.fromkeys(("AlertPage.receivers", "ReportAnswer.receivers"), DEAF),
    **{f"Problem.{name}": "needs a limit of a token that is reached" for name in ("used", "limit")},
    "ProgramView.call": "needs a program that fails within a library",
    "StackView.reason": "needs a process that ends between being listed and being looked at",
}


def schema_of(answer: dict[str, Any]) -> Any:
    """What is published for an answer; errors are ``Problem`` wherever they come from."""
    if answer["media_type"] == "application/problem+json":
        return {"$ref": "#/components/schemas/Problem"}
    operation = find_operation(DOCUMENT, answer["method"], answer["path"].split("?")[0])
    return find_schema(DOCUMENT, operation, answer["status"], answer["media_type"])


@pytest.mark.parametrize("answer", JSON, ids=lambda each: f"{each['method']} {each['path']} {each['status']}")
def test_an_answer_is_as_published(answer: dict[str, Any]) -> None:
    assert list_faults(DOCUMENT, schema_of(answer), answer["body"]) == []


def test_every_media_type_and_status_is_published() -> None:
    unknown = []
    for answer in ANSWERS:
        try:
            operation = find_operation(DOCUMENT, answer["method"], answer["path"].split("?")[0])
            find_schema(DOCUMENT, operation, answer["status"], answer["media_type"])
        except (KeyError, ValueError):
            unknown.append(f"{answer['method']} {answer['path']} {answer['status']} {answer['media_type']}")
    # What is no operation has no answers in the document.
    assert unknown == ["PUT /jobs 405 application/problem+json", "GET /nowhere 404 application/problem+json"]


def test_every_operation_was_asked() -> None:
    asked = {
        find_operation(DOCUMENT, each["method"], each["path"].split("?")[0]) for each in ANSWERS if each["status"] < 400
    }
    known = {f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert known - asked == set()


def test_the_recording_names_no_machine_and_no_secret() -> None:
    text = "".join(path.read_text() for path in RECORDED.glob("*.json"))
    # Ray itself has a file `…/worker.py`.
    words = ("/work", "/root", "/tmp/seedcore", ".scratch", "-token-of-the-tests")
    assert [word for word in words if re.search(rf"{re.escape(word)}\b", text)] == []
    assert len(text) < 400_000


def ends_of_streams() -> list[Any]:
    """The JSON of the last event of each followed log."""
    streams = [each["body"] for each in ANSWERS if each["media_type"] == "text/event-stream"]
    return [json.loads(text.split("event: end\ndata: ")[1].splitlines()[0]) for text in streams]


def test_the_end_of_a_followed_log_is_as_published() -> None:
    assert ends_of_streams()
    assert [list_faults(DOCUMENT, LOG_END, end) for end in ends_of_streams()] == [[]] * len(ends_of_streams())


def test_every_field_was_filled_by_some_answer() -> None:
    filled = {name for answer in JSON for name in list_filled(DOCUMENT, schema_of(answer), answer["body"])}
    filled |= {name for end in ends_of_streams() for name in list_filled(DOCUMENT, LOG_END, end)}
    fields = {
        name for name, field in list_fields(DOCUMENT, list_answered(DOCUMENT)).items() if field.get("type") != "null"
    }
    assert fields - filled == set(NOT_HERE)

"""What drawn cases found, each as it was found."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from organs.models import MIN_TIMEOUT_S
from serve_app.errors import DeadlineExceeded, InvalidInput, UpstreamFailed
from serve_app.jobs.actions.bodies import SubmitBody, read
from serve_app.queries.paging import make_cursor
from tests.published import list_operations
from tests.unit.fakes import ALL_TOKENS, OPERATOR, fake_api, served

DOCUMENT = fake_api().openapi()
OPERATIONS = list_operations(DOCUMENT)
SKILL = {"type": "task.plan"}


@pytest.mark.parametrize("timeout_s", [5e-324, 1e-9, 0.000_999])
@pytest.mark.parametrize("body", [lambda timeout_s: {**SKILL, "timeout_s": timeout_s}, lambda timeout_s: {
    "task_data": {**SKILL, "timeout_s": timeout_s}
}], ids=["new", "old"])  # fmt: skip
async def test_a_time_in_which_nothing_can_be_done_is_refused(body: Any, timeout_s: float) -> None:
    made = served()
    async with made.client() as client:
        for path in ("/organism/execute", "/organism/execute/random", "/organism/execute/utility_organ_1"):
            answer = await client.post(path, json=body(timeout_s))
            assert answer.status_code == 422
            assert answer.json()["detail"] == f"timeout_s: Input should be greater than or equal to {MIN_TIMEOUT_S}."
        assert made.organs.tasks == []
        assert (await client.post("/organism/execute", json=body(MIN_TIMEOUT_S))).status_code == 200


@pytest.mark.parametrize("error", [UpstreamFailed("It failed."), DeadlineExceeded("Too late.")])
async def test_what_may_pass_says_when_to_come_again(error: Any) -> None:
    made = served()
    made.organs.reply = error
    async with made.client() as client:
        answer = await client.post("/organism/execute/utility_organ_1", json=SKILL)
    assert (answer.status_code, answer.headers["retry-after"]) == (error.status, "2")


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_time_to_come_again_is_published(name: str) -> None:
    answers = OPERATIONS[name]["responses"]
    with_time = {status for status, answer in answers.items() if "Retry-After" in answer.get("headers", {})}
    assert with_time == set(answers) & {"429", "502", "503", "504"}


@pytest.mark.parametrize("name", [name for name, each in OPERATIONS.items() if "requestBody" in each])
def test_what_any_body_may_be_refused_for_is_published(name: str) -> None:
    assert {"400", "408", "413", "415", "422"} <= set(OPERATIONS[name]["responses"])


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/jobs", "GET, HEAD, POST"),
        ("PATCH", "/jobs/x", "DELETE, GET, HEAD"),
        ("DELETE", "/jobs/x/stop", "POST"),
        ("DELETE", "/organism/status", "GET, HEAD"),
        ("GET", "/organism/execute/random", "POST"),
        ("GET", "/events/key", "POST"),
        # A word that is a path of its own, and may be an id, too.
        ("PUT", "/jobs/current", "DELETE, GET, HEAD"),
        ("POST", "/openapi.json", "GET, HEAD"),
    ],
)
async def test_every_method_of_a_path_is_named(method: str, path: str, allowed: str) -> None:
    async with served(ALL_TOKENS).client(OPERATOR) as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def is_published(model: str, value: Any) -> bool:
    validator = jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{model}", **DOCUMENT})
    return validator.is_valid(value)


@pytest.mark.parametrize(
    ("model", "value", "fine"),
    [
        ("Task", SKILL, True),
        ("Task", {"type": "a\0b"}, False),
        ("Task", {**SKILL, "description": "\0"}, False),
        ("Task", {**SKILL, "parameters": {"a": [{"b": "\0"}]}}, False),
        ("Task", {**SKILL, "parameters": {"a": {"\0": 1}}}, False),
        ("Task", {**SKILL, "parameters": {"\0": 1}}, False),
        ("Task", {**SKILL, "parameters": {"a": [1, None, True, {"b": "c\n"}]}}, True),
        ("Task", {**SKILL, "timeout_s": 5e-324}, False),
        ("OldTask", {"task_data": {}}, False),
        ("OldTask", {"task_data": {**SKILL, "history": [1]}, "id": 7}, True),
        ("OldTask", {"task_data": {**SKILL, "history": ["\0"]}}, False),
        ("OldTask", {"task_data": SKILL, "id": "\0"}, False),
        ("SubmitBody", {"entrypoint": ["true", ""]}, True),
        ("SubmitBody", {"entrypoint": [" \t"]}, False),
        ("SubmitBody", {"entrypoint": ["a\0"]}, False),
        ("SubmitBody", {"entrypoint": ["true"], "submission_id": "0123abcd"}, False),
        ("SubmitBody", {"entrypoint": ["true"], "submission_id": "0123abcde"}, True),
        ("SubmitBody", {"entrypoint": ["true"], "submission_id": None, "working_dir": None}, True),
        ("SubmitBody", {"entrypoint": ["true"], "working_dir": "/srv/jobs"}, True),
        ("SubmitBody", {"entrypoint": ["true"], "working_dir": "s3://a/b.zip"}, True),
        ("SubmitBody", {"entrypoint": ["true"], "working_dir": "jobs"}, False),
        ("SubmitBody", {"entrypoint": ["true"], "working_dir": "/a/../b"}, False),
        ("SubmitBody", {"entrypoint": ["true"], "working_dir": "/a/..b"}, True),
        ("SubmitBody", {"entrypoint": ["true"], "working_dir": "/a%2e"}, False),
        ("SubmitBody", {"entrypoint": ["true"], "metadata": {"a": "\0"}}, False),
        ("SubmitBody", {"entrypoint": ["true"], "metadata": {"\0": "a"}}, False),
    ],
)
def test_the_document_says_what_is_refused(model: str, value: Any, fine: bool) -> None:
    assert is_published(model, value) is fine


def test_a_whole_number_may_be_written_as_json_has_it() -> None:
    assert read(SubmitBody, json.loads('{"entrypoint": ["x"], "memory_bytes": 1e9}')).memory_bytes == 1_000_000_000
    with pytest.raises(InvalidInput, match="memory_bytes"):
        read(SubmitBody, {"entrypoint": ["x"], "memory_bytes": True})


@pytest.mark.parametrize("path", ["/jobs", "/cluster/actors", "/alerts", "/alerts/history"])
def test_a_cursor_has_its_form(path: str) -> None:
    (cursor,) = (each for each in OPERATIONS[f"GET {path}"]["parameters"] if each["name"] == "cursor")
    fits = jsonschema.Draft202012Validator(cursor["schema"]).is_valid
    assert all(fits(make_cursor(key)) for key in ((0, ""), (-1, "x"), (2**62, "~" * 64), (1, "é\u20ac")))
    assert not any(fits(each) for each in ("", "x", "W", "1", "W0 ", "W0\0", "x" * 2_000))


def test_an_organ_is_one_of_those_that_exist() -> None:
    organ_id, _ = OPERATIONS["POST /organism/execute/{organ_id}"]["parameters"]
    assert organ_id["schema"]["enum"] == ["cognitive_organ_1", "utility_organ_1"]

"""The OpenAPI document: it can be resolved, says who may call what, and describes what is really answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from serve_app.errors import TooBusy
from tests.unit.fakes import fake_api, served

DOCUMENT = fake_api().openapi()
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
# They look at nothing but the process, or say what no part said.
ASK_NO_PART = {"GET /health", "GET /ready"}
EXECUTES = [name for name in OPERATIONS if name.startswith("POST /organism/execute")]


def everything(value: Any) -> Iterator[Any]:
    yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from everything(each)


def validate(value: Any, model: str) -> None:
    jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{model}", **DOCUMENT}).validate(value)


def test_every_reference_leads_somewhere() -> None:
    references = {node["$ref"] for node in everything(DOCUMENT) if isinstance(node, dict) and "$ref" in node}
    assert {each.removeprefix("#/components/schemas/") for each in references} <= set(SCHEMAS)
    assert "HTTPValidationError" not in SCHEMAS  # FastAPI's own form of errors, which is never answered


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])


def test_roles() -> None:
    said = {name: (operation["x-role"], operation["security"]) for name, operation in OPERATIONS.items()}
    token = [{"token": []}]
    assert said == {
        "GET /health": ("none", []),
        "GET /ready": ("none", []),
        "GET /organism/status": ("reader", token),
        "GET /organism/summary": ("reader", token),
        "POST /organism/initialize": ("operator", token),
        "POST /organism/execute": ("executor", token),
        "POST /organism/execute/random": ("executor", token),
        "POST /organism/execute/{organ_id}": ("executor", token),
        "GET /jobs": ("reader", token),
        "POST /events/{key}": ("none", []),
        "GET /jobs/summary": ("reader", token),
        "GET /jobs/hierarchy": ("reader", token),
        "GET /jobs/lifecycle": ("reader", token),
        "GET /jobs/findings": ("reader", token),
        "GET /cluster/leftovers": ("reader", token),
        "GET /jobs/current": ("reader", token),
        "GET /jobs/{id}": ("reader", token),
        "GET /jobs/{id}/logs": ("reader", token),
        "GET /jobs/{id}/diagnosis": ("reader", token),
        "GET /jobs/{id}/stacks": ("reader", token),
        "POST /jobs": ("operator", token),
        "POST /jobs/{id}/stop": ("operator", token),
        "POST /jobs/{id}/retry": ("operator", token),
        "DELETE /jobs/{id}": ("operator", token),
        "GET /ray/status": ("reader", token),
        "GET /cluster/resources": ("reader", token),
        "GET /cluster/nodes": ("reader", token),
        "GET /cluster/actors": ("reader", token),
        "GET /alerts": ("reader", token),
        "GET /alerts/history": ("reader", token),
        "GET /report": ("reader", token),
    }
    assert DOCUMENT["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_refusals_are_described(name: str) -> None:
    operation = OPERATIONS[name]
    expected = {"403"} if operation["x-role"] == "none" else {"401", "403"}
    if name not in ASK_NO_PART:
        expected |= {"429", "500", "503", "504"}
    assert expected <= set(operation["responses"])
    assert operation["summary"]
    for status, response in operation["responses"].items():
        if int(status) >= 400 and name != "GET /ready":
            assert list(response["content"]) == ["application/problem+json"]


@pytest.mark.parametrize("name", EXECUTES)
def test_examples_are_tasks(name: str) -> None:
    content = OPERATIONS[name]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        jsonschema.Draft202012Validator({**content["schema"], **DOCUMENT}).validate(example["value"])


async def test_answers_are_as_described() -> None:
    api = served()
    async with api.client() as client:
        done = await client.post("/organism/execute/utility_organ_1", json={"type": "x"})
        validate(done.json(), "TaskAnswer")
        api.organs.reply = TooBusy("The queue is full.")
        for path, body in (("utility_organ_1", {"type": "x"}), ("utility_organ_1", {}), ("nobody", {"type": "x"})):
            refused = await client.post(f"/organism/execute/{path}", json=body, headers={"X-Request-Id": "r-1"})
            validate(refused.json(), "Problem")
        served_document = (await client.get("/openapi.json")).json()
    assert served_document == DOCUMENT

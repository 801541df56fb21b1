"""Answers of the running cluster against the schema that it publishes, and a client made from that schema."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.client import NAME, generate_client
from tests.integration.cluster import TOKENS, Cluster, wait_for
from tests.integration.jobs.test_progress import submit
from tests.published import find_operation, find_schema, list_faults

ID = "of-the-schema"
PATHS = (
    "/health",
    "/ready",
    "/organism/status",
    "/organism/summary",
    "/jobs?limit=500",
    f"/jobs/{ID}",
    f"/jobs/{ID}/diagnosis",
    f"/jobs/{ID}/logs",
    f"/jobs/{ID}/stacks",
    "/jobs/current",
    "/jobs/summary?window=24h",
    "/jobs/hierarchy",
    "/jobs/hierarchy?format=mermaid",
    "/jobs/lifecycle",
    "/jobs/findings",
    "/ray/status",
    "/cluster/resources",
    "/cluster/nodes",
    "/cluster/actors",
    "/cluster/leftovers",
    "/alerts",
    "/alerts/history",
    "/report",
    "/report?format=html",
)


@pytest.fixture(scope="module")
def document(cluster: Cluster) -> Any:
    return cluster.get("/openapi.json")


def test_every_answer_is_as_published(cluster: Cluster, document: Any) -> None:
    submit(cluster, ID, "raise SystemExit('of the schema')")
    wait_for("its diagnosis", lambda: cluster.get(f"/jobs/{ID}")["code"], 90)
    faults = {}
    with cluster.api() as api:
        for path in PATHS:
            answer = api.get(path)
            media_type = answer.headers["content-type"].split(";")[0]
            operation = find_operation(document, "GET", path.split("?")[0])
            schema = find_schema(document, operation, answer.status_code, media_type)
            value = answer.json() if media_type.endswith("json") else answer.text
            if found := list_faults(document, schema, value):
                faults[path] = found[:3]
    assert faults == {}


def test_a_generated_client_lists_the_jobs(
    cluster: Cluster, document: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate_client(document, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    list_jobs, models = import_module(f"{NAME}.api.jobs.list_jobs"), import_module(f"{NAME}.models")
    with import_module(NAME).AuthenticatedClient(base_url=cluster.http_url, token=TOKENS["reader"]) as client:
        page = list_jobs.sync(client=client, kind="coa-initialization", limit=5)
        refused = list_jobs.sync(client=client, cursor="no page gave this")
    assert isinstance(page, models.JobPage)
    assert page.items[-1].outcome is models.JobViewOutcome.SUCCEEDED
    assert (page.items[-1].started_at.utcoffset().total_seconds(), page.degraded) == (0.0, [])
    assert (refused.status, refused.code) == (422, "invalid_input")

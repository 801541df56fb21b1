"""The organism on a real cluster: initialization, tasks, memory, and bad input through the real proxy."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.integration.cluster import TOKENS, Cluster, wait_for
from tests.integration.spans import SpanCollector

ORGANS = ["cognitive_organ_1", "actuator_organ_1", "utility_organ_1"]


def initialized(cluster: Cluster) -> dict[str, Any]:
    status = cluster.get("/organism/status")
    assert status["initialization"]["state"] == "succeeded", status["initialization"]
    return status["initialization"]


def test_ready_and_every_organ_has_its_agent(cluster: Cluster) -> None:
    assert httpx.get(f"{cluster.http_url}/health").json() == {"status": "alive"}
    ready = wait_for("ready", lambda: cluster.get("/ready"))
    assert ready["status"] in ("ready", "degraded")
    status = cluster.get("/organism/status")
    assert [(organ["organ_id"], organ["agent_ids"]) for organ in status["data"]] == [
        (organ, [f"{organ}_agent_0"]) for organ in ORGANS
    ]
    assert all(organ["last_probe"]["ok"] for organ in status["data"])


def test_initialization_was_a_ray_job_that_ended_well(cluster: Cluster) -> None:
    done = wait_for("initialization", lambda: initialized(cluster))
    row = cluster.get(f"/jobs/{done['submission_id']}")
    assert (row["kind"], row["outcome"], row["verdict"]) == ("coa-initialization", "succeeded", "OK")
    assert row["scheduled_by"] == "OrganismManager"
    ours = [job for job in cluster.jobs() if (job["submission_id"] or "").startswith("coa-initialization")]
    # Another test asks for one more.
    assert {job["status"] for job in ours} == {"SUCCEEDED"}


def test_initializing_again_does_nothing_and_force_does_it_once(cluster: Cluster) -> None:
    done = wait_for("initialization", lambda: initialized(cluster))
    before = len(cluster.jobs())
    with cluster.api() as api:
        again = api.post("/organism/initialize")
        assert again.status_code == 200
        assert again.json()["message"] == "Organism already initialized"
        assert again.json()["submission_id"] == done["submission_id"]
        forced = api.post("/organism/initialize", json={"force": True})
        assert forced.status_code == 202
        while_running = api.post("/organism/initialize", json={"force": True})
        assert while_running.status_code == 202
        assert while_running.json()["submission_id"] == forced.json()["submission_id"]
    wait_for(
        "the forced run",
        lambda: cluster.get(f"/jobs/{forced.json()['submission_id']}")["outcome"] == "succeeded",
    )
    assert len(cluster.jobs()) == before + 1


@pytest.mark.parametrize("organ_id", ORGANS)
def test_old_clients_are_answered_where_they_look(cluster: Cluster, organ_id: str) -> None:
    old = {"task_data": {"type": "test_task", "description": "look around", "parameters": {"x": 1}}}
    answer = cluster.execute(organ_id, old)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["success"] is True
    assert body["organ_id"] == organ_id
    assert body["result"]["agent_id"] == f"{organ_id}_agent_0"
    assert 0.0 < body["result"]["quality"] <= 1.0


def test_random_is_not_an_organ(cluster: Cluster) -> None:
    answer = cluster.execute("random", {"type": "test_task"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["organ_id"] in ORGANS


def test_memory_is_found_again_and_a_missing_key_is_a_404(cluster: Cluster) -> None:
    put = cluster.execute(
        "utility_organ_1",
        {
            "type": "memory.put",
            "parameters": {"key": "colour", "value": {"sky": "blue"}, "tags": ["test"]},
        },
    )
    assert put.status_code == 200, put.text
    got = cluster.execute("utility_organ_1", {"type": "memory.get", "parameters": {"key": "colour"}}).json()
    assert got["result"]["output"]["value"] == {"sky": "blue"}
    absent = cluster.execute("utility_organ_1", {"type": "memory.get", "parameters": {"key": "no such key"}})
    assert absent.status_code == 404
    assert absent.headers["content-type"].startswith("application/problem+json")


def test_a_job_is_explained_in_words(cluster: Cluster) -> None:
    done = wait_for("initialization", lambda: initialized(cluster))
    answer = cluster.execute(
        "cognitive_organ_1",
        {
            "type": "job.explain",
            "parameters": {"job_id": done["submission_id"]},
        },
    )
    assert answer.status_code == 200, answer.text
    assert "coa-initialization" in json.dumps(answer.json()["result"]["output"])


def test_a_misspelt_skill_is_refused_with_the_nearest(cluster: Cluster) -> None:
    answer = cluster.execute("utility_organ_1", {"type": "memory.putt", "parameters": {}})
    assert answer.status_code == 422
    assert "memory.put" in answer.json()["detail"]


def test_the_fourth_hop_is_traced(cluster: Cluster, spans: SpanCollector) -> None:
    """One trace from the request through the ingress to organ and skill."""
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    with cluster.api() as api:
        answer = api.post(
            "/organism/execute/cognitive_organ_1",
            json={"type": "task.plan", "description": "search memory then probe the organs"},
            headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"},
        )
    assert answer.status_code == 200, answer.text

    def chain() -> list[str]:
        found = {span.span_id: span for span in spans.traces().get(bytes.fromhex(trace_id), [])}
        span = next(span for span in found.values() if span.name == "skill task.plan")
        names = [span.name]
        while span.parent_span_id in found:
            span = found[span.parent_span_id]
            names.append(span.name)
        assert len(names) >= 3, [span.name for span in found.values()]
        return names

    names = wait_for("a skill below the organ's and the ingress's spans", chain, timeout_s=40)
    print("trace:", " <- ".join(names))
    assert any("cognitive_organ_1" in name for name in names)
    assert "Ingress" in names[-1]


BAD = [
    (b"", 422),
    (b"{", 400),
    (b'{"type": NaN}', 400),
    (b'{"type": "a", "parameters": {"x": 1e400}}', 400),
    (b'{"type": "\\ud800"}', 400),
    (b'{"type": "a", "parameters": ' + b'{"a":' * 70 + b"1" + b"}" * 70 + b"}", 400),
    (b"[" * 100_000 + b"]" * 100_000, 400),
    (b'{"type": 5}', 422),
    (b"[]", 422),
    (b'"x"', 422),
    (b"\xff\xfe", 400),
    (b'{"type": "a", "no_such_key": 1}', 422),
    (b'{"type": "a", "timeout_s": -1}', 422),
    (b'{"x": "' + b"a" * 1_100_000 + b'"}', 413),
]


@pytest.mark.parametrize(("body", "status"), BAD, ids=[str(row[0][:24]) for row in BAD])
def test_bad_bodies_are_answered_with_a_problem(cluster: Cluster, body: bytes, status: int) -> None:
    with cluster.api() as api:
        answer = api.post(
            "/organism/execute/utility_organ_1", content=body, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["success"] is False


def test_a_task_that_takes_too_long_is_a_504_and_the_organ_goes_on(cluster: Cluster) -> None:
    slow = cluster.execute("utility_organ_1", {"type": "cluster.nodes", "timeout_s": 0.001})
    assert slow.status_code == 504, slow.text
    assert cluster.execute("utility_organ_1", {"type": "cluster.nodes"}).status_code == 200


def test_access(cluster: Cluster) -> None:
    with cluster.api("nobody") as api:
        assert api.get("/jobs").status_code == 401
        assert api.get("/health").status_code == 200
        # Whoever probes may name any host; nobody else may.
        assert api.get("/health", headers={"Host": "evil.example"}).status_code == 200
        assert api.get("/jobs", headers={"Host": "evil.example"}).status_code == 403
        assert api.get("/ready", headers={"Origin": "https://evil.example"}).status_code == 403
    with cluster.api("reader") as api:
        assert api.get("/jobs").status_code == 200
        assert api.post("/organism/execute/random", json={"type": "x"}).status_code == 403
    with cluster.api("executor") as api:
        assert api.post("/organism/execute/random", json={"type": "x"}).status_code == 200
        assert api.post("/organism/initialize").status_code == 403


def test_no_token_in_any_log(cluster: Cluster) -> None:
    """Every file that Ray and Serve wrote is read: the tokens of this session must be in none.

    But for what a job prints that reads the file of secrets itself (``api/test_secrets.py``).
    """
    needles = [token.encode() for token in TOKENS.values()]
    seen = 0
    for path in cluster.logs.rglob("*"):
        if path.is_file() and "looks-around" not in path.name:
            seen += 1
            content = path.read_bytes()
            assert not any(needle in content for needle in needles), path
    assert seen > 10

"""Every route over fakes: whole answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serve_app.api.routes import health
from serve_app.errors import DeadlineExceeded, TooBusy, Unavailable
from tests.unit.fakes import ALL_TOKENS, AS_OF, OPERATOR, initialization, job, organ, result, served, standard_answers

STANDARD = standard_answers()


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/health", 200, {"status": "alive"}),
        (
            "/ready",
            200,
            {
                "status": "ready",
                "reasons": [],
                "checks": {
                    "store": "ok",
                    "organism_manager": "ok",
                    "job_inspector": "ok",
                    "alerts": "ok",
                    "settings": "ok",
                    "cognitive_organ_1": "ready",
                    "utility_organ_1": "ready",
                    "initialization": "succeeded",
                },
            },
        ),
        (
            "/organism/status",
            200,
            {
                "success": True,
                "data": STANDARD["status"]["organs"],
                "initialization": STANDARD["status"]["initialization"],
                "as_of": AS_OF,
            },
        ),
        (
            "/organism/summary",
            200,
            {
                "success": True,
                "summary": {
                    "initialized": True,
                    "organ_count": 2,
                    "total_agent_count": 2,
                    "organs": {
                        name: {"organ_type": kind, "status": "ready", "agent_count": 1, "desired_agent_count": 1}
                        for name, kind in (("cognitive_organ_1", "Cognitive"), ("utility_organ_1", "Utility"))
                    },
                },
                "as_of": AS_OF,
            },
        ),
        ("/jobs", 200, STANDARD["list_jobs"]),
        ("/jobs/current", 200, STANDARD["current"]),
        ("/jobs/05000000", 200, job("05000000")),
        ("/ray/status", 200, STANDARD["ray_status"] | {"versions": STANDARD["code_versions"]}),
        ("/cluster/resources", 200, STANDARD["cluster_resources"]),
        ("/cluster/nodes", 200, STANDARD["cluster_nodes"]),
        ("/cluster/actors", 200, STANDARD["cluster_actors"]),
    ],
)
async def test_get(path: str, status: int, body: dict[str, Any]) -> None:
    async with served(get_job=job("05000000")).client() as client:
        answer = await client.get(path)
        head = await client.head(path)
    assert (answer.status_code, answer.json()) == (status, body)
    assert (head.status_code, head.content) == (status, b"")


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/jobs?kind=user&status=FAILED&limit=5", ("list_jobs", {"kind": "user", "status": "FAILED", "limit": 5})),
        (
            "/jobs?since=2026-01-01T00:00:00Z",
            ("list_jobs", {"since": "2026-01-01T00:00:00+00:00", "limit": 100}),
        ),
        ("/cluster/actors?state=ALIVE", ("cluster_actors", {"state": "ALIVE", "limit": 100})),
    ],
)
async def test_filters_are_passed_on(path: str, asked: tuple[str, Any]) -> None:
    api = served()
    async with api.client() as client:
        assert (await client.get(path)).status_code == 200
    assert api.part.asked == [asked]


@pytest.mark.parametrize(
    "path",
    [
        "/jobs?statsu=FAILED",
        "/jobs?status=failed",
        "/jobs?outcome=good",
        "/jobs?verdict=fine",
        "/jobs?limit=0",
        "/jobs?limit=501",
        "/jobs?since=yesterday",
        "/jobs?since=2026-01-01T00:00:00",
        "/jobs?since=2026",
        "/jobs?since=0001-01-01T00:00:00%2B05:00",
        "/jobs?until=9999-12-31T23:59:59-05:00",
        "/jobs?until=-5.5",
        "/cluster/actors?limit=x",
        "/report?format=pdf",
        "/report?window=2h",
    ],
)
async def test_a_filter_that_means_nothing_is_refused(path: str) -> None:
    async with served().client() as client:
        answer = await client.get(path)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["success"], answer.json()["code"]) == (False, "invalid_input")


@pytest.mark.parametrize("path", ["organism/execute/cognitive_organ_1", "organism/execute/random", "organism/execute"])
@pytest.mark.parametrize("form", ["new", "old"])
async def test_a_task_reaches_an_organ(path: str, form: str) -> None:
    api = served()
    task = {"type": "task.plan", "description": "d", "parameters": {"goal": "g"}, "task_id": "t-1"}
    body = task if form == "new" else {"task_data": {**task, "priority": 9}}
    async with api.client() as client:
        answer = await client.post(path, json=body)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "success": True,
            "organ_id": "cognitive_organ_1",
            "task_id": "t-1",
            "result": result("cognitive_organ_1_agent_0"),
        },
    )
    assert api.organs.tasks == [("cognitive_organ_1", {**task, "timeout_s": 30.0})]


async def test_random_takes_any_organ_for_a_plain_word() -> None:
    api = served()
    async with api.client() as client:
        seen = {
            (await client.post("/organism/execute/random", json={"type": "x"})).json()["organ_id"] for _ in range(60)
        }
    assert seen == {"cognitive_organ_1", "utility_organ_1"}


@pytest.mark.parametrize(
    ("path", "status", "code", "words"),
    [
        ("/organism/execute/no_such_organ", 404, "not_found", "cognitive_organ_1, utility_organ_1"),
        ("/organism/execute", 422, "unknown_skill", "memory.put"),
        ("/organism/execute/random", 422, "unknown_skill", "memory.put"),
    ],
)
async def test_what_does_not_exist_is_named(path: str, status: int, code: str, words: str) -> None:
    async with served().client() as client:
        answer = await client.post(path, json={"type": "memory.putt"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (TooBusy("The queue is full."), 429, "1"),
        (Unavailable("No agent."), 503, "2"),
        (DeadlineExceeded("Too late."), 504, "2"),
    ],
)
async def test_the_organ_cannot_answer(error: Any, status: int, retry_after: str | None) -> None:
    api = served()
    api.organs.reply = error
    async with api.client() as client:
        answer = await client.post("/organism/execute/utility_organ_1", json={"type": "x"})
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == retry_after
    assert answer.json() == {
        "type": f"urn:seedcore:problem:{error.code}",
        "title": error.title,
        "status": status,
        "detail": error.detail,
        "code": error.code,
        "success": False,
        "error": error.detail,
    }


@pytest.mark.parametrize(
    ("problem_status", "status"), [(403, 403), (404, 404), (422, 422), (502, 502), (503, 503), (504, 504), (500, 502)]
)
async def test_a_problem_in_a_reply_is_a_problem_document(problem_status: int, status: int) -> None:
    api = served()
    api.organs.reply = lambda organ_id, task: {
        "agent_id": "a",
        "problem": {"code": "some_code", "status": problem_status, "detail": "It did not work."},
    }
    async with api.client() as client:
        answer = await client.post("/organism/execute/utility_organ_1", json={"type": "x"})
    body = answer.json()
    assert (answer.status_code, body["success"], body["code"], body["agent_id"]) == (status, False, "some_code", "a")


async def test_what_a_skill_of_users_calls_wrong_is_as_the_document_describes_it() -> None:
    """They may put anything into it."""
    api = served()
    named = [
        {"loc": ("parameters", "key", 1), "msg": "Too long.", "type": "too_long", "input": "a secret", "ctx": {"a": 1}},
        {"loc": ["parameters", None, 1.5, True, "b"], "msg": 7, "type": None},
        {"loc": "parameters"},
        "parameters",
    ]
    problem = {"code": "invalid_input", "status": 422, "detail": "It is wrong.", "errors": named}
    api.organs.reply = lambda organ_id, task: {"agent_id": "a", "problem": problem}
    async with api.client() as client:
        answer = await client.post("/organism/execute/utility_organ_1", json={"type": "x"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"loc": ["parameters", "key", 1], "msg": "Too long.", "type": "too_long"},
        {"loc": ["parameters", "b"], "msg": "It is wrong."},
        {"loc": [], "msg": "It is wrong."},
        {"loc": [], "msg": "It is wrong."},
    ]


@pytest.mark.parametrize(
    ("said", "body", "status", "asked"),
    [
        ("submitted", None, 202, False),
        ("running", {"force": False}, 202, False),
        ("initialized", {}, 200, False),
        ("submitted", {"force": True}, 202, True),
    ],
)
async def test_initialize(said: str, body: Any, status: int, asked: bool) -> None:
    api = served(ALL_TOKENS, initialize_once={"submission_id": "coa-2", "state": said, "message": "m"})
    async with api.client(OPERATOR) as client:
        answer = (
            await client.post("/organism/initialize", json=body)
            if body is not None
            else await client.post("/organism/initialize")
        )
    assert (answer.status_code, answer.json()) == (
        status,
        {"success": True, "submission_id": "coa-2", "state": said, "message": "m"},
    )
    [(question, (forced, request))] = api.part.asked
    assert (question, forced, request[:4]) == ("initialize_once", asked, "own:")


@pytest.mark.parametrize("body", [[], "x", {"force": "yes"}, {"frce": True}, 5])
async def test_initialize_refuses_other_bodies(body: Any) -> None:
    async with served(ALL_TOKENS).client(OPERATOR) as client:
        answer = await client.post("/organism/initialize", json=body)
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("changes", "status", "reasons"),
    [
        ({"ping": Unavailable("The store cannot write.")}, 503, ["store: The store cannot write."]),
        (
            {"status": {**STANDARD["status"], "initialization": initialization("running", sentence="It runs.")}},
            503,
            ["initialization: It runs."],
        ),
        (
            {
                "status": {
                    **STANDARD["status"],
                    "initialization": initialization("running", sentence="Again.", succeeded_before=True),
                }
            },
            200,
            ["initialization: Again."],
        ),
        (
            {
                "status": {
                    **STANDARD["status"],
                    "organs": [
                        organ("utility_organ_1", "Utility", agent_count=0, status="starting", message="No agent.")
                    ],
                }
            },
            503,
            ["utility_organ_1: No agent."],
        ),
        (
            {
                "status": {
                    **STANDARD["status"],
                    "organs": [organ("utility_organ_1", "Utility", status="degraded", message="1 of 2.")],
                }
            },
            200,
            ["utility_organ_1: 1 of 2."],
        ),
        ({"status": Unavailable("Gone.")}, 200, ["organism manager: Gone."]),
        ({"ray_status": Unavailable("Gone.")}, 200, ["job inspector: Gone."]),
        ({"ray_status": {"degraded": ["workers: slow"]}}, 200, ["job inspector: workers: slow"]),
        ({"alerts": Unavailable("Gone.")}, 200, ["alerts: Gone."]),
        (
            {"alerts": {"items": [], "receivers": [{"name": "ops", "sentence": "It said no.", "action": "Ask it."}]}},
            200,
            ["receiver ops: It said no. Ask it."],
        ),
        (
            {
                "deployment_troubles": {
                    "items": [
                        {
                            "rule": "refused-setting",
                            "subject": "deployment Ingress",
                            "subject_type": "deployment",
                            "sentence": "Ingress refused its settings.",
                        }
                    ]
                }
            },
            200,
            ["deployment Ingress: Ingress refused its settings."],
        ),
    ],
)
async def test_ready_says_why_not(changes: dict[str, Any], status: int, reasons: list[str]) -> None:
    async with served(**changes).client() as client:
        answer = await client.get("/ready")
    assert (answer.status_code, answer.json()["reasons"]) == (status, reasons)
    assert answer.json()["status"] == ("not_ready" if status == 503 else "degraded")
    assert answer.headers.get("Retry-After") == ("2" if status == 503 else None)


async def test_readiness_does_not_wait_long_for_what_can_only_degrade_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_PATIENCE_S", 0.01)
    api = served()

    async def hang(query: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(api.part, "alerts", hang, raising=False)
    async with api.client() as client:
        answer = await client.get("/ready")
    assert (answer.status_code, answer.json()["reasons"]) == (200, ["alerts: It did not answer within 0.01 s."])


async def test_ray_status_asks_for_the_versions_and_readiness_does_not() -> None:
    api = served()
    async with api.client() as client:
        await client.get("/ray/status")
        await client.get("/ready")
    asked = [name for name, _ in api.part.asked]
    assert (asked.count("ray_status"), asked.count("code_versions")) == (2, 1)


async def test_ray_status_is_answered_without_the_versions_when_nobody_can_tell_them() -> None:
    """So it is when a new ingress asks an inspector of the version before."""
    async with served(code_versions=Unavailable("Another version.")).client() as client:
        answer = await client.get("/ray/status")
    assert answer.status_code == 200
    assert answer.json() == {**STANDARD["ray_status"], "degraded": ["versions: Another version."]}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/jobs", 405, "method_not_allowed"),
        ("DELETE", "/organism/status", 405, "method_not_allowed"),
        ("OPTIONS", "/jobs", 405, "method_not_allowed"),
        ("GET", "/organism/execute/random", 405, "method_not_allowed"),
    ],
)
async def test_wrong_path_or_method(method: str, path: str, status: int, code: str) -> None:
    async with served(ALL_TOKENS).client(OPERATOR) as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("allow" in answer.headers) == (status == 405)


async def test_an_unexpected_error_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    api = served()
    api.organs.reply = lambda *_: {}["a secret detail"]
    async with api.client() as client:
        answer = await client.post("/organism/execute/utility_organ_1", json={"type": "x"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert [record.action for record in caplog.records if hasattr(record, "action")] == ["unexpected_error"]  # type: ignore[attr-defined]


async def test_the_report_orders_what_to_do() -> None:
    rows = [
        job("04000000", verdict="OK", reason="Fine."),
        job("03000000", verdict="WARN", reason="Slow.", action="Look at it."),
        job("02000000", verdict="BAD", reason="It \x1b[31mfailed\x1b[0m | badly."),
    ]
    api = served(list_jobs={"items": rows, "next_cursor": "c", "as_of": AS_OF, "degraded": []})
    async with api.client() as client:
        report = (await client.get("/report")).json()
        text = (await client.get("/report?format=text")).text
        markdown = (await client.get("/report?format=markdown")).text
    assert report["verdict"] == "BAD"
    assert [(each["verdict"], each["subject"]) for each in report["findings"]] == [
        ("BAD", "job 02000000"),
        ("WARN", "job 03000000"),
    ]
    assert text.startswith("Verdict: BAD")
    assert "\x1b" not in text
    assert "2 of 2" not in text
    assert "1 of 1" in text
    assert "There are more: GET /jobs." in text
    assert "failed \\| badly" in markdown


async def test_the_report_asks_every_part_once() -> None:
    api = served()
    async with api.client() as client:
        report = (await client.get("/report?window=24h")).json()
    assert report["window"] == "24h"
    assert api.part.asked == [
        ("status", None),
        ("list_jobs", {"limit": 100}),
        ("cluster_nodes", None),
        ("cluster_resources", None),
        ("summary", {"window": "24h"}),
        ("lifecycle", None),
        ("findings", None),
        ("alerts", {"limit": 500}),
        ("ray_status", None),
    ]


@pytest.mark.parametrize(
    ("form", "kind", "begin"),
    [
        ("json", "application/json", '{"verdict":"UNKNOWN"'),
        ("text", "text/plain; charset=utf-8", "Verdict: UNKNOWN"),
        ("markdown", "text/markdown; charset=utf-8", "# UNKNOWN"),
        ("html", "text/html; charset=utf-8", "<!doctype html>"),
    ],
)
async def test_the_report_has_four_looks_and_needs_no_part(form: str, kind: str, begin: str) -> None:
    gone = dict.fromkeys(STANDARD, Unavailable("Gone."))
    async with served(**gone).client() as client:
        answer = await client.get(f"/report?format={form}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert answer.text.startswith(begin)
    assert "alerts: Gone." in answer.text


async def test_the_report_says_what_it_could_not_learn() -> None:
    async with served(list_jobs=Unavailable("Ray does not answer.")).client() as client:
        report = (await client.get("/report")).json()
    assert (report["verdict"], report["degraded"]) == ("UNKNOWN", ["jobs: Ray does not answer."])


async def test_the_document_lists_every_route_once() -> None:
    async with served().client() as client:
        document = (await client.get("/openapi.json")).json()
    operations = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(operations) == len(set(operations))
    assert document["paths"]["/organism/execute/{organ_id}"]["post"]["requestBody"]["required"] is True

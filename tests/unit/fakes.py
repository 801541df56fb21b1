"""Dependencies of the API that answer from memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from organs.calls import bind_arguments
from organs.models import TaskMessage, TaskReply
from organs.questions import Question, list_questions
from serve_app.api.access import Tokens
from serve_app.api.app import create_api
from serve_app.api.deps import AlertList, Deps, Jobs, Organism, StoreHealth
from serve_app.env import Env
from serve_app.errors import AppError, NotFound
from serve_app.settings import AppArgs, IngressConfig

AS_OF = "2026-01-01T12:00:00.000+00:00"
READER, EXECUTOR, OPERATOR = "reader-token-0123456789", "executor-token-012345", "operator-token-012345"
ARGS = AppArgs.model_validate(
    {"organs": [{"id": "cognitive_organ_1", "type": "Cognitive"}, {"id": "utility_organ_1", "type": "Utility"}]}
)
ALL_TOKENS = Tokens.load(
    Env(home="/nowhere", reader_token=READER, executor_token=EXECUTOR, operator_token=OPERATOR)  # type: ignore[arg-type]
)


def organ(organ_id: str, organ_type: str, **changes: Any) -> dict[str, Any]:
    return {
        "organ_id": organ_id,
        "organ_type": organ_type,
        "description": "",
        "status": "ready",
        "message": "All agents answer.",
        "agent_count": 1,
        "desired_agent_count": 1,
        "agent_ids": [f"{organ_id}_agent_0"],
        "agents": [],
        "last_probe": {"at": AS_OF, "ok": True, "latency_s": 0.002, "detail": "answered"},
        **changes,
    }


def initialization(state: str = "succeeded", **changes: Any) -> dict[str, Any]:
    return {
        "state": state,
        "submission_id": "coa-1",
        "sentence": "2 organs answer.",
        "started_at": AS_OF,
        "ended_at": AS_OF,
        "attempts": 1,
        "succeeded_before": state == "succeeded",
        **changes,
    }


def job(job_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": job_id,
        "kind": "user",
        "status": "SUCCEEDED",
        "outcome": "ended_unknown",
        "verdict": "UNKNOWN",
        "reason": "Success is not proven.",
        "duration_s": 2.5,
        **changes,
    }


@dataclass
class FakeOrgans:
    reply: Callable[[str, TaskMessage], TaskReply] | AppError | None = None
    tasks: list[tuple[str, TaskMessage]] = field(default_factory=list)
    # What each of them carried, to be told apart when it is sent again.
    requests: list[str] = field(default_factory=list)
    ids: tuple[str, ...] = ("cognitive_organ_1", "utility_organ_1")

    async def execute(self, organ_id: str, task: TaskMessage) -> TaskReply:
        self.requests.append(task.pop("request"))
        self.tasks.append((organ_id, task))
        if isinstance(self.reply, AppError):
            raise self.reply
        if self.reply is not None:
            return self.reply(organ_id, task)
        agent_id = f"{organ_id}_agent_0"
        return {"agent_id": agent_id, "result": result(agent_id)}

    async def skills(self) -> dict[str, list[str]]:
        return {"cognitive_organ_1": ["job.explain", "task.plan"], "utility_organ_1": ["memory.get", "memory.put"]}


def result(agent_id: str) -> Any:
    return {
        "agent_id": agent_id,
        "task_processed": True,
        "success": True,
        "quality": 0.9,
        "capability_score": 0.6,
        "mem_util": 0.01,
        "skill": "task.plan",
        "output": {},
        "duration_s": 0.001,
    }


@dataclass
class FakePart:
    """Organism, jobs, alerts and store in one: each of their questions is answered with what is set, or raises it."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def _say(self, method: str, argument: Any = None) -> Any:
        self.asked.append((method, argument))
        answer = self.answers[method]
        if isinstance(answer, AppError):
            raise answer
        return answer


def _answer(name: str, question: Question) -> Any:
    def noted(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = list(bind_arguments(question, args, kwargs).values())
        return tuple(given) if len(given) > 1 else given[0] if given else None

    if question.is_stream:

        async def follow(self: FakePart, *args: Any, **kwargs: Any) -> Any:
            for item in self._say(name, noted(args, kwargs)):
                if isinstance(item, AppError):
                    raise item
                yield item

        return follow

    async def ask(self: FakePart, *args: Any, **kwargs: Any) -> Any:
        return self._say(name, noted(args, kwargs))

    return ask


for _protocol in (AlertList, Jobs, Organism, StoreHealth):
    for _name, _question in list_questions(_protocol).items():
        setattr(FakePart, _name, _answer(_name, _question))


def summary(**changes: Any) -> dict[str, Any]:
    """An hour in which nothing ended."""
    return {
        "window": "1h",
        "window_s": 3600,
        "as_of": AS_OF,
        "degraded": [],
        "jobs": {
            "ended": 0, "succeeded": 0, "failed": 0, "lost": 0, "stopped": 0, "ended_unknown": 0,
            "success_ratio": None, "error_ratio": None,
        },
        "duration_s": {"count": 0, "p50": None, "p95": None, "p99": None, "max": None},
        "by_kind": {},
        "failures_by_cause": [],
        "utilisation": {
            "as_of": None, "reason": "Not measured yet.", "cpu_ratio": None, "memory_ratio": None, "nodes": [],
        },
        "responses": {"count": 0, "errors": 0, "p50_s": None, "p95_s": None, "p99_s": None, "max_s": None},
        "counts": {"total": 1, "by_kind": {"user": 1}, "by_outcome": {"succeeded": 1}, "by_verdict": {"OK": 1}},
        **changes,
    }  # fmt: skip


def standard_answers() -> dict[str, Any]:
    return {
        "status": {
            "organs": [organ("cognitive_organ_1", "Cognitive"), organ("utility_organ_1", "Utility")],
            "initialization": initialization(),
            "as_of": AS_OF,
        },
        "initialize_once": {"submission_id": "coa-2", "state": "submitted", "message": "Initialization was submitted."},
        "list_jobs": {"items": [job("01000000")], "next_cursor": None, "as_of": AS_OF, "degraded": []},
        "get_job": NotFound("There is no job 'x'."),
        "current": job("01000000", kind="application-server"),
        "summary": summary(),
        "hierarchy": {"root": {}, "as_of": AS_OF, "degraded": []},
        "lifecycle": {"steps": [], "as_of": AS_OF, "degraded": []},
        "diagnosis": NotFound("There is no job 'x'."),
        "diagnoses": {"items": {}},
        "findings": {"items": [], "as_of": AS_OF, "degraded": []},
        "deployment_troubles": {"items": [], "as_of": AS_OF, "degraded": []},
        "cluster_leftovers": {"items": [], "as_of": AS_OF, "degraded": []},
        "take_events": {"told": 1},
        "ray_status": {"ray_configured": True, "ray_available": True, "degraded": [], "as_of": AS_OF},
        "code_versions": {"expected": "0.1.0+3f9c", "mixed": None, "replicas": []},
        "cluster_resources": {"total": {"CPU": 2.0}, "available": {"CPU": 1.0}, "as_of": AS_OF},
        "cluster_nodes": {"items": [{"node_id": "n1", "state": "ALIVE"}], "as_of": AS_OF},
        "cluster_actors": {"items": [], "next_cursor": None, "as_of": AS_OF},
        "job_stacks": {"id": "a", "items": [], "as_of": AS_OF, "degraded": []},
        "alerts": {"items": [], "next_cursor": None, "as_of": AS_OF, "degraded": [], "receivers": []},
        "alert_history": {"items": [], "next_cursor": None, "as_of": AS_OF, "degraded": []},
        "ping": {"backend": "sqlite", "latency_s": 0.001},
        "begin_request": {"state": "new", "status": None, "answer": None},
        "finish_request": None,
        "renew_request": None,
    }


class KeptRequests:
    """What the store keeps, without its clock."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    async def begin_request(self, key: str, digest: str) -> dict[str, Any]:
        row = self.kept.setdefault(key, {"digest": digest, "state": "new", "status": None, "answer": None})
        if row["digest"] != digest:
            return {"state": "other", "status": None, "answer": None}
        told = dict(row)
        row["state"] = "running" if row["state"] == "new" else row["state"]
        return told

    async def finish_request(self, key: str, status: int | None, answer: str | None) -> None:
        if status is None:
            del self.kept[key]
        else:
            self.kept[key].update(state="done", status=status, answer=answer)


@dataclass
class Served:
    """The API over fakes, and the fakes."""

    api: FastAPI
    organs: FakeOrgans
    part: FakePart

    def client(
        self, token: str | None = None, client: str = "127.0.0.1", host: str = "localhost:8000"
    ) -> httpx.AsyncClient:
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        transport = httpx.ASGITransport(app=self.api, client=(client, 1234), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=f"http://{host}", headers=headers)


def served(tokens: Tokens | None = None, args: AppArgs = ARGS, **answers: Any) -> Served:
    organs, part = FakeOrgans(), FakePart({**standard_answers(), **answers})
    deps = Deps(organs, part, part, part, part, IngressConfig(), management=args.job_management)
    return Served(create_api(deps, args, tokens or Tokens(), frozenset({"10.0.0.5"})), organs, part)


def fake_api() -> FastAPI:
    return served().api


@dataclass
class Answered:
    """What an ASGI application sent."""

    status: int | None
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def piece(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


GONE = {"type": "http.disconnect"}


async def asgi(app: Any, method: str, path: str, *messages: dict[str, Any], **scope: Any) -> Answered:
    """One request without a client in between; when ``messages`` are used up, the caller has gone."""
    headers = [*scope.pop("hosts", [(b"host", b"localhost:8000")]), *scope.pop("headers", ())]
    headers += scope.pop("types", [(b"content-type", b"application/json")])
    pending, sent = list(messages), []

    async def receive() -> dict[str, Any]:
        return pending.pop(0) if pending else GONE

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    whole = {
        "type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": b"", "scheme": "http", "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 1234),
        "headers": headers, **scope,
    }  # fmt: skip
    await app(whole, receive, send)
    start = next((message for message in sent if message["type"] == "http.response.start"), None)
    body = b"".join(message.get("body", b"") for message in sent)
    return Answered(start and start["status"], start["headers"] if start else [], body)

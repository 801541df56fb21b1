"""The limit: a Serve application of two deployments that does as little as Serve allows, with the product's options.

The ingress takes a JSON body, passes a dict to the organ, and answers with a dict of the same size as the product's.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, JsonValue
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle
from starlette.responses import JSONResponse

ORGAN = "bare_organ"
_NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False}
PATH = f"/organism/execute/{ORGAN}"
ORGAN_OPTIONS: dict[str, Any] = {
    "ray_actor_options": {"num_cpus": 0.05},
    "max_ongoing_requests": 64,
    "max_queued_requests": 256,
    "health_check_period_s": 3,
    "health_check_timeout_s": 5,
}
INGRESS_OPTIONS: dict[str, Any] = {**ORGAN_OPTIONS, "max_ongoing_requests": 256, "max_queued_requests": 1024}


class BareOrgan:
    """Answers at once with a constant answer of the usual size."""

    def __init__(self, args: dict[str, Any]) -> None:
        self._pid = os.getpid()
        _tune_gc(args)

    async def execute(self, task: dict[str, Any]) -> dict[str, Any]:
        return {
            "agent_id": f"{ORGAN}_agent_0",
            "result": {
                "agent_id": f"{ORGAN}_agent_0",
                "task_processed": True,
                "success": True,
                "quality": 0.97,
                "capability_score": 0.81,
                "mem_util": 0.25,
                "skill": "organ.probe",
                "output": {"pid": self._pid, "echo": task["type"]},
                "duration_s": 0.001,
            },
        }


class TaskBody(BaseModel):
    """Body of the variant that validates with pydantic."""

    task_data: dict[str, JsonValue]


@serve.ingress()
class BareIngress:
    """FastAPI in a deployment, built in the replica, as the product's is."""

    def __init__(self, organ: DeploymentHandle, args: dict[str, Any]) -> None:
        self._organ = organ
        self._args = args
        _tune_gc(args)

    def __serve_build_asgi_app__(self) -> Any:
        route = self._args.get("route", "fastapi")
        execute = self._execute()
        if route == "asgi":
            return _asgi_function(execute)
        app = FastAPI() if self._args.get("telemetry", True) else FastAPI(telemetry=_NO_TELEMETRY)

        async def run(request: Request) -> Response:
            task = (await request.json())["task_data"]
            return JSONResponse(_answer(await execute(task)))

        async def run_validated(body: TaskBody) -> dict[str, Any]:
            return _answer(await execute(body.task_data))

        if route == "starlette":
            app.add_route(PATH, run, methods=["POST"])
        else:
            app.add_api_route(PATH, run if route == "fastapi" else run_validated, methods=["POST"])
        return app

    def _execute(self) -> Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]:
        if self._args.get("lookup"):
            return lambda task: serve.get_deployment_handle(ORGAN, "bare").execute.remote(task)
        bound = self._organ.execute
        return lambda task: bound.remote(task)


def build(args: dict[str, Any]) -> Application:
    """``args``: ``ingress`` and ``organ`` hold options, the rest are variants of the flag study."""
    organ_options = {**ORGAN_OPTIONS, **args.get("organ", {})}
    ingress_options = {**INGRESS_OPTIONS, **args.get("ingress", {})}
    organ = serve.deployment(BareOrgan, name=ORGAN).options(**organ_options).bind(args)
    return serve.deployment(BareIngress, name="Ingress").options(**ingress_options).bind(organ, args)


def no_processors() -> list[Any]:
    """An exporter for Serve's tracing that keeps nothing: the flag study's way to see what making spans costs."""
    return []


def _answer(reply: dict[str, Any]) -> dict[str, Any]:
    return {"success": True, "organ_id": ORGAN, "task_id": "t", "result": reply["result"]}


def _asgi_function(execute: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = (await receive())["body"]
        answer = json.dumps(_answer(await execute(json.loads(body)["task_data"]))).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


def _tune_gc(args: dict[str, Any]) -> None:
    if "gc_threshold" in args:
        gc.set_threshold(args["gc_threshold"], 20, 20)

"""Tasks for a named organ, answered before FastAPI's layers: the one route that is called thousands of times.

The guard, the body rules, the errors and the answers are the same as on every other route, and FastAPI still documents
it (``routes.organism.execute_on``). What is left out is what such a request does not need: dependency solving, exit
stacks, body models and nine nested calls, which together cost more than the task itself (``make bench``).
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from serve_app.api.deps import Deps
from serve_app.api.problems import answer_problem, answer_unexpected
from serve_app.api.routes.answers import answer_json
from serve_app.api.tasks import execute_task, parse_task
from serve_app.errors import AppError
from serve_app.metrics.responses import ResponseMeter

PREFIX = "/organism/execute/"


class Api(FastAPI):
    """FastAPI with a way past it for ``POST /organism/execute/{organ_id}``, and a meter around both ways."""

    hot: ASGIApp | None = None
    hot_paths: frozenset[str] = frozenset()
    meter: ResponseMeter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve's replica calls this for each request."""
        if self.hot is not None and scope.get("path") in self.hot_paths and scope.get("method") == "POST":
            app = self.hot
        else:
            app = super().__call__
        if self.meter is None:
            await app(scope, receive, send)
        else:
            await self.meter.measure(app, scope, receive, send)


class TaskEndpoint:
    """ASGI, below the guard, which has read the body and hands it on in one piece."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One task for one of the organs in ``Api.hot_paths``."""
        organ_id = scope["path"].removeprefix(PREFIX)
        try:
            task = parse_task((await receive()).get("body", b""), self._deps)
            answer = answer_json(await execute_task(self._deps, organ_id, task))
        except AppError as error:
            answer = answer_problem(error)
        except Exception as error:  # noqa: BLE001  # as FastAPI's last handler on other routes: logged, then a 500
            answer = answer_unexpected(scope["method"], scope["path"], error)
        await answer(scope, receive, send)


def list_hot_paths(organ_ids: tuple[str, ...]) -> frozenset[str]:
    """The paths that ``TaskEndpoint`` answers."""
    return frozenset(PREFIX + organ_id for organ_id in organ_ids)

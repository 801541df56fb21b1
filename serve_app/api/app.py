"""The API on one page: every router, the error handlers, the guard, and the short way for tasks. No Ray here.

A task for a named organ is the one request that comes thousands of times, so it is answered before FastAPI's layers
(``TaskEndpoint``). The guard, the body rules, the errors and the answers are the same as on every other route, and
FastAPI still documents it (``routes.organism.execute_on``). What is left out is what such a request does not need:
dependency solving, exit stacks, body models and nine nested calls, which together cost more than the task itself
(``make bench``).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from serve_app import __version__
from serve_app.api.access import TokenSource
from serve_app.api.deps import Deps
from serve_app.api.guard import Guard
from serve_app.api.idempotency import Once
from serve_app.api.limits import Limits
from serve_app.api.openapi import build_openapi, get_operation_name
from serve_app.api.problems import answer_problem, answer_unexpected, install_error_handlers
from serve_app.api.routes import alerts, cluster, events, health, jobs, logs, management, organism, report, stacks
from serve_app.api.routes.answers import answer_json
from serve_app.api.tasks import execute_task, parse_task
from serve_app.errors import AppError
from serve_app.metrics.responses import ResponseMeter
from serve_app.settings import AppArgs

TASK_PREFIX = "/organism/execute/"
DESCRIPTION = """
Organs do tasks, agents are their replicas, and the jobs of this Ray cluster are told as they are.

Roles, each including the former: **reader** (GET), **executor** (`/organism/execute`), **operator** (everything else).
Send `Authorization: Bearer <token>`; without any configured token, reader and executor from this machine only.
Errors are `application/problem+json` (RFC 9457); a 200 never carries a failure.
"""


class Api(FastAPI):
    """FastAPI with a way past it for ``POST /organism/execute/{organ_id}``, and a meter around both ways.

    The meter counts how long each answer took, by group of routes and class of status, and changes nothing.
    """

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
        organ_id = scope["path"].removeprefix(TASK_PREFIX)
        try:
            task = parse_task((await receive()).get("body", b""), self._deps)
            answer = answer_json(await execute_task(self._deps, organ_id, task, scope))
        except AppError as error:
            answer = answer_problem(error)
        except Exception as error:  # noqa: BLE001  # as FastAPI's last handler on other routes: logged, then a 500
            answer = answer_unexpected(scope["method"], scope["path"], error)
        await answer(scope, receive, send)


def create_api(
    deps: Deps,
    args: AppArgs,
    tokens: TokenSource,
    local_addresses: frozenset[str],
    meter: ResponseMeter | None = None,
) -> Api:
    """The ASGI application over its dependencies; ``local_addresses`` count as loopback when there are no tokens.
    ``meter`` sees every answer."""
    api = Api(
        title="SeedCore Serve",
        version=__version__,
        description=DESCRIPTION,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        generate_unique_id_function=get_operation_name,
    )
    api.openapi = partial(build_openapi, api)  # type: ignore[method-assign]
    api.state.deps = deps
    # Serve looks through the routes, in this order, for the name of each request (get_asgi_route_name): tasks first.
    for part in (organism, health, jobs, logs, stacks, management, cluster, alerts, report, events):
        api.include_router(part.router)
    install_error_handlers(api)
    guard: dict[str, Any] = {
        "tokens": tokens,
        "allowed_hosts": frozenset(args.allowed_hosts),
        "local_addresses": local_addresses,
        "max_body_bytes": args.max_body_bytes,
        "limits": Limits(deps.get_config),
    }
    api.add_middleware(Once, requests=deps.store)
    api.add_middleware(Guard, **guard)
    api.hot = Guard(Once(TaskEndpoint(deps), requests=deps.store), **guard)
    api.meter = meter
    api.hot_paths = list_hot_paths(deps.organs.ids)
    return api


def list_hot_paths(organ_ids: tuple[str, ...]) -> frozenset[str]:
    """The paths that ``TaskEndpoint`` answers."""
    return frozenset(TASK_PREFIX + organ_id for organ_id in organ_ids)

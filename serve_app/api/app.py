"""The map of the API: every router, the error handlers and the guard, on one page. No Ray here."""

from __future__ import annotations

from functools import partial
from typing import Any

from serve_app import __version__
from serve_app.api.access import Tokens
from serve_app.api.deps import Deps
from serve_app.api.guard import Guard
from serve_app.api.hot_path import Api, TaskEndpoint, list_hot_paths
from serve_app.api.openapi import build_openapi, get_operation_name
from serve_app.api.problems import install_error_handlers
from serve_app.api.routes import alerts, cluster, events, health, jobs, logs, management, organism, report, stacks
from serve_app.metrics.responses import ResponseMeter
from serve_app.settings import AppArgs

DESCRIPTION = """
Organs do tasks, agents are their replicas, and the jobs of this Ray cluster are told as they are.

Roles, each including the former: **reader** (GET), **executor** (`/organism/execute`), **operator** (everything else).
Send `Authorization: Bearer <token>`; without any configured token, reader and executor from this machine only.
Errors are `application/problem+json` (RFC 9457); a 200 never carries a failure.
"""


def create_api(
    deps: Deps, args: AppArgs, tokens: Tokens, local_addresses: frozenset[str], meter: ResponseMeter | None = None
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
    }
    api.add_middleware(Guard, **guard)
    api.hot = Guard(TaskEndpoint(deps), **guard)
    api.meter = meter
    api.hot_paths = list_hot_paths(deps.organs.ids)
    return api

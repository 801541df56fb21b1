"""The one place where errors become HTTP: RFC 9457 problem documents, with what old clients look for.

A document is never much longer than what it is about: texts are cut and lists end, because what is wrong with a request
may be named by the request itself. What this process holds is hidden in it, as in every other answer: the words of a
skill that failed are those of whoever wrote it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from organs.errors import describe_wrong_values, pick_wrong_values
from serve_app.errors import AppError, InvalidInput
from serve_app.hidden.held import hide_held, hide_held_in_bytes
from serve_app.route_path import restore_slashes

log = logging.getLogger("ray.serve.seedcore")

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 20
LONGEST_CHARS = 1000
_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
# Serve takes what the caller sends as the request's id (RequestIdMiddleware, ray/serve/_private/http_util.py).
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class ProblemResponse(Response):
    """A problem document; it names the request's id, which is in Serve's log lines too, when that is an id at all."""

    media_type = MEDIA_TYPE

    def __init__(self, content: dict[str, Any], status: int, headers: Mapping[str, str]) -> None:
        self._content = content
        super().__init__(_render(content), status, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        request_id = next((value for name, value in scope.get("headers", ()) if name == b"x-request-id"), b"")
        if _REQUEST_ID.fullmatch(request_id):
            self.body = _render({**self._content, "request_id": request_id.decode()})
            self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


def install_error_handlers(api: FastAPI) -> None:
    """Translate every exception that leaves a route."""
    api.add_exception_handler(AppError, _handle_app_error)
    api.add_exception_handler(RequestValidationError, _handle_invalid)
    api.add_exception_handler(HTTPException, _handle_http)
    api.add_exception_handler(Exception, _handle_unexpected)


def answer_problem(error: AppError, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for an error."""
    extra = dict(headers or {})
    if error.retry_after_s is not None:
        extra["Retry-After"] = str(error.retry_after_s)
    if error.status == HTTPStatus.UNAUTHORIZED:
        extra["WWW-Authenticate"] = "Bearer"
    return _build_document(error.status, error.code, error.title, error.detail, extra, _cut_members(error.members))


def answer_unexpected(method: str, path: str, error: Exception) -> Response:
    """The answer for a bug: it tells nothing, and the log everything."""
    log.error("unexpected error", exc_info=error, extra={"action": "unexpected_error", "method": method, "path": path})
    detail = "Something went wrong here; the log has the reason."
    return _build_document(500, "internal_error", "Internal error", detail, {}, {})


async def _handle_app_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)  # noqa: S101 - registered for this class alone
    return answer_problem(error)


async def _handle_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    errors = pick_wrong_values(error.errors())
    return answer_problem(InvalidInput(describe_wrong_values(errors), errors=errors))


async def _handle_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "_").replace("-", "_")
    path = restore_slashes(request.url.path)
    detail = {404: f"There is nothing at {path}.", 405: f"{request.method} is not possible here."}
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_list_methods(request))
    return _build_document(error.status_code, code, phrase, detail.get(error.status_code, f"{phrase}."), headers, {})


def _list_methods(request: Request) -> list[str]:
    """All that the path has: Starlette names those of the first route alone. HEAD is answered wherever GET is."""
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    found = {
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
    }
    return sorted(found | {"HEAD"} if "GET" in found else found)


async def _handle_unexpected(request: Request, error: Exception) -> Response:
    return answer_unexpected(request.method, request.url.path, error)


def _build_document(
    status: int, code: str, title: str, detail: str, headers: dict[str, str], members: Mapping[str, Any]
) -> Response:
    detail = _cut(detail)
    content = {
        "type": f"urn:seedcore:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "success": False,
        "error": detail,
        **members,
    }
    return ProblemResponse(content, status, headers)


def _render(content: Mapping[str, Any]) -> bytes:
    return hide_held_in_bytes(to_json(content))


def _cut_members(members: Mapping[str, Any]) -> dict[str, Any]:
    errors = members.get("errors")
    if not isinstance(errors, list):
        return dict(members)
    shown = {**members, "errors": [_cut(each) for each in errors[:MOST_ERRORS]]}
    return {**shown, "errors_left_off": len(errors) - MOST_ERRORS} if len(errors) > MOST_ERRORS else shown


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        # Before: the beginning of a secret would be left.
        value = hide_held(value) if len(value) > LONGEST_CHARS else value
        return value if len(value) <= LONGEST_CHARS else f"{value[:LONGEST_CHARS]}…"
    if isinstance(value, dict):
        return {key: _cut(each) for key, each in value.items()}
    return [_cut(each) for each in value] if isinstance(value, list | tuple) else value

"""The one place where errors become HTTP: RFC 9457 problem documents, with what old clients look for."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

from serve_app.errors import AppError, InvalidInput

log = logging.getLogger("ray.serve.seedcore")

MEDIA_TYPE = "application/problem+json"


def install_error_handlers(api: FastAPI) -> None:
    """Translate every exception that leaves a route."""
    api.add_exception_handler(AppError, _app_error)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _http)
    api.add_exception_handler(Exception, _unexpected)


def problem(error: AppError, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for an error."""
    extra = dict(headers or {})
    if error.retry_after_s is not None:
        extra["Retry-After"] = str(error.retry_after_s)
    if error.status == HTTPStatus.UNAUTHORIZED:
        extra["WWW-Authenticate"] = "Bearer"
    return _document(error.status, error.code, error.title, error.detail, extra, **error.members)


def unexpected(method: str, path: str, error: Exception) -> Response:
    """The answer for a bug: it tells nothing, and the log everything."""
    log.error("unexpected error", exc_info=error, extra={"action": "unexpected_error", "method": method, "path": path})
    detail = "Something went wrong here; the log has the reason."
    return _document(500, "internal_error", "Internal error", detail, {})


async def _app_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)  # noqa: S101 - registered for this class alone
    return problem(error)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    errors = [{"loc": list(each["loc"]), "msg": each["msg"], "type": each["type"]} for each in error.errors()]
    where = ".".join(str(part) for part in errors[0]["loc"])
    return problem(InvalidInput(f"{where}: {errors[0]['msg']}.", errors=errors))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "_").replace("-", "_")
    detail = {404: f"There is nothing at {request.url.path}.", 405: f"{request.method} is not possible here."}
    return _document(
        error.status_code, code, phrase, detail.get(error.status_code, f"{phrase}."), dict(error.headers or {})
    )


async def _unexpected(request: Request, error: Exception) -> Response:
    return unexpected(request.method, request.url.path, error)


def _document(status: int, code: str, title: str, detail: str, headers: dict[str, str], **members: Any) -> Response:
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
    return Response(to_json(content), status, headers, MEDIA_TYPE)

"""The few calls that command lines make to a Ray dashboard, from outside the cluster and perhaps before anything runs.

Plain blocking HTTP with a deadline: a terminal program has one thing to do at a time. Each question has the header of
``ray_token``; where Ray refuses it ``TokenRefused`` is raised, whatever was asked. Proxy settings are passed over for
this machine, and redirects are not followed: another place has no business with the token.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from serve_app.cluster import ray_token

_APPLICATIONS = "/api/serve/applications/"
_ADDRESSES = ("SEEDCORE_DASHBOARD_URL", "RAY_DASHBOARD_ADDRESS", "RAY_API_SERVER_ADDRESS")
_MAX_BYTES = 16_777_216
_CHUNK_BYTES = 65_536
_MAX_NODES = 10_000
# `access.is_loopback` knows better, and takes longer to import than all the rest.
_HERE = re.compile(r"(?:localhost|127\.[0-9.]+|::1)\Z")
# Of both refusals of ray/_private/authentication/http_token_authentication.py.
_ASKS_FOR_TOKEN = b"authentication token"


class NoAnswer(Exception):
    """Nothing usable came back: refused, too late, or not what was asked for."""


@dataclass(frozen=True)
class RayFound:
    """A Ray dashboard that answered."""

    version: str
    session: str


def find_named_dashboard(environ: Mapping[str, str]) -> str | None:
    """The dashboard that the environment names, as `serve deploy` and `ray job submit` read it, or None."""
    named = next((environ[name] for name in _ADDRESSES if environ.get(name)), None)
    return None if named is None else named.rstrip("/")


def find_ray(dashboard_url: str, timeout_s: float = 3.0) -> RayFound | None:
    """What Ray, if any, has its dashboard there (``/api/version``, ray/dashboard/http_server_head.py)."""
    try:
        answer = _parse_json(_ask_ray(dashboard_url, "/api/version", timeout_s))
    except NoAnswer:
        return None
    if not isinstance(answer, dict) or "ray_version" not in answer:
        return None
    return RayFound(str(answer["ray_version"]), str(answer.get("session_name", "")))


def fetch_serve_details(dashboard_url: str, timeout_s: float = 10.0) -> dict[str, Any]:
    """Serve's account of everything deployed; ``controller_info`` is empty while Serve does not run."""
    answer = _parse_json(_ask_ray(dashboard_url, _APPLICATIONS, timeout_s))
    if not isinstance(answer, dict):
        raise NoAnswer("the dashboard answered something else than an object")
    return answer


def fetch_placement(dashboard_url: str, timeout_s: float = 10.0) -> tuple[list[Any], dict[str, Any]]:
    """Rows of Ray's table of nodes (``/api/v0/nodes``), and what its autoscaler wrote last (``/api/cluster_status``).

    Empty where Ray does not tell: to find that something is missing can wait.
    """
    try:
        nodes: Any = _parse_object(_ask_ray(dashboard_url, f"/api/v0/nodes?detail=True&limit={_MAX_NODES}", timeout_s))
        said = _parse_object(_ask_ray(dashboard_url, "/api/cluster_status", timeout_s))
    except NoAnswer:
        return [], {}
    for key in ("data", "result", "result"):
        nodes = nodes.get(key) if isinstance(nodes, dict) else None
    return nodes if isinstance(nodes, list) else [], said


def put_config(dashboard_url: str, config: dict[str, Any], timeout_s: float = 60.0) -> None:
    """Replace the declared applications of the cluster by those of ``config``, starting Serve where it does not run."""
    _ask_ray(dashboard_url, _APPLICATIONS, timeout_s, "PUT", json.dumps(config).encode())


def shut_serve_down(dashboard_url: str, timeout_s: float) -> None:
    """End Serve and all its applications, waiting for replicas to drain; raises ``NoAnswer`` when time is up."""
    _ask_ray(dashboard_url, _APPLICATIONS, timeout_s, "DELETE")


def fetch_ready_status(http_url: str, timeout_s: float = 5.0) -> tuple[int, dict[str, Any]]:
    """Status and body of the API's ``/ready``; status 0 while nobody answers."""
    try:
        return 200, _parse_object(_ask(f"{http_url}/ready", timeout_s))
    except Refused as refused:
        return refused.status, _parse_object(refused.body)
    except NoAnswer:
        return 0, {}


class Refused(NoAnswer):
    """An answer with another status than 200."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"HTTP {status}: {body[:2000].decode(errors='replace')}")
        self.status = status
        self.body = body


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
_BY_ENVIRONMENT = urllib.request.build_opener(_NoRedirect())


def is_here(url: str) -> bool:
    """Whether an address means this machine."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return _HERE.match(host) is not None


def _ask_ray(dashboard_url: str, path: str, timeout_s: float, method: str = "GET", body: bytes | None = None) -> bytes:
    try:
        return _ask(dashboard_url + path, timeout_s, method, body, ray_token.build_headers(os.environ))
    except Refused as refused:
        # Another server may hold that port.
        if refused.status not in (401, 403) or _ASKS_FOR_TOKEN not in refused.body:
            raise
        raise ray_token.explain_refusal(dashboard_url, refused.status, os.environ) from None


def _ask(
    url: str, timeout_s: float, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
) -> bytes:
    opener = _DIRECT if is_here(url) else _BY_ENVIRONMENT
    until = time.monotonic() + timeout_s
    try:
        request = urllib.request.Request(url, data=body, method=method, headers=headers or {})  # noqa: S310 of our callers
        if body is not None:
            request.add_header("Content-Type", "application/json")
        with opener.open(request, timeout=timeout_s) as answer:
            return _read_bounded(answer, until)
    except urllib.error.HTTPError as error:
        with error:
            raise Refused(error.code, _read_error_body(error)) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        # A server of another kind at this port gives no HTTP at all.
        raise NoAnswer(str(error) or type(error).__name__) from None


def _read_bounded(answer: Any, until: float) -> bytes:
    """urllib bounds each wait, and this the sum of them."""
    read = bytearray()
    while piece := answer.read1(_CHUNK_BYTES):
        read += piece
        if len(read) > _MAX_BYTES:
            raise ValueError(f"more than {_MAX_BYTES} bytes")
        if time.monotonic() > until:
            raise TimeoutError("timed out")
    return bytes(read)


def _read_error_body(error: urllib.error.HTTPError) -> bytes:
    try:
        return error.read(_MAX_BYTES)
    except (OSError, http.client.HTTPException):
        return b""


def _parse_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise NoAnswer("the answer is not JSON") from None


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

"""The few calls that `up` and `down` make to a Ray dashboard, from outside the cluster and before anything runs in it.

Plain blocking HTTP with a deadline: a terminal program has one thing to do at a time. Proxy settings of the
environment are passed over, because every address here is this machine.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_APPLICATIONS = "/api/serve/applications/"
_MAX_BYTES = 16_777_216
_MAX_NODES = 10_000


class NoAnswer(Exception):
    """Nothing usable came back: refused, too late, or not what was asked for."""


@dataclass(frozen=True)
class RayFound:
    """A Ray dashboard that answered."""

    version: str
    session: str


def find_ray(dashboard_url: str, timeout_s: float = 3.0) -> RayFound | None:
    """What Ray, if any, has its dashboard there (``/api/version``, ray/dashboard/http_server_head.py)."""
    try:
        answer = _parse_json(_ask(dashboard_url + "/api/version", timeout_s))
    except NoAnswer:
        return None
    if not isinstance(answer, dict) or "ray_version" not in answer:
        return None
    return RayFound(str(answer["ray_version"]), str(answer.get("session_name", "")))


def fetch_serve_details(dashboard_url: str, timeout_s: float = 10.0) -> dict[str, Any]:
    """Serve's account of everything deployed; ``controller_info`` is empty while Serve does not run."""
    answer = _parse_json(_ask(dashboard_url + _APPLICATIONS, timeout_s))
    if not isinstance(answer, dict):
        raise NoAnswer("the dashboard answered something else than an object")
    return answer


def fetch_placement(dashboard_url: str, timeout_s: float = 10.0) -> tuple[list[Any], dict[str, Any]]:
    """Rows of Ray's table of nodes (``/api/v0/nodes``), and what its autoscaler wrote last (``/api/cluster_status``).

    Empty where Ray does not tell: to find that something is missing can wait.
    """
    try:
        nodes: Any = _parse_object(_ask(f"{dashboard_url}/api/v0/nodes?detail=True&limit={_MAX_NODES}", timeout_s))
        said = _parse_object(_ask(f"{dashboard_url}/api/cluster_status", timeout_s))
    except NoAnswer:
        return [], {}
    for key in ("data", "result", "result"):
        nodes = nodes.get(key) if isinstance(nodes, dict) else None
    return nodes if isinstance(nodes, list) else [], said


def put_config(dashboard_url: str, config: dict[str, Any], timeout_s: float = 60.0) -> None:
    """Replace the declared applications of the cluster by those of ``config``."""
    _ask(dashboard_url + _APPLICATIONS, timeout_s, "PUT", json.dumps(config).encode())


def shut_serve_down(dashboard_url: str, timeout_s: float) -> None:
    """End Serve and all its applications, waiting for replicas to drain; raises ``NoAnswer`` when time is up."""
    _ask(dashboard_url + _APPLICATIONS, timeout_s, "DELETE")


def fetch_ready_status(http_url: str, timeout_s: float = 5.0) -> tuple[int, dict[str, Any]]:
    """Status and body of the API's ``/ready``; status 0 while nobody answers."""
    try:
        return 200, _parse_object(_ask(f"{http_url}/ready", timeout_s))
    except _Refused as refused:
        return refused.status, _parse_object(refused.body)
    except NoAnswer:
        return 0, {}


class _Refused(NoAnswer):
    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"HTTP {status}: {body[:2000].decode(errors='replace')}")
        self.status = status
        self.body = body


def _ask(url: str, timeout_s: float, method: str = "GET", body: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, data=body, method=method)  # noqa: S310 always http://127.0.0.1
    if body is not None:
        request.add_header("Content-Type", "application/json")
    try:
        with _OPENER.open(request, timeout=timeout_s) as answer:
            read: bytes = answer.read(_MAX_BYTES)
            return read
    except urllib.error.HTTPError as error:
        with error:
            raise _Refused(error.code, _read_error_body(error)) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        # A server of another kind at this port gives no HTTP at all.
        raise NoAnswer(str(error) or type(error).__name__) from None


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

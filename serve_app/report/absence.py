"""Why there is no report, by what Ray's dashboard says is deployed, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from serve_app.jobs.reading.serve_rows import parse_serve
from serve_app.jobs.serve_facts import find_reason
from serve_app.parts import ALL, IMPORT_PATH
from serve_app.redaction import redact_end

_MOST_NAMED = 5
_NAME_CHARS = 80
_PRODUCT = "SeedCore"
# ``ApplicationStatus`` of ray/serve/schema.py.
_PASSING = ("NOT_STARTED", "DEPLOYING", "DELETING")


@dataclass(frozen=True)
class Absence:
    """What is there instead of a report, and the next step."""

    sentence: str
    next_step: str


def describe_no_ray(dashboard_url: str) -> Absence:
    """Nobody answers at the dashboard, either."""
    return Absence(
        f"Ray's dashboard at {dashboard_url} does not answer, either.",
        "Start the cluster (`make up` starts one here), or name its dashboard with --dashboard.",
    )


def describe_no_account(dashboard_url: str, status: int) -> Absence:
    """Something answers where the dashboard should be, and does not say what is deployed."""
    return Absence(
        f"What answers at {dashboard_url} (HTTP {status}) does not tell what Ray Serve has deployed.",
        "Name Ray's dashboard with --dashboard; if it is that one, look at its log.",
    )


def describe_absence(details: Mapping[str, Any], url: str, dashboard_url: str) -> Absence:
    """``details`` is Serve's account (``GET /api/serve/applications/``); ``url`` is where a report was asked for."""
    deploy = f"python -m serve_app.deploy serve_config.yaml -a {dashboard_url}"
    applications = {str(name): app for name, app in _object(details.get("applications")).items()}
    if not details.get("controller_info"):
        return Absence("Ray runs, and Serve does not: nothing is deployed.", f"`{deploy}` deploys {_PRODUCT}.")
    ours = next((name for name, app in applications.items() if _is_ours(_object(app))), None)
    if ours is None:
        others = [f"{_cut(name)}, {_object(app).get('status')}" for name, app in sorted(applications.items())]
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        named = f"({'; '.join(others[:_MOST_NAMED])}{more})"
        if not others:
            return Absence("Serve runs, and nothing is deployed.", f"`{deploy}` deploys {_PRODUCT}.")
        return Absence(
            f"Something else is deployed here {named}; {_PRODUCT} is not.",
            f"`{deploy}` deploys it beside that; `serve deploy` of a file without it deletes it.",
        )
    app = _object(applications[ours])
    status, where = str(app.get("status")), _find_place(details, app, url)
    if status == "RUNNING" and where is not None and where != url.rstrip("/"):
        return Absence(f"{_PRODUCT} ({_cut(ours)}) runs, and Serve listens elsewhere.", f"Ask with --url {where}.")
    if status == "RUNNING":
        return Absence(
            f"Serve says that {_PRODUCT} ({_cut(ours)}) runs.",
            f"Ask again in some seconds; if it stays so, look at the proxies of Serve at {dashboard_url}.",
        )
    (facts,) = parse_serve({"applications": {ours: app}}).applications
    why = find_reason(facts)
    return Absence(
        f"{_PRODUCT} ({_cut(ours)}) is deployed, and {status}{f': {why}' if why else '.'}",
        "Ask again in some seconds." if status in _PASSING else f"Mend the cause, then `{deploy}`.",
    )


def _is_ours(app: Mapping[str, Any]) -> bool:
    """By what was deployed; imperatively, which leaves no configuration, by the names of its deployments."""
    config = _object(app.get("deployed_app_config"))
    return config.get("import_path") == IMPORT_PATH if config else set(_object(app.get("deployments"))) >= ALL


def _find_place(details: Mapping[str, Any], app: Mapping[str, Any], url: str) -> str | None:
    """Where Serve listens; the host is that which was asked, which leads to the head."""
    port, parts = _object(details.get("http_options")).get("port"), urlsplit(url)
    if not isinstance(port, int) or not parts.hostname or parts.scheme != "http":
        return None  # with TLS something else stands before it
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}{str(app.get('route_prefix') or '/').rstrip('/')}"


def _cut(name: str) -> str:
    return redact_end(name)[:_NAME_CHARS]


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

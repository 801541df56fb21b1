"""Watching a deployment become ready: pure readings of Serve's account, and what they mean for us."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from serve_app.jobs.judging.pending import Shortage, lacks_replicas, list_shortages
from serve_app.jobs.models import Known
from serve_app.jobs.reading.rows import parse_nodes
from serve_app.jobs.reading.serve_rows import parse_autoscaler, parse_serve

Verdict = Literal["waiting", "running", "failed"]

# Serve calls an application UNHEALTHY also for the moment in which one replica is being replaced.
UNHEALTHY_FOR_S = 20.0
# For so long no node holds what is wanted until it is given up: one may be joining; and longer where the deployment
# before may be what is seen, while the new one is built.
HOPELESS_S = 3.0
HOPELESS_REDEPLOYED_S = 15.0
_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True)
class RolloutStatus:
    """One look at our application. ``text`` is for the progress line, ``message`` is Serve's own."""

    verdict: Verdict
    status: str
    text: str
    message: str


def read(details: Mapping[str, Any], app: str, deployed_after_s: float, unhealthy_s: float = 0.0) -> RolloutStatus:
    """Judge Serve's account (``GET /api/serve/applications/``).

    ``deployed_after_s`` is when the last deployment before ours was made: until Serve names a later one, what it says
    is about the old one. ``unhealthy_s`` is how long it has been UNHEALTHY without a break.
    """
    found = details.get("applications", {}).get(app)
    if found is None:
        return RolloutStatus("waiting", "NOT_STARTED", "waiting for Serve to take the configuration", "")
    status, message = str(found.get("status")), str(found.get("message") or "")
    deployments = found.get("deployments") or {}
    if found.get("last_deployed_time_s", 0.0) <= deployed_after_s:
        return RolloutStatus("waiting", status, "waiting for Serve to take the configuration", message)
    text = describe_progress(deployments)
    complaint = "\n".join(filter(None, [message, *list_complaints(deployments)]))
    if status == "RUNNING":
        return RolloutStatus("running", status, text, message)
    if status == "DEPLOY_FAILED" or (status == "UNHEALTHY" and unhealthy_s >= UNHEALTHY_FOR_S):
        return RolloutStatus("failed", status, text, condense(complaint))
    return RolloutStatus("waiting", status, text, condense(complaint))


def lacks_any_replica(details: Mapping[str, Any], app: str) -> bool:
    """Whether a replica of the application is wanted that does not run."""
    found = (each for each in parse_serve(details).applications if each.name == app)
    return any(lacks_replicas(deployment) for each in found for deployment in each.deployments)


def find_shortage(
    details: Mapping[str, Any], app: str, nodes: Sequence[Any], autoscaler: Mapping[str, Any]
) -> Shortage | None:
    """The first replica of the application that no node can hold, decided as the application itself decides it.

    ``nodes`` are rows of Ray's table, ``autoscaler`` is what it answers at ``/api/cluster_status``.
    """
    found = list_shortages(parse_serve(details), Known(parse_nodes(nodes)), Known(parse_autoscaler(autoscaler)))
    return next((shortage for (name, _), shortage in sorted(found.items()) if name == app), None)


def describe_progress(deployments: Mapping[str, Any]) -> str:
    """Replicas that run of those wanted, and what is still missing."""
    if not deployments:
        return "building the application"
    counts = {
        name: (_count_running(each), int(each.get("target_num_replicas", 0))) for name, each in deployments.items()
    }
    running, wanted = (sum(column) for column in zip(*counts.values(), strict=True))
    missing = [f"{name} {have} of {want}" for name, (have, want) in sorted(counts.items()) if have < want]
    text = f"replicas {min(running, wanted)} of {wanted}"
    if not missing:
        return text
    shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    return f"{text}; starting {shown}"


def list_complaints(deployments: Mapping[str, Any]) -> list[str]:
    """What Serve says about each deployment that is not well."""
    return [
        f"{name}: {each['status']}: {each.get('message') or 'no message'}"
        for name, each in sorted(deployments.items())
        if each.get("status") not in ("HEALTHY", "UPDATING", None)
        or (each.get("message") and each["status"] != "HEALTHY")
    ]


def condense(message: str) -> str:
    """Serve's message without colours and stack frames: what failed, and the exception in its own words."""
    lines = [line.rstrip() for line in _COLOUR.sub("", message).splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith((" ", "ray::")) and _TRACEBACK not in line)


def describe_ready(status: int, body: Mapping[str, Any]) -> str:
    """What the API's ``/ready`` says, in one line."""
    if status == 0:
        return "waiting for the API to answer"
    reasons = [str(reason) for reason in body.get("reasons") or []]
    return f"{body.get('status', f'HTTP {status}')}" + (f": {'; '.join(reasons[:2])}" if reasons else "")


def _count_running(deployment: Mapping[str, Any]) -> int:
    return sum(replica.get("state") == "RUNNING" for replica in deployment.get("replicas") or [])

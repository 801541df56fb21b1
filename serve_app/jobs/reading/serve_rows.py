"""Serve's account of itself into facts, by the names of Ray's fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serve_app.cluster.rows import read_items, read_number, read_text, read_time_s
from serve_app.jobs.serve_facts import ApplicationFacts, DeploymentFacts, HttpFacts, ReplicaFacts, ServeFacts
from serve_app.redaction import redact

_MESSAGE_CHARS = 4_000


def parse_serve(details: Mapping[str, Any]) -> ServeFacts:
    """``ServeInstanceDetails`` of ray/serve/schema.py."""
    controller = details.get("controller_info")
    return ServeFacts(
        controller_actor_id=read_text(controller.get("actor_id")) if isinstance(controller, dict) else None,
        applications=tuple(
            ApplicationFacts(
                name=str(name),
                status=read_text(app.get("status")) or "",
                message=redact(read_text(app.get("message")) or "")[:_MESSAGE_CHARS],
                deployments=tuple(
                    _parse_deployment(str(deployment_name), deployment)
                    for deployment_name, deployment in read_items(app.get("deployments"))
                    if isinstance(deployment, dict)
                ),
                deployed_at=read_time_s(app.get("last_deployed_time_s")),
            )
            for name, app in read_items(details.get("applications"))
            if isinstance(app, dict)
        ),
        http=_parse_http(details.get("http_options")),
    )


def _parse_http(options: Any) -> HttpFacts | None:
    if not isinstance(options, dict):
        return None
    limit_s = options.get("request_timeout_s")
    return HttpFacts(
        host=read_text(options.get("host")),
        port=read_number(options.get("port")),
        request_timeout_s=float(limit_s) if isinstance(limit_s, int | float) else None,
    )


def _parse_deployment(name: str, deployment: Mapping[str, Any]) -> DeploymentFacts:
    replicas = deployment.get("replicas")
    return DeploymentFacts(
        name=name,
        status=read_text(deployment.get("status")) or "",
        message=redact(read_text(deployment.get("message")) or "")[:_MESSAGE_CHARS],
        target_num_replicas=read_number(deployment.get("target_num_replicas")) or 0,
        replicas=tuple(
            ReplicaFacts(
                replica_id=read_text(replica.get("replica_id")) or "",
                state=read_text(replica.get("state")) or "",
                node_id=read_text(replica.get("node_id")),
                pid=read_number(replica.get("pid")),
            )
            for replica in (replicas if isinstance(replicas, list) else [])
            if isinstance(replica, dict)
        ),
    )

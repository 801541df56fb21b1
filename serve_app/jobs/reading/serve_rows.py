"""Serve's account of itself into facts, by the names of Ray's fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serve_app.cluster.rows import (
    DETAIL_CHARS,
    read_amounts,
    read_items,
    read_list,
    read_number,
    read_object,
    read_text,
    read_time_s,
)
from serve_app.jobs.reading.rows import keep_both_ends
from serve_app.jobs.serve_facts import (
    ApplicationFacts,
    AutoscalerFacts,
    DeploymentFacts,
    HttpFacts,
    ReplicaFacts,
    ServeFacts,
)
from serve_app.redaction import redact


def parse_serve(details: Mapping[str, Any]) -> ServeFacts:
    """``ServeInstanceDetails`` of ray/serve/schema.py."""
    controller = details.get("controller_info")
    return ServeFacts(
        controller_actor_id=read_text(controller.get("actor_id")) if isinstance(controller, dict) else None,
        applications=tuple(
            ApplicationFacts(
                name=str(name),
                status=read_text(app.get("status")) or "",
                message=_read_message(app),
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


def read_needs(deployment: Mapping[str, Any]) -> tuple[Mapping[str, float], ...]:
    """What each replica of a deployment has to find on one node: the bundles of its placement group, or what its actor
    requires (``DeploymentDetails`` of ray/serve/schema.py).
    """
    bundles = read_list(read_object(deployment.get("deployment_config")).get("placement_group_bundles"))
    return tuple(read_amounts(bundle) for bundle in bundles) or (read_amounts(deployment.get("required_resources")),)


def parse_autoscaler(answer: Mapping[str, Any]) -> AutoscalerFacts:
    """``/api/cluster_status``: what the autoscaler wrote last (``AutoscalerSummary`` of
    ray/autoscaler/_private/autoscaler.py, names in camel case).
    """
    data = read_object(answer.get("data"))
    report = read_object(read_object(data.get("clusterStatus")).get("autoscalerReport"))
    coming = {name: int(count) for name, count in read_amounts(report.get("pendingLaunches")).items() if count >= 1}
    for row in read_list(report.get("pendingNodes")):
        # Address, type and state of each.
        type_name = read_text(row[1]) if isinstance(row, list) and len(row) > 1 else None
        if type_name is not None:
            coming[type_name] = coming.get(type_name, 0) + 1
    error = read_text(data.get("autoscalingError"))
    return AutoscalerFacts(coming, None if error is None else redact(error)[-DETAIL_CHARS:])


def _parse_deployment(name: str, deployment: Mapping[str, Any]) -> DeploymentFacts:
    replicas = deployment.get("replicas")
    scaling = read_object(read_object(deployment.get("deployment_config")).get("autoscaling_config"))
    return DeploymentFacts(
        needs=read_needs(deployment),
        least_replicas=read_number(scaling.get("min_replicas")),
        name=name,
        status=read_text(deployment.get("status")) or "",
        message=_read_message(deployment),
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


def _read_message(told: Mapping[str, Any]) -> str:
    message = read_text(told.get("message"))
    return keep_both_ends(message) if message else ""

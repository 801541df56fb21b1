"""Serve applications, deployments and replicas."""

from __future__ import annotations

from serve_app.jobs.diagnosis.models import Certainty
from serve_app.jobs.diagnosis.signature import Role, Signature

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="replica-constructor",
        code="serve.constructor-failed",
        contains=(
            "problem with its constructor or initial health check failing",
            "A replica failed to start with exception",
            "ReplicaBase.initialize",
            "initialize_and_get_metadata",
            "Exception in replica",
            "deployment failed to start",
            "Failed to start replica",
            "in a row during a rolling update",
            "ReplicaInitializationError",
        ),
        pattern=r"constructor or initial health check|replica failed to start|ray::ServeReplica:\S+|initialize_and_get_metadata\(|failed to start \d+ times in a row|Failed to start replica|in a row during a rolling update|, in initialize_and_get_metadata",
        role=Role.WRAPPER,
        matches=(
            "The deployment failed to start 3 times in a row. This may be due to a problem with its constructor or initial health check failing.",
            "A replica failed to start with exception. Retrying. Error:",
        ),
        near_misses=("the replica started",),
    ),
    Signature(
        name="health-check",
        code="serve.health-check-failed",
        contains=(
            "A replica's health check failed",
            "Didn't receive health check response for replica",
            "failed the health check",
            "Health check for Replica",
            "marking it unhealthy",
            "Health check timed out",
        ),
        role=Role.CAUSE,
        certainty=Certainty.LIKELY,
        matches=(
            "Didn't receive health check response for replica Replica(id='x', deployment='D', app='a') after 5.0s, marking it unhealthy.",
            "Replica Replica(id='x') failed the health check 3 times in a row, marking it unhealthy.",
        ),
        near_misses=("the health check passed",),
    ),
    Signature(
        name="replica-unschedulable",
        code="serve.unschedulable",
        contains=("replicas that have taken more than", "replica(s) that have taken more than"),
        pattern=r"have taken more than \d+s to be scheduled",
        role=Role.CAUSE,
        matches=(
            "Deployment 'D' in application 'a' has 2 replicas that have taken more than 30s to be scheduled. This may be due to waiting for the cluster to auto-scale",
            "Deployment 'D' has 1 replicas that have taken more than 30s to be scheduled.",
        ),
        near_misses=("has 2 replicas that have taken more than 30s to initialize.",),
    ),
    Signature(
        name="replica-slow",
        code="serve.constructor-failed",
        contains=("replicas that have taken more than",),
        pattern=r"have taken more than \d+s to initialize",
        role=Role.WARNING,
        certainty=Certainty.POSSIBLE,
        matches=(
            "has 2 replicas that have taken more than 30s to initialize.",
            "Deployment 'D' in application 'a' has 1 replicas that have taken more than 30s to initialize.",
        ),
        near_misses=("has 2 replicas that have taken more than 30s to be scheduled.",),
    ),
    Signature(
        name="deploy-failed",
        code="serve.config-invalid",
        contains=(
            "Deploying app '",
            "Unexpected error occurred while deploying application",
            "Failed to import the application",
            "Failed to update the deployments",
            "build app task failed",
            "failed with exception:",
        ),
        pattern=r"Deploying app '[^']{1,200}' failed with exception|error occurred while deploying application|Failed to import the application",
        role=Role.WRAPPER,
        certainty=Certainty.LIKELY,
        matches=(
            "Deploying app 'a' failed with exception:",
            "Unexpected error occurred while deploying application 'a':",
        ),
        near_misses=("Deploying app 'a'",),
    ),
    Signature(
        name="serve-validation",
        code="serve.config-invalid",
        contains=(
            "does not exist. Available: [",
            "validation error for ServeDeploySchema",
            "validation errors for ServeDeploySchema",
            "validation error for ServeApplicationSchema",
            "validation errors for ServeApplicationSchema",
            "validation error for DeploymentSchema",
            "The import_path must",
            "Got invalid value for import path",
            "import_path must be of the form",
            "RayServeConfigException",
        ),
        matches=(
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for ServeDeploySchema",
            "ray.serve.exceptions.RayServeConfigException: The deployment has no name",
        ),
        near_misses=("the import_path is a:b",),
    ),
    Signature(
        name="backpressure",
        code="serve.backpressure",
        contains=("Request dropped due to backpressure", "BackPressureError"),
        pattern=r"dropped due to backpressure|BackPressureError: ",
        role=Role.CAUSE,
        matches=(
            "ray.serve.exceptions.BackPressureError: Request dropped due to backpressure (num_queued_requests=10)",
            "Request dropped due to backpressure (num_queued_requests=3, max_queued_requests=3).",
        ),
        near_misses=("except BackPressureError",),
    ),
)

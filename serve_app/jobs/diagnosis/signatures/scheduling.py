"""Requests that no node can fit, or not now."""

from __future__ import annotations

from serve_app.jobs.diagnosis.models import Certainty
from serve_app.jobs.diagnosis.signature import Role, Signature

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="infeasible",
        code="scheduling.infeasible",
        contains=(
            "infeasible resource requests that cannot be scheduled",
            "No available node types can fulfill resource request",
            "TaskUnschedulableError",
            "ActorUnschedulableError",
            "is infeasible",
            "infeasible tasks",
            "exceeds the total number of available GPUs",
            "exceeds total available resources",
            "No cluster capacity",
            "Insufficient cluster resources to launch trial",
            "per trial, but the cluster only has",
        ),
        pattern=r"TuneError: You asked for|resources to launch trial|Error: .{0,80}exceeds (?:the total number of available GPUs|total available resources)|infeasible resource requests|No available node types can fulfill resource request|(?:Task|Actor)UnschedulableError: |(?:request|demand|shape|task|actor|bundle)\S* .{0,80}is infeasible",
        unless=r"queue length|affinity|[Nn]ode.{0,40}(?:dead|doesn't exist|not exist)|label",
        role=Role.CAUSE,
        certainty=Certainty.CERTAIN,
        matches=(
            "(autoscaler +3s) Error: No available node types can fulfill resource request {'GPU': 8.0, 'CPU': 1.0}.",
            "There are tasks with infeasible resource requests that cannot be scheduled.",
        ),
        near_misses=("Infeasible queue length: 0",),
    ),
    Signature(
        name="waiting",
        code="scheduling.waiting",
        contains=(
            "cannot be scheduled right now",
            "the cluster currently cannot provide the requested resources",
            "Waiting for enough resources",
            "No available resources",
            "worker processes have been started on node",
            "is waiting for resources",
            "Cluster resources are not enough",
            "Waiting for creating a placement group",
            "is pending and cannot currently be scheduled",
            "without enough CPU resources",
            "Cluster resources are not engough",
            "No trial is running and no new trial has been started",
            "not enough resources for the tasks or actors",
            "Ignore this message if the cluster is autoscaling",
        ),
        pattern=r"no new trial has been started|pending and cannot currently be scheduled|enough CPU resources|resources are not engough|not enough resources for the tasks|Ignore this message if|Waiting for creating a placement group|cannot be scheduled right now|cannot provide the requested|Waiting for enough resources|worker processes have been started on node|waiting for resources|resources are not enough",
        role=Role.WARNING,
        certainty=Certainty.LIKELY,
        matches=(
            "Warning: The following resource request cannot be scheduled right now: {'CPU': 1.0}. This is likely due to all cluster resources being claimed by actors.",
            "The actor or task with ID ff cannot be scheduled right now. It requires {CPU: 4.0} for placement",
        ),
        near_misses=("scheduled right now",),
    ),
    Signature(
        name="placement-group",
        code="scheduling.placement-group",
        contains=(
            "No available node types can fulfill placement group",
            "The placement group corresponding to this",
            "Cannot provide a placement group of",
            "associated placement group was removed",
            "PlacementGroupSchedulingError",
            "Placement group creation timed out",
            "placement group cannot be created",
            "TASK_PLACEMENT_GROUP_REMOVED",
            "ACTOR_PLACEMENT_GROUP_REMOVED",
            "Placement group is not ready",
            "Ray does not allocate any GPUs on the driver node",
            "Current node has no GPU available",
            "Placement group was removed",
            "cannot fit into any bundles for the placement group",
            "Gang scheduling failed",
            "placement group could not be scheduled",
        ),
        matches=(
            "ValueError: Cannot provide a placement group of placement_group_specs=[{'GPU': 1.0}] within 1800 seconds.",
            "The placement group corresponding to this Actor has been removed.",
        ),
        near_misses=("the placement group was created",),
    ),
    Signature(
        name="node-affinity",
        code="scheduling.node-affinity",
        contains=(
            "The task is not schedulable",
            "The actor is not schedulable",
            "The node specified via NodeAffinitySchedulingStrategy",
            "doesn't exist any more or is infeasible",
            "No available node types can fulfill label",
            "label selector",
        ),
        pattern=r"is not schedulable: |NodeAffinitySchedulingStrategy|doesn't exist any more|fulfill label|no nodes? match\w* .{0,40}label",
        matches=(
            "ray.exceptions.TaskUnschedulableError: The task is not schedulable: The node specified via NodeAffinitySchedulingStrategy doesn't exist any more or is infeasible",
            "The actor is not schedulable: no node matches.",
        ),
        near_misses=("the label selector matches",),
    ),
)

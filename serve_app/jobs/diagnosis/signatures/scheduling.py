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
        ),
        pattern=r"infeasible resource requests|No available node types can fulfill resource request|(?:Task|Actor)UnschedulableError: |(?:request|demand|shape|task|actor|bundle)\S* .{0,80}is infeasible",
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
        name="too-few-accelerators",
        code="scheduling.infeasible",
        contains=(
            "is less than total desired GPUs",
            "exceeds the total number of available GPUs",
            "exceeds the total number of available",
            "Not enough GPUs available in the cluster",
        ),
        pattern=r"Total available GPUs \S{1,20} is less than|exceeds the total number of available \w{1,10}s? in the|Not enough GPUs available",
        certainty=Certainty.LIKELY,
        matches=(
            "ValueError: Total available GPUs 4.0 is less than total desired GPUs 8",
            "ValueError: The number of required GPUs exceeds the total number of available GPUs in the placement group.",
        ),
        near_misses=("Total available GPUs 8.0",),
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
        ),
        pattern=r"cannot be scheduled right now|cannot provide the requested|Waiting for enough resources|worker processes have been started on node|waiting for resources|resources are not enough",
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

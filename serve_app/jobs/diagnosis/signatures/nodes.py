"""Nodes, raylets and actors that die."""

from __future__ import annotations

from serve_app.jobs.diagnosis.models import Certainty
from serve_app.jobs.diagnosis.signature import Role, Signature

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="node-dead",
        code="node.died",
        contains=(
            "has been marked dead because the detector",
            "Owner's node has crashed",
            "The node it was running on is dead",
            "the node it was running on is dead",
            "the actor's node was terminated unexpectedly",
            "NODE_DIED",
            "health check failed due to missing too many heartbeats",
            "node was dead or unavailable",
            "NodeDiedError",
            "its node has died",
            "because its node died",
        ),
        matches=(
            "The node with node id: 5ad and address: 10.0.0.1 has been marked dead because the detector has missed too many heartbeats from it.",
            "Worker exit detail: Owner's node has crashed.",
        ),
        near_misses=("the node is alive",),
    ),
    Signature(
        name="task-node-dead",
        code="node.died",
        contains=(
            "Task failed because the node it was running on is dead or unavailable",
            "the actor's node was terminated",
        ),
        matches=(
            "ray.exceptions.NodeDiedError: Task failed because the node it was running on is dead or unavailable.",
            "The actor died because the actor's node was terminated expectedly: x",
        ),
        near_misses=("the node it was running on is fine",),
    ),
    Signature(
        name="node-preempted",
        code="node.preempted",
        contains=(
            "the actor's node was preempted",
            "node was preempted",
            "ActorDiedError: The actor died because its node was preempted",
            "spot instance interruption",
            "is being drained",
            "DRAIN_NODE_REASON_PREEMPTION",
            "preemption notice",
        ),
        unless=r"(?i)num_restarts_due|= ?0",
        matches=(
            "The actor died because the actor's node was preempted: idle",
            "received a preemption notice for node 3",
        ),
        near_misses=("num_restarts_due_to_node_preemption = 0, preempted = 0",),
    ),
    Signature(
        name="raylet-died",
        code="raylet.crashed",
        contains=(
            "local raylet died",
            "the Raylet has most likely crashed",
            "The raylet exited immediately",
            "Raylet is terminated",
            "raylet has died",
            "LocalRayletDiedError",
            "Failed to connect to the raylet",
            "The raylet died",
            "Raylet process died",
            "Broken pipe while talking to raylet",
            "could not connect to socket /tmp/ray",
        ),
        pattern=r"LocalRayletDiedError: |local raylet died|most likely crashed|raylet exited immediately|Raylet is terminated|[Rr]aylet (?:process )?(?:has )?died|connect to the raylet|talking to raylet|connect to socket /tmp/ray",
        matches=(
            "ray.exceptions.LocalRayletDiedError: The task's local raylet died. Check raylet.out for more information.",
            "Unexpected error in IPC to the Raylet; the Raylet has most likely crashed.",
        ),
        near_misses=("the raylet is alive",),
    ),
    Signature(
        name="actor-died",
        code="actor.died",
        contains=(
            "The actor died unexpectedly before finishing this task",
            "RayActorError: ",
            "ActorDiedError: ",
            "The actor is dead because its worker process has died",
        ),
        role=Role.SYMPTOM,
        certainty=Certainty.LIKELY,
        matches=(
            "ray.exceptions.RayActorError: The actor died unexpectedly before finishing this task.",
            "The actor is dead because its worker process has died.",
        ),
        near_misses=("the actor is alive",),
    ),
    Signature(
        name="actor-killed",
        code="actor.died",
        contains=("killed by `ray.kill`", "all references to the actor were removed"),
        role=Role.WRAPPER,
        certainty=Certainty.CERTAIN,
        advice=(
            "Keep a handle of the actor while it is needed, or make it detached.",
            "Find who calls `ray.kill` on it.",
        ),
        matches=(
            "The actor is dead because it was killed by `ray.kill`.",
            "The actor is dead because all references to the actor were removed.",
        ),
        near_misses=("the process was killed",),
    ),
    Signature(
        name="actor-owner-died",
        code="actor.owner-died",
        contains=("The actor is dead because its owner has died",),
        role=Role.WRAPPER,
        matches=(
            "The actor is dead because its owner has died. Owner Id: 05 Owner Ip address: 10.0.0.1",
            "The actor is dead because its owner has died. Owner Id: 06",
        ),
        near_misses=("the owner of the actor is alive",),
    ),
    Signature(
        name="actor-unavailable",
        code="actor.unavailable",
        contains=("ActorUnavailableError", "The task may or may not have been executed on the actor"),
        pattern=r"ActorUnavailableError: |may or may not have been executed",
        role=Role.SYMPTOM,
        certainty=Certainty.LIKELY,
        matches=(
            "ray.exceptions.ActorUnavailableError: The actor ab is unavailable: The actor is restarting.",
            "The task may or may not have been executed on the actor.",
        ),
        near_misses=("except ActorUnavailableError",),
    ),
)

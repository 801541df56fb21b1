"""What Kubernetes and the clouds tell about pods and nodes of a Ray cluster."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="pod-unschedulable",
        code="scheduling.waiting",
        contains=("nodes are available: ", "pod didn't trigger scale-up", "exceeded quota: "),
        pattern=r"\d+/\d+ nodes are available: .{0,300}(?:Insufficient|didn't match|had untolerated|had taint)|didn't trigger scale-up|forbidden: exceeded quota",
        role=ClueRole.WARNING,
        certainty=Certainty.LIKELY,
        advice=(
            "Compare the pod's requests, node selector and tolerations in the RayCluster with what the nodes of Kubernetes offer.",
            "Add nodes of that kind, or lower the requests of the worker group.",
        ),
        matches=(
            "Warning  FailedScheduling  default-scheduler  0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
            'pods "head" is forbidden: exceeded quota: team, requested: cpu=8',
        ),
        near_misses=("3/3 nodes are available: all of them",),
    ),
    Signature(
        name="pod-image",
        code="env.container-failed",
        contains=("ImagePullBackOff", "ErrImagePull", "Failed to pull image", "InvalidImageName"),
        matches=(
            'Warning  Failed  kubelet  Failed to pull image "rayproject/ray:2.99": not found',
            "head-x   0/1   ImagePullBackOff   0   3m",
        ),
        near_misses=("Successfully pulled image",),
    ),
)

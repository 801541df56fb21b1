"""What Kubernetes and the clouds tell about pods and nodes of a Ray cluster."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="device-not-given",
        code="gpu.unavailable",
        contains=("Allocate failed due to", "GPU device allocation", "no healthy devices present"),
        pattern=r"Allocate failed due to .{0,300}(?:nvidia|amd\.com/gpu|gpu|GPU|nvml)|find GPU device allocation|no healthy devices present.{0,200}gpu",
        stands=True,
        matches=(
            "Warning  UnexpectedAdmissionError  9s  kubelet  Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. Requested: 1, Available: 0, which is unexpected",
            "Message: Pod Allocate failed due to device plugin GetPreferredAllocation rpc failed with err: error creating nvml.Device 5: nvml: GPU is lost, which is unexpected",
        ),
        near_misses=("Allocate failed due to rpc error: code = Unavailable desc = error reading from server: EOF",),
    ),
    Signature(
        # The pod that submits gave up; Ray, which runs the job, knows nothing of that (KubeRay's ``RayJob``).
        name="submitter-gave-up",
        code="job.status-unreliable",
        contains=("Reason: BackoffLimitExceeded", "reason: SubmissionFailed", "Reason:  SubmissionFailed"),
        certainty=Certainty.LIKELY,
        stands=True,
        matches=(
            "message: 'Job submission has failed. Reason: BackoffLimitExceeded. Message: Job has reached the specified backoff limit'",
            "  reason: SubmissionFailed",
        ),
        near_misses=("reason: AppFailed",),
    ),
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
        contains=(
            "ImagePullBackOff",
            "ErrImagePull",
            "Failed to pull image",
            "InvalidImageName",
            "Back-off pulling image",
        ),
        matches=(
            'Warning  Failed  kubelet  Failed to pull image "rayproject/ray:2.99": not found',
            "head-x   0/1   ImagePullBackOff   0   3m",
            'Normal  BackOff  9s  kubelet  Back-off pulling image "rayproject/ray:2.99"',
        ),
        near_misses=("Successfully pulled image",),
    ),
)

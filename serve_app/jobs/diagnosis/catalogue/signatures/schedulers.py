"""What others that place and end processes print: Slurm, Kubernetes, container engines, the driver of the GPU.

A line of these is not repaired by what is printed after it (``stands``).
"""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        # `sacct`: exit code and signal, of which 9 says nothing of who sent it.
        name="slurm-killed",
        code="memory.process-killed",
        contains=("FAILED  ",),
        pattern=r"\bFAILED {1,12}\d{1,3}:9\s*$",
        certainty=Certainty.POSSIBLE,
        stands=True,
        matches=("77           ray-train        gpu     FAILED      0:9", "77.batch  batch  FAILED  137:9"),
        near_misses=("77           ray-train        gpu     FAILED      1:0",),
    ),
    Signature(
        name="slurm-out-of-memory",
        code="memory.node-oom",
        contains=(
            "oom_kill event",
            "oom-kill event",
            "Out Of Memory",
            "OUT_OF_ME+",
            "OUT_OF_MEMORY",
            "memory limit at some point",
            "OOM Killed",
        ),
        pattern=r"(?:Detected|Some of) .{0,80}oom[_-]kill event|srun: error: .{0,120}Out Of Memory|\bOUT_OF_ME(?:\+|MORY +\d+:\d)|[Ee]xceeded (?:job|step) memory limit",
        stands=True,
        matches=(
            "slurmstepd: error: Detected 1 oom_kill event in StepId=11.batch. Some of the step tasks have been OOM Killed.",
            "77.batch     batch    OUT_OF_ME+    0:125",
            "77.batch  batch  OUT_OF_MEMORY  0:125",
        ),
        near_misses=("Out Of Memory is what we fear",),
    ),
    Signature(
        name="slurm-ended-it",
        code="app.stopped",
        contains=("CANCELLED AT", "DUE TO TIME LIMIT", "CANCELLED by", "TIMEOUT ", "CANCELLED+"),
        pattern=r"\*\*\* (?:JOB|STEP) \S{1,40} ON \S{1,80} CANCELLED AT|DUE TO TIME LIMIT|\bCANCELLED by \d|^\d{1,12}(?:\.\w{1,20})?\s.{0,120}\b(?:TIMEOUT|CANCELLED\+)\s{1,20}\d{1,4}:\d",
        certainty=Certainty.LIKELY,
        stands=True,
        matches=(
            "slurmstepd: error: *** JOB 77 ON node04 CANCELLED AT 2024-01-02T03:04:05 DUE TO TIME LIMIT ***",
            "77           sweep       gpu    TIMEOUT      0:0",
        ),
        near_misses=("TIMEOUT is 30",),
    ),
    Signature(
        name="slurm-node-failed",
        code="node.died",
        contains=("NODE_FAIL", "DUE TO NODE FAILURE", "Node failure on"),
        pattern=r"\bNODE_FAIL\b\s{1,20}\d|DUE TO NODE FAILURE|Node failure on \S",
        stands=True,
        matches=("77.batch   batch   NODE_FAIL     0:0", "srun: error: Node failure on node04"),
        near_misses=("NODE_FAIL is a state",),
    ),
    Signature(
        name="slurm-waits",
        code="scheduling.waiting",
        contains=("(Resources)", "(Priority)", "(QOSMax", "(AssocGrp", "(PartitionNodeLimit)", "(ReqNodeNotAvail"),
        pattern=r"\sPD\s.{0,80}\((?:Resources|Priority|QOSMax\w+|AssocGrp\w+|ReqNodeNotAvail.{0,80})\)",
        certainty=Certainty.LIKELY,
        role=ClueRole.SYMPTOM,
        stands=True,
        matches=(
            "   77   gpu   sweep   ann PD   0:00   2 (Resources)",
            "   78   gpu   sweep   ann PD   0:00   2 (QOSMaxGRESPerUser)",
        ),
        near_misses=("   77   gpu   sweep   ann  R   9:00   2 node[04-05]",),
    ),
    Signature(
        name="pod-waits-for-the-head",
        code="gcs.unreachable",
        contains=("Init:0/", "Init:Error", "Init:CrashLoopBackOff"),
        pattern=r"\s0/\d{1,2} {1,20}Init:(?:0/\d|Error|CrashLoopBackOff)\s",
        role=ClueRole.WARNING,
        certainty=Certainty.POSSIBLE,
        stands=True,
        sentence="A worker waits in its first container, which goes on when the head answers",
        advice=("Read the log of that container (`kubectl logs POD -c wait-gcs-ready`), and that of the head.",),
        matches=(
            "raycluster-a-worker-xyz        0/1     Init:0/1   0          10m",
            "raycluster-a-worker-xyz        0/1     Init:Error   3          10m",
        ),
        near_misses=("raycluster-a-worker-xyz        1/1     Running   0          10m",),
    ),
    Signature(
        name="pod-crashes",
        code="app.exception",
        contains=("CrashLoopBackOff", "Back-off restarting failed container"),
        role=ClueRole.SYMPTOM,
        certainty=Certainty.POSSIBLE,
        stands=True,
        sentence="A container ends again and again soon after its start; its own log tells why",
        advice=("Read the log of the run before: `kubectl logs --previous` of that pod.",),
        matches=(
            "head-a   0/1   CrashLoopBackOff   7   12m",
            "Warning  BackOff  kubelet  Back-off restarting failed container",
        ),
        near_misses=("CrashLoop is over",),
    ),
    Signature(
        name="pod-waits",
        code="scheduling.waiting",
        contains=("Pending", "FailedScheduling"),
        pattern=r"^\S{1,200}\s{1,30}0/\d{1,2}\s{1,20}Pending\s|FailedScheduling.{0,200}(?:nodes are available|no nodes available)|^Status:\s{1,30}Pending",
        role=ClueRole.SYMPTOM,
        certainty=Certainty.LIKELY,
        stands=True,
        advice=(
            "Read the events of the pod (`kubectl describe pod`): they say what no node has.",
            "Lower the requests of the worker group, or add nodes of that kind.",
        ),
        matches=(
            "raycluster-a-worker-b   0/1     Pending   0          9m",
            "Warning  FailedScheduling  2m  default-scheduler  0/5 nodes are available: 5 Insufficient cpu.",
        ),
        near_misses=("Pending: 3", "raycluster-a-worker-b   1/1     Running   0          9m"),
    ),
    Signature(
        name="container-engine",
        code="env.container-failed",
        contains=(
            "Error response from daemon",
            "OCI runtime create failed",
            "OCI runtime exec failed",
            "CreateContainerError",
            "CreateContainerConfigError",
            "RunContainerError",
            "could not select device driver",
            "FailedCreatePodSandBox",
        ),
        pattern=r"Error response from daemon: .{0,300}(?:pull|manifest|not found|denied|driver|mount|No such)|OCI runtime (?:create|exec) failed|(?:CreateContainer(?:Config)?|RunContainer)Error|could not select device driver|FailedCreatePodSandBox",
        stands=True,
        matches=(
            'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].',
            "head-a   0/1   CreateContainerConfigError   0   2m",
        ),
        near_misses=("Error response from daemon: removal is in progress",),
    ),
    Signature(
        name="driver-does-not-answer",
        code="gpu.unavailable",
        contains=(
            "Failed to initialize NVML",
            "NVIDIA-SMI has failed",
            "No devices were found",
            "nvidia-container-cli: ",
        ),
        pattern=r"Failed to initialize NVML: |NVIDIA-SMI has failed|^No devices were found|nvidia-container-cli: .{0,120}(?:error|fail)",
        stands=True,
        matches=(
            "Failed to initialize NVML: Driver/library version mismatch",
            "nvidia-container-cli: initialization error: nvml error: driver not loaded",
        ),
        near_misses=("NVML was initialized",),
    ),
)

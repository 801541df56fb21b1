"""GPUs."""

from __future__ import annotations

from serve_app.jobs.diagnosis.models import Certainty
from serve_app.jobs.diagnosis.signature import Role, Signature

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="cuda-oom",
        code="gpu.out-of-memory",
        contains=(
            "CUDA out of memory",
            "cuda out of memory",
            "HIP out of memory",
            "NPU out of memory",
            "CUBLAS_STATUS_ALLOC_FAILED",
            "No available memory for the cache blocks",
            "CUDA_ERROR_OUT_OF_MEMORY",
            "CUDA error: out of memory",
            "is less than desired GPU memory utilization",
            "RESOURCE_EXHAUSTED: Out of memory",
        ),
        unless=r"(?i)if you|retrying|to avoid|skipping",
        matches=(
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
            "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
        ),
        near_misses=("to avoid CUDA out of memory use a smaller batch",),
    ),
    Signature(
        name="no-gpu",
        code="gpu.unavailable",
        contains=(
            "No CUDA GPUs are available",
            "Torch not compiled with CUDA enabled",
            "CUDA driver version is insufficient",
            "Found no NVIDIA driver",
            "no CUDA-capable device is detected",
            "CUDA is not available",
            "torch.cuda.is_available() is False",
            "Failed to infer device type",
            "no kernel image is available for execution",
            "invalid device ordinal",
            "device < num_gpus INTERNAL ASSERT FAILED",
            "CUDA unknown error",
            "The NVIDIA driver on your system is too old",
            "Attempting to deserialize object on a CUDA device",
        ),
        pattern=r"(?:Error|Exception|AssertionError).{0,200}(?:CUDA|GPU|NVIDIA|device)",
        matches=("RuntimeError: No CUDA GPUs are available", "AssertionError: Torch not compiled with CUDA enabled"),
        near_misses=("warning: CUDA is not available, using the CPU",),
    ),
    Signature(
        name="collective",
        code="gpu.collective-timeout",
        contains=(
            "Watchdog caught collective operation timeout",
            "NCCLHangError",
            "NCCL timeout",
            "NCCL error: ",
            "gloo/transport/tcp",
            "ncclInternalError",
            "ncclSystemError",
            "ncclRemoteError",
            "ncclUnhandledCudaError",
            "Timed out waiting for",
            "wait timeout after",
            "DistStoreError",
            "Some NCCL operations have failed or timed out",
        ),
        pattern=r"collective operation timeout|NCCLHangError|NCCL timeout|NCCL error: unhandled|gloo/transport/tcp.{0,200}(?:Timed out|timed out)|nccl(?:Internal|System|Remote|UnhandledCuda)Error|wait timeout after \d+ ?ms|DistStoreError|Some NCCL operations have|Timed out (?:initializing process group|waiting for clients|after \d+ seconds waiting for clients)",
        certainty=Certainty.LIKELY,
        matches=(
            "[rank3]:[E ProcessGroupNCCL.cpp:5] [PG 0 Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9)",
            "torch.distributed.DistStoreError: Timed out after 601 seconds waiting for clients. 1/2 clients joined.",
        ),
        near_misses=("Timed out waiting for a lock",),
    ),
    Signature(
        name="cuda-crash",
        code="app.native-crash",
        contains=(
            "CUDA error: an illegal memory access",
            "CUDA error: device-side assert",
            "CUDA error: unspecified launch failure",
            "CUDA error: misaligned address",
        ),
        role=Role.CAUSE,
        certainty=Certainty.LIKELY,
        matches=(
            "RuntimeError: CUDA error: an illegal memory access was encountered",
            "RuntimeError: CUDA error: device-side assert triggered",
        ),
        near_misses=("CUDA error counters: 0",),
    ),
)

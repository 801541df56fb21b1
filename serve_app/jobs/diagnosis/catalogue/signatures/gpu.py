"""GPUs."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="driver-not-there",
        code="gpu.unavailable",
        contains=(
            "Unexpected error from cudaGetDeviceCount",
            "CUDA driver initialization failed",
            "nvidia-container-cli: initialization error",
        ),
        pattern=r"Error: Unexpected error from cudaGetDeviceCount|Error: CUDA driver initialization failed|nvidia-container-cli: initialization error",
        matches=(
            "RuntimeError: CUDA driver initialization failed, you might not have a CUDA gpu.",
            "RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling NumCudaDevices() that might have already set an error? Error 802: system not yet initialized",
        ),
        near_misses=("cudaGetDeviceCount() returned 4",),
    ),
    Signature(
        name="gpu-oom-of-tensorflow",
        code="gpu.out-of-memory",
        contains=("OOM when allocating tensor",),
        pattern=r"OOM when allocating tensor.{0,300}GPU",
        matches=(
            "ResourceExhaustedError: OOM when allocating tensor with shape[8,512] and type float on /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc",
            "OP_REQUIRES failed at matmul_op.cc:480 : Resource exhausted: OOM when allocating tensor with shape[9] on /device:GPU:1",
        ),
        near_misses=("OOM when allocating tensor with shape[9] on /device:CPU:0 by allocator cpu",),
    ),
    Signature(
        # The exception of PyTorch: Ray's own of that name is never the cause of a ``RayTaskError``.
        name="cuda-oom-in-a-task",
        code="gpu.out-of-memory",
        contains=("RayTaskError(OutOfMemoryError)",),
        role=ClueRole.WRAPPER,
        certainty=Certainty.LIKELY,
        matches=(
            "ray.exceptions.RayTaskError(OutOfMemoryError): ray::Actor.update() (pid=7, ip=10.0.0.1)",
            "RayTaskError(OutOfMemoryError)            Traceback (most recent call last)",
        ),
        near_misses=("ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory.",),
    ),
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
            "CudaSupportError",
            "CUDA driver is a stub library",
            "libnvidia-ml.so",
            "libcuda.so",
            "NVMLError",
            "Current node has no GPU available",
            "Current node has no TPU available",
            "Current node has no NPU available",
            "Ray does not allocate any GPUs on the driver node",
            "No CUDA GPUs are available",
            "Torch not compiled with CUDA enabled",
            "CUDA driver version is insufficient",
            "Found no NVIDIA driver",
            "no CUDA-capable device is detected",
            "CUDA is not available",
            "torch.cuda.is_available() is False",
            "Failed to infer device type",
            "invalid device ordinal",
            "device < num_gpus INTERNAL ASSERT FAILED",
            "CUDA unknown error",
            "The NVIDIA driver on your system is too old",
            "Attempting to deserialize object on a CUDA device",
        ),
        pattern=r"CudaSupportError|(?:Error|Exception|AssertionError).{0,200}(?:CUDA|GPU|TPU|NPU|NVIDIA|NVML|nvidia|libcuda|device|Cuda)",
        matches=("RuntimeError: No CUDA GPUs are available", "AssertionError: Torch not compiled with CUDA enabled"),
        near_misses=("warning: CUDA is not available, using the CPU",),
    ),
    Signature(
        name="gpu-not-built-for",
        code="gpu.unavailable",
        contains=(
            "no kernel image is available for execution",
            "is not compatible with the current PyTorch installation",
        ),
        pattern=r"(?:Error|Exception).{0,200}no kernel image is available|not compatible with the current PyTorch",
        certainty=Certainty.LIKELY,
        advice=("Install the library as it is built for this kind of GPU, or ask for another kind of node.",),
        matches=(
            "RuntimeError: CUDA error: no kernel image is available for execution on the device",
            "NVIDIA H100 with CUDA capability sm_90 is not compatible with the current PyTorch installation.",
        ),
        near_misses=("the kernel image is available",),
    ),
    Signature(
        name="nvidia-smi-missing",
        code="gpu.unavailable",
        contains=("nvidia-smi",),
        pattern=r"No such file or directory: '[^']{0,80}nvidia-smi'|nvidia-smi: (?:command )?not found|NVIDIA-SMI has failed",
        certainty=Certainty.LIKELY,
        matches=(
            "FileNotFoundError: [Errno 2] No such file or directory: 'nvidia-smi'",
            "/bin/sh: 1: nvidia-smi: not found",
        ),
        near_misses=("see nvidia-smi for the use of the GPU",),
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
        role=ClueRole.CAUSE,
        certainty=Certainty.LIKELY,
        matches=(
            "RuntimeError: CUDA error: an illegal memory access was encountered",
            "RuntimeError: CUDA error: device-side assert triggered",
        ),
        near_misses=("CUDA error counters: 0",),
    ),
)

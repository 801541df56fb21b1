"""More words of engines of language models and of Ray Train: memory, calls and starts that do not fit."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Signature
from serve_app.jobs.diagnosis.models import Certainty

_DOCS = "https://docs.ray.io/en/latest/serve/llm/index.html"

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="engine-cache-too-small",
        code="gpu.out-of-memory",
        contains=(
            "is larger than the maximum number of tokens that can be stored in KV cache",
            "which is larger than the available KV cache memory",
            "is less than desired GPU memory utilization",
            "Not enough memory. Please try to increase --mem-fraction-static",
        ),
        docs=_DOCS,
        matches=(
            "ValueError: The model's max seq len (131072) is larger than the maximum number of tokens that can be stored "
            "in KV cache (9000). Try increasing `gpu_memory_utilization` or decreasing `max_model_len`",
            "ValueError: To serve at least one request with the models's max seq len (40960), (5.6 GiB KV cache is "
            "needed, which is larger than the available KV cache memory (1.2 GiB)",
        ),
        near_misses=("Available KV cache memory: 9.39 GiB",),
        advice=(
            "Lower max_model_len, or raise gpu_memory_utilization if nothing else uses the GPU.",
            "End what else holds memory of that GPU, or raise tensor_parallel_size.",
        ),
    ),
    Signature(
        name="engine-call-timeout",
        code="gpu.collective-timeout",
        contains=("RPC call to ",),
        pattern=r"RPC call to \w{1,60} timed out",
        role=ClueRole.SYMPTOM,
        certainty=Certainty.POSSIBLE,
        docs=_DOCS,
        matches=("TimeoutError: RPC call to execute_model timed out.", "ERROR RPC call to sample_tokens timed out."),
        near_misses=("RPC call to 3 services took 2 s",),
    ),
    Signature(
        name="train-rank-missing",
        code="gpu.collective-timeout",
        contains=("The following ranks have not joined the collective operation",),
        certainty=Certainty.LIKELY,
        matches=(
            "The following ranks have not joined the collective operation: [1]",
            "(TrainController pid=7) The following ranks have not joined the collective operation: [0, 3]",
        ),
        near_misses=("The following ranks have joined the collective operation: [1]",),
    ),
    Signature(
        name="train-workers-not-started",
        code="scheduling.waiting",
        contains=("The worker group startup timed out after",),
        role=ClueRole.WARNING,
        certainty=Certainty.LIKELY,
        matches=(
            "ray.train.v2._internal.exceptions.WorkerGroupStartupTimeoutError: The worker group startup timed out "
            "after 30.0 seconds waiting for 4 workers. Potential causes include: (1) temporary insufficient",
            "The worker group startup timed out after 30.0 seconds waiting for 2 workers. ",
        ),
        near_misses=("The startup of the group timed out",),
    ),
)

"""Lines that look bad and are not."""

from __future__ import annotations

from serve_app.jobs.diagnosis.models import Certainty
from serve_app.jobs.diagnosis.signature import Role, Signature

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="intended-exit",
        code="unknown",
        contains=(
            "INTENDED_USER_EXIT",
            "INTENDED_SYSTEM_EXIT",
            "because its job has finished",
            "Worker exits because it was idle",
            "EXPECTED_TERMINATION",
        ),
        role=Role.BENIGN,
        certainty=Certainty.POSSIBLE,
        unless=r"initialization method|creation task|owner has died",
        matches=(
            "INTENDED_USER_EXIT: Worker force exited because its job has finished",
            "INTENDED_SYSTEM_EXIT: Worker exits because it was idle for a long time.",
        ),
        near_misses=("SYSTEM_ERROR: Worker unexpectedly exits",),
    ),
    Signature(
        name="future-warning",
        code="unknown",
        contains=(
            "DeprecationWarning",
            "FutureWarning",
            "UserWarning",
            "RuntimeWarning",
            "SyntaxWarning",
            "ResourceWarning",
            "DtypeWarning",
            "PendingDeprecationWarning",
            "InsecureRequestWarning",
        ),
        role=Role.BENIGN,
        matches=(
            "a.py:3: DeprecationWarning: this will raise an error in the future!",
            "x.py:9: FutureWarning: the default fails soon",
        ),
        near_misses=("ValueError: no",),
    ),
    Signature(
        name="metrics-export",
        code="unknown",
        contains=(
            "Failed to establish connection to the metrics exporter agent",
            "OpenTelemetry metric",
            "metrics_agent_client",
            "opencensus",
            "open_telemetry_metric_recorder",
            "Failed to export metrics",
            "Exporter already created",
            "usage stats",
        ),
        role=Role.BENIGN,
        matches=(
            "core_worker_process.cc:9: Failed to establish connection to the metrics exporter agent. Metrics will not be exported.",
            "[W] metrics_agent_client.cc:5 failed",
        ),
        near_misses=("the metrics are exported",),
    ),
    Signature(
        name="accelerator-probe",
        code="unknown",
        contains=(
            "Failed to auto-detect TPU type",
            "Failed to detect number of TPUs",
            "Could not find TensorRT",
            "Unable to register cuDNN factory",
            "Unable to register cuBLAS factory",
            "Unable to register cuFFT factory",
            "Could not load dynamic library 'libcudart",
            "failed call to cuInit",
        ),
        role=Role.BENIGN,
        matches=(
            "INFO tpu.py:571: Failed to auto-detect TPU type.",
            "E external/local_xla/xla/stream_executor/cuda/cuda_dnn.cc:9] Unable to register cuDNN factory",
        ),
        near_misses=("TPU type v5",),
    ),
)

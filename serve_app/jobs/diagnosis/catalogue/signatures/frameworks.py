"""Frameworks on Ray that wrap a failure of their own workers."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="tune-stopped",
        code="app.stopped",
        contains=("ending Ray Tune run",),
        pattern=r"(?:Stop signal|SIG\w{2,6}) received \(e\.g\. via .{1,30}, ending Ray Tune run",
        stands=True,
        matches=(
            "2025-01-06 15:36:27,893\tWARNING tune.py:219 -- Stop signal received (e.g. via SIGINT/Ctrl+C), ending Ray Tune run. This will try to checkpoint",
            "WARNING tune.py:506 -- SIGINT received (e.g. via Ctrl+C), ending Ray Tune run. This will try to checkpoint the experiment state one last time.",
        ),
        near_misses=("INFO tune.py:90 -- ending Ray Tune run after 20 trials",),
    ),
    Signature(
        name="vllm-engine",
        code="app.exception",
        contains=(
            "Engine core initialization failed",
            "EngineDeadError",
            "EngineCore encountered an issue",
            "AsyncEngineDeadError",
            "Background loop has errored",
            "Engine process failed to start",
            "MQEngineDeadError",
            "EngineCore died",
            "EngineCore failed to start",
            "WorkerProc initialization failed",
            "It usually means the child failed",
            "See stack trace for root cause",
            "See root cause above",
            "scheduler is dead. Please check if there are relevant logs",
            "Engine loop is not running",
            "Engine background task failed",
            "Task finished unexpectedly",
            "Error executing job with overrides",
        ),
        unless=r"CUDA|NCCL|Error executing job with overrides: \[.{0,400}(?:0 failed)",
        role=ClueRole.SYMPTOM,
        certainty=Certainty.POSSIBLE,
        matches=(
            "RuntimeError: Engine core initialization failed. See root cause above.",
            "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.",
        ),
        near_misses=("Engine core initialization took 3 s",),
    ),
    Signature(
        name="tune-train",
        code="app.task-exception",
        contains=(
            "Trials did not complete",
            "TrainingFailedError",
            "TuneError",
            "WorkerGroupError",
            "The Ray Train run failed",
            "ControllerError",
        ),
        pattern=r"TuneError: |TrainingFailedError|Trials did not complete|WorkerGroupError|ControllerError: ",
        role=ClueRole.WRAPPER,
        certainty=Certainty.LIKELY,
        matches=(
            "ray.tune.error.TuneError: ('Trials did not complete', [PPO_1])",
            "ray.train.base_trainer.TrainingFailedError: The Ray Train run failed.",
        ),
        near_misses=("all trials completed",),
    ),
    Signature(
        name="called-process",
        code="app.exception",
        contains=("CalledProcessError: ", "ChildFailedError"),
        pattern=r"CalledProcessError: Command|ChildFailedError:",
        role=ClueRole.SYMPTOM,
        certainty=Certainty.POSSIBLE,
        matches=(
            "subprocess.CalledProcessError: Command '['make']' returned non-zero exit status 2.",
            "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:",
        ),
        near_misses=("except CalledProcessError as error",),
    ),
)

"""Memory of nodes and processes."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        # The end of Ray's message, where its begin is not in the excerpt; of what is tried again it says otherwise.
        name="memory-monitor-advice",
        code="memory.node-oom",
        contains=("to enable retry when the task crashes due to OOM", "crashes due to OOM"),
        certainty=Certainty.LIKELY,
        matches=(
            "Refer to the documentation on how to address the out of memory issue: https://docs.example. Set max_restarts and max_task_retries to enable retry when the task crashes due to OOM.",
            "Set max_retries to enable retry when the task crashes due to OOM. To adjust the kill threshold, set",
        ),
        near_misses=("the task is tried again when it crashes due to memory",),
    ),
    Signature(
        name="memory-monitor",
        code="memory.node-oom",
        contains=(
            "due to the node running low on memory",
            "due to memory pressure (OOM)",
            "OutOfMemoryError: Task was killed",
            "OutOfMemoryError: Actor was killed",
            "NODE_OUT_OF_MEMORY",
            "was killed due to memory pressure",
            "Killing worker because the node is running low on memory",
            "Memory on the node (IP:",
            "is running low on memory and was killed",
            "The node was low on resource: memory",
            "has exceeded the reserved system memory",
        ),
        unless=r"\b0 Workers \(tasks / actors\) killed",
        matches=(
            "ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory.",
            "(raylet) 2 Workers (tasks / actors) killed due to memory pressure (OOM), 0 Workers crashed due to other reasons at node (ID: x)",
        ),
        near_misses=(
            "(raylet) 0 Workers (tasks / actors) killed due to memory pressure (OOM), 3 Workers crashed due to other reasons at node (ID: x)",
            "Some common causes include: (1) the process was killed by the OOM killer due to high memory usage",
        ),
    ),
    Signature(
        name="kernel-oom",
        code="memory.node-oom",
        contains=(
            "Out of memory: Kill",
            "oom-kill:",
            "invoked oom-killer",
            "OOMKilled",
            "Memory cgroup out of memory",
            "oom_reaper",
        ),
        unless=r"OOMKilled(?:\"|')?[:=]\s?(?:false|False)|if OOMKilled|may (?:be|have)",
        matches=("[1234.5] Out of memory: Killed process 77 (python) total-vm:9kB", "  Reason: OOMKilled"),
        near_misses=("OOMKilled: false",),
    ),
    Signature(
        name="out-of-memory-old",
        code="memory.node-oom",
        contains=("RayOutOfMemoryError", "More than 95% of the memory on node"),
        pattern=r"RayOutOfMemoryError: |More than \d+% of the memory on node",
        matches=(
            "ray._private.memory_monitor.RayOutOfMemoryError: Heap memory usage for ray is 0.9",
            "RayOutOfMemoryError: More than 95% of the memory on node x is used (59 / 62 GB).",
        ),
        near_misses=("RayOutOfMemoryError is retried",),
    ),
    Signature(
        name="worker-lost",
        code="memory.process-killed",
        contains=(
            "Worker unexpectedly exits with a connection error code 2",
            "The process receives a SIGKILL",
            "The worker died unexpectedly while executing this task",
            "A worker died or was killed while executing",
            "A worker died or was killed while executing a task by an unexpected system error",
            "Worker exits with an exit code None",
            "WorkerCrashedError",
            "The worker may have exceeded K8s pod memory limits",
            "The leased worker has died",
            "Worker exit type: SYSTEM_ERROR",
            "UNEXPECTED_SYSTEM_EXIT",
            "The leased worker has unrecoverable failure",
            "likely worker died or was killed",
            "cancelling task of dead actor",
            "Workers (tasks / actors) crashed due to other reasons",
            "0 Workers (tasks / actors) killed due to memory pressure",
            "SYSTEM_ERROR: Worker unexpectedly exits",
            "RpcError: RPC error: Socket closed",
        ),
        # Any number but those that begin with 137.
        unless=r"actor is dead.{0,200}with an exit code (?:-\d|[02-9]|1(?:[^3]|$)|13(?:[^7]|$))",
        role=ClueRole.SYMPTOM,
        certainty=Certainty.POSSIBLE,
        matches=(
            "Worker exit type: SYSTEM_ERROR Worker exit detail: Worker unexpectedly exits with a connection error code 2. End of file.",
            "ray.exceptions.WorkerCrashedError: The worker died unexpectedly while executing this task.",
            "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exits with an exit code 137.",
            "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exits with an exit code None.",
        ),
        near_misses=(
            "Worker exit type: INTENDED_USER_EXIT",
            "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exits with an exit code 1.",
            "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exits with an exit code 13",
        ),
    ),
    Signature(
        name="killed-line",
        code="memory.process-killed",
        contains=(
            "Signals.SIGKILL",
            "is killed by signal: Killed",
            "Killed",
            "SIGKILL",
            "signal 9",
            "exit code 137",
            "exitcode: -9",
            "return code -9",
            "exit code -9",
            "Exit Code:",
            "exitCode: 137",
            "code 137",
            "exitcode=-9",
            "[exit code=-9]",
        ),
        pattern=r"by signal: Killed|\bline \d{1,5}: {1,4}\d{1,8} Killed\b|^(?:\[\d{1,3}\]\S? {1,4})?(?:\d{1,8} )?Killed(?: {2}|$)|signal 9\b|\bSIGKILL\b|[Ee]xit ?[Cc]ode[:=]? {0,8}(?:137|-9)\b|(?:return|exit) code -9\b|exited with code 137\b",
        unless=r"killed by user|Job is now being force-killed|ray\.kill|[Ss]ending SIGKILL|will be|Possible reasons|common causes|root causes|SIGKILL by",
        role=ClueRole.SYMPTOM,
        certainty=Certainty.POSSIBLE,
        matches=("./start.sh: line 12: 88123 Killed                  python a.py", "Killed"),
        near_misses=("Killed 3 idle connections of the pool",),
    ),
    Signature(
        name="memory-error",
        code="memory.process-killed",
        contains=(
            "MemoryError",
            "std::bad_alloc",
            "Cannot allocate memory",
            "DefaultCPUAllocator: can't allocate memory",
            "DefaultCPUAllocator: not enough memory",
        ),
        pattern=r"(?:^|\s|\.)_?(?:Array)?MemoryError(?::|$)|std::bad_alloc|Cannot allocate memory|DefaultCPUAllocator: ",
        role=ClueRole.CAUSE,
        certainty=Certainty.LIKELY,
        matches=(
            "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 90 GiB",
            "OSError: [Errno 12] Cannot allocate memory",
        ),
        near_misses=("the class MemoryErrorHandler was loaded",),
    ),
    Signature(
        # Since Ray 2.5x.
        name="memory-outside-workers",
        code="memory.node-oom",
        contains=("Worker killer did not select any workers to kill even though memory usage is high",),
        role=ClueRole.WARNING,
        certainty=Certainty.LIKELY,
        advice=(
            "Look which process that is not a worker holds the memory: the driver, the dashboard, an agent or a program outside Ray.",
            "Move the driver's work into tasks with a `memory` request, or give the node more memory.",
        ),
        matches=(
            "[2026-02-03 04:05:06,7 W 9 9] (raylet) Worker killer did not select any workers to kill even though memory usage is high.",
            "Worker killer did not select any workers to kill even though memory usage is high. Other Ray processes may use it",
        ),
        near_misses=("the worker killer selected worker 3",),
    ),
)

"""Logs of the kinds that people bring, in our own words: the cause, and whether it failed or waits."""

from __future__ import annotations

import pytest

from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.models import Fields, SourceKind, TextSource
from tests.unit.jobs.diagnosis.inputs.excerpts import EXCERPTS

STATUS = (
    "======== Autoscaler status: 2024-05-06 07:08:09.101112 ========\nNode status\n"
    "---------------------------------------------------------------\nActive:\n 1 head\n 2 small\nPending:\n"
    " (no pending nodes)\nRecent failures:\n (no failures)\n\nResources\n"
    "---------------------------------------------------------------\nUsage:\n 3.0/12.0 CPU\n 0.0/1.0 GPU\n"
    " 0B/40.00GiB memory\n 1.2MiB/9.00GiB object_store_memory\n\nDemands:\n"
)
ENGINE = "".join(
    f"(EngineCore_DP0 pid=77) INFO 10-15 08:32:{second:02} [loader.py:9] Loading shard {second} of 40\n"
    for second in range(20)
)
WORKER_FAILED = (
    "(RayWorkerWrapper pid={0}) ERROR 10-15 08:32:31 [worker_base.py:145] Error executing method 'load_model'.\n"
    "(RayWorkerWrapper pid={0}) ERROR 10-15 08:32:31 [worker_base.py:145] Traceback (most recent call last):\n"
    '(RayWorkerWrapper pid={0}) ERROR 10-15 08:32:31 [worker_base.py:145]   File "/opt/v/lib/python3.12/site-packages/vllm/w.py", line 9, in load_model\n'
    "(RayWorkerWrapper pid={0}) ERROR 10-15 08:32:31 [worker_base.py:145]     self.load()\n"
    "(RayWorkerWrapper pid={0}) ERROR 10-15 08:32:31 [worker_base.py:145] {1}\n"
)
CORE_FAILED = (
    "Traceback (most recent call last):\n"
    '  File "/opt/v/lib/python3.12/site-packages/vllm/v1/engine/utils.py", line 759, in wait_for_engine_startup\n'
    "    raise RuntimeError(\nRuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n"
)
DIED = (
    "ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.\n"
    "\tclass_name: WorkerDict\n\tactor_id: f4cb\n\tpid: 853\n\tnamespace: 6f15\n\tip: 10.0.0.4\n"
    "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: Worker "
    "unexpectedly exits with a connection error code 2. End of file. Some common causes include: (1) the process was "
    "killed by the OOM killer due to high memory usage, (2) ray stop --force was called, or (3) the worker crashed.\n"
)
EVENTS = (
    "Events:\n  Type     Reason            Age   From               Message\n"
    "  ----     ------            ----  ----               -------\n"
)


@pytest.mark.parametrize(
    ("text", "code", "state"),
    [
        # `ray status`.
        (STATUS + " {'CPU': 4.0}: 3+ pending tasks/actors\n", "scheduling.waiting", "waiting"),
        (STATUS + " {'GPU': 1.0} * 4 (PACK): 1+ pending placement groups\n", "scheduling.placement-group", "waiting"),
        (STATUS + " {'GPU': 8.0}: 1+ pending tasks/actors\n", "scheduling.infeasible", "waiting"),
        (STATUS + " {'custom_a': 1.0}: 1+ pending tasks/actors\n", "scheduling.infeasible", "waiting"),
        (STATUS + " (no resource demands)\n", None, "well"),
        (
            STATUS.replace(" (no failures)", " small: LaunchFailed (InsufficientInstanceCapacity)")
            + " {'GPU': 1.0}: 2+ pending tasks/actors\n",
            "cluster.launch-failed",
            "waiting",
        ),
        # The State API.
        (
            "- actor_id: 31405554\n  class_name: Ledger\n  state: PENDING_CREATION\n  job_id: '01000000'\n",
            "scheduling.waiting",
            "waiting",
        ),
        (
            "- task_id: 16310a0f\n  name: fit\n  state: FAILED\n  error_type: OUT_OF_MEMORY\n  attempt_number: 0\n",
            "memory.node-oom",
            "failed",
        ),
        (
            '[\n  {\n    "task_id": "c8ef",\n    "state": "FAILED",\n    "error_type": "TASK_EXECUTION_EXCEPTION",\n'
            '    "error_message": "KeyError: \'label\'"\n  }\n]\n',
            "app.task-exception",
            "failed",
        ),
        (
            "======== List: 2024-01-02 03:04:05.6 ========\nStats:\n------------------------------\nTotal: 1\n\nTable:\n"
            "------------------------------\n    PLACEMENT_GROUP_ID                    NAME  CREATOR_JOB_ID  STATE\n"
            "0  26e236a23e238e3b1c77fc4c011f07000000        07000000        PENDING\n",
            "scheduling.placement-group",
            "waiting",
        ),
        (
            "- node_id: 0a1b\n  node_ip: 10.0.0.7\n  is_head_node: false\n  state: ALIVE\n- node_id: 0a1c\n  state: ALIVE\n",
            None,
            "well",
        ),
        # Serve.
        (
            "proxies:\n  0a1b: HEALTHY\napplications:\n  app1:\n    status: RUNNING\n    message: ''\n    deployments:\n"
            "      A:\n        status: HEALTHY\n        replica_states:\n          RUNNING: 1\n        message: ''\n",
            None,
            "well",
        ),
        (
            "applications:\n  app1:\n    status: DEPLOY_FAILED\n    message: ''\n    deployments:\n      A:\n"
            "        status: UNHEALTHY\n        message: 'The deployment failed to start 3 times in a row. This may be due\n"
            "          to a problem with its constructor or initial health check failing. See controller logs for\n"
            "          details. Retrying after 4 seconds. Error: ray::ServeReplica:app1:A.initialize_and_get_metadata()'\n",
            "serve.constructor-failed",
            "failed",
        ),
        # Kubernetes, containers, Slurm, the driver of the GPU.
        (
            "NAME                       READY   STATUS    RESTARTS   AGE\nraycluster-a-head-x2j      0/1     Pending   0   9m\n",
            "scheduling.waiting",
            "waiting",
        ),
        (
            "NAME                       READY   STATUS             RESTARTS   AGE\nworker-a  0/1  ImagePullBackOff   0   9m\n",
            "env.container-failed",
            "failed",
        ),
        (
            "Name:  worker-a\nNamespace:  ml\n    State:          Running\n    Last State:     Terminated\n"
            "      Reason:       OOMKilled\n      Exit Code:    137\n    Restart Count:  4\n",
            "memory.node-oom",
            "failed",
        ),
        (
            EVENTS
            + "  Warning  FailedScheduling  2m    default-scheduler  0/5 nodes are available: 5 Insufficient cpu.\n",
            "scheduling.waiting",
            "waiting",
        ),
        (
            EVENTS + "  Normal   Scheduled   2m    default-scheduler  Successfully assigned ml/worker-a to node7\n"
            "  Normal   Pulled      2m    kubelet            Container image already present on machine\n"
            "  Normal   Started     2m    kubelet            Started container ray-worker\n",
            None,
            "well",
        ),
        (
            "slurmstepd: error: Detected 1 oom_kill event in StepId=11.batch. Some of the step tasks have been OOM Killed.\n",
            "memory.node-oom",
            "failed",
        ),
        (
            "JobID           JobName  Partition      State ExitCode\n------------ ---------- ---------- ---------- --------\n"
            "11                sweep        gpu    TIMEOUT      0:0\n",
            "app.stopped",
            "failed",
        ),
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n",
            "gpu.unavailable",
            "failed",
        ),
        ("[ 99.1] NVRM: Xid (PCI:0000:3b:00): 79, pid=4, GPU has fallen off the bus.\n", "gpu.hardware", "failed"),
        # Engines: the cause early, in a worker, and consequences after it.
        (
            WORKER_FAILED.format(91, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.")
            + ENGINE
            + CORE_FAILED,
            "gpu.out-of-memory",
            "failed",
        ),
        (
            "".join(WORKER_FAILED.format(pid, "ValueError: Unknown quantization method: fp9.") for pid in (91, 92, 93))
            + ENGINE
            + CORE_FAILED,
            "app.task-exception",
            "failed",
        ),
        (CORE_FAILED, "app.exception", "failed"),
        (
            "(WorkerDict pid=7) RuntimeError: NCCL error in: ProcessGroupNCCL.cpp:1970, remote process exited or there was "
            "a network error, NCCL version 2.21.5\n" + DIED,
            "gpu.collective-failed",
            "failed",
        ),
        (DIED, "memory.process-killed", "failed"),
        # Earlier Ray, and other languages.
        (
            "(pid=raylet) F0328 11:22:33.445566 77 node_manager.cc:3300] Check failed: task_id.IsNil()\n"
            "(pid=raylet) *** Check failure stack trace: ***\n(pid=raylet)     @     0x7f2c  google::LogMessage::Fail()\n",
            "ray.internal-error",
            "failed",
        ),
        (
            'Exception in thread "main" io.ray.api.exception.RayTaskException: (pid=7, ip=10.0.0.1) Error executing task 0a\n'
            "\tat io.ray.runtime.object.ObjectSerializer.deserialize(ObjectSerializer.java:99)\n"
            "Caused by: java.lang.IllegalArgumentException: no such table\n",
            "app.task-exception",
            "failed",
        ),
        (
            "[2024-01-02 03:04:05,678 E 24 24] (gcs_server) redis_context.cc:368: Failed to connect to Redis due to: "
            "RedisError: Could not establish connection to Redis cache:6379 (context.err = 1).. Will retry in 100ms.\n"
            * 3
            + "2024-01-02 03:04:15,000 CRITICAL node.py:610 -- Failed to start GCS.\n",
            "gcs.storage-unreachable",
            "failed",
        ),
        (
            "AssertionError: Session name session_2024-01-02_03-04-05_678_9 does not match persisted value "
            "b'session_2023-12-31_01-02-03_456_7'. Perhaps there was an error connecting to Redis.\n",
            "cluster.stale-state",
            "failed",
        ),
        ("OSError: AF_UNIX path length cannot exceed 107 bytes: '/long/sockets/plasma_store'\n", "os.limit", "failed"),
        # Healthy, and full of words.
        (
            "2024-01-02 03:04:05,678\tINFO worker.py:1724 -- Started a local Ray instance.\n"
            "(f pid=7) WARNING: failed to fetch shard 3, retrying in 2 s\n(f pid=7) errors: 0, failed: 0\n"
            "(f pid=7) retried 2 times, 0 failed\nfinal accuracy: 0.93\n",
            None,
            "well",
        ),
        (
            "== Status ==\nMemory usage on this node: 34.5/64.0 GiB\nNumber of trials: 2/2 (2 TERMINATED)\n"
            "2024-01-02 03:04:05,678\tINFO tune.py:747 -- Total run time: 61.42 seconds (60.98 seconds for the tuning loop).\n",
            None,
            "well",
        ),
    ],
)
def test_the_cause_and_the_state(text: str, code: str | None, state: str) -> None:
    found = diagnose(Fields(), [TextSource("log", SourceKind.FILE, [text.encode()])])
    assert (found.code, found.state) == (code, state)


TUNE = "2024-01-02 03:04:05,678\t{} tune.py:{} -- {}\n"
NCCL = "gpu7:277:542 [0] NCCL INFO {}\n"


@pytest.mark.parametrize(
    ("text", "code", "certainty"),
    [
        (
            TUNE.format("WARNING", 219, "Stop signal received (e.g. via SIGINT/Ctrl+C), ending Ray Tune run. This will")
            + TUNE.format("ERROR", 1037, "Trials did not complete: [train_94bfe_00000]"),
            "app.stopped",
            "certain",
        ),
        (
            "torch.distributed.DistBackendError: NCCL error in: ../NCCLUtils.hpp:268, unhandled system error\n"
            "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error.\n"
            "Last error:\nError while creating shared memory segment /dev/shm/nccl-aB3dEf (size 9637888)\n"
            + NCCL.format("comm 0x5648 rank 0 nranks 2 cudaDev 0 busId 73000 - Destroy COMPLETE"),
            "storage.shm-too-small",
            "certain",
        ),
        (
            "ConnectionError: Failed to connect to Ray at address: http://127.0.0.1:8265.\n"
            "AssertionError: Session name session_a does not match persisted value b'session_b'.\n",
            "cluster.stale-state",
            "certain",
        ),
        (
            "NodeUpdater: Waiting for SSH to i-0df2...\nPermission denied (publickey).\n"
            "NodeUpdater: Error updating Command '['ssh', 'ubuntu@10.0.0.9']' returned non-zero exit status 255.\n",
            "cluster.launch-failed",
            "likely",
        ),
        (
            "Failed to start supervisor actor 17: 'There was timeout in registering an actor. It is probably",
            "job.supervisor-not-created",
            "likely",
        ),
        (
            "[ 1843.308145] NVRM: The NVIDIA GPU 0000:b3:00.0\n               NVRM: (PCI ID: 10de:26b5) installed in this system has\n"
            "               NVRM: fallen off the bus and is not responding to commands.\n",
            "gpu.hardware",
            "certain",
        ),
        ("-bash: fork: retry: No child processes\n", "os.limit", "certain"),
        ("[1]    31008 killed     python train.py\n", "memory.process-killed", "possible"),
        ("ray.exceptions.RayTaskError(OutOfMemoryError): ray::Policy.update()\n", "gpu.out-of-memory", "likely"),
        (
            "ray::SERVE_CONTROLLER_ACTOR:Scorer#aBcDeF:RayServeWrappedReplica.__init__() (pid=7, ip=10.0.0.1)\n",
            "serve.constructor-failed",
            "certain",
        ),
    ],
)
def test_the_cause_and_how_sure_it_is(text: str, code: str, certainty: str) -> None:
    found = diagnose(Fields(), [TextSource("log", SourceKind.FILE, [text.encode()])])
    assert (found.code, found.certainty) == (code, certainty)


def test_while_a_node_is_on_its_way_a_demand_waits() -> None:
    coming = STATUS.replace(" (no pending nodes)", " 10.0.0.9: ray.worker.default, waiting-for-ssh")
    text = coming + " {'GPU': 8.0}: 1+ pending tasks/actors\n"
    found = diagnose(Fields(), [TextSource("log", SourceKind.FILE, [text.encode()])])
    assert (found.code, found.state) == ("scheduling.waiting", "waiting")


@pytest.mark.parametrize("name", EXCERPTS)
def test_the_cause_of_an_excerpt(name: str) -> None:
    code, text = EXCERPTS[name]
    found = diagnose(Fields(), [TextSource("log", SourceKind.FILE, [text.encode()])])
    assert (found.code, found.state == "well") == (code, code is None)
    lines = text.split("\n")
    assert all(each.quote in lines[each.line - 1] for each in found.evidence)

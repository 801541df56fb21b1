"""Excerpts of the kinds that people bring, in our own words, each with the code of its cause; None: nothing is wrong."""

from __future__ import annotations

# What three workers say between the first cause and the driver's end.
_STEPS = "".join(
    f"(WorkerDict pid={80 + step % 3}) INFO 05-03 11:06:{step:02} step {step} micro batch timing 0.{step}\n"
    for step in range(40)
)

EXCERPTS: dict[str, tuple[str | None, str]] = {
    "train wrapper": (
        "app.task-exception",
        "Traceback (most recent call last):\n"
        '  File "train.py", line 90, in <module>\n'
        "    result = trainer.fit()\n"
        '  File "/opt/v/lib/python3.10/site-packages/ray/train/base_trainer.py", line 668, in fit\n'
        "    raise TrainingFailedError(\n"
        "ray.train.base_trainer.TrainingFailedError: The Ray Train run failed. Please inspect the previous error messages for a cause.\n",
    ),
    "train inner": (
        "app.task-exception",
        "2024-03-04 05:06:07,890\tERROR tune_controller.py:1374 -- Trial task failed for trial TorchTrainer_1ab2c_00000\n"
        "Traceback (most recent call last):\n"
        '  File "/opt/v/lib/python3.10/site-packages/ray/air/execution/_internal/event_manager.py", line 110, in resolve_future\n'
        "    result = ray.get(future)\n"
        '  File "/opt/v/lib/python3.10/site-packages/ray/_private/worker.py", line 2626, in get\n'
        "    raise value.as_instanceof_cause()\n"
        "ray.exceptions.RayTaskError(RuntimeError): ray::_Inner.train() (pid=9, ip=10.0.0.5, actor_id=0a, repr=TorchTrainer)\n"
        '  File "/opt/v/lib/python3.10/site-packages/ray/tune/trainable/trainable.py", line 331, in train\n'
        "    raise skipped from exception_cause(skipped)\n"
        '  File "/opt/v/lib/python3.10/site-packages/ray/train/_internal/utils.py", line 57, in check_for_failure\n'
        "    ray.get(object_ref)\n"
        "ray.exceptions.RayTaskError(RuntimeError): ray::_RayTrainWorker__execute.get_next() (pid=11, ip=10.0.0.5)\n"
        '  File "/home/u/train.py", line 41, in train_loop\n'
        "    out = model(batch)\n"
        '  File "/opt/v/lib/python3.10/site-packages/torch/nn/modules/linear.py", line 114, in forward\n'
        "    return F.linear(input, self.weight, self.bias)\n"
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (32x784 and 512x10)\n"
        "\n"
        "Trial TorchTrainer_1ab2c_00000 errored after 0 iterations at 2024-03-04 05:06:08. Total running time: 12s\n"
        "Error file: /tmp/ray/session_x/artifacts/error.txt\n",
    ),
    "rllib env": (
        "app.task-exception",
        "2021-02-03 04:05:06,789\tERROR trial_runner.py:616 -- Trial PPO_x_1: Error processing event.\n"
        "Traceback (most recent call last):\n"
        '  File "/opt/v/lib/python3.7/site-packages/ray/tune/trial_runner.py", line 586, in _process_trial\n'
        "    results = self.trial_executor.fetch_result(trial)\n"
        '  File "/opt/v/lib/python3.7/site-packages/ray/worker.py", line 1456, in get\n'
        "    raise value.as_instanceof_cause()\n"
        "ray.exceptions.RayTaskError(ValueError): ray::PPO.train_buffered() (pid=473, ip=172.28.0.2)\n"
        '  File "python/ray/_raylet.pyx", line 480, in ray._raylet.execute_task\n'
        '  File "/opt/v/lib/python3.7/site-packages/ray/rllib/evaluation/sampler.py", line 20, in f\n'
        "    raise ValueError\n"
        "ValueError: ('Observation ({} dtype={}) outside given space ({})!', array([1.]), dtype('float64'))\n",
    ),
    "actor init in rllib": (
        "app.usage-error",
        "ray.exceptions.RayActorError: The actor died because of an error raised in its creation task, ray::PPO.__init__() (pid=9, ip=10.0.0.1, repr=PPO)\n"
        '  File "/opt/v/lib/python3.8/site-packages/ray/rllib/algorithms/algorithm.py", line 414, in __init__\n'
        "    super().__init__(\n"
        '  File "/opt/v/lib/python3.8/site-packages/ray/rllib/env/utils.py", line 53, in gym_env_creator\n'
        "    raise EnvError(ERR_MSG_INVALID_ENV_DESCRIPTOR.format(env_descriptor))\n"
        "ray.rllib.utils.error.EnvError: The env string you provided ('Pong-v9') is: not supported\n",
    ),
    "data": (
        "app.task-exception",
        "2024-05-06 07:08:09,101\tERROR exceptions.py:73 -- Exception occurred in user code, with the abbreviated stack trace below. By default, the Ray Data internal stack trace is omitted from stdout.\n"
        "ray.exceptions.RayTaskError(UserCodeException): ray::MapBatches(f)() (pid=8, ip=10.0.0.2)\n"
        '  File "/srv/etl.py", line 12, in f\n'
        '    return {"x": batch["label"]}\n'
        "KeyError: 'label'\n"
        "\n"
        "The above exception was the direct cause of the following exception:\n"
        "\n"
        "ray::MapBatches(f)() (pid=8, ip=10.0.0.2)\n"
        "    for b_out in map_transformer.apply_transform(iter(blocks), ctx):\n"
        "ray.exceptions.UserCodeException\n",
    ),
    "pending trials": (
        "scheduling.waiting",
        "== Status ==\n"
        "Current time: 2023-01-02 03:04:05 (running for 00:10:02.11)\n"
        "Memory usage on this node: 10.2/62.0 GiB\n"
        "Using FIFO scheduling algorithm.\n"
        "Resources requested: 0/8 CPUs, 0/0 GPUs, 0.0/30.1 GiB heap, 0.0/15.0 GiB objects\n"
        "Result logdir: /home/u/ray_results/x\n"
        "Number of trials: 4/4 (4 PENDING)\n"
        "+-------------+----------+-------+\n"
        "| Trial name  | status   | loc   |\n"
        "|-------------+----------+-------|\n"
        "| f_1ab2c_000 | PENDING  |       |\n"
        "| f_1ab2c_001 | PENDING  |       |\n"
        "+-------------+----------+-------+\n",
    ),
    "notebook json": (
        "app.exception",
        "{\n"
        ' "cells": [\n'
        "  {\n"
        '   "cell_type": "code",\n'
        '   "execution_count": 3,\n'
        '   "outputs": [\n'
        "    {\n"
        '     "ename": "KeyError",\n'
        '     "evalue": "\'label\'",\n'
        '     "output_type": "error",\n'
        '     "traceback": [\n'
        '      "\\u001b[0;31m---------------------------------------------------------------------------\\u001b[0m",\n'
        '      "\\u001b[0;31mKeyError\\u001b[0m                                  Traceback (most recent call last)",\n'
        "      \"Cell \\u001b[0;32mIn[3], line 1\\u001b[0m\\n\\u001b[0;32m----> 1\\u001b[0m rows[\\u001b[38;5;124m'label'\\u001b[39m]\\n\",\n"
        "      \"\\u001b[0;31mKeyError\\u001b[0m: 'label'\"\n"
        "     ]\n"
        "    }\n"
        "   ]\n"
        "  }\n"
        " ]\n"
        "}\n",
    ),
    "version mismatch": (
        "cluster.version-mismatch",
        "Traceback (most recent call last):\n"
        '  File "a.py", line 3, in <module>\n'
        '    ray.init("auto")\n'
        "RuntimeError: Version mismatch: The cluster was started with:\n"
        "    Ray: 2.9.0\n"
        "    Python: 3.10.13\n"
        "This process on node 10.0.0.5 was started with:\n"
        "    Ray: 2.9.0\n"
        "    Python: 3.11.4\n",
    ),
    "ray start address": (
        "gcs.unreachable",
        "Local node IP: 10.0.0.7\n"
        "[2024-01-02 03:04:05,678 E 9 9] gcs_rpc_client.h:179: Failed to connect to GCS at address 10.0.0.1:6379 within 5 seconds.\n"
        "[2024-01-02 03:04:35,678 W 9 9] gcs_client.cc:178: Failed to get cluster ID from GCS server: TimedOut: Timed out while waiting for GCS to become available.\n"
        "Traceback (most recent call last):\n"
        '  File "/usr/local/bin/ray", line 8, in <module>\n'
        "    sys.exit(main())\n"
        '  File "python/ray/includes/common.pxi", line 104, in ray._raylet.check_status\n'
        "ray.exceptions.RpcError: Timed out while waiting for GCS to become available.\n",
    ),
    "oom kill slurm mixed": (
        "memory.node-oom",
        "(train pid=7) epoch 3 step 40 loss 0.2\n"
        "slurmstepd: error: Detected 3 oom-kill event(s) in StepId=99.0 cgroup. Some of your processes may have been killed by the cgroup out-of-memory handler.\n"
        "srun: error: gpu04: task 2: Out Of Memory\n",
    ),
    "old redis start": (
        "gcs.unreachable",
        "2019-05-06 07:08:09,101\tINFO node.py:469 -- Process STDOUT and STDERR is being redirected to /tmp/ray/session_x/logs.\n"
        "2019-05-06 07:08:09,201\tINFO services.py:407 -- Waiting for redis server at 127.0.0.1:58119 to respond...\n"
        "2019-05-06 07:08:39,201\tWARNING services.py:763 -- Redis failed to start, retrying now.\n"
        "Traceback (most recent call last):\n"
        '  File "a.py", line 2, in <module>\n'
        "    ray.init()\n"
        '  File "/opt/v/lib/python3.6/site-packages/ray/services.py", line 640, in start_redis\n'
        '    raise Exception("Couldn\'t start Redis. Check log files")\n'
        "Exception: Couldn't start Redis. Check log files: /tmp/ray/session_x/logs/redis.out\n",
    ),
    "worker not registered healthy": (
        None,
        "2024-01-02 03:04:05,678\tINFO worker.py:1724 -- Started a local Ray instance.\n"
        "(raylet) [2024-01-02 03:04:50,678 E 9 9] (raylet) worker_pool.cc:544: Some workers of the worker process(77) have not registered within the timeout. The process is still alive, probably it's hanging during start.\n"
        "(f pid=9) row 1 of 9\n"
        "(f pid=9) row 9 of 9\n"
        "all rows done\n",
    ),
    "deprecations": (
        None,
        "/opt/v/lib/python3.10/site-packages/ray/tune/impl/tuner_internal.py:144: RayDeprecationWarning: The RunConfig class should be imported from ray.tune when passing it to the Tuner.\n"
        "  _log_deprecation_warning(\n"
        "2024-01-02 03:04:05,678\tWARNING services.py:1996 -- WARNING: The object store is using /tmp instead of /dev/shm because /dev/shm has only 67108864 bytes available. This will harm performance!\n"
        "2024-01-02 03:04:06,678\tINFO worker.py:1724 -- Started a local Ray instance.\n"
        "2024-01-02 03:04:09,678\tWARNING util.py:315 -- The `on_step_begin` operation took 1.2 s, which may be a performance bottleneck.\n"
        "iter 1 reward 0.2\n"
        "iter 2 reward 0.3\n",
    ),
    "vllm no gpu memory": (
        "gpu.out-of-memory",
        "(EngineCore_0 pid=11) ERROR 09-10 23:09:11 [core.py:700] EngineCore failed to start.\n"
        "(EngineCore_0 pid=11) ERROR 09-10 23:09:11 [core.py:700] Traceback (most recent call last):\n"
        '(EngineCore_0 pid=11) ERROR 09-10 23:09:11 [core.py:700]   File "/opt/v/lib/python3.12/site-packages/vllm/v1/engine/core.py", line 691, in run_engine_core\n'
        "(EngineCore_0 pid=11) ERROR 09-10 23:09:11 [core.py:700]     engine_core = EngineCoreProc(*args, **kwargs)\n"
        "(EngineCore_0 pid=11) ERROR 09-10 23:09:11 [core.py:700] ValueError: Free memory on device (7.1/79.2 GiB) on startup is less than desired GPU memory utilization (0.9, 71.28 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.\n"
        "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore_0': 1}\n",
    ),
    "tp heads": (
        "app.exception",
        "Traceback (most recent call last):\n"
        '  File "/opt/v/lib/python3.12/site-packages/vllm/config.py", line 600, in verify_with_parallel_config\n'
        "    raise ValueError(\n"
        "ValueError: Total number of attention heads (28) must be divisible by tensor parallel size (8).\n",
    ),
    "nccl timeout": (
        "gpu.collective-timeout",
        "(WorkerDict pid=88) [rank3]:[E518 12:00:00.1 ProcessGroupNCCL.cpp:629] [Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9, OpType=_ALLGATHER_BASE, NumelIn=1, Timeout(ms)=600000) ran for 600011 milliseconds before timing out.\n"
        "(WorkerDict pid=88) [rank3]:[E518 12:00:00.2 ProcessGroupNCCL.cpp:681] [Rank 3] Some NCCL operations have failed or timed out. Due to the asynchronous nature of CUDA kernels, subsequent GPU operations might run on corrupted/incomplete data.\n"
        "(WorkerDict pid=88) terminate called after throwing an instance of 'c10::DistBackendError'\n"
        "(WorkerDict pid=88) *** SIGABRT received at time=1716033600 on cpu 3 ***\n"
        "(WorkerDict pid=88) Fatal Python error: Aborted\n"
        "ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.\n",
    ),
    "gloo": (
        "gpu.collective-failed",
        "(RayTrainWorker pid=9) RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:525] Read error [10.0.0.7]:3391: Connection reset by peer\n",
    ),
    "hf 401": (
        "app.data-access",
        "huggingface_hub.errors.GatedRepoError: 401 Client Error. (Request ID: Root=1)\n"
        "\n"
        "Cannot access gated repo for url https://huggingface.co/acme/x/resolve/main/config.json.\n"
        "Access to model acme/x is restricted. You must have access to it and be authenticated to access it. Please log in.\n",
    ),
    "driver cuda mismatch": (
        "gpu.unavailable",
        "(RayWorkerWrapper pid=9) RuntimeError: The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by downloading and installing a new version\n",
    ),
    "pod list waits": (
        "scheduling.waiting",
        "NAME                                      READY   STATUS     RESTARTS   AGE\n"
        "raycluster-kuberay-head-abcde             1/1     Running    0          10m\n"
        "raycluster-kuberay-workergroup-xyz        0/1     Pending    0          10m\n",
    ),
    "pod list init": (
        "gcs.unreachable",
        "NAME                                      READY   STATUS     RESTARTS   AGE\n"
        "raycluster-kuberay-head-abcde             0/1     Running    0          10m\n"
        "raycluster-kuberay-workergroup-xyz        0/1     Init:0/1   0          10m\n",
    ),
    "submit conn": (
        "cluster.not-found",
        "Traceback (most recent call last):\n"
        '  File "/opt/v/lib/python3.10/site-packages/urllib3/connection.py", line 198, in _new_conn\n'
        "    sock = connection.create_connection(\n"
        "ConnectionRefusedError: [Errno 111] Connection refused\n"
        "\n"
        "During handling of the above exception, another exception occurred:\n"
        "\n"
        "Traceback (most recent call last):\n"
        '  File "/opt/v/bin/ray", line 8, in <module>\n'
        "    sys.exit(main())\n"
        '  File "/opt/v/lib/python3.10/site-packages/ray/dashboard/modules/dashboard_sdk.py", line 248, in _check_connection_and_version_with_url\n'
        "    raise ConnectionError(\n"
        "ConnectionError: Failed to connect to Ray at address: http://127.0.0.1:8265.\n",
    ),
    "job status failed": (
        "app.exception",
        "Job submission server address: http://127.0.0.1:8265\n"
        "Status for job 'nightly-7': FAILED\n"
        "Status message: Job entrypoint command failed with exit code 1, last available logs (truncated to 20,000 chars):\n"
        '  File "/srv/a.py", line 3, in <module>\n'
        "    main()\n"
        "ValueError: no rows\n",
    ),
    "job pending": (
        "job.start-timeout",
        "Status message: Job supervisor actor failed to start within 900.0 seconds. This timeout can be configured by setting the environment variable RAY_JOB_START_TIMEOUT_SECONDS.\n",
    ),
    "job list": (
        "scheduling.waiting",
        "[JobDetails(type=<JobType.SUBMISSION: 'SUBMISSION'>, job_id=None, submission_id='raysubmit_bb', driver_info=None, status=<JobStatus.PENDING: 'PENDING'>, entrypoint='python a.py', message=\"Job has not started yet. It may be waiting for resources (CPUs, GPUs, memory, custom resources) to become available. It may be waiting for the runtime environment to be set up.\", error_type=None)]\n",
    ),
    "env fail": (
        "env.pip-failed",
        "ray.exceptions.RuntimeEnvSetupError: Failed to set up runtime environment.\n"
        'Failed to install pip requirements: ["nosuch==9"]\n'
        "Traceback (most recent call last):\n"
        '  File "/opt/v/lib/python3.10/site-packages/ray/_private/runtime_env/pip.py", line 370, in _run\n'
        "    await self._install_pip_packages(\n"
        "ray._private.runtime_env.utils.SubprocessCalledProcessError: Run cmd[9] failed with the following details.\n"
        "Command '['/tmp/ray/x/bin/python', '-m', 'pip', 'install']' returned non-zero exit status 1.\n"
        "Last 50 lines of stdout:\n"
        "    ERROR: Could not find a version that satisfies the requirement nosuch==9 (from versions: none)\n"
        "    ERROR: No matching distribution found for nosuch==9\n",
    ),
    "monitor launch": (
        "cluster.launch-failed",
        "2024-01-02 03:04:05,678\tINFO autoscaler.py:470 -- StandardAutoscaler: Queue 1 new nodes for launch\n"
        "2024-01-02 03:04:06,678\tINFO node_launcher.py:166 -- NodeLauncher1: Got 1 nodes to launch.\n"
        "2024-01-02 03:04:09,678\tERROR node_launcher.py:129 -- Launch failed\n"
        "Traceback (most recent call last):\n"
        '  File "/opt/v/lib/python3.10/site-packages/ray/autoscaler/_private/aws/node_provider.py", line 444, in _create_node\n'
        "    created = self.ec2_fail_fast.create_instances(**conf)\n"
        "botocore.exceptions.ClientError: An error occurred (VcpuLimitExceeded) when calling the RunInstances operation: You have requested more vCPU capacity than your current vCPU limit of 32 allows.\n",
    ),
    "crashloop with log": (
        "gcs.unreachable",
        "NAME   READY   STATUS             RESTARTS   AGE\n"
        "head   0/1     CrashLoopBackOff   7          12m\n"
        "\n"
        "$ kubectl logs head\n"
        "[2025-07-28 08:40:52,953 W 1 43] retryable_grpc_client.cc:83: GCS has been unavailable for more than 60 seconds\n"
        "[2025-07-28 08:40:52,953 E 1 43] gcs_rpc_client.h:196: Failed to connect to GCS within 60 seconds. GCS may have been killed. It's either GCS is terminated by `ray stop` or is killed unexpectedly. The program will terminate.\n",
    ),
    "serve deploying": (
        "serve.unschedulable",
        "applications:\n"
        "  app1:\n"
        "    status: DEPLOYING\n"
        "    message: ''\n"
        "    last_deployed_time_s: 1704067200.0\n"
        "    deployments:\n"
        "      Ranker:\n"
        "        status: UPDATING\n"
        "        replica_states:\n"
        "          STARTING: 1\n"
        "        message: 'Deployment ''Ranker'' in application ''app1'' has 1 replicas that have taken more than 30s to be scheduled. This may be due to waiting for the cluster to auto-scale or for a runtime environment to be installed. Resources required for each replica: {\"CPU\": 1, \"GPU\": 4.0}, total resources available: {\"CPU\": 7.0}. Use `ray status` for more details.'\n",
    ),
    "pgroup table python": (
        "scheduling.placement-group",
        "{'placement_group_id': 'a88e62c5ef38022c30b3546938ec04000000', 'name': 'pg', 'bundles': {0: {'GPU': 8.0}}, 'strategy': 'PACK', 'state': 'PENDING', 'stats': {'end_to_end_creation_latency_ms': 0.0, 'scheduling_latency_ms': 0.0, 'scheduling_attempt': 197, 'highest_retry_delay_ms': 1000.0, 'scheduling_state': 'INFEASIBLE'}}\n",
    ),
    "autoscaler infeasible": (
        "scheduling.infeasible",
        "2024-01-02 03:04:05,678\tINFO worker.py:1724 -- Connected to Ray cluster.\n"
        "asking: num_gpus=4\n"
        "(autoscaler +12s) Tip: use `ray status` to view detailed cluster status. To disable these messages, set RAY_SCHEDULER_EVENTS=0.\n"
        "(autoscaler +12s) Error: No available node types can fulfill resource request {'GPU': 4.0, 'CPU': 1.0}. Add suitable node types to this cluster to resolve this issue.\n"
        "(autoscaler +47s) Error: No available node types can fulfill resource request {'GPU': 4.0, 'CPU': 1.0}. Add suitable node types to this cluster to resolve this issue.\n",
    ),
    "spilling disk": (
        "storage.disk-full",
        "(raylet) [2024-01-02 03:04:05,678 E 9 9] (raylet) file_system_monitor.cc:116: /tmp/ray/session_x is over 95% full, available space: 0; capacity: 52521566208. Object creation will fail if spilling is required.\n"
        "ray.exceptions.OutOfDiskError: Local disk is full\n"
        "The object cannot be created because the local object store is full and the local disk's utilization is over capacity (95% by default).\n",
    ),
    "dataloader shm": (
        "storage.shm-too-small",
        "(RayTrainWorker pid=7) ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm).\n"
        "(RayTrainWorker pid=7) RuntimeError: DataLoader worker (pid 123) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory. Please try to raise your shared memory limit.\n",
    ),
    "kill plain": ("memory.process-killed", "step 1 of 90\nstep 2 of 90\nKilled\n"),
    "oom ray 1": (
        "memory.node-oom",
        "Traceback (most recent call last):\n"
        '  File "a.py", line 9, in <module>\n'
        "    ray.get(f.remote())\n"
        "ray.exceptions.RayTaskError(RayOutOfMemoryError): ray::f() (pid=9, ip=10.0.0.1)\n"
        '  File "/opt/v/lib/python3.7/site-packages/ray/memory_monitor.py", line 132, in raise_if_low_memory\n'
        "    self.error_threshold))\n"
        "ray.memory_monitor.RayOutOfMemoryError: More than 95% of the memory on node gpu04 is used (60.1 / 62.7 GB). The top 10 memory consumers are:\n"
        "PID\tMEM\tCOMMAND\n"
        "9\t30.1GiB\tray::f()\n",
    ),
    "no head traceback": (
        "app.exception",
        '  File "/srv/jobs/rows.py", line 41, in parse\n    raise TypeError("row %r" % row)\nTypeError: row None\n',
    ),
    "wrapped column": (
        "app.import-error",
        "(RayWorkerWrapper pid=184, ip=10.0.0.5) ERROR 05-09 17:32:53 worker_base.py:1\n"
        "57] ModuleNotFoundError: No module named 'flash_attn'\n"
        "(RayWorkerWrapper pid=184, ip=10.0.0.5) ERROR 05-09 17:32:53 worker_base.py:1\n"
        "57] something else here\n",
    ),
    "docker logs json": (
        "app.import-error",
        '{"log":"Traceback (most recent call last):\\n","stream":"stderr","time":"2024-01-02T03:04:05.1Z"}\n'
        '{"log":"  File \\"/a.py\\", line 1, in <module>\\n","stream":"stderr","time":"2024-01-02T03:04:05.1Z"}\n'
        '{"log":"    import nosuch\\n","stream":"stderr","time":"2024-01-02T03:04:05.1Z"}\n'
        '{"log":"ModuleNotFoundError: No module named \'nosuch\'\\n","stream":"stderr","time":"2024-01-02T03:04:05.1Z"}',
    ),
    "gh actions stamps": (
        "app.exception",
        "2024-01-02T03:04:05.1234567Z ##[group]Run python a.py\n"
        "2024-01-02T03:04:05.1234567Z Traceback (most recent call last):\n"
        '2024-01-02T03:04:05.1234567Z   File "/a.py", line 1, in <module>\n'
        "2024-01-02T03:04:05.1234567Z     main()\n"
        "2024-01-02T03:04:05.1234567Z KeyError: 'x'\n"
        "2024-01-02T03:04:05.1234567Z ##[error]Process completed with exit code 1.",
    ),
    "train controller": (
        "app.task-exception",
        "(TrainController pid=9) [FailurePolicy] Decision: FailureDecision.RAISE, Error source: worker group, Error count / maximum errors allowed: 1/0\n"
        "ray.train.v2.api.exceptions.WorkerGroupError: A worker group error occurred: The following 1 workers failed:\n"
        "[Rank 0 Error Snippet]:\n"
        "Traceback (most recent call last):\n"
        '  File "/srv/train.py", line 30, in train_fn\n'
        "    loss = crit(out, y)\n"
        "IndexError: Target 10 is out of bounds.\n",
    ),
    "healthy fault tolerant": (
        None,
        "2024-01-02 03:04:05,678\tINFO worker.py:1724 -- Connected to Ray cluster.\n"
        "(raylet, ip=10.0.0.4) [2024-01-02 03:05:00,1 E 9 9] (raylet) worker_pool.cc:1: worker died, will be retried\n"
        "(map pid=9) task failed once, retrying (1/3)\n"
        "Map: 100%|##########| 64/64 [00:27<00:00,  2.3it/s]\n"
        "Reduce: 100%|##########| 64/64 [00:27<00:00,  2.3it/s]\n"
        "wrote 64 files, 0 failed\n",
    ),
    "healthy serve": (
        None,
        "(ServeController pid=9) INFO 2024-01-02 03:04:05,678 controller 9 deployment_state.py:1598 - Deploying new version of deployment A in application 'default'.\n"
        "(ProxyActor pid=10) INFO 2024-01-02 03:04:05,778 proxy 10.0.0.1 proxy.py:1141 - Proxy starting on node 0a.\n"
        "(ServeReplica:default:A pid=11) INFO 2024-01-02 03:04:09,678 default_A replica.py:376 - __CALL__ OK 12.2ms\n"
        "(ServeReplica:default:A pid=11) WARNING 2024-01-02 03:04:10,678 default_A replica.py:376 - request timed out and was retried\n"
        "(ServeReplica:default:A pid=11) INFO 2024-01-02 03:04:11,678 default_A replica.py:376 - __CALL__ OK 12.2ms\n",
    ),
    "curly": (
        "app.exception",
        "Traceback (most recent call last):\n"
        "  File “/srv/a.py”, line 3, in <module>\n"
        "    main()\n"
        "ValueError: it\u2019s odd\n",
    ),
    "zero ansi": (
        "app.task-exception",
        "0[2m0[36m(f pid=83059)0[0m Traceback (most recent call last):\n"
        '0[2m0[36m(f pid=83059)0[0m   File "/srv/a.py", line 3, in f\n'
        "0[2m0[36m(f pid=83059)0[0m     g()\n"
        "0[2m0[36m(f pid=83059)0[0m KeyError: 'x'\n",
    ),
    "chunk of thread": (
        "memory.process-killed",
        "hi, after the update i get this:\n"
        "\n"
        "```\n"
        "(raylet) A worker died or was killed while executing a task by an unexpected system error. To troubleshoot the problem, check the logs for the dead worker. RayTask ID: ffff Worker ID: 5a Node ID: 15 Worker IP address: 10.0.0.1 Worker port: 42283 Worker PID: 909447 Worker exit type: SYSTEM_ERROR Worker exit detail: Worker unexpectedly exits with a connection error code 2. End of file. There are some potential root causes. (1) The process is killed by SIGKILL by OOM killer due to high memory usage. (2) ray stop --force is called. (3) The worker is crashed unexpectedly due to SIGSEGV or other unexpected errors.\n"
        "```\n"
        "\n"
        "does anybody know?\n",
    ),
    "health check": (
        "serve.health-check-failed",
        "(ServeController pid=9) WARNING 2024-01-02 03:04:05,678 controller 9 deployment_state.py:1000 - Didn't receive health check response for replica Replica(id='x', deployment='D', app='a') after 30.0s, marking it unhealthy.\n"
        "(ServeController pid=9) INFO 2024-01-02 03:04:06,678 controller 9 deployment_state.py:1100 - Adding 1 replica to Deployment(name='D', app='a').\n",
    ),
    "port in use": (
        "network.port-conflict",
        "OSError: [Errno 98] error while attempting to bind on address ('0.0.0.0', 8265): address already in use\n",
    ),
    "ray start twice": (
        "network.port-conflict",
        "ConnectionError: Ray is trying to start at 10.0.0.1:6379, but is already running at 10.0.0.1:6379. Please specify a different port using the `--port` flag of `ray start` command.\n",
    ),
    "sigsegv": (
        "app.native-crash",
        "(f pid=9) *** SIGSEGV received at time=1700000000 on cpu 3 ***\n"
        "(f pid=9) PC: @     0x7f2c61d0e6ad  (unknown)  (unknown)\n"
        "(raylet) A worker died or was killed while executing a task by an unexpected system error.\n",
    ),
    "env var container": (
        "env.container-failed",
        "docker: Error response from daemon: pull access denied for acme/ray, repository does not exist or may require 'docker login'.\n",
    ),
    "actor died init": (
        "app.actor-init-failed",
        "ray.exceptions.ActorDiedError: The actor died because of an error raised in its creation task, ray::Model.__init__() (pid=7, ip=10.0.0.1, actor_id=0a)\n"
        '  File "/srv/m.py", line 9, in __init__\n'
        '    self.x = cfg["size"]\n'
        "KeyError: 'size'\n",
    ),
    "node dead": (
        "node.died",
        "(autoscaler +3m) Removing 1 nodes of type worker (max_workers_per_type).\n"
        "ray.exceptions.NodeDiedError: Task failed because the node it was running on is dead or unavailable. Node IP: 10.0.0.9, node ID: 0a. This can happen if the instance where the node was running failed, the node was preempted, or raylet crashed unexpectedly (e.g., due to OOM) on this node.\n",
    ),
    "object lost": (
        "object.lost",
        "ray.exceptions.ObjectLostError: Failed to retrieve object 00ffff. To see information about where this ObjectRef was created in Python, set the environment variable RAY_record_ref_creation_sites=1. All copies of 00ffff have been lost due to node failure. Check cluster logs for more information about the failure.\n",
    ),
    "pickle": (
        "app.serialization",
        "Traceback (most recent call last):\n"
        '  File "a.py", line 9, in <module>\n'
        "    f.remote(lock)\n"
        "TypeError: Could not serialize the argument <unlocked _thread.lock object at 0x7f> for a task or actor __main__.f. Check https://docs.ray.io/en/master/ray-core/objects/serialization.html#troubleshooting for more information.\n",
    ),
    "namespace actor": (
        "app.actor-not-found",
        "Traceback (most recent call last):\n"
        '  File "a.py", line 9, in <module>\n'
        '    ray.get_actor("q")\n'
        "ValueError: Failed to look up actor with name 'q'. This could because 1. You are trying to look up a named actor you didn't create.\n",
    ),
    "working dir large": (
        "env.package-too-large",
        "ValueError: The runtime_env failed to be set up: Package size (612.50MiB) exceeds the maximum size of 500.00MiB. You can exclude large files using the 'excludes' option to the runtime_env.\n",
    ),
    "usage": (
        "app.usage-error",
        "usage: train.py [-h] --data DATA\ntrain.py: error: the following arguments are required: --data\n",
    ),
    "hydra": (
        "app.usage-error",
        "Could not override 'trainer.epocs'.\n"
        "To append to your config use +trainer.epocs=3\n"
        "Key 'epocs' is not in struct\n"
        "    full_key: trainer.epocs\n"
        "    object_type=dict\n"
        "\n"
        "Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.\n",
    ),
    "verl wrap": (
        "app.task-exception",
        "Error executing job with overrides: ['data.train_files=/data/train.parquet']\n"
        "Traceback (most recent call last):\n"
        '  File "/opt/verl/verl/trainer/main_ppo.py", line 31, in main\n'
        "    run_ppo(config)\n"
        '  File "/opt/verl/verl/trainer/main_ppo.py", line 54, in run_ppo\n'
        "    ray.get(runner.run.remote(config))\n"
        '  File "/opt/v/lib/python3.10/site-packages/ray/_private/worker.py", line 2667, in get\n'
        "    raise value.as_instanceof_cause()\n"
        "ray.exceptions.RayTaskError(AssertionError): ray::TaskRunner.run() (pid=9, ip=10.0.0.1)\n"
        '  File "/opt/verl/verl/trainer/ppo/ray_trainer.py", line 384, in _validate_config\n'
        '    assert real_train_batch_size % n_gpus == 0, f"real_train_batch_size must be divisible"\n'
        "AssertionError: real_train_batch_size (4) must be divisible by total n_gpus (8).\n"
        "\n"
        "Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.\n",
    ),
    "too few gpus verl": (
        "scheduling.infeasible",
        "ValueError: Total available GPUs 1 is less than total desired GPUs 8\n",
    ),
    "sglang": (
        "gpu.out-of-memory",
        "[2024-12-01 03:04:05 TP0] Scheduler hit an exception: Traceback (most recent call last):\n"
        '  File "/sgl/python/sglang/srt/managers/scheduler.py", line 1680, in run_scheduler_process\n'
        "    scheduler = Scheduler(server_args, port_args)\n"
        "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.\n"
        "[2024-12-01 03:04:05] Received sigquit from a child process. It usually means the child failed.\n"
        "Killed\n",
    ),
    "token": (
        "cluster.auth",
        "RuntimeError: Request failed with status code 401: Unauthorized: Missing authentication token.\n",
    ),
    "cancelled": (
        "app.stopped",
        "^CTraceback (most recent call last):\n"
        '  File "a.py", line 9, in <module>\n'
        "    time.sleep(99)\n"
        "KeyboardInterrupt\n",
    ),
    "waiting autoscaler only": (
        None,
        "2024-01-02 03:04:05,678\tINFO worker.py:1724 -- Connected to Ray cluster.\n"
        "(autoscaler +5s) Adding 1 node(s) of type worker.\n"
        "(autoscaler +65s) Resized to 16 CPUs.\n"
        "(f pid=9) done\n",
    ),
    "glog other": (
        "ray.internal-error",
        "[2023-05-06 07:08:09,101 C 1234 1234] reference_count.cc:1234:  Check failed: it != object_id_refs_.end() \n"
        "*** StackTrace Information ***\n"
        "/opt/v/lib/python3.9/site-packages/ray/_raylet.so(+0xd2f7ea) [0x7f] ray::operator<<()\n",
    ),
    "unexpected state": (
        "ray.internal-error",
        "(raylet) core_worker.cc:577: An unexpected system state has occurred. You have likely discovered a bug in Ray. Please report this issue at https://github.com/ray-project/ray/issues and we'll work with you to fix it. Check failed: reply.success()\n",
    ),
    "dashboard old": (
        None,
        "2020-07-20 10:01:23,689\tINFO node.py:498 -- View the dashboard at localhost:8265\n"
        "WARNING:ray.worker:The dashboard on node DESK failed with the following error:\n"
        "Traceback (most recent call last):\n"
        '  File "C:\\\\env\\\\lib\\\\site-packages\\\\ray\\\\dashboard/dashboard.py", line 960, in <module>\n'
        "    metrics_export_address=x)\n"
        "FileNotFoundError: [Errno 2] Dashboard build directory not found.\n"
        "\n"
        "score 0.91\n"
        "best score 0.93\n",
    ),
    "reinit": (
        None,
        "2019-06-20 10:01:23,689\tINFO worker.py:498 -- started\n"
        "2019-06-20 10:01:29,689\tERROR worker.py:1300 -- Calling ray.init() again after it has already been called.\n"
        "row 1\n"
        "row 2\n",
    ),
    "openrlhf init": (
        "app.actor-init-failed",
        "(LLMRayActor pid=427151) Exception raised in creation task: The actor died because of an error raised in its creation task, ray::LLMRayActor.__init__() (pid=427151, ip=10.0.0.26, actor_id=73, repr=<x>)\n"
        '(LLMRayActor pid=427151)   File "/opt/v/lib/python3.10/site-packages/vllm/utils.py", line 990, in inner\n'
        "(LLMRayActor pid=427151)     return fn(*args, **kwargs) [repeated 3x across cluster]\n"
        "(LLMRayActor pid=427151) TypeError: Worker.__init__() got an unexpected keyword argument 'ipc'\n",
    ),
    "nested actor died": (
        "memory.process-killed",
        "Traceback (most recent call last):\n"
        '  File "/opt/verl/main_ppo.py", line 49, in run_ppo\n'
        "    ray.get(runner.run.remote(config))\n"
        '  File "/opt/v/lib/python3.10/site-packages/ray/_private/worker.py", line 930, in get_objects\n'
        "    raise value.as_instanceof_cause()\n"
        "ray.exceptions.RayTaskError(ActorDiedError): ray::TaskRunner.run() (pid=16209, ip=10.0.0.252, actor_id=af, repr=<x>)\n"
        '  File "/opt/verl/main_ppo.py", line 200, in run\n'
        "    trainer.fit()\n"
        "ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.\n"
        "\tclass_name: create_colocated_worker_cls.<locals>.WorkerDict\n"
        "\tactor_id: 14\n"
        "\tpid: 18102\n"
        "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: Worker unexpectedly exits with a connection error code 2. End of file. Some common causes include: (1) the process was killed by the OOM killer due to high memory usage, (2) ray stop --force was called, or (3) the worker crashed unexpectedly due to SIGSEGV or another unexpected error.\n",
    ),
    "statedump healthy": (
        None,
        "[2024-01-02 03:04:05,678 I 9 9] (raylet) node_manager.cc:525: [state-dump] NodeManager:\n"
        "[state-dump] - num PYTHON workers: 28\n"
        "[state-dump] - num object spill callbacks queued: 0\n"
        "[state-dump] - num chunks received failed (all): 0\n"
        "[state-dump] - process_failed_rate_limited: 0\n",
    ),
    "win filemapping": (
        "ray.internal-error",
        "(raylet) [2024-08-05 10:00:00,1 C 100 200] (raylet.exe) dlmalloc.cc:129:  Check failed: *handle != nullptr CreateFileMapping() failed. GetLastError() = 1455\n"
        "(raylet) *** StackTrace Information ***\n",
    ),
    "prose with error line": (
        "app.import-error",
        "Hello, I run my job on the cluster since some weeks, and since today it does not start any more.\n"
        "The log says ModuleNotFoundError: No module named 'pandas' and I do not know what to do about it.\n"
        "ModuleNotFoundError: No module named 'pandas'\n",
    ),
    "grpc client": (
        "client.disconnected",
        "Got Error from logger channel -- shutting down: <_MultiThreadedRendezvous of RPC that terminated with:\n"
        "        status = StatusCode.UNAVAILABLE\n"
        '        details = "failed to connect to all addresses"\n'
        ">\n"
        "Exception in thread Thread-2:\n"
        "Traceback (most recent call last):\n"
        '  File "/opt/v/lib/python3.8/threading.py", line 932, in _bootstrap_inner\n'
        "    self.run()\n"
        '  File "/opt/v/lib/python3.8/site-packages/ray/util/client/logsclient.py", line 51, in _log_main\n'
        "    raise e\n"
        "grpc._channel._MultiThreadedRendezvous: <_MultiThreadedRendezvous of RPC that terminated with:\n"
        "        status = StatusCode.UNAVAILABLE\n",
    ),
    "serve old nested": (
        "serve.constructor-failed",
        "name: ''\n"
        "app_status:\n"
        "  status: DEPLOY_FAILED\n"
        "  message: |-\n"
        "    Deploying app '' failed:\n"
        "    ray::deploy_serve_application() (pid=10924, ip=127.0.0.1)\n"
        '      File "/opt/ray/python/ray/serve/controller.py", line 947, in deploy_serve_application\n'
        "        serve.run(app, name=name, route_prefix=route_prefix)\n"
        "    RuntimeError: Deployment Fail is UNHEALTHY: The Deployment failed to start 3 times in a row. This may be due to a problem with the deployment constructor or the initial health check failing. See logs for details. Error:\n"
        "    ray::ServeReplica:Fail.is_initialized() (pid=15919, ip=192.168.1.14, repr=<x>)\n"
        '      File "/srv/app.py", line 7, in __init__\n'
        '        raise KeyError("size")\n'
        "    KeyError: 'size'\n",
    ),
    "tb only": ("unknown", 'Traceback (most recent call last):\n  File "/srv/a.py", line 3, in <module>\n    main()\n'),
    "hang start": (
        None,
        "2024-05-03 11:06:18,730\tINFO worker.py:1752 -- Started a local Ray instance.\n"
        "INFO 05-03 11:06:24 llm_engine.py:98] Initializing an LLM engine (v0.4.1) with config: model='/srv/x'\n"
        "INFO 05-03 11:06:30 utils.py:660] Found nccl from library libnccl.so.2\n",
    ),
    "list nodes dead": (
        "node.died",
        "======== List: 2024-01-02 03:04:05.6 ========\n"
        "Stats:\n"
        "------------------------------\n"
        "Total: 2\n"
        "\n"
        "Table:\n"
        "------------------------------\n"
        "    NODE_ID    NODE_IP    IS_HEAD_NODE    STATE    STATE_MESSAGE                                         NODE_NAME\n"
        " 0  0a1b       10.0.0.1   True            ALIVE                                                          10.0.0.1\n"
        " 1  0a1c       10.0.0.7   False           DEAD     Unexpected termination: health check failed due to missing too many heartbeats  10.0.0.7\n",
    ),
    "summary tasks": (
        "app.task-exception",
        "======== Tasks Summary: 2024-01-02 03:04:05.6 ========\n"
        "Stats:\n"
        "------------------------------\n"
        "total_actor_scheduled: 1\n"
        "total_tasks: 4\n"
        "\n"
        "Table (group by func_name):\n"
        "------------------------------\n"
        "    FUNC_OR_CLASS_NAME    STATE_COUNTS             TYPE\n"
        "0   fit                   FAILED: 3, FINISHED: 1   NORMAL_TASK\n",
    ),
    "actors pending creation json": (
        "scheduling.waiting",
        "[\n"
        "    {\n"
        '        "actor_id": "31405554844820381c2f0f8501000000",\n'
        '        "class_name": "Ledger",\n'
        '        "state": "PENDING_CREATION",\n'
        '        "required_resources": {"GPU": 1.0}\n'
        "    }\n"
        "]\n",
    ),
    "actor death cause yaml": (
        "app.actor-init-failed",
        "-   actor_id: 31405554\n"
        "    class_name: Ledger\n"
        "    state: DEAD\n"
        "    death_cause:\n"
        "        creation_task_failure_context:\n"
        "            error_message: The actor died because of an error raised in its creation task\n"
        "            formatted_exception: |\n"
        "                ray::Ledger.__init__() (pid=7, ip=10.0.0.1)\n"
        '                  File "/srv/l.py", line 3, in __init__\n'
        '                    self.x = y["size"]\n'
        "                KeyError: 'size'\n",
    ),
    "actor killed intended": (
        None,
        "- actor_id: 31405554\n"
        "  class_name: Ledger\n"
        "  state: DEAD\n"
        "  death_cause:\n"
        "    actor_died_error_context:\n"
        "      error_message: The actor is dead because all references to the actor were removed.\n"
        "      owner_id: 0a\n",
    ),
    "oom events k8s": (
        "memory.node-oom",
        "LAST SEEN   TYPE      REASON      OBJECT         MESSAGE\n"
        "2m          Warning   OOMKilling  node/n7        Memory cgroup out of memory: Killed process 4411 (ray::f) total-vm:9kB\n",
    ),
    "evicted": (
        "memory.node-oom",
        "Status:       Failed\n"
        "Reason:       Evicted\n"
        "Message:      The node was low on resource: memory. Threshold quantity: 100Mi, available: 20Mi.\n",
    ),
    "sacct nodefail": (
        "node.died",
        "JobID           JobName  Partition      State ExitCode\n"
        "------------ ---------- ---------- ---------- --------\n"
        "11                sweep        gpu  NODE_FAIL      0:0\n",
    ),
    "sacct completed": (
        None,
        "JobID           JobName  Partition      State ExitCode\n"
        "------------ ---------- ---------- ---------- --------\n"
        "11                sweep        gpu  COMPLETED      0:0\n"
        "11.batch          batch             COMPLETED      0:0\n",
    ),
    "nvsmi healthy": (
        None,
        "+-----------------------------------------------------------------------------+\n"
        "| NVIDIA-SMI 525.60.13    Driver Version: 525.60.13    CUDA Version: 12.0     |\n"
        "|-------------------------------+----------------------+----------------------+\n"
        "| GPU  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC |\n"
        "| Fan  Temp  Perf  Pwr:Usage/Cap|         Memory-Usage | GPU-Util  Compute M. |\n"
        "|===============================+======================+======================|\n"
        "|   0  NVIDIA A10          Off  | 00000000:00:1E.0 Off |                    0 |\n"
        "|  0%   29C    P8    15W / 150W |      0MiB / 23028MiB |      0%      Default |\n"
        "+-------------------------------+----------------------+----------------------+\n"
        "|  No running processes found                                                 |\n",
    ),
    "nvsmi err": (
        "gpu.hardware",
        "| NVIDIA-SMI 525.60.13    Driver Version: 525.60.13    CUDA Version: 12.0     |\n"
        "| GPU  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC |\n"
        "|   0  NVIDIA A10          Off  | 00000000:00:1E.0 Off |                 ERR! |\n"
        "|ERR!  ERR! ERR!    ERR! / ERR! |      0MiB / 23028MiB |    ERR!      Default |\n",
    ),
    "kubectl all running": (
        None,
        "NAME                                      READY   STATUS    RESTARTS   AGE\n"
        "raycluster-kuberay-head-abcde             1/1     Running   0          10m\n"
        "raycluster-kuberay-workergroup-xyz        1/1     Running   0          10m\n",
    ),
    "serve config only": (
        None,
        "applications:\n"
        "- name: a\n"
        "  import_path: shop.ranker:app\n"
        "  route_prefix: /\n"
        "  runtime_env: {}\n"
        "  deployments:\n"
        "  - name: R\n"
        "    num_replicas: 2\n",
    ),
    "status idle v2": (
        None,
        "======== Autoscaler status: 2025-01-02 03:04:05.6 ========\n"
        "GCS request time: 0.001472s\n"
        "\n"
        "Node status\n"
        "---------------------------------------------------------------\n"
        "Active:\n"
        " (no active nodes)\n"
        "Idle:\n"
        " 1 headgroup\n"
        "Pending:\n"
        " (no pending nodes)\n"
        "Recent failures:\n"
        " (no failures)\n"
        "\n"
        "Resources\n"
        "---------------------------------------------------------------\n"
        "Total Usage:\n"
        " 0.0/8.0 CPU\n"
        " 0B/9.31GiB memory\n"
        " 0B/4.65GiB object_store_memory\n"
        "\n"
        "From request_resources:\n"
        " (none)\n"
        "Pending Demands:\n"
        " (no resource demands)\n",
    ),
    "status v2 pending": (
        "scheduling.infeasible",
        "Node status\n"
        "---------------------------------------------------------------\n"
        "Active:\n"
        " 1 headgroup\n"
        "Pending:\n"
        " (no pending nodes)\n"
        "Recent failures:\n"
        " (no failures)\n"
        "\n"
        "Resources\n"
        "---------------------------------------------------------------\n"
        "Total Usage:\n"
        " 8.0/8.0 CPU\n"
        " 0B/9.31GiB memory\n"
        "\n"
        "Pending Demands:\n"
        " {'CPU': 16.0}: 1+ pending tasks/actors\n",
    ),
    "old status": (
        "scheduling.waiting",
        "======== Cluster status: 2021-05-06 07:08:09.10 ========\n"
        "Node status\n"
        "------------------------------------------------------------\n"
        " 1 node(s) with resources: {'CPU': 4.0, 'memory': 95.0, 'object_store_memory': 30.0, 'node:10.0.0.1': 1.0}\n"
        "\n"
        "Resources\n"
        "------------------------------------------------------------\n"
        "Usage:\n"
        " 4.0/4.0 CPU\n"
        " 0.00/4.6 GiB memory\n"
        "\n"
        "Demands:\n"
        " {'CPU': 1.0}: 9+ pending tasks\n",
    ),
    "rllib old api": (
        "app.exception",
        "Traceback (most recent call last):\n"
        '  File "train.py", line 12, in <module>\n'
        '    config = PPOConfig().framework("tf3")\n'
        '  File "/opt/v/lib/python3.8/site-packages/ray/rllib/algorithms/algorithm_config.py", line 99, in framework\n'
        '    raise ValueError("unknown framework")\n'
        "ValueError: unknown framework\n",
    ),
    "attribute of ray": (
        "app.exception",
        "Traceback (most recent call last):\n"
        '  File "a.py", line 2, in <module>\n'
        "    ray.init()\n"
        "AttributeError: module 'ray' has no attribute 'init'\n",
    ),
    "grpc ver": (
        "app.import-error",
        "Traceback (most recent call last):\n"
        '  File "a.py", line 1, in <module>\n'
        "    import ray\n"
        '  File "/opt/v/lib/python3.9/site-packages/ray/__init__.py", line 118, in <module>\n'
        "    from ray._raylet import Config\n"
        "ImportError: /lib64/libstdc++.so.6: version `GLIBCXX_3.4.20' not found (required by /opt/v/lib/python3.9/site-packages/ray/_raylet.so)\n",
    ),
    "plasma old": (
        "raylet.crashed",
        "2019-06-20 10:01:23,689\tERROR worker.py:1672 -- The raylet died.\n"
        "F0620 10:01:23.689 77 plasma_store_provider.cc:22] Check failed: _s.ok() Bad status: IOError: Connection reset by peer\n",
    ),
    "arrow oom": (
        "memory.object-store-full",
        "ray.exceptions.ObjectStoreFullError: Failed to put object ffff in object store because it is full. Object size is 800000132 bytes.\n"
        "The local object store is full of objects that are still in scope and cannot be evicted.\n",
    ),
    "cgroup": (
        "memory.node-oom",
        "[ 991.1] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg=/kubepods,task=ray::f,pid=411,uid=1000\n"
        "[ 991.2] Memory cgroup out of memory: Killed process 411 (ray::f) total-vm:99kB\n",
    ),
    "exit 137": (
        "memory.process-killed",
        "ray.exceptions.WorkerCrashedError: The worker died unexpectedly while executing this task. Check python-core-worker-*.log files for more information.\n",
    ),
    "env timeout": (
        "env.timeout",
        "ray.exceptions.RuntimeEnvSetupError: Failed to set up runtime environment.\n"
        "Failed to install runtime_env within the timeout of 600 seconds. Consider increasing the timeout in the runtime_env config.\n",
    ),
    "zip missing": (
        "env.package-missing",
        "RuntimeError: Failed to download package gcs://_ray_pkg_0a1b.zip: OSError: Failed to download runtime_env file package gcs://_ray_pkg_0a1b.zip from the GCS to the Ray worker node. The package may have prematurely been deleted from the GCS.\n",
    ),
    "quota pods": (
        "scheduling.waiting",
        'Error creating: pods "raycluster-a-head-" is forbidden: exceeded quota: team, requested: limits.cpu=8, used: limits.cpu=60, limited: limits.cpu=64\n',
    ),
    "spot": (
        "node.preempted",
        "(raylet) The node with node id: 0a and address: 10.0.0.9 and node name: 10.0.0.9 is being drained. Reason: DRAIN_NODE_REASON_PREEMPTION\n"
        "ray.exceptions.ActorDiedError: The actor died because its node was preempted.\n",
    ),
    "nested timeouts": (
        "app.get-timeout",
        "Traceback (most recent call last):\n"
        '  File "a.py", line 9, in <module>\n'
        "    ray.get(f.remote(), timeout=3)\n"
        "ray.exceptions.GetTimeoutError: Get timed out: some object(s) not ready.\n",
    ),
    "hf offline": (
        "app.data-access",
        "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in the cached files.\n"
        "Checkout your internet connection or see how to run the library in offline mode.\n",
    ),
    "nccl unhandled cuda": (
        "gpu.collective-failed",
        "(RayWorkerWrapper pid=9) torch.distributed.DistBackendError: NCCL error in: /pytorch/torch/csrc/distributed/c10d/NCCLUtils.hpp:317, unhandled cuda error (run with NCCL_DEBUG=INFO for details), NCCL version 2.21.5\n"
        "(RayWorkerWrapper pid=9) ncclUnhandledCudaError: Call to CUDA function failed.\n",
    ),
    "illegal mem": (
        "app.native-crash",
        "(WorkerDict pid=7) RuntimeError: CUDA error: an illegal memory access was encountered\n"
        "(WorkerDict pid=7) CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.\n",
    ),
    "quant": (
        "app.exception",
        "Traceback (most recent call last):\n"
        '  File "/opt/v/lib/python3.10/site-packages/vllm/config.py", line 300, in _verify_quantization\n'
        "    raise ValueError(\n"
        "ValueError: The quantization method awq is not supported for the current GPU. Minimum capability: 75. Current capability: 70.\n",
    ),
    "exitcode -9": (
        "memory.process-killed",
        "torch.distributed.elastic.multiprocessing.api: failed (exitcode: -9) local_rank: 2 (pid: 411) of binary: /opt/v/bin/python\n"
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:\n",
    ),
    "progress nb": (
        "app.exception",
        "  0%|          | 0/9 [00:00<?, ?it/s]\n"
        " 11%|█         | 1/9 [00:01<00:08,  1.0s/it]\n"
        "---------------------------------------------------------------------------\n"
        "TypeError                                 Traceback (most recent call last)\n"
        "Input In [7], in <cell line: 2>()\n"
        "      1 for row in tqdm(rows):\n"
        "----> 2     fit(row)\n"
        "\n"
        "TypeError: fit() missing 1 required positional argument: 'y'\n",
    ),
    "deprecated only": (
        None,
        "/opt/v/lib/python3.10/site-packages/gym/core.py:317: DeprecationWarning: WARN: Initializing wrapper in old step API which returns one bool instead of two. It is recommended to set `new_step_api=True` to use new step API. This will be the default behaviour in future.\n"
        "  deprecation(\n"
        "2023-01-02 03:04:05,678\tWARNING deprecation.py:50 -- DeprecationWarning: `simple_optimizer` has been deprecated. This will raise an error in the future!\n"
        "agent_timesteps_total: 4000\n"
        "episode_reward_mean: 22.1\n",
    ),
    "tolerated fail": (
        None,
        "2023-01-02 03:04:05,678\tINFO worker.py:1724 -- Started a local Ray instance.\n"
        "2023-01-02 03:04:09,678\tWARNING worker.py:2037 -- WARNING: 4 PYTHON worker processes have been started on node: 0a with address: 10.0.0.1. This could be a result of using a large number of actors, or due to tasks blocked in ray.get() calls\n"
        "Exception in callback ignored: connection lost\n"
        "epoch 1 loss 0.3\n"
        "epoch 2 loss 0.2\n"
        "Training finished.\n",
    ),
    "many logs zero": (
        None,
        "pytest -q tests\n"
        "........................................ [100%]\n"
        "40 passed, 0 failed, 2 warnings in 12.1s\n"
        "errors=0 failures=0\n",
    ),
    "nccl watchdog early": (
        "gpu.collective-timeout",
        "(WorkerDict pid=88) [rank3]:[E518 12:00:00.1 ProcessGroupNCCL.cpp:629] [Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9, OpType=_ALLGATHER_BASE, Timeout(ms)=600000) ran for 600011 milliseconds before timing out.\n"
        f"{_STEPS}"
        "Traceback (most recent call last):\n"
        '  File "/srv/main.py", line 3, in <module>\n'
        "    ray.get(x)\n"
        "ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.\n"
        "\tclass_name: WorkerDict\n"
        "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: Worker unexpectedly exits with a connection error code 2. End of file.\n",
    ),
    "oom early in worker": (
        "gpu.out-of-memory",
        "(WorkerDict pid=81) torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n"
        f"{_STEPS}"
        "Traceback (most recent call last):\n"
        '  File "/srv/main.py", line 3, in <module>\n'
        "    ray.get(x)\n"
        "ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.\n"
        "\tclass_name: WorkerDict\n"
        "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: Worker unexpectedly exits with a connection error code 2. End of file.\n",
    ),
    "nothing early": (
        "memory.process-killed",
        f"{_STEPS}"
        "Traceback (most recent call last):\n"
        '  File "/srv/main.py", line 3, in <module>\n'
        "    ray.get(x)\n"
        "ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.\n"
        "\tclass_name: WorkerDict\n"
        "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: Worker unexpectedly exits with a connection error code 2. End of file.\n",
    ),
    "long consequences": (
        "app.task-exception",
        "(RayWorkerWrapper pid=91) ERROR 10-15 08:32:31 [worker_base.py:145] Traceback (most recent call last):\n"
        '(RayWorkerWrapper pid=91) ERROR 10-15 08:32:31 [worker_base.py:145]   File "/srv/plug.py", line 9, in load_model\n'
        "(RayWorkerWrapper pid=91) ERROR 10-15 08:32:31 [worker_base.py:145]     self.load()\n"
        "(RayWorkerWrapper pid=91) ERROR 10-15 08:32:31 [worker_base.py:145] KeyError: 'layers.0.mlp.weight'\n"
        f"{_STEPS}"
        "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n",
    ),
    "loki export": (
        "app.exception",
        '{"line":"Traceback (most recent call last):","timestamp":"1700000000","labels":{"app":"ray"}}\n'
        '{"line":"  File \\"/a.py\\", line 1, in <module>","timestamp":"1700000001","labels":{"app":"ray"}}\n'
        '{"line":"    main()","timestamp":"1700000002","labels":{"app":"ray"}}\n'
        '{"line":"ValueError: no","timestamp":"1700000003","labels":{"app":"ray"}}',
    ),
    "k8s cri": (
        "app.exception",
        "2024-01-02T03:04:05.678901234Z stderr F Traceback (most recent call last):\n"
        '2024-01-02T03:04:05.678901234Z stderr F   File "/a.py", line 1, in <module>\n'
        "2024-01-02T03:04:05.678901234Z stderr F     main()\n"
        "2024-01-02T03:04:05.678901234Z stderr F ValueError: no",
    ),
    "kubectl prefix": (
        "app.exception",
        "[pod/raycluster-a-head/ray-head] Traceback (most recent call last):\n"
        '[pod/raycluster-a-head/ray-head]   File "/a.py", line 1, in <module>\n'
        "[pod/raycluster-a-head/ray-head]     main()\n"
        "[pod/raycluster-a-head/ray-head] ValueError: no",
    ),
    "compose": (
        "app.exception",
        "ray-head-1  | Traceback (most recent call last):\n"
        'ray-head-1  |   File "/a.py", line 1, in <module>\n'
        "ray-head-1  |     main()\n"
        "ray-head-1  | ValueError: no",
    ),
    "json logger": (
        "app.exception",
        '{"asctime":"2024-01-02 03:04:05,678","levelname":"INFO","message":"starting","job_id":"01"}\n'
        '{"asctime":"2024-01-02 03:04:06,678","levelname":"ERROR","message":"failed","exc_info":"Traceback (most recent call last):\\n  File \\"/a.py\\", line 1, in <module>\\n    main()\\nValueError: no"}',
    ),
    "repr in message": (
        "app.task-exception",
        'status: FAILED message: "ray::f() (pid=7, ip=10.0.0.1)\\n  File \\"/a.py\\", line 3, in f\\n    return rows[9]\\nIndexError: list index out of range"\n',
    ),
    "html page": (
        "unknown",
        "<html><body><h1>504 Gateway Time-out</h1><p>The server did not respond</p></body></html>\n",
    ),
    "windows": (
        "app.import-error",
        "Traceback (most recent call last):\n"
        '  File "C:\\\\Users\\\\u\\\\a.py", line 1, in <module>\n'
        "    import nosuch\n"
        "ModuleNotFoundError: No module named 'nosuch'\n",
    ),
    "repeated across cluster": (
        "gpu.out-of-memory",
        "(f pid=7) torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 23.69 GiB total capacity) [repeated 7x across cluster] (Ray deduplicates logs by default.)\n"
        "Traceback (most recent call last):\n"
        '  File "/a.py", line 3, in <module>\n'
        "    ray.get(x)\n"
        "ray.exceptions.RayTaskError(OutOfMemoryError): ray::f() (pid=7, ip=10.0.0.1)\n"
        '  File "/a.py", line 2, in f\n'
        "    model.cuda()\n"
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB\n",
    ),
    "wrapped pandas": (
        "app.data-access",
        "(map pid=9) Traceback (most recent call last):\n"
        '(map pid=9)   File "/srv/etl.py", line 9, in read\n'
        '(map pid=9)     df = pd.read_parquet("s3://acme/x.parquet")\n'
        "(map pid=9) OSError: When reading information for key 'x.parquet' in bucket 'acme': AWS Error ACCESS_DENIED during HeadObject operation: No response body.\n"
        "ray.exceptions.RayTaskError(OSError): ray::read() (pid=9, ip=10.0.0.1)\n"
        "OSError: When reading information for key 'x.parquet' in bucket 'acme': AWS Error ACCESS_DENIED during HeadObject operation: No response body.\n",
    ),
    "supervisor start fail": (
        "job.supervisor-not-created",
        "Status message: Failed to start supervisor actor raysubmit_x: 'ray::JobSupervisor could not be created'. Full traceback:\n",
    ),
    "sup lost": ("job.supervisor-lost", "Status message: Unexpected error occurred: failed to get job supervisor.\n"),
    "deepspeed": (
        "gpu.out-of-memory",
        "(RayTrainWorker pid=9) [rank0]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.96 GiB. GPU 0 has a total capacity of 79.15 GiB of which 1.10 GiB is free.\n"
        "(RayTrainWorker pid=9) E0101 03:04:05.123456 411 torch/distributed/elastic/multiprocessing/api.py:869] failed (exitcode: 1) local_rank: 0 (pid: 411)\n",
    ),
    "nemo hydra": (
        "app.usage-error",
        "omegaconf.errors.ConfigAttributeError: Key 'tensor_paralel' is not in struct\n"
        "    full_key: model.tensor_paralel\n"
        "    object_type=dict\n",
    ),
    "tp mismatch": (
        "app.exception",
        "Traceback (most recent call last):\n"
        '  File "/srv/run.py", line 12, in <module>\n'
        '    llm = LLM(model="x", tensor_parallel_size=3)\n'
        '  File "/opt/v/lib/python3.10/site-packages/vllm/config.py", line 399, in verify_with_parallel_config\n'
        '    raise ValueError("Total number of attention heads (32) must be divisible by tensor parallel size (3).")\n'
        "ValueError: Total number of attention heads (32) must be divisible by tensor parallel size (3).\n",
    ),
    "actor pending warning only": (
        "scheduling.waiting",
        "(raylet) [2024-01-02 03:04:05,678 W 9 9] (raylet) main.cc:985: The lease with ID 01 cannot be scheduled right now. It requires {GPU: 1} for placement\n"
        "2024-01-02 03:05:05,678\tWARNING worker.py:1017 -- The actor or task with ID 01 cannot be scheduled right now. It requires {GPU: 1.000000} for placement, but this node only has remaining {CPU: 3.000000}.\n",
    ),
    "tune no resources": (
        "scheduling.waiting",
        "2023-01-02 03:04:05,678\tWARNING insufficient_resources_manager.py:128 -- Ignore this message if the cluster is autoscaling. You asked for 1.0 cpu and 2.0 gpu per trial, but the cluster only has 8.0 cpu and 0 gpu. Stop the tuning job and adjust the resources requested per trial.\n",
    ),
    "ray up fails": (
        "cluster.launch-failed",
        "2023-01-02 03:04:05,543\tERR updater.py:158 -- New status: update-failed\n"
        "2023-01-02 03:04:05,544\tERR updater.py:160 -- !!!\n"
        "2023-01-02 03:04:05,544\tVERR updater.py:168 -- {'message': 'SSH command failed.'}\n"
        "2023-01-02 03:04:05,544\tERR updater.py:170 -- SSH command failed.\n"
        "2023-01-02 03:04:05,544\tERR updater.py:172 -- !!!\n",
    ),
    "gcs ft redis": (
        "gcs.storage-unreachable",
        "[2024-08-02 18:19:33,257 W 27 27] (gcs_server) redis_client.cc:69: Didn't get reply for HINCRBY 0551\n"
        "[2024-08-02 18:19:38,257 C 27 27] (gcs_server) redis_context.cc:100: Check failed: reply Failed to execute command\n",
    ),
    "ip changes": (
        "gcs.unreachable",
        "2024-01-02 03:04:05,678\tERROR node.py:1100 -- ray.exceptions.RpcError: failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.1:6379: Failed to connect to remote host: Connection refused\n"
        "RuntimeError: Failed to connect to GCS. Please check `gcs_server.out` for more details.\n",
    ),
    "worker py mismatch": (
        "cluster.version-mismatch",
        "RuntimeError: Python minor versions differ between client and server: client is 3.10.13, server is 3.9.18\n",
    ),
    "name taken actor": (
        "app.actor-name-conflict",
        "ValueError: The name counter (namespace=default) is already taken. Please use a different name or get the existing actor using ray.get_actor('counter', namespace='default')\n",
    ),
    "async get": (
        "app.exception",
        "Traceback (most recent call last):\n"
        '  File "/srv/a.py", line 12, in <module>\n'
        "    asyncio.run(main())\n"
        "RuntimeError: Cannot run the event loop while another loop is running\n",
    ),
    "numba": (
        None,
        "/opt/v/lib/python3.10/site-packages/umap/distances.py:1063: NumbaDeprecationWarning: The 'nopython' keyword argument was not supplied to the 'numba.jit' decorator.\n"
        "  @numba.jit()\n"
        "2024-01-02 03:04:05,678\tINFO worker.py:1724 -- Started a local Ray instance.\n"
        "fold 1 error 0.12\n"
        "fold 2 error 0.11\n",
    ),
    "ERROR but fine": (
        None,
        "2024-01-02 03:04:05,678\tINFO worker.py:1724 -- Connected to Ray cluster.\n"
        "ERROR:root:could not load optional plugin cupy, using numpy instead\n"
        "batch 1/20 ok\n"
        "batch 20/20 ok\n"
        "exported 20 batches\n",
    ),
    "serve status failed among healthy": (
        "serve.constructor-failed",
        "applications:\n"
        "  app1:\n"
        "    status: DEPLOY_FAILED\n"
        "    message: 'The deployments [''A''] are UNHEALTHY.'\n"
        "    deployments:\n"
        "      A:\n"
        "        status: DEPLOY_FAILED\n"
        "        status_trigger: REPLICA_STARTUP_FAILED\n"
        "        message: |\n"
        "          The deployment failed to start 3 times in a row. This may be due to a problem with its constructor or initial health check failing. See controller logs for details. Error:\n"
        "          ray::ServeReplica:app1:A.initialize_and_get_metadata() (pid=7, ip=10.0.0.1)\n"
        '            File "/srv/app.py", line 7, in __init__\n'
        '              raise KeyError("size")\n'
        "          KeyError: 'size'\n"
        "      B0:\n"
        "        status: HEALTHY\n"
        "        status_trigger: CONFIG_UPDATE_COMPLETED\n"
        "        replica_states:\n"
        "          RUNNING: 1\n"
        "        message: ''\n"
        "      B1:\n"
        "        status: HEALTHY\n"
        "        status_trigger: CONFIG_UPDATE_COMPLETED\n"
        "        replica_states:\n"
        "          RUNNING: 1\n"
        "        message: ''\n"
        "      B2:\n"
        "        status: HEALTHY\n"
        "        status_trigger: CONFIG_UPDATE_COMPLETED\n"
        "        replica_states:\n"
        "          RUNNING: 1\n"
        "        message: ''\n"
        "      B3:\n"
        "        status: HEALTHY\n"
        "        status_trigger: CONFIG_UPDATE_COMPLETED\n"
        "        replica_states:\n"
        "          RUNNING: 1\n"
        "        message: ''\n"
        "      B4:\n"
        "        status: HEALTHY\n"
        "        status_trigger: CONFIG_UPDATE_COMPLETED\n"
        "        replica_states:\n"
        "          RUNNING: 1\n"
        "        message: ''\n"
        "      B5:\n"
        "        status: HEALTHY\n"
        "        status_trigger: CONFIG_UPDATE_COMPLETED\n"
        "        replica_states:\n"
        "          RUNNING: 1\n"
        "        message: ''\n",
    ),
}

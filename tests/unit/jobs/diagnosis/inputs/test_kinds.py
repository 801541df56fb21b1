"""What texts are taken for: five differing examples of each kind, and what only looks like one."""

from __future__ import annotations

import pytest

from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.inputs.kinds import find_kinds, is_table
from serve_app.jobs.diagnosis.inputs.marks import KINDS
from serve_app.jobs.diagnosis.models import Fields, SourceKind, TextSource

EXAMPLES: dict[str, tuple[str, ...]] = {
    "ray-status": (
        "======== Autoscaler status: 2024-02-03 10:11:12.131415 ========\nNode status\n-----------\nHealthy:\n 1 head",
        "======== Cluster status: 2021-05-06 07:08:09.10 ========\nNode status\n 1 node(s) with resources: {'CPU': 4.0}",
        "Usage:\n 3.0/8.0 CPU\n 0.0/1.0 GPU\n\nDemands:\n {'CPU': 4.0}: 2+ pending tasks/actors",
        "Resources\n--------\nDemands:\n (no resource demands)",
        "Total Usage:\n 0B/9.31GiB memory\n\nTotal Demands:\n {'TPU': 8.0} * 1 (STRICT_SPREAD): 1+ pending placement groups",
        "Recent failures:\n (no failures)",
    ),
    "state-api": (
        "======== List: 2023-03-04 05:06:07.89 ========\nStats:\n------------------------------\nTotal: 2",
        "-  placement_group_id: 0a0b\n   state: PENDING\n   name: bundles",
        "    TASK_ID      ATTEMPT_NUMBER  NAME   STATE   JOB_ID\n 0  16310a0f     0               fit    FAILED  01000000",
        '[{"task_id": "c8ef", "state": "FAILED",\n  "error_type": "WORKER_DIED"}]'.replace("{", "{\n").replace(
            ", ", ",\n"
        ),
        "======== Tasks Summary: 2024-01-01 00:00:00.1 ========\nStats:\n-----",
        "- actor_id: 31405554\n  class_name: Ledger\n  state: DEAD\n  death_cause:",
    ),
    "ray-job": (
        "-------------------\nJob 'nightly-7' failed\n-------------------",
        "Status for job 'raysubmit_aa': RUNNING\nStatus message: Job is currently running.",
        "[JobDetails(type=<JobType.SUBMISSION: 'SUBMISSION'>, job_id=None, submission_id='raysubmit_bb')]",
        "Job submission server address: http://127.0.0.1:8265",
        "  Job 'x' succeeded",
    ),
    "serve-status": (
        "proxies:\n  0a: HEALTHY\napplications:\n  default:\n    status: DEPLOYING",
        "app_status:\n  status: RUNNING\n  message: ''",
        "    deployments:\n      Ranker:\n        status: UNHEALTHY\n        replica_states:\n          STARTING: 1",
        "deployment_statuses:\n- name: A\n  status: UPDATING",
        '    "status": "DEPLOY_FAILED",\n    "message": "Deploying app failed",',
    ),
    "serve-config": (
        "applications:\n- name: a\n  import_path: shop.ranker:app\n  route_prefix: /",
        "  deployments:\n  - name: R\n    max_ongoing_requests: 5",
        "import_path: x:graph\nruntime_env: {}",
        "    autoscaling_config:\n      min_replicas: 1",
        "- name: b\n  max_concurrent_queries: 100",
    ),
    "kubectl": (
        "NAME               READY   STATUS    RESTARTS   AGE\nhead-x2j   0/1     Pending   0          3m",
        "LAST SEEN   TYPE      REASON             OBJECT       MESSAGE\n2m   Warning   FailedScheduling   pod/h   0/2 nodes",
        "Name:         worker-abc\nNamespace:    ml\nStatus:       Running",
        "Events:\n  Type     Reason   Age   From     Message\n  ----     ------   ---   ----     -------",
        "    Last State:     Terminated\n      Reason:       OOMKilled\n      Exit Code:    137",
        "raycluster-a-worker-b   1/1   Running   2 (4m ago)   9m",
    ),
    "nvidia-smi": (
        "| NVIDIA-SMI 535.104.05    Driver Version: 535.104.05    CUDA Version: 12.2     |",
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
        "| GPU  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC |",
        "| 30%   41C    P8    20W / 300W |  40MiB / 24576MiB |\n|    0   N/A  N/A      1444      G   /usr/lib/xorg  39MiB |",
        "NVRM: Xid (PCI:0000:3b:00): 79, pid=4, GPU has fallen off the bus.",
    ),
    "slurm": (
        "slurmstepd: error: Detected 1 oom_kill event in StepId=11.batch.",
        "srun: error: node04: task 0: Out Of Memory",
        "JobID           JobName  Partition      State ExitCode\n------------ ---------- ---------- ---------- --------",
        "JobId=4411 JobName=sweep\n   JobState=FAILED Reason=NonZeroExitCode",
        "  JOBID PARTITION     NAME     USER ST       TIME  NODES NODELIST(REASON)",
        "77.batch     OUT_OF_ME+    0:125\n77.extern   NODE_FAIL  0:0",
    ),
    "notebook": (
        "Cell In[3], line 7\n      5 rows = load()\n----> 7 fit(rows)",
        "<ipython-input-12-0a1b> in <module>\n----> 1 ray.get(f.remote())",
        "ValueError                                Traceback (most recent call last)",
        '  {\n   "cell_type": "code",\n   "outputs": [',
        "File ~/work/lib/site-packages/ray/_private/worker.py:2524, in get(refs)",
        "Input In [4], in <cell line: 2>()",
    ),
    "container": (
        "docker: Error response from daemon: could not select device driver",
        "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS",
        "failed to start shim: OCI runtime create failed: unable to start container process",
        '        "OOMKilled": true,\n        "ExitCode": 137,',
        "Error: unable to start container abc: podman exited",
    ),
    "ray-process-log": (
        "[2024-01-02 03:04:05,678 E 31 72] (raylet) agent_manager.cc:74: The raylet exited",
        "[2023-10-11 12:13:14,1 I 9 9] (gcs_server) gcs_server.cc:10: started",
        "F0328 11:22:33.445566 77 redis_context.cc:52] Check failed: reply",
        "E0101 00:00:00.000001   12 client.cc:9] lost",
        "[2022-03-01 00:00:00,123 C 5 5] core_worker.cc:200: Check failed",
    ),
    "driver-log": (
        "Traceback (most recent call last):",
        "(load pid=7, ip=10.0.0.3) reading",
        "2024-05-06 07:08:09,123\tINFO worker.py:1724 -- Started a local Ray instance.",
        "ray.exceptions.GetTimeoutError: Get timed out",
        "ValueError: no such table",
        "Running entrypoint for job raysubmit_1: python a.py",
    ),
    "program-output": (
        "step 1 of 40\nstep 2 of 40",
        "loss=0.3 accuracy=0.9",
        "done",
        "reading 3 ledgers\nEUR ok\nUSD ok",
        "Epoch 3:  41%|####      | 410/1000",
    ),
}
NEAR_MISSES = {
    "ray-status": "The status page shows usage and demands of each node in the evening report",
    "state-api": "state: the cluster was in a good state and each task had finished before noon",
    "ray-job": "the job 'nightly' is what we should look at when somebody asks us about it",
    "serve-status": "status: all of them were green when we looked, so nobody asked any more",
    "serve-config": "the import path of the module should be written into the file by its owner",
    "kubectl": "NAME your price and we are READY to talk about it on any day of the week",
    "nvidia-smi": "run nvidia-smi to see which of the cards is used by somebody else right now",
    "slurm": "please ask srun or sbatch about it before you write to the list about your job",
    "notebook": "the cell in the middle of the table is line seven of what we had printed out",
    "container": "docker is a way to ship programs, and podman is another one that people like",
    "ray-process-log": "[2024-01-02] the raylet was restarted by hand, as we do it every other month",
    "driver-log": "an error is a thing that happens to all of us when we write our programs late",
    "program-output": "This page explains how you can write a good report about what went wrong there",
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in EXAMPLES.items() for text in texts])
def test_a_text_is_taken_for_what_it_is(kind: str, text: str) -> None:
    assert kind in find_kinds(text.split("\n"))


@pytest.mark.parametrize(("kind", "text"), NEAR_MISSES.items())
def test_what_only_looks_like_it_is_not(kind: str, text: str) -> None:
    assert kind not in find_kinds([text, text])


def test_each_kind_has_five_examples_and_a_near_miss() -> None:
    names = {kind.name for kind in KINDS} | {"program-output"}
    assert set(EXAMPLES) == set(NEAR_MISSES) == names
    assert all(len(texts) >= 5 for texts in EXAMPLES.values())


def test_a_mixed_text_is_all_that_it_is_and_no_table() -> None:
    lines = [*EXAMPLES["ray-status"][2].split("\n"), *EXAMPLES["driver-log"][1].split("\n"), EXAMPLES["slurm"][1]]
    kinds = find_kinds(lines)
    assert kinds == ("ray-status", "slurm", "driver-log")
    assert (is_table(kinds), is_table(("ray-status",)), is_table(())) == (False, True, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n  \n\t\n",
        "<!DOCTYPE html>\n<html><head><title>Jobs</title></head><body><p>Error</p></body></html>\n",
        "import ray\n\n@ray.remote\ndef load(path):\n    return open(path).read()\n\nprint(ray.get(load.remote('a')))\n",
        "#include <vector>\n\nint main() {\n  std::vector<int> rows;\n  return 0;\n}\n",
        "Hello, I have tried for some days to get my cluster to work as it is told in the book.\n"
        "Does anybody know what I should look at first, and what others do about it?\n",
    ],
)
def test_what_is_no_log_is_said_to_be_none(text: str) -> None:
    found = diagnose(Fields(), [TextSource("a", SourceKind.FILE, [text.encode()])])
    assert (found.code, found.state, found.title, found.read_as) == ("unknown", "unknown", "no log that is known", ())
    assert found.sentence.startswith("No log that I know")


def test_what_the_row_tells_is_told_of_an_empty_log_too() -> None:
    found = diagnose(Fields(status="FAILED", driver_exit_code=139), [TextSource("a", SourceKind.FILE, [b""])])
    assert (found.code, found.state) == ("app.native-crash", "failed")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("step 1 of 2\n", "Nothing is wrong up to its last line; it may be cut, for it does not tell its end."),
        ("step 1 of 2\nall 2 steps done\n", "Nothing that was looked at tells of a failure."),
        ("Usage:\n 1.0/8.0 CPU\n", "Nothing that was looked at tells of a failure."),
    ],
)
def test_an_output_without_a_failure_is_well_and_says_when_it_may_be_cut(text: str, sentence: str) -> None:
    found = diagnose(Fields(), [TextSource("a", SourceKind.FILE, [text.encode()])])
    assert (found.code, found.state, found.sentence) == (None, "well", sentence)

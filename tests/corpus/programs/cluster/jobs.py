"""The job layer: supervisors that are killed or never start, submissions that are stopped, an id that is taken."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from tests.corpus.program import Program
from tests.corpus.scenes import (
    command,
    ray,
    wait_told,
)
from tests.record.cluster import Cluster
from tests.record.nodes import head

LASTS = """import time

import ray

ray.init()
print("epoch 0", flush=True)
time.sleep(300)
"""


def _impatient() -> contextlib.AbstractContextManager[Cluster]:
    """A head that gives a supervisor 15 s to start instead of 15 minutes."""
    return head({"RAY_JOB_START_TIMEOUT_SECONDS": "15"})


def _once_told(told: str, action: Callable[[Cluster, str], None]) -> Callable[[Cluster, str], None]:
    def during(cluster: Cluster, submission_id: str) -> None:
        wait_told(cluster, submission_id, told)
        time.sleep(1)
        action(cluster, submission_id)

    return during


def _kill_supervisor(cluster: Cluster, submission_id: str) -> None:
    if process := cluster.supervisor(submission_id):
        process.kill()


def _kill_supervisor_and_driver(cluster: Cluster, submission_id: str) -> None:
    if process := cluster.supervisor(submission_id):
        driver = process.children(recursive=True)
        process.kill()
        for each in driver:
            with contextlib.suppress(Exception):
                each.kill()


def _stop(cluster: Cluster, submission_id: str) -> None:
    cluster.stop(submission_id)


def _submit_twice(cluster: Cluster) -> list[str]:
    line = ray("job", "submit", f"--address={cluster.api.base_url}", "--submission-id=nightly-train", "--no-wait")
    cluster.run([*line, "--", "python", "-c", "print(1)"])
    return [*line, "--", "python", "-c", "print(1)"]


PROGRAMS = (
    Program(
        id="m-supervisor-killed",
        title="A job whose supervisor is killed while its driver works",
        primary="job.supervisor-died",
        acceptable=("memory.process-killed",),
        why="The supervisor, and only it, was killed with SIGKILL while the driver was alive.",
        evidence="upervisor",
        during=_once_told("epoch 0", _kill_supervisor),
        source_code=LASTS,
    ),
    Program(
        id="m-supervisor-killed-no-ray",
        title="A job without Ray whose supervisor is killed",
        primary="job.supervisor-died",
        acceptable=("memory.process-killed",),
        why="The supervisor was killed with SIGKILL; the entrypoint is a shell script that never connects to Ray.",
        evidence="upervisor",
        entrypoint="bash copy.sh",
        during=_once_told("copying 1", _kill_supervisor),
        files={"copy.sh": 'for part in $(seq 300); do echo "copying $part"; sleep 1; done\n'},
    ),
    Program(
        id="m-supervisor-and-driver-killed",
        title="A job whose supervisor and driver are killed together",
        primary="job.supervisor-died",
        acceptable=("memory.process-killed",),
        why="Supervisor and driver were killed with SIGKILL at the same time.",
        evidence="upervisor",
        during=_once_told("epoch 0", _kill_supervisor_and_driver),
        source_code=LASTS,
    ),
    Program(
        id="m-stop-graceful",
        title="A job that is stopped on request and ends on SIGTERM",
        primary="app.stopped",
        why="Somebody asked Ray to stop the job; the driver ended on SIGTERM.",
        evidence="intentionally stopped",
        ends=("STOPPED",),
        during=_once_told("epoch 0", _stop),
        source_code=LASTS,
    ),
    Program(
        id="m-stop-forced",
        title="A job that is stopped on request and has to be killed",
        primary="app.stopped",
        why="Somebody asked Ray to stop the job; the driver ignores SIGTERM and was killed after a while.",
        evidence="intentionally stopped",
        ends=("STOPPED",),
        during=_once_told("epoch 0", _stop),
        source_code="""import signal
import time

import ray

ray.init()
signal.signal(signal.SIGTERM, lambda *_: print("not now, saving", flush=True))
print("epoch 0", flush=True)
deadline = time.time() + 300
while time.time() < deadline:
    time.sleep(1)
""",
    ),
    Program(
        id="m-stop-with-tasks",
        title="A job that is stopped on request while its tasks run",
        primary="app.stopped",
        why="Somebody asked Ray to stop the job while its driver waited in ray.get.",
        evidence="intentionally stopped",
        ends=("STOPPED",),
        during=_once_told("epoch 0", _stop),
        source_code="""import signal
import time

import ray

ray.init()


def end(signum, frame):
    raise RuntimeError("interrupted by the scheduler")


signal.signal(signal.SIGTERM, end)


@ray.remote
def train(epoch):
    time.sleep(100)


print("epoch 0", flush=True)
ray.get([train.remote(each) for each in range(2)])
""",
    ),
    Program(
        id="m-duplicate-id",
        title="A submission with an id that exists",
        primary="job.duplicate-id",
        why="The same submission id was submitted twice.",
        evidence="nightly-train",
        head=lambda: head(),
        ends=(None,),
        play=command(_submit_twice),
    ),
    Program(
        id="m-start-timeout",
        title="A job whose entrypoint wants more CPUs than there are, given up after the start timeout",
        primary="job.start-timeout",
        acceptable=("scheduling.infeasible",),
        why="The entrypoint wants 16 CPUs, the only node has 2; the supervisor did not start within 15 s.",
        evidence="failed to start within",
        head=_impatient,
        submit_options={"entrypoint_num_cpus": 16},
        source_code="print('never run')\n",
    ),
    Program(
        id="m-start-timeout-gpu",
        title="A job whose entrypoint wants a GPU and a resource, given up after the start timeout",
        primary="job.start-timeout",
        acceptable=("scheduling.infeasible", "gpu.unavailable"),
        why="The entrypoint wants a GPU; no node has one, and the supervisor did not start within 15 s.",
        evidence="failed to start within",
        head=_impatient,
        submit_options={"entrypoint_num_gpus": 1, "entrypoint_resources": {"fast_disk": 1}},
        source_code="print('never run')\n",
    ),
)

"""Memory: killed by Ray's memory monitor, killed from outside, an object store that is full."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import psutil

from tests.corpus.program import Program, healthy
from tests.record.cluster import Cluster
from tests.record.nodes import head, wait

_GB = 1_000_000_000
GROW = "    kept = []\n    while True:\n        kept.append(bytearray(b'x' * 50_000_000))\n        time.sleep(0.02)\n"


@contextlib.contextmanager
def _watched() -> Iterator[Cluster]:
    """A head whose memory monitor kills when the machine uses 4 GB more than now."""
    memory = psutil.virtual_memory()
    threshold = (memory.total - memory.available + 4 * _GB) / memory.total
    env = {"RAY_memory_usage_threshold": f"{threshold:.3f}", "RAY_memory_monitor_refresh_ms": "100"}
    with head(env) as cluster:
        yield cluster


def _kill_driver(cluster: Cluster, submission_id: str) -> None:
    """SIGKILL the driver, as the kernel does, and nobody tells who it was."""
    wait(lambda: cluster.get(f"/api/jobs/{submission_id}").get("driver_info"), "the driver")
    time.sleep(3)
    psutil.Process(int(cluster.get(f"/api/jobs/{submission_id}")["driver_info"]["pid"])).kill()


WATCHED = (
    Program(
        id="m-oom-task",
        title="A task that grows until the memory monitor kills it",
        primary="memory.node-oom",
        why="The task takes memory without end; the memory monitor of Ray killed its worker, and it is not retried.",
        evidence="OutOfMemoryError",
        head=_watched,
        source_code=f"""import time

import ray

ray.init()


@ray.remote(max_retries=0)
def load(shard):
{GROW}

print("loading shard 0")
print(ray.get(load.remote(0)))
""",
    ),
    Program(
        id="m-oom-actor",
        title="An actor that grows until the memory monitor kills it",
        primary="memory.node-oom",
        why="A method of the actor takes memory without end; the memory monitor of Ray killed the actor's worker.",
        evidence="memory",
        head=_watched,
        source_code=f"""import time

import ray

ray.init()


@ray.remote(num_cpus=1)
class Index:
    def build(self, path):
        {GROW.strip().replace(chr(10), chr(10) + "    ")}


index = Index.remote()
ray.get(index.build.remote("corpus.bin"))
""",
    ),
    Program(
        id="m-oom-said-nothing",
        title="A program that hides Ray's error after its task was killed for its memory",
        primary="memory.node-oom",
        acceptable=("memory.process-killed",),
        why="The memory monitor killed the task; the program catches the error and ends with words of its own.",
        evidence="memory",
        head=_watched,
        source_code=f"""import sys
import time

import ray

ray.init(log_to_driver=False, logging_level="ERROR")


@ray.remote(max_retries=0)
def embed(shard):
{GROW}

try:
    ray.get(embed.remote(3))
except ray.exceptions.RayError:
    print("ERROR: step embed did not finish, giving up")
    sys.exit(3)
""",
    ),
    healthy(
        "m-oom-retried",
        "A task that the memory monitor killed once, and that succeeds when it is tried again",
        "Only the first attempt takes too much memory; Ray tries again and the job succeeds.",
        f"""import os
import time

import ray

ray.init()


@ray.remote(max_retries=2)
def load(mark):
    if os.path.exists(mark):
        return "loaded in small pieces"
    open(mark, "w").close()
{GROW}

mark = os.path.abspath("first-attempt")
print(ray.get(load.remote(mark)))
""",
        head=_watched,
    ),
)

KILLED = (
    Program(
        id="m-task-killed-9",
        title="A task whose worker gets SIGKILL",
        primary="memory.process-killed",
        acceptable=("app.native-crash",),
        why="The worker of the task was killed with SIGKILL, and nothing says who did it.",
        evidence="WorkerCrashedError",
        source_code="""import os
import signal

import ray

ray.init()


@ray.remote(max_retries=0)
def tokenize(shard):
    os.kill(os.getpid(), signal.SIGKILL)


print(ray.get([tokenize.remote(each) for each in range(2)]))
""",
    ),
    Program(
        id="m-actor-killed-9",
        title="An actor whose worker gets SIGKILL from outside",
        primary="memory.process-killed",
        acceptable=("actor.died",),
        why="The worker of the actor was killed with SIGKILL by another process, and nothing says who did it.",
        evidence="ActorDiedError",
        source_code="""import os
import signal
import time

import ray

ray.init()


@ray.remote(num_cpus=0)
class Trainer:
    def pid(self):
        return os.getpid()

    def fit(self, epochs):
        for epoch in range(epochs):
            print("epoch", epoch)
            time.sleep(1)


trainer = Trainer.remote()
pid = ray.get(trainer.pid.remote())
done = trainer.fit.remote(60)
time.sleep(3)
os.kill(pid, signal.SIGKILL)
ray.get(done)
""",
    ),
    Program(
        id="m-driver-killed-9",
        title="A driver that is killed with SIGKILL from outside",
        primary="memory.process-killed",
        why="The driver was killed with SIGKILL, and nothing says who did it.",
        evidence="exit code",
        during=_kill_driver,
        source_code="""import time

import ray

ray.init()
rows = []
for batch in range(600):
    print("batch", batch, flush=True)
    time.sleep(1)
""",
    ),
    Program(
        id="m-shell-137",
        title="A shell script whose program is killed, and that hands on 137",
        primary="memory.process-killed",
        why="The program in the script was killed with SIGKILL; the shell says Killed and ends with 137.",
        evidence="exit code 137",
        entrypoint="bash train.sh",
        source_code="""import os
import signal

import ray

ray.init()
print("reading 812 files", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
""",
        files={"train.sh": 'echo "start"\npython main.py\ncode=$?\necho "main.py ended with $code"\nexit $code\n'},
    ),
    healthy(
        "m-task-killed-retried",
        "A task whose worker is killed once, and that succeeds when it is tried again",
        "Only the first attempt is killed; Ray tries again and the job succeeds.",
        """import os
import signal

import ray

ray.init()


@ray.remote(max_retries=3)
def tokenize(mark):
    if not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return 17


print("tokens:", ray.get(tokenize.remote(os.path.abspath("first-attempt"))))
""",
    ),
    healthy(
        "m-actor-restarted",
        "A detached actor that is killed, restarted by Ray, and does its work",
        "The actor may be restarted; its method is tried again and the job succeeds.",
        """import os
import signal
import time

import ray

ray.init(namespace="service")


@ray.remote(num_cpus=0, max_restarts=3, max_task_retries=3, lifetime="detached", name="counter")
class Counter:
    def pid(self):
        return os.getpid()

    def count(self):
        time.sleep(2)
        return 1


counter = Counter.remote()
first = ray.get(counter.pid.remote())
counting = counter.count.remote()
time.sleep(0.5)
os.kill(first, signal.SIGKILL)
print("counted", ray.get(counting), "after a restart:", ray.get(counter.pid.remote()) != first)
ray.kill(counter)
""",
    ),
)

PROGRAMS = (*WATCHED, *KILLED)

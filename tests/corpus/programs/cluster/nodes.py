"""Nodes that die, are taken away or lose their raylet, and what dies with them."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable

from tests.corpus.program import Program, healthy
from tests.corpus.scenes import (
    QUICK,
    WORKER_IP,
    head_process,
    kill_processes,
    node_id,
    ray,
    two_nodes,
    wait_told,
    while_it_runs,
)  # fmt: skip
from tests.record.cluster import Cluster
from tests.record.nodes import head, node_processes, wait

During = Callable[[Cluster, str], None]


def _after(told: str, action: Callable[[Cluster], None]) -> During:
    """Do something once the driver has told that it is so far."""

    def during(cluster: Cluster, submission_id: str) -> None:
        wait_told(cluster, submission_id, told)
        time.sleep(2)
        action(cluster)

    return during


def _kill_node(cluster: Cluster) -> None:
    """As when its machine loses power."""
    kill_processes(node_processes(cluster, WORKER_IP))


def _terminate_node(cluster: Cluster) -> None:
    """As ``ray stop`` does: the raylet says goodbye."""
    kill_processes(node_processes(cluster, WORKER_IP)[:1], signal.SIGTERM)


def _preempt(cluster: Cluster) -> None:
    """Announced as a cloud announces the end of a spot instance, which then ends."""
    line = ray(
        "drain-node", f"--address={cluster.address}", f"--node-id={node_id(cluster, WORKER_IP)}",
        "--reason=DRAIN_NODE_REASON_PREEMPTION", "--reason-message=spot instance reclaimed",
        "--deadline-remaining-seconds=5",
    )  # fmt: skip
    subprocess.run(line, env=cluster.env, check=True, timeout=60, stdout=subprocess.DEVNULL)
    time.sleep(6)
    _kill_node(cluster)


def _kill_node_of_supervisor(cluster: Cluster, submission_id: str) -> None:
    wait(lambda: cluster.status(submission_id) == "RUNNING", "the job to run")
    time.sleep(3)
    _kill_node(cluster)


def _kill_head_raylet(cluster: Cluster, submission_id: str) -> None:
    time.sleep(1)
    head_process(cluster, "raylet").kill()


ACTOR_AWAY = """import time

import ray

ray.init()


@ray.remote(num_cpus=0, resources={"away": 0.1})
class Shard:
    def load(self):
        print("shard is loaded")

    def train(self):
        time.sleep(60)


shard = Shard.remote()
ray.get(shard.load.remote())
print("training", flush=True)
ray.get(shard.train.remote())
"""
PROGRAMS = (
    Program(
        id="m-node-died-task",
        title="A task whose node dies",
        primary="node.died",
        acceptable=("raylet.crashed",),
        why="All processes of the worker node that ran the task were killed at once; the task is not retried.",
        evidence="NodeDiedError",
        head=lambda: two_nodes(),
        during=_after("rendering", _kill_node),
        source_code="""import time

import ray

ray.init()


@ray.remote(max_retries=0, resources={"away": 0.1})
def render(frame):
    time.sleep(60)
    return frame


frames = [render.remote(0)]
print("rendering", flush=True)
print(ray.get(frames))
""",
    ),
    Program(
        id="m-node-died-actor",
        title="An actor whose node dies",
        primary="node.died",
        acceptable=("actor.unavailable",),
        why="All processes of the worker node that ran the actor were killed at once.",
        evidence="node",
        head=lambda: two_nodes(),
        during=_after("training", _kill_node),
        source_code=ACTOR_AWAY,
    ),
    Program(
        id="m-node-preempted",
        title="An actor whose node is preempted",
        primary="node.preempted",
        acceptable=("node.died",),
        why="The node was drained because of preemption with a deadline of 5 s, and then ended.",
        evidence="preempt",
        head=lambda: two_nodes(),
        during=_after("training", _preempt),
        source_code=ACTOR_AWAY,
    ),
    Program(
        id="m-object-lost",
        title="An object whose only copy was on a node that died",
        primary="object.lost",
        acceptable=("node.died",),
        why="The node with the only copy of a result died, and the task that made it may not be run again.",
        evidence="ray.exceptions.",
        head=lambda: two_nodes(),
        source_code="""import time

import numpy as np
import ray

ray.init()


@ray.remote(max_retries=0, resources={"away": 0.1})
def features():
    return np.ones(3_000_000)


ref = features.remote()
ray.wait([ref], fetch_local=False)
print("features are computed", flush=True)
while len([node for node in ray.nodes() if node["Alive"]]) > 1:
    time.sleep(0.5)
print(ray.get(ref).sum())
""",
        during=_after("features are computed", _kill_node),
    ),
    Program(
        id="m-affinity-node-dead",
        title="A task that is pinned to a node that has died",
        primary="scheduling.node-affinity",
        acceptable=("node.died",),
        why="The task has hard affinity to a node that died before the task was submitted.",
        evidence="node",
        head=lambda: two_nodes(),
        source_code="""import time

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

ray.init()
there = next(node["NodeID"] for node in ray.nodes() if "away" in node["Resources"])
pinned = NodeAffinitySchedulingStrategy(node_id=there, soft=False)


@ray.remote(num_cpus=1, scheduling_strategy=pinned)
def read_local_cache():
    return 1


print("first pass", ray.get(read_local_cache.remote()), flush=True)
while len([node for node in ray.nodes() if node["Alive"]]) > 1:
    time.sleep(0.5)
print("second pass", ray.get(read_local_cache.remote()), flush=True)
""",
        during=_after("first pass", _kill_node),
    ),
    Program(
        id="m-supervisor-node-died",
        title="A job whose driver was on a node that dies",
        primary="node.died",
        acceptable=("job.supervisor-died", "raylet.crashed"),
        why="The driver and its supervisor were on a worker node, all processes of which were killed at once.",
        evidence="node",
        head=lambda: two_nodes(),
        submit_options={"entrypoint_resources": {"away": 0.5}},
        source_code="import time\n\nimport ray\n\nray.init()\nprint('working')\ntime.sleep(300)\n",
        during=_kill_node_of_supervisor,
    ),
    Program(
        id="m-raylet-killed-head",
        title="A driver whose raylet is killed",
        primary="raylet.crashed",
        acceptable=("node.died",),
        why="The raylet of the driver's node was killed with SIGKILL; nobody is left who could end the job's row.",
        evidence="raylet",
        head=lambda: head(QUICK),
        ends=("RUNNING", "FAILED"),
        play=while_it_runs("step 2", 20, _kill_head_raylet),
        source_code="""import time

import ray

ray.init()


@ray.remote
def step(number):
    time.sleep(1)
    return number


for number in range(300):
    print("step", ray.get(step.remote(number)), flush=True)
""",
    ),
    healthy(
        "m-node-left",
        "A worker node leaves in order, its task is run again elsewhere, and the job succeeds",
        "The node was stopped with SIGTERM; the task on it is retried on the head and the job succeeds.",
        """import time

import ray

ray.init()


@ray.remote(num_cpus=1, scheduling_strategy="SPREAD")
def crop(image):
    time.sleep(4)
    return image


images = [crop.remote(each) for each in range(8)]
print("cropping", flush=True)
print("cropped", len(ray.get(images)))
""",
        head=lambda: two_nodes(),
        during=_after("cropping", _terminate_node),
    ),
)

"""What is never scheduled, what waits for room, placement groups, labels; and the GPUs that are not there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from tests.corpus.program import Program
from tests.corpus.scenes import while_it_runs
from tests.record.cluster import Cluster
from tests.record.nodes import head

# Ray warns of what cannot be scheduled when it has waited for so long.
_WARNED_S = 25


def _ends_early() -> contextlib.AbstractContextManager[Cluster]:
    """A head that ends what can never be scheduled instead of letting it wait."""
    return head({"RAY_enable_infeasible_task_early_exit": "1", "RAY_enable_autoscaler_v2": "1"})


def _task(options: str, name: str = "simulate") -> str:
    return f"""import ray

ray.init()


@ray.remote({options})
def {name}(seed):
    return seed


print("submitting", flush=True)
print(ray.get([{name}.remote(each) for each in range(2)]))
"""


def _actor(options: str, name: str = "Learner") -> str:
    return f"""import ray

ray.init()


@ray.remote({options})
class {name}:
    def ready(self):
        return True


print("submitting", flush=True)
one = {name}.remote()
print(ray.get(one.ready.remote()))
"""


def _waits(
    id: str, title: str, primary: str, why: str, source_code: str, acceptable: tuple[str, ...] = (), **more: object
) -> Program:
    return Program(
        id=id, title=title, primary=primary, acceptable=acceptable, why=why, source_code=source_code,
        ends=("RUNNING",), play=while_it_runs("submitting", _WARNED_S), **more,  # type: ignore[arg-type]
    )  # fmt: skip


def _others_hold_the_cpus(seconds: float) -> Callable[[Cluster, str], None]:
    """Another job takes both CPUs for some time."""

    def take(cluster: Cluster) -> None:
        code = f"ray.get(ray.remote(num_cpus=2)(lambda: time.sleep({seconds})).remote())"
        cluster.spawn("other-job", code)
        time.sleep(8)

    return lambda cluster, submission_id: take(cluster)


def _busy_while(seconds: float) -> Callable[[Cluster, Program], object]:
    def play(cluster: Cluster, program: Program) -> object:
        _others_hold_the_cpus(seconds)(cluster, "")
        return while_it_runs("submitting", _WARNED_S)(cluster, program)

    return play


PLACEMENT = (
    Program(
        id="m-placement-group-too-large",
        title="A placement group larger than the cluster, waited for with a deadline",
        primary="scheduling.placement-group",
        acceptable=("scheduling.infeasible",),
        why="The group wants four bundles of 4 CPUs; the cluster has one node with 2.",
        source_code="""import ray
from ray.util.placement_group import placement_group

ray.init()
group = placement_group([{"CPU": 4}] * 4, strategy="PACK")
ray.get(group.ready(), timeout=15)
print("placed")
""",
    ),
    Program(
        id="m-placement-group-strict-pack",
        title="Bundles that must share a node and do not fit on one",
        primary="scheduling.placement-group",
        acceptable=("scheduling.infeasible",),
        why="STRICT_PACK wants 4 CPUs on one node; the only node has 2.",
        evidence="placement group",
        source_code="""import ray
from ray.util.placement_group import placement_group

ray.init()
group = placement_group([{"CPU": 2}, {"CPU": 2}], strategy="STRICT_PACK", name="workers")
if not group.wait(timeout_seconds=15):
    raise RuntimeError("placement group for the workers is not ready after 15 s")
""",
    ),
    Program(
        id="m-placement-group-removed",
        title="A placement group that is removed under an actor",
        primary="scheduling.placement-group",
        acceptable=("actor.died",),
        why="The program removes the placement group in which its actor runs, and then calls the actor.",
        evidence="placement group",
        source_code="""import time

import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

ray.init()
group = placement_group([{"CPU": 1}])
ray.get(group.ready())


@ray.remote(num_cpus=1, scheduling_strategy=PlacementGroupSchedulingStrategy(placement_group=group))
class Rollout:
    def step(self):
        return 1


rollout = Rollout.remote()
print(ray.get(rollout.step.remote()))
remove_placement_group(group)
time.sleep(3)
print(ray.get(rollout.step.remote()))
""",
    ),
    _waits(
        "m-placement-group-waiting",
        "A placement group that can never be placed, waited for without a deadline",
        "scheduling.placement-group",
        "The group wants a bundle with a GPU; no node has one.",
        """import ray
from ray.util.placement_group import placement_group

ray.init()
group = placement_group([{"CPU": 1, "GPU": 1}])
print("submitting", flush=True)
ray.get(group.ready())
""",
        ("scheduling.infeasible", "gpu.unavailable"),
    ),
)

PROGRAMS = (
    _waits(
        "m-infeasible-cpu",
        "Tasks that want more CPUs than any node has",
        "scheduling.infeasible",
        "The tasks want 64 CPUs each; the only node has 2.",
        _task("num_cpus=64"),
    ),
    _waits(
        "m-infeasible-gpu",
        "Tasks that want a GPU where no node has one",
        "scheduling.infeasible",
        "The tasks want a GPU each; no node has one.",
        _task("num_gpus=1", "infer"),
        ("gpu.unavailable",),
    ),
    _waits(
        "m-infeasible-actor",
        "An actor that wants a resource that no node has",
        "scheduling.infeasible",
        "The actor wants the resource TPU_head; no node has it, and the actor stays pending.",
        _actor("resources={'TPU_head': 1}"),
    ),
    _waits(
        "m-infeasible-memory",
        "An actor that wants more memory than any node has",
        "scheduling.infeasible",
        "The actor wants 900 GB of memory; no node has that.",
        _actor("memory=900 * 1024**3", "Index"),
    ),
    _waits(
        "m-label-missing",
        "A task for a label that no node has",
        "scheduling.node-affinity",
        "The task selects nodes of a region by their label; no node has that label.",
        _task("num_cpus=1, label_selector={'region': 'us-west4'}"),
        ("scheduling.infeasible",),
    ),
    _waits(
        "m-waiting-own-actors",
        "Tasks that wait because the program's own actors hold all CPUs",
        "scheduling.waiting",
        "Two actors of the job hold the two CPUs for ever; its task waits.",
        """import ray

ray.init()


@ray.remote(num_cpus=1)
class Env:
    def reset(self):
        return 0


envs = [Env.remote() for _ in range(2)]
ray.get([env.reset.remote() for env in envs])


@ray.remote(num_cpus=1)
def learn():
    return 1


print("submitting", flush=True)
print(ray.get(learn.remote()))
""",
        ("unknown",),
    ),
    Program(
        id="m-infeasible-early-exit",
        title="Tasks that can never be scheduled, where Ray ends them early",
        primary="scheduling.infeasible",
        why="The tasks want the resource fpga; no node has it, and Ray was told to end such tasks.",
        evidence="fpga",
        head=_ends_early,
        source_code=_task("resources={'fpga': 1}"),
    ),
    Program(
        id="m-affinity-unknown-node",
        title="An actor that is pinned to a node that does not exist",
        primary="scheduling.node-affinity",
        why="The actor has hard affinity to a node id that is of no node of this cluster.",
        evidence="node",
        source_code=_actor(
            "num_cpus=0, scheduling_strategy=ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy("
            "'00d5a0b8e7c14f0ea9a1ae2e2f1c4b7d9a1f3c5e7b9d0a2c4e6f8a1b', soft=False)"
        ),
    ),
    *PLACEMENT,
    Program(
        id="m-waiting-other-job",
        title="A task that waits because another job holds all CPUs",
        primary="scheduling.waiting",
        acceptable=("unknown",),
        why="Another driver's task holds both CPUs; the task of this job waits.",
        source_code=_task("num_cpus=1", "score"),
        ends=("RUNNING",),
        play=_busy_while(60),
        head=lambda: head(),
    ),
)

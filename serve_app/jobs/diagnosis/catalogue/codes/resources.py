"""Causes in memory, storage and accelerators, in nodes, and in what a request asks of the cluster."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import DOCS, Code
from serve_app.jobs.diagnosis.models import CodeClass

_T, _P, _C, _Q = CodeClass.TRANSIENT, CodeClass.PERMANENT, CodeClass.CAPACITY, CodeClass.NEEDS_SIGNAL
_OOM = DOCS + "ray-core/scheduling/ray-oom-prevention.html"
_OBJECTS = DOCS + "ray-core/fault_tolerance/objects.html"
_RESOURCES = DOCS + "ray-core/scheduling/resources.html"

RESOURCE_CODES: tuple[Code, ...] = (
    Code(
        "memory.node-oom",
        _C,
        "a node that ran out of memory",
        "Ray's memory monitor, or the kernel, killed a process because its node ran out of memory; that is confirmed.",
        (
            "Run fewer tasks at a time on a node: ask for more `num_cpus` or for `memory` in each.",
            "Make batches and objects smaller, or read them in pieces.",
            "Use nodes with more memory; `RAY_memory_usage_threshold` moves the limit of Ray's monitor.",
        ),
        _OOM,
    ),
    Code(
        "memory.process-killed",
        _Q,
        "a process that was killed, by whom is not known",
        "A process got SIGKILL or vanished, and nothing proves who ended it: often, but not always, lack of memory.",
        (
            "Look for the kernel's out-of-memory killer (`dmesg`) and for the memory of the node at that time.",
            "In Kubernetes look for OOMKilled and for evictions of the pod.",
            "If memory was free, look for who sends SIGKILL, and for a crash in native code.",
        ),
        _OOM,
    ),
    Code(
        "memory.object-store-full",
        _C,
        "a full object store",
        "The object store is full of objects that are still in use.",
        (
            "Drop references that are no longer needed; `ray memory` lists who holds what.",
            "Give the store more memory (`--object-store-memory`) or let it spill to a disk that has room.",
            "Keep fewer results in flight with `ray.wait`.",
        ),
        DOCS + "ray-core/objects/object-spilling.html",
    ),
    Code(
        "storage.disk-full",
        _C,
        "a full disk",
        "A disk has no space left, so that nothing can be written or spilled to it.",
        (
            "Free space on the node: old sessions in Ray's temporary directory are often the largest.",
            "Put spilling on a larger disk (`object_spilling_directory`), and outputs on shared storage.",
            "In containers raise the limit of ephemeral storage.",
        ),
        DOCS + "ray-core/objects/object-spilling.html",
    ),
    Code(
        "object.lost",
        _T,
        "an object that is lost",
        "All copies of an object are gone, and it was not made again.",
        (
            "Run the job again when a node was lost.",
            "Let Ray make objects again: `max_retries` above 0 for their tasks, `max_task_retries` for actors.",
            "Write results that are dear to storage, instead of keeping them only as objects.",
        ),
        _OBJECTS,
    ),
    Code(
        "object.owner-died",
        _P,
        "an object whose owner has ended",
        "The process that first made a reference has ended, and its objects with it.",
        (
            "Make objects that outlive a task in the driver or in a long-lived actor.",
            "Return values instead of references that were made inside the task.",
        ),
        _OBJECTS,
    ),
    Code(
        "gpu.out-of-memory",
        _P,
        "a GPU that ran out of memory",
        "A GPU has not enough memory for what was asked of it.",
        (
            "Make the batch, the context or the model smaller, or share it among more GPUs.",
            "Check that no other process is on the GPU, and that fractional `num_gpus` are meant.",
            "Lower what the engine reserves, for example `gpu_memory_utilization` of vLLM.",
        ),
        DOCS + "ray-core/scheduling/accelerators.html",
    ),
    Code(
        "gpu.unavailable",
        _P,
        "no usable GPU",
        "No GPU is visible where one is needed, or it does not fit the driver or the library.",
        (
            "Ask for it: `num_gpus=1` for the task or the actor; without, Ray hides the GPUs.",
            "Do GPU work in a task, not in the driver, which may run on a head without GPUs.",
            "Compare `nvidia-smi` of the node with the CUDA version of the library.",
        ),
        DOCS + "ray-core/scheduling/accelerators.html",
    ),
    Code(
        "gpu.collective-timeout",
        _Q,
        "a collective operation that hung",
        "NCCL, Gloo or another collective did not complete: a rank was late, absent or unreachable.",
        (
            "Find the rank that is absent from the logs: its own failure came first.",
            "Check the network between the nodes (`NCCL_SOCKET_IFNAME`, `NCCL_DEBUG=INFO`).",
            "Check that all ranks run the same code on the same amount of data.",
        ),
        DOCS + "train/user-guides/fault-tolerance.html",
    ),
    Code(
        "node.died",
        _T,
        "a node that was lost",
        "A node was lost, and with it what ran there.",
        (
            "Run the job again; let tasks and actors retry (`max_retries`, `max_restarts`).",
            "Find out why the node went: memory, the machine, the network, or who ended it.",
        ),
        DOCS + "ray-core/fault_tolerance/nodes.html",
    ),
    Code(
        "node.preempted",
        _T,
        "a node that was taken away",
        "A node was drained or preempted, as spot machines are.",
        (
            "Run the job again; checkpoint often enough to lose little.",
            "Keep the head and what must not be lost on machines that are not taken away.",
        ),
        DOCS + "ray-core/fault_tolerance/nodes.html",
    ),
    Code(
        "raylet.crashed",
        _T,
        "a raylet that ended",
        "The raylet of a node, or one of its agents, ended, and with it what ran there.",
        (
            "Read `raylet.out` and `dashboard_agent.log` of that node: memory, ports and grpcio are usual.",
            "Start the node again and run the job again.",
        ),
        DOCS + "ray-core/fault_tolerance/nodes.html",
    ),
    Code(
        "actor.died",
        _Q,
        "an actor that died",
        "An actor died, and nothing says why.",
        (
            "Read the log of its worker process, named in the message by its pid.",
            "Let it restart (`max_restarts`) only when its work can be done again.",
            "If the program ended it itself, look for `ray.kill` and for handles that were dropped.",
        ),
        DOCS + "ray-core/fault_tolerance/actors.html",
    ),
    Code(
        "actor.owner-died",
        _P,
        "an actor that ended with its creator",
        "An actor that is not detached ended because the process that made it did.",
        (
            'Make it with `lifetime="detached"` and a name, or keep its creator alive.',
            "Look at why the creator ended; it is the first failure.",
        ),
        DOCS + "ray-core/actors/named-actors.html",
    ),
    Code(
        "actor.unavailable",
        _T,
        "an actor that could not be reached",
        "An actor was not reachable for a while; whether the call was done is not known.",
        (
            "Call again when the method can be done twice; otherwise ask the actor first.",
            "Look at the network and at the load of its node.",
        ),
        DOCS + "ray-core/fault_tolerance/actors.html",
    ),
    Code(
        "scheduling.infeasible",
        _P,
        "a request that no node can fit",
        "No node, present or possible, can ever fit the request, so it waits for ever.",
        (
            "Correct the amount or the name of the resource in the request.",
            "Add a node, or a node type for the autoscaler, that has it.",
            "`RAY_enable_infeasible_task_early_exit=true` lets such tasks fail instead of waiting.",
        ),
        _RESOURCES,
    ),
    Code(
        "scheduling.waiting",
        _C,
        "a request that waits for resources",
        "The resources exist, and others are using them.",
        (
            "Wait, or end what holds them: `GET /cluster/leftovers` lists what outlived its job.",
            "Ask for less, or add nodes.",
            "Tasks that wait for tasks they have started can block each other: ask for fewer CPUs in the outer ones.",
        ),
        _RESOURCES,
    ),
    Code(
        "scheduling.placement-group",
        _P,
        "a placement group that cannot be placed",
        "A placement group was removed, or its bundles cannot be placed.",
        (
            "Compare each bundle with a single node: a bundle is never shared among nodes.",
            "Use PACK or SPREAD instead of their strict forms, or smaller bundles.",
            "Do not remove the group while something runs in it.",
        ),
        DOCS + "ray-core/scheduling/placement-group.html",
    ),
    Code(
        "scheduling.node-affinity",
        _P,
        "pinned to a node that is gone",
        "The task, the actor or the job is pinned to a node or a label that is not there.",
        ("Submit again without the pin, or with a node that lives.", "Use `soft=True` for a wish instead of a demand."),
        DOCS + "ray-core/scheduling/index.html",
    ),
)

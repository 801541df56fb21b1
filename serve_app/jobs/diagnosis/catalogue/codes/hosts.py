"""Causes in a host and its devices, in what an earlier cluster left behind, and in starting a node or a job at all."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import DOCS, Code
from serve_app.jobs.diagnosis.models import CodeClass

_T, _P, _C, _Q = CodeClass.TRANSIENT, CodeClass.PERMANENT, CodeClass.CAPACITY, CodeClass.NEEDS_SIGNAL

HOST_CODES: tuple[Code, ...] = (
    Code(
        "storage.shm-too-small",
        _P,
        "a /dev/shm that is too small",
        "Shared memory (/dev/shm) is too small for the object store, or for what processes of one host share.",
        (
            "Give the container more of it: `--shm-size` of docker; in Kubernetes a `medium: Memory` volume there.",
            "Ask for a smaller object store (`--object-store-memory`).",
        ),
        DOCS + "cluster/kubernetes/user-guides/config.html",
    ),
    Code(
        "os.limit",
        _P,
        "a limit of the operating system",
        "A limit of the system was reached: open files, processes, the length of a socket's path, or watches.",
        (
            "Raise it where Ray is started: `ulimit -n 65536` for files, `ulimit -u` for processes and threads.",
            "In containers look at the limit of process ids (`pids.max`), too.",
            "Of a path that is too long: a shorter `--temp-dir`.",
        ),
        DOCS + "ray-core/configure.html",
    ),
    Code(
        "gpu.collective-failed",
        _Q,
        "a collective operation that broke",
        "NCCL, Gloo or another collective broke: a rank was lost, or the network or a system call failed.",
        (
            "Find the rank that failed first: the others only lost their connection to it.",
            "Let the library tell more (`NCCL_DEBUG=INFO`), and say which network it is to use (`NCCL_SOCKET_IFNAME`).",
            "Check that all hosts have the same versions of the driver and of NCCL.",
        ),
        DOCS + "train/user-guides/fault-tolerance.html",
    ),
    Code(
        "gpu.hardware",
        _Q,
        "a GPU with a fault",
        "A GPU, or its link, reported a fault: memory errors, an Xid of the driver, or it is gone from the bus.",
        (
            "Look for `Xid` in `dmesg` of that node, and at `nvidia-smi -q` for its memory errors.",
            "Take the node out of the cluster and reset the GPU, or restart the machine.",
        ),
    ),
    Code(
        "gcs.storage-unreachable",
        _T,
        "a store of the GCS that cannot be reached",
        "Redis, in which the GCS keeps its state, is down, refuses, or has no room.",
        (
            "Check that Redis runs at its address, and its password (`RAY_REDIS_ADDRESS`, `--redis-password`).",
            "Look at its own log: memory, persistence and the number of connections are usual.",
        ),
        DOCS + "cluster/kubernetes/user-guides/kuberay-gcs-ft.html",
    ),
    Code(
        "cluster.stale-state",
        _P,
        "what an earlier cluster left behind",
        "Something of an earlier cluster is still there: its session, its address, its processes or its lock files.",
        (
            "Run `ray stop --force` on that node, and remove its temporary directory (`/tmp/ray`), then start again.",
            "Unset `RAY_ADDRESS`, where it names a cluster that is gone.",
        ),
        DOCS + "ray-core/configure.html",
    ),
    Code(
        "cluster.launch-failed",
        _C,
        "a node that could not be launched",
        "The autoscaler, or the cloud, could not launch or set up a node.",
        (
            "Read `monitor.log` on the head: it has the answer of the cloud.",
            "Ask the cloud for another zone, type or market, or for more quota; check what the account may do.",
            "Where setting up failed, run its commands by hand on such a machine.",
        ),
        DOCS + "cluster/vms/user-guides/launching-clusters/index.html",
    ),
    Code(
        "job.supervisor-not-created",
        _Q,
        "a supervisor that could not be made",
        "Ray could not make the job's supervisor at all, so the job never began.",
        (
            "Read what Ray says of it: a name that is taken, an environment, or a node that is gone.",
            "Look at `dashboard.log` and `gcs_server.out` on the head, then submit again.",
        ),
        DOCS + "cluster/running-applications/job-submission/index.html",
    ),
)

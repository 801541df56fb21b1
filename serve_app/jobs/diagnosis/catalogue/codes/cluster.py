"""Causes in the control plane, the job layer and Serve; and the honest answer."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import DOCS, Code
from serve_app.jobs.diagnosis.models import UNKNOWN, CodeClass

_T, _P, _C, _Q = CodeClass.TRANSIENT, CodeClass.PERMANENT, CodeClass.CAPACITY, CodeClass.NEEDS_SIGNAL
_JOBS = DOCS + "cluster/running-applications/job-submission/"
_SERVE = DOCS + "serve/"

CLUSTER_CODES: tuple[Code, ...] = (
    Code(
        "gcs.unreachable",
        _T,
        "a head that cannot be reached",
        "The head, or its GCS, could not be reached.",
        (
            "Check that the head lives and that its port (6379 unless set) is reachable from that node.",
            "Run the job again when the head is back.",
            "For a head that may fail, set up GCS fault tolerance.",
        ),
        DOCS + "ray-core/fault_tolerance/gcs.html",
    ),
    Code(
        "gcs.state-lost",
        _P,
        "a GCS that forgot its cluster",
        "The GCS restarted without its state, so nodes and jobs of before are unknown to it.",
        ("Start all nodes again, then submit again.", "Give the GCS a Redis, so that it keeps its state."),
        DOCS + "ray-core/fault_tolerance/gcs.html",
    ),
    Code(
        "cluster.not-found",
        _P,
        "no cluster at the address",
        "No running Ray instance was found at the address.",
        (
            "Check `RAY_ADDRESS` and the address that was given; `ray status` tells on the head.",
            "Start Ray there, or use the port of what is meant: GCS 6379, dashboard 8265, client 10001.",
        ),
        DOCS + "ray-core/starting-ray.html",
    ),
    Code(
        "cluster.version-mismatch",
        _P,
        "versions that differ",
        "The versions of Ray or of Python differ between the cluster and this process.",
        ("Use the same Ray, and the same minor version of Python, on every node and client.",),
        DOCS + "cluster/faq.html",
    ),
    Code(
        "cluster.auth",
        _P,
        "a missing or wrong token",
        "The cluster asks for a token, and it was missing or wrong.",
        (
            "Set `RAY_AUTH_TOKEN`, or put the token into `~/.ray/auth_token`, on every node and client.",
            "Check that `RAY_AUTH_MODE` is the same everywhere.",
        ),
        DOCS + "ray-security/token-auth.html",
    ),
    Code(
        "client.disconnected",
        _T,
        "a Ray Client that lost its connection",
        "Ray Client lost its connection, and what it had started ended with it.",
        (
            "Submit long work as a job, which runs in the cluster, instead of over a client.",
            "Look at the network between the client and the head, and at the head's memory.",
        ),
        DOCS + "cluster/running-applications/job-submission/ray-client.html",
    ),
    Code(
        "network.port-conflict",
        _P,
        "a port that is in use",
        "A port that is needed is used by another process.",
        (
            "End the process that holds it, or choose another port.",
            "For Ray itself: `ray stop` ends an old instance; its ports are flags of `ray start`.",
        ),
        DOCS + "ray-core/configure.html",
    ),
    Code(
        "ray.internal-error",
        _P,
        "a failed check inside Ray",
        "A check inside Ray failed: most likely a bug in Ray.",
        (
            "Keep the logs, and search Ray's issues for the quoted line.",
            "Try the newest patch release of your Ray version.",
        ),
        "https://github.com/ray-project/ray/issues",
    ),
    Code(
        "job.start-timeout",
        _C,
        "a supervisor that did not start in time",
        "The supervisor of the job did not start in time.",
        (
            "Ask for less with `entrypoint_num_cpus`, `entrypoint_num_gpus`, `entrypoint_memory`, or free resources.",
            "If the environment takes long to build, put it into the image.",
            "Raise `RAY_JOB_START_TIMEOUT_SECONDS` on the head.",
        ),
        _JOBS + "quickstart.html",
    ),
    Code(
        "job.supervisor-died",
        _Q,
        "a supervisor that died",
        "The supervisor of the job died; the driver may have finished its work.",
        (
            "Check the output of the job before it is run again.",
            "Look at the memory of the node of the supervisor: it is often the head.",
        ),
        _JOBS + "quickstart.html",
    ),
    Code(
        "job.supervisor-lost",
        _T,
        "a supervisor that was not found",
        "The supervisor of the job could not be reached or found.",
        ("Submit once more.", "If it happens again, look at the head: its GCS and its memory."),
        _JOBS + "quickstart.html",
    ),
    Code(
        "job.status-unreliable",
        _Q,
        "a status that is not to be believed",
        "Ray recorded a failure because its monitoring failed; the driver may be alive or may have succeeded.",
        (
            "Check whether the driver lives, and what it has written, before anything is done.",
            "Look for a restart or an overload of the GCS at that time.",
        ),
        _JOBS + "quickstart.html",
    ),
    Code(
        "job.duplicate-id",
        _P,
        "a submission id that is taken",
        "A job with that submission id exists already.",
        (
            "Leave the id out, or use another one.",
            "Delete the old job first, when it has ended and its log is not needed.",
        ),
        _JOBS + "sdk.html",
    ),
    Code(
        "job.no-agent",
        _T,
        "no agent that takes the job",
        "No agent of the dashboard was there to take the job.",
        ("Submit again in a minute.", "If it stays so, read `dashboard_agent.log` on the head."),
        _JOBS + "quickstart.html",
    ),
    Code(
        "serve.constructor-failed",
        _P,
        "a replica that does not start",
        "The constructor of a replica, or its first health check, failed.",
        (
            "Correct what the innermost exception names: the constructor's arguments, a model, a file, a service.",
            "Run the class by itself, outside Serve, with the same arguments.",
        ),
        _SERVE + "production-guide/best-practices.html",
    ),
    Code(
        "serve.health-check-failed",
        _Q,
        "a replica that does not answer",
        "A replica stopped answering its health check.",
        (
            "Look for code that blocks its event loop, and for a dependency that hangs.",
            "Raise `health_check_timeout_s` only when the replica is busy, not stuck.",
        ),
        _SERVE + "production-guide/fault-tolerance.html",
    ),
    Code(
        "serve.unschedulable",
        _C,
        "replicas that cannot be placed",
        "Replicas wait for resources that the cluster does not have free.",
        ("Compare `ray_actor_options` with what one node has free.", "Lower the number of replicas, or add nodes."),
        _SERVE + "resource-allocation.html",
    ),
    Code(
        "serve.config-invalid",
        _P,
        "a configuration that Serve refuses",
        "The import path, the arguments or the options of the application are wrong.",
        (
            "Correct what the quoted line names; `serve build` and `make check-config` tell before a deploy.",
            "Check that the module can be imported on the cluster: give a `working_dir`.",
        ),
        _SERVE + "production-guide/config.html",
    ),
    Code(
        "serve.backpressure",
        _C,
        "requests that were dropped",
        "Requests were dropped because the queue of a deployment was full.",
        (
            "Add replicas or let them scale (`autoscaling_config`).",
            "Raise `max_queued_requests`, or let clients wait and try again.",
        ),
        _SERVE + "advanced-guides/performance.html",
    ),
    Code(
        UNKNOWN,
        _Q,
        "nothing tells why",
        "The evidence does not tell why.",
        (
            "Read the quoted lines, and the log around them.",
            "Print the exception before the program exits, and do not write errors only to files of the node.",
        ),
    ),
)

"""Causes in the program itself and in its runtime environment."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import DOCS, Code
from serve_app.jobs.diagnosis.models import CodeClass

_T, _P, _C, _Q = CodeClass.TRANSIENT, CodeClass.PERMANENT, CodeClass.CAPACITY, CodeClass.NEEDS_SIGNAL
_FAULTS = DOCS + "ray-core/fault_tolerance/"
_ENV = DOCS + "ray-core/handling-dependencies.html"

PROGRAM_CODES: tuple[Code, ...] = (
    Code(
        "app.exception",
        _P,
        "an uncaught exception of the program",
        "The entrypoint raised an exception that it did not handle.",
        (
            "Read the quoted line and the innermost frame of its traceback, and correct the program or its input.",
            "Run the same entrypoint on a small input outside Ray, to see whether Ray is part of it.",
        ),
        DOCS + "ray-observability/user-guides/debug-apps/general-debugging.html",
    ),
    Code(
        "app.task-exception",
        _P,
        "an exception in a task or an actor method",
        "A remote task or a method of an actor raised an exception.",
        (
            "Correct the function in which the innermost exception was raised; the driver only carries it.",
            "If some inputs may fail, catch the exception in the task and return it as a result.",
            "`@ray.remote(retry_exceptions=[…])` retries exceptions that can pass; others are not retried.",
        ),
        _FAULTS + "tasks.html",
    ),
    Code(
        "app.actor-init-failed",
        _P,
        "an actor's constructor raised",
        "The constructor of an actor raised, so the actor never came up.",
        (
            "Correct what `__init__` does: its arguments, the files and the services that it opens.",
            "Move slow or unsafe work out of `__init__` into a method that can be called again.",
        ),
        _FAULTS + "actors.html",
    ),
    Code(
        "app.import-error",
        _P,
        "a module that is missing or broken",
        "A module could not be imported, on the driver or on a worker.",
        (
            'Add the package to `runtime_env={"pip": [...]}` or to the image of every node.',
            "If only workers fail, they have another environment than the driver: give `working_dir` or `py_modules`.",
            "If the name exists but cannot be imported, look for a local file that shadows it or for another version.",
        ),
        _ENV,
    ),
    Code(
        "app.syntax-error",
        _P,
        "a program that does not parse",
        "The program, or a module that it imports, is not valid in the language version that runs it.",
        (
            "Correct the quoted line.",
            "Compare the Python version of the node with the one that the program needs.",
        ),
    ),
    Code(
        "app.entrypoint-not-found",
        _P,
        "an entrypoint that does not exist",
        "The command or the file of the entrypoint was not found, or may not be executed.",
        (
            "Submit with `--working-dir`, so that the file is on the node that runs the driver.",
            "Check the spelling and the path: it is relative to the working directory, not to where you submit.",
            "For a script of its own, set its executable bit and its first line.",
        ),
        DOCS + "cluster/running-applications/job-submission/quickstart.html",
    ),
    Code(
        "app.usage-error",
        _P,
        "wrong arguments or configuration of the program",
        "The program refused its own arguments or configuration.",
        (
            "Correct the argument that the quoted line names.",
            "Run the entrypoint with `--help` where the program is installed.",
        ),
    ),
    Code(
        "app.data-access",
        _P,
        "input or output that cannot be reached",
        "A file, a bucket, a database or another service was missing, refused access, or had no credentials.",
        (
            "Check the path or address in the quoted line, from a node of the cluster, not from your machine.",
            'Give credentials to the workers: `runtime_env={"env_vars": {...}}`, a secret, or the node\'s role.',
            "Put shared files where every node can read them; a local path is on one node only.",
        ),
    ),
    Code(
        "app.serialization",
        _P,
        "something that cannot be pickled",
        "An object, a function or an exception could not be sent between processes, or was too large to be captured.",
        (
            "Create locks, sockets, clients and connections inside the task or in the actor's `__init__`.",
            "Find the part that cannot be pickled with `ray.util.inspect_serializability`.",
            "Pass large data as an argument made with `ray.put`, not as a global that the function captures.",
        ),
        DOCS + "ray-core/objects/serialization.html",
    ),
    Code(
        "app.native-crash",
        _P,
        "a crash in native code",
        "A process ended by a segmentation fault, an abort or another fatal signal in native code.",
        (
            "Read the native stack in the log: the topmost library that is not Python or Ray is the suspect.",
            "Upgrade or pin that library, and check that it is built for this Python, CUDA and CPU.",
            "Run with `PYTHONFAULTHANDLER=1` to see the Python line that was running.",
        ),
        DOCS + "ray-observability/user-guides/debug-apps/general-debugging.html",
    ),
    Code(
        "app.get-timeout",
        _Q,
        "a `ray.get` that timed out",
        "A result was not ready in time: a symptom of what its producer waits for.",
        (
            "Look at what produces it: it may be waiting for resources, dead, or slow.",
            "Raise the timeout only when the producer is known to make progress.",
        ),
        DOCS + "ray-core/patterns/ray-get-loop.html",
    ),
    Code(
        "app.actor-not-found",
        _P,
        "a named actor that does not exist",
        "No actor of that name lives in that namespace.",
        (
            "Check the namespace: `ray.get_actor(name, namespace=…)`, and the one given to `ray.init`.",
            'Make it outlive its creator with `lifetime="detached"`, or create it before it is looked up.',
        ),
        DOCS + "ray-core/actors/named-actors.html",
    ),
    Code(
        "app.actor-name-conflict",
        _P,
        "a named actor that exists already",
        "An actor of that name lives in the namespace already.",
        (
            "Use `get_if_exists=True` when the one that is there is meant.",
            "End the old one (`ray.kill`) or choose another name or namespace.",
        ),
        DOCS + "ray-core/actors/named-actors.html",
    ),
    Code(
        "app.stopped",
        CodeClass.INTENDED,
        "ended on purpose",
        "The job was stopped by a request or by a signal.",
        ("Nothing, if that was meant; otherwise look for who stopped it: a request, a scheduler, a timeout.",),
        DOCS + "cluster/running-applications/job-submission/quickstart.html",
    ),
    Code(
        "env.pip-failed",
        _P,
        "packages that could not be installed",
        "pip or uv could not resolve or install the packages of the runtime environment.",
        (
            "Correct the name or the version that the quoted line gives.",
            "Check that the nodes reach the package index, and that it has a file for their Python and platform.",
            "Put the packages into the image instead.",
        ),
        _ENV,
    ),
    Code(
        "env.conda-failed",
        _P,
        "a conda environment that failed",
        "conda is missing on the node, or its environment could not be made.",
        (
            "Install conda on every node, or use `pip` or an image instead.",
            "Check the name of the environment on the node.",
        ),
        _ENV,
    ),
    Code(
        "env.container-failed",
        _P,
        "a container image that failed",
        "The image of the runtime environment could not be pulled or started.",
        (
            "Install podman on every node; Ray starts workers with it.",
            "Pull the image by hand on a node, and check that it has the same Ray and Python versions.",
        ),
        _ENV,
    ),
    Code(
        "env.timeout",
        _T,
        "an environment that took too long",
        "The runtime environment was not ready in time.",
        (
            'Raise `runtime_env={"config": {"setup_timeout_seconds": …}}`.',
            "Put large packages into the image.",
            "Check the speed of the package index from the nodes.",
        ),
        _ENV,
    ),
    Code(
        "env.package-too-large",
        _P,
        "an upload that is too large",
        "The working directory or a module is larger than Ray uploads.",
        (
            'Leave out what the job does not need: `runtime_env={"excludes": [...]}` or a `.rayignore` file.',
            "Put data on shared storage, and code as a zip at an address that the nodes can reach.",
        ),
        _ENV,
    ),
    Code(
        "env.package-missing",
        _T,
        "a package that could not be fetched",
        "An uploaded package or a URI of the runtime environment could not be fetched by the node.",
        (
            "Submit again: the package is uploaded anew.",
            "For a URI of your own, check that it exists and that the nodes may read it.",
            "Uploads are dropped when the GCS restarts, or when a long upload expires.",
        ),
        _ENV,
    ),
    Code(
        "env.invalid",
        _P,
        "a runtime environment that is not allowed",
        "The runtime environment is malformed, or asks for something that is not allowed there.",
        (
            "Correct the field that the quoted line names.",
            "Local directories are uploaded only when given to the job or to `ray.init`, not to a task or an actor.",
            "Do not install another version of Ray in it.",
        ),
        DOCS + "ray-core/api/runtime-env.html",
    ),
    Code(
        "env.setup-failed",
        _Q,
        "an environment that could not be set up",
        "The runtime environment could not be set up, for a reason that is none of the known ones.",
        (
            "Read `runtime_env_setup-*.log` on the node, in the session's log directory.",
            "Make the environment smaller until it works, to see which part fails.",
        ),
        _ENV,
    ),
)

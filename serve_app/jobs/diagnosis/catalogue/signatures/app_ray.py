"""What goes wrong between a program and Ray's API: tasks, actors, names, references, serialization."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="task-error",
        code="app.task-exception",
        contains=("RayTaskError(", "RayTaskError: "),
        pattern=r"RayTaskError(?:\(\w+\))?: ",
        # Of what Ray itself raised in it, Ray's own sentence tells.
        unless=r"RayTaskError\((?:Ray)?(?:Actor\w{0,20}|WorkerCrashed|Object\w{1,30}|NodeDied|OutOfMemory|OutOfDisk|OwnerDied|LocalRayletDied|RuntimeEnvSetup|\w{0,10}Unschedulable)Error\)",
        role=ClueRole.WRAPPER,
        matches=(
            "ray.exceptions.RayTaskError(ValueError): ray::f() (pid=3, ip=10.0.0.1)",
            "RayTaskError: ray::g() (pid=3)",
        ),
        near_misses=("except RayTaskError as error",),
    ),
    Signature(
        name="actor-init-failed",
        code="app.actor-init-failed",
        contains=(
            "The actor died because of an error raised in its creation task",
            "The actor died because its __init__ failed",
            "Exception raised in creation task",
            "there was an exception in the initialization method",
            "Exception raised from an actor init method",
            "CreationTaskError",
        ),
        role=ClueRole.WRAPPER,
        matches=(
            "ray.exceptions.ActorDiedError: The actor died because of an error raised in its creation task, ray::A.__init__() (pid=1)",
            "Worker exits because there was an exception in the initialization method (e.g., __init__).",
        ),
        near_misses=("the creation task of the actor is done",),
    ),
    Signature(
        name="actor-not-found",
        code="app.actor-not-found",
        contains=("Failed to look up actor with name",),
        unless=r"actor_manager\.cc",
        matches=(
            "ValueError: Failed to look up actor with name 'abc'. This could because 1.",
            "ValueError: Failed to look up actor with name 'q'. You are either trying to look up",
        ),
        near_misses=("looking up the actor with name abc",),
    ),
    Signature(
        name="actor-name-taken",
        code="app.actor-name-conflict",
        contains=("already exists in the namespace", "is already taken", "ActorAlreadyExistsError"),
        pattern=r"[Tt]he name \S{1,200} \(namespace=[^)]{0,100}\) is already taken|already exists in the namespace|ActorAlreadyExistsError:",
        matches=(
            "ValueError: The name queue (namespace=None) is already taken. Please use a different name",
            "ray.exceptions.ActorAlreadyExistsError: Actor with name 'queue' already exists in the namespace prod.",
        ),
        near_misses=("the user name is already taken",),
    ),
    Signature(
        name="get-timeout",
        code="app.get-timeout",
        contains=("GetTimeoutError", "RayChannelTimeoutError: ", "Get timed out: some object(s) not ready"),
        pattern=r"GetTimeoutError: |ChannelTimeoutError: |Get timed out: some object",
        role=ClueRole.SYMPTOM,
        certainty=Certainty.LIKELY,
        matches=(
            "ray.exceptions.GetTimeoutError: Get timed out: some object(s) not ready.",
            "(f pid=3) GetTimeoutError: Get timed out: 1 object(s) not ready.",
        ),
        near_misses=("except ray.exceptions.GetTimeoutError",),
    ),
    Signature(
        name="cannot-pickle",
        code="app.serialization",
        contains=(
            "AttributeError: Can't get attribute",
            "Could not serialize",
            "cannot pickle",
            "can't pickle",
            "Can't pickle",
            "PicklingError",
            "Failed to deserialize exception",
            "UnserializableException",
            "is not serializable",
            "Can't get local object",
        ),
        pattern=r"Can't get attribute '|Could not serialize the|[Cc]an(?:no|')t pickle '?|PicklingError: |Failed to deserialize exception|UnserializableException: |Can't get local object",
        matches=(
            "TypeError: cannot pickle '_thread.lock' object",
            "TypeError: Could not serialize the put value <lock>:",
        ),
        near_misses=("the object is not serializable to JSON, kept as text",),
    ),
    Signature(
        name="capture-too-large",
        code="app.serialization",
        contains=("FUNCTION_SIZE_ERROR_THRESHOLD=",),
        matches=(
            "ValueError: The remote function __main__.f is too large (99 MiB > FUNCTION_SIZE_ERROR_THRESHOLD=95 MiB). Check that",
            "ValueError: The actor A is too large (120 MiB > FUNCTION_SIZE_ERROR_THRESHOLD=95 MiB).",
        ),
        near_misses=("Warning: The remote function f is very large (20 MiB).",),
    ),
    Signature(
        name="not-registered",
        code="app.import-error",
        contains=("was asked to execute a function that has not been registered",),
        certainty=Certainty.POSSIBLE,
        matches=(
            "This worker was asked to execute a function that has not been registered ({})",
            "This worker was asked to execute a function that has not been registered",
        ),
        near_misses=("the function has been registered",),
    ),
    Signature(
        name="cancelled",
        code="app.stopped",
        contains=("TaskCancelledError",),
        pattern=r"TaskCancelledError: ",
        role=ClueRole.SYMPTOM,
        certainty=Certainty.LIKELY,
        matches=(
            "ray.exceptions.TaskCancelledError: Task: TaskID(1) was cancelled",
            "TaskCancelledError: This task or its dependency was cancelled",
        ),
        near_misses=("except TaskCancelledError",),
    ),
)

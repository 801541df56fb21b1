"""Words of workers in other languages than Python: Java and C++."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="worker-of-java",
        code="app.task-exception",
        contains=("io.ray.api.exception.", "io.ray.runtime.exception.", "RayTaskException"),
        pattern=r"io\.ray\.(?:api|runtime)\.exception\.(?:RayTaskException|RayIntentionalSystemExitException|CrossLanguageException)|RayTaskException: ",
        role=ClueRole.WRAPPER,
        certainty=Certainty.LIKELY,
        matches=(
            "io.ray.api.exception.RayTaskException: (pid=7, ip=10.0.0.1) Error executing task 0a1b",
            'Exception in thread "main" io.ray.api.exception.CrossLanguageException: An exception raised from PYTHON',
        ),
        near_misses=("import io.ray.api.exception.RayException;",),
    ),
    Signature(
        name="actor-of-java-died",
        code="actor.died",
        contains=("RayActorException", "UnreconstructableException", "RayWorkerException"),
        pattern=r"Ray(?:Actor|Worker)Exception: |UnreconstructableException: ",
        role=ClueRole.SYMPTOM,
        certainty=Certainty.LIKELY,
        matches=(
            "io.ray.api.exception.RayActorException: The actor 0a1b died before finishing this task.",
            "io.ray.runtime.exception.RayWorkerException: The worker died unexpectedly",
        ),
        near_misses=("throws RayActorException",),
    ),
    Signature(
        name="exception-of-java",
        code="app.exception",
        contains=('Exception in thread "main" ', "Caused by: java.", "Caused by: io.", "Caused by: org."),
        pattern=r'Exception in thread "main" (?:[a-z]\w*\.){1,8}[A-Z]\w*(?:Exception|Error)|^Caused by: (?:[a-z]\w*\.){1,8}[A-Z]\w*(?:Exception|Error)',
        role=ClueRole.WRAPPER,
        certainty=Certainty.POSSIBLE,
        matches=(
            'Exception in thread "main" java.lang.NullPointerException',
            "Caused by: java.lang.IllegalArgumentException: no such table",
        ),
        near_misses=("Exception in thread Thread-11:",),
    ),
    Signature(
        name="task-of-cpp-raised",
        code="app.task-exception",
        contains=("RayTaskException:", "ray::internal::", "C++ worker exception"),
        pattern=r"C\+\+ worker exception|what\(\): .{0,200}RayTaskException|ray::internal::\w*Exception",
        role=ClueRole.WRAPPER,
        certainty=Certainty.LIKELY,
        matches=(
            "C++ worker exception: (pid=7, ip=10.0.0.1) std::out_of_range: vector",
            "  what():  RayTaskException: error in Counter::Add",
        ),
        near_misses=("ray::internal::RayRuntime was started",),
    ),
)

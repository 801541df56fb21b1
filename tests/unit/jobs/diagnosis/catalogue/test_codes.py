"""The vocabulary: complete, well formed, and each code within reach of some evidence."""

from __future__ import annotations

import pytest

from serve_app.jobs.diagnosis.catalogue.built_in import CODES, load_built_in
from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Code
from serve_app.jobs.diagnosis.engine.field_rules import FIELD_RULES

# Class letters as in the vocabulary: transient, permanent, capacity, needs a second signal, intended.
_CLASSES = {
    "T": "transient",
    "P": "permanent",
    "C": "capacity",
    "?": "needs-second-signal",
    "-": "intended",
}
_WORDS = """
P app.exception P app.task-exception P app.actor-init-failed P app.import-error P app.syntax-error
P app.entrypoint-not-found P app.usage-error P app.data-access P app.serialization P app.native-crash
? app.get-timeout P app.actor-not-found P app.actor-name-conflict - app.stopped
P env.pip-failed P env.conda-failed P env.container-failed T env.timeout P env.package-too-large
T env.package-missing P env.invalid ? env.setup-failed
C memory.node-oom ? memory.process-killed C memory.object-store-full C storage.disk-full T object.lost
P object.owner-died P gpu.out-of-memory P gpu.unavailable ? gpu.collective-timeout
T node.died T node.preempted T raylet.crashed ? actor.died P actor.owner-died T actor.unavailable
T gcs.unreachable P gcs.state-lost P cluster.not-found P cluster.version-mismatch P cluster.auth
T client.disconnected P network.port-conflict P ray.internal-error
P scheduling.infeasible C scheduling.waiting P scheduling.placement-group P scheduling.node-affinity
C job.start-timeout ? job.supervisor-died T job.supervisor-lost ? job.status-unreliable P job.duplicate-id
T job.no-agent
P serve.constructor-failed ? serve.health-check-failed C serve.unschedulable P serve.config-invalid
C serve.backpressure ? unknown
P storage.shm-too-small P os.limit ? gpu.collective-failed ? gpu.hardware T gcs.storage-unreachable
P cluster.stale-state C cluster.launch-failed ? job.supervisor-not-created
"""
# What the engine names by itself: exceptions that no signature knows, and that nothing is known.
_BY_THE_ENGINE = {"app.exception", "app.task-exception", "unknown"}


def test_the_vocabulary_is_whole_and_its_classes_are_as_promised() -> None:
    words = _WORDS.split()
    promised = {code: _CLASSES[letter] for letter, code in zip(words[::2], words[1::2], strict=True)}
    assert {code: str(each.code_class) for code, each in CODES.items()} == promised


@pytest.mark.parametrize("code", CODES.values(), ids=lambda each: each.code)
def test_each_code_says_what_happened_and_what_to_do(code: Code) -> None:
    assert code.title
    assert code.title == code.title.strip(".")
    assert code.sentence.endswith(".")
    assert code.advice
    assert all((each[0].isupper() or each[0] == "`") and each.endswith(".") for each in code.advice)
    assert code.docs == "" or code.docs.startswith("https://")


@pytest.mark.parametrize("code", CODES)
def test_each_code_is_within_reach(code: str) -> None:
    by_signature = {each.code for each in load_built_in().signatures if each.role is not ClueRole.BENIGN}
    by_field = {each.code for each in FIELD_RULES}
    assert code in by_signature | by_field | _BY_THE_ENGINE

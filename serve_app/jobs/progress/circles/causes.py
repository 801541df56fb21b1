"""The cause code of a failed attempt: Ray's word for the error, or its message where that is certain. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from serve_app.jobs.diagnosis.catalogue.catalogue import Catalogue
from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.models import UNKNOWN, Certainty, Fields, SourceKind, TextSource

# ``ErrorType`` of src/ray/protobuf/common.proto.
CODES: Final[Mapping[str, str]] = {
    "OUT_OF_MEMORY": "memory.node-oom",
    "WORKER_DIED": "memory.process-killed",
    "TASK_EXECUTION_EXCEPTION": "app.task-exception",
    "ACTOR_DIED": "actor.died",
    "ACTOR_UNAVAILABLE": "actor.unavailable",
    "ACTOR_CREATION_FAILED": "app.actor-init-failed",
    "RUNTIME_ENV_SETUP_FAILED": "env.setup-failed",
    "OWNER_DIED": "object.owner-died",
    "OBJECT_LOST": "object.lost",
    "OBJECT_DELETED": "object.lost",
    "OBJECT_FREED": "object.lost",
    "DEPENDENCY_RESOLUTION_FAILED": "object.lost",
    "LOCAL_RAYLET_DIED": "raylet.crashed",
    "NODE_DIED": "node.died",
    "TASK_PLACEMENT_GROUP_REMOVED": "scheduling.placement-group",
    "ACTOR_PLACEMENT_GROUP_REMOVED": "scheduling.placement-group",
    "TASK_UNSCHEDULABLE_ERROR": "scheduling.node-affinity",
    "ACTOR_UNSCHEDULABLE_ERROR": "scheduling.node-affinity",
    "OUT_OF_DISK_ERROR": "storage.disk-full",
}
_UNRECONSTRUCTABLE: Final = "OBJECT_UNRECONSTRUCTABLE"
_RAISED: Final = "TASK_EXECUTION_EXCEPTION"
# Ray's word is certain in these; what else its long messages mention is advice.
_SETTLED: Final = frozenset({"OUT_OF_MEMORY", "NODE_DIED", "LOCAL_RAYLET_DIED", "OUT_OF_DISK_ERROR"})
_KEPT: Final = 512


def build_code_chooser(get_catalogue: Callable[[], Catalogue]) -> Callable[[str, str], str]:
    """What tells the code of an error from Ray's word for it and its message; the same again costs nothing.

    ``get_catalogue``: the signatures that are configured now.
    """

    @lru_cache(maxsize=_KEPT)
    def choose(catalogue: Catalogue, error_type: str, message: str) -> str:
        told = message if error_type == _RAISED else f"{error_type}: {message}"
        source = TextSource("error", SourceKind.RAY, [told.encode("utf-8", "replace")])
        found = diagnose(Fields(status="FAILED"), [source], catalogue)
        certain = found.code is not None and found.code != UNKNOWN and found.certainty is Certainty.CERTAIN
        return found.code if certain and found.code is not None else read_code(error_type)

    def choose_code(error_type: str, message: str) -> str:
        if not message or error_type in _SETTLED:
            return read_code(error_type)
        return choose(get_catalogue(), error_type, message)

    return choose_code


def read_code(error_type: str) -> str:
    """What Ray's word alone says."""
    if error_type.startswith(_UNRECONSTRUCTABLE):
        return "object.lost"
    return CODES.get(error_type, UNKNOWN)

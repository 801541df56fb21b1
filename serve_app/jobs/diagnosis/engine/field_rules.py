"""What Ray's row of a job proves by itself: its status, its error type and the exit code of its driver. Data.

Sources: ``JobErrorType`` in Ray's ``dashboard/modules/job/common.py``; exit codes of ``sh`` and of signals.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole
from serve_app.jobs.diagnosis.models import Certainty, Fields

_EXIT_CODE = re.compile(r"failed with exit code (-?\d{1,5})")


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One conclusion from the row, and what of the row it quotes; ``sentence`` and ``advice`` replace those of the
    code.
    """

    name: str
    code: str
    holds: Callable[[Fields], bool]
    role: ClueRole
    certainty: Certainty
    quote: Callable[[Fields], str]
    sentence: str = ""
    advice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldClue:
    """A rule that holds, and what it saw."""

    rule: FieldRule
    quote: str


def _match_exit(*codes: int) -> Callable[[Fields], bool]:
    return lambda fields: fields.driver_exit_code in codes


def _match_error(*types: str) -> Callable[[Fields], bool]:
    return lambda fields: fields.error_type in types


def _quote_exit(fields: Fields) -> str:
    return f"driver_exit_code={fields.driver_exit_code}"


def _quote_error(fields: Fields) -> str:
    return f"error_type={fields.error_type}"


def _build_exit_rule(name: str, code: str, role: ClueRole, certainty: Certainty, *codes: int) -> FieldRule:
    return FieldRule(name, code, _match_exit(*codes), role, certainty, _quote_exit)


def _build_error_rule(name: str, code: str, role: ClueRole, certainty: Certainty, error_type: str) -> FieldRule:
    return FieldRule(name, code, _match_error(error_type), role, certainty, _quote_error)


_SURE, _LIKELY, _MAYBE = Certainty.CERTAIN, Certainty.LIKELY, Certainty.POSSIBLE

FIELD_RULES: tuple[FieldRule, ...] = (
    # A driver that was killed: by whom, no exit code tells.
    _build_exit_rule("exit-sigkill", "memory.process-killed", ClueRole.SYMPTOM, _MAYBE, 137, -9),
    _build_exit_rule("exit-segfault", "app.native-crash", ClueRole.CAUSE, _SURE, 139, -11, 135, -7, 132, -4, 136, -8),
    _build_exit_rule("exit-abort", "app.native-crash", ClueRole.WRAPPER, _LIKELY, 134, -6),
    FieldRule(
        "entrypoint-in-one-word",
        "app.entrypoint-not-found",
        lambda fields: fields.driver_exit_code in (126, 127) and is_one_word(fields.entrypoint),
        ClueRole.CAUSE,
        _SURE,
        lambda fields: f"entrypoint={fields.entrypoint}",
        "The whole command was given as one word, so that the shell looked for a program of that name.",
        ("Drop the outer quotes: `ray job submit -- python a.py --rows 3`, each word by itself.",),
    ),
    _build_exit_rule("exit-not-found", "app.entrypoint-not-found", ClueRole.WRAPPER, _SURE, 126, 127),
    _build_exit_rule("exit-interrupted", "app.stopped", ClueRole.SYMPTOM, _LIKELY, 130, -2, 143, -15),
    _build_error_rule("environment-failed", "env.setup-failed", ClueRole.WRAPPER, _SURE, "RUNTIME_ENV_SETUP_FAILURE"),
    _build_error_rule(
        "supervisor-late", "job.start-timeout", ClueRole.WRAPPER, _SURE, "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"
    ),
    _build_error_rule(
        "supervisor-gone", "job.supervisor-lost", ClueRole.SYMPTOM, _LIKELY, "JOB_SUPERVISOR_ACTOR_START_FAILURE"
    ),
    # Ray says the same of a supervisor whose process cannot be started; its message tells.
    FieldRule(
        "supervisor-unplaced",
        "scheduling.node-affinity",
        lambda fields: (
            fields.error_type == "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE" and "worker startup" not in (fields.message or "")
        ),
        ClueRole.WRAPPER,
        _LIKELY,
        _quote_error,
    ),
    _build_error_rule("supervisor-died", "job.supervisor-died", ClueRole.SYMPTOM, _LIKELY, "JOB_SUPERVISOR_ACTOR_DIED"),
    _build_error_rule(
        "monitor-failed", "job.status-unreliable", ClueRole.WRAPPER, _LIKELY, "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE"
    ),
    _build_error_rule(
        "command-not-started",
        "app.entrypoint-not-found",
        ClueRole.SYMPTOM,
        _MAYBE,
        "JOB_ENTRYPOINT_COMMAND_START_ERROR",
    ),
)

# What these exit codes mean in a text that has the shell's or Ray's own sentence.
_FAILED = frozenset({"FAILED"})
_ENDED_WELL = frozenset({"SUCCEEDED"})


def complete_fields(fields: Fields, texts: str = "") -> Fields:
    """The fields with the exit code that Ray's message, or ``texts``, tells when the row does not."""
    if fields.driver_exit_code is not None:
        return fields
    found = _EXIT_CODE.search(fields.message or "") or _EXIT_CODE.search(texts)
    return fields if found is None else replace(fields, driver_exit_code=int(found.group(1)))


def find_clues(fields: Fields) -> list[FieldClue]:
    """What the row proves, in the order of the rules."""
    return [FieldClue(rule, rule.quote(fields)) for rule in FIELD_RULES if rule.holds(fields)]


def is_failure(fields: Fields) -> bool:
    """Whether the row says that the job failed."""
    return fields.status in _FAILED or bool(fields.error_type) or fields.driver_exit_code not in (None, 0)


def is_success(fields: Fields) -> bool:
    """Whether the row says that it succeeded; of a driver that was not submitted, SUCCEEDED only says that it ended."""
    return fields.status in _ENDED_WELL and fields.type != "DRIVER" and not fields.driver_exit_code


def is_one_word(entrypoint: str | None) -> bool:
    """Whether a command is one word to the shell although it has blanks in it, as after one quoting too many."""
    text = (entrypoint or "").strip()
    if not any(each.isspace() for each in text):
        return False
    try:
        return len(shlex.split(text)) == 1
    except ValueError:
        return False


def parse_pairs(pairs: Mapping[str, str]) -> Fields:
    """Fields from ``name=value`` as on a command line; an empty value, or ``null``, is not told. Other names of Ray's
    row are taken and not used. Raises ``ValueError`` with a sentence for what is none.
    """
    for name in pairs:
        if name not in _USED and name not in _UNUSED:
            raise ValueError(f"there is no field {name!r}; the fields are {', '.join(sorted(_USED))}")
    told = {name: value.strip() for name, value in pairs.items() if name in _USED}
    told = {name: value for name, value in told.items() if value.lower() not in ("", "null", "none")}
    code = told.pop("driver_exit_code", None)
    if code is not None and not re.fullmatch(r"-?\d{1,5}", code):
        raise ValueError(f"driver_exit_code is a whole number, not {code[:40]!r}")
    upper = {name: value.upper() for name, value in told.items() if name in ("status", "type", "error_type")}
    said: dict[str, Any] = {**told, **upper}
    return Fields(**said, driver_exit_code=None if code is None else int(code))


_USED = frozenset({"status", "error_type", "driver_exit_code", "message", "type", "entrypoint"})
# The rest of ``JobDetails`` (ray/dashboard/modules/job/pydantic_models.py).
_UNUSED = frozenset(
    {
        "job_id", "submission_id", "driver_info", "start_time", "end_time", "metadata", "runtime_env",
        "driver_agent_http_address", "driver_node_id",
    }
)  # fmt: skip

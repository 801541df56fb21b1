"""Whether a job that ended may be tried again, and what the next attempt looks like. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from serve_app.cluster.rows import read_object
from serve_app.errors import Conflict
from serve_app.jobs.actions.rules import (
    HASH_KEY,
    RESOURCES_KEY,
    SCHEDULED_BY,
    SCHEDULED_BY_KEY,
    convert_for_ray,
    list_resources,
)
from serve_app.jobs.judging.run_marks import cut_message, find_last_line
from serve_app.jobs.judging.successors import RETRY_OF_KEY
from serve_app.jobs.models import JobRow, JobType
from serve_app.jobs.reading.rows import read_secret_values
from serve_app.outcomes import ENDED_STATUSES, JobOutcome
from serve_app.parts import MANAGER
from serve_app.redaction import redact
from serve_app.schemas.diagnosis import DiagnosisView

Json = dict[str, Any]

ATTEMPT_KEY = "seedcore.attempt"
# Metadata that belong to one attempt and are not written anew: Ray sets the first two for each submission.
_OF_ONE_ATTEMPT = ("job_submission_id", "job_name", HASH_KEY)


class Chance(StrEnum):
    """Whether another attempt can help."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The chance of another attempt, and the fact that it rests on."""

    chance: Chance
    reason: str


# Error types of Ray (ray/dashboard/modules/job/common.py, JobErrorType).
_BY_ERROR_TYPE = {
    "RUNTIME_ENV_SETUP_FAILURE": (Chance.PERMANENT, "its runtime environment cannot be set up"),
    "JOB_ENTRYPOINT_COMMAND_START_ERROR": (Chance.PERMANENT, "its command could not be started"),
    "JOB_SUPERVISOR_ACTOR_DIED": (Chance.TRANSIENT, "Ray lost its supervisor"),
    "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE": (Chance.TRANSIENT, "Ray lost its supervisor"),
    "JOB_SUPERVISOR_ACTOR_START_TIMEOUT": (Chance.TRANSIENT, "it did not start in time"),
    "JOB_SUPERVISOR_ACTOR_START_FAILURE": (Chance.UNKNOWN, "its supervisor did not start"),
    "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE": (Chance.UNKNOWN, "there was no place for it in the cluster"),
}
# Of a shell, which is how Ray starts the command: 126 and 127 are "not executable" and "not found".
_BY_EXIT_CODE = {
    2: (Chance.PERMANENT, "its arguments or its usage are wrong (exit code 2)"),
    126: (Chance.PERMANENT, "its command cannot be executed (exit code 126)"),
    127: (Chance.PERMANENT, "its command was not found (exit code 127)"),
    137: (Chance.TRANSIENT, "it was killed (exit code 137)"),
    -9: (Chance.TRANSIENT, "it was killed (signal 9)"),
    143: (Chance.TRANSIENT, "it was ended from outside (exit code 143)"),
    -15: (Chance.TRANSIENT, "it was ended from outside (signal 15)"),
}
# Errors of the program itself: the same code meets the same error again.
_OF_THE_CODE = re.compile(
    r"(?:[\w.]+\.)?(SyntaxError|IndentationError|TabError|ImportError|ModuleNotFoundError|NameError|UnboundLocalError"
    r"|TypeError|AttributeError|FileNotFoundError|NotADirectoryError|IsADirectoryError)(?::|$)"
)
# Classes of codes that say whether it would fail again (``schemas.diagnosis``); the others depend on the moment.
_BY_CLASS = {"permanent": Chance.PERMANENT, "transient": Chance.TRANSIENT}
_CARRIES = ("certain", "likely")
_SAYS_DONE = re.compile(r"(?i)\b(?:done|finished|completed?|successfully)\b")
_SAYS_NOT = re.compile(
    r"(?i)\b(?:not|no|never|un\w+|without|error|errors|fail\w*|exception|abort\w*|before|until|when)\b"
)
_SAYS_HOW_MUCH = re.compile(r"\b(\d{1,15}) ?(?:of|out of|/) ?(\d{1,15})\b")
_LINE_CHARS = 200


def require_over(row: JobRow, status: str) -> None:
    """Raise ``Conflict`` unless the job is a submission that is over, by Ray's word and by what is proven."""
    require_submission(row)
    if status not in ENDED_STATUSES or row.outcome is JobOutcome.RUNNING:
        word = f"its driver is alive, though Ray says {status}" if status in ENDED_STATUSES else status
        raise Conflict(f"The job is still on its way ({word}); stop it first, or wait.", code="still_on_its_way")


def require_submission(row: JobRow) -> None:
    """Raise ``Conflict`` for a driver that somebody started, of which Ray keeps no more than a record."""
    if row.type is not JobType.SUBMISSION or row.submission_id is None:
        raise Conflict(
            "This job was started as a plain driver, not submitted; Ray can stop, retry and delete only submissions.",
            code="not_a_submission",
            node_id=row.node_id,
        )


def judge_retry(row: JobRow, raw: Mapping[str, Any], diagnosis: DiagnosisView | None = None) -> Judgement:
    """The chance of another attempt at a job that is over. ``raw`` is Ray's own row; a diagnosis tells more than it."""
    if row.outcome is JobOutcome.LOST:
        return Judgement(Chance.TRANSIENT, "it was lost with its node")
    if raw.get("status") == "STOPPED":
        return Judgement(Chance.UNKNOWN, "it was stopped on request")
    if (told := _read_diagnosis(diagnosis)) is not None:
        return told
    if (known := _BY_ERROR_TYPE.get(str(raw.get("error_type")))) is not None:
        return Judgement(*known)
    code = raw.get("driver_exit_code")
    if isinstance(code, int) and (known := _BY_EXIT_CODE.get(code)) is not None:
        return Judgement(*known)
    if (found := _OF_THE_CODE.match(_find_last_line(row, raw))) is not None:
        return Judgement(Chance.PERMANENT, f"its log ends with {found[1]}")
    return Judgement(Chance.UNKNOWN, "nothing tells whether it would fail again")


def _read_diagnosis(diagnosis: DiagnosisView | None) -> Judgement | None:
    """By the class of its code; one that is only possible, or of which no class is known, decides nothing."""
    if diagnosis is None or diagnosis["certainty"] not in _CARRIES:
        return None
    chance = _BY_CLASS.get(str(diagnosis["class"]))
    return None if chance is None else Judgement(chance, f"{diagnosis['code']}: {diagnosis['title']}")


def says_done(line: str) -> bool:
    """Whether the last line of a log says that the work was done, all of it, and nothing else beside it."""
    if _SAYS_DONE.search(line) is None or _SAYS_NOT.search(line) is not None:
        return False
    return all(done == of_all for done, of_all in _SAYS_HOW_MUCH.findall(line))


def require_worth_it(
    row: JobRow, raw: Mapping[str, Any], diagnosis: DiagnosisView | None = None, *, force: bool
) -> Judgement:
    """The judgement, when a retry may be made; raises ``Conflict`` with the reason when not."""
    require_over(row, str(raw.get("status")))
    if row.outcome is JobOutcome.SUCCEEDED:
        raise Conflict("It succeeded; submit it anew if it shall run again.", code="succeeded")
    if row.managed_by == MANAGER:
        raise Conflict(
            "The organism manager repeats its own jobs; use POST /organism/initialize.", code="managed_by_application"
        )
    judged = judge_retry(row, raw, diagnosis)
    if judged.chance is Chance.PERMANENT and not force:
        raise Conflict(
            f"It would fail again: {judged.reason}. Correct it and submit it anew, or retry with force.",
            code="permanent_failure",
            reason=judged.reason,
        )
    if not force and (why := _doubt_need(row, raw)):
        raise Conflict(
            f"{why}: its work may be done already. See what it left, and retry with force if it is not.",
            code="may_be_done",
        )
    return judged


def _doubt_need(row: JobRow, raw: Mapping[str, Any]) -> str | None:
    """Why another attempt may do again what was done."""
    last = _find_last_line(row, raw)
    if says_done(last):
        return f"Its last line says {redact(last, read_secret_values(raw))[:_LINE_CHARS]!r}"
    if row.outcome is JobOutcome.CONTRADICTED and raw.get("status") == "FAILED":
        return "It crashed after its work"
    return None


def _find_last_line(row: JobRow, raw: Mapping[str, Any]) -> str:
    """Of this run: the log that Ray quotes may have those of runs before with its id."""
    return find_last_line(cut_message(str(raw.get("message") or ""), row.submission_id))


def build_next_attempt(
    raw: Mapping[str, Any], submission_id: str, *, most: int, force: bool, passed_over: int = 0
) -> Json:
    """What to submit, from Ray's own row, since ours is redacted; raises ``Conflict`` after ``most`` attempts.

    The id follows from the job and the attempt alone, so two that retry the same job ask for the same submission.
    ``passed_over``: so many numbers that came next are those of retries of an earlier run with its id.
    """
    metadata = {str(name): str(value) for name, value in read_object(raw.get("metadata")).items()}
    before = _parse_attempt(metadata)
    attempt = before + 1
    if attempt > most and not force:
        raise Conflict(
            f"It was retried {before} times, which is the limit (args.job_management.max_attempts); use force.",
            code="too_many_attempts",
        )
    attempt += passed_over
    base = submission_id.removesuffix(f"-retry-{before}") if before else submission_id
    kept = {name: value for name, value in metadata.items() if name not in _OF_ONE_ATTEMPT}
    return {
        "submission_id": f"{base}-retry-{attempt}",
        "entrypoint": str(raw.get("entrypoint") or ""),
        "runtime_env": dict(read_object(raw.get("runtime_env"))),
        "metadata": {
            **kept,
            SCHEDULED_BY_KEY: SCHEDULED_BY,
            RETRY_OF_KEY: submission_id,
            ATTEMPT_KEY: str(attempt),
        },
        **_parse_resources(metadata.get(RESOURCES_KEY)),
    }


def _parse_attempt(metadata: Mapping[str, str]) -> int:
    text = metadata.get(ATTEMPT_KEY, "")
    return int(text) if RETRY_OF_KEY in metadata and text.isascii() and text.isdigit() and len(text) < 6 else 0


def _parse_resources(text: str | None) -> Json:
    """What we recorded; somebody else may have written it, so what is no amount is left out."""
    try:
        recorded = json.loads(text or "{}")
    except ValueError:
        return {}
    wish = list_resources(read_object(recorded))
    custom = read_object(wish.pop("resources", None))
    amounts = {name: amount for name, amount in wish.items() if _is_amount(amount)}
    named = {name: amount for name, amount in custom.items() if _is_amount(amount)}
    return convert_for_ray({**amounts, **({"resources": named} if named else {})})


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

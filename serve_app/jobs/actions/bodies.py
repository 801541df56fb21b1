"""What may be asked of jobs: the bodies of the management routes, with every text, list and number bounded.

Whether what is asked is also allowed depends on the configuration; ``submission_rules`` says so.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator
from pydantic.config import JsonDict

from organs.errors import describe_wrong_values, list_wrong_values
from organs.fields import NO_NUL
from serve_app.errors import InvalidInput
from serve_app.strict import StrictModel

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
# Ray looks for a job id first (ray/dashboard/modules/job/utils.py), so such a submission would hide behind a driver.
_JOB_ID = re.compile(r"[0-9a-f]{8}")
MAX_STOP_WAIT_S = 30.0

# What ``rules`` and ``_is_no_job_id`` refuse, for who reads the document: pydantic's patterns have no look-ahead.
_COMMAND: JsonDict = {
    "prefixItems": [
        {"type": "string", "maxLength": 4096, "pattern": r"^[^\u0000]*[^\s\u0000\u001c-\u001f\u0085][^\u0000]*$"}
    ]
}
_NO_JOB_ID: JsonDict = {"not": {"type": "string", "pattern": "^[0-9a-f]{8}$"}}
_DIRECTORY: JsonDict = {
    "pattern": r"^(?:/|[^/:%\\\u0000]+://[^%\\\u0000])[^%\\\u0000]*$",
    "not": {"type": "string", "pattern": r"(?:^|/)\.\.(?:/|$)"},
}

_Word = Annotated[str, Field(max_length=4096, json_schema_extra=NO_NUL)]
_Amount = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
_Name = Annotated[str, Field(min_length=1, max_length=128)]
_NAMES: JsonDict = {"propertyNames": {"minLength": 1, "maxLength": 128, **NO_NUL}}
_Value = Annotated[str, Field(max_length=2_000, json_schema_extra=NO_NUL)]

T = TypeVar("T", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SubmitBody(_Body):
    """A job to run. The entrypoint is a list of words, not a line for a shell."""

    entrypoint: Annotated[list[_Word], Field(min_length=1, max_length=256)] = Field(
        description="The command and its arguments, one word each.",
        examples=[["python", "-m", "my.job", "--day", "1"]],
        json_schema_extra=_COMMAND,
    )
    submission_id: str | None = Field(
        default=None,
        pattern=ID_PATTERN,
        description="The job's id; the same id with the same body makes one job.",
        json_schema_extra=_NO_JOB_ID,
    )
    working_dir: str | None = Field(
        default=None,
        min_length=1,
        max_length=2_000,
        description="Path or URI that the configuration allows.",
        json_schema_extra=_DIRECTORY,
    )
    runtime_env: dict[_Name, JsonValue] = Field(
        default={},
        max_length=20,
        description="Ray's runtime environment, as far as the configuration allows.",
        json_schema_extra=_NAMES,
    )
    num_cpus: _Amount | None = Field(default=None, description="CPUs that the command itself reserves.")
    num_gpus: _Amount | None = Field(default=None, description="GPUs that the command itself reserves.")
    memory_bytes: Annotated[int, Field(ge=0, le=2**53)] | None = Field(
        default=None, description="Memory that the command itself reserves."
    )
    resources: dict[_Name, _Amount] = Field(
        default={}, max_length=20, description="Custom resources by name.", json_schema_extra=_NAMES
    )
    metadata: dict[_Name, _Value] = Field(
        default={},
        max_length=50,
        description="Texts kept with the job; `seedcore.` keys are few (README).",
        json_schema_extra=_NAMES,
    )

    @field_validator("memory_bytes", mode="before")
    @classmethod
    def _take_whole_number(cls, value: object) -> object:
        """To JSON ``1.0`` is a whole number, too."""
        return int(value) if isinstance(value, float) and value.is_integer() else value

    @field_validator("submission_id")
    @classmethod
    def _is_no_job_id(cls, value: str | None) -> str | None:
        if value is not None and _JOB_ID.fullmatch(value):
            raise ValueError("eight hexadecimal digits are the form of Ray's own job ids")
        return value


class StopBody(_Body):
    """How long to watch a stop."""

    wait_s: Annotated[float, Field(ge=0, le=MAX_STOP_WAIT_S, allow_inf_nan=False)] = Field(
        default=10.0, description="Seconds until the answer says how far it got."
    )


class RetryBody(_Body):
    """Whether to retry what will most likely fail again."""

    force: bool = Field(default=False, description="Also what failed for good, and beyond the number of attempts.")


class LogQuery(StrictModel):
    """What of a log is wanted."""

    lines: int = Field(default=200, ge=1, le=10_000, description="Last lines, at most about 1 MiB of them.")
    follow: bool = Field(default=False, description="Server-sent events from these lines on, until the job has ended.")
    format: Literal["json", "text"] = Field(default="json", description="Ignored when following.")
    all_runs: bool = Field(
        default=False, description="Also what earlier runs with this id wrote into the file; not when following."
    )
    after: int | None = Field(
        default=None, ge=0, le=2**53, description="Follow from this byte; `Last-Event-ID` says the same."
    )


def read(model: type[T], value: Any) -> T:
    """The body as its model; raises ``InvalidInput`` that names what is wrong and quotes nothing of it."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        errors = list_wrong_values(error)
        raise InvalidInput(describe_wrong_values(errors), errors=errors) from None

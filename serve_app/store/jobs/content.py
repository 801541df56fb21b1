"""What the content of a job in the store tells, field by field, whoever wrote it: an older version, or another hand.

What is told, exported or written anew of it is read here alone. A field that an older version did not have gets its
default, a time the one form of the API, and what the API does not know is left out. What cannot be read costs its
field, never the job and never a page of jobs; an import refuses it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema
from sqlalchemy import RowMapping

from organs.fields import RFC3339_MS
from organs.times import format_time
from serve_app.outcomes import JobOutcome
from serve_app.schemas.jobs import KeptContent
from serve_app.strict import convert_to_utc

# A word of ``judging``, which the store does not import; a test compares them.
CIRCLE: Final = "circle"
# What a row is shown with, whatever its content says: what lists are filtered by (outcome and verdict are written
# together with the content, so they do not differ), and what was learned of a job later or, of jobs kept before there
# were columns for it, read by revision 0007. A null ``code`` leaves the one that judging knew.
SHOWN_COLUMNS: Final = ("id", "session", "kind", "status", "rule", "error_type", "exit_code", "code")
_LARGEST: Final = 2**62
# A content, its row, the row's metadata; the evidence and its facts. Nothing that is told lies deeper.
_LEVELS: Final = 3


def _parse_time(value: str) -> str:
    """The one form of a time in another, which was meant as UTC if it has no offset. Raises ``ValueError``."""
    time = datetime.fromisoformat(value)
    return format_time(convert_to_utc(time if time.tzinfo is not None else time.replace(tzinfo=UTC)))


_TEXT = core_schema.str_schema(strict=True)
_FLAG = core_schema.bool_schema(strict=True)
# Nearly all are of the form; only what is not is parsed.
_TIME = core_schema.union_schema(
    [
        core_schema.str_schema(pattern=RFC3339_MS, strict=True),
        core_schema.no_info_after_validator_function(_parse_time, _TEXT),
    ],
    mode="left_to_right",
)


def _allow(*words: str) -> CoreSchema:
    return core_schema.literal_schema(list(words))


# The fields of ``JobView``: the type of each, and what it is where it was not kept; those that may be null are null.
_FIELDS: Final[Mapping[str, tuple[CoreSchema, Any]]] = {
    "id": (_TEXT, ""),
    "type": (_allow("SUBMISSION", "DRIVER", "NODE"), "DRIVER"),
    "kind": (_TEXT, ""),
    "entrypoint": (_TEXT, ""),
    "status": (_TEXT, ""),
    "outcome": (_allow(*(each.value for each in JobOutcome)), JobOutcome.ENDED_UNKNOWN.value),
    "verdict": (_allow("OK", "WARN", "BAD", "UNKNOWN"), "UNKNOWN"),
    "reason": (_TEXT, ""),
    "rule": (_TEXT, ""),
    "scheduled_by": (_TEXT, ""),
    "managed_by": (_TEXT, ""),
    "derived": (_FLAG, False),
    "hidden": (_FLAG, False),
    "session": (_TEXT, ""),
    "action": (_TEXT, ""),
}
_NULLABLE: Final[Mapping[str, CoreSchema]] = {
    "job_id": _TEXT,
    "submission_id": _TEXT,
    "error_type": _TEXT,
    "exit_code": core_schema.int_schema(gt=-_LARGEST, lt=_LARGEST, strict=True),
    "started_at": _TIME,
    "ended_at": _TIME,
    "duration_s": core_schema.float_schema(allow_inf_nan=False, strict=True),
    "node_id": _TEXT,
    "owner": _TEXT,
    "code": _TEXT,
    "quiet_since": _TIME,
}


def _build_reader(on_error: Literal["raise", "default"]) -> SchemaValidator:
    """What reads a content; ``on_error``: of what is there and cannot be read."""

    def read_as(schema: CoreSchema, default: Any) -> core_schema.TypedDictField:
        whole = core_schema.with_default_schema(schema, default=default, on_error=on_error)
        return core_schema.typed_dict_field(whole, required=False)

    fields = {name: read_as(schema, default) for name, (schema, default) in _FIELDS.items()}
    fields |= {name: read_as(core_schema.nullable_schema(schema), None) for name, schema in _NULLABLE.items()}
    fields["metadata"] = read_as(core_schema.dict_schema(_TEXT, _TEXT), {})
    fact: CoreSchema = core_schema.typed_dict_schema(
        {name: core_schema.typed_dict_field(_TEXT) for name in ("rule", "source", "fact")}, extra_behavior="ignore"
    )
    if on_error == "default":
        fact = core_schema.with_default_schema(fact, on_error="omit")
    row = core_schema.typed_dict_schema(fields, extra_behavior="ignore")
    nothing_kept = SchemaValidator(row).validate_python({})
    content = {"row": read_as(row, nothing_kept), "evidence": read_as(core_schema.list_schema(fact), [])}
    return SchemaValidator(core_schema.typed_dict_schema(content, extra_behavior="ignore"))


_LENIENT = _build_reader("default")
_STRICT = _build_reader("raise")


def read_content(content: str, columns: RowMapping) -> KeptContent:
    """The row of a job as the API shows it, and its evidence; raises nothing for its content. ``columns``: at least
    ``SHOWN_COLUMNS``.
    """
    try:
        kept: KeptContent = _LENIENT.validate_json(content)
    except ValidationError:
        kept = _LENIENT.validate_json(_mend(content))
    # Of a job that ended without a diagnosis, judging may have known the code.
    judged = kept["row"]["code"]
    kept["row"].update({name: columns[name] for name in SHOWN_COLUMNS})  # type: ignore[typeddict-item]
    kept["row"]["code"] = kept["row"]["code"] or judged
    return kept


def has_circle(evidence: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the evidence of a job has what went in circles."""
    return any(each["rule"] == CIRCLE for each in evidence)


def check_content(content: Mapping[str, Any]) -> KeptContent:
    """Content that another hand wrote, as this version writes it; raises ``ValueError`` with what is wrong in it."""
    try:
        checked: KeptContent = _STRICT.validate_json(_encode(content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function-"))
        raise ValueError(f"content.{place}: {first['msg']}") from None
    return checked


def _mend(content: str) -> bytes:
    """What no JSON of ours can hold, without it; nothing, if it is no JSON at all, or deeper than Python reads."""
    try:
        whole = json.loads(content)
    except (ValueError, RecursionError):
        whole = {}
    return _encode(_cut_levels(whole, _LEVELS) if isinstance(whole, dict) else {})


def _cut_levels(value: Any, levels: int) -> Any:
    """What lies deeper is no text, so null tells as much of it; a reader of JSON gives up after some 200 levels."""
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        return None
    if isinstance(value, dict):
        return {name: _cut_levels(each, levels - 1) for name, each in value.items()}
    return [_cut_levels(each, levels - 1) for each in value]


def _encode(content: Any) -> bytes:
    """Halves of characters, which are no text by themselves, are replaced."""
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")

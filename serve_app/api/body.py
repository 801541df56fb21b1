"""Bodies of requests: strict JSON, and their models but for those of jobs (``jobs.actions.bodies``).

Strict is what RFC 8259 allows, no deeper than 64 levels, and nothing that breaks what comes after. That a body says
of itself that it is JSON was asked before (``headers.require_json``).
"""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic_core import from_json

from organs.fields import NO_NUL
from organs.models import Task
from serve_app.errors import InvalidInput, MalformedBody
from serve_app.strict import StrictModel

MAX_DEPTH = 64


# Of the document: keys that are left alone are read, too.
_LEFT_ALONE: JsonDict = {"additionalProperties": {"$ref": "#/components/schemas/JsonValue"}, "propertyNames": NO_NUL}


class OldTaskData(Task):
    """The task in it."""

    model_config = ConfigDict(extra="ignore", json_schema_extra=_LEFT_ALONE)


class OldTask(BaseModel):
    """A task as old clients send it; keys that mean nothing here are left alone."""

    model_config = ConfigDict(json_schema_extra=_LEFT_ALONE)

    task_data: OldTaskData


class InitializeBody(StrictModel):
    """May be absent."""

    force: bool = Field(default=False, description="Run the job even when nothing is due.")


def parse_strict_json(raw: bytes) -> Any:
    """Parse a body: strict JSON, nested to a bound, without NUL or infinity.

    Raises ``MalformedBody`` or, when it is empty, ``InvalidInput``. The content is never quoted.
    """
    if not raw.strip():
        raise InvalidInput("The body is empty; a JSON object is expected.")
    try:
        value = from_json(raw, allow_inf_nan=False, cache_strings=False)
    except ValueError as error:
        raise MalformedBody(f"The body is not JSON: {error}.") from None
    _check(value)
    return value


def refuse_deep(items: list[Any], max_depth: int) -> None:
    """Raises ``InvalidInput`` for a list, parsed from JSON, that nests more levels than these, itself the first.

    Level by level, with nothing asked of values: a thousandth of a millisecond for an event of Ray.
    """
    level: list[Any] = [items]
    for _ in range(max_depth):
        level = [
            value
            for item in level
            for value in (item.values() if type(item) is dict else item)
            if type(value) is dict or type(value) is list
        ]
        if not level:
            return
    raise InvalidInput(f"The body nests more than {max_depth} levels deep.")


def _check(value: Any) -> None:
    """Walk without recursion: depth, numbers that overflowed to infinity (1e400), NUL (PostgreSQL refuses it)."""
    pending = [(value, 1)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, str):
            if "\x00" in item:
                raise MalformedBody("The body has a NUL character in a string.")
        elif isinstance(item, float):
            if not math.isfinite(item):
                raise MalformedBody("The body has a number that is too large.")
        elif isinstance(item, dict):
            _descend(depth)
            pending.extend((each, depth + 1) for each in item.values())
            pending.extend((key, depth + 1) for key in item)
        elif isinstance(item, list):
            _descend(depth)
            pending.extend((each, depth + 1) for each in item)


def _descend(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise MalformedBody(f"The body nests more than {MAX_DEPTH} levels deep.")

"""What the queries of the lists have in common: a time, a page, and how a query is read where it is answered.

A query is one model: the route declares it (OpenAPI, and what is wrong with a request), and hands on what was given as
plain data; the deployment reads that with ``read_query`` by the same model, since the other side of a handle may be of
another version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from organs.fields import NO_NUL
from serve_app.errors import InvalidInput
from serve_app.queries.paging import CURSOR_PATTERN, MAX_CURSOR_CHARS, MAX_LIMIT
from serve_app.strict import convert_to_utc

# The values of a query as plain data: texts, numbers, times in RFC 3339.
PlainQuery = Mapping[str, str | int]

Model = TypeVar("Model", bound=BaseModel)

_LOOKS_LIKE_A_TIME = re.compile(r"[0-9]{4}-|[0-9]{8}T")
# What is left of `+05:30` in an address, where a plus is a space.
_LOST_PLUS = re.compile(r"[0-9]:?[0-9]{2}(?:\.[0-9]+)? ([0-9]{2}:?[0-9]{2})$")
_NO_TIME = "Input should be an RFC 3339 time, as 2026-01-31T12:00:00Z"
_NO_OFFSET = "Input should have its offset at the end, or Z for UTC, as 2026-01-31T12:00:00Z"
_NO_PLUS = "Input should end in %2B{offset}, since a + in an address means a space; or be in UTC, with Z"
_PARSER: TypeAdapter[datetime] = TypeAdapter(datetime)


def _read_time(value: object) -> object:
    """A text that looks like a time, extended or basic. A number would be seconds since 1970: what is meant as a year,
    as ``2026``, would filter nothing.
    """
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _LOOKS_LIKE_A_TIME.match(value):
        raise PydanticCustomError("time", _NO_TIME)
    if (lost := _LOST_PLUS.search(value)) is not None:
        raise PydanticCustomError("time", _NO_PLUS, {"offset": lost[1]})
    time = _parse_time(value)
    if time is None or time.tzinfo is None:
        raise PydanticCustomError("time", _NO_TIME if time is None else _NO_OFFSET)
    return time


def _parse_time(text: str) -> datetime | None:
    """In the forms of ISO 8601 that Python reads, or in those that pydantic does, as with a small t and z."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        try:
            return _PARSER.validate_python(text)
        except ValidationError:
            return None


def _refuse_beyond_utc(time: datetime) -> datetime:
    """The time as it was given. No database takes one that UTC has not."""
    try:
        convert_to_utc(time)
    except ValueError as error:
        raise PydanticCustomError("time", "Input should be another time: {why}", {"why": str(error)}) from None
    return time


Time = Annotated[AwareDatetime, BeforeValidator(_read_time), AfterValidator(_refuse_beyond_utc)]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Most rows in the answer.")]
# Both are refused with a sentence of their own where they are read; the document tells their form.
Text = Annotated[str, Field(json_schema_extra=NO_NUL)]
Cursor = Annotated[
    str,
    Field(
        max_length=MAX_CURSOR_CHARS,
        json_schema_extra={"pattern": CURSOR_PATTERN},
        description="`next_cursor` of the page before.",
    ),
]


def read_query(model: type[Model], query: PlainQuery) -> Model:
    """What was asked, as its model; raises ``InvalidInput`` that names the first thing that is wrong."""
    try:
        return model.model_validate(query)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        choices = first.get("ctx", {}).get("expected")
        why = f": {first['msg']}" if choices is None else f" must be one of {choices}"
        raise InvalidInput(f"{name}{why}.", errors=[{"loc": ["query", name], "msg": first["msg"]}]) from None

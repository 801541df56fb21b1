"""What the queries of the lists have in common: a time, a page, and how a query is read where it is answered.

A query is one model: the route declares it (OpenAPI, and what is wrong with a request), and hands on what was given as
plain data; the deployment reads that with ``read_query`` by the same model, since the other side of a handle may be of
another version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from serve_app.errors import InvalidInput
from serve_app.queries.paging import MAX_CURSOR_CHARS, MAX_LIMIT

# The values of a query as plain data: texts, numbers, times in RFC 3339.
PlainQuery = Mapping[str, str | int]

Model = TypeVar("Model", bound=BaseModel)


def _refuse_number(value: object) -> object:
    """``2026`` is meant as a year; as seconds since 1970, which a number would be, it would filter nothing."""
    if isinstance(value, str) and value.lstrip("+-").replace(".", "", 1).isdigit():
        raise PydanticCustomError("time", "Input should be an RFC 3339 time, as 2026-01-31T12:00:00Z")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_refuse_number)]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Most rows in the answer.")]
Cursor = Annotated[str, Field(max_length=MAX_CURSOR_CHARS, description="`next_cursor` of the page before.")]


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

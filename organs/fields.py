"""How a field of an answer is described in the OpenAPI document: what it means, its unit, an example, its words.

Answers are ``TypedDict``: plain dicts while they travel, so that their schema costs nothing at run time. The document
alone reads what is said here, once. ``@closed`` goes on every one of them: no field that is not described.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from pydantic import ConfigDict, Field, WithJsonSchema, with_config
from pydantic.config import JsonDict

T = TypeVar("T", bound=type)

RFC3339_MS: Final = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}\+00:00$"
A_TIME: Final = "2026-01-31T12:00:00.000+00:00"
# What a field's unit is called in the document, beside the sentence that says it.
UNIT_KEY: Final = "x-unit"

NO_NUL: Final[JsonDict] = {"pattern": "^[^\\u0000]*$"}
"""Of a text that a body or a query holds: PostgreSQL refuses NUL, and so it is refused where it is read."""

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time", "pattern": RFC3339_MS})]
"""A time: RFC 3339, UTC, to the millisecond."""

closed: Callable[[T], T] = with_config(ConfigDict(extra="forbid", defer_build=True))
"""Decorates a ``TypedDict`` of which the document says that it has no further properties.

Its schema is built when the document is asked for: not in each replica that imports the routes.
"""


def describe(text: str, *examples: Any, unit: str | None = None) -> Any:
    """What ``Annotated`` takes for a field: a sentence, examples, and the unit of a number.

    A field that holds other models needs no example of its own: they have theirs.
    """
    if unit is None:
        return Field(description=text, examples=list(examples) or None)
    extra: dict[str, Any] = {UNIT_KEY: unit}
    return Field(description=f"{text} Unit: {unit}.", examples=list(examples) or None, json_schema_extra=extra)


def describe_time(text: str) -> Any:
    """The same for a time."""
    return describe(f"{text} RFC 3339, UTC, to the millisecond.", A_TIME)


def allow_words(*words: str) -> Any:
    """What ``Annotated`` takes for a text that is one of these words."""
    return WithJsonSchema({"type": "string", "enum": list(words)})

"""What is wrong with settings, one mistake each: where, what was got, what is accepted.

The same words wherever a setting is refused: before it is deployed (``serve_app.check``), and by a replica that is
given it all the same (``organs.live.settings``).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

Path = tuple[str | int, ...]

_LISTED = 12


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong. ``path`` is the way to it from the top of what was checked."""

    path: Path
    got: str
    expected: str


class WrongSetting(ValueError):
    """A value that fits its model and is not acceptable all the same. ``key`` is the setting that is wrong."""

    def __init__(self, detail: str, key: str) -> None:
        super().__init__(detail)
        self.key = key


def format_path(path: Path) -> str:
    """``("applications", 0, "args")`` as ``applications[0].args``."""
    words = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(words).removeprefix(".")


def suggest_nearest(word: str, known: Iterable[str]) -> str:
    """``one of a, b, c (nearest: a)``."""
    choices = list(dict.fromkeys(known))
    lowered = {choice.lower(): choice for choice in choices}
    matches = [lowered[match] for match in difflib.get_close_matches(word.lower(), lowered, n=3)]
    if len(choices) > _LISTED and matches:
        return f"a known one (nearest: {', '.join(matches)})"
    return f"one of {', '.join(choices)}" + (f" (nearest: {matches[0]})" if matches else "")


def list_mistakes(
    error: ValidationError, prefix: Path, model: type[BaseModel], quote: Callable[[Any], str]
) -> Iterator[Mistake]:
    """What pydantic found in values of ``model`` that stand at ``prefix``; ``quote`` shows one of them."""
    errors = error.errors(include_url=False)
    for each in errors:
        path = (*prefix, *each["loc"])
        if each["type"] == "too_short" and any(_is_below(other["loc"], each["loc"]) for other in errors):
            continue  # items that are wrong themselves are not counted
        if each["type"] == "extra_forbidden":
            known = _list_fields(model, each["loc"][:-1])
            if prefix or known:  # an unknown key of Ray's strict models was told already by the walk
                nearest = suggest_nearest(str(each["loc"][-1]), known) if known else "none; there are no settings here"
                yield Mistake(path, "an unknown key", nearest)
        elif each["type"] == "missing":
            yield Mistake(path, "nothing", "this key")
        elif each["type"] == "literal_error":
            choices = [choice.strip("' ") for choice in each["ctx"]["expected"].replace(" or ", ", ").split(",")]
            yield Mistake(path, quote(each["input"]), suggest_nearest(str(each["input"]), choices))
        elif each["type"] == "timezone_aware":
            yield Mistake(
                path, _describe_value(each["input"], quote), 'a time with its offset, as "2026-01-31T12:00:00Z"'
            )
        elif each["type"] == "value_error":
            yield Mistake(path, _describe_value(each["input"], quote), f"another value: {each['ctx']['error']}")
        else:
            expected = each["msg"].removeprefix("Input should be ")
            yield Mistake(path, _describe_value(each["input"], quote), expected)


def find_model(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model in a field's type, and whether the field is a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for inner in get_args(annotation):
        model, nested = find_model(inner)
        if model is not None:
            return model, nested or getattr(annotation, "__origin__", None) is list
    return None, False


def _is_below(loc: Path, other: Path) -> bool:
    return len(loc) > len(other) and loc[: len(other)] == other


def _describe_value(value: Any, quote: Callable[[Any], str]) -> str:
    return (
        f"a {type(value).__name__} of {len(value)}"
        if isinstance(value, dict | list) and len(value) > 3
        else quote(value)
    )


def _list_fields(model: type[BaseModel], loc: Path) -> list[str]:
    for part in loc:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = find_model(field.annotation)[0] if field is not None else None
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)

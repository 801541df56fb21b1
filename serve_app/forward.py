"""Methods of a deployment that only hand on to one of its parts: made once, when the class is made.

Serve calls methods of the class that is deployed, so each question must be a real method there; but it is written
where it is answered. ``@served("cluster_leftovers")`` marks the answer, ``@forward(…)`` gives the deployment its
methods.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])
Class = TypeVar("Class", bound=type)

_MARK = "__served_as__"


def served(name: str) -> Callable[[Method], Method]:
    """Mark a method as the answer to the question ``name``, which is what the deployment's method is called.

    The name is what replicas of two versions call each other by, so it stays when the method is renamed.
    """

    def mark(method: Method) -> Method:
        setattr(method, _MARK, name)
        return method

    return mark


def list_served(part: type) -> dict[str, str]:
    """The marked methods of a class: the name of the question, and that of the method."""
    return {getattr(each, _MARK): name for name, each in _list_functions(part) if hasattr(each, _MARK)}


def list_public(part: type, *, but: Iterable[str] = ()) -> dict[str, str]:
    """All public coroutines of a class but for some, each served under its own name."""
    functions = dict(_list_functions(part))
    if unknown := set(but) - set(functions):
        raise TypeError(f"{part.__name__} has no {', '.join(sorted(unknown))}")
    left_out = set(but)
    return {
        name: name
        for name, each in functions.items()
        if inspect.iscoroutinefunction(each) and not name.startswith("_") and name not in left_out
    }


def forward(
    part: type, names: Mapping[str, str] | None = None, *, through: Callable[[Any], Any]
) -> Callable[[Class], Class]:
    """Give a class a method for each of ``names`` of ``part`` (those that are marked), with its signature and words.

    ``through`` gives the part of an instance, or a coroutine that does. Raises ``TypeError`` when the class has a
    method of such a name, or nothing is to be forwarded.
    """
    wanted = list_served(part) if names is None else names
    if not wanted:
        raise TypeError(f"{part.__name__} has nothing that is served")

    def extend(kind: Class) -> Class:
        for name, method in wanted.items():
            if hasattr(kind, name):
                raise TypeError(f"{kind.__name__} has two methods {name}")
            made = _make_method(getattr(part, method), method, through)
            made.__name__, made.__qualname__ = name, f"{kind.__qualname__}.{name}"
            vars(made).pop(_MARK, None)
            setattr(kind, name, made)
        return kind

    return extend


def _list_functions(part: type) -> list[tuple[str, Any]]:
    return inspect.getmembers(part, inspect.isfunction)


def _make_method(answer: Any, method: str, through: Callable[[Any], Any]) -> Any:
    if inspect.isasyncgenfunction(answer):

        @functools.wraps(answer)
        async def follow(self: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            # Who stops reading ends the part's generator too, and not at some time later.
            async with aclosing(getattr(through(self), method)(*args, **kwargs)) as items:
                async for item in items:
                    yield item

        return follow

    @functools.wraps(answer)
    async def ask(self: Any, *args: Any, **kwargs: Any) -> Any:
        part = through(self)
        if inspect.isawaitable(part):
            part = await part
        return await getattr(part, method)(*args, **kwargs)

    return ask

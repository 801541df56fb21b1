"""What can be asked of another deployment, and what a Protocol may not hold."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Protocol

import pytest

from organs.calls import bind_arguments, set_deadline
from organs.questions import asked, list_questions, read_wire_name


class Base(Protocol):
    async def plain(self, a: int, b: str = "b") -> str: ...


class Asked(Base, Protocol):
    @asked(more_s=2.5, retries=0)
    async def longer(self) -> str: ...

    @asked(more_s=lambda a, wait_s: 2 * wait_s)
    async def depends(self, a: int, wait_s: float = 3.0) -> str: ...

    @asked(deadline="timeout_s", name="on_the_wire")
    async def limited(self, a: int, timeout_s: float) -> str: ...

    def stream(self, a: int) -> AsyncGenerator[str, None]: ...


def test_each_method_is_a_question_those_of_the_bases_too() -> None:
    found = list_questions(Asked)
    assert {name: (each.name, list(each.signature.parameters), each.is_stream) for name, each in found.items()} == {
        "plain": ("plain", ["a", "b"], False),
        "longer": ("longer", [], False),
        "depends": ("depends", ["a", "wait_s"], False),
        "limited": ("on_the_wire", ["a"], False),
        "stream": ("stream", ["a"], True),
    }
    assert (read_wire_name(Asked.limited), read_wire_name(Asked.plain)) == ("on_the_wire", "plain")


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "sent", "deadline_s"),
    [
        ("plain", (1,), {}, [1, "b"], 10.0),
        ("plain", (), {"b": "c", "a": 1}, [1, "c"], 10.0),
        ("longer", (), {}, [], 12.5),
        ("depends", (1,), {}, [1, 3.0], 16.0),
        ("depends", (1,), {"wait_s": 0.5}, [1, 0.5], 11.0),
        ("limited", (1, 0.25), {}, [1], 0.25),
    ],
)
def test_what_is_sent_and_how_long_an_answer_may_take(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], sent: list[Any], deadline_s: float
) -> None:
    question = list_questions(Asked)[name]
    given = bind_arguments(question, args, kwargs)
    assert set_deadline(question, given, 10.0) == deadline_s
    assert list(given.values()) == sent


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((1, "b", 2), {}), ((1,), {"c": 3})])
def test_wrong_arguments_are_refused_before_anything_is_sent(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        bind_arguments(list_questions(Asked)["plain"], args, kwargs)


class NoMethod(Protocol):
    name = "x"


class NotAsync(Protocol):
    def answer(self) -> str: ...


class ByName(Protocol):
    async def answer(self, *, a: int) -> str: ...


class NoSuchDeadline(Protocol):
    @asked(deadline="timeout_s")
    async def answer(self, a: int) -> str: ...


class OtherParameters(Protocol):
    @asked(more_s=lambda wait_s: wait_s)
    async def answer(self, a: int, wait_s: float) -> str: ...


class Concrete:
    async def answer(self) -> str:
        return ""


@pytest.mark.parametrize(
    ("protocol", "why"),
    [
        (NoMethod, "NoMethod.name is no method"),
        (NotAsync, "NotAsync.answer must be `async def`"),
        (ByName, "ByName.answer may only have plain parameters"),
        (NoSuchDeadline, "NoSuchDeadline.answer has no parameter 'timeout_s'"),
        (OtherParameters, "OtherParameters.answer: more_s must take the same parameters: a, wait_s"),
        (Concrete, "is no Protocol"),
    ],
)
def test_what_cannot_be_asked_is_refused(protocol: type, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        list_questions(protocol)

"""What a part of the application asks of another, written once: a ``Protocol`` where it is asked.

    class OrganReplica(Protocol):
        async def ping(self) -> Json: ...

        @asked(more_s=lambda task: task["timeout_s"], retries=0)
        async def execute(self, task: TaskMessage) -> TaskReply: ...

``organs.calls`` makes the client of it. Nothing of Ray is in here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from typing_extensions import is_protocol

Method = TypeVar("Method", bound=Callable[..., Any])

_RULE = "__asked__"
_STREAMS = ("AsyncGenerator[", "AsyncIterator[")
_PLAIN = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)


@dataclass(frozen=True, slots=True)
class QuestionRule:
    """How one question is asked; see ``asked``."""

    name: str | None = None
    more_s: float | Callable[..., float] = 0.0
    retries: int | None = None
    deadline: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One method of a Protocol. ``name`` and ``signature`` are those of the deployment's method, without ``self``;
    ``given`` is what the caller gives, which may have the deadline, too.
    """

    name: str
    signature: inspect.Signature
    rule: QuestionRule
    is_stream: bool
    given: inspect.Signature


def asked(
    *,
    name: str | None = None,
    more_s: float | Callable[..., float] = 0.0,
    retries: int | None = None,
    deadline: str | None = None,
) -> Callable[[Method], Method]:
    """Say of a question of a Protocol that it is asked otherwise than the rest.

    ``name``: what the deployment calls it, when that is not the method's own name: replicas of two versions must
    understand each other, so the name on the wire stays when a method is renamed; and a question that sends more than
    the version before can take has a new one (tests/unit/test_wire.py).
    ``more_s``: seconds on top of the client's deadline; or what gives them, called with the same arguments by name.
    ``retries``: further attempts when the replica is lost, instead of the client's; 0 for what must not happen twice.
    ``deadline``: the argument that is the deadline itself, in seconds. It is not sent.
    """
    rule = QuestionRule(name, more_s, retries, deadline)

    def mark(method: Method) -> Method:
        setattr(method, _RULE, rule)
        return method

    return mark


def read_wire_name(method: Any) -> str:
    """What the deployment calls a question, given as the method of its Protocol."""
    rule: QuestionRule = getattr(method, _RULE, QuestionRule())
    return rule.name or str(method.__name__)


def list_questions(protocol: Any) -> dict[str, Question]:
    """What a Protocol asks, by name. Raises ``TypeError`` for anything in it that cannot be asked of a deployment."""
    if not is_protocol(protocol):
        raise TypeError(f"{protocol!r} is no Protocol")
    found: dict[str, Question] = {}
    for kind in reversed(protocol.__mro__):
        if kind in (object, Protocol, Generic):
            continue
        for name, member in vars(kind).items():
            if not name.startswith("_"):
                found[name] = _read_question(f"{kind.__name__}.{name}", member)
    return found


def _read_question(where: str, member: Any) -> Question:
    if not inspect.isfunction(member):
        raise TypeError(f"{where} is no method, so it cannot be asked")
    given = inspect.signature(member)
    is_stream = str(given.return_annotation).startswith(_STREAMS)
    if is_stream == inspect.iscoroutinefunction(member):
        raise TypeError(f"{where} must be `async def`, or give an AsyncGenerator")
    parameters = list(given.parameters.values())[1:]
    if any(each.kind not in _PLAIN for each in parameters):
        raise TypeError(f"{where} may only have plain parameters: they are sent by their place")
    rule: QuestionRule = getattr(member, _RULE, QuestionRule())
    names = [each.name for each in parameters]
    if rule.deadline is not None and rule.deadline not in names:
        raise TypeError(f"{where} has no parameter {rule.deadline!r} that could be its deadline")
    if callable(rule.more_s) and list(inspect.signature(rule.more_s).parameters) != names:
        raise TypeError(f"{where}: more_s must take the same parameters: {', '.join(names)}")
    sent = given.replace(parameters=[each for each in parameters if each.name != rule.deadline])
    return Question(read_wire_name(member), sent, rule, is_stream, given.replace(parameters=parameters))

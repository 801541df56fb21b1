"""Calls to other deployments: one deadline, one table of what Serve's exceptions mean, one way to make a client.

A client is made of the questions (a ``Protocol``, ``organs.questions``) and a handle, and has the Protocol's type: a
question that is misspelt, or a wrong argument, is an error of mypy. Of each method of the Protocol a ``Question`` has
the name that the deployment knows it by, the signature, and as ``rule`` what ``asked`` says above it: ``more_s`` on top
of the usual deadline, ``retries`` instead of the client's, or which argument is the ``deadline`` itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Any, Protocol, TypeVar, cast

from ray.exceptions import ActorDiedError, ActorUnavailableError, RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RequestCancelledError

from organs.errors import CodedError
from organs.private import cancel_call, is_unreadable, lacks_method, was_taken
from organs.questions import Question, list_questions

log = logging.getLogger("ray.serve.seedcore")

P = TypeVar("P")

_NO_MORE = object()


class RemoteMethod(Protocol):
    """``handle.method`` of a Serve deployment handle."""

    def remote(self, *args: Any, **kwargs: Any) -> Any: ...


class CallFailure(Enum):
    """Why a call has no answer."""

    QUEUE_FULL = auto()
    NO_REPLICA = auto()
    CANCELLED = auto()
    REPLICA_LOST = auto()
    NOT_TAKEN = auto()
    """No replica took it within the deadline: nothing was done."""
    OTHER_VERSION = auto()
    """The replica does not have the method: it is of another version than the caller."""
    UNREADABLE = auto()
    """It answered with a class that this version does not have; whether the work was done is not known."""
    NO_ANSWER = auto()
    """Within the deadline; whether the work was done is not known."""
    NO_ITEM = auto()
    """Of a stream, within the deadline of an item."""
    BROKEN = auto()
    """The other side raised something that it should not; it is in our log."""


@dataclass(frozen=True)
class Caller:
    """Calls whose failures are errors of one branch of the tree.

    ``failures``: class and sentence of each; in the sentence stand ``{part}`` and ``{timeout_s}``. ``adopt`` makes an
    error of this branch of one that the other side raised; None when that is none which the other side may raise.
    """

    failures: Mapping[CallFailure, tuple[Callable[[str], CodedError], str]]
    adopt: Callable[[CodedError], CodedError | None]

    async def call(self, part: str, method: RemoteMethod, *args: Any, timeout_s: float, retries: int = 0) -> Any:
        """Call a method of another deployment and wait at most ``timeout_s`` seconds in all.

        ``retries`` further attempts are made, within the same deadline, only when the replica died or could not be
        reached: give some only to calls that may happen twice. Raises an error of this caller's branch.
        """
        begun: list[Any] = []
        lost: CodedError | None = None
        try:
            async with asyncio.timeout(timeout_s):
                for _ in range(retries):
                    try:
                        return await self._call_once(part, method, args, begun)
                    except CodedError as error:
                        if not error.replica_lost:
                            raise
                        lost = error
                return await self._call_once(part, method, args, begun)
        except TimeoutError as late:
            if was_taken(begun[-1], late):
                raise self._error_for(CallFailure.NO_ANSWER, part, timeout_s) from None
            # Who had an attempt before may have done the work: it is lost, and not undone.
            raise lost or self._error_for(CallFailure.NOT_TAKEN, part, timeout_s) from None

    async def stream(
        self, part: str, method: RemoteMethod, *args: Any, item_timeout_s: float
    ) -> AsyncGenerator[Any, None]:
        """Items of a generator of another deployment (``handle.options(stream=True)``), each within its deadline.

        Who stops reading ends the generator there. Raises as ``call`` does.
        """
        response, done = method.remote(*args), False
        try:
            while True:
                async with asyncio.timeout(item_timeout_s):
                    item = await anext(response, _NO_MORE)
                if item is _NO_MORE:
                    done = True
                    return
                yield item
        except TimeoutError as late:
            failure = CallFailure.NO_ITEM if was_taken(response, late) else CallFailure.NOT_TAKEN
            raise self._error_for(failure, part, item_timeout_s) from None
        except Exception as error:  # all are translated, as in `_call_once`
            raise self._translate(part, error) from error
        finally:
            if not done:
                cancel_call(response)

    def connect(
        self, protocol: Callable[..., P], handle: Any, *, timeout_s: float | Callable[[], float], retries: int = 0
    ) -> P:
        """A client that asks the questions of ``protocol`` through a deployment handle.

        ``timeout_s``: seconds that an answer may take, or what gives them at each call; ``retries`` as in ``call``.
        ``organs.questions.asked`` says of single questions what differs. Raises ``TypeError`` for a Protocol that
        cannot be asked. (``protocol`` is a class; ``type[P]`` would be for classes that can be instantiated.)
        """
        return cast(P, _make_client_class(protocol)(self, handle, timeout_s, retries))

    async def _call_once(self, part: str, method: RemoteMethod, args: tuple[Any, ...], begun: list[Any]) -> Any:
        response = method.remote(*args)
        begun.append(response)
        try:
            return await response
        except asyncio.CancelledError:
            # A timeout cancels our waiting, not the call (ray/serve/handle.py): nobody will read the answer.
            cancel_call(response)
            raise
        except Exception as error:  # noqa: BLE001  # all are translated; what should not happen is logged
            raise self._translate(part, error) from None

    def _translate(self, part: str, error: Exception) -> CodedError:
        """What a failure of a call means; one that should not happen is logged here."""
        failure = next((failure for kind, failure in _FAILURES if isinstance(error, kind)), None)
        if failure is not None:
            return self._error_for(failure, part)
        # By reference the cause comes wrapped, over gRPC as it is (ray/serve/_private/replica_result.py).
        cause = error.cause if isinstance(error, RayTaskError) else error
        adopted = self.adopt(cause) if isinstance(cause, CodedError) else None
        if adopted is not None:
            return adopted
        if lacks_method(cause):
            return self._error_for(CallFailure.OTHER_VERSION, part)
        if is_unreadable(cause):
            log.warning("an answer cannot be read", extra={"action": "answer_unreadable", "part": part}, exc_info=error)
            return self._error_for(CallFailure.UNREADABLE, part)
        log.error("a part failed", extra={"action": "part_failed", "part": part}, exc_info=error)
        return self._error_for(CallFailure.BROKEN, part)

    def _error_for(self, failure: CallFailure, part: str, timeout_s: float = 0.0) -> CodedError:
        make, sentence = self.failures[failure]
        return make(sentence.format(part=part, timeout_s=timeout_s))


def bind_arguments(question: Question, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments by name, defaults too; raises ``TypeError``, as the method itself would."""
    if not kwargs and len(args) == len(question.given.parameters):
        # As all tasks are given: the long way costs more than all else here.
        return dict(zip(question.given.parameters, args, strict=True))
    bound = question.given.bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments


def set_deadline(question: Question, given: dict[str, Any], usual_s: float) -> float:
    """Seconds that an answer, or each item of a stream, may take: the usual ones and what ``asked`` adds, or what one
    of the arguments says, which is not sent and therefore taken out of ``given``.
    """
    if question.rule.deadline is not None:
        return float(given.pop(question.rule.deadline))
    more_s = question.rule.more_s
    return usual_s + (more_s(**given) if callable(more_s) else more_s)


_FAILURES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], CallFailure], ...] = (
    (BackPressureError, CallFailure.QUEUE_FULL),
    (DeploymentUnavailableError, CallFailure.NO_REPLICA),
    (RequestCancelledError, CallFailure.CANCELLED),
    ((ActorDiedError, ActorUnavailableError, RayActorError), CallFailure.REPLICA_LOST),
)


class _Client:
    """What the clients of all Protocols have in common."""

    def __init__(self, caller: Caller, handle: Any, timeout_s: float | Callable[[], float], retries: int) -> None:
        self._caller = caller
        self._handle = handle
        self._part: str = handle.deployment_name
        self._timeout_s = timeout_s
        self._retries = retries
        self._methods: dict[str, RemoteMethod] = {}

    def _prepare(
        self, question: Question, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[RemoteMethod, list[Any], float]:
        """The method, what is sent to it, and how long its answer may take."""
        given = bind_arguments(question, args, kwargs)
        usual_s = self._timeout_s() if callable(self._timeout_s) else self._timeout_s
        timeout_s = set_deadline(question, given, usual_s)
        method = self._methods.get(question.name)
        if method is None:
            handle = self._handle.options(stream=True) if question.is_stream else self._handle
            method = self._methods[question.name] = getattr(handle, question.name)
        return method, list(given.values()), timeout_s

    def _count_retries(self, question: Question) -> int:
        return self._retries if question.rule.retries is None else question.rule.retries


@cache
def _make_client_class(protocol: Any) -> type[_Client]:
    methods = {name: _make_method(question) for name, question in list_questions(protocol).items()}
    return type(f"{protocol.__name__}Client", (_Client,), methods)


def _make_method(question: Question) -> Any:
    if question.is_stream:

        def follow(self: _Client, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            method, given, timeout_s = self._prepare(question, args, kwargs)
            return self._caller.stream(self._part, method, *given, item_timeout_s=timeout_s)

        return follow

    async def ask(self: _Client, *args: Any, **kwargs: Any) -> Any:
        method, given, timeout_s = self._prepare(question, args, kwargs)
        return await self._caller.call(
            self._part, method, *given, timeout_s=timeout_s, retries=self._count_retries(question)
        )

    return ask

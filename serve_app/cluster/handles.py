"""Calls through Serve handles, with this application's errors; ``organs.calls`` has the machinery.

``connect`` makes a client of a ``Protocol`` and a handle, ``call`` makes one call, ``collect`` asks every replica.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ray.exceptions import ActorUnavailableError, RayActorError
from ray.serve.exceptions import DeploymentUnavailableError

from organs.calls import Caller, CallFailure
from organs.errors import CodedError
from organs.questions import read_wire_name
from serve_app.cluster.private import gather_answers
from serve_app.errors import AppError, DeadlineExceeded, NotTaken, PartFailed, ReplicaLost, TooBusy, Unavailable

Answer = TypeVar("Answer")


def _adopt(error: CodedError) -> AppError | None:
    """What another part of this application raised is passed on as it is."""
    return error if isinstance(error, AppError) else None


_CALLER = Caller(
    {
        CallFailure.QUEUE_FULL: (TooBusy, "The queue of {part} is full; the request was not taken."),
        CallFailure.NO_REPLICA: (Unavailable, "{part} has no running replica."),
        CallFailure.CANCELLED: (Unavailable, "{part} cancelled the request."),
        CallFailure.REPLICA_LOST: (
            ReplicaLost,
            "The replica of {part} that had the request died; Serve is replacing it.",
        ),
        CallFailure.NOT_TAKEN: (NotTaken, "No replica of {part} took the request within {timeout_s:g} s."),
        CallFailure.OTHER_VERSION: (
            Unavailable,
            "A replica of {part} runs another version, which does not know this; it is being replaced.",
        ),
        CallFailure.UNREADABLE: (
            Unavailable,
            "A replica of {part} runs another version, and what it answered cannot be read here; it is being replaced.",
        ),
        CallFailure.NO_ANSWER: (DeadlineExceeded, "{part} did not answer within {timeout_s:g} s."),
        CallFailure.NO_ITEM: (DeadlineExceeded, "{part} said nothing for {timeout_s:g} s."),
        CallFailure.BROKEN: (PartFailed, "{part} failed; its log has the reason."),
    },
    _adopt,
)
call, connect = _CALLER.call, _CALLER.connect


async def collect(handle: Any, question: Callable[[Any], Awaitable[Answer]], *, timeout_s: float) -> list[Answer]:
    """Ask every live replica of a deployment (``handle.broadcast``); replicas that fail, or hang, are left out.

    ``question`` is a method of a Protocol. An empty list means that no live replica answered. Serve leaves dead
    replicas out without a word (seen on 2.60), so the caller compares with what it expects.
    """
    try:
        return await gather_answers(handle.broadcast(read_wire_name(question)), timeout_s)
    except (TimeoutError, DeploymentUnavailableError, RayActorError, ActorUnavailableError):
        return []

"""Calls through Serve handles: one function with a deadline, and one table from Serve's exceptions to ours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable
from typing import Any, Protocol

from ray.exceptions import ActorDiedError, ActorUnavailableError, RayActorError, RayTaskError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    RayServeException,
    RequestCancelledError,
)

from serve_app.cluster.private import answers_to, was_taken
from serve_app.errors import AppError, DeadlineExceeded, TooBusy, Unavailable, rebuilt_as

log = logging.getLogger("ray.serve.seedcore")

_NO_MORE = object()
# What Serve says of a method that a replica does not have (``get_user_method_info``, ray/serve/_private/replica.py).
_NO_SUCH_METHOD = "Tried to call a method"


class RemoteMethod(Protocol):
    """``handle.method`` of a Serve deployment handle."""

    def remote(self, *args: Any, **kwargs: Any) -> Any: ...


async def call(part: str, method: RemoteMethod, *args: Any, timeout_s: float, retries: int = 0) -> Any:
    """Call a method of another deployment and wait at most ``timeout_s`` seconds in all.

    ``retries`` further attempts are made, within the same deadline, only when the replica died or could not be
    reached: give some only to calls that may happen twice. Raises ``TooBusy``, ``Unavailable``, ``DeadlineExceeded``,
    or the ``AppError`` that the other side raised.
    """
    asked: list[Any] = []
    try:
        async with asyncio.timeout(timeout_s):
            for _ in range(retries):
                try:
                    return await _once(part, method, args, asked)
                except ReplicaLost:
                    continue
            return await _once(part, method, args, asked)
    except TimeoutError:
        if not was_taken(asked[-1]):
            raise Unavailable(f"No replica of {part} took the request within {timeout_s:g} s.") from None
        raise DeadlineExceeded(f"{part} did not answer within {timeout_s:g} s.") from None


async def collect(part: str, method: Any, *, timeout_s: float) -> list[Any]:
    """Ask every live replica of a deployment (``handle.broadcast``); replicas that fail, or hang, are left out.

    An empty list means that no live replica answered. Serve leaves dead replicas out without a word (`tried.md`),
    so the caller compares with what it expects.
    """
    handle, name = method
    try:
        return await answers_to(handle.broadcast(name), timeout_s)
    except (TimeoutError, DeploymentUnavailableError, RayActorError, ActorUnavailableError):
        return []


async def stream(part: str, method: RemoteMethod, *args: Any, item_timeout_s: float) -> AsyncGenerator[Any, None]:
    """Items of a generator of another deployment (``handle.options(stream=True)``), each within ``item_timeout_s``.

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
    except TimeoutError:
        if not was_taken(response):
            raise Unavailable(f"No replica of {part} took the request within {item_timeout_s:g} s.") from None
        raise DeadlineExceeded(f"{part} said nothing for {item_timeout_s:g} s.") from None
    except Exception as error:  # all but AppError and lost replicas are logged and raised as PartFailed
        raise _ours(part, error) from error
    finally:
        if not done:
            response.cancel()


class PartFailed(AppError):
    """Another deployment raised something that it should not: a bug there, which must not take the caller down too."""

    code, title = "part_failed", "A part failed"

    def __reduce__(self) -> tuple[Any, ...]:
        """For other replicas, also of versions that do not know this class."""
        return rebuilt_as(AppError, self)


class ReplicaLost(Unavailable):
    """The replica died or could not be reached while it had the call."""

    code = "replica_lost"

    def __reduce__(self) -> tuple[Any, ...]:
        """For whoever asked us, it is we who cannot answer now: our own replica is not lost."""
        return rebuilt_as(Unavailable, self)


async def _once(part: str, method: RemoteMethod, args: tuple[Any, ...], asked: list[Any]) -> Any:
    response = method.remote(*args)
    asked.append(response)
    try:
        return await _awaited(response)
    except asyncio.CancelledError:
        # A timeout cancels our waiting, not the call (ray/serve/handle.py): nobody will read the answer.
        response.cancel()
        raise
    except Exception as error:  # noqa: BLE001  # all are translated; what should not happen is logged
        ours = _ours(part, error)
        raise ours from (error if isinstance(ours, PartFailed) else None)


def _ours(part: str, error: Exception) -> AppError:
    """What a failure of a call means; one that should not happen is logged here."""
    if isinstance(error, BackPressureError):
        return TooBusy(f"The queue of {part} is full; the request was not taken.")
    if isinstance(error, DeploymentUnavailableError):
        return Unavailable(f"{part} has no running replica.")
    if isinstance(error, RequestCancelledError):
        return Unavailable(f"{part} cancelled the request.")
    if isinstance(error, ActorDiedError | ActorUnavailableError | RayActorError):
        return ReplicaLost(f"The replica of {part} that had the request died; Serve is replacing it.")
    # By reference the cause comes wrapped, over gRPC as it is (ray/serve/_private/replica_result.py).
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, AppError):
        return cause
    if isinstance(cause, RayServeException) and _NO_SUCH_METHOD in str(cause):
        return Unavailable(f"A replica of {part} runs another version, which does not know this; it is being replaced.")
    log.error("a part failed", extra={"action": "part_failed", "part": part}, exc_info=error)
    return PartFailed(f"{part} failed; its log has the reason.")


async def _awaited(response: Awaitable[Any]) -> Any:
    return await response

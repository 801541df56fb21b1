"""What Ray tells of a call only by private names, or by its own sentences.

One of two files that know such things; the other is ``serve_app/cluster/private.py``, which organs may not import. They
are those of Ray 2.60, and held by a contract test: tests/unit/organs/test_private.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from traceback import walk_tb
from typing import Any

import ray
from ray.exceptions import RaySystemError, UnserializableException
from ray.serve.exceptions import RayServeException

KNOWN_VERSION = "2.60."
"""How the version begins of the Ray whose private names are known."""

# Where a call is from ``remote`` until a replica has taken it, and from when it was sent to one (``AsyncioRouter``,
# ray/serve/_private/router.py).
_ROUTED, _SENT = "assign_request", "get_rejection_response"
# What Serve says of a method that a replica does not have (``get_user_method_info``, ray/serve/_private/replica.py).
_NO_SUCH_METHOD = "Tried to call a method"
# What Python says of a class of ours that it cannot unpickle; and the last line of a traceback of such a class.
_UNKNOWN_CLASS = re.compile(r"(No module named|Can't get attribute '[^']+' on <module) '(organs|serve_app)\b")
_OWN_ERROR = re.compile(r"^(organs|serve_app)(\.\w+)+(:|$)", re.MULTILINE)


def is_known_ray() -> bool:
    """Whether the installed Ray is one whose private names are known."""
    return bool(ray.__version__.startswith(KNOWN_VERSION))


def was_taken(response: Any, late: BaseException) -> bool:
    """Whether a replica may have taken a call that was waited for in vain; if not, nothing was done, and nobody will.

    ``late``: what the waiting ended with. Of Ray's public names only ``handle.choose_replica`` tells the two apart, for
    one more RPC in each call. A Ray that is not known counts as having taken it.

    ``_replica_result_future`` is done when a replica has said that it takes the call, and ``_replica_result`` is set
    when who waits has seen that, a turn of the loop later (``_fetch_future_result_async``, ray/serve/handle.py). By
    reference it says so at once; over gRPC only together with the answer, since metadata of unary calls come with it
    (``get_rejection_response``, ray/serve/_private/replica_result.py). There it counts where in the caller's own router
    the waiting ended: before the call was sent to a replica, or after.
    """
    if not is_known_ray() or getattr(response, "_replica_result", response) is not None:
        return True
    if response.by_reference:
        return _has_result(response)
    places = set(_list_functions(late))
    return _ROUTED not in places or _SENT in places


def cancel_call(response: Any) -> None:
    """Cancel a call whose answer nobody will read, also one that was taken in this turn of the loop.

    Of such a call Serve's own ``cancel`` cancels nothing when the router shares the caller's loop: it looks only at
    ``_replica_result``.
    """
    response.cancel()
    if is_known_ray() and getattr(response, "_replica_result", response) is None and _has_result(response):
        response._replica_result_future.result().cancel()


def _has_result(response: Any) -> bool:
    future = getattr(response, "_replica_result_future", None)
    return future is not None and future.done() and not future.cancelled() and future.exception() is None


def lacks_method(error: BaseException | None) -> bool:
    """Whether a replica says that it does not have the method that it was asked for."""
    return isinstance(error, RayServeException) and _NO_SUCH_METHOD in str(error)


def is_unreadable(error: BaseException | None) -> bool:
    """Whether an answer, or an error, is of a class of ours that is not here, so that it could not be unpickled.

    Over gRPC it is Python's own error (ray/serve/_private/replica_result.py). By reference an unreadable error leaves
    only its traceback (``RayError.from_ray_exception``, ray/exceptions.py), and an unreadable value the error of
    Python as ``client_exc`` (``deserialize_objects``, ray/_private/serialization.py). A class of somebody else's is
    not meant: who raises that has a bug, in every version.
    """
    if isinstance(error, UnserializableException):
        return _OWN_ERROR.search(str(error)) is not None
    cause = error.client_exc if isinstance(error, RaySystemError) else error
    return isinstance(cause, ImportError | AttributeError) and _UNKNOWN_CLASS.match(str(cause)) is not None


def _list_functions(error: BaseException | None) -> Iterator[str]:
    """Names of the functions that an error, and what it came of, went through."""
    while error is not None:
        yield from (frame.f_code.co_name for frame, _ in walk_tb(error.__traceback__))
        error = error.__cause__ or error.__context__

"""Every error that this application answers with: raised low, turned into HTTP in ``api.problems``.

    AppError
    ├── BadRequest            400
    │   ├── MalformedBody     400
    │   ├── RequestTimeout    408
    │   ├── BodyTooLarge      413
    │   └── InvalidInput      422
    ├── NotAuthenticated      401
    ├── Forbidden             403
    ├── NotFound              404
    ├── Conflict              409
    ├── TooBusy               429
    ├── PartFailed            500
    ├── UpstreamFailed        502
    ├── Unavailable           503
    │   ├── NotTaken          503
    │   └── ReplicaLost       503
    └── DeadlineExceeded      504

``OUT_OF_SPACE`` as its code makes any of them 507.

An error is raised where it is noticed, carries a stable code and one sentence for people, and is never caught on its
way to the handlers that ``serve_app.api.problems`` installs.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from organs.errors import CodedError

# The code of an error whose status is 507: nothing can be stored until somebody frees space.
OUT_OF_SPACE = "store_full"


class AppError(CodedError):
    """Something this application answers with a problem document. The sentence is for people, the code for programs."""

    code = "error"
    status = 500
    title = "Internal error"
    retry_after_s: int | None = None

    def __init__(self, detail: str, *, code: str | None = None, **members: Any) -> None:
        """Keep all arguments in ``args`` so that the error survives pickling between replicas."""
        super().__init__(detail, code=code)
        if code == OUT_OF_SPACE:
            # By its code, since the version before has no class for it (tests/unit/test_wire.py).
            self.status, self.title, self.retry_after_s = HTTPStatus.INSUFFICIENT_STORAGE, "Out of space", 30
        self.members: dict[str, Any] = members

    def __reduce__(self) -> tuple[Any, ...]:
        return reduce_error(type(self), self)


class BadRequest(AppError):
    """The request cannot be understood."""

    code, status, title = "bad_request", 400, "Bad request"


class MalformedBody(BadRequest):
    """The body is not JSON as RFC 8259 has it, or nests too deeply."""

    code, title = "malformed_body", "Malformed body"


class RequestTimeout(BadRequest):
    """The caller took too long to send the request."""

    code, status, title = "request_timeout", 408, "Request timeout"


class BodyTooLarge(BadRequest):
    """The body is longer than this application reads."""

    code, status, title = "body_too_large", 413, "Body too large"


class InvalidInput(BadRequest):
    """The request is well formed, but a value in it is not acceptable. ``errors`` names each."""

    code, status, title = "invalid_input", 422, "Invalid input"


class NotAuthenticated(AppError):
    """No valid bearer token."""

    code, status, title = "not_authenticated", 401, "Not authenticated"


class Forbidden(AppError):
    """The caller may not do that."""

    code, status, title = "forbidden", 403, "Forbidden"


class NotFound(AppError):
    """There is no such thing."""

    code, status, title = "not_found", 404, "Not found"


class Conflict(AppError):
    """The request contradicts the present state."""

    code, status, title = "conflict", 409, "Conflict"


class TooBusy(AppError):
    """Queues are full; the request was not taken."""

    code, status, title, retry_after_s = "too_busy", 429, "Too busy", 1


class UpstreamFailed(AppError):
    """Something that we asked on the caller's behalf failed."""

    code, status, title, retry_after_s = "upstream_failed", 502, "Upstream failed", 2


class Unavailable(AppError):
    """A part of the application cannot answer now and probably can soon."""

    code, status, title, retry_after_s = "unavailable", 503, "Unavailable", 2


class ReplicaLost(Unavailable):
    """The replica died or could not be reached while it had the call."""

    code, replica_lost = "replica_lost", True

    def __reduce__(self) -> tuple[Any, ...]:
        """For whoever asked us, it is we who cannot answer now: our own replica is not lost."""
        return reduce_error(Unavailable, self)


class NotTaken(Unavailable):
    """No replica took the call within its deadline: nothing was done."""

    def __reduce__(self) -> tuple[Any, ...]:
        """For other replicas, also of versions that do not know this class."""
        return reduce_error(Unavailable, self)


class PartFailed(AppError):
    """Another deployment raised something that it should not: a bug there, which must not take the caller down too."""

    code, title = "part_failed", "A part failed"

    def __reduce__(self) -> tuple[Any, ...]:
        """For other replicas, also of versions that do not know this class."""
        return reduce_error(AppError, self)


class DeadlineExceeded(AppError):
    """No answer within the deadline; whether the work was done is not known."""

    code, status, title, retry_after_s = "deadline_exceeded", 504, "Deadline exceeded", 2


def reduce_error(kind: type[AppError], error: AppError) -> tuple[Any, ...]:
    """How an error is pickled, for ``__reduce__``: what arrives at another replica is a ``kind`` with the same words.

    That replica may run another version: while one is replaced by the next, both talk with each other. So it must be
    a class that the version before knew under this name; tests/unit/test_wire.py has them.
    """
    return (_rebuild, (kind, error.detail, error.code, error.members))


def _rebuild(kind: type[AppError], detail: str, code: str, members: dict[str, Any]) -> AppError:
    error = kind(detail, code=code, **members)
    if code == PartFailed.code:
        # It came as an ``AppError``, and its title is that of its code, however often it is passed on.
        error.title = PartFailed.title
    return error

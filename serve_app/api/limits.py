"""What one caller may use at once, and how often it may ask, in this replica. No I/O; the clock is passed in.

A caller is a token; without configured tokens all callers are one, and so is whoever pushes events. Each replica of the
ingress counts by itself: with two of them a token may have twice as much.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping

from starlette.types import Scope

from serve_app.errors import TooBusy
from serve_app.settings import IngressConfig

STATE_KEY = "use"
# More tokens than anybody has; who has used nothing for a while is forgotten beyond them.
_MOST_CALLERS = 1_000


class Limits:
    """Counts by caller. ``config`` is asked at each use, so that a new one holds at once."""

    def __init__(
        self, config: Callable[[], IngressConfig] = IngressConfig, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._clock = clock
        self._asked: dict[bytes, tuple[float, float]] = {}
        self._held_bytes: Counter[bytes] = Counter()
        self._streams: Counter[bytes] = Counter()

    def count_request(self, caller: bytes) -> None:
        """Count one request; raises ``TooBusy`` (``rate_limited``) when there were too many. Off without a rate."""
        config = self._config()
        rate_per_s = config.requests_per_s
        if rate_per_s is None:
            return
        now = self._clock()
        used, at = self._asked.get(caller, (0.0, now))
        used = recover(used, now - at, rate_per_s)
        if used + 1 > config.request_burst:
            raise refuse(
                "rate_limited",
                f"{math.ceil(used)} of {config.request_burst} requests of this token are used in this replica; "
                f"{rate_per_s:g} come back each second.",
                used=math.ceil(used),
                limit=config.request_burst,
                wait_s=(used + 1 - config.request_burst) / rate_per_s,
            )
        self._asked[caller] = (used + 1, now)
        if len(self._asked) > _MOST_CALLERS:
            self._forget(now, rate_per_s)

    def hold(self, caller: bytes, size_bytes: int) -> None:
        """Count bytes of a body that is kept; raises ``TooBusy`` (``too_many_bytes``)."""
        limit, held = self._config().body_bytes_per_token, self._held_bytes[caller]
        self._held_bytes[caller] = held + size_bytes
        if held + size_bytes > limit:
            detail = f"Bodies of this token have {held} of {limit} bytes in this replica; send them one after another."
            raise refuse("too_many_bytes", detail, used=held, limit=limit)

    def begin_stream(self, caller: bytes) -> None:
        """Count one more stream; raises ``TooBusy`` (``too_many_streams``)."""
        limit, used = self._config().streams_per_token, self._streams[caller]
        if used >= limit:
            detail = f"{used} of {limit} streams of this token are open in this replica; close one."
            raise refuse("too_many_streams", detail, used=used, limit=limit)
        self._streams[caller] = used + 1

    def give_back(self, caller: bytes, size_bytes: int, streams: int) -> None:
        """What a request that is over had."""
        for counted, had in ((self._held_bytes, size_bytes), (self._streams, streams)):
            if had:
                counted[caller] -= had
                if not counted[caller]:
                    del counted[caller]

    def _forget(self, now: float, rate_per_s: float) -> None:
        self._asked = {
            caller: (used, at) for caller, (used, at) in self._asked.items() if recover(used, now - at, rate_per_s)
        }


class Use:
    """What one request has of its caller's limits, until ``close``."""

    __slots__ = ("_caller", "_limits", "_size_bytes", "_streams")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._size_bytes = 0
        self._streams = 0
        self._caller = b""

    def count_request(self, caller: bytes) -> None:
        """Whose it is; raises ``TooBusy``."""
        self._caller = caller
        self._limits.count_request(caller)

    def hold(self, size_bytes: int) -> None:
        """Bytes of its body; raises ``TooBusy``."""
        self._size_bytes += size_bytes
        self._limits.hold(self._caller, size_bytes)

    def begin_stream(self) -> None:
        """It is answered with a stream; raises ``TooBusy``."""
        self._limits.begin_stream(self._caller)
        self._streams += 1

    def close(self) -> None:
        """It is over."""
        if self._size_bytes or self._streams:
            self._limits.give_back(self._caller, self._size_bytes, self._streams)
            self._size_bytes = self._streams = 0


def recover(used: float, elapsed_s: float, rate_per_s: float) -> float:
    """How many requests are still used after a time."""
    return max(0.0, used - elapsed_s * rate_per_s)


def identify(headers: Mapping[bytes, bytes]) -> bytes:
    """The caller with a bearer token that was accepted: the same for each way to write the header."""
    _, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return hashlib.sha256(token.strip().encode()).digest()


def add_to_state(scope: Scope, use: Use) -> None:
    """Let the routes find the use in ``request.state``, which a server may have filled for all requests."""
    scope["state"] = {**scope.get("state", {}), STATE_KEY: use}


def refuse(code: str, detail: str, *, used: int, limit: int, wait_s: float = 1.0) -> TooBusy:
    """The error with what is used and when to come again."""
    error = TooBusy(detail, code=code, used=used, limit=limit)
    error.retry_after_s = max(1, math.ceil(wait_s))
    return error

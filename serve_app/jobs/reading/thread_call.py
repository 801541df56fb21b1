"""A blocking question, asked in a thread with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from serve_app.jobs.models import Known, Section, Unknown


class ThreadCall:
    """Asks one at a time: a thread that hangs is joined by the next who asks, not multiplied."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[Any] | None = None

    async def get(self, timeout_s: float) -> Section[Any]:
        """The answer, or why there is none within ``timeout_s``."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(asyncio.to_thread(self._ask))
        asking = self._asking
        done, _ = await asyncio.wait({asking}, timeout=timeout_s)
        if not done:
            return Unknown(f"Ray did not answer within {timeout_s:g} s.")
        error = asking.exception()
        return Known(asking.result()) if error is None else Unknown(f"Ray did not say ({type(error).__name__}).")

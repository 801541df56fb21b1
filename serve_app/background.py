"""Work that goes on beside the calls of a deployment: begun once, found out when it ends, ended with the deployment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol


class Worker(Protocol):
    """What a deployment begins, watches and ends."""

    def start(self) -> None:
        """Begin; does nothing when begun."""
        ...

    def require_alive(self) -> None:
        """Raise ``RuntimeError`` when it has ended, which it never should."""
        ...

    async def close(self) -> None:
        """End, and finish what can be finished."""
        ...


class Loop:
    """One coroutine that never returns. ``name`` is the subject of the sentence that says that it did."""

    def __init__(self, name: str, run: Callable[[], Awaitable[Any]]) -> None:
        self._name = name
        self._run = run
        self._task: asyncio.Task[Any] | None = None

    @property
    def is_begun(self) -> bool:
        """Whether it was started, whatever became of it."""
        return self._task is not None

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Begin; does nothing when begun."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())

    def require_alive(self) -> None:
        """Raise ``RuntimeError`` when it has ended; its exception, if it had one, is the cause."""
        if self._task is not None and self._task.done():
            cause = None if self._task.cancelled() else self._task.exception()
            raise RuntimeError(f"{self._name} has ended") from cause

    async def close(self) -> None:
        """Cancel it and wait until it is over; an error that it had ended with was told by ``require_alive``."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def wait_until_over(self) -> None:
        """Return when it has ended, by whatever; for tests of what follows then."""
        if self._task is not None:
            await asyncio.wait({self._task})


class Workers:
    """Several workers as one: started in this order, closed in the opposite one."""

    def __init__(self, *workers: Worker) -> None:
        self._workers = workers

    def start(self) -> None:
        """Begin all; does nothing for those that are begun."""
        for worker in self._workers:
            worker.start()

    def require_alive(self) -> None:
        """Raise ``RuntimeError`` when one has ended."""
        for worker in self._workers:
            worker.require_alive()

    async def close(self) -> None:
        """End each, one after the other."""
        for worker in reversed(self._workers):
            await worker.close()

"""Callers that go on asking while a version is replaced by another, and what each was answered."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

TIMEOUT_S = 70.0
PAUSE_S = 0.05


@dataclass(frozen=True)
class Answer:
    """One answer: when it was asked for and came (seconds of the monotonic clock), and what it was.

    ``by`` is who answered: the application; the proxy before it, which gives no JSON; or nobody, with a broken
    connection.
    """

    asked_at: float
    came_at: float
    what: str
    status: int
    retry_after: str | None
    by: str
    text: str

    @property
    def is_allowed(self) -> bool:
        """Whether a caller may be told this while a version is replaced."""
        return 200 <= self.status < 300 or (self.status == 503 and self.retry_after is not None)


@dataclass
class Load:
    """Threads, each of which asks one question over and over. Every request has a connection of its own."""

    http_url: str
    headers: dict[str, str]
    answers: list[Answer] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def ask(self, what: str, request: Callable[[httpx.Client, int], httpx.Response], pause_s: float = PAUSE_S) -> None:
        """Begin to ask; ``request`` is given a client and how often it was called before."""
        thread = threading.Thread(target=self._go_on, args=(what, request, pause_s), name=what)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """End all threads; who is waiting for an answer gets it first."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=TIMEOUT_S + 10)
            assert not thread.is_alive(), f"{thread.name} has not ended"

    def count(self) -> Counter[tuple[str, str, int]]:
        """How often each question was answered by whom, and with which status."""
        return Counter((each.what, each.by, each.status) for each in self.answers)

    def _go_on(self, what: str, request: Callable[[httpx.Client, int], httpx.Response], pause_s: float) -> None:
        number = 0
        while not self._stop.is_set():
            # A new connection each time, so that the proxy chooses anew whom it asks.
            with httpx.Client(base_url=self.http_url, headers=self.headers, timeout=TIMEOUT_S) as client:
                self.answers.append(_answer(what, client, request, number))
            number += 1
            self._stop.wait(pause_s)


def _answer(what: str, client: httpx.Client, request: Callable[[httpx.Client, int], Any], number: int) -> Answer:
    asked_at = time.monotonic()
    try:
        got = request(client, number)
    except httpx.HTTPError as error:
        return Answer(asked_at, time.monotonic(), what, 0, None, "nobody", repr(error))
    by = "application" if "json" in got.headers.get("content-type", "") else "proxy"
    text = "" if got.is_success else got.text[:500]
    return Answer(asked_at, time.monotonic(), what, got.status_code, got.headers.get("retry-after"), by, text)

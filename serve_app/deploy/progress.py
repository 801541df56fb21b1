"""Progress on a terminal: one line for each step, rewritten in place; elsewhere a line for each change."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

STEPS = 6


class ProgressStep:
    """One running step; ``say`` replaces what its line tells."""

    def __init__(self, head: str, stream: TextIO, clock: Callable[[], float]) -> None:
        self._head = head
        self._stream = stream
        self._clock = clock
        self._begun = clock()
        self._shown = ""
        self.outcome = "done"

    @property
    def elapsed_s(self) -> float:
        """Seconds since the step began."""
        return self._clock() - self._begun

    def say(self, text: str) -> None:
        """Show what is going on. Cheap to call often: off a terminal only changes are printed."""
        if self._stream.isatty():
            self._write(f"\r\x1b[K{self._head} … {text} {self.elapsed_s:.0f} s")
        elif text != self._shown:
            self._write(f"{self._head} … {text} {self.elapsed_s:.0f} s\n")
        self._shown = text

    def close(self, outcome: str) -> None:
        """Write the step's last line."""
        start = "\r\x1b[K" if self._stream.isatty() else ""
        self._write(f"{start}{self._head}: {outcome}, {self.elapsed_s:.1f} s\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class Progress:
    """Numbers the steps of one program. ``first`` is the number of its first step."""

    def __init__(
        self, stream: TextIO, first: int, total: int = STEPS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._next = first
        self._total = total
        self._clock = clock

    @contextmanager
    def run_step(self, title: str) -> Iterator[ProgressStep]:
        """Run one step; its ``outcome`` is printed with the time it took, "failed" when it raises."""
        step = ProgressStep(f"[{self._next}/{self._total}] {title}", self._stream, self._clock)
        self._next += 1
        try:
            yield step
        except BaseException:  # an interrupted step has not succeeded, either; it is raised on
            step.close("failed")
            raise
        step.close(step.outcome)

    def note(self, text: str) -> None:
        """A line of its own, between steps."""
        self._stream.write(f"{text}\n")
        self._stream.flush()


def handle_reader_left() -> int:
    """For ``BrokenPipeError``, as in `make up | head`: say nothing more, and return the exit code that shells use."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE

"""Programs asleep, blocked, polling or busy, of which Ray knows nothing. ``python rests.py <name> … zoo=<job>``."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import ray

WORK_S, PAUSE_S = 0.3, 0.7


def nap(seconds: str = "100000") -> None:
    """Sleep."""
    time.sleep(float(seconds))


def lock() -> None:
    """Take a lock that this thread holds."""
    held = threading.Lock()
    held.acquire()
    held.acquire()


def deadlock() -> None:
    """Two threads, each with the lock that the other wants."""
    one, other, both = threading.Lock(), threading.Lock(), threading.Barrier(2)

    def take(first: threading.Lock, second: threading.Lock) -> None:
        with first:
            both.wait()
            with second:
                pass

    threads = [threading.Thread(target=take, args=pair) for pair in ((one, other), (other, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def read_socket() -> None:
    """Read from a connection that stays silent."""
    mine, _theirs = socket.socketpair()
    mine.recv(1)


def read_pipe() -> None:
    """Read from a pipe that nobody writes to."""
    end, _other = os.pipe()
    os.read(end, 1)


def poll(says: str = "", seconds: str = "100000") -> None:
    """Look for a file again and again; with ``says``, say so."""
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until and not Path("a-file-that-nobody-makes").exists():
        if says:
            print(says, flush=True)
        time.sleep(1.0)


def be_busy(seconds: str = "100000") -> None:
    """Compute for a third of the time, and say nothing."""
    os.nice(10)
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until:
        end = time.monotonic() + WORK_S
        while time.monotonic() < end:
            sum(range(1000))
        time.sleep(PAUSE_S)


def stop_self() -> None:
    """Be stopped by SIGSTOP, as from a terminal or a debugger."""
    time.sleep(3)
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(100_000)


def run_in_task(name: str, *words: str) -> None:
    """The same on a worker."""

    @ray.remote(num_cpus=0)
    def rest() -> None:
        NAMES[name](*words)

    ray.get(rest.remote())


NAMES: dict[str, Callable[..., None]] = {
    "nap": nap, "lock": lock, "deadlock": deadlock, "socket": read_socket, "pipe": read_pipe, "poll": poll,
    "busy": be_busy, "stop": stop_self, "task": run_in_task,
}  # fmt: skip

if __name__ == "__main__":
    ray.init()
    print("begins", flush=True)
    NAMES[sys.argv[1]](*sys.argv[2:-1])

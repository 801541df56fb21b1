"""Drivers and the ways in which they end. ``python ends.py <name> … zoo=<job>``."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import ray


@ray.remote(num_cpus=0)
def part(number: int, seconds: float = 0.1) -> int:
    """A piece of work."""
    time.sleep(seconds)
    return number


@ray.remote(num_cpus=0, max_retries=0)
def broken(number: int) -> int:
    """A piece that fails."""
    raise ValueError(f"piece {number} is broken")


@ray.remote(num_cpus=0)
class Keeper:
    """Lives on when it is detached."""

    def ping(self) -> int:
        """It is there."""
        return 1


@ray.remote(num_cpus=0)
class Mother:
    """Makes an actor of her own."""

    def bear(self) -> int:
        """The child lives as long as she does."""
        self._child = Keeper.remote()
        return ray.get(self._child.ping.remote())


def run_well(parts: str = "4") -> None:
    """Do the work, and say so."""
    print(sum(ray.get([part.remote(number) for number in range(int(parts))])), flush=True)


def run_boom() -> None:
    """An uncaught exception."""
    raise ValueError("shard 7 has no labels")


def run_boom_once(mark: str) -> None:
    """An uncaught exception the first time, and work the second."""
    if not Path(mark).exists():
        Path(mark).touch()
        run_boom()
    run_well()


def run_leave(parts: str, after_s: str) -> None:
    """Leave before the work is done."""
    refs = [part.remote(number, 30.0) for number in range(int(parts))]
    time.sleep(float(after_s))
    print("gave out", len(refs), flush=True)


def run_caught(parts: str) -> None:
    """Work that fails, of which the program takes note."""
    for number in range(int(parts)):
        try:
            ray.get(broken.remote(number))
        except ValueError:
            print("left out piece", number, flush=True)
    run_well()


def run_long(seconds: str) -> None:
    """An actor, and calls of it, for so many seconds."""
    keeper = Keeper.options(num_cpus=0.5).remote()
    for _ in range(int(seconds)):
        ray.get(keeper.ping.remote())
        time.sleep(1)


def run_detached() -> None:
    """Leave an actor behind on purpose."""
    ray.get(Keeper.options(name=f"keeper-{os.getpid()}", lifetime="detached").remote().ping.remote())


def run_crash_at_exit() -> None:
    """All the work, and then a crash in the end of the interpreter."""
    atexit.register(ctypes.string_at, 0)
    run_well()
    time.sleep(1)


def run_kill() -> None:
    """SIGKILL from within."""
    time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)


def run_os_exit(code: str) -> None:
    """No word of farewell to Ray."""
    time.sleep(1)
    os._exit(int(code))


def run_exit(code: str) -> None:
    """``sys.exit``."""
    sys.exit(int(code))


def run_segfault() -> None:
    """A crash in native code."""
    ctypes.string_at(0)


def run_twice() -> None:
    """Two drivers, one after the other, of one process; an actor of the first lives on, and so does its child."""
    mother = Mother.options(name="cache", lifetime="detached", namespace="first").remote()
    ray.get(mother.bear.remote())
    ray.shutdown()
    ray.init(namespace="second")
    run_well()


def run_term() -> None:
    """An exception on SIGTERM."""

    def stop(*_: object) -> None:
        raise RuntimeError("stopped")

    signal.signal(signal.SIGTERM, stop)
    print("waits", flush=True)
    time.sleep(100_000)


def run_timeout(seconds: str) -> None:
    """``ray.get`` of slow work of its own, with a time-out."""
    ray.get(part.remote(1, 1000.0), timeout=float(seconds))


def run_echo(text: str) -> None:
    """Print a line that Ray would print, and fail for a reason of its own."""
    print(text, flush=True)
    time.sleep(1)
    raise KeyError("column 'price' is not in the table")


def run_talk(seconds: str) -> None:
    """Say something each second."""
    for second in range(int(seconds)):
        print("second", second, flush=True)
        time.sleep(1)


NAMES = {
    "well": run_well, "boom": run_boom, "boom-once": run_boom_once, "leave": run_leave, "caught": run_caught,
    "long": run_long, "detached": run_detached, "crash-at-exit": run_crash_at_exit, "kill": run_kill,
    "os-exit": run_os_exit, "exit": run_exit, "segfault": run_segfault, "twice": run_twice, "term": run_term,
    "timeout": run_timeout, "echo": run_echo, "talk": run_talk,
}  # fmt: skip

if __name__ == "__main__":
    ray.init(namespace="zoo")
    NAMES[sys.argv[1]](*sys.argv[2:-1])

"""Work that fails and is tried again: without end, or until it succeeds. ``python circles.py <name> … zoo=<job>``."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import ray

PAUSE_S = 2.0


def count_up(directory: str, name: str) -> int:
    """Which call this is, over all processes."""
    with (Path(directory) / name).open("ab") as counter:
        counter.write(b".")
        return counter.tell()


def die(how: str) -> None:
    """End this process, or raise."""
    time.sleep(PAUSE_S)
    if how == "raise":
        raise ValueError("shard 7 has no labels")
    if how == "exit":
        os._exit(1)
    os.kill(os.getpid(), {"segfault": signal.SIGSEGV, "kill": signal.SIGKILL}[how])


@ray.remote(num_cpus=0, max_retries=-1, retry_exceptions=True)
def shard(how: str, directory: str, good_from: int) -> int:
    """Fails until the given call, or for ever (0)."""
    if good_from and count_up(directory, "shard") >= good_from:
        return 1
    die(how)
    return 0


@ray.remote(num_cpus=0)
def part(number: int) -> int:
    """Does its work."""
    time.sleep(0.1)
    return number


@ray.remote(num_cpus=0, max_retries=-1, retry_exceptions=True)
def flaky(number: int, directory: str) -> int:
    """Fails in its first call, and succeeds in the second."""
    if count_up(directory, f"flaky-{number}") == 1:
        raise ConnectionError("the other side hung up")
    return number


@ray.remote(num_cpus=0, max_retries=0)
def once(number: int, good_each: int) -> int:
    """One of so many succeeds, or none (0), or all but one of so many (negative); not tried again."""
    time.sleep(0.3)
    if (good_each > 0 and number % good_each == 0) or (good_each < 0 and number % good_each != 0):
        return number
    raise ValueError(f"row {number} has no key")


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class Fragile:
    """Dies in each call until the given one, or for ever (0)."""

    def ask(self, how: str, directory: str, good_from: int) -> int:
        """Die, or answer."""
        if good_from and count_up(directory, "ask") >= good_from:
            return 1
        die(how)
        return 0


@ray.remote(num_cpus=0, max_restarts=-1)
class Stillborn:
    """Its process dies in the constructor."""

    def __init__(self) -> None:
        die("exit")

    def ask(self) -> int:
        """Never answered."""
        return 1


def run_task(how: str, good_from: str = "0") -> None:
    """One task, tried again and again."""
    print(ray.get(shard.remote(how, tempfile.mkdtemp(prefix="zoo-"), int(good_from))))


def run_beside() -> None:
    """One bad task, and good ones beside it."""
    bad = shard.remote("raise", "", 0)
    for number in range(100_000):
        ray.get(part.remote(number))
        time.sleep(0.5)
    ray.get(bad)


def run_flaky(count: str) -> None:
    """Many tasks that each fail once."""
    directory = tempfile.mkdtemp(prefix="zoo-")
    for number in range(int(count)):
        ray.get(flaky.remote(number, directory))
        time.sleep(0.3)


def run_many(good_each: str, count: str = "100000") -> None:
    """Task after task, whose failures the driver takes note of."""
    for number in range(1, int(count) + 1):
        try:
            ray.get(once.remote(number, int(good_each)))
        except ValueError as error:
            print("skipped:", str(error).splitlines()[-1], flush=True)
        time.sleep(0.7)


def run_actor(how: str, good_from: str = "0") -> None:
    """One actor, restarted and asked again and again."""
    print(ray.get(Fragile.remote().ask.remote(how, tempfile.mkdtemp(prefix="zoo-"), int(good_from))))


def run_stillborn() -> None:
    """One actor that never comes up."""
    ray.get(Stillborn.remote().ask.remote())


def run_at_last(retries: str) -> None:
    """So many attempts, and then it fails."""
    ray.get(shard.options(max_retries=int(retries)).remote("raise", "", 0))


NAMES = {
    "task": run_task, "beside": run_beside, "flaky": run_flaky, "many": run_many, "actor": run_actor,
    "stillborn": run_stillborn, "at-last": run_at_last,
}  # fmt: skip

if __name__ == "__main__":
    ray.init()
    NAMES[sys.argv[1]](*sys.argv[2:-1])

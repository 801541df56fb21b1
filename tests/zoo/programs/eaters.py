"""Work that takes much memory. ``python eaters.py <name> <GB> … zoo=<job>``; the zoo lets one of them run at a time."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import ray

STEP = 128 * 1024 * 1024


def eat(gigabytes: float, hold_s: float) -> int:
    """Take so much, written to, and keep it for a while."""
    taken = []
    while len(taken) * STEP < gigabytes * 1e9:
        taken.append(bytearray(b"x") * STEP)
        time.sleep(0.05)
    time.sleep(hold_s)
    return len(taken)


@ray.remote(num_cpus=0)
def shard(gigabytes: float, directory: str, good_from: int) -> int:
    """Eats until the given call, or for ever (0)."""
    if good_from:
        with (Path(directory) / "calls").open("ab") as counter:
            counter.write(b".")
            if counter.tell() >= good_from:
                return 0
    return eat(gigabytes, 60)


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class Cache:
    """Eats in its method."""

    def fill(self, gigabytes: float) -> int:
        """Eat."""
        return eat(gigabytes, 60)


def run_task(gigabytes: str, retries: str = "1", good_from: str = "0") -> None:
    """A task that Ray tries again after its worker was killed for memory."""
    task = shard.options(max_retries=int(retries))
    print(ray.get(task.remote(float(gigabytes), tempfile.mkdtemp(prefix="zoo-"), int(good_from))))


def run_actor(gigabytes: str) -> None:
    """An actor that is restarted after it was killed for memory."""
    ray.get(Cache.remote().fill.remote(float(gigabytes)))


def run_holder(gigabytes: str) -> None:
    """The driver itself, which Ray never kills, keeps it."""
    kept = [bytearray(b"x") * STEP for _ in range(round(float(gigabytes) * 1e9 / STEP))]
    print("holds", len(kept), flush=True)
    time.sleep(100_000)


def run_hearer(seconds: str) -> None:
    """Works on while another job is killed for memory, and fails for a reason of its own."""
    for _ in range(int(seconds) // 5):
        print("reading the table", flush=True)
        time.sleep(5)
    raise KeyError("column 'price' is not in the table")


NAMES = {"task": run_task, "actor": run_actor, "holder": run_holder, "hearer": run_hearer}

if __name__ == "__main__":
    ray.init()
    NAMES[sys.argv[1]](*sys.argv[2:-1])

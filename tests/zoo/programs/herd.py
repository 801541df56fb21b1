"""So many drivers, each with an actor and a small task now and then. ``python herd.py <count> <pause s> zoo=<name>``.

Ray is imported once and the drivers are forked from that, which two cores bear better than so many interpreters.
"""

from __future__ import annotations

import os
import sys
import time

import ray


def drive(pause_s: float) -> None:
    """Be one driver until the head ends."""
    ray.init(log_to_driver=False)

    @ray.remote(num_cpus=0)
    def part(number: int) -> int:
        return number

    @ray.remote(num_cpus=0)
    class Keeper:
        def add(self, number: int) -> int:
            return number + 1

    keeper, number = Keeper.remote(), 0
    while True:
        number = ray.get(keeper.add.remote(ray.get(part.remote(number))))
        time.sleep(pause_s)


if __name__ == "__main__":
    children = []
    for _ in range(int(sys.argv[1])):
        if (child := os.fork()) == 0:
            drive(float(sys.argv[2]))
        children.append(child)
        time.sleep(1.5)
    for child in children:
        os.waitpid(child, 0)

"""Waits that Ray's own tables can prove, and their innocent twins. ``python hangs.py <name> … zoo=<job>``."""

from __future__ import annotations

import asyncio
import sys
import time

import ray
from ray.actor import ActorHandle
from ray.util.placement_group import placement_group


@ray.remote(num_cpus=0)
class Left:
    """One of two that ask each other."""

    def meet(self, right: ActorHandle, me: ActorHandle, asks_back: bool) -> int:
        """Ask the other."""
        return ray.get(right.answer.remote(me, asks_back))

    def hear(self) -> int:
        """What the other asks, while ``meet`` is still going on."""
        return 1


@ray.remote(num_cpus=0)
class Right:
    """The other."""

    def answer(self, left: ActorHandle, asks_back: bool) -> int:
        """Answer, after asking back."""
        return ray.get(left.hear.remote()) if asks_back else 1


@ray.remote(num_cpus=0)
class Barrier:
    """Lets its callers go when all have come."""

    def __init__(self, size: int) -> None:
        self._missing, self._full = size, asyncio.Event()

    async def arrive(self) -> None:
        """Wait for the others."""
        self._missing -= 1
        if self._missing == 0:
            self._full.set()
        await self._full.wait()


@ray.remote(num_cpus=0)
class Rank:
    """One of several that go in step."""

    def ping(self) -> int:
        """It is there."""
        return 1

    def barrier(self, barrier: ActorHandle, after_s: float) -> int:
        """Come to the barrier after a while, and wait there."""
        time.sleep(after_s)
        ray.get(barrier.arrive.remote())
        return 1


@ray.remote(num_cpus=0)
class Shelf:
    """A queue."""

    def __init__(self) -> None:
        self._items: asyncio.Queue[int] = asyncio.Queue()

    async def put(self, item: int) -> None:
        """Lay one there."""
        await self._items.put(item)

    async def take(self) -> int:
        """Wait for one."""
        return await self._items.get()


@ray.remote(num_cpus=0)
class Producer:
    """Fills a shelf when it is told to."""

    def ping(self) -> int:
        """It is there."""
        return 1

    def fill(self, shelf: ActorHandle, count: int) -> None:
        """One each second."""
        for item in range(count):
            time.sleep(1)
            ray.get(shelf.put.remote(item))


@ray.remote(num_cpus=0)
class Consumer:
    """Empties a shelf."""

    def drain(self, shelf: ActorHandle, count: int) -> int:
        """Wait for each."""
        return sum(ray.get(shelf.take.remote()) for _ in range(count))


@ray.remote(num_cpus=0)
class Narcissus:
    """Waits for itself."""

    def look(self, me: ActorHandle) -> int:
        """Ask itself for what it can only do afterwards."""
        return ray.get(me.see.remote())

    def see(self) -> int:
        """Never reached."""
        return 1


@ray.remote(num_cpus=0)
def step(seconds: float) -> float:
    """A piece of work."""
    time.sleep(seconds)
    return seconds


@ray.remote(num_cpus=0)
def license_work(seconds: float) -> float:
    """Work that needs a licence."""
    time.sleep(seconds)
    return seconds


def run_cycle(asks_back: str = "yes", rounds: str = "1") -> None:
    """Left waits for right, which waits for left."""
    left, right = Left.remote(), Right.remote()
    for _ in range(int(rounds)):
        ray.get(left.meet.remote(right, left, asks_back == "yes"))
        time.sleep(1)


def run_self() -> None:
    """An actor that asks itself."""
    narcissus = Narcissus.remote()
    ray.get(narcissus.look.remote(narcissus))


def run_barrier(late_s: str) -> None:
    """Three are expected; the third comes late, or (never) only two are sent there."""
    barrier, ranks = Barrier.remote(3), [Rank.remote() for _ in range(3)]
    ray.get([rank.ping.remote() for rank in ranks])
    waits = [rank.barrier.remote(barrier, 0.0) for rank in ranks[:2]]
    if late_s != "never":
        waits.append(ranks[2].barrier.remote(barrier, float(late_s)))
    ray.get(waits)


def run_shelf(count: str, how: str = "take") -> None:
    """A consumer waits for what a producer lays there; with count 0 nobody tells the producer."""
    shelf, producer, consumer = Shelf.remote(), Producer.remote(), Consumer.remote()
    ray.get(producer.ping.remote())
    if int(count):
        producer.fill.remote(shelf, int(count))
    wanted = max(int(count), 3)
    if how == "take":
        ray.get(consumer.drain.remote(shelf, wanted))
    elif how == "get":
        ray.get(shelf.take.remote())
    elif how == "wait":
        ray.wait([shelf.take.remote()])
    elif how == "gone":
        ray.kill(producer)
        ray.get(consumer.drain.remote(shelf, wanted))


def run_patient_wait(count: str) -> None:
    """``ray.wait`` with a time-out, again and again, saying so."""
    done: list[object] = []
    waiting = [step.remote(float(count))]
    while not done:
        done, waiting = ray.wait(waiting, timeout=1)
        print("so far:", len(done), flush=True)


def run_unplaceable(what: str) -> None:
    """Waits for what no node has."""
    if what == "task":
        ray.get(step.options(resources={"unobtainium": 1}).remote(1))
    elif what == "group":
        ray.get(placement_group([{"CPU": 500}]).ready())
    else:
        ray.get(Rank.options(num_cpus=500).remote().ping.remote())


def run_licence(seconds: str, amount: str = "2") -> None:
    """Holds the licences of the cluster, or waits for them."""
    print(ray.get(license_work.options(resources={"licence": float(amount)}).remote(float(seconds))), flush=True)


def run_steps(count: str, seconds: str = "0.5") -> None:
    """Task after task, and never a word."""
    for _ in range(int(count)):
        ray.get(step.remote(float(seconds)))


def run_holder(seconds: str) -> None:
    """An actor with half a CPU, a task of it that goes on, and a word each second."""
    holder = Producer.options(num_cpus=0.5, name="holder").remote()
    ray.get(holder.ping.remote())
    task = step.options(name="hold").remote(float(seconds))
    while not ray.wait([task], timeout=1)[0]:
        print("holds", flush=True)


NAMES = {
    "cycle": run_cycle, "self": run_self, "barrier": run_barrier, "shelf": run_shelf, "patient": run_patient_wait,
    "unplaceable": run_unplaceable, "licence": run_licence, "steps": run_steps, "holder": run_holder,
}  # fmt: skip

if __name__ == "__main__":
    ray.init()
    NAMES[sys.argv[1]](*sys.argv[2:-1])

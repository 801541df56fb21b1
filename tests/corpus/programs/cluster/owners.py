"""What ends with its owner or its creator, and actors that are ended on purpose and then called."""

from __future__ import annotations

from tests.corpus.program import Program

PROGRAMS = (
    Program(
        id="m-object-owner-died",
        title="A reference whose owner has exited",
        primary="object.owner-died",
        acceptable=("object.lost",),
        why="An actor put an object and gave the reference away; then it was killed.",
        evidence="OwnerDiedError",
        source_code="""import time

import numpy as np
import ray

ray.init()


@ray.remote(num_cpus=0)
class Loader:
    def table(self):
        return [ray.put(np.ones(1_000_000))]


loader = Loader.remote()
(table,) = ray.get(loader.table.remote())
ray.kill(loader)
time.sleep(3)
print(ray.get(table).sum())
""",
    ),
    Program(
        id="m-actor-owner-died",
        title="An actor whose creator has exited",
        primary="actor.owner-died",
        why="The creator of a non-detached actor was killed; the actor ended with it, and the driver calls it.",
        evidence="owner",
        source_code="""import time

import ray

ray.init(namespace="pipeline")


@ray.remote(num_cpus=0)
class Cache:
    def size(self):
        return 1


@ray.remote(num_cpus=0)
class Planner:
    def start(self):
        self.cache = Cache.options(name="cache").remote()
        return ray.get(self.cache.size.remote())


planner = Planner.remote()
ray.get(planner.start.remote())
cache = ray.get_actor("cache")
ray.kill(planner)
time.sleep(3)
print(ray.get(cache.size.remote()))
""",
    ),
    Program(
        id="m-actor-killed-by-program",
        title="An actor that the program itself has killed, and then calls",
        primary="actor.died",
        acceptable=("app.exception", "app.task-exception"),
        why="The program calls ray.kill on an actor and then one of its methods.",
        evidence="ray.kill",
        source_code="""import ray

ray.init()


@ray.remote(num_cpus=0)
class Buffer:
    def add(self, item):
        return item


buffer = Buffer.remote()
ray.get(buffer.add.remote(1))
ray.kill(buffer)
ray.get(buffer.add.remote(2))
""",
    ),
    Program(
        id="m-actor-exited",
        title="An actor that exits in one of its methods, and is called again",
        primary="actor.died",
        why="A method of the actor ends it with exit_actor; a later call finds it dead.",
        evidence="ActorDiedError",
        source_code="""import ray

ray.init()


@ray.remote(num_cpus=0)
class Worker:
    def run(self, rows):
        if rows > 2:
            ray.actor.exit_actor()
        return rows


worker = Worker.remote()
for rows in range(5):
    try:
        print(ray.get(worker.run.remote(rows)))
    except ray.exceptions.RayActorError:
        print("row", rows, "was not taken")
        raise
""",
    ),
)

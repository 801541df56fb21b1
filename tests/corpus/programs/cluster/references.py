"""References whose owners are gone, and actors that ended with or by somebody else."""

from __future__ import annotations

from tests.corpus.program import Program

_OWNER = """
import time

import ray

ray.init()


@ray.remote(num_cpus=0)
class Producer:
    def make(self):
        return [ray.put(list(range(200_000)))]


producer = Producer.remote()
(table,) = ray.get(producer.make.remote())
ray.kill(producer)
time.sleep(2)
print("rows", len(ray.get(table)))
"""
_OWNER_TASK = """
import os
import time

import ray

ray.init()


@ray.remote(num_cpus=0)
class Loader:
    def __init__(self):
        self.blocks = []

    def load(self, number):
        self.blocks.append(ray.put(b"x" * 300_000))
        return self.blocks[-1:]

    def pid(self):
        return os.getpid()


@ray.remote(num_cpus=0, max_retries=0)
def size(block):
    return len(block)


loader = Loader.remote()
(block,) = ray.get(loader.load.remote(1))
os.kill(ray.get(loader.pid.remote()), 9)
time.sleep(2)
print("size", ray.get(size.remote(block)))
"""
_OWNED_BY_TASK = """
import ray

ray.init()


@ray.remote(num_cpus=0)
class Helper:
    def ping(self):
        return "pong"


@ray.remote(num_cpus=0, max_calls=1)
def make_helper():
    helper = Helper.options(name="helper").remote()
    ray.get(helper.ping.remote())
    return "made"


print(ray.get(make_helper.remote()))
import time

time.sleep(3)
print(ray.get(ray.get_actor("helper").ping.remote()))
"""
_RESTARTS = """
import os

import ray

ray.init()


@ray.remote(num_cpus=0, max_restarts=2, max_task_retries=2)
class Parser:
    def parse(self, document):
        if document == "bad.pdf":
            os._exit(13)
        return len(document)


parser = Parser.remote()
for document in ("a.pdf", "bad.pdf", "c.pdf"):
    print(document, ray.get(parser.parse.remote(document)))
"""

PROGRAMS: tuple[Program, ...] = (
    Program(
        id="m-object-owner-killed",
        title="The actor that made an object is killed before the object is read",
        primary="object.owner-died",
        why="The owner of the reference was ended by ray.kill.",
        evidence="The object's owner has exited.",
        source_code=_OWNER,
    ),
    Program(
        id="m-object-owner-died-task",
        title="A task takes an object whose owner has died",
        primary="object.owner-died",
        acceptable=("app.task-exception", "memory.process-killed"),
        why="The actor that owned the block was killed before a task could read it.",
        evidence="The object's owner has exited.",
        source_code=_OWNER_TASK,
    ),
    Program(
        id="m-actor-owned-by-task",
        title="A named actor of a task whose worker has gone",
        primary="app.actor-not-found",
        acceptable=("actor.owner-died",),
        why="The name vanished when the handle that the task had went out of scope.",
        evidence="Failed to look up actor with name 'helper'",
        source_code=_OWNED_BY_TASK,
    ),
    Program(
        id="m-actor-restarts-exhausted",
        title="An actor whose process exits at each of its three lives",
        primary="actor.died",
        acceptable=("memory.process-killed",),
        why="os._exit(13) in a method, again after each restart; nothing tells why the process is gone.",
        source_code=_RESTARTS,
    ),
)

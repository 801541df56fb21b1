"""What cannot be pickled, what is waited for too short, and names of actors."""

from __future__ import annotations

from tests.corpus.program import Program

_LOCK = """
import threading

import ray

ray.init()
lock = threading.Lock()
seen = []


@ray.remote
def note(number):
    with lock:
        seen.append(number)


ray.get([note.remote(number) for number in range(3)])
"""
_RETURN = """
import sqlite3

import ray

ray.init()


@ray.remote(num_cpus=0)
def connect(path):
    return sqlite3.connect(path)


print(ray.get(connect.remote(":memory:")))
"""
_CAPTURE = """
import numpy
import ray

ray.init()
table = numpy.zeros(13_000_000)
print("table of", table.nbytes >> 20, "MiB")


@ray.remote
def look_up(row):
    return table[row]


print(ray.get([look_up.remote(row) for row in range(3)]))
"""
_TIMEOUT = """
import time

import ray

ray.init()


@ray.remote(num_cpus=0)
def slow(number):
    time.sleep(60)
    return number


print("waiting for 2 results")
print(ray.get([slow.remote(number) for number in range(2)], timeout=2))
"""
_MISSING = """
import ray

ray.init(namespace="prod")
queue = ray.get_actor("work_queue")
print(ray.get(queue.size.remote()))
"""
_NAMESPACE = """
import ray

ray.init(namespace="staging")


@ray.remote(num_cpus=0)
class Registry:
    def models(self):
        return ["a", "b"]


registry = Registry.options(name="registry", namespace="serving").remote()
ray.get(registry.models.remote())
print(ray.get(ray.get_actor("registry").models.remote()))
"""
_CONFLICT = """
import ray

ray.init(namespace="training")


@ray.remote(num_cpus=0)
class ParameterServer:
    def step(self):
        return 1


first = ParameterServer.options(name="ps").remote()
print("step", ray.get(first.step.remote()))
second = ParameterServer.options(name="ps").remote()
"""

PROGRAMS: tuple[Program, ...] = (
    Program(
        id="m-serialization-lock",
        title="A task that uses a lock of the driver",
        primary="app.serialization",
        why="A lock cannot be pickled.",
        evidence="cannot pickle '_thread.lock' object",
        source_code=_LOCK,
    ),
    Program(
        id="m-serialization-return",
        title="A task that returns a database connection",
        primary="app.serialization",
        acceptable=("app.task-exception",),
        why="The returned connection cannot be pickled.",
        evidence="cannot pickle 'sqlite3.Connection' object",
        source_code=_RETURN,
    ),
    Program(
        id="m-serialization-too-large",
        title="A task that captures a table of 99 MiB",
        primary="app.serialization",
        why="What the function captures is above Ray's limit for functions.",
        evidence="is too large",
        source_code=_CAPTURE,
    ),
    Program(
        id="m-get-timeout",
        title="ray.get with a timeout of two seconds for tasks of a minute",
        primary="app.get-timeout",
        why="The tasks sleep; nothing is wrong but the time that is given.",
        evidence="GetTimeoutError",
        source_code=_TIMEOUT,
    ),
    Program(
        id="m-actor-not-found",
        title="A named actor that nobody started",
        primary="app.actor-not-found",
        why="There is no actor of that name.",
        evidence="Failed to look up actor with name 'work_queue'",
        source_code=_MISSING,
    ),
    Program(
        id="m-actor-other-namespace",
        title="A named actor that lives in another namespace",
        primary="app.actor-not-found",
        why="The actor is in the namespace serving, and is looked up in staging.",
        evidence="Failed to look up actor with name 'registry'",
        source_code=_NAMESPACE,
    ),
    Program(
        id="m-actor-name-conflict",
        title="Two actors of one name",
        primary="app.actor-name-conflict",
        why="The name is taken by the first actor.",
        evidence="The name ps (namespace=None) is already taken",
        source_code=_CONFLICT,
    ),
)

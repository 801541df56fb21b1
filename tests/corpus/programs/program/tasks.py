"""What tasks and actors raise."""

from __future__ import annotations

from tests.corpus.program import Program

_NESTED_2 = """
import ray

ray.init()


@ray.remote(num_cpus=0)
def read_shard(number):
    rows = [number, 0, 3]
    return [10 / row for row in rows] if number == 1 else rows


@ray.remote(num_cpus=0)
def epoch(shards):
    return sum(len(rows) for rows in ray.get([read_shard.remote(each) for each in range(shards)]))


print("rows:", ray.get(epoch.remote(2)))
"""
_NESTED_3 = """
import ray

ray.init()


@ray.remote(num_cpus=0)
def ratio(done, total):
    return done / total


@ray.remote(num_cpus=0)
def summarise(shard):
    return ray.get(ratio.remote(shard, 0))


@ray.remote(num_cpus=0)
def run(shards):
    return ray.get([summarise.remote(each) for each in range(shards)])


print("starting 3 shards")
print(ray.get(run.remote(3)))
"""
_INIT = """
import ray

ray.init()


@ray.remote
class Model:
    def __init__(self, layers):
        self.weights = [0.0] * layers[-1]
        self.norm = 1.0 / sum(self.weights)

    def predict(self, value):
        return value * self.norm


models = [Model.remote([4, size]) for size in (8, 16)]
print(ray.get([model.predict.remote(3) for model in models]))
"""
_INIT_CHAIN = """
import ray

ray.init()


@ray.remote(num_cpus=0)
class Store:
    def __init__(self, capacity):
        if capacity % 16:
            raise ValueError(f"capacity must be a multiple of 16, not {capacity}")


@ray.remote(num_cpus=0)
class Service:
    def __init__(self):
        self.store = Store.options(name="vectors").remote(100)
        ray.get(self.store.__ray_ready__.remote())

    def ready(self):
        return True


print(ray.get(Service.remote().ready.remote()))
"""
_METHOD = """
import ray

ray.init()


@ray.remote
class Counter:
    def __init__(self):
        self.total = 0

    def add(self, amount):
        self.total += amount
        return self.total


counter = Counter.remote()
for amount in (1, 2, None, 4):
    print("total", ray.get(counter.add.remote(amount)))
"""
_ASYNC = """
import asyncio

import ray

ray.init()


@ray.remote(num_cpus=0)
class Gateway:
    async def ask(self, number):
        await asyncio.sleep(0.05)
        if number == 3:
            raise PermissionError("tenant 3 is not allowed to ask for embeddings")
        return number


gateway = Gateway.remote()
print(ray.get([gateway.ask.remote(number) for number in range(6)]))
"""
_RETRIES = """
import logging

import ray

ray.init()


class Throttled(RuntimeError):
    pass


@ray.remote(num_cpus=0, max_retries=2, retry_exceptions=[Throttled])
def call(number):
    logging.warning("attempt for item %d", number)
    raise Throttled(f"quota of item {number} is used up until tomorrow")


print(ray.get(call.remote(11)))
"""
_GENERATOR = """
import ray

ray.init()


@ray.remote(num_cpus=0)
def pages(count):
    for page in range(count):
        if page == 3:
            raise StopAsyncIteration("cursor expired after page 2")
        yield {"page": page}


for reference in pages.remote(6):
    print(ray.get(reference))
"""
_UNPICKLABLE = """
import threading

import ray

ray.init()


class SessionBroken(Exception):
    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()


@ray.remote(num_cpus=0, max_retries=0)
def download(number):
    raise SessionBroken(f"session broke at part {number}")


print(ray.get(download.remote(6)))
"""
_WRONG_CALL = """
import ray

ray.init()


@ray.remote
def score(rows, *, threshold):
    return [row > threshold for row in rows]


print(ray.get(score.remote([1, 2, 3], limit=2)))
"""

PROGRAMS: tuple[Program, ...] = (
    Program(
        id="m-task-nested-2",
        title="A task within a task divides by zero",
        primary="app.task-exception",
        acceptable=("app.exception",),
        why="The inner of two tasks raised ZeroDivisionError.",
        evidence="ZeroDivisionError: division by zero",
        source_code=_NESTED_2,
    ),
    Program(
        id="m-task-nested-3",
        title="A task that called a task that called a task that divides by zero",
        primary="app.task-exception",
        acceptable=("app.exception",),
        why="The innermost of three nested tasks raised ZeroDivisionError.",
        evidence="ZeroDivisionError: division by zero",
        source_code=_NESTED_3,
    ),
    Program(
        id="m-actor-init",
        title="A constructor of an actor raises",
        primary="app.actor-init-failed",
        acceptable=("app.task-exception",),
        why="The sum of the weights is zero, and the constructor divides by it.",
        evidence="ZeroDivisionError: float division by zero",
        source_code=_INIT,
    ),
    Program(
        id="m-actor-init-chain",
        title="The constructor of an actor that another actor's constructor starts raises",
        primary="app.actor-init-failed",
        acceptable=("app.task-exception",),
        why="The inner actor refuses its capacity.",
        evidence="ValueError: capacity must be a multiple of 16, not 100",
        source_code=_INIT_CHAIN,
    ),
    Program(
        id="m-actor-method",
        title="A method of an actor raises",
        primary="app.task-exception",
        acceptable=("app.exception",),
        why="None is added to a number in an actor.",
        evidence="unsupported operand type(s) for +=: 'int' and 'NoneType'",
        source_code=_METHOD,
    ),
    Program(
        id="m-actor-async",
        title="A coroutine of an actor raises",
        primary="app.task-exception",
        acceptable=("app.exception", "app.data-access"),
        why="The program's own check of a tenant raises PermissionError in an asynchronous actor.",
        evidence="PermissionError: tenant 3 is not allowed to ask for embeddings",
        source_code=_ASYNC,
    ),
    Program(
        id="m-task-retries-exhausted",
        title="A task that fails at each of its three attempts",
        primary="app.task-exception",
        acceptable=("app.exception",),
        why="Each attempt raises; Ray gives up after two retries.",
        evidence="quota of item 11 is used up until tomorrow",
        source_code=_RETRIES,
    ),
    Program(
        id="m-task-generator",
        title="A generator task raises after three values",
        primary="app.task-exception",
        acceptable=("app.exception",),
        why="The task raises in the middle of what it yields.",
        evidence="cursor expired after page 2",
        source_code=_GENERATOR,
    ),
    Program(
        id="m-task-wrong-call",
        title="A task is called with an argument that it does not take",
        primary="app.exception",
        acceptable=("app.task-exception", "app.usage-error"),
        why="Ray checks the arguments when the task is called, on the driver.",
        evidence="TypeError: missing a required argument: 'threshold'",
        source_code=_WRONG_CALL,
    ),
    Program(
        id="m-serialization-exception",
        title="An exception that cannot be pickled",
        primary="app.task-exception",
        acceptable=("app.serialization",),
        why="The task's own exception is the failure; that it holds a lock only changes how Ray shows it.",
        evidence="session broke at part 6",
        source_code=_UNPICKLABLE,
    ),
)

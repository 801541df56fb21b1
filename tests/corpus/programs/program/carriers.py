"""Failures that carry others: of children, threads, pools and groups; and what wrong settings look like."""

from __future__ import annotations

from tests.corpus.program import Program

_CLICK = '''
import click


@click.command()
@click.option("--epochs", type=int, required=True)
@click.option("--output", type=click.Path(), default="out")
def train(epochs, output):
    """Train the ranking model."""
    click.echo(f"{epochs} epochs into {output}")


train()
'''
_VARIABLE = """
import os

import ray

ray.init()
model = os.environ["RANKER_MODEL_PATH"]
print("serving", model)
"""
_RECURSION = """
import sys

sys.setrecursionlimit(400)


def depth(tree):
    return 1 + max(depth(child) for child in tree["children"])


tree = {"name": "root"}
tree["children"] = [tree]
print("depth", depth(tree))
"""
_HTML = """
import json

ANSWER = "<html><head><title>502 Bad Gateway</title></head><body>upstream error</body></html>"


def parse(text):
    return json.loads(text)


print(parse(ANSWER)["predictions"])
"""
_TASK_GROUP = """
import ray

ray.init()


@ray.remote(num_cpus=0, max_retries=0)
def validate(table):
    problems = []
    for number, row in enumerate(table):
        try:
            if row < 0:
                raise ValueError(f"row {number}: {row} is negative")
        except ValueError as error:
            error.add_note("checked by rule non-negative")
            problems.append(error)
    if problems:
        raise ExceptionGroup("table is not valid", problems)


print(ray.get(validate.remote([3, -1, 4, -5])))
"""
_THREAD = """
import sys
import threading

result = {}


def load():
    rows = [{"price": "12.5"}, {"price": None}]
    result["sum"] = sum(float(row["price"]) for row in rows)


thread = threading.Thread(target=load, name="loader")
thread.start()
thread.join()
if "sum" not in result:
    print("loader gave no result", file=sys.stderr)
    sys.exit(1)
"""
_POOL = """
import multiprocessing


def area(shape):
    return shape["width"] * shape["height"]


if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        print(pool.map(area, [{"width": 2, "height": 3}, {"width": 4}]))
"""
_CHILD = """
import subprocess
import sys

print("step 1 of 3: convert", flush=True)
subprocess.run([sys.executable, "convert.py", "--from", "v1"], check=True)
print("step 2 of 3: index")
"""
_CONVERT = """
VERSIONS = {"v2": 2, "v3": 3}


def reader(version):
    if version not in VERSIONS:
        raise NotImplementedError(f"format {version} cannot be read any more, convert it with release 5")


reader("v1")
"""
_FREE = """
import ctypes

libc = ctypes.CDLL(None)
libc.free.argtypes = [ctypes.c_void_p]
block = ctypes.create_string_buffer(4096)
print("releasing buffers", flush=True)
libc.free(ctypes.addressof(block) + 24)
"""
_FIRST_OF_MANY = """
import time

import ray

ray.init()


@ray.remote(num_cpus=0, max_restarts=0)
class Leader:
    def plan(self):
        raise RuntimeError("plan has a cycle: load -> join -> load")


@ray.remote(num_cpus=0, max_retries=0)
def follow(leader, number):
    try:
        return ray.get(leader.plan.remote())
    except ray.exceptions.RayTaskError as error:
        raise ConnectionAbortedError(f"follower {number} lost its leader") from error


leader = Leader.remote()
followers = [follow.remote(leader, number) for number in range(3)]
done, _ = ray.wait(followers, num_returns=3)
time.sleep(0.5)
try:
    ray.get(followers)
except ray.exceptions.RayTaskError as error:
    raise SystemExit(f"training stopped: {type(error).__name__}: see above\\n{error}")
"""
_MAKE = """
all: report

data.csv:
\t@echo fetching; printf 'a;b\\n1;x\\n' > data.csv

report: data.csv
\t@python report.py data.csv
"""
_REPORT = """
import csv
import sys

with open(sys.argv[1]) as file:
    rows = list(csv.DictReader(file))
print("mean", sum(float(row["a"]) for row in rows) / len(rows))
"""

PROGRAMS: tuple[Program, ...] = (
    Program(
        id="m-usage-click",
        title="An option that a click command does not know",
        primary="app.usage-error",
        why="The option is misspelt.",
        evidence="No such option",
        source_code=_CLICK,
        entrypoint="python main.py --epoch 3",
    ),
    Program(
        id="m-usage-variable",
        title="An environment variable that is not set",
        primary="app.exception",
        acceptable=("app.usage-error",),
        why="The program reads a variable that nobody set.",
        evidence="KeyError: 'RANKER_MODEL_PATH'",
        source_code=_VARIABLE,
    ),
    Program(
        id="m-exception-recursion",
        title="A recursion without end",
        primary="app.exception",
        why="The tree is its own child.",
        evidence="RecursionError: maximum recursion depth exceeded",
        source_code=_RECURSION,
    ),
    Program(
        id="m-exception-not-json",
        title="An answer that is not JSON",
        primary="app.exception",
        acceptable=("app.data-access",),
        why="A page of HTML is parsed as JSON.",
        evidence="json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
        source_code=_HTML,
    ),
    Program(
        id="m-task-group",
        title="A task that raises a group of exceptions with notes",
        primary="app.task-exception",
        acceptable=("app.exception",),
        why="Two rows are negative.",
        evidence="ValueError: row 1: -1 is negative",
        source_code=_TASK_GROUP,
    ),
    Program(
        id="m-exception-in-thread",
        title="A thread ends by an exception, and the program notices later",
        primary="app.exception",
        why="A price is None, in a thread.",
        evidence="TypeError: float() argument must be a string or a real number, not 'NoneType'",
        source_code=_THREAD,
    ),
    Program(
        id="m-exception-process-pool",
        title="An exception in a process of a pool",
        primary="app.exception",
        why="A shape has no height.",
        evidence="KeyError: 'height'",
        source_code=_POOL,
    ),
    Program(
        id="m-exception-child-process",
        title="A child process fails and the parent says only its exit code",
        primary="app.exception",
        why="The converter does not know the format; the parent raises CalledProcessError.",
        evidence="NotImplementedError: format v1 cannot be read any more, convert it with release 5",
        source_code=_CHILD,
        files={"convert.py": _CONVERT},
    ),
    Program(
        id="m-native-free",
        title="A pointer that was never allocated is freed",
        primary="app.native-crash",
        why="glibc finds the heap damaged and aborts.",
        evidence="free(): invalid",
        source_code=_FREE,
    ),
    Program(
        id="m-task-first-of-many",
        title="One actor's exception makes three followers fail",
        primary="app.task-exception",
        acceptable=("app.exception",),
        why="The leader's plan has a cycle; the lost connections are its consequence.",
        evidence="RuntimeError: plan has a cycle: load -> join -> load",
        source_code=_FIRST_OF_MANY,
    ),
    Program(
        id="m-exception-below-make",
        title="A target of make fails",
        primary="app.exception",
        why="The file is separated by semicolons; make only tells the exit code.",
        evidence="KeyError: 'a'",
        entrypoint="make",
        files={"Makefile": _MAKE, "report.py": _REPORT},
    ),
)

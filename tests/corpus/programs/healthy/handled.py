"""Programs that succeed although something failed on the way and was handled, retried, or meant."""

from __future__ import annotations

from tests.corpus.program import healthy

_LOGGED = """
import logging

import ray

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
log = logging.getLogger("feeds")
ray.init()
kept = 0
for number, text in enumerate(["12", "7", "n/a", "9", ""]):
    try:
        kept += int(text)
    except ValueError:
        log.exception("row %d is not a number, skipped", number)
log.info("kept the sum %d", kept)
"""
_RETRIED_TASK = """
import pathlib
import tempfile

import ray

ray.init()
seen = pathlib.Path(tempfile.mkdtemp())


@ray.remote(num_cpus=0, max_retries=3, retry_exceptions=True)
def fetch(part):
    mark = seen / str(part)
    if not mark.exists():
        mark.touch()
        raise ConnectionError(f"part {part}: connection reset by peer")
    return part


print("fetched", sum(ray.get([fetch.remote(part) for part in range(4)])))
"""
_RETRIED_WORKER = """
import os
import pathlib
import tempfile
import time

import ray

ray.init()
seen = pathlib.Path(tempfile.mkdtemp())


@ray.remote(num_cpus=0, max_retries=2)
def decode(part):
    mark = seen / str(part)
    if part == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), 9)
    return part


print("decoded", ray.get([decode.remote(part) for part in range(3)]))
time.sleep(1)
"""
_RESTARTED_ACTOR = """
import os

import ray

ray.init()


@ray.remote(num_cpus=0, max_restarts=2, max_task_retries=2)
class Index:
    def __init__(self):
        print("index loaded by", os.getpid())

    def process(self):
        return os.getpid()


index = Index.remote()
first = ray.get(index.process.remote())
os.kill(first, 9)
second = ray.get(index.process.remote())
print("index answered again:", first != second)
"""
_KILLED_ON_PURPOSE = """
import ray

ray.init()


@ray.remote(num_cpus=0)
class Trial:
    def __init__(self, rate):
        self.rate = rate

    def loss(self):
        return abs(0.01 - self.rate)


trials = {rate: Trial.remote(rate) for rate in (0.1, 0.01, 0.001)}
losses = {rate: ray.get(trial.loss.remote()) for rate, trial in trials.items()}
best = min(losses, key=losses.get)
for rate, trial in trials.items():
    if rate != best:
        print(f"killing trial with rate {rate}: error {losses[rate]:.4f} is worse than {losses[best]:.4f}")
        ray.kill(trial)
try:
    ray.get(trials[0.1].loss.remote())
except ray.exceptions.RayActorError as error:
    print("as expected:", type(error).__name__, error)
print("best rate", best)
"""
_CAUGHT_TASK = """
import traceback

import ray

ray.init()


@ray.remote(num_cpus=0)
def parse(text):
    return int(text)


results = []
for reference in [parse.remote(text) for text in ("1", "two", "3")]:
    try:
        results.append(ray.get(reference))
    except ray.exceptions.RayTaskError:
        traceback.print_exc()
        results.append(None)
print("results:", results)
"""
_FALLBACK = """
import warnings

import ray

ray.init()
try:
    import cupy_accelerated as arrays
except ImportError as error:
    warnings.warn(f"no accelerator: {error}; computing on the CPU")
    arrays = None
print("sum", sum(range(1000)))
"""
_TIMEOUT = """
import time

import ray

ray.init()


@ray.remote(num_cpus=0)
def slow():
    time.sleep(3)
    return "late"


reference = slow.remote()
for attempt in range(8):
    try:
        print(ray.get(reference, timeout=1))
        break
    except ray.exceptions.GetTimeoutError as error:
        print(f"attempt {attempt}: GetTimeoutError: {error}; asking again")
"""
_LOOK_UP = """
import ray

ray.init(namespace="corpus-healthy")


@ray.remote(num_cpus=0)
class Cache:
    def get(self, key):
        return key


try:
    cache = ray.get_actor("cache")
except ValueError as error:
    print("no cache yet:", error)
    cache = Cache.options(name="cache").remote()
print(ray.get(cache.get.remote("a")))
"""
_TESTS = """
import unittest

import ray


class Errors(unittest.TestCase):
    def test_missing_key_raises_key_error(self):
        with self.assertRaises(KeyError):
            {}["missing"]

    def test_failed_task_raises(self):
        task = ray.remote(num_cpus=0, max_retries=0)(lambda: 1 / 0)
        with self.assertRaises(ZeroDivisionError):
            ray.get(task.remote())

    @unittest.expectedFailure
    def test_known_failure(self):
        self.fail("known bug 1234")

    @unittest.skip("fails on fridays")
    def test_fatal_error_handling(self):
        raise SystemError


ray.init()
unittest.main(verbosity=2)
"""
_UNASKED = """
import time

import ray

ray.init()


@ray.remote(num_cpus=0, max_retries=0)
def warm(cache):
    raise LookupError(f"cache {cache} is cold, nothing to do")


@ray.remote(num_cpus=0)
def work(number):
    return number * number


references = [warm.remote(number) for number in range(2)]
ray.wait(references, num_returns=2)
del references
print("squares", ray.get([work.remote(number) for number in range(4)]))
time.sleep(1)
"""
_SIGNALS = """
set -u
echo "checking that the sandbox kills what it must"
python -c "import os; os.kill(os.getpid(), 11)"; echo "segfault probe: exit code $?"
timeout -s KILL 1 sleep 5; echo "timeout probe: exit code $?"
ls /nonexistent || echo "ls failed as it should"
nosuchcommand 2>&1 || true
echo "all probes behaved"
"""
_CANCELLED = """
import time

import ray

ray.init()


@ray.remote(num_cpus=0)
def search(arm):
    time.sleep(0.2 if arm == 2 else 60)
    return arm


arms = [search.remote(arm) for arm in range(4)]
done, rest = ray.wait(arms, num_returns=1)
print("winner", ray.get(done[0]))
for each in rest:
    ray.cancel(each)
for each in rest:
    try:
        ray.get(each)
    except ray.exceptions.TaskCancelledError as error:
        print("cancelled:", error)
"""

PROGRAMS = (
    healthy("m-ok-logged-exceptions", "Two rows are skipped with a logged traceback", "Both were handled.", _LOGGED),
    healthy("m-ok-retried-tasks", "Tasks raise once and succeed when retried", "Each retry succeeded.", _RETRIED_TASK),
    healthy("m-ok-retried-worker", "A worker dies and its task is retried", "The retry succeeded.", _RETRIED_WORKER),
    healthy("m-ok-restarted-actor", "An actor is killed and restarted", "It answered again.", _RESTARTED_ACTOR),
    healthy("m-ok-killed-actors", "Actors of worse trials are killed", "It is how a search ends.", _KILLED_ON_PURPOSE),
    healthy("m-ok-caught-task", "A task fails and the driver prints it and goes on", "It was caught.", _CAUGHT_TASK),
    healthy("m-ok-import-fallback", "An import fails and there is another way", "The CPU was enough.", _FALLBACK),
    healthy("m-ok-get-timeouts", "ray.get is asked again after timeouts", "The result came.", _TIMEOUT),
    healthy("m-ok-actor-look-up", "A named actor is missing, and is made", "Get or create.", _LOOK_UP),
    healthy("m-ok-unit-tests", "Tests of what goes wrong", "All did as expected.", _TESTS),
    healthy("m-ok-unasked-failures", "Tasks fail whose results nobody wants", "The driver ended in order.", _UNASKED),
    healthy(
        "m-ok-probes",
        "A script whose commands are killed and not found, as they must be",
        "The script checks for this and succeeds.",
        "",
        entrypoint="bash probes.sh",
        files={"probes.sh": _SIGNALS},
    ),
    healthy("m-ok-cancelled", "Losers of a race are cancelled", "One arm won, the rest were cancelled.", _CANCELLED),
)

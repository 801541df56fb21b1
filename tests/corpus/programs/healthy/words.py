"""Programs in which nothing fails, and whose logs are full of words of failure."""

from __future__ import annotations

from tests.corpus.program import healthy

_RATES = """
import time

for minute in range(8):
    print(f"minute {minute}: requests {1200 + minute} error rate 0.0 errors 0 failures 0 timeouts 0 (5xx: 0)")
    time.sleep(0.05)
print("finished: 0 errors, 0 failed, exit code 0")
"""
_LOSSES = """
print("epoch  train_error  valid_error  fail@10  killed_units")
for epoch in range(12):
    print(f"{epoch:5d}  {1 / (epoch + 1):11.4f}  {1.2 / (epoch + 1):11.4f}  {0.3 / (epoch + 1):7.3f}  {epoch:12d}")
print("best valid_error: 0.1000 at epoch 11 (mean squared error, standard error 0.003)")
"""
_WARNINGS = """
import logging
import warnings

import numpy
import ray

warnings.simplefilter("always")
warnings.warn("Trainer.fit is deprecated and will raise an error in 4.0", DeprecationWarning)
warnings.warn("failed to import flash attention, falling back", ImportWarning)
with numpy.errstate(all="warn"):
    print(numpy.array([1.0, 0.0]) / numpy.array([0.0, 0.0]), numpy.exp(numpy.array([1000.0])))
logging.getLogger("optimizer").error("learning rate 0 was given, using the default")
logging.getLogger("optimizer").critical("this message is critical by the house style of this team, and harmless")
ray.init()
print(ray.get(ray.remote(num_cpus=0)(lambda: "ok").remote()))
"""
_DATASET = """
import ray

TEXTS = [
    "Container killed due to OOM: out of memory, exit code 137",
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB",
    "Traceback (most recent call last): File \\"a.py\\", line 1, in <module> ModuleNotFoundError: No module named 'x'",
    "Segmentation fault (core dumped)",
    "my pod was evicted, The node was low on resource: memory",
    "raylet died: the node was marked dead because the raylet missed too many heartbeats",
]

ray.init()


@ray.remote(num_cpus=0)
def classify(text):
    return "memory" if "memory" in text or "OOM" in text else "other"


for text, label in zip(TEXTS, ray.get([classify.remote(text) for text in TEXTS])):
    print(f"[{label:6}] {text}")
print("classified", len(TEXTS), "support tickets")
"""
_OTHER_LOG = '''
LOG = """2026-11-02 04:11:09,881 INFO worker.py:1841 -- Connecting to existing Ray cluster at address: 10.0.0.4:6379...
Traceback (most recent call last):
  File "/app/train.py", line 88, in <module>
    ray.get(futures)
  File "/opt/venv/lib/python3.11/site-packages/ray/_private/worker.py", line 1053, in get_objects
    raise value.as_instanceof_cause()
ray.exceptions.RayTaskError(RuntimeError): ray::step() (pid=811, ip=10.0.0.7)
  File "/app/train.py", line 40, in step
    raise RuntimeError("NCCL error: unhandled system error")
RuntimeError: NCCL error: unhandled system error
"""

print("report on the failures of last night")
print("---- log of job nightly-7 (FAILED) ----")
print(LOG)
print("---- end of log ----")
print("1 job failed last night; report sent")
'''
_SOURCE = """
import inspect

import ray
from ray import exceptions

ray.init()
names = [name for name, each in vars(exceptions).items() if inspect.isclass(each) and issubclass(each, Exception)]
print("exceptions of this Ray:", ", ".join(sorted(names)))
print(inspect.getdoc(exceptions.OutOfMemoryError))
print(inspect.getdoc(exceptions.ObjectLostError))
print(inspect.getdoc(exceptions.NodeDiedError))
"""
_BARS = """
import time

from tqdm import tqdm

failed = 0
for step in (bar := tqdm(range(300), desc="checking for errors", mininterval=0)):
    bar.set_postfix(errors=failed, killed=0, last="ok")
tqdm.write("errors found: none")
"""
_TABLE = """
from rich.console import Console
from rich.table import Table

console = Console(force_terminal=True, width=90)
table = Table(title="[red]Error analysis[/red]")
for name in ("class", "error", "fatal", "note"):
    table.add_column(name)
for number in range(8):
    table.add_row(f"class-{number}", f"{number / 50:.3f}", "[red]0[/red]", "[red]exception list empty[/red]")
console.print(table)
console.log("[bold red]ERROR[/bold red] column has been renamed to [green]error_rate[/green]")
"""
_LINT = """
import logging
import sys

logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="%(levelname)s %(message)s")
for name in ("SyntaxError", "ImportError", "KeyError", "MemoryError", "AssertionError"):
    logging.debug("rule no-bare-%s: 0 violations", name)
logging.info("no SyntaxError in 214 files; failure threshold not reached")
"""
_JSON = """
import json

for number in range(6):
    print(json.dumps({"level": "info", "error": None, "exception": False, "failed": 0, "traceback": "", "n": number}))
print(json.dumps({"level": "info", "msg": "aborted transactions: 0, killed queries: 0, fatal: 0", "done": True}))
"""
_GERMAN = """
print("Fehlerprüfung läuft …")
for number in range(4):
    print(f"Block {number}: 0 Fehler, kein Abbruch")
print("错误: 0 失败: 0 — 全部通过")
print("Ошибок нет, сбоев нет")
"""
_SHELL = """
set -eu
echo "retry 1/3: connection refused"
echo "retry 2/3: connection refused" >&2
echo "retry 3/3: connected"
echo "rm: cannot remove 'old': No such file or directory (ignored)"
echo "Killed 3 stale sessions; Terminated 2 idle ones; Aborted 0"
"""
_SPILL = """
import time

import numpy
import ray

ray.init()
blocks = [ray.put(numpy.zeros(2_500_000)) for _ in range(8)]
print("sum", sum(float(ray.get(block).sum()) for block in blocks))
time.sleep(1)
"""
_INFEASIBLE = """
import ray

ray.init()


@ray.remote(resources={"gpu_pool": 1})
def never():
    return 1


@ray.remote(num_cpus=0)
def always():
    return 2


waiting = never.remote()
print("results", ray.get([always.remote() for _ in range(4)]))
done, rest = ray.wait([waiting], timeout=8)
print("optional step was not scheduled within 8 s, left out:", len(rest))
"""

PROGRAMS = (
    healthy("m-ok-error-rate-zero", "Counts of errors that are all zero", "Nothing failed.", _RATES),
    healthy("m-ok-loss-table", "A table of losses that are called errors", "Errors are its measure.", _LOSSES),
    healthy("m-ok-warnings", "Warnings, deprecations and an error of the logger", "None stopped it.", _WARNINGS),
    healthy("m-ok-dataset-of-failures", "A dataset of texts about failures", "They are data.", _DATASET),
    healthy("m-ok-log-of-another-job", "The log of a failed job, printed by a report", "It is data.", _OTHER_LOG),
    healthy("m-ok-documentation", "The documentation of Ray's exceptions, printed", "Words only.", _SOURCE),
    healthy("m-ok-progress-bar", "A progress bar that counts errors", "There were none.", _BARS),
    healthy("m-ok-red-table", "A red table of errors", "Colours only.", _TABLE),
    healthy("m-ok-linter", "A linter that names errors", "It found none.", _LINT),
    healthy("m-ok-json-fields", "Structured logs with fields for errors", "The fields are empty.", _JSON),
    healthy("m-ok-languages", "Words of failure in three other languages", "There were none.", _GERMAN),
    healthy(
        "m-ok-shell-words",
        "A script that talks of refused connections and killed sessions",
        "The third attempt connected.",
        "",
        entrypoint="bash run.sh",
        files={"run.sh": _SHELL},
    ),
    healthy("m-ok-spilled", "Objects that do not fit into memory and are spilled", "Spilling works.", _SPILL),
    healthy("m-ok-infeasible-optional", "An optional task that no node can run", "It is left out.", _INFEASIBLE),
)

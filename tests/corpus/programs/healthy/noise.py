"""Programs of frameworks that print much, of which little matters, and then fail."""

from __future__ import annotations

from tests.corpus.program import Program

_TQDM = """
import time

from tqdm import tqdm

for epoch in range(3):
    loss = None
    for step in tqdm(range(400), desc=f"epoch {epoch}", mininterval=0):
        loss = 1 / (step + 1)
        if epoch == 2 and step == 317:
            raise FloatingPointError("gradient norm overflowed in block 11")
    tqdm.write(f"epoch {epoch}: error={loss:.4f}")
"""
_RICH = """
from rich import print as say
from rich.console import Console
from rich.table import Table
from rich.traceback import install

install(width=100)
console = Console(force_terminal=True, width=100)
table = Table(title="[bold]Validation errors by class[/bold]")
for name in ("class", "error", "failed", "total"):
    table.add_column(name)
for number in range(12):
    table.add_row(f"class-{number}", f"{number / 100:.3f}", str(number), "1000")
console.print(table)
console.print("[green]✔ no errors[/green] in 12 classes; [red]✗ 0 failures[/red]")


def publish(rows):
    limit = 10
    return {row: limit[row] for row in rows}


publish(range(12))
"""
_HANDLED = """
import logging

import ray

logging.basicConfig(level=logging.INFO, format="%(asctime)s | %(levelname)-8s | %(name)s | %(message)s")
log = logging.getLogger("ingest")
ray.init()
kept = []
for number in range(6):
    try:
        if number % 2:
            raise ConnectionResetError(f"[Errno 104] Connection reset by peer (source {number})")
        kept.append(number)
    except ConnectionResetError:
        log.exception("source %d failed, using the copy of yesterday", number)
        kept.append(-number)
log.info("kept %d of 6 sources", len(kept))
assert all(each >= 0 for each in kept), "copies of yesterday are not allowed in the monthly run"
"""
_WORKERS = """
import logging
import time

import ray

ray.init()


@ray.remote(num_cpus=0.2)
def fetch(part):
    for second in range(4):
        print("WARNING: slow source, retrying (error 503)")
        logging.warning("part %d: attempt %d failed, will retry", part, second)
        time.sleep(0.2)
    if part == 5:
        raise UnicodeError(f"part {part} is not in the declared encoding cp1252")
    return part


done = ray.get([fetch.remote(part) for part in range(8)])
print("done", done)
"""
_JSON = """
import json
import sys
import time
import traceback


def say(level, message, **more):
    print(json.dumps({"ts": time.time(), "level": level, "msg": message, **more}), file=sys.stderr)


say("info", "service starting", version="3.1.4", error=None, errors=0)
for topic in ("clicks", "orders", "returns"):
    say("info", "topic ready", topic=topic, error_budget=0.01)
say("warning", "consumer lag is high", topic="orders", lag=12000)
try:
    offsets = {"clicks": 4, "orders": 9}
    print(offsets["returns"])
except KeyError as error:
    say("fatal", "consumer stopped", exc_type="KeyError", exc_info=traceback.format_exc())
    sys.exit(70)
"""
_LINE = """
import sys

print("state:", ",".join(f"{{'id': {number}, 'error': None, 'failed': False}}" for number in range(60000)))
print("x" * 200000)
sys.stdout.flush()
raise BufferError("ring buffer has no room for record 60001")
"""
_CRLF = r"""
import sys

for text in ("== build 42 ==", "0 error(s), 3 warning(s)", "warning C4996: 'strcpy' is deprecated", "== tests =="):
    sys.stdout.write(text + "\r\n")
sys.stdout.write("Traceback (most recent call last):\r\n  File \"C:\\ci\\run.py\", line 12, in <module>\r\n")
sys.stdout.write("    check(report)\r\n  File \"C:\\ci\\check.py\", line 3, in check\r\n    raise Exception(text)\r\n")
sys.stdout.write("Exception: 4 tests of 120 differ from their snapshots\r\n")
sys.stdout.flush()
sys.exit(1)
"""
_ANSI = """
import sys

RED, YELLOW, BOLD, OFF = "\\x1b[31m", "\\x1b[33m", "\\x1b[1m", "\\x1b[0m"
for step in range(40):
    sys.stderr.write(f"\\r\\x1b[2K{YELLOW}⠙{OFF} compiling {BOLD}kernel_{step}{OFF} (errors: 0)")
sys.stderr.write(f"\\n{RED}{BOLD}error[E0423]{OFF}{BOLD}: kernel_17 wants 12 registers, 8 are left{OFF}\\n")
sys.stderr.write(f"  {BOLD}-->{OFF} kernels/reduce.krn:88:14\\n")
sys.stderr.write(f"{RED}{BOLD}error{OFF}: aborting due to 1 previous error\\n")
sys.exit(101)
"""
_SHUTDOWN = """
import atexit
import logging
import sys

import ray

ray.init()
logging.basicConfig(level=logging.INFO, format="%(levelname)s:%(name)s:%(message)s")


def flush():
    try:
        raise BrokenPipeError("[Errno 32] Broken pipe")
    except BrokenPipeError:
        logging.getLogger("metrics").exception("could not flush 12 metrics at exit")


atexit.register(flush)


@ray.remote(num_cpus=0)
def normalise(vector):
    size = sum(each * each for each in vector) ** 0.5
    return [each / size for each in vector]


print(ray.get([normalise.remote(vector) for vector in ([3, 4], [0, 0])]))
"""

PROGRAMS: tuple[Program, ...] = (
    Program(
        id="m-noise-tqdm",
        title="Progress bars with carriage returns, then an exception",
        primary="app.exception",
        why="The third epoch overflows; all before it are progress bars.",
        evidence="FloatingPointError: gradient norm overflowed in block 11",
        source_code=_TQDM,
    ),
    Program(
        id="m-noise-rich",
        title="Tables of errors and a boxed traceback of rich",
        primary="app.exception",
        why="A number is indexed; rich draws the traceback into a box.",
        evidence="'int' object is not subscriptable",
        source_code=_RICH,
    ),
    Program(
        id="m-noise-handled",
        title="Three handled tracebacks, then an assertion",
        primary="app.exception",
        why="The logged connection errors were handled; the assertion ends the program.",
        evidence="AssertionError: copies of yesterday are not allowed in the monthly run",
        source_code=_HANDLED,
    ),
    Program(
        id="m-noise-workers",
        title="Eight workers whose warnings are interleaved, one of which fails",
        primary="app.task-exception",
        acceptable=("app.exception",),
        why="Part 5 raises UnicodeError; retries of the others are part of the work.",
        evidence="UnicodeError: part 5 is not in the declared encoding cp1252",
        source_code=_WORKERS,
    ),
    Program(
        id="m-noise-json",
        title="Structured logs that hold a traceback as a text",
        primary="app.exception",
        acceptable=("unknown",),
        why="A topic has no offset; the traceback is one field of one JSON line.",
        evidence="KeyError: 'returns'",
        source_code=_JSON,
    ),
    Program(
        id="m-noise-long-lines",
        title="Lines of megabytes, then an exception",
        primary="app.exception",
        why="The buffer of the program is full; the lines before it are data.",
        evidence="BufferError: ring buffer has no room for record 60001",
        source_code=_LINE,
    ),
    Program(
        id="m-noise-crlf",
        title="Output of another system with its ends of lines and a traceback of its own",
        primary="app.exception",
        why="Four snapshots differ.",
        evidence="Exception: 4 tests of 120 differ from their snapshots",
        source_code=_CRLF,
    ),
    Program(
        id="m-noise-ansi",
        title="A compiler with spinner and colours that fails",
        primary="app.exception",
        acceptable=("unknown",),
        why="One kernel needs more registers than there are.",
        evidence="kernel_17 wants 12 registers, 8 are left",
        source_code=_ANSI,
    ),
    Program(
        id="m-noise-at-exit",
        title="A task fails, and then a handler at exit logs a traceback",
        primary="app.task-exception",
        acceptable=("app.exception",),
        why="A vector of zeros has no length to divide by; what follows at exit is handled.",
        evidence="ZeroDivisionError: float division by zero",
        source_code=_SHUTDOWN,
    ),
)
